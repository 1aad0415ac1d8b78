//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package filelock

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// Lock is a lock on a file that serves for nothing else.
type Lock struct{ file *os.File }

// Shared locks the file at a path in common with others who share it, and makes it, for its owner alone, when it
// does not exist. It does not wait: the error is ErrTaken when somebody has it alone, and wraps
// errors.ErrUnsupported where the system or the file system has no such locks.
func Shared(path string) (*Lock, error) { return lock(path, syscall.LOCK_SH) }

// Alone is Shared for who can share it with nobody.
func Alone(path string) (*Lock, error) { return lock(path, syscall.LOCK_EX) }

func lock(path string, how int) (*Lock, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	l := &Lock{file}
	if err := l.change(how); err != nil {
		_ = l.Release() // there is nothing to be let go of but the file
		return nil, err
	}
	return l, nil
}

// Alone turns a shared lock into one that is shared with nobody. When the error is ErrTaken others share it, and
// whether it is still held cannot be told.
func (l *Lock) Alone() error { return l.change(syscall.LOCK_EX) }

func (l *Lock) change(how int) error {
	err := syscall.Flock(int(l.file.Fd()), how|syscall.LOCK_NB)
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return ErrTaken
	case errors.Is(err, syscall.ENOLCK): // a network's file system whose server keeps no locks
		return fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
	default:
		return err
	}
}

// Release lets go of the lock. It unlocks before it closes: a process that was started at this moment may have
// inherited the open file, and the lock would last as long as that.
func (l *Lock) Release() error {
	return errors.Join(syscall.Flock(int(l.file.Fd()), syscall.LOCK_UN), l.file.Close())
}
