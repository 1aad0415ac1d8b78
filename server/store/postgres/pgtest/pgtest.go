//go:build unix

// Package pgtest gives tests PostgreSQL servers of their own, to fill, kill and promote.
//
// Most tests need a database only: Template clones one for each. Tests of what happens to a server make
// a Cluster or a Pair, and tests of what happens to a connection put a Proxy in front.
//
// Servers are made by the binaries of PostgreSQL 15 or newer on this machine, in temporary folders, and
// keep what they are given durably, as in production. They end with the process that made them,
// however it ends. A test fails, and is not skipped, when there are no binaries.
package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Variable is the environment variable that may hold the address of a server for Template to use
// instead of one of its own. Its user must be allowed to create databases. It does not begin with AANKOMST_, as
// the program refuses what looks like a setting and is none.
const Variable = "PGTEST_SERVER"

// patience is how long anything may take before a test gives up: it decides no test that is right.
const patience = 2 * time.Minute

// Main runs the tests of a package and then removes what they shared: the server behind Template, or
// the templates on the server that Variable names; it returns the tests' exit code. A package that uses
// Template calls it from TestMain.
func Main(m *testing.M) int {
	code := m.Run()
	if err := shared.remove(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return code
}

// Template is a database that is prepared once in a process and cloned for each test. Make one with
// NewTemplate, for a whole package; it is safe for concurrent use.
type Template struct {
	server  *server
	prepare func(dsn string) error
	once    sync.Once
	name    string
	err     error
}

// NewTemplate returns a template that is made, when it is first needed, by a function that gets the
// address of an empty database and leaves no connection to it open. With nil the database stays empty.
func NewTemplate(prepare func(dsn string) error) *Template {
	return &Template{server: &shared, prepare: prepare}
}

// Database returns the address of a new database, as NewTemplate's function left it. Its user owns it,
// and is no superuser unless Variable names one. It is dropped when the test ends, whoever is still
// connected.
func (t *Template) Database(tb testing.TB) string {
	tb.Helper()
	t.once.Do(func() { t.name, t.err = t.server.template(t.prepare) })
	if t.err != nil {
		tb.Fatal(t.err)
	}
	name, err := t.server.create(t.name)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := execute(t.server.admin, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			tb.Error(err)
		}
	})
	return t.server.dsn(name)
}

// server is where templates and their clones are.
type server struct {
	once    sync.Once
	err     error
	cluster *Cluster // nil when Variable names a server
	admin   string   // the address for who creates databases

	mu        sync.Mutex
	templates []string
}

var shared server

// start finds the server, or makes it.
func (s *server) start() error {
	s.once.Do(func() {
		if s.admin = os.Getenv(Variable); s.admin != "" {
			return
		}
		if s.cluster, s.err = create(nil, false); s.err == nil {
			s.admin = s.cluster.AdminDSN("postgres")
		}
	})
	return s.err
}

// dsn returns the address of a database for who owns it.
func (s *server) dsn(name string) string {
	if s.cluster == nil {
		return with(s.admin, "dbname", name)
	}
	return s.cluster.DSN(name)
}

// template makes a database that can be cloned.
func (s *server) template(prepare func(dsn string) error) (string, error) {
	if err := s.start(); err != nil {
		return "", err
	}
	name, err := s.create("template1")
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	s.templates = append(s.templates, name)
	s.mu.Unlock()
	if prepare != nil {
		if err := prepare(s.dsn(name)); err != nil {
			return "", fmt.Errorf("pgtest: the template cannot be prepared: %w", err)
		}
	}
	// A database is not cloned while somebody is connected to it.
	return name, execute(s.admin, "ALTER DATABASE "+name+" WITH ALLOW_CONNECTIONS false")
}

// create clones a database under a name that no other test process draws.
func (s *server) create(template string) (string, error) {
	name := "pgtest_" + strings.ToLower(rand.Text())
	statement := "CREATE DATABASE " + name + " TEMPLATE " + template
	if s.cluster != nil {
		statement += " OWNER " + owner
	}
	return name, execute(s.admin, statement)
}

// remove ends the server, or drops the templates on one that is not ours.
func (s *server) remove() error {
	if s.cluster != nil {
		return s.cluster.remove()
	}
	var errs []error
	for _, name := range s.templates {
		errs = append(errs, execute(s.admin, "DROP DATABASE "+name+" WITH (FORCE)"))
	}
	return errors.Join(errs...)
}

// with returns an address, a URL or keywords, with other values for some settings: the last one counts.
func with(dsn string, settings ...string) string {
	for setting := range slices.Chunk(settings, 2) {
		name, value := setting[0], setting[1]
		switch {
		case !strings.HasPrefix(dsn, "postgres://") && !strings.HasPrefix(dsn, "postgresql://"):
			dsn += fmt.Sprintf(" %s='%s'", name, strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value))
		case strings.Contains(dsn, "?"):
			dsn += "&" + name + "=" + url.QueryEscape(value)
		default:
			dsn += "?" + name + "=" + url.QueryEscape(value)
		}
	}
	return dsn
}

// execute carries out one statement on a connection of its own and scans its row, when there is
// something to scan into.
func execute(dsn, statement string, into ...any) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if len(into) > 0 {
		err = conn.QueryRow(ctx, statement).Scan(into...)
	} else {
		_, err = conn.Exec(ctx, statement)
	}
	if err != nil {
		return fmt.Errorf("pgtest: %s: %w", statement, err)
	}
	return nil
}
