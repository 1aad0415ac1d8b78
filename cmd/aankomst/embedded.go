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

// storeFile is the embedded store's file in the data folder.
const storeFile = "aankomst.db"

// embedded is the embedded store with its key folder.
type embedded struct {
	*sqlite.Store
	folder *cohort.Folder
	clock  func() time.Time
}

// openEmbedded opens the embedded store, and makes it when the data folder is new.
func (a *app) openEmbedded(ctx context.Context) (*embedded, error) {
	folder, key, err := a.storeKey(ctx)
	if err != nil {
		return nil, err
	}
	path := a.storePath()
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if _, err := sqlite.Migrate(ctx, path, key); err != nil {
			return nil, err
		}
	}
	opened, err := sqlite.Open(ctx, path, key)
	if errors.Is(err, sqlite.ErrKey) {
		return nil, fmt.Errorf("%w: put back the store key that belongs to %s", err, path)
	}
	if err != nil {
		return nil, err
	}
	return &embedded{Store: opened, folder: folder, clock: time.Now}, nil
}

func (a *app) storePath() string { return filepath.Join(a.Data, storeFile) }

// makeData makes the data folder unless it is there.
func (a *app) makeData() error {
	if a.Data == "" {
		return fmt.Errorf("%w: --data or AANKOMST_DATA is empty; name a folder", errUsage)
	}
	if err := os.MkdirAll(a.Data, 0o700); err != nil {
		return fmt.Errorf("the data folder cannot be made: %w", err)
	}
	return nil
}

// storeKey opens the key folder and returns the key under which the store is. It makes the key of a new
// store, and ends a change of the key that closing a cohort asked for or that was interrupted.
func (a *app) storeKey(ctx context.Context) (*cohort.Folder, [32]byte, error) {
	var none [32]byte
	if err := a.makeData(); err != nil {
		return nil, none, err
	}
	folder, err := cohort.OpenFolder(a.keyFolder())
	if err != nil {
		return nil, none, err
	}
	keys, err := folder.StoreKeys()
	if err != nil {
		return nil, none, err
	}
	_, err = os.Stat(a.storePath())
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		return nil, none, fmt.Errorf("the store cannot be opened: %w", err)
	}
	switch {
	case missing && folder.HasCohortKeys():
		return nil, none, fmt.Errorf("the store %s is missing, but %s holds keys of cohorts: restore a backup with aankomst restore, or name the right --data",
			a.storePath(), a.keyFolder())
	case missing && len(keys) == 0:
		key, err := folder.NewStoreKey()
		return folder, key, err
	case len(keys) == 0:
		return nil, none, fmt.Errorf("%w: the store %s is there, but its key %s is not; put it back", cohort.ErrKeyFolder, a.storePath(), folder.Path("store.key"))
	case len(keys) == 1 || missing:
		return folder, keys[0], nil
	}
	key, err := changeStoreKey(ctx, folder, a.storePath(), keys[0], keys[1])
	return folder, key, err
}

// changeStoreKey brings the store from one key to the next, if nobody uses it, and returns the key under
// which it is then.
func changeStoreKey(ctx context.Context, folder *cohort.Folder, path string, current, next [32]byte) ([32]byte, error) {
	err := sqlite.Rekey(ctx, path, current, next)
	if errors.Is(err, store.ErrUnavailable) {
		// In use: the change waits for the next start.
		return current, nil
	}
	if errors.Is(err, sqlite.ErrKey) {
		// Changed already, before a crash, unless neither key fits.
		err = sqlite.Verify(ctx, path, next)
	}
	if err != nil {
		return current, err
	}
	return next, folder.SettleStoreKey(next)
}

// keeper returns a keeper of the store's cohorts.
func (e *embedded) keeper() (*cohort.Keeper, error) {
	return server.NewKeeper(e.Store, e.folder, release.Current, e.clock)
}

// withStore runs a command on the embedded store and closes it.
func (a *app) withStore(ctx context.Context, command func(*embedded) error) error {
	e, err := a.openEmbedded(ctx)
	if err != nil {
		return err
	}
	return errors.Join(command(e), e.Close())
}

type migrateCmd struct{}

// Help is shown below the command's usage.
func (migrateCmd) Help() string {
	return "Make a backup first. Running servers of the version before go on working meanwhile."
}

// Run migrates the store.
func (migrateCmd) Run(ctx context.Context, a *app) error {
	_, key, err := a.storeKey(ctx)
	if err != nil {
		return err
	}
	applied, err := sqlite.Migrate(ctx, a.storePath(), key)
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
server, after which older backups cannot be read any more: that is meant, since they hold the spent codes.`)
}

// Run copies the store.
func (c backupCmd) Run(ctx context.Context, a *app) error {
	if info, err := os.Stat(filepath.Dir(c.File)); err != nil || !info.IsDir() {
		return fmt.Errorf("%w: there is no folder %s to write the backup to", errUsage, filepath.Dir(c.File))
	}
	return a.withStore(ctx, func(e *embedded) error {
		if err := e.Backup(ctx, c.File); err != nil {
			return err
		}
		return a.print(map[string]string{"backup": c.File}, "The store was copied to %s. Keep its key apart from it.", c.File)
	})
}

type restoreCmd struct {
	File    string `arg:"" help:"The backup." type:"existingfile"`
	Replace bool   `help:"Put it in the place of a store that exists, which is kept beside it as aankomst.db.replaced."`
}

// Help is shown below the command's usage.
func (restoreCmd) Help() string {
	return strings.TrimSpace(`
Stop the server first. The backup is checked before anything is touched. Cohorts that were closed after the backup was
made are closed again when the server starts. Arrivals confirmed after it are lost from the counts, and their codes
can be confirmed again. Destroy the store that was replaced once all is well: it holds spent codes, as a backup does.`)
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
	path := a.storePath()
	if _, err := os.Stat(path); err == nil && !c.Replace {
		return fmt.Errorf("%w: there is a store at %s; say --replace to put the backup in its place", errRefused, path)
	}
	for _, key := range keys {
		err = sqlite.Restore(ctx, c.File, path, key)
		if !errors.Is(err, sqlite.ErrKey) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("nothing was restored: %w", err)
	}
	return a.print(map[string]string{"restored": c.File}, "%s is the store now. Start the server; then publish again what was published since the backup; the final release of a cohort closed since is lost with it.", c.File)
}
