//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package sqlite

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"aankomst/server/filelock"
)

// fileLock is a lock on a file beside the database: shared by all who have the database open, so that
// who must have it alone can tell.
type fileLock struct{ *filelock.Lock }

func lockShared(path string) (*fileLock, error) {
	return lockFile(path, filelock.Shared, "the database is being restored or given another key: try again later")
}

func lockAlone(path string) (*fileLock, error) { return lockFile(path, filelock.Alone, wordsInUse) }

const wordsInUse = "the database is in use: stop every process that has it open"

func lockFile(path string, lock func(path string) (*filelock.Lock, error), refused string) (*fileLock, error) {
	path, database := path+".lock", path
	held, err := lock(path)
	if err != nil {
		return nil, locking(err, refused)
	}
	if err := likewise(path, database); err != nil {
		return nil, errors.Join(err, held.Release())
	}
	return &fileLock{held}, nil
}

// alone turns a shared lock into one that excludes all others.
func (l *fileLock) alone() error { return locking(l.Alone(), wordsInUse) }

func (l *fileLock) release() error { return l.Release() }

// locking puts an error of a lock in the contract's terms.
func locking(err error, refused string) error {
	switch {
	case errors.Is(err, filelock.ErrTaken):
		return unavailable(refused)
	case err != nil:
		return failed("lock the database", err)
	default:
		return nil
	}
}

// likewise gives a file the mode of another, and its owner where that is allowed: an administrator's
// command must not leave files behind that the server cannot open. No file is no error.
func likewise(path, other string) error {
	info, err := os.Stat(other)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return failed("look at the database", err)
	}
	// Who does not own the file may not change it, and need not.
	err = os.Chmod(path, info.Mode().Perm())
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
		return failed("set the mode of a file beside the database", err)
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
		err = os.Chown(path, int(owner.Uid), int(owner.Gid))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return failed("set the owner of a file beside the database", err)
		}
	}
	return nil
}
