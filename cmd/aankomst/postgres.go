package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"aankomst/server/cohort"
	"aankomst/server/store"
	"aankomst/server/store/postgres"
	"aankomst/server/store/sqlite"
)

// openPostgres opens the database that the settings name, with its key folder.
func (a *app) openPostgres(ctx context.Context) (*opened, error) {
	folder, err := a.sharedKeyFolder(ctx)
	if err != nil {
		return nil, err
	}
	found, err := a.openDatabase(ctx)
	if err != nil {
		return nil, err
	}
	backup := func(ctx context.Context, path string) error {
		key, err := backupKey(folder)
		if err != nil {
			return err
		}
		return sqlite.Export(ctx, found, path, key)
	}
	return &opened{Store: found, folder: folder, clock: time.Now, backup: backup}, nil
}

// openDatabase opens the database that the settings name, and makes the schema when there is none.
func (a *app) openDatabase(ctx context.Context) (*postgres.Store, error) {
	options := postgres.Options{Accept: a.PostgresAccept}
	found, err := postgres.Open(ctx, a.Postgres, options)
	if errors.Is(err, store.ErrNotFound) {
		if _, err := postgres.Migrate(ctx, a.Postgres, options); err != nil {
			return nil, err
		}
		found, err = postgres.Open(ctx, a.Postgres, options)
	}
	return found, err
}

// migratePostgres makes the schema of the database that the settings name, or brings it up to date.
func (a *app) migratePostgres(ctx context.Context) (applied int, err error) {
	return postgres.Migrate(ctx, a.Postgres, postgres.Options{Accept: a.PostgresAccept})
}

// sharedKeyFolder opens the key folder, which all servers of one database share. In it the store's key
// is that of the backups: there is no file to be brought from one key to the next, so a change that
// closing a cohort asked for is settled at once. An embedded store that was left behind by a move keeps up
// with it, as its key would be lost otherwise.
func (a *app) sharedKeyFolder(ctx context.Context) (*cohort.Folder, error) {
	if a.Keys == "" {
		if err := a.makeData(); err != nil {
			return nil, err
		}
	}
	folder, err := cohort.OpenFolder(a.keyFolder())
	if err != nil {
		return nil, err
	}
	keys, err := folder.StoreKeys()
	if err != nil || len(keys) == 0 {
		return folder, err
	}
	if _, err := os.Stat(folder.Path("store.key")); err == nil && len(keys) == 1 {
		return folder, nil
	}
	if _, err := os.Stat(a.storePath()); err == nil && len(keys) == 2 {
		_, err := changeStoreKey(ctx, folder, a.storePath(), keys[0], keys[1])
		if !errors.Is(err, sqlite.ErrKey) {
			return folder, err
		}
	}
	return folder, folder.SettleStoreKey(keys[len(keys)-1])
}

// backupKey returns the key of backups, which the first backup makes; of several at once one does.
func backupKey(folder *cohort.Folder) ([32]byte, error) {
	keys, err := folder.StoreKeys()
	if err == nil && len(keys) == 0 {
		if _, err = folder.NewStoreKey(); err == nil || errors.Is(err, fs.ErrExist) {
			keys, err = folder.StoreKeys()
		}
	}
	if err != nil {
		return [32]byte{}, err
	}
	return keys[0], nil
}

// emptyDatabase says where a backup can be restored to.
const emptyDatabase = "create an empty database and point AANKOMST_POSTGRES at it"

// restorePostgres fills the database that the settings name, which must be empty, from a backup.
func (a *app) restorePostgres(ctx context.Context, c restoreCmd, keys [][32]byte) error {
	if c.Replace {
		return fmt.Errorf("%w: --replace is for the embedded store; with PostgreSQL, %s", errUsage, emptyDatabase)
	}
	database, err := a.openDatabase(ctx)
	if err != nil {
		return err
	}
	err = underOneOf(keys, func(key [32]byte) error { return sqlite.Import(ctx, c.File, a.Data, key, database) })
	switch {
	case errors.Is(err, store.ErrUncertain):
		err = fmt.Errorf("%w: look whether aankomst centre list shows the centres; if it does, all was restored", err)
	case errors.Is(err, store.ErrConflict):
		err = fmt.Errorf("%w: nothing was restored: the database is not empty; %s", errRefused, emptyDatabase)
	}
	return errors.Join(err, database.Close())
}
