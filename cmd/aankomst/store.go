package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"aankomst/server"
	"aankomst/server/cohort"
	"aankomst/server/release"
	"aankomst/server/store"
	"aankomst/server/store/sqlite"
)

// opened is a store with its key folder.
type opened struct {
	store.Store
	folder *cohort.Folder
	clock  func() time.Time
	// backup writes a copy to a file that must not exist.
	backup func(ctx context.Context, path string) error
}

// openStore opens the database that the settings name, or the embedded store.
func (a *app) openStore(ctx context.Context) (*opened, error) {
	if a.Postgres != "" {
		return a.openPostgres(ctx)
	}
	return a.openEmbedded(ctx)
}

// keeper returns a keeper of the store's cohorts.
func (e *opened) keeper() (*cohort.Keeper, error) {
	return server.NewKeeper(e.Store, e.folder, release.Current, e.clock)
}

// withStore runs a command on the store and closes it.
func (a *app) withStore(ctx context.Context, command func(*opened) error) error {
	e, err := a.openStore(ctx)
	if err != nil {
		return err
	}
	return errors.Join(command(e), e.Close())
}

type migrateCmd struct{}

// Help is shown below the command's usage.
func (migrateCmd) Help() string {
	return "Make a backup first. Servers of the version before go on working meanwhile."
}

// Run migrates the store.
func (migrateCmd) Run(ctx context.Context, a *app) error {
	migrate := a.migrateEmbedded
	if a.Postgres != "" {
		migrate = a.migratePostgres
	}
	applied, err := migrate(ctx)
	if err != nil {
		return err
	}
	return a.print(map[string]int{"applied": applied}, "The schema is up to date; %d steps were applied.", applied)
}

type backupCmd struct {
	File string `arg:"" help:"Where to write the copy; it must not exist."`
}

// Help is shown below the command's usage.
func (backupCmd) Help() string {
	return strings.TrimSpace(`
The copy is consistent and encrypted under the store's key, which is not in it: keep a copy of store.key apart from
the backups. Keys of cohorts are never in a backup. Closing a cohort changes the store's key at the next start of the
server, after which older backups cannot be read any more: that is meant, since they hold the spent codes.

With PostgreSQL the copy is of the same kind, and the first one makes the key. Either store can be restored from it,
which is how to move from one to the other: stop the servers, backup there, restore here, with the same key folder.`)
}

// Run copies the store.
func (c backupCmd) Run(ctx context.Context, a *app) error {
	info, err := os.Stat(filepath.Dir(c.File))
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: the folder %s cannot be entered: check owner and mode of it and of those above it", errUsage, filepath.Dir(c.File))
	}
	if err != nil || !info.IsDir() {
		return fmt.Errorf("%w: there is no folder %s to write the backup to", errUsage, filepath.Dir(c.File))
	}
	return a.withStore(ctx, func(e *opened) error {
		if err := e.backup(ctx, c.File); err != nil {
			return err
		}
		return a.print(map[string]string{"backup": c.File}, "The store was copied to %s. Keep its key apart from it.", c.File)
	})
}

type restoreCmd struct {
	File    string `arg:"" help:"The backup." type:"existingfile"`
	Replace bool   `help:"Put it in the place of an embedded store that exists, which is kept beside it as aankomst.db.replaced."`
}

// Help is shown below the command's usage.
func (restoreCmd) Help() string {
	return strings.TrimSpace(`
Stop the server first. The backup is checked before anything is touched. Cohorts that were closed after the backup was
made are closed again when the server starts. Arrivals confirmed after it are lost from the counts, and their codes
can be confirmed again. Destroy the store that was replaced once all is well: it holds spent codes, as a backup does.

With PostgreSQL the database must be empty: create one, and point AANKOMST_POSTGRES of every server at it.`)
}

// Run restores a backup.
func (c restoreCmd) Run(ctx context.Context, a *app) error {
	if err := a.makeData(); err != nil {
		return err
	}
	folder, err := cohort.OpenFolder(a.keyFolder())
	if err != nil {
		return err
	}
	keys, err := folder.StoreKeys()
	if err != nil {
		return err
	}
	if len(keys) == 0 {
		return fmt.Errorf("%w: there is no store key in %s; put back the one that belongs to the backup", cohort.ErrKeyFolder, a.keyFolder())
	}
	// SQLite takes an empty file, which is what is left of a copy that failed, for an empty database.
	if info, err := os.Stat(c.File); err != nil || info.Size() == 0 {
		return fmt.Errorf("%w: nothing was restored: %s is empty", errUsage, c.File)
	}
	where, restore := "the store", a.restoreEmbedded
	if a.Postgres != "" {
		where, restore = "in the database", a.restorePostgres
	}
	if err := restore(ctx, c, keys); err != nil {
		return err
	}
	return a.print(map[string]string{"restored": c.File}, "%s is %s now. Start the server; then publish again what was published since the backup; the final release of a cohort closed since is lost with it.", c.File, where)
}

// underOneOf does something with each of the keys, until it is the right one. An error says that nothing
// was restored, unless that cannot be told.
func underOneOf(keys [][32]byte, restore func(key [32]byte) error) (err error) {
	for _, key := range keys {
		if err = restore(key); !errors.Is(err, sqlite.ErrKey) {
			break
		}
	}
	if err == nil || errors.Is(err, store.ErrUncertain) {
		return err
	}
	return fmt.Errorf("nothing was restored: %w", err)
}
