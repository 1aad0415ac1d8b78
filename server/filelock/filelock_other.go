//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package filelock

import "errors"

// Lock is a lock on a file; there are none here.
type Lock struct{}

// Shared returns errors.ErrUnsupported.
func Shared(string) (*Lock, error) { return nil, errors.ErrUnsupported }

// Alone returns errors.ErrUnsupported.
func Alone(string) (*Lock, error) { return nil, errors.ErrUnsupported }

// Alone returns errors.ErrUnsupported.
func (*Lock) Alone() error { return errors.ErrUnsupported }

// Release does nothing.
func (*Lock) Release() error { return nil }
