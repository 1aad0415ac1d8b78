//go:build unix

package postgres

import (
	"context"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"aankomst/server/store"
	"aankomst/server/store/postgres/pgtest"
)

// A store that lived through cut connections, a database that was away and callers who went, gives back
// every goroutine and every descriptor when it is closed.
func TestClosingGivesEverythingBack(t *testing.T) {
	dsn := migrated.Database(t)
	proxy := pgtest.NewProxy(t, dsn)
	createCohort2026(t, openAt(t, dsn))
	inUse := func() (goroutines, descriptors int) {
		entries, err := os.ReadDir("/dev/fd")
		ok(t, err)
		return runtime.NumGoroutine(), len(entries)
	}
	goroutines, descriptors := inUse()
	for range 3 {
		s, err := Open(t.Context(), proxy.DSN(), Options{})
		ok(t, err)
		var working sync.WaitGroup
		for i := range 12 {
			working.Go(func() {
				for range 20 {
					ctx, leave := context.WithCancel(t.Context())
					if i%3 == 0 {
						go leave()
					}
					_, _ = s.Record(ctx, []store.Entry{entryOf(store.Arrive, nullifier())}) // whether it succeeds is not asked here
					_, _ = s.Callers(ctx, make([][32]byte, 3))
					leave()
				}
			})
		}
		for range 5 {
			proxy.Cut()
			time.Sleep(10 * time.Millisecond)
		}
		proxy.Refuse()
		proxy.Cut()
		proxy.Accept()
		working.Wait()
		if most := s.pool.Stat().MaxConns(); most != maxConnections || s.pool.Stat().TotalConns() > most {
			t.Errorf("%d connections, of %d at most", s.pool.Stat().TotalConns(), most)
		}
		ok(t, s.Close())
	}
	for begun := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		g, d := inUse()
		if g <= goroutines && d <= descriptors {
			return
		}
		if time.Since(begun) > time.Minute {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines and %d descriptors, before %d and %d\n%s", g, d, goroutines, descriptors, stacks[:runtime.Stack(stacks, true)])
		}
	}
}
