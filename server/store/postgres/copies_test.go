//go:build unix

package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"aankomst/server/store"
	"aankomst/server/store/postgres/pgtest"
	"aankomst/server/store/sqlite"
	"aankomst/server/store/storetest"
)

// embedded opens an embedded store of the test's own, as a backup is.
func embedded(t *testing.T) store.Store {
	t.Helper()
	path, key := filepath.Join(t.TempDir(), "store.db"), [32]byte{1}
	_, err := sqlite.Migrate(t.Context(), path, key)
	ok(t, err)
	s, err := sqlite.Open(t.Context(), path, key)
	ok(t, err)
	t.Cleanup(func() { ok(t, s.Close()) })
	return s
}

func TestAStoreIsCopiedToTheOtherKindAndBack(t *testing.T) {
	t.Run("to the embedded store", func(t *testing.T) { storetest.RunCopies(t, openNew, embedded) })
	t.Run("from the embedded store", func(t *testing.T) { storetest.RunCopies(t, embedded, openNew) })
}

// copied fills one store from another.
func copied(ctx context.Context, from, into store.Store) error {
	return from.Snapshot(ctx, func(all store.Snapshot) error { return into.Fill(ctx, all) })
}

// lived makes a cohort of 2025, which is closed, and one of 2026; codes of both have arrived.
func lived(t *testing.T, s store.Store) {
	t.Helper()
	ok(t, s.CreateCentre(t.Context(), store.Centre{ID: "a"}))
	for _, year := range []int{2025, 2026} {
		ok(t, s.CreateCohort(t.Context(), store.Cohort{Year: year, PublicKey: []byte{1}, Pools: []store.Pool{{Number: 1, Centres: []string{"a"}}}}))
		arrive(t, s, year, 100)
	}
	for i, stage := range store.Stages[1:] {
		ok(t, s.AdvanceCohort(t.Context(), 2025, store.Stages[i], stage))
	}
}

// arrive confirms new codes, each in a transaction of its own.
func arrive(t *testing.T, s store.Store, year, codes int) {
	t.Helper()
	for range codes {
		entry := store.Entry{Kind: store.Arrive, Year: year, Pool: 1}
		rand.Read(entry.Nullifier[:])
		_, err := s.Record(t.Context(), []store.Entry{entry})
		ok(t, err)
	}
}

// query returns the one value that a statement gives.
func query[T any](t *testing.T, dsn, statement string) (value T) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	ok(t, err)
	defer conn.Close(t.Context())
	ok(t, conn.QueryRow(t.Context(), statement).Scan(&value))
	return value
}

func TestACopyKeepsNoOrder(t *testing.T) {
	t.Parallel()
	original, dsn := openNew(t), migrated.Database(t)
	lived(t, original)
	ok(t, copied(t.Context(), original, openAt(t, dsn)))

	laid := query[[]string](t, dsn, `SELECT array_agg(encode(nullifier, 'hex') ORDER BY ctid) FROM spent`)
	if len(laid) != 100 || !slices.IsSorted(laid) {
		t.Errorf("%d spent codes lie in another order than that of their nullifiers", len(laid))
	}
	for what, statement := range map[string]string{
		"transactions wrote the spent codes and counters": `SELECT count(DISTINCT xmin::text) - 1 FROM (SELECT xmin FROM spent UNION ALL SELECT xmin FROM counters) AS rows`,
		"counts lie in a row that tells of a server":      `SELECT count(*) FROM counters WHERE shard <> 0 AND count <> 0`,
		"tables are there for a closed cohort":            `SELECT count(*) FROM pg_class WHERE relname = 'spent_2025'`,
	} {
		if n := query[int](t, dsn, statement); n != 0 {
			t.Errorf("%d too many %s", n, what)
		}
	}
}

// waiting waits until somebody waits for a lock in the database.
func waiting(t *testing.T, dsn string) {
	t.Helper()
	for !query[bool](t, dsn, `SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted
		AND (database IS NULL OR database = (SELECT oid FROM pg_database WHERE datname = current_database())))`) {
		time.Sleep(time.Millisecond)
	}
}

// PostgreSQL shows a table that was emptied to transactions of before, too.
func TestASnapshotWaitsForARewriteUnderWay(t *testing.T) {
	t.Parallel()
	dsn := migrated.Database(t)
	s := openAt(t, dsn)
	lived(t, s)
	conn, err := pgx.Connect(t.Context(), dsn)
	ok(t, err)
	defer conn.Close(t.Context())
	begun, err := conn.Begin(t.Context())
	ok(t, err)
	ok(t, rewriteSpent(tx{t.Context(), begun}, 2026, anyNumber))

	found := make(chan int)
	go func() {
		n := 0
		err := s.Snapshot(t.Context(), func(all store.Snapshot) error {
			for _, err := range all.Spent {
				if err != nil {
					return err
				}
				n++
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		found <- n
	}()
	waiting(t, dsn)
	ok(t, begun.Commit(t.Context()))
	if n := <-found; n != 100 {
		t.Errorf("the snapshot has %d spent codes of 100", n)
	}
}

// Whoever needs a table for themselves gives up soon, as calls would wait behind them for the whole of a
// backup.
func TestCallsDoNotWaitForASnapshot(t *testing.T) {
	t.Parallel()
	s := openNew(t)
	lived(t, s)
	last := len(store.Stages) - 1
	for i, stage := range store.Stages[1:last] {
		ok(t, s.AdvanceCohort(t.Context(), 2026, store.Stages[i], stage))
	}
	next := store.Cohort{Year: 2027, PublicKey: []byte{1}, Pools: []store.Pool{{Number: 1}}}
	ok(t, s.CreateCohort(t.Context(), next))
	next.Year = 2028
	heavy := map[string]func() error{
		"rewriting":             func() error { return s.Rewrite(t.Context()) },
		"settling":              func() error { return s.Settle(t.Context()) },
		"writing what was used": func() error { return s.Used(t.Context(), store.Uses{}, quarter(0)) },
		"opening a cohort":      func() error { return s.CreateCohort(t.Context(), next) },
		"closing a cohort": func() error {
			return s.AdvanceCohort(t.Context(), 2026, store.Stages[last-1], store.StageClosed)
		},
	}
	ok(t, s.Snapshot(t.Context(), func(store.Snapshot) error {
		for what, do := range heavy {
			failed := make(chan error)
			go func() { failed <- do() }()
			arrive(t, s, 2027, 10)
			if err := <-failed; !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "a backup is being made") {
				t.Errorf("%s: %v", what, err)
			}
		}
		return nil
	}))
	for what, do := range heavy {
		if err := do(); err != nil {
			t.Errorf("%s afterwards: %v", what, err)
		}
	}
}

func TestASnapshotIsLostWithItsConnection(t *testing.T) {
	t.Parallel()
	dsn := migrated.Database(t)
	lived(t, openAt(t, dsn))
	proxy := pgtest.NewProxy(t, dsn)
	s := openAt(t, proxy.DSN())
	times := 0
	err := s.Snapshot(t.Context(), func(all store.Snapshot) error {
		times++
		proxy.Cut()
		for _, err := range all.Spent {
			if err != nil {
				return err
			}
		}
		return nil
	})
	if !errors.Is(err, store.ErrUnavailable) || times != 1 {
		t.Errorf("after %d times: %v", times, err)
	}
	ok(t, s.Ping(t.Context()))

	// One that has been read to its end is not lost any more.
	ok(t, s.Snapshot(t.Context(), func(store.Snapshot) error {
		proxy.Cut()
		return nil
	}))
}

func TestAFillIsWholeOrNotWhenTheConnectionIsLost(t *testing.T) {
	t.Parallel()
	original := openNew(t)
	lived(t, original)
	for when, filled := range map[string]bool{"before": false, "after": true} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			dsn := migrated.Database(t)
			proxy := pgtest.NewProxy(t, dsn)
			s := openAt(t, proxy.DSN())
			arm := proxy.CutBeforeCommit
			if filled {
				arm = proxy.CutAfterCommit
			}
			cut := arm(1)
			if err := copied(t.Context(), original, s); !errors.Is(err, store.ErrUncertain) {
				t.Errorf("it is not said that nobody can tell: %v", err)
			}
			<-cut
			if err := copied(t.Context(), original, s); errors.Is(err, store.ErrConflict) != filled {
				t.Errorf("filling it again: %v", err)
			}
		})
	}
}
