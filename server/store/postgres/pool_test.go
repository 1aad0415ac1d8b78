//go:build unix

package postgres

import (
	"sync"
	"testing"

	"aankomst/server/store"
	"aankomst/server/store/postgres/pgtest"
)

// hold has all connections of the pool in use at once, calls during, and uses each.
func hold(t *testing.T, s *Store, during func()) {
	t.Helper()
	var all, working sync.WaitGroup
	all.Add(maxConnections)
	proceed := make(chan struct{})
	for range maxConnections {
		working.Go(func() {
			var held sync.Once
			err := s.read(t.Context(), func(tx tx) error {
				held.Do(func() {
					all.Done()
					<-proceed
				})
				return tx.exec(`SELECT`)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	during()
	close(proceed)
	working.Wait()
}

// After a cut, all that wait in the pool are dead. The first that is tried tells of the others.
func TestAfterACutOneConnectionIsTriedInVain(t *testing.T) {
	t.Parallel()
	proxy := pgtest.NewProxy(t, migrated.Database(t))
	s := openAt(t, proxy.DSN())
	hold(t, s, func() {})
	proxy.Cut()
	tries := 0
	ok(t, s.read(t.Context(), func(tx tx) error {
		tries++
		return tx.exec(`SELECT`)
	}))
	if tries > 2 {
		t.Errorf("%d connections were tried", tries)
	}
}

// Transactions that are cut together would else give up the connections that the first of them has made anew.
func TestConnectionsThatAreCutTogetherAreGivenUpOnce(t *testing.T) {
	t.Parallel()
	proxy := pgtest.NewProxy(t, migrated.Database(t))
	s := openAt(t, proxy.DSN())
	hold(t, s, proxy.Cut)
	if renewed := s.renewed.Load(); renewed != 1 {
		t.Errorf("they were given up %d times", renewed)
	}
}

// A transaction under way on a connection that is not broken goes on when others are given up, and is not
// repeated; its connection is closed behind it.
func TestATransactionUnderWaySurvivesThatOthersAreGivenUp(t *testing.T) {
	t.Parallel()
	s := replicas(t, 1)[0]
	var process uint32
	tries := 0
	arrive := []store.Entry{entryOf(store.Arrive, nullifier())}
	ok(t, s.write(t.Context(), func(under tx) error {
		tries++
		b, shard, err := load(under, touchedBy(arrive))
		if err != nil {
			return err
		}
		ok(t, under.row(`SELECT pg_backend_pid()`).Scan(&process))
		endOne(t, s)
		b.Play(arrive)
		return save(under, b, shard)
	}))
	if arrived := pool(t, s).Arrived; tries != 1 || arrived != 1 {
		t.Errorf("tried %d times, and %d arrived", tries, arrived)
	}
	for _, conn := range s.pool.AcquireAllIdle(t.Context()) {
		defer conn.Release()
		if conn.Conn().PgConn().PID() == process {
			t.Error("its connection is still in the pool")
		}
	}
}

// endOne has the server end one connection while it is used; the statement is repeated on another.
func endOne(t *testing.T, s *Store) {
	t.Helper()
	ended := false
	ok(t, s.read(t.Context(), func(tx tx) error {
		if ended {
			return tx.exec(`SELECT`)
		}
		ended = true
		return tx.exec(`SELECT pg_terminate_backend(pg_backend_pid())`)
	}))
}
