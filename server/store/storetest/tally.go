package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"aankomst/server/store"
)

var tallyTests = []test{
	{"every kind counts once in its own place", everyKind},
	{"a code's history decides the outcome", outcomes},
	{"a code in two cohorts is two codes", twoCohorts},
	{"a batch is played in the order given", order},
	{"the same code twice in a batch counts once", twiceInBatch},
	{"of two at once with one code one is done", race},
	{"nothing is recorded where a cohort is not open", notOpen},
	{"nothing is recorded once a closing is committed", closing},
	{"elsewhere and waits are counted and taken back", elsewhereAndWaits},
	{"an undo never makes a counter negative", clamped},
	{"the clamp holds in the order of a batch", clampedInOrder},
	{"voids of replacements are counted apart", voids},
	{"a batch with an unknown kind changes nothing", unknownKind},
	{"an empty batch is no error", emptyBatch},
	{"a cancelled batch is recorded or not", cancelledBatch},
	{"counts of a cohort that does not exist", noCounts},
	{"a large batch is recorded whole", largeBatch},
	{"rewriting changes nothing that can be seen", rewrite},
	{"rewriting while others record", rewriteWhileRecording},
}

func entry(kind store.Kind, n store.Nullifier) store.Entry {
	return store.Entry{Kind: kind, Year: year, Pool: 1, Nullifier: n}
}

func everyKind(t *testing.T, s store.Store) {
	withCohort(t, s)
	want := zero(year)
	equal(t, counts(t, s, year), want)

	for _, kind := range []struct {
		kind  store.Kind
		count *int
	}{
		{store.Issue, &want.Pools[1].Issued},
		{store.IssueReplacement, &want.Pools[1].Replaced},
		{store.ReferWithoutCode, &want.Pools[1].ReferredWithoutCode},
		{store.ArriveWithoutCode, &want.ArrivedWithoutCode},
		{store.Arrive, &want.Pools[1].Arrived},
		{store.Void, &want.Pools[1].Voided},
		{store.VoidReplacement, &want.Pools[1].ReplacementsVoided},
	} {
		for range 2 {
			done(t, s, store.Entry{Kind: kind.kind, Year: year, Pool: 2, Nullifier: code()})
			*kind.count++
			equal(t, counts(t, s, year), want)
		}
	}
	// It is counted for the cohort as a whole: the pool is not looked at.
	done(t, s, store.Entry{Kind: store.ArriveWithoutCode, Year: year, Pool: 99})
	want.ArrivedWithoutCode++
	equal(t, counts(t, s, year), want)
}

func outcomes(t *testing.T, s store.Store) {
	withCohort(t, s)
	type pool = *store.PoolCounts
	nothing := func(pool) {}
	arrives := func(p pool) { p.Arrived++ }
	takenBack := func(p pool) { p.Arrived-- }
	voided := func(p pool) { p.Voided++ }
	replacementVoided := func(p pool) { p.ReplacementsVoided++ }

	for _, step := range []struct {
		before []store.Kind
		kind   store.Kind
		want   store.Outcome
		counts func(pool)
	}{
		{nil, store.Arrive, store.Done, arrives},
		{nil, store.Void, store.Done, voided},
		{nil, store.VoidReplacement, store.Done, replacementVoided},
		{nil, store.Undo, store.DoneBefore, nothing},
		{[]store.Kind{store.Arrive}, store.Arrive, store.DoneBefore, nothing},
		{[]store.Kind{store.Arrive}, store.Void, store.Arrived, nothing},
		{[]store.Kind{store.Arrive}, store.VoidReplacement, store.Arrived, nothing},
		{[]store.Kind{store.Arrive}, store.Undo, store.Done, takenBack},
		{[]store.Kind{store.Void}, store.Arrive, store.Voided, nothing},
		{[]store.Kind{store.Void}, store.Void, store.DoneBefore, nothing},
		{[]store.Kind{store.Void}, store.VoidReplacement, store.DoneBefore, nothing},
		{[]store.Kind{store.Void}, store.Undo, store.Voided, nothing},
		{[]store.Kind{store.VoidReplacement}, store.Arrive, store.Voided, nothing},
		{[]store.Kind{store.VoidReplacement}, store.Void, store.DoneBefore, nothing},
		{[]store.Kind{store.VoidReplacement}, store.VoidReplacement, store.DoneBefore, nothing},
		{[]store.Kind{store.VoidReplacement}, store.Undo, store.Voided, nothing},
		{[]store.Kind{store.Arrive, store.Undo}, store.Undo, store.DoneBefore, nothing},
		{[]store.Kind{store.Arrive, store.Undo}, store.Arrive, store.Done, arrives},
		{[]store.Kind{store.Arrive, store.Undo}, store.Void, store.Done, voided},
		{[]store.Kind{store.Arrive, store.Undo, store.Arrive}, store.Arrive, store.DoneBefore, nothing},
		{[]store.Kind{store.Void, store.Undo}, store.Arrive, store.Voided, nothing},
	} {
		check := func(got store.Outcome, how string) {
			t.Helper()
			if got != step.want {
				t.Errorf("%d after %v %s: outcome %d, want %d", step.kind, step.before, how, got, step.want)
			}
		}
		n := code()
		var batch []store.Entry
		for _, kind := range step.before {
			batch = append(batch, entry(kind, n))
			record(t, s, entry(kind, n))
		}
		want := counts(t, s, year)
		step.counts(&want.Pools[0])
		check(record(t, s, entry(step.kind, n))[0], "one by one")
		equal(t, counts(t, s, year), want)

		again := code()
		batch = append(batch, entry(step.kind, n))
		for i := range batch {
			batch[i].Nullifier = again
		}
		all := record(t, s, batch...)
		check(all[len(all)-1], "in one batch")
	}
}

func twoCohorts(t *testing.T, s store.Store) {
	withCohort(t, s)
	is(t, s.CreateCohort(t.Context(), cohort(year+1)), nil)
	n := code()
	done(t, s, entry(store.Arrive, n), store.Entry{Kind: store.Void, Year: year + 1, Pool: 2, Nullifier: n})

	want := zero(year)
	want.Pools[0].Arrived = 1
	equal(t, counts(t, s, year), want)
	want = zero(year + 1)
	want.Pools[1].Voided = 1
	equal(t, counts(t, s, year+1), want)
}

func order(t *testing.T, s store.Store) {
	withCohort(t, s)
	n := code()
	got := record(t, s,
		entry(store.Undo, n), entry(store.Arrive, n), entry(store.Void, n),
		entry(store.Undo, n), entry(store.Void, n), entry(store.Arrive, n))
	equal(t, got, []store.Outcome{
		store.DoneBefore, store.Done, store.Arrived, store.Done, store.Done, store.Voided,
	})
	want := zero(year)
	want.Pools[0].Voided = 1
	equal(t, counts(t, s, year), want)
	equal(t, record(t, s, entry(store.Arrive, n)), []store.Outcome{store.Voided})
}

func twiceInBatch(t *testing.T, s store.Store) {
	withCohort(t, s)
	n := code()
	equal(t, record(t, s, entry(store.Arrive, n), entry(store.Arrive, code()), entry(store.Arrive, n)),
		[]store.Outcome{store.Done, store.Done, store.DoneBefore})
	want := zero(year)
	want.Pools[0].Arrived = 2
	equal(t, counts(t, s, year), want)
}

func race(t *testing.T, s store.Store) {
	withCohort(t, s)
	want := zero(year)
	for range 10 {
		n := code()
		var fresh atomic.Int32
		errs := together(4, func(int) error {
			outcomes, err := s.Record(t.Context(), []store.Entry{entry(store.Arrive, n)})
			if err == nil && outcomes[0] == store.Done {
				fresh.Add(1)
			}
			return err
		})
		is(t, errors.Join(errs...), nil)
		equal(t, fresh.Load(), 1)
		want.Pools[0].Arrived++
		equal(t, counts(t, s, year), want)
	}
}

func notOpen(t *testing.T, s store.Store) {
	withCohort(t, s)
	is(t, s.CreateCohort(t.Context(), cohort(year-1)), nil)
	n := code()
	done(t, s, store.Entry{Kind: store.Arrive, Year: year - 1, Pool: 1, Nullifier: n})
	closed := zero(year - 1)
	closed.Pools[0].Arrived = 1
	open := zero(year)

	for i, stage := range store.Stages[1:] {
		is(t, s.AdvanceCohort(t.Context(), year-1, store.Stages[i], stage), nil)
		var batch []store.Entry
		for kind := store.Issue; kind <= store.Undo; kind++ {
			batch = append(batch,
				store.Entry{Kind: kind, Year: year - 1, Pool: 1, Nullifier: code()},
				store.Entry{Kind: kind, Year: year - 1, Pool: 1, Nullifier: n},
				store.Entry{Kind: kind, Year: noYear, Pool: 1, Nullifier: code()})
			if kind != store.ArriveWithoutCode {
				batch = append(batch,
					store.Entry{Kind: kind, Year: year, Pool: 3, Nullifier: code()},
					store.Entry{Kind: kind, Year: year, Pool: 0, Nullifier: code()})
			}
		}
		batch = append(batch, entry(store.Arrive, code()))
		outcomes := record(t, s, batch...)
		for j, outcome := range outcomes[:len(outcomes)-1] {
			if outcome != store.NotOpen {
				t.Errorf("stage %s, %+v: outcome %d, want not open", stage, batch[j], outcome)
			}
		}
		equal(t, outcomes[len(outcomes)-1], store.Done)
		open.Pools[0].Arrived++
		equal(t, counts(t, s, year), open)
		equal(t, counts(t, s, year-1), closed)
	}
}

func closing(t *testing.T, s store.Store) {
	withCohort(t, s)
	var recorded atomic.Int64
	var closed atomic.Bool
	warm := make(chan struct{}, 4)
	var recording sync.WaitGroup
	for range 4 {
		recording.Go(func() {
			for i := 0; ; i++ {
				after := closed.Load()
				outcomes, err := s.Record(t.Context(), []store.Entry{entry(store.Arrive, code())})
				if err != nil {
					t.Error(err)
					return
				}
				switch {
				case outcomes[0] == store.Done && after:
					t.Error("recorded after the cohort was closing")
					return
				case outcomes[0] == store.Done:
					recorded.Add(1)
				case outcomes[0] == store.NotOpen:
					return
				}
				if i == 2 {
					warm <- struct{}{}
				}
			}
		})
	}
	<-warm
	is(t, s.AdvanceCohort(t.Context(), year, store.StageOpen, store.StageClosing), nil)
	closed.Store(true)
	final := counts(t, s, year)
	recording.Wait()
	equal(t, int64(final.Pools[0].Arrived), recorded.Load())
	equal(t, counts(t, s, year), final)
}

func elsewhereAndWaits(t *testing.T, s store.Store) {
	withCohort(t, s)
	want := zero(year)
	var spent []store.Entry
	for band := store.WaitUnknown; band < store.WaitBands; band++ {
		for _, elsewhere := range []bool{false, true} {
			e := entry(store.Arrive, code())
			e.WaitBand, e.Elsewhere = band, elsewhere
			spent = append(spent, e)
		}
	}
	for _, e := range spent {
		done(t, s, e)
		equal(t, record(t, s, e), []store.Outcome{store.DoneBefore}) // counts neither again
		want.Pools[0].Arrived++
		if e.Elsewhere {
			want.Pools[0].Elsewhere++
		}
		if e.WaitBand != store.WaitUnknown {
			want.Waits[e.WaitBand]++
		}
		equal(t, counts(t, s, year), want)
	}
	for _, e := range spent {
		e.Kind = store.Undo
		done(t, s, e)
		equal(t, record(t, s, e), []store.Outcome{store.DoneBefore})
	}
	equal(t, counts(t, s, year), zero(year))
	// Neither belongs to the kinds that spend no code or void one.
	for kind := store.Issue; kind < store.Undo; kind++ {
		if kind != store.Arrive {
			done(t, s, store.Entry{Kind: kind, Year: year, Pool: 1, Nullifier: code(), Elsewhere: true, WaitBand: store.WaitOver6Months})
		}
	}
	got := counts(t, s, year)
	equal(t, got.Waits, zero(year).Waits)
	equal(t, got.Pools[0].Elsewhere, 0)
}

func clamped(t *testing.T, s store.Store) {
	withCohort(t, s)
	n := code()
	done(t, s, entry(store.Arrive, n))
	undo := entry(store.Undo, n)
	undo.Elsewhere, undo.WaitBand = true, store.WaitUpTo2Weeks
	done(t, s, undo)
	equal(t, counts(t, s, year), zero(year))
}

func clampedInOrder(t *testing.T, s store.Store) {
	withCohort(t, s)
	n := code()
	done(t, s, entry(store.Arrive, n))
	undo, arrive := entry(store.Undo, n), entry(store.Arrive, n)
	undo.Elsewhere, undo.WaitBand = true, store.WaitUpTo2Weeks
	arrive.Elsewhere, arrive.WaitBand = true, store.WaitUpTo2Weeks
	done(t, s, undo, arrive)
	want := zero(year)
	want.Pools[0].Arrived, want.Pools[0].Elsewhere, want.Waits[store.WaitUpTo2Weeks] = 1, 1, 1
	equal(t, counts(t, s, year), want)
}

func voids(t *testing.T, s store.Store) {
	withCohort(t, s)
	lost, hungUp := code(), code()
	done(t, s, entry(store.VoidReplacement, lost), entry(store.Void, hungUp))
	equal(t, record(t, s, entry(store.Void, lost), entry(store.VoidReplacement, hungUp)),
		[]store.Outcome{store.DoneBefore, store.DoneBefore})
	want := zero(year)
	want.Pools[0].Voided, want.Pools[0].ReplacementsVoided = 1, 1
	equal(t, counts(t, s, year), want)
}

func unknownKind(t *testing.T, s store.Store) {
	withCohort(t, s)
	band := entry(store.Arrive, code())
	band.WaitBand = store.WaitBands
	for _, wrong := range []store.Entry{entry(0, code()), entry(store.Undo+1, code()), band} {
		if _, err := s.Record(t.Context(), []store.Entry{entry(store.Issue, code()), wrong}); err == nil {
			t.Errorf("%+v was accepted", wrong)
		}
	}
	equal(t, counts(t, s, year), zero(year))
}

func emptyBatch(t *testing.T, s store.Store) {
	equal(t, record(t, s), nil)
}

func cancelledBatch(t *testing.T, s store.Store) {
	withCohort(t, s)
	if _, err := s.Record(cancelled(t), []store.Entry{entry(store.Arrive, code())}); err == nil {
		t.Error("recorded for a caller who had gone")
	}
	equal(t, counts(t, s, year), zero(year))

	// Whenever the caller goes, a batch that fails was not recorded at all. Only ErrUnavailable
	// leaves it open, and nothing here gives a cause for that.
	want := zero(year)
	for range 40 {
		ctx, cancel := context.WithCancel(t.Context())
		go cancel()
		batch := []store.Entry{entry(store.Issue, code()), entry(store.Arrive, code()), entry(store.Void, code())}
		outcomes, err := s.Record(ctx, batch)
		switch {
		case err == nil:
			equal(t, outcomes, []store.Outcome{store.Done, store.Done, store.Done})
			want.Pools[0].Issued++
			want.Pools[0].Arrived++
			want.Pools[0].Voided++
		case !errors.Is(err, context.Canceled):
			t.Errorf("error %v, want cancelled", err)
		}
		equal(t, counts(t, s, year), want)
	}
}

func noCounts(t *testing.T, s store.Store) {
	_, err := s.Counts(t.Context(), noYear)
	is(t, err, store.ErrNotFound)
}

func largeBatch(t *testing.T, s store.Store) {
	withCohort(t, s)
	const size = 1000
	batch := make([]store.Entry, size)
	for i := range batch {
		batch[i] = entry(store.Arrive, code())
	}
	done(t, s, batch...)
	for i, outcome := range record(t, s, batch...) {
		if outcome != store.DoneBefore {
			t.Fatalf("entry %d: outcome %d", i, outcome)
		}
	}
	equal(t, counts(t, s, year).Pools[0].Arrived, size)
}

func rewrite(t *testing.T, s store.Store) {
	is(t, s.Rewrite(t.Context()), nil) // with nothing to rewrite
	withCohort(t, s)
	is(t, s.CreateCohort(t.Context(), cohort(year+1)), nil)
	arrivedCode, voidedCode := code(), code()
	for range 20 {
		done(t, s, entry(store.Arrive, code()))
	}
	done(t, s, entry(store.Arrive, arrivedCode), entry(store.Void, voidedCode),
		store.Entry{Kind: store.Void, Year: year + 1, Pool: 1, Nullifier: arrivedCode})
	before := counts(t, s, year)

	is(t, errors.Join(together(3, func(int) error { return s.Rewrite(t.Context()) })...), nil)

	equal(t, counts(t, s, year), before)
	equal(t, record(t, s, entry(store.Arrive, arrivedCode), entry(store.Arrive, voidedCode),
		store.Entry{Kind: store.Arrive, Year: year + 1, Pool: 1, Nullifier: arrivedCode}),
		[]store.Outcome{store.DoneBefore, store.Voided, store.Voided})
}

func rewriteWhileRecording(t *testing.T, s store.Store) {
	withCohort(t, s)
	const workers, each = 4, 15
	errs := together(workers+1, func(worker int) error {
		if worker == workers {
			return errors.Join(s.Rewrite(t.Context()), s.Rewrite(t.Context()), s.Rewrite(t.Context()))
		}
		for range each {
			n := code()
			for _, want := range []store.Outcome{store.Done, store.DoneBefore} {
				outcomes, err := s.Record(t.Context(), []store.Entry{entry(store.Arrive, n)})
				if err != nil {
					return err
				}
				if outcomes[0] != want {
					return fmt.Errorf("outcome %d, want %d", outcomes[0], want)
				}
			}
		}
		return nil
	})
	is(t, errors.Join(errs...), nil)
	equal(t, counts(t, s, year).Pools[0].Arrived, workers*each)
}
