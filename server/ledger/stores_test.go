//go:build unix

package ledger_test

import (
	"context"
	"crypto/rand"
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"aankomst/server/ledger"
	"aankomst/server/store"
	"aankomst/server/store/postgres"
	"aankomst/server/store/postgres/pgtest"
	"aankomst/server/store/sqlite"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

var migrated = pgtest.NewTemplate(func(dsn string) error {
	_, err := postgres.Migrate(context.Background(), dsn, postgres.Options{})
	return err
})

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// processes opens a store of each kind as several processes would.
func processes(t *testing.T, n int, test func(t *testing.T, stores []store.Store)) {
	t.Helper()
	open := map[string]func(t *testing.T) func() (store.Store, error){
		"embedded": func(t *testing.T) func() (store.Store, error) {
			path, key := filepath.Join(t.TempDir(), "store.db"), [32]byte{1}
			_, err := sqlite.Migrate(t.Context(), path, key)
			ok(t, err)
			return func() (store.Store, error) { return sqlite.Open(t.Context(), path, key) }
		},
		"postgres": func(t *testing.T) func() (store.Store, error) {
			dsn := migrated.Database(t)
			return func() (store.Store, error) { return postgres.Open(t.Context(), dsn, postgres.Options{}) }
		},
	}
	for name, make := range open {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			another := make(t)
			var stores []store.Store
			for range n {
				s, err := another()
				ok(t, err)
				t.Cleanup(func() { ok(t, s.Close()) })
				stores = append(stores, s)
			}
			ok(t, stores[0].CreateCentre(t.Context(), store.Centre{ID: "a"}))
			ok(t, stores[0].CreateCohort(t.Context(), store.Cohort{Year: 2027, PublicKey: []byte{1}, Pools: []store.Pool{{Number: 1, Centres: []string{"a"}}}}))
			test(t, stores)
		})
	}
}

// Each code is handed to every process several times at once, by callers of whom some go away; meanwhile
// codes are issued. One caller at most is told that a code is fresh, and all is counted once.
func TestProcessesOnOneStoreCountOnce(t *testing.T) {
	t.Parallel()
	processes(t, 3, func(t *testing.T, stores []store.Store) {
		const codes, times = 150, 2
		fresh := make([]atomic.Int32, codes)
		var issued atomic.Int64
		var unanswered atomic.Int64
		var ledgers []*ledger.Ledger
		var calling sync.WaitGroup
		for _, s := range stores {
			ledgers = append(ledgers, ledger.New(s, time.Now))
		}
		var nullifiers [codes]store.Nullifier
		for i := range codes {
			rand.Read(nullifiers[i][:])
			for j := range len(ledgers) * times {
				l := ledgers[j%len(ledgers)]
				calling.Go(func() {
					ctx, leave := context.WithCancel(t.Context())
					defer leave()
					if (i+j)%5 == 0 {
						go leave()
					}
					outcome, err := l.Record(ctx, store.Entry{Kind: store.Arrive, Year: 2027, Pool: 1, Nullifier: nullifiers[i]})
					switch {
					case errors.Is(err, context.Canceled):
						unanswered.Add(1)
					case err != nil:
						t.Error(err)
					case outcome == store.Done:
						fresh[i].Add(1)
					}
				})
			}
			calling.Go(func() {
				if _, err := ledgers[i%len(ledgers)].Record(t.Context(), store.Entry{Kind: store.Issue, Year: 2027, Pool: 1}); err != nil {
					t.Error(err)
				}
				issued.Add(1)
			})
		}
		calling.Wait()
		for _, l := range ledgers {
			l.Close()
		}
		for i := range fresh {
			if n := fresh[i].Load(); n > 1 {
				t.Errorf("code %d was told fresh %d times", i, n)
			}
		}
		counts, err := stores[0].Counts(t.Context(), 2027)
		ok(t, err)
		if pool := counts.Pools[0]; pool.Arrived != codes || pool.Issued != int(issued.Load()) {
			t.Errorf("counted %+v, want %d arrived and %d issued", pool, codes, issued.Load())
		}
		if unanswered.Load() == 0 {
			t.Error("nobody went away: this tests less than it says")
		}
	})
}

// A cohort that is closed while everybody records: what was answered with Done is in the final counts, and
// nothing is added to them.
func TestClosingUnderLoad(t *testing.T) {
	t.Parallel()
	processes(t, 2, func(t *testing.T, stores []store.Store) {
		var done atomic.Int64
		var calling sync.WaitGroup
		started := make(chan struct{}, 100)
		for _, s := range stores {
			l := ledger.New(s, time.Now)
			defer l.Close()
			for range 8 {
				calling.Go(func() {
					for {
						e := store.Entry{Kind: store.Arrive, Year: 2027, Pool: 1}
						rand.Read(e.Nullifier[:])
						outcome, err := l.Record(t.Context(), e)
						if err != nil {
							t.Error(err)
							return
						}
						if outcome != store.Done {
							return
						}
						done.Add(1)
						select {
						case started <- struct{}{}:
						default:
						}
					}
				})
			}
		}
		for range cap(started) {
			<-started
		}
		ok(t, stores[1].AdvanceCohort(t.Context(), 2027, store.StageOpen, store.StageClosing))
		final, err := stores[0].Counts(t.Context(), 2027)
		ok(t, err)
		calling.Wait()
		after, err := stores[1].Counts(t.Context(), 2027)
		ok(t, err)
		if n := int(done.Load()); final.Pools[0].Arrived != n || after.Pools[0].Arrived != n {
			t.Errorf("%d were answered; the counts were %d when it was closed and %d after", n, final.Pools[0].Arrived, after.Pools[0].Arrived)
		}
	})
}
