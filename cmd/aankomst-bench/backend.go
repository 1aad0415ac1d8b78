package main

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"

	"aankomst/server/cohort"
	"aankomst/server/store"
	"aankomst/server/store/sqlite"
)

// backend is the kind of store that is measured.
type backend interface {
	// title names it, with its version.
	title() string
	// costs says whose processor time is counted as the database's.
	costs() string
	// processorTime returns what the database has used so far, apart from the servers.
	processorTime() spent
	// place returns where one store will be; data is the data folder of its server.
	place(ctx context.Context, name, data string) (place, error)
	// close removes what the backend made for this run.
	close() error
}

// place is where one store is.
type place interface {
	// settings are environment variables with which the program finds it.
	settings() []string
	// open opens it beside the server, once it was made.
	open(ctx context.Context) (store.Store, error)
	// rest lets the database finish what filling the store left to be done later.
	rest(ctx context.Context) error
	// inserters open connections of their own to the database, each with a function that inserts one row
	// like a spent code in a transaction of its own and returns when that is durable. done closes them
	// and drops their table.
	inserters(ctx context.Context, connections int) (insert []func(ctx context.Context) error, done func() error, err error)
	// drop removes it.
	drop() error
}

// embedded is the backend of files in the data folder.
type embedded struct{ version string }

func newEmbedded(ctx context.Context) (embedded, error) {
	db, err := sql.Open("sqlite3", ":memory:")
	if err != nil {
		return embedded{}, err
	}
	defer db.Close()
	var version string
	err = db.QueryRowContext(ctx, `SELECT sqlite_version()`).Scan(&version)
	return embedded{version}, err
}

func (e embedded) title() string      { return "SQLite " + e.version + " (embedded, encrypted)" }
func (embedded) costs() string        { return "in the server's: the store is embedded" }
func (embedded) processorTime() spent { return spent{} }
func (embedded) close() error         { return nil }

func (embedded) place(_ context.Context, _, data string) (place, error) {
	return &embeddedPlace{data: data}, nil
}

// embeddedPlace is a data folder.
type embeddedPlace struct {
	data  string
	store *sqlite.Store
}

func (*embeddedPlace) settings() []string { return nil }

func (p *embeddedPlace) open(ctx context.Context) (store.Store, error) {
	key, err := p.key()
	if err != nil {
		return nil, err
	}
	p.store, err = sqlite.Open(ctx, filepath.Join(p.data, "aankomst.db"), key)
	if err != nil {
		return nil, err
	}
	return p.store, nil
}

// key returns the store's key.
func (p *embeddedPlace) key() (none [32]byte, err error) {
	folder, err := cohort.OpenFolder(filepath.Join(p.data, "keys"))
	if err != nil {
		return none, err
	}
	keys, err := folder.StoreKeys()
	if err != nil || len(keys) != 1 {
		return none, errors.Join(err, fmt.Errorf("there are %d store keys", len(keys)))
	}
	return keys[0], nil
}

// rest empties the log, so that it is not done during the first calls that are measured.
func (p *embeddedPlace) rest(ctx context.Context) error { return p.store.Settle(ctx) }

// inserters use a file beside the store, encrypted and made durable as that is.
func (p *embeddedPlace) inserters(ctx context.Context, connections int) (insert []func(context.Context) error, done func() error, err error) {
	key, err := p.key()
	if err != nil {
		return nil, nil, err
	}
	var opened []*sql.DB
	done = func() error {
		var errs []error
		for _, db := range opened {
			errs = append(errs, db.Close())
		}
		return errors.Join(errs...)
	}
	address := fmt.Sprintf("file:%s?vfs=adiantum&hexkey=%s&_pragma=busy_timeout(20000)&_pragma=journal_mode(wal)&_pragma=synchronous(full)&_pragma=secure_delete(on)",
		filepath.ToSlash(filepath.Join(p.data, "inserts.db")), hex.EncodeToString(key[:]))
	for range connections {
		db, err := sql.Open("sqlite3", address)
		if err != nil {
			return nil, nil, errors.Join(err, done())
		}
		db.SetMaxOpenConns(1)
		opened = append(opened, db)
		if _, err := db.ExecContext(ctx, insertsTable); err != nil {
			return nil, nil, errors.Join(err, done())
		}
		insert = append(insert, func(ctx context.Context) error {
			_, err := db.ExecContext(ctx, `INSERT INTO inserts (year, nullifier, kind) VALUES (?, ?, 1)`, 2000, randomNullifier())
			return err
		})
	}
	return insert, done, nil
}

const insertsTable = `CREATE TABLE IF NOT EXISTS inserts (
	year INTEGER NOT NULL, nullifier BLOB NOT NULL, kind INTEGER NOT NULL, PRIMARY KEY (year, nullifier)
) STRICT, WITHOUT ROWID`

// drop has nothing to do: the folder goes with the run's.
func (*embeddedPlace) drop() error { return nil }
