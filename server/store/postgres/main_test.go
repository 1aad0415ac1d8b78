//go:build unix

package postgres

import (
	"context"
	"testing"

	"aankomst/server/store"
	"aankomst/server/store/postgres/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// migrated is a database with the current schema and nothing in it.
var migrated = pgtest.NewTemplate(func(dsn string) error {
	_, err := Migrate(context.Background(), dsn, Options{})
	return err
})

// openNew opens a database of the test's own.
func openNew(t *testing.T) store.Store {
	t.Helper()
	return openAt(t, migrated.Database(t))
}

// openAt opens the database at an address for the time of the test.
func openAt(t testing.TB, dsn string) *Store {
	t.Helper()
	s, err := Open(t.Context(), dsn, Options{})
	ok(t, err)
	t.Cleanup(func() { ok(t, s.Close()) })
	return s
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
