package sqlite

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/pressly/goose/v3"
	"lukechampine.com/adiantum"

	"aankomst/migrations"
	"aankomst/server/store"
)

// Migrate makes the database at path when there is none, brings its schema up to date, and returns
// how many migrations that took. Processes that have it open go on working, if their schema is that of
// the version before. Of several at once one works; the others get store.ErrUnavailable, which is also
// wrapped while the database is given another key. Errors wrap store.ErrSchema when the schema is newer
// than this program's, and ErrKey when the file cannot be read with the key.
func Migrate(ctx context.Context, path string, key [32]byte) (applied int, err error) {
	return migrate(ctx, path, key, migrations.SQLite)
}

func migrate(ctx context.Context, path string, key [32]byte, steps fs.FS) (applied int, err error) {
	if err := create(path); err != nil && !errors.Is(err, fs.ErrExist) {
		return 0, failed("make the database", err)
	}
	path, err = existing(path)
	if err != nil {
		return 0, err
	}
	lock, err := lockShared(path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, lock.release()) }()
	if err := readable(path, key); err != nil {
		return 0, err
	}
	db := connect(path, "rw", key, 1, forWriting...)
	defer func() { err = errors.Join(err, plain(db.Close())) }()

	err = checkSchema(ctx, db, steps)
	if !errors.Is(err, errOlder) {
		return 0, err
	}
	release, err := migrateAlone(ctx, path, lock, db)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, release()) }()
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, steps,
		goose.WithLogger(goose.NopLogger()), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return 0, err
	}
	results, err := provider.Up(ctx)
	return len(results), settled(ctx, err)
}

// migrateAlone keeps all others from a database that is being made, and others who migrate it from one
// that is in use.
func migrateAlone(ctx context.Context, path string, lock *fileLock, db *sql.DB) (release func() error, err error) {
	version, err := foundVersion(ctx, db)
	if err != nil {
		return nil, settled(ctx, err)
	}
	if version == 0 {
		return func() error { return nil }, lock.alone()
	}
	migrating, err := lockAlone(path + ".migration")
	if errors.Is(err, store.ErrUnavailable) {
		return nil, unavailable("the database is being migrated: try again later")
	}
	if err != nil {
		return nil, err
	}
	return migrating.release, nil
}

// create makes an empty file that only its owner can read, or fails with fs.ErrExist.
func create(path string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(file.Close(), syncFolder(path))
}

// errOlder is the one unknown schema that Migrate can help.
var errOlder = fmt.Errorf("%w: it is older than this program: run `aankomst migrate`", store.ErrSchema)

// checkSchema compares the schema of a database with the one that the given migrations make. A newer
// one is fine when it says that programs of this version understand it.
func checkSchema(ctx context.Context, db *sql.DB, steps fs.FS) error {
	known, err := knownVersion(steps)
	if err != nil {
		return err
	}
	found, err := foundVersion(ctx, db)
	if err != nil {
		return settled(ctx, err)
	}
	if found < known {
		return errOlder
	}
	var oldest int64
	err = db.QueryRowContext(ctx, `SELECT oldest FROM compatibility`).Scan(&oldest)
	if err != nil {
		return settled(ctx, err)
	}
	if known < oldest {
		return fmt.Errorf("%w: it is newer than this program: use the newer program", store.ErrSchema)
	}
	return nil
}

// knownVersion is the number of the last of the given migrations.
func knownVersion(steps fs.FS) (int64, error) {
	names, err := fs.Glob(steps, "*.sql")
	if err != nil || len(names) == 0 {
		return 0, errors.Join(errors.New("sqlite: no migrations are embedded"), err)
	}
	return goose.NumericComponent(names[len(names)-1])
}

// foundVersion is the number of the last migration carried out, 0 in an empty file. It asks the
// database itself, as goose would make its table where it only should look.
func foundVersion(ctx context.Context, db *sql.DB) (version int64, err error) {
	var tables int
	err = db.QueryRowContext(ctx,
		`SELECT count(*) FROM sqlite_schema WHERE name = '`+goose.DefaultTablename+`'`).Scan(&tables)
	if err != nil || tables == 0 {
		return 0, err
	}
	err = db.QueryRowContext(ctx,
		`SELECT coalesce(max(version_id), 0) FROM `+goose.DefaultTablename).Scan(&version)
	return version, err
}

// The first bytes of a database and of a write-ahead log.
const (
	databaseMagic = "SQLite format 3\x00"
	logMagic      = 0x377f0682 // the last bit tells the byte order
)

// readable tells, before SQLite sees the file, whether the key is right. SQLite takes a log that it
// cannot read for an empty one and deletes it: opening the file of a server that was killed with a
// wrong key would lose its last commits.
func readable(path string, key [32]byte) error {
	// Again when it fails: another process may be writing the two blocks at this moment.
	for range 3 {
		head, err := firstBlock(path, key)
		if err != nil {
			return err
		}
		if len(head) == 0 || string(head[:len(databaseMagic)]) == databaseMagic {
			return nil
		}
		// A block of the database that was torn by a power cut is made whole from the log.
		head, err = firstBlock(path+"-wal", key)
		if err != nil {
			return err
		}
		if len(head) > 0 && binary.BigEndian.Uint32(head)&^1 == logMagic {
			return nil
		}
	}
	return fmt.Errorf("%w, or it is no database of this program", ErrKey)
}

// firstBlock decrypts the first block of a file as the encrypting VFS does; it is empty when the file
// is empty or missing.
func firstBlock(path string, key [32]byte) ([]byte, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, failed("read the database", err)
	}
	defer file.Close()
	block := make([]byte, 4096)
	n, err := io.ReadFull(file, block)
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil && n == 0 {
		return nil, failed("read the database", err)
	}
	return adiantum.New(key[:]).Decrypt(block, make([]byte, 8)), nil
}

// syncFolder makes durable that a file was made or renamed.
func syncFolder(path string) error {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
