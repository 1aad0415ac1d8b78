//go:build unix

package server_test

import (
	"context"
	"os"
	"testing"

	"aankomst/server/servertest"
	"aankomst/server/store/postgres"
	"aankomst/server/store/postgres/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// migrated is a database of PostgreSQL with the schema and nothing in it.
var migrated = pgtest.NewTemplate(func(dsn string) error {
	_, err := postgres.Migrate(context.Background(), dsn, postgres.Options{})
	return err
})

func init() {
	stores["PostgreSQL"] = func(t *testing.T) servertest.Options {
		t.Helper()
		return servertest.Options{Folder: t.TempDir(), Postgres: migrated.Database(t)}
	}
}
