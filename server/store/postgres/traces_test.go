//go:build unix

package postgres

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"aankomst/server/store"
	"aankomst/server/store/postgres/pgtest"
)

// empty is a database without a schema.
var empty = pgtest.NewTemplate(nil)

// A database that keeps what would betray callers, or not what was acknowledged, is refused; the former
// only where nobody can accept it knowingly.
func TestTracesAreRefused(t *testing.T) {
	t.Parallel()
	c := pgtest.NewCluster(t, "track_commit_timestamp = on", "archive_mode = on", "archive_command = 'true'", "fsync = off")
	dsn := c.DSN("postgres")
	_, err := Open(t.Context(), dsn, Options{})
	if !errors.Is(err, ErrTraces) {
		t.Fatalf("error %v, want traces", err)
	}
	for _, setting := range []string{"track_commit_timestamp", "archive_mode", "fsync"} {
		if !strings.Contains(err.Error(), setting) {
			t.Errorf("%v does not name %s", err, setting)
		}
	}
	_, err = Open(t.Context(), dsn, Options{Accept: []string{"archive_mode"}})
	if !errors.Is(err, ErrTraces) || strings.Contains(err.Error(), "archive_mode") || !strings.Contains(err.Error(), "track_commit_timestamp") {
		t.Errorf("archive_mode accepted: %v", err)
	}
	for _, name := range []string{"track_commit_timestamp", "fsync", "full_page_writes", "synchronous_commit", "no_such_setting"} {
		if _, err := Open(t.Context(), dsn, Options{Accept: []string{name}}); !errors.Is(err, ErrTraces) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s could be accepted: %v", name, err)
		}
	}
	if _, err := Migrate(t.Context(), dsn, Options{}); !errors.Is(err, ErrTraces) {
		t.Errorf("the schema is made all the same: %v", err)
	}
}

// A setting that changes while servers run is found by the next connection.
func TestTracesThatBeginLater(t *testing.T) {
	t.Parallel()
	c := pgtest.NewCluster(t)
	_, err := Migrate(t.Context(), c.DSN("aankomst"), Options{})
	ok(t, err)
	for _, setting := range []string{"log_statement = 'all'", "log_min_duration_statement = 0", "log_duration = on", "synchronous_commit = off"} {
		name, _, _ := strings.Cut(setting, " ")
		admin, err := pgx.Connect(t.Context(), c.AdminDSN("postgres"))
		ok(t, err)
		_, err = admin.Exec(t.Context(), `ALTER DATABASE aankomst SET `+setting)
		ok(t, err)
		if _, err := Open(t.Context(), c.DSN("aankomst"), Options{}); !errors.Is(err, ErrTraces) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", setting, err)
		}
		_, err = admin.Exec(t.Context(), `ALTER DATABASE aankomst RESET `+name)
		ok(t, err)
		ok(t, admin.Close(t.Context()))
	}
	ok(t, openAt(t, c.DSN("aankomst")).Ping(t.Context()))
}

// The address may hold a password: no error quotes it.
func TestErrorsQuoteNoPassword(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"postgres://user:hunter2@127.0.0.1:1/db?sslmode=wrong", "host=127.0.0.1 password='hunter2", "hunter2",
		"postgres://user:hunter2@127.0.0.1:1/db?connect_timeout=1", "host=127.0.0.1 port=1 password=hunter2 connect_timeout=1",
	} {
		for _, open := range []func() error{
			func() error { _, err := Open(t.Context(), address, Options{}); return err },
			func() error { _, err := Migrate(t.Context(), address, Options{}); return err },
		} {
			err := open()
			if err == nil || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error is %v", err)
			}
			if !errors.Is(err, ErrAddress) && !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("the error is %v, neither of the address nor of a database that is away", err)
			}
		}
	}
}
