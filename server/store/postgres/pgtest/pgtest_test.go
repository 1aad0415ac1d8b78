//go:build unix

package pgtest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

func TestMain(m *testing.M) { Main(m) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// connect opens a connection that the test closes.
func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	must(t, err)
	t.Cleanup(func() { conn.Close(t.Context()) })
	return conn
}

// withTable makes a table to write to.
func withTable(dsn string) error { return execute(dsn, "CREATE TABLE written (n int)") }

// write adds a row in a transaction of its own.
func write(t *testing.T, dsn string, n int) {
	t.Helper()
	conn := connect(t, dsn)
	_, err := conn.Exec(t.Context(), "INSERT INTO written VALUES ($1)", n)
	must(t, err)
	must(t, conn.Close(t.Context()))
}

// has fails the test unless the table has just these rows.
func has(t *testing.T, dsn string, want ...int) {
	t.Helper()
	rows, err := connect(t, dsn).Query(t.Context(), "SELECT n FROM written ORDER BY n")
	must(t, err)
	got, err := pgx.CollectRows(rows, pgx.RowTo[int])
	must(t, err)
	if !slices.Equal(got, want) {
		t.Fatalf("there are %v, want %v", got, want)
	}
}

// code returns the code of PostgreSQL's error.
func code(err error) string {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return refused.Code
	}
	return ""
}

func TestEveryTestHasADatabaseOfItsOwn(t *testing.T) {
	t.Parallel()
	prepared := 0
	template := NewTemplate(func(dsn string) error {
		prepared++
		return withTable(dsn)
	})
	dsns := make([]string, 8)
	var tests sync.WaitGroup
	for i := range dsns {
		tests.Go(func() { dsns[i] = template.Database(t) })
	}
	tests.Wait()
	for i, dsn := range dsns {
		write(t, dsn, i)
	}
	for i, dsn := range dsns {
		has(t, dsn, i)
	}
	if prepared != 1 {
		t.Errorf("the template was prepared %d times", prepared)
	}
}

func TestADatabaseEndsWithItsTest(t *testing.T) {
	t.Parallel()
	var dsn string
	var conn *pgx.Conn
	t.Run("with a connection left open", func(t *testing.T) {
		dsn = NewTemplate(nil).Database(t)
		var err error
		conn, err = pgx.Connect(t.Context(), dsn)
		must(t, err)
	})
	defer conn.Close(t.Context())
	if err := conn.Ping(t.Context()); err == nil {
		t.Error("its connection is still open")
	}
	if err := execute(dsn, "SELECT"); code(err) != "3D000" {
		t.Errorf("it is still there: %v", err)
	}
}

// On a server that others look after nothing is left behind.
func TestAServerThatIsNamedIsUsedAndLeftClean(t *testing.T) {
	cluster := NewCluster(t)
	keywords := fmt.Sprintf("host=%s port=%d user=aankomst password='%s' dbname=aankomst", cluster.folder, cluster.port, password)
	for _, dsn := range []string{cluster.DSN("aankomst"), keywords} {
		t.Setenv(Variable, dsn)
		named := new(server)
		t.Run("for a test", func(t *testing.T) {
			database := (&Template{server: named, prepare: withTable}).Database(t)
			write(t, database, 1)
			has(t, database, 1)
			if named.cluster != nil {
				t.Error("another server was made")
			}
		})
		must(t, named.remove())
		var left int
		must(t, execute(cluster.AdminDSN("postgres"), "SELECT count(*) FROM pg_database WHERE datname LIKE 'pgtest%'", &left))
		if left != 0 {
			t.Errorf("%d databases are left behind", left)
		}
	}
}
