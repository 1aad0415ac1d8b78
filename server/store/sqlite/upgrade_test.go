package sqlite

import (
	"io/fs"
	"maps"
	"path/filepath"
	"testing"
	"testing/fstest"

	"aankomst/migrations"
	"aankomst/server/store"
)

// later returns the migrations of later versions of the program: one that this version understands, and
// one that it does not.
func later(t *testing.T) (understood, breaking fs.FS) {
	t.Helper()
	all := fstest.MapFS{}
	names, err := fs.Glob(migrations.SQLite, "*.sql")
	ok(t, err)
	for _, name := range names {
		data, err := fs.ReadFile(migrations.SQLite, name)
		ok(t, err)
		all[name] = &fstest.MapFile{Data: data}
	}
	all["9001_more.sql"] = &fstest.MapFile{Data: []byte(`-- +goose Up
		ALTER TABLE cohorts ADD COLUMN remark TEXT NOT NULL DEFAULT '';
		CREATE TABLE remarks (id INTEGER PRIMARY KEY) STRICT;`)}
	next := maps.Clone(all)
	next["9002_other.sql"] = &fstest.MapFile{Data: []byte(`-- +goose Up
		UPDATE compatibility SET oldest = 9001;`)}
	return all, next
}

// A server of the version before goes on counting while the schema changes, and can be started again.
func TestUpgradeWhileAnOlderProgramWorks(t *testing.T) {
	understood, breaking := later(t)
	path, s := openNew(t)
	ok(t, createCohort(t.Context(), s))
	recorded := make(chan int)
	stop := make(chan struct{})
	go func() {
		n := 0
		defer func() { recorded <- n }()
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := s.Record(t.Context(), arrivals(1)); err != nil {
				t.Error(err)
				return
			}
			n++
		}
	}()
	applied, err := migrate(t.Context(), path, testKey, understood)
	ok(t, err)
	if applied != 1 {
		t.Errorf("%d migrations were applied, want 1", applied)
	}
	record(t, s, arrivals(1)...)
	close(stop)
	if n := <-recorded + 1; arrivedIn(t, s) != n || spentIn(t, s) != n {
		t.Errorf("%d arrived and %d spent, want %d", arrivedIn(t, s), spentIn(t, s), n)
	}
	ok(t, s.Rewrite(t.Context()))

	again := openAt(t, path, testKey)
	record(t, again, arrivals(1)...)
	ok(t, again.Backup(t.Context(), filepath.Join(filepath.Dir(path), "copy.db")))
	applied, err = Migrate(t.Context(), path, testKey)
	ok(t, err)
	if applied != 0 {
		t.Errorf("the older program applied %d migrations", applied)
	}

	_, err = migrate(t.Context(), path, testKey, breaking)
	ok(t, err)
	_, err = Open(t.Context(), path, testKey)
	is(t, err, store.ErrSchema)
}
