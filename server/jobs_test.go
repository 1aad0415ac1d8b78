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

// startTidied starts a server and waits until it has tidied its store, which it does soon after its start: from
// then on no job writes to the store while the clock stands.
func startTidied(t *testing.T, options servertest.Options) (*servertest.Fixture, *tidied) {
	t.Helper()
	s := new(tidied)
	options.Store = func(inner store.Store) store.Store {
		s.Store = inner
		return s
	}
	f := servertest.Start(t, options)
	eventually(t, "the store is tidied", func() bool { return s.rewritten.Load() == 1 && s.settled.Load() == 1 })
	return f, s
}

// The order of arrival is wiped when a server starts, since one that is stopped every night would never come to
// it, and every night; the store's log is emptied every quarter of an hour.
func TestOrderIsWiped(t *testing.T) {
	t.Parallel()
	f, s := startTidied(t, servertest.Options{})
	expect := func(what string, rewritten, settled int32) {
		t.Helper()
		eventually(t, what, func() bool { return s.rewritten.Load() == rewritten && s.settled.Load() == settled })
	}
	f.Clock.Advance(15 * time.Minute)
	expect("the log is emptied in the next quarter", 1, 2)
	f.Clock.Set(servertest.Noon.AddDate(0, 0, 1))
	expect("it is wiped in the next night", 2, 3)
}
