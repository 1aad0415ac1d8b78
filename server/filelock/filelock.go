// Package filelock keeps processes out of each other's way by locks on files. The system takes a lock back
// when the process ends, however it ends.
package filelock

import "errors"

// ErrTaken is returned when a lock is held that does not go with the one that is asked for.
var ErrTaken = errors.New("another has the file locked")
