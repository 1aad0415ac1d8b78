package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"aankomst/migrations"
	"aankomst/server/store"
)

// Migrate makes the schema in an empty database, or brings it up to date while servers go on working,
// and returns how many migrations that took. Of several at once one works and the others wait. Errors
// wrap ErrAddress, ErrTraces, store.ErrSchema when the schema is newer than this program's, or
// store.ErrUnavailable.
func Migrate(ctx context.Context, address string, options Options) (applied int, err error) {
	return migrate(ctx, address, options, migrations.Postgres)
}

func migrate(ctx context.Context, address string, options Options, steps fs.FS) (applied int, err error) {
	config, err := configure(address, options)
	if err != nil {
		return 0, err
	}
	db := stdlib.OpenDB(*config.ConnConfig, stdlib.OptionAfterConnect(config.AfterConnect))
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := db.PingContext(ctx); err != nil {
		return 0, plain(err)
	}
	// A second process waits for as long as the first takes.
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 600))
	if err != nil {
		return 0, err
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, steps,
		goose.WithLogger(goose.NopLogger()), goose.WithDisableGlobalRegistry(true), goose.WithSessionLocker(locker))
	if err != nil {
		return 0, err
	}
	results, err := provider.Up(ctx)
	return len(results), plain(err)
}

// checkSchema compares the schema of a database with the one that the given migrations make. A newer
// one is fine when it says that programs of this version understand it.
func checkSchema(tx tx, steps fs.FS) error {
	known, err := knownVersion(steps)
	if err != nil {
		return err
	}
	var there bool
	if err := tx.row(`SELECT to_regclass('compatibility') IS NOT NULL`).Scan(&there); err != nil {
		return err
	}
	if !there {
		return fmt.Errorf("the database has no schema yet: %w: run `aankomst migrate` to make it", store.ErrNotFound)
	}
	var found, oldest int64
	err = tx.row(`SELECT (SELECT max(version_id) FROM `+goose.DefaultTablename+`), (SELECT oldest FROM compatibility)`).Scan(&found, &oldest)
	switch {
	case err != nil:
		return err
	case found < known:
		return errOlder
	case oldest > known:
		return fmt.Errorf("%w: it is newer than this program: use the newer program", store.ErrSchema)
	default:
		return nil
	}
}

// errOlder is the one unknown schema that Migrate can help.
var errOlder = fmt.Errorf("%w: it is older than this program: run `aankomst migrate`", store.ErrSchema)

// knownVersion is the number of the last of the given migrations.
func knownVersion(steps fs.FS) (int64, error) {
	names, err := fs.Glob(steps, "*.sql")
	if err != nil || len(names) == 0 {
		return 0, errors.Join(errors.New("postgres: no migrations are embedded"), err)
	}
	return goose.NumericComponent(names[len(names)-1])
}
