// Package sqlite keeps the store in one encrypted SQLite file.
//
// The file, its write-ahead log and its copies are encrypted with a key that is handed in and never
// stored beside them. One connection writes, so that transactions queue in this process and not in
// the file's lock; a few read. Several processes may have the file open at once.
//
// Three files lie beside the database: FILE-wal and FILE-shm belong to SQLite, FILE.lock tells
// whether anyone has the database open. Copying the database while it is open loses what is in
// FILE-wal: use Backup.
package sqlite

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/driver"
	_ "github.com/ncruces/go-sqlite3/vfs/adiantum" // registers the VFS that encrypts

	"aankomst/migrations"
	"aankomst/server/store"
)

const (
	// busyTimeout is how long a transaction waits for another process's.
	busyTimeout = 5 * time.Second
	// readers bounds the connections that read. More do not help: reads are short and rare.
	readers = 2
)

// Store is a store.Store in one SQLite file.
type Store struct {
	path   string
	key    [32]byte
	file   os.FileInfo // the file that was opened, whatever the path names later
	writer *sql.DB     // one connection
	reader *sql.DB
	// callers is selectCallers, made ready once: every call runs it, and making it ready takes as long.
	callers *sql.Stmt
	lock    *fileLock

	mu     sync.Mutex // guards closed, and calls against being added to once it is waited for
	closed bool
	calls  sync.WaitGroup
}

var _ store.Store = (*Store)(nil)

// Open opens the database at path, which Migrate has made. It wraps store.ErrNotFound when there is
// no such file, ErrKey when the file cannot be read with the key, store.ErrSchema when its schema is
// older or newer than this program's, and store.ErrUnavailable when it cannot be used now.
func Open(ctx context.Context, path string, key [32]byte) (_ *Store, err error) {
	path, err = existing(path)
	if err != nil {
		return nil, err
	}
	lock, err := lockShared(path)
	if err != nil {
		return nil, err
	}
	if err := readable(path, key); err != nil {
		return nil, errors.Join(err, lock.release())
	}
	file, err := os.Stat(path)
	if err != nil {
		return nil, errors.Join(failed("look at the database", err), lock.release())
	}

	s := &Store{
		path:   path,
		file:   file,
		key:    key,
		lock:   lock,
		writer: connect(path, "rw", key, 1, forWriting...),
		reader: connect(path, "rw", key, readers, "query_only = ON"),
	}
	err = s.check(ctx)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// check looks at what only an open database can tell.
func (s *Store) check(ctx context.Context) error {
	var mode string
	if err := s.writer.QueryRowContext(ctx, `PRAGMA journal_mode`).Scan(&mode); err != nil {
		return settled(ctx, err)
	}
	if mode != "wal" {
		return unavailable("the folder does not support a write-ahead log: keep the database on a local disk")
	}
	if err := checkSchema(ctx, s.reader, migrations.SQLite); err != nil {
		return err
	}
	var err error
	s.callers, err = s.reader.PrepareContext(ctx, selectCallers)
	return settled(ctx, err)
}

// Close waits for methods under way and releases the file. Methods called later fail with
// store.ErrUnavailable.
func (s *Store) Close() error {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	s.calls.Wait()
	if closed {
		return nil
	}
	// The writer goes last: the last connection to close empties the log into the file.
	return plain(errors.Join(s.reader.Close(), s.writer.Close(), s.lock.release()))
}

// Ping writes one row and reads it from another connection.
func (s *Store) Ping(ctx context.Context) error {
	err := s.write(ctx, func(tx tx) error {
		return tx.exec(flipProbe)
	})
	if err != nil {
		return err
	}
	return s.read(ctx, func(tx tx) error {
		var flip int
		return tx.row(`SELECT flip FROM probe`).Scan(&flip)
	})
}

// flipProbe writes one row, whatever else there is to write.
const flipProbe = `UPDATE probe SET flip = 1 - flip`

// inPlace refuses to go on with a file that was removed or replaced while it is open: it could be written
// to, and nobody would ever find what was written.
func (s *Store) inPlace() error {
	found, err := os.Stat(s.path)
	if err != nil || !os.SameFile(s.file, found) {
		return unavailable("its file was moved, removed or replaced while it was open: put it back")
	}
	return nil
}

// forWriting are the settings of a connection that writes. synchronous = FULL makes a commit durable;
// secure_delete overwrites what is deleted.
var forWriting = []string{
	"journal_mode = WAL", "synchronous = FULL", "secure_delete = ON", "foreign_keys = ON",
}

// connect prepares connections to a file that exists, in mode ro or rw. It does not open it yet.
//
// The key is set by a statement of its own and not in the file's address, which errors quote.
func connect(path, mode string, key [32]byte, connections int, settings ...string) *sql.DB {
	db, err := driver.Open(address(path, "mode", mode), func(c *sqlite3.Conn) error {
		if err := c.Exec(`PRAGMA hexkey = '` + hex.EncodeToString(key[:]) + `'`); err != nil {
			return err
		}
		if err := c.BusyTimeout(busyTimeout); err != nil {
			return err
		}
		// Temporary tables and sorting stay in memory, so that nothing is left in files elsewhere.
		for _, setting := range append([]string{"temp_store = MEMORY"}, settings...) {
			if err := c.Exec(`PRAGMA ` + setting); err != nil {
				return err
			}
		}
		return likewise(path+"-shm", path)
	})
	if err != nil {
		panic(err) // address makes addresses that parse
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db
}

// address is the name by which SQLite opens a file through the encrypting VFS, with one more option.
// Its journals get the file's mode and owner.
func address(path, option, value string) string {
	query := url.Values{"vfs": {"adiantum"}, "modeof": {path}, option: {value}}
	// SQLite decodes %20 as a space and leaves a plus sign as it is.
	encoded := strings.ReplaceAll(query.Encode(), "+", "%20")
	return (&url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(path), RawQuery: encoded}).String()
}

// existing returns the real path of a database file. One file must not have two names, or its lock
// would have two as well.
func existing(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", failed("find the database", err)
	}
	file, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("the database %s: %w: run `aankomst migrate` to make it", path, store.ErrNotFound)
	}
	if err != nil {
		return "", failed("find the database", err)
	}
	info, err := os.Stat(file)
	if err != nil {
		return "", failed("find the database", err)
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%w: %s is not a file", ErrKey, path)
	}
	return file, nil
}
