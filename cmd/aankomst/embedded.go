package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"aankomst/server/cohort"
	"aankomst/server/store"
	"aankomst/server/store/sqlite"
)

// storeFile is the embedded store's file in the data folder.
const storeFile = "aankomst.db"

// openEmbedded opens the embedded store, and makes it when the data folder is new.
func (a *app) openEmbedded(ctx context.Context) (*opened, error) {
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
	found, err := sqlite.Open(ctx, path, key)
	if errors.Is(err, sqlite.ErrKey) {
		return nil, fmt.Errorf("%w: put back the store key that belongs to %s", err, path)
	}
	if err != nil {
		return nil, err
	}
	return &opened{Store: found, folder: folder, clock: time.Now, backup: found.Backup}, nil
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

// migrateEmbedded makes the embedded store, or brings its schema up to date.
func (a *app) migrateEmbedded(ctx context.Context) (applied int, err error) {
	_, key, err := a.storeKey(ctx)
	if err != nil {
		return 0, err
	}
	return sqlite.Migrate(ctx, a.storePath(), key)
}

// restoreEmbedded puts a backup in the place of the embedded store.
func (a *app) restoreEmbedded(ctx context.Context, c restoreCmd, keys [][32]byte) error {
	path := a.storePath()
	if _, err := os.Stat(path); err == nil && !c.Replace {
		return fmt.Errorf("%w: there is a store at %s; say --replace to put the backup in its place", errRefused, path)
	}
	return underOneOf(keys, func(key [32]byte) error { return sqlite.Restore(ctx, c.File, path, key) })
}
