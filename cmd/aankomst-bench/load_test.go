package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestAPercentileIsALatencyThatWasMeasured(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	for _, c := range []struct {
		of   []time.Duration
		p    float64
		want time.Duration
	}{
		{nil, 0.5, 0},
		{[]time.Duration{7}, 0.5, 7},
		{[]time.Duration{7}, 0.99, 7},
		{[]time.Duration{1, 9}, 0.5, 1},
		{[]time.Duration{1, 9}, 0.51, 9},
		{[]time.Duration{1, 2, 3}, 0.5, 2},
		{hundred, 0.50, 50},
		{hundred, 0.95, 95},
		{hundred, 0.99, 99},
		{hundred, 1, 100},
		{hundred[:50], 0.99, 50},
	} {
		if got := percentile(c.of, c.p); got != c.want {
			t.Errorf("the percentile %v of %d latencies is %d, want %d", c.p, len(c.of), got, c.want)
		}
	}
}

// callLog notes which calls were made, and how many were under way at most for one worker and for all.
type callLog struct {
	mu      sync.Mutex
	numbers []int
	busy    map[int]bool
	most    int
}

// work returns calls that take so long each.
func (l *callLog) work(t *testing.T, calls int, takes time.Duration) work {
	l.busy = map[int]bool{}
	return work{calls, func(_ context.Context, worker, number int) error {
		l.mu.Lock()
		if l.busy[worker] {
			t.Errorf("worker %d has two calls under way", worker)
		}
		l.busy[worker] = true
		l.most = max(l.most, len(l.busy))
		l.numbers = append(l.numbers, number)
		l.mu.Unlock()
		time.Sleep(takes)
		l.mu.Lock()
		delete(l.busy, worker)
		l.mu.Unlock()
		return nil
	}}
}

// once fails the test unless the numbers below n were called, once each.
func (l *callLog) once(t *testing.T, n int) {
	t.Helper()
	slices.Sort(l.numbers)
	if len(l.numbers) != n {
		t.Errorf("%d calls were made, want %d", len(l.numbers), n)
	}
	for i, number := range l.numbers {
		if number != i {
			t.Fatalf("the calls made are not the first %d: %v", n, l.numbers)
		}
	}
}

func TestFullLoadKeepsEveryWorkerBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(callLog)
		s, made, err := log.work(t, 1000, 30*time.Millisecond).full(t.Context(), 5, 100*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		// Three rounds of five end in time; the fourth is under way when it is over, and is answered.
		if s.inTime != 15 || s.answered != 20 || made != 20 || s.time != 100*time.Millisecond {
			t.Errorf("in time %d, answered %d, made %d, in %s", s.inTime, s.answered, made, s.time)
		}
		if len(s.latencies) != 20 || slices.Max(s.latencies) != 30*time.Millisecond {
			t.Errorf("the latencies are %v", s.latencies)
		}
		if s.rate() != 150 {
			t.Errorf("the rate is %v a second, want 150", s.rate())
		}
		if log.most != 5 {
			t.Errorf("at most %d calls were under way", log.most)
		}
		log.once(t, 20)
	})
}

func TestFullLoadEndsEarlyWhenThereAreNoMoreCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(callLog)
		s, made, err := log.work(t, 6, 10*time.Millisecond).full(t.Context(), 3, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if made != 6 || s.inTime != 6 || s.time != 20*time.Millisecond || s.rate() != 300 {
			t.Errorf("made %d, in time %d, in %s: %v a second", made, s.inTime, s.time, s.rate())
		}
		log.once(t, 6)
	})
}

func TestFullLoadLastsUntilTheFirstAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, made, err := new(callLog).work(t, 1000, 40*time.Millisecond).full(t.Context(), 2, 10*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		if made != 2 || s.rate() != 50 {
			t.Errorf("%d calls were made, %v a second", made, s.rate())
		}
	})
}

// A server that is slower than the calls come makes them wait, and the waiting is part of the latency:
// otherwise the slower it is the better it looks.
func TestPacedLoadCountsTheWaitingOfACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(callLog)
		s, made, err := log.work(t, 1000, 30*time.Millisecond).paced(t.Context(), 1, 50*time.Millisecond, 100)
		if err != nil {
			t.Fatal(err)
		}
		// Calls are due at 0, 10, 20, 30 and 40 ms, and answered at 30, 60, 90, 120 and 150 ms.
		var want []time.Duration
		for _, ms := range []time.Duration{30, 50, 70, 90, 110} {
			want = append(want, ms*time.Millisecond)
		}
		if !slices.Equal(s.latencies, want) || made != 5 {
			t.Errorf("%d calls were made, with the latencies %v, want %v", made, s.latencies, want)
		}
		log.once(t, 5)
	})
}

func TestPacedLoadSendsNoFasterThanItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(callLog)
		s, made, err := log.work(t, 1000, time.Millisecond).paced(t.Context(), 8, time.Second, 50)
		if err != nil {
			t.Fatal(err)
		}
		if made != 50 || slices.Max(s.latencies) != time.Millisecond || log.most != 1 {
			t.Errorf("%d calls, %d at once at most, the slowest %s", made, log.most, slices.Max(s.latencies))
		}
	})
}

func TestACallThatFailsEndsTheLoad(t *testing.T) {
	broken := errors.New("broken")
	for name, load := range map[string]func(context.Context, work) error{
		"full": func(ctx context.Context, w work) error {
			_, _, err := w.full(ctx, 4, time.Hour)
			return err
		},
		"paced": func(ctx context.Context, w work) error {
			_, _, err := w.paced(ctx, 4, time.Hour, 1000)
			return err
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			err := load(t.Context(), work{1 << 30, func(_ context.Context, _, number int) error {
				if number == 17 {
					return broken
				}
				time.Sleep(time.Millisecond)
				return nil
			}})
			if !errors.Is(err, broken) {
				t.Errorf("%s load ends with %v", name, err)
			}
		})
	}
}

func TestALoadIsGivenUpWhenTheServerDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, err := work{10, func(ctx context.Context, _, _ int) error {
			<-ctx.Done()
			return ctx.Err()
		}}.full(t.Context(), 4, time.Second)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("it ends with %v", err)
		}
	})
}
