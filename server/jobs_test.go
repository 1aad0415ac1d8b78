package server_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"aankomst/server/servertest"
	"aankomst/server/store"
)

// tidied is a store that notes how often it is tidied.
type tidied struct {
	store.Store
	rewritten, settled atomic.Int32
}

func (s *tidied) Rewrite(ctx context.Context) error {
	defer s.rewritten.Add(1)
	return s.Store.Rewrite(ctx)
}

func (s *tidied) Settle(ctx context.Context) error {
	defer s.settled.Add(1)
	return s.Store.Settle(ctx)
}

// The order of arrival is wiped when a server starts, since one that is stopped every night would never come to
// it, and every night; the store's log is emptied every quarter of an hour.
func TestOrderIsWiped(t *testing.T) {
	t.Parallel()
	s := new(tidied)
	f := servertest.Start(t, servertest.Options{Store: func(inner store.Store) store.Store {
		s.Store = inner
		return s
	}})
	expect := func(what string, rewritten, settled int32) {
		t.Helper()
		eventually(t, what, func() bool { return s.rewritten.Load() == rewritten && s.settled.Load() == settled })
	}
	expect("it is wiped at the start", 1, 1)
	f.Clock.Advance(15 * time.Minute)
	expect("the log is emptied in the next quarter", 1, 2)
	f.Clock.Set(servertest.Noon.AddDate(0, 0, 1))
	expect("it is wiped in the next night", 2, 3)
}
