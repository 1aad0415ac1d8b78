//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package sqlite

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// fileLock is a lock on a file beside the database: shared by all who have the database open, so that
// who must have it alone can tell. The system releases it when the process ends, however it ends.
type fileLock struct{ file *os.File }

func lockShared(path string) (*fileLock, error) {
	return lockFile(path, syscall.LOCK_SH, "the database is being restored or given another key: try again later")
}

func lockAlone(path string) (*fileLock, error) {
	return lockFile(path, syscall.LOCK_EX, wordsInUse)
}

const wordsInUse = "the database is in use: stop every process that has it open"

func lockFile(path string, how int, refused string) (*fileLock, error) {
	file, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, failed("make the lock file beside the database", err)
	}
	lock := &fileLock{file}
	err = likewise(file.Name(), path)
	if err == nil {
		err = lock.change(how, refused)
	}
	if err != nil {
		return nil, errors.Join(err, lock.release())
	}
	return lock, nil
}

// alone turns a shared lock into one that excludes all others.
func (l *fileLock) alone() error { return l.change(syscall.LOCK_EX, wordsInUse) }

func (l *fileLock) change(how int, refused string) error {
	err := syscall.Flock(int(l.file.Fd()), how|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return unavailable(refused)
	}
	if err != nil {
		return failed("lock the database", err)
	}
	return nil
}

// release unlocks before it closes: a process that was started at this moment may have inherited the open
// file, and the lock would last as long as that.
func (l *fileLock) release() error {
	return errors.Join(syscall.Flock(int(l.file.Fd()), syscall.LOCK_UN), l.file.Close())
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
