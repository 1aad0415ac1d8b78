package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"aankomst/server/store"
	"aankomst/server/store/postgres"
)

// schemaPrefix begins the names of the schemas that are made in the database: one for each store.
const schemaPrefix = "aankomst_bench_"

// dropTime bounds how long removing what was made in a database may take.
const dropTime = 30 * time.Second

// database is the backend of a PostgreSQL database.
type database struct {
	address string
	accept  []string
	version string
	// cluster runs the server of a private database; nil for one that was named.
	cluster *cluster
	// postmaster is the parent of the server's processes; 0 when it is not on this machine.
	postmaster int
}

// openDatabase looks at the database at an address and refuses one that holds anything.
func openDatabase(ctx context.Context, address string, accept []string) (*database, error) {
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("connecting to the database: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	d := &database{address: address, accept: accept}
	var held int
	var backend int
	err = conn.QueryRow(ctx, `SELECT current_setting('server_version'), pg_backend_pid(),
		(SELECT count(*) FROM pg_class JOIN pg_namespace AS n ON n.oid = relnamespace
		WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' AND NOT EXISTS
			(SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e'))`).
		Scan(&d.version, &backend, &held)
	if err != nil {
		return nil, fmt.Errorf("looking at the database: %w", err)
	}
	if held > 0 {
		return nil, fmt.Errorf("%w: the database is not empty; measuring needs one that is, to harm nothing", errUsage)
	}
	d.version, _, _ = strings.Cut(d.version, " ")
	d.postmaster = postmasterOf(conn.Config().Host, backend)
	return d, nil
}

// postmasterOf returns the parent of the process that serves a connection to a host, or 0 when that is not
// a process of this machine, or not one that can be seen.
func postmasterOf(host string, backend int) int {
	if host != "localhost" && host != "127.0.0.1" && host != "::1" && !filepath.IsAbs(host) {
		return 0
	}
	title, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(backend), "cmdline"))
	if err != nil || !strings.HasPrefix(string(title), "postgres:") {
		return 0
	}
	return parentOf(backend)
}

func (d *database) title() string { return "PostgreSQL " + d.version }

func (d *database) costs() string {
	if d.postmaster == 0 {
		return "not measured, as its processes cannot be seen from here"
	}
	return "that of all processes of the PostgreSQL server"
}

func (d *database) processorTime() spent {
	if d.postmaster == 0 {
		return spent{}
	}
	return familyTime(d.postmaster)
}

func (d *database) close() error {
	if d.cluster == nil {
		return nil
	}
	return d.cluster.remove()
}

// place makes a schema of its own, so that one database holds both stores.
func (d *database) place(ctx context.Context, name, _ string) (place, error) {
	p := &schema{name: schemaPrefix + name, database: d}
	var err error
	if p.address, err = within(d.address, p.name); err != nil {
		return nil, err
	}
	if err := d.execute(ctx, `CREATE SCHEMA `+p.name); err != nil {
		return nil, fmt.Errorf("making a schema: %w", err)
	}
	return p, nil
}

// execute carries out statements on a connection of their own.
func (d *database) execute(ctx context.Context, statements ...string) error {
	conn, err := pgx.Connect(ctx, d.address)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// within returns an address at which names are looked up in a schema.
func within(address, schema string) (string, error) {
	if !strings.HasPrefix(address, "postgres://") && !strings.HasPrefix(address, "postgresql://") {
		return address + " search_path=" + schema, nil
	}
	parsed, err := url.Parse(address)
	if err != nil {
		return "", fmt.Errorf("%w: the address of the database is no URL", errUsage)
	}
	query := parsed.Query()
	query.Set("search_path", schema)
	parsed.RawQuery = query.Encode()
	return parsed.String(), nil
}

// schema is the place of one store.
type schema struct {
	name     string
	address  string
	database *database
}

func (p *schema) settings() []string {
	settings := []string{"AANKOMST_POSTGRES=" + p.address}
	if accept := p.database.accept; len(accept) > 0 {
		settings = append(settings, "AANKOMST_POSTGRES_ACCEPT="+strings.Join(accept, ","))
	}
	return settings
}

func (p *schema) open(ctx context.Context) (store.Store, error) {
	return postgres.Open(ctx, p.address, postgres.Options{Accept: p.database.accept})
}

// rest does at once what the database would do of itself during the first calls that are measured. Not
// everybody may ask for a checkpoint.
func (p *schema) rest(ctx context.Context) error {
	if err := p.database.execute(ctx, `VACUUM (ANALYZE) `+p.name+`.spent, `+p.name+`.counters`); err != nil {
		return err
	}
	var refused *pgconn.PgError
	err := p.database.execute(ctx, `CHECKPOINT`)
	if errors.As(err, &refused) && refused.Code == "42501" {
		return nil
	}
	return err
}

func (p *schema) inserters(ctx context.Context, connections int) (insert []func(context.Context) error, done func() error, err error) {
	table := p.name + ".inserts"
	if err := p.database.execute(ctx, `CREATE TABLE `+table+` (
		year integer NOT NULL, nullifier bytea NOT NULL, kind smallint NOT NULL, PRIMARY KEY (year, nullifier))`); err != nil {
		return nil, nil, err
	}
	var opened []*pgx.Conn
	done = func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dropTime)
		defer cancel()
		var errs []error
		for _, conn := range opened {
			errs = append(errs, conn.Close(ctx))
		}
		return errors.Join(append(errs, p.database.execute(ctx, `DROP TABLE `+table))...)
	}
	for range connections {
		conn, err := pgx.Connect(ctx, p.database.address)
		if err != nil {
			return nil, nil, errors.Join(err, done())
		}
		opened = append(opened, conn)
		insert = append(insert, func(ctx context.Context) error {
			_, err := conn.Exec(ctx, `INSERT INTO `+table+` (year, nullifier, kind) VALUES ($1, $2, 1)`, 2000, randomNullifier())
			return err
		})
	}
	return insert, done, nil
}

// drop removes the schema; of a private database nothing stays anyway.
func (p *schema) drop() error {
	if p.database.cluster != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), dropTime)
	defer cancel()
	if err := p.database.execute(ctx, `DROP SCHEMA `+p.name+` CASCADE`); err != nil {
		return fmt.Errorf("dropping the schema %s: %w", p.name, err)
	}
	return nil
}
