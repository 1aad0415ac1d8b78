package sqlite

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"aankomst/migrations"
	"aankomst/server/store"
)

// Backup writes a consistent copy, under the same key, to a file that must not exist yet
// (store.ErrExists). The store can be used meanwhile. The copy is durable when Backup returns nil; a
// copy that failed is removed. As in a store.Snapshot, what begins and ends with signing in is not in it.
func (s *Store) Backup(ctx context.Context, path string) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.calls.Done()
	return withDatabase(s.path, "rw", s.key, func(db *sql.DB) error {
		return backUp(ctx, db, path, s.key)
	})
}

// Verify reads a whole file, such as a backup, and returns nil when it is sound. It writes nothing. It
// wraps store.ErrUnavailable when the file is damaged, and ErrKey, store.ErrSchema and
// store.ErrNotFound as Open does.
func Verify(ctx context.Context, path string, key [32]byte) error {
	path, err := existing(path)
	if err != nil {
		return err
	}
	if info, err := os.Stat(path); err == nil && info.Size() == 0 {
		return fmt.Errorf("%w: the file is empty", ErrKey)
	}
	if err := readable(path, key); err != nil {
		return err
	}
	return withDatabase(path, "ro", key, func(db *sql.DB) error { return verify(ctx, db) })
}

func verify(ctx context.Context, db *sql.DB) error {
	var found string
	err := db.QueryRowContext(ctx, `PRAGMA integrity_check(1)`).Scan(&found)
	if err != nil {
		return settled(ctx, err)
	}
	if found != "ok" {
		return unavailable(wordsDamaged)
	}
	return checkSchema(ctx, db, migrations.SQLite)
}

// Restore makes a database at path that is a copy of a backup under the same key. The backup is
// verified before anything is touched; it may have an older schema, which Migrate then brings up to
// date. Nobody is signed in to what is restored, and no invitation holds, whatever the file that it is made
// of says. A database that is at path already must be open nowhere (store.ErrUnavailable) and is kept
// beside it, as the first of path.replaced, path.replaced.2 and so on that is free.
func Restore(ctx context.Context, backup, path string, key [32]byte) (err error) {
	if err := Verify(ctx, backup, key); err != nil && !errors.Is(err, errOlder) {
		return err
	}
	if backup, err = existing(backup); err != nil {
		return err
	}
	if there, err := existing(path); err == nil {
		path = there
	} else if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return exchange(path, setAside, func(fresh string) error {
		return withDatabase(backup, "ro", key, func(db *sql.DB) error { return backUp(ctx, db, fresh, key) })
	})
}

// setAside gives a database and its log other names. The database goes first: should a crash come
// between the two, there is none at path, which cannot be overlooked. The log must go, or SQLite would
// take it for the new database's.
func setAside(path string) error {
	aside := path + ".replaced"
	for i := 2; exists(aside) || exists(aside+"-wal"); i++ {
		aside = fmt.Sprintf("%s.replaced.%d", path, i)
	}
	for _, beside := range []string{"", "-wal"} {
		if err := os.Rename(path+beside, aside+beside); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return syncFolder(path)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// Rekey gives a database that nobody has open (store.ErrUnavailable otherwise) another key. It writes
// a new file and puts it in the old one's place at once, so that a crash leaves one or the other. The
// old file's blocks may linger on the disk, under the old key: destroy that key.
func Rekey(ctx context.Context, path string, from, to [32]byte) error {
	path, err := existing(path)
	if err != nil {
		return err
	}
	return exchange(path, nothing, func(fresh string) error {
		if err := readable(path, from); err != nil {
			return err
		}
		return withDatabase(path, "rw", from, func(db *sql.DB) error {
			// The log must not outlive the file that it belongs to.
			if err := emptyLog(ctx, db); err != nil {
				return settled(ctx, err)
			}
			return copyTo(ctx, db, fresh, to)
		})
	})
}

func nothing(string) error { return nil }

// exchange puts a file that write makes in the place of the database at path, which nobody may have
// open. The new file is complete and durable before makeWay is called and the old one goes.
func exchange(path string, makeWay, write func(path string) error) (err error) {
	lock, err := lockAlone(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.release()) }()

	fresh := path + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return failed("remove what an earlier attempt left", err)
	}
	if err := write(fresh); err != nil {
		return err
	}
	if err := likewise(fresh, path); err != nil {
		return errors.Join(err, os.Remove(fresh))
	}
	if err := makeWay(path); err != nil {
		return errors.Join(failed("set the database aside", err), os.Remove(fresh))
	}
	if err := replace(path, fresh); err != nil {
		return failed("replace the database", err)
	}
	return nil
}

// replace renames a file to take the place of a database whose log is empty or gone.
func replace(path, fresh string) error {
	if err := os.Rename(fresh, path); err != nil {
		return err
	}
	for _, beside := range []string{path + "-wal", path + "-shm"} {
		if err := os.Remove(beside); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return syncFolder(path)
}

// withDatabase runs do on one connection to a database.
func withDatabase(path, mode string, key [32]byte, do func(*sql.DB) error, settings ...string) error {
	db := connect(path, mode, key, 1, settings...)
	return errors.Join(do(db), plain(db.Close()))
}

// backUp is copyTo without what begins and ends with signing in: restored, it would let in again who has
// signed out since.
func backUp(ctx context.Context, db *sql.DB, path string, key [32]byte) error {
	if err := copyTo(ctx, db, path, key); err != nil {
		return err
	}
	// A crash leaves a copy that nobody was told of, so that its journal need not be durable.
	err := withDatabase(path, "rw", key, func(db *sql.DB) error { return signOut(ctx, db) }, "secure_delete = ON", "journal_mode = MEMORY")
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// signOut empties the tables of what begins and ends with signing in, as far as the schema has them.
func signOut(ctx context.Context, db *sql.DB) error {
	for _, table := range []string{"sessions", "ceremonies", "invitations", "attempts"} {
		var there bool
		err := db.QueryRowContext(ctx, `SELECT EXISTS (SELECT * FROM sqlite_schema WHERE name = ?)`, table).Scan(&there)
		if err == nil && there {
			_, err = db.ExecContext(ctx, `DELETE FROM `+table)
		}
		if err != nil {
			return settled(ctx, err)
		}
	}
	return nil
}

// copyTo writes a durable copy of a database to a new file, under a key of its own.
func copyTo(ctx context.Context, db *sql.DB, path string, key [32]byte) error {
	if err := create(path); errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("the file %s: %w", path, store.ErrExists)
	} else if err != nil {
		return uncopied(path, err)
	}
	err := vacuumInto(ctx, db, path, key)
	if err == nil {
		err = syncFile(path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// unwritable is a folder in which no copy can be made. It is a store.ErrUnavailable that does not say so: the
// store itself is well.
type unwritable string

// Error says what to do.
func (folder unwritable) Error() string {
	return fmt.Sprintf("the copy cannot be written to the folder %s: check its owner, mode and mount", string(folder))
}

// Is reports whether it is a target.
func (unwritable) Is(target error) bool { return target == store.ErrUnavailable }

// uncopied is failed for a copy that could not be begun.
func uncopied(path string, err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return unwritable(filepath.Dir(path))
	}
	return failed("make the copy", err)
}

// vacuumInto copies what one transaction sees. The copy's address holds its key, so it is bound to the
// statement as a value, and the error is put in words of our own.
func vacuumInto(ctx context.Context, db *sql.DB, path string, key [32]byte) error {
	_, err := db.ExecContext(ctx, `VACUUM INTO ?`, address(path, "hexkey", hex.EncodeToString(key[:])))
	return settled(ctx, err)
}

func syncFile(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return failed("make the copy durable", err)
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return failed("make the copy durable", err)
	}
	return nil
}
