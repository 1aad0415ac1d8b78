package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"aankomst/server/store"
)

var modelTests = []test{
	{"random batches give what a simple model gives", againstModel},
	{"a mixed load at once adds up", mixedLoad},
}

// model is the contract of Record in a few lines: one cohort, entries one by one.
type model struct {
	open   bool
	counts store.Counts
	spent  map[store.Nullifier]store.Kind // Arrive or Void
}

func (m *model) record(e store.Entry) store.Outcome {
	var pool *store.PoolCounts
	for i := range m.counts.Pools {
		if m.counts.Pools[i].Number == e.Pool {
			pool = &m.counts.Pools[i]
		}
	}
	if !m.open || e.Year != m.counts.Year || pool == nil && e.Kind != store.ArriveWithoutCode {
		return store.NotOpen
	}
	spent := m.spent[e.Nullifier]
	switch e.Kind {
	case store.Issue:
		pool.Issued++
	case store.IssueReplacement:
		pool.Replaced++
	case store.ReferWithoutCode:
		pool.ReferredWithoutCode++
	case store.ArriveWithoutCode:
		m.counts.ArrivedWithoutCode++
	case store.Arrive:
		switch spent {
		case store.Arrive:
			return store.DoneBefore
		case store.Void:
			return store.Voided
		}
		m.spent[e.Nullifier] = store.Arrive
		m.arrivals(pool, e, 1)
	case store.Void, store.VoidReplacement:
		switch spent {
		case store.Arrive:
			return store.Arrived
		case store.Void:
			return store.DoneBefore
		}
		m.spent[e.Nullifier] = store.Void
		if e.Kind == store.Void {
			pool.Voided++
		} else {
			pool.ReplacementsVoided++
		}
	case store.Undo:
		switch spent {
		case store.Void:
			return store.Voided
		case store.Arrive:
		default:
			return store.DoneBefore
		}
		delete(m.spent, e.Nullifier)
		m.arrivals(pool, e, -1)
	}
	return store.Done
}

func (m *model) arrivals(pool *store.PoolCounts, e store.Entry, by int) {
	pool.Arrived = max(0, pool.Arrived+by)
	if e.Elsewhere {
		pool.Elsewhere = max(0, pool.Elsewhere+by)
	}
	if e.WaitBand != store.WaitUnknown {
		m.counts.Waits[e.WaitBand] = max(0, m.counts.Waits[e.WaitBand]+by)
	}
}

// againstModel plays random batches on the store and on the model. Each run has a cohort of its own,
// so that one store serves them all.
func againstModel(t *testing.T, s store.Store) {
	withCohort(t, s)
	next := year
	rapid.Check(t, func(rt *rapid.T) {
		next++
		is(t, s.CreateCohort(t.Context(), cohort(next)), nil)
		m := model{open: true, counts: zero(next), spent: map[store.Nullifier]store.Kind{}}
		entries := rapid.Custom(func(rt *rapid.T) store.Entry {
			return store.Entry{
				Kind: rapid.SampledFrom([]store.Kind{
					store.Issue, store.IssueReplacement, store.ReferWithoutCode, store.ArriveWithoutCode,
					// More often, as they are what is intricate.
					store.Arrive, store.Arrive, store.Void, store.VoidReplacement, store.Undo, store.Undo,
				}).Draw(rt, "kind"),
				Year:      rapid.SampledFrom([]int{next, next, next, next, next, next, noYear}).Draw(rt, "year"),
				Pool:      rapid.SampledFrom([]uint32{1, 1, 1, 2, 2, 0, 3}).Draw(rt, "pool"),
				Nullifier: store.Nullifier{rapid.ByteRange(1, 4).Draw(rt, "code")},
				Elsewhere: rapid.Bool().Draw(rt, "elsewhere"),
				WaitBand:  store.WaitBand(rapid.IntRange(0, int(store.WaitBands)-1).Draw(rt, "wait")),
			}
		})
		for _, batch := range rapid.SliceOfN(rapid.SliceOfN(entries, 1, 12), 1, 4).Draw(rt, "batches") {
			if m.open && rapid.IntRange(0, 19).Draw(rt, "close") == 0 {
				is(t, s.AdvanceCohort(t.Context(), next, store.StageOpen, store.StageClosing), nil)
				m.open = false
			}
			var want []store.Outcome
			for _, e := range batch {
				want = append(want, m.record(e))
			}
			got, err := s.Record(t.Context(), batch)
			if err != nil {
				rt.Fatal(err)
			}
			if !slices.Equal(got, want) {
				rt.Fatalf("batch %+v: outcomes %v, want %v", batch, got, want)
			}
			now, err := s.Counts(t.Context(), next)
			if err != nil {
				rt.Fatal(err)
			}
			if fmt.Sprint(now) != fmt.Sprint(m.counts) {
				rt.Fatalf("batch %+v: counts %+v, want %+v", batch, now, m.counts)
			}
		}
	})
}

// mixedLoad has several goroutines arrive, undo and void the same few codes at once. Whatever the
// order, the counts are the sum of what was answered with Done.
func mixedLoad(t *testing.T, s store.Store) {
	withCohort(t, s)
	const workers, batches = 6, 12
	codes := make([]store.Nullifier, 10)
	for i := range codes {
		codes[i] = code()
	}
	var sums [store.Undo + 1]atomic.Int64
	errs := together(workers, func(worker int) error {
		for i := range batches {
			var batch []store.Entry
			for j := range 8 {
				kind := []store.Kind{store.Arrive, store.Undo, store.Arrive, store.Void, store.Issue}[(worker+i+j)%5]
				which := (worker*3 + i*5 + j) % len(codes)
				if kind == store.Void && which > 3 {
					kind = store.Undo // keep most codes from being voided for good
				}
				batch = append(batch, store.Entry{
					Kind: kind, Year: year, Pool: 1, Nullifier: codes[which],
					Elsewhere: which%2 == 0, WaitBand: store.WaitBand(1 + which%2),
				})
			}
			outcomes, err := s.Record(t.Context(), batch)
			if err != nil {
				return err
			}
			for j, outcome := range outcomes {
				if outcome == store.Done {
					sums[batch[j].Kind].Add(1)
				}
			}
			now, err := s.Counts(t.Context(), year)
			if err != nil {
				return err
			}
			if sum := now.Waits[1] + now.Waits[2]; sum != now.Pools[0].Arrived || now.Waits[1] != now.Pools[0].Elsewhere {
				return fmt.Errorf("counts of two moments in one answer: %+v", now)
			}
		}
		return nil
	})
	is(t, errors.Join(errs...), nil)

	final := counts(t, s, year)
	equal(t, int64(final.Pools[0].Issued), sums[store.Issue].Load())
	equal(t, int64(final.Pools[0].Voided), sums[store.Void].Load())
	equal(t, int64(final.Pools[0].Arrived), sums[store.Arrive].Load()-sums[store.Undo].Load())
	arrived := 0
	for _, n := range codes {
		if record(t, s, entry(store.Void, n))[0] == store.Arrived {
			arrived++
		}
	}
	equal(t, final.Pools[0].Arrived, arrived)
}
