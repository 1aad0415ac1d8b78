package ledger

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"aankomst/server/store"
)

func TestCallsGatherWhileATransactionIsUnderWay(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, l *Ledger, s *tally) {
		open := s.shut()
		answers := []<-chan answer{record(t.Context(), l, entry(0))}
		for i := range maxBatch + 44 {
			answers = append(answers, record(t.Context(), l, entry(uint32(i+1))))
		}
		for _, a := range answers {
			none(t, a)
		}
		open()
		for _, a := range answers {
			done(t, a)
		}
		if want := []int{1, maxBatch, 44}; !slices.Equal(s.sizes(), want) {
			t.Errorf("transactions of %v entries, want %v", s.sizes(), want)
		}
	})
}

func TestEveryCallerGetsItsOwnOutcome(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, l *Ledger, s *tally) {
		outcomeOf := func(e store.Entry) store.Outcome { return store.Outcome(e.Pool%5 + 1) }
		s.outcome = outcomeOf
		open := s.shut()
		var answers []<-chan answer
		for i := range 200 {
			answers = append(answers, record(t.Context(), l, entry(uint32(i))))
		}
		open()
		for i, a := range answers {
			if got := <-a; got.err != nil || got.outcome != outcomeOf(entry(uint32(i))) {
				t.Fatalf("call %d: got %v", i, got)
			}
		}
	})
}

func TestAnEntryReachesTheStoreAsItWasHandedIn(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, l *Ledger, s *tally) {
		want := store.Entry{
			Kind: store.Arrive, Year: 2026, Pool: 7, Nullifier: store.Nullifier{1, 2, 3},
			Elsewhere: true, WaitBand: store.Wait2To6Weeks,
		}
		done(t, record(t.Context(), l, want))
		if got := s.batches[0][0]; got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}

// Every place in a transaction must be possible for every caller: with 400 transactions of four, a
// place that stays empty by chance has odds of 1e-49.
func TestTheOrderOfABatchIsRandom(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, l *Ledger, s *tally) {
		const calls = 4
		var seen [calls][calls]int
		for range 400 {
			open := s.shut()
			answers := []<-chan answer{record(t.Context(), l, entry(99))}
			for i := range calls {
				answers = append(answers, record(t.Context(), l, entry(uint32(i))))
			}
			open()
			for _, a := range answers {
				done(t, a)
			}
			for place, e := range s.batches[len(s.batches)-1] {
				seen[e.Pool][place]++
			}
		}
		for call, places := range seen {
			if slices.Contains(places[:], 0) {
				t.Errorf("call %d came to places %v", call, places)
			}
		}
	})
}

// An arrival that was interrupted and then taken back must not be counted because the undo overtook it.
func TestEntriesOfACodeKeepTheirOrder(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, l *Ledger, s *tally) {
		for range 100 {
			open := s.shut()
			answers := []<-chan answer{record(t.Context(), l, entry(99))}
			for i := range 6 {
				e := entry(uint32(i))
				e.Nullifier[0] = byte(1 + i%2)
				answers = append(answers, record(t.Context(), l, e))
			}
			open()
			for _, a := range answers {
				done(t, a)
			}
			last := map[store.Nullifier]uint32{}
			for _, e := range s.batches[len(s.batches)-1] {
				if before, seen := last[e.Nullifier]; seen && e.Pool < before {
					t.Fatalf("entry %d of a code came before entry %d", before, e.Pool)
				}
				last[e.Nullifier] = e.Pool
			}
		}
	})
}

func TestACallerThatGoesAwayIsRecordedOnce(t *testing.T) {
	t.Parallel()
	for name, behind := range map[string]int{"in the transaction under way": 0, "in the queue": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, l *Ledger, s *tally) {
				open := s.shut()
				var others []<-chan answer
				for range behind {
					others = append(others, record(t.Context(), l, entry(1)))
				}
				ctx, leave := context.WithCancel(t.Context())
				gone := record(ctx, l, entry(2))
				others = append(others, record(t.Context(), l, entry(3)))
				leave()
				if a := <-gone; !errors.Is(a.err, context.Canceled) {
					t.Errorf("the caller that went away got %v", a)
				}
				open()
				for _, a := range others {
					done(t, a)
				}
				l.Close()
				if times := s.times(); times[2] != 1 || times[3] != 1 {
					t.Errorf("recorded %v times", times)
				}
			})
		})
	}
}

func TestACallThatComesTooLateRecordsNothing(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, l *Ledger, s *tally) {
		ctx, leave := context.WithCancel(t.Context())
		leave()
		if _, err := l.Record(ctx, entry(1)); !errors.Is(err, context.Canceled) {
			t.Errorf("Record: %v", err)
		}
		if _, err := l.RecordIssue(ctx, entry(2), []byte("element")); !errors.Is(err, context.Canceled) {
			t.Errorf("RecordIssue: %v", err)
		}
		synctest.Wait()
		l.Close()
		if times := s.times(); len(times) != 0 {
			t.Errorf("recorded %v", times)
		}
	})
}

func TestAnErrorReachesTheWholeBatchAndNoOther(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, l *Ledger, s *tally) {
		full := errors.New("disk full")
		s.fail(full)
		open := s.shut()
		var answers []<-chan answer
		for i := range 30 {
			answers = append(answers, record(t.Context(), l, entry(uint32(i))))
		}
		open()
		for i, a := range answers {
			if got := <-a; !errors.Is(got.err, full) || got.outcome != 0 {
				t.Errorf("call %d: got %v", i, got)
			}
		}
		s.fail(nil)
		done(t, record(t.Context(), l, entry(99)))
	})
}

// A store that breaks its promise must not give one caller's outcome to another.
func TestOutcomesThatDoNotFitAreAnError(t *testing.T) {
	t.Parallel()
	for name, outcomes := range map[string][]store.Outcome{"none": nil, "too many": {store.Done, store.Done}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := New(wrongTally{outcomes: outcomes}, time.Now)
			defer l.Close()
			if outcome, err := l.Record(t.Context(), entry(1)); err == nil {
				t.Errorf("got outcome %d", outcome)
			}
		})
	}
}

type wrongTally struct {
	store.Tally
	outcomes []store.Outcome
}

func (s wrongTally) Record(context.Context, []store.Entry) ([]store.Outcome, error) {
	return s.outcomes, nil
}

func TestTooManyCallsAreTurnedAway(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, l *Ledger, s *tally) {
		open := s.shut()
		first := record(t.Context(), l, entry(0))
		answers := make(chan answer, maxWaiting)
		for i := range maxWaiting {
			go func() {
				outcome, err := l.Record(t.Context(), entry(uint32(i+1)))
				answers <- answer{outcome, err}
			}()
		}
		synctest.Wait()
		_, err := l.Record(t.Context(), entry(maxWaiting+1))
		if !errors.Is(err, ErrBusy) || !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("one call too many: %v", err)
		}
		if _, err := l.RecordIssue(t.Context(), entry(maxWaiting+2), []byte("element")); !errors.Is(err, ErrBusy) {
			t.Errorf("one issue too many: %v", err)
		}
		open()
		done(t, first)
		for range maxWaiting {
			done(t, answers)
		}
		done(t, issueFor(t.Context(), l, entry(maxWaiting+2), "element"))
		times := s.times()
		if times[maxWaiting+1] != 0 || len(times) != maxWaiting+2 || slices.Max(slices.Collect(maps.Values(times))) != 1 {
			t.Errorf("%d entries were recorded, the refused one %d times", len(times), times[maxWaiting+1])
		}
	})
}

func TestClosingRecordsWhatWasHandedIn(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, l *Ledger, s *tally) {
		open := s.shut()
		var answers []<-chan answer
		for i := range 5 {
			answers = append(answers, record(t.Context(), l, entry(uint32(i))))
		}
		closed := make(chan struct{})
		go func() {
			l.Close()
			close(closed)
		}()
		synctest.Wait()
		if _, err := l.Record(t.Context(), entry(98)); !errors.Is(err, ErrStopped) || !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("Record while closing: %v", err)
		}
		if _, err := l.RecordIssue(t.Context(), entry(99), []byte("element")); !errors.Is(err, ErrStopped) {
			t.Errorf("RecordIssue while closing: %v", err)
		}
		select {
		case <-closed:
			t.Error("closed while calls were waiting")
		default:
		}
		open()
		<-closed
		for _, a := range answers {
			done(t, a)
		}
		l.Close() // closing twice is no error
		if times := s.times(); len(times) != 5 || times[98]+times[99] != 0 {
			t.Errorf("recorded %v", times)
		}
	})
}

// Whatever calls, cancellations and closing do to each other: what was answered Done is recorded, what
// was refused is not, and nothing is recorded twice.
func TestNothingIsLostOrDoubledWhenAllHappensAtOnce(t *testing.T) {
	t.Parallel()
	s := &tally{}
	l := New(s, time.Now)
	const callers, calls = 32, 60
	var answered atomic.Int64
	stopped := make([]bool, callers*calls)
	certain := make([]bool, callers*calls)
	var group sync.WaitGroup
	for c := range callers {
		group.Go(func() {
			for i := range calls {
				id := c*calls + i
				ctx, leave := context.WithCancel(t.Context())
				if id%3 == 0 {
					go leave()
				}
				_, err := l.Record(ctx, entry(uint32(id)))
				leave()
				certain[id], stopped[id] = err == nil, errors.Is(err, ErrStopped)
				if answered.Add(1) == callers*calls/2 {
					go l.Close()
				}
			}
		})
	}
	group.Wait()
	l.Close()
	times := s.times()
	for id := range stopped {
		switch n := times[uint32(id)]; {
		case n > 1, certain[id] && n != 1, stopped[id] && n != 0:
			t.Fatalf("call %d: recorded %d times (answered %v, refused %v)", id, n, certain[id], stopped[id])
		}
	}
}
