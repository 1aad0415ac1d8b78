package access

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"aankomst/server/store"
)

// What follows is about limits across restarts, processes, clocks and callers.

func TestWrongCodesOutliveARestart(t *testing.T) {
	t.Parallel()
	s, clock := openLimits(t), clockAt(t, "2026-05-04T12:01:00+02:00")
	limits := Limits{PerMinute: 10, PerDay: 22}
	restart := func() attempter { return NewGuesses(s, limits, clock.time).of(t.Context(), "a") }

	wrong(t, restart(), 4)
	wrong(t, restart(), 6)
	refused(t, restart(), time.Minute)

	// The store keeps quarters only, so those of the running one are taken to have come just now.
	clock.set(t, "2026-05-04T12:15:59+02:00")
	refused(t, restart(), time.Minute)
	// A minute after the quarter, none of them can be of the last minute.
	clock.set(t, "2026-05-04T12:16:00+02:00")
	wrong(t, restart(), 10)
	refused(t, restart(), time.Minute)

	// The day's count is exact.
	clock.set(t, "2026-05-04T13:00:00+02:00")
	wrong(t, restart(), 2)
	refused(t, restart(), 11*time.Hour)
	clock.set(t, "2026-05-04T23:59:59+02:00")
	refused(t, restart(), time.Second)
	clock.set(t, "2026-05-05T00:00:00+02:00")
	wrong(t, restart(), 10)
}

func TestProcessesOnOneStoreShareTheLimits(t *testing.T) {
	t.Parallel()
	s, clock := openLimits(t), clockAt(t, start)
	limits := Limits{PerMinute: 10, PerDay: 30}
	one := NewGuesses(s, limits, clock.time).of(t.Context(), "a")
	other := NewGuesses(s, limits, clock.time).of(t.Context(), "a")
	wrong(t, one, 3)
	wrong(t, other, 4)
	wrong(t, one, 3)
	refused(t, one, time.Minute)
	refused(t, other, time.Minute)
	clock.move(time.Minute)
	for range 5 {
		wrong(t, one, 1)
		wrong(t, other, 1)
	}
	refused(t, one, time.Minute)
	refused(t, other, time.Minute)
	clock.move(time.Minute)
	wrong(t, other, 10)
	refused(t, one, 12*time.Hour-2*time.Minute)
	refused(t, other, 12*time.Hour-2*time.Minute)
}

// Two processes that look at the same moment can pass the limit by one each. The wait is then for as many
// as are too many.
func TestPastTheLimitTheWaitIsLonger(t *testing.T) {
	t.Parallel()
	clock, counts := clockAt(t, start), newCounts()
	attempt := NewGuesses(counts, DefaultLimits, clock.time).of(t.Context(), "a")
	wrong(t, attempt, 1)
	clock.move(10 * time.Second)
	wrong(t, attempt, 8)
	clock.move(20 * time.Second)
	for range 3 {
		if _, err := counts.AddWrongCode(t.Context(), "a", "2026-05-04", at(t, start)); err != nil {
			t.Fatal(err)
		}
	}
	refused(t, attempt, 40*time.Second)
	clock.move(30 * time.Second)
	refused(t, attempt, 10*time.Second)
	clock.move(10 * time.Second)
	wrong(t, attempt, 7)
	refused(t, attempt, 20*time.Second)
}

func TestAClockThatIsSetBackOpensNothing(t *testing.T) {
	t.Parallel()
	t.Run("over midnight", func(t *testing.T) {
		t.Parallel()
		clock, counts := clockAt(t, "2026-05-05T00:30:00+02:00"), newCounts()
		limits := Limits{PerMinute: 10, PerDay: 10}
		attempt := NewGuesses(counts, limits, clock.time).of(t.Context(), "a")
		wrong(t, attempt, 10)
		clock.set(t, "2026-05-04T23:30:00+02:00")
		refused(t, attempt, 30*time.Minute)
		refused(t, NewGuesses(counts, limits, clock.time).of(t.Context(), "a"), 30*time.Minute)
		clock.set(t, "2026-05-05T12:00:00+02:00")
		refused(t, attempt, 12*time.Hour)
	})
	t.Run("within the day", func(t *testing.T) {
		t.Parallel()
		clock, counts := clockAt(t, start), newCounts()
		attempt := NewGuesses(counts, DefaultLimits, clock.time).of(t.Context(), "a")
		wrong(t, attempt, 10)
		clock.move(-time.Hour)
		if limit := guess(t, attempt, true); limit == nil || limit.RetryAfter <= 0 {
			t.Errorf("the same process: %v", limit)
		}
		if limit := guess(t, NewGuesses(counts, DefaultLimits, clock.time).of(t.Context(), "a"), true); limit == nil || limit.RetryAfter <= 0 {
			t.Errorf("another process: %v", limit)
		}
	})
	t.Run("strangers", func(t *testing.T) {
		t.Parallel()
		clock := clockAt(t, start)
		attempt := NewStrangers(DefaultLimits, clock.time).Attempt
		wrong(t, attempt, 10)
		clock.move(-48 * time.Hour)
		if limit := guess(t, attempt, true); limit == nil || limit.RetryAfter <= 0 {
			t.Errorf("got %v", limit)
		}
	})
}

// Wrong codes of another process from before the clock was set back, and own ones from after it, are
// not in order: what is told must still be a time to come.
func TestRetryAfterIsNeverInThePast(t *testing.T) {
	t.Parallel()
	clock, counts := clockAt(t, "2026-05-04T13:00:00+02:00"), newCounts()
	limits := Limits{PerMinute: 4, PerDay: 100}
	one := NewGuesses(counts, limits, clock.time).of(t.Context(), "a")
	wrong(t, NewGuesses(counts, limits, clock.time).of(t.Context(), "a"), 4)
	refused(t, one, time.Minute)
	clock.move(-time.Hour)
	for range 6 { // each a process that knows nothing yet of those before
		if _, err := counts.AddWrongCode(t.Context(), "a", "2026-05-04", clock.time()); err != nil {
			t.Fatal(err)
		}
	}
	for range 100 {
		limit := guess(t, one, true)
		if limit == nil {
			return
		}
		if limit.RetryAfter <= 0 {
			t.Fatalf("at %s: to be tried again in %s", clock.time(), limit.RetryAfter)
		}
		clock.move(limit.RetryAfter)
	}
	t.Error("waiting as told never helps")
}

func TestACallerThatHangsUpIsCounted(t *testing.T) {
	t.Parallel()
	counts := newCounts()
	guesses := NewGuesses(counts, DefaultLimits, clockAt(t, start).time)
	ctx, hangUp := context.WithCancel(t.Context())
	err := guesses.Attempt(ctx, "a", store.WrongCodes{}, func() (bool, error) {
		hangUp()
		return true, nil
	})
	if err != nil {
		t.Errorf("got %v", err)
	}
	if got := counts.centres["a"].InDay; got != 1 {
		t.Errorf("%d wrong codes were counted", got)
	}
	// One that hung up before is not looked at.
	for range 20 {
		if err := guesses.Attempt(ctx, "a", store.WrongCodes{}, func() (bool, error) {
			t.Error("the code of a caller that hung up was looked at")
			return true, nil
		}); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
}

func TestAttemptsTakeTurns(t *testing.T) {
	t.Parallel()
	clock := clockAt(t, start)
	for name, attempt := range map[string]attempter{
		"a centre":  NewGuesses(newCounts(), DefaultLimits, clock.time).of(t.Context(), "a"),
		"strangers": NewStrangers(DefaultLimits, clock.time).Attempt,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var looked, atOnce, limited atomic.Int32
			var group sync.WaitGroup
			for range 60 {
				group.Go(func() {
					err := attempt(func() (bool, error) {
						if atOnce.Add(1) > 1 {
							t.Error("two attempts at once")
						}
						looked.Add(1)
						atOnce.Add(-1)
						return true, nil
					})
					var limit *LimitError
					if errors.As(err, &limit) {
						limited.Add(1)
					} else if err != nil {
						t.Error(err)
					}
				})
			}
			group.Wait()
			if looked.Load() != 10 || limited.Load() != 50 {
				t.Errorf("%d codes were looked at, %d were not", looked.Load(), limited.Load())
			}
		})
	}
}

func TestACentreWaitsForItselfAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		guesses := NewGuesses(newCounts(), DefaultLimits, time.Now)
		finish, finished := make(chan struct{}), make(chan error, 2)
		go func() {
			finished <- guesses.Attempt(t.Context(), "a", store.WrongCodes{}, func() (bool, error) {
				<-finish
				return true, nil
			})
		}()
		synctest.Wait()
		// Another centre does not wait.
		wrong(t, guesses.of(t.Context(), "b"), 10)
		// A caller of the same one waits no longer than it wants to.
		ctx, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		err := guesses.Attempt(ctx, "a", store.WrongCodes{}, func() (bool, error) {
			t.Error("two attempts of a centre at once")
			return false, nil
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the caller that left: %v", err)
		}
		go func() {
			finished <- guesses.Attempt(t.Context(), "a", store.WrongCodes{}, func() (bool, error) { return false, nil })
		}()
		synctest.Wait()
		close(finish)
		for range 2 {
			if err := <-finished; err != nil {
				t.Error(err)
			}
		}
	})
}

// A panic that is recovered further up must not hold a centre's turn for good.
func TestATurnEndsWithAPanic(t *testing.T) {
	t.Parallel()
	clock := clockAt(t, start)
	for _, attempt := range []attempter{
		NewGuesses(newCounts(), DefaultLimits, clock.time).of(t.Context(), "a"),
		NewStrangers(DefaultLimits, clock.time).Attempt,
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			_ = attempt(func() (bool, error) { panic("bug") })
		}()
		wrong(t, attempt, 1)
	}
}
