//go:build unix

package postgres

import (
	"crypto/rand"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"aankomst/server/store"
)

// replicas opens one database as several processes would, with a cohort of 2026 in it.
func replicas(t *testing.T, n int) []*Store {
	t.Helper()
	dsn := migrated.Database(t)
	all := make([]*Store, n)
	for i := range all {
		all[i] = openAt(t, dsn)
	}
	createCohort2026(t, all[0])
	return all
}

func createCohort2026(t testing.TB, s *Store) {
	t.Helper()
	ok(t, s.CreateCentre(t.Context(), store.Centre{ID: "a"}))
	ok(t, s.CreateCohort(t.Context(), store.Cohort{Year: 2026, PublicKey: []byte{1}, Pools: []store.Pool{{Number: 1, Centres: []string{"a"}}}}))
}

func entryOf(kind store.Kind, n store.Nullifier) store.Entry {
	return store.Entry{Kind: kind, Year: 2026, Pool: 1, Nullifier: n}
}

func nullifier() (n store.Nullifier) {
	rand.Read(n[:])
	return n
}

func pool(t *testing.T, s *Store) store.PoolCounts {
	t.Helper()
	counts, err := s.Counts(t.Context(), 2026)
	ok(t, err)
	return counts.Pools[0]
}

// texts returns the first column of a query's rows as text.
func texts(t *testing.T, s *Store, sql string, args ...any) (all []string) {
	t.Helper()
	ok(t, s.read(t.Context(), func(tx tx) (err error) {
		all, err = collect(tx, pgx.RowTo[string], sql, args...)
		return err
	}))
	return all
}

// Processes that spend, void and take back the same few codes at once agree on every one.
func TestReplicasAgreeOnEveryCode(t *testing.T) {
	t.Parallel()
	all := replicas(t, 3)
	codes := make([]store.Nullifier, 12)
	for i := range codes {
		codes[i] = nullifier()
	}
	var mu sync.Mutex
	done := map[store.Kind]int{}
	var working sync.WaitGroup
	for i, s := range all {
		working.Go(func() {
			for round := range 30 {
				var batch []store.Entry
				for j := range 8 {
					kind := []store.Kind{store.Arrive, store.Undo, store.Arrive, store.Issue}[(i+j+round)%4]
					batch = append(batch, entryOf(kind, codes[(5*i+3*j+round)%len(codes)]))
				}
				outcomes, err := s.Record(t.Context(), batch)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for j, outcome := range outcomes {
					if outcome == store.Done {
						done[batch[j].Kind]++
					}
				}
				mu.Unlock()
			}
		})
	}
	working.Wait()
	counts := pool(t, all[0])
	spent := len(texts(t, all[0], `SELECT encode(nullifier, 'hex') FROM spent`))
	if counts.Issued != done[store.Issue] || counts.Arrived != done[store.Arrive]-done[store.Undo] || counts.Arrived != spent {
		t.Errorf("counted %+v, answered %v, spent %d", counts, done, spent)
	}
}

// An undo by another process takes back what was counted in this one's shard, and not more than there is.
func TestUndoAcrossReplicas(t *testing.T) {
	t.Parallel()
	all := replicas(t, 2)
	n := nullifier()
	arrive := entryOf(store.Arrive, n)
	arrive.Elsewhere = true
	_, err := all[0].Record(t.Context(), []store.Entry{arrive})
	ok(t, err)
	// Its shard is taken while the other undoes.
	held, err := all[0].pool.Begin(t.Context())
	ok(t, err)
	var shard int
	ok(t, held.QueryRow(t.Context(), `SELECT n FROM generate_series(0, 7) AS n WHERE pg_try_advisory_xact_lock($1, n) LIMIT 1`, lockShard).Scan(&shard))
	undo := entryOf(store.Undo, n)
	undo.Elsewhere, undo.WaitBand = true, store.WaitUpTo2Weeks
	outcomes, err := all[1].Record(t.Context(), []store.Entry{undo})
	ok(t, err)
	ok(t, held.Rollback(t.Context()))
	if !slices.Equal(outcomes, []store.Outcome{store.Done}) {
		t.Errorf("outcomes %v", outcomes)
	}
	counts, err := all[0].Counts(t.Context(), 2026)
	ok(t, err)
	if p := counts.Pools[0]; p.Arrived != 0 || p.Elsewhere != 0 || counts.Waits[store.WaitUpTo2Weeks] != 0 {
		t.Errorf("counts %+v", counts)
	}
	if negative := texts(t, all[0], `SELECT measure FROM counters WHERE count < 0`); len(negative) != 2 {
		t.Errorf("negative shards %v: this was meant to be taken back in another", negative)
	}
}

// Transactions that are under way at once count in different rows, so that none waits for another's commit.
func TestReplicasCountInShardsOfTheirOwn(t *testing.T) {
	t.Parallel()
	s := replicas(t, 1)[0]
	taken := map[int]bool{}
	for range shards {
		held, err := s.pool.Begin(t.Context())
		ok(t, err)
		defer held.Rollback(t.Context())
		if s.pool.Stat().MaxConns() <= int32(len(taken)+1) {
			break
		}
		batch, shard := new(pgx.Batch), -1
		queueShard(batch, &shard)
		ok(t, tx{t.Context(), held}.together(batch))
		if taken[shard] {
			t.Fatalf("shard %d is taken twice", shard)
		}
		taken[shard] = true
	}
	if len(taken) < 4 {
		t.Errorf("only %v were tried", taken)
	}
}

// A call that changes nothing is as durable, and as slow, as one that does: otherwise the time that it
// takes would tell whether a code has arrived.
func TestWhatChangesNothingIsWrittenToo(t *testing.T) {
	t.Parallel()
	s := replicas(t, 1)[0]
	arrived, voided := nullifier(), nullifier()
	_, err := s.Record(t.Context(), []store.Entry{entryOf(store.Arrive, arrived), entryOf(store.Void, voided)})
	ok(t, err)
	before := pool(t, s)
	for _, e := range []store.Entry{
		entryOf(store.Arrive, arrived), entryOf(store.Void, arrived), entryOf(store.Void, voided),
		entryOf(store.Undo, nullifier()), entryOf(store.Arrive, voided), entryOf(store.Undo, voided),
	} {
		versions := texts(t, s, `SELECT xmin::text || ctid::text FROM counters ORDER BY 1`)
		_, err := s.Record(t.Context(), []store.Entry{e})
		ok(t, err)
		if slices.Equal(versions, texts(t, s, `SELECT xmin::text || ctid::text FROM counters ORDER BY 1`)) {
			t.Errorf("kind %d: nothing was written", e.Kind)
		}
	}
	if after := pool(t, s); after != before {
		t.Errorf("counts %+v, want %+v", after, before)
	}
}

// Each cohort has a partition of its own, which goes with it.
func TestClosingDropsThePartition(t *testing.T) {
	t.Parallel()
	s := openAt(t, migrated.Database(t))
	lived(t, s)
	partitions := texts(t, s, `SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'spent'::regclass ORDER BY 1`)
	if want := []string{"spent_2026"}; !slices.Equal(partitions, want) {
		t.Errorf("partitions %v, want %v", partitions, want)
	}
	if left := texts(t, s, `SELECT relname FROM pg_class WHERE relname LIKE 'spent_2025%'`); len(left) != 0 {
		t.Errorf("left of the closed cohort: %v", left)
	}
}

// After a rewrite all spent codes have one xmin, no dead row is left, and their places have nothing to do
// with when they came.
func TestRewriteLeavesNoOrder(t *testing.T) {
	t.Parallel()
	for name, rewrite := range map[string]func(*Store) error{
		"every night":   func(s *Store) error { return s.Rewrite(t.Context()) },
		"every quarter": func(s *Store) error { return s.Settle(t.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := replicas(t, 1)[0]
			const codes = 300
			place := map[string]int{}
			for i := range codes {
				n := nullifier()
				place[fmt.Sprintf("%x", n)] = i
				_, err := s.Record(t.Context(), []store.Entry{entryOf(store.Arrive, n)})
				ok(t, err)
			}
			if before := texts(t, s, `SELECT DISTINCT xmin::text FROM spent`); len(before) != codes {
				t.Fatalf("%d xmins before: there is nothing to hide", len(before))
			}
			counts := pool(t, s)
			ok(t, rewrite(s))
			for _, table := range []string{"spent", "counters"} {
				if after := texts(t, s, `SELECT DISTINCT xmin::text || cmin::text FROM `+table); len(after) != 1 {
					t.Errorf("%s has %d xmins after", table, len(after))
				}
			}
			order := texts(t, s, `SELECT encode(nullifier, 'hex') FROM spent ORDER BY ctid`)
			if len(order) != codes || pool(t, s) != counts {
				t.Fatalf("%d codes, counts %+v", len(order), pool(t, s))
			}
			// Spearman's rank correlation of 300 in random order is within 0.3 but for one time in ten million.
			sum := 0.0
			for rank, code := range order {
				d := float64(rank - place[code])
				sum += d * d
			}
			if rho := 1 - 6*sum/(codes*(codes*codes-1)); rho > 0.3 || rho < -0.3 {
				t.Errorf("the places of the rows follow their time: rank correlation %.2f", rho)
			}
			if dead := texts(t, s, `SELECT relname FROM pg_stat_user_tables WHERE relname LIKE 'spent%' AND pg_relation_size(relid) > 8192 * 4`); len(dead) != 0 {
				t.Errorf("%v are larger than what is in them", dead)
			}
		})
	}
}

// A wrong code that another process counted is seen at once, and counts of all processes add up.
func TestWrongCodesOfReplicasAddUp(t *testing.T) {
	t.Parallel()
	all := replicas(t, 3)
	token := store.Token{ID: "t", Hash: [32]byte{1}, Role: store.RoleIntake, Centre: "a"}
	ok(t, all[0].CreateToken(t.Context(), token))
	quarter := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for i := range 12 {
		_, err := all[i%3].AddWrongCode(t.Context(), "a", "2026-03-01", quarter)
		ok(t, err)
		callers, err := all[(i+1)%3].Callers(t.Context(), [][32]byte{token.Hash})
		ok(t, err)
		if got := callers[0].Wrong.InDay; got != i+1 {
			t.Fatalf("another process sees %d of %d", got, i+1)
		}
	}
}
