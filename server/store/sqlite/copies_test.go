package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"

	"aankomst/migrations"
	"aankomst/server/store"
)

// holds fails the test unless there is nothing in a folder but what is named.
func holds(t *testing.T, folder string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	ok(t, err)
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	if !slices.Equal(names, want) {
		t.Errorf("there are %v, want %v", names, want)
	}
}

func TestAnExportIsABackupOfAnotherStore(t *testing.T) {
	_, other := openNew(t)
	ok(t, createCohort(t.Context(), other))
	codes := arrivals(20)
	record(t, other, codes...)
	target := t.TempDir()
	path := filepath.Join(target, "copy.db")
	ok(t, Export(t.Context(), other, path, otherKey))

	ok(t, Verify(t.Context(), path, otherKey))
	holds(t, target, "copy.db")
	info, err := os.Stat(path)
	ok(t, err)
	if info.Mode() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode())
	}
	restored := filepath.Join(t.TempDir(), "store.db")
	ok(t, Restore(t.Context(), path, restored, otherKey))
	for _, outcome := range record(t, openAt(t, restored, otherKey), codes...) {
		if outcome != store.DoneBefore {
			t.Fatalf("outcome %d, want done before", outcome)
		}
	}
}

// lost is a store that goes away while it is being read.
type lost struct{ store.Copies }

func (l lost) Snapshot(ctx context.Context, do func(store.Snapshot) error) error {
	return l.Copies.Snapshot(ctx, func(all store.Snapshot) error {
		all.Spent = func(yield func(store.SpentCode, error) bool) {
			if yield(store.SpentCode{Year: year}, nil) {
				yield(store.SpentCode{}, unavailable("it is gone"))
			}
		}
		return do(all)
	})
}

func TestAnExportThatFailsLeavesNothing(t *testing.T) {
	_, other := openNew(t)
	ok(t, createCohort(t.Context(), other))
	target := t.TempDir()
	path := filepath.Join(target, "copy.db")
	is(t, Export(t.Context(), lost{other}, path, testKey), store.ErrUnavailable)
	holds(t, target)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	is(t, Export(cancelled, other, path, testKey), context.Canceled)
	holds(t, target)
	is(t, Export(t.Context(), other, filepath.Join(target, "no", "copy.db"), testKey), store.ErrUnavailable)

	// A file of that name, also one that came meanwhile, is kept.
	for _, from := range []store.Copies{crossed{other, path}, other} {
		is(t, Export(t.Context(), from, path, testKey), store.ErrExists)
		holds(t, target, "copy.db")
		if kept, err := os.ReadFile(path); err != nil || string(kept) != "dear" {
			t.Errorf("the file was overwritten: %v", err)
		}
	}
}

// crossed is a store during whose reading somebody writes a file.
type crossed struct {
	store.Copies
	path string
}

func (c crossed) Snapshot(ctx context.Context, do func(store.Snapshot) error) error {
	return errors.Join(os.WriteFile(c.path, []byte("dear"), 0o600), c.Copies.Snapshot(ctx, do))
}

func TestImport(t *testing.T) {
	_, s := openNew(t)
	ok(t, createCohort(t.Context(), s))
	codes := arrivals(20)
	record(t, s, codes...)
	backup, within := filepath.Join(t.TempDir(), "backup.db"), t.TempDir()
	ok(t, s.Backup(t.Context(), backup))
	_, into := openNew(t)

	// What is no sound backup, or under another key, touches nothing.
	is(t, Import(t.Context(), backup, within, otherKey, into), ErrKey)
	data, err := os.ReadFile(backup)
	ok(t, err)
	data[len(data)-100] ^= 1
	damaged := filepath.Join(t.TempDir(), "damaged.db")
	ok(t, os.WriteFile(damaged, data, 0o600))
	is(t, Import(t.Context(), damaged, within, testKey, into), store.ErrUnavailable)
	is(t, Import(t.Context(), backup, filepath.Join(within, "no"), testKey, into), store.ErrUnavailable)
	if _, err := into.GetCohort(t.Context(), year); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("something was restored: %v", err)
	}

	ok(t, Import(t.Context(), backup, within, testKey, into))
	for _, outcome := range record(t, into, codes...) {
		if outcome != store.DoneBefore {
			t.Fatalf("outcome %d, want done before", outcome)
		}
	}
	is(t, Import(t.Context(), backup, within, testKey, into), store.ErrConflict)
	holds(t, within)
	ok(t, os.Remove(backup)) // nothing else was made beside it
	holds(t, filepath.Dir(backup))
}

func TestImportOfABackupFromAnOlderProgram(t *testing.T) {
	const initial = "0001_initial.sql"
	step, err := fs.ReadFile(migrations.SQLite, initial)
	ok(t, err)
	path, backup := filepath.Join(t.TempDir(), "store.db"), filepath.Join(t.TempDir(), "backup.db")
	_, err = migrate(t.Context(), path, testKey, fstest.MapFS{initial: {Data: step}})
	ok(t, err)
	ok(t, withDatabase(path, "rw", testKey, func(db *sql.DB) error {
		_, err := db.ExecContext(t.Context(), `INSERT INTO spent (year, nullifier, kind) VALUES (2026, randomblob(16), 1)`)
		return errors.Join(err, copyTo(t.Context(), db, backup, testKey))
	}))
	before, err := os.ReadFile(backup)
	ok(t, err)

	_, into := openNew(t)
	ok(t, Import(t.Context(), backup, t.TempDir(), testKey, into))
	if n := spentIn(t, into); n != 1 {
		t.Errorf("%d spent codes were restored, want 1", n)
	}
	after, err := os.ReadFile(backup)
	ok(t, err)
	if !slices.Equal(after, before) {
		t.Error("the backup itself was changed")
	}
}
