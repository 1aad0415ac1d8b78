package cohort

import (
	"context"
	"errors"
	"fmt"
	"time"

	"aankomst/server/filelock"
)

const (
	turnFile  = "opening.lock"
	turnPause = 20 * time.Millisecond
)

// takeTurn waits until no other process opens a cohort in this folder or destroys the key of one, or until ctx
// ends. Destroying removes what others are just writing, as if they had been interrupted. Where the file system
// keeps no locks there is nothing to wait for: openings do no harm to each other, but an escrow copy may be left
// over of one that is killed; and of two closings one may fail, which can be repeated.
func (f *Folder) takeTurn(ctx context.Context) (end func(), err error) {
	for {
		lock, err := filelock.Alone(f.Path(turnFile))
		switch {
		case err == nil:
			return func() { _ = lock.Release() }, nil // nothing is written through it
		case errors.Is(err, errors.ErrUnsupported):
			return func() {}, nil
		case !errors.Is(err, filelock.ErrTaken):
			return nil, fmt.Errorf("%w: %w", ErrKeyFolder, err)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(turnPause):
		}
	}
}
