package access

import (
	"context"
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"aankomst/server/calendar"
	"aankomst/server/store"
)

const start = "2026-05-04T12:00:00+02:00"

// attempter is what Guesses and Strangers have in common here.
type attempter func(try func() (bool, error)) error

// of returns the attempts of a centre, each with what is counted when it is asked for.
func (g *Guesses) of(ctx context.Context, centre string) attempter {
	return func(try func() (bool, error)) error {
		counts, err := g.store.(readable).WrongCodes(ctx, centre)
		if err != nil {
			return err
		}
		return g.Attempt(ctx, centre, counts, try)
	}
}

// guess brings a code and returns nil when it was looked at, and else after how long to try again.
func guess(tb rapid.TB, attempt attempter, wrong bool) *LimitError {
	tb.Helper()
	looked := false
	err := attempt(func() (bool, error) {
		looked = true
		return wrong, nil
	})
	var limit *LimitError
	if err != nil && !errors.As(err, &limit) {
		tb.Fatalf("attempting: %v", err)
	}
	if looked == (limit != nil) {
		tb.Fatalf("the code was looked at: %v, but the limit: %v", looked, limit)
	}
	return limit
}

// wrong brings wrong codes that must be looked at.
func wrong(tb rapid.TB, attempt attempter, times int) {
	tb.Helper()
	for i := range times {
		if limit := guess(tb, attempt, true); limit != nil {
			tb.Fatalf("wrong code %d: %v", i+1, limit)
		}
	}
}

// refused fails unless a code is not looked at and may be brought again after so long.
func refused(tb rapid.TB, attempt attempter, retryAfter time.Duration) {
	tb.Helper()
	limit := guess(tb, attempt, true)
	if limit == nil {
		tb.Fatal("a code too many was looked at")
	}
	if limit.RetryAfter != retryAfter {
		tb.Errorf("to be tried again in %s, want %s", limit.RetryAfter, retryAfter)
	}
}

func TestTheMinuteAndTheDayAreLimited(t *testing.T) {
	t.Parallel()
	for name, build := range map[string]func(*clock) (attempter, time.Duration){
		"a centre": func(c *clock) (attempter, time.Duration) {
			// Noon to midnight in Brussels.
			return NewGuesses(newCounts(), DefaultLimits, c.time).of(t.Context(), "a"), 12 * time.Hour
		},
		"strangers": func(c *clock) (attempter, time.Duration) {
			return NewStrangers(DefaultLimits, c.time).Attempt, 24 * time.Hour
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := clockAt(t, start)
			attempt, untilReset := build(clock)
			wrong(t, attempt, 4)
			clock.move(20 * time.Second)
			wrong(t, attempt, 6)
			refused(t, attempt, 40*time.Second)
			clock.move(40*time.Second - time.Nanosecond)
			refused(t, attempt, time.Nanosecond)
			clock.move(time.Nanosecond)
			wrong(t, attempt, 4)
			refused(t, attempt, 20*time.Second)
			for range 18 {
				clock.move(time.Minute)
				wrong(t, attempt, 10)
			}
			clock.move(time.Minute)
			wrong(t, attempt, 6)
			refused(t, attempt, untilReset-20*time.Minute)
			clock.move(untilReset - 20*time.Minute - time.Nanosecond)
			refused(t, attempt, time.Nanosecond)
			clock.move(time.Nanosecond)
			wrong(t, attempt, 1)
		})
	}
}

func TestOnlyWrongCodesAreCounted(t *testing.T) {
	t.Parallel()
	counts := newCounts()
	clock := clockAt(t, start)
	attempts := map[string]attempter{
		"a centre":  NewGuesses(counts, DefaultLimits, clock.time).of(t.Context(), "a"),
		"strangers": NewStrangers(DefaultLimits, clock.time).Attempt,
	}
	for name, attempt := range attempts {
		for range 300 {
			if limit := guess(t, attempt, false); limit != nil {
				t.Fatalf("%s: %v", name, limit)
			}
		}
		away := errors.New("the store is away")
		for range 300 {
			if err := attempt(func() (bool, error) { return true, away }); !errors.Is(err, away) {
				t.Fatalf("%s: an attempt that failed: %v", name, err)
			}
		}
		wrong(t, attempt, 10)
		refused(t, attempt, time.Minute)
	}
	if got := counts.centres["a"].InDay; got != 10 {
		t.Errorf("%d were counted", got)
	}
}

// The limits agree with somebody who keeps every wrong code's time and counts them anew each time, and
// what they say about trying again is true to the nanosecond.
func TestTheLimitsAgreeWithCounting(t *testing.T) {
	t.Parallel()
	limits := Limits{PerMinute: 3, PerDay: 8}
	for name, build := range map[string]func(*clock) (attempter, func(at, now time.Time) bool){
		"a centre": func(c *clock) (attempter, func(at, now time.Time) bool) {
			today := func(at, now time.Time) bool { return calendar.Day(at) == calendar.Day(now) }
			return NewGuesses(newCounts(), limits, c.time).of(context.Background(), "a"), today
		},
		"strangers": func(c *clock) (attempter, func(at, now time.Time) bool) {
			lately := func(at, now time.Time) bool { return now.Sub(at) < 24*time.Hour }
			return NewStrangers(limits, c.time).Attempt, lately
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				clock := &clock{now: time.Date(2026, time.October, 24, 20, 0, 0, 0, time.UTC)}
				attempt, sameDay := build(clock)
				var wrongAt []time.Time
				within := func(now time.Time) (minute, day int) {
					for _, at := range wrongAt {
						if now.Sub(at) < time.Minute {
							minute++
						}
						if sameDay(at, now) {
							day++
						}
					}
					return minute, day
				}
				for range rapid.IntRange(1, 60).Draw(t, "codes") {
					step := rapid.SampledFrom([]time.Duration{0, time.Second, 29 * time.Second, time.Minute, 17 * time.Minute, 5 * time.Hour})
					clock.move(step.Draw(t, "pause"))
					isWrong := rapid.Bool().Draw(t, "wrong")
					now := clock.time()
					minute, day := within(now)
					limit := guess(t, attempt, isWrong)
					if open := minute < limits.PerMinute && day < limits.PerDay; open != (limit == nil) {
						t.Fatalf("%d wrong codes within the minute, %d within the day: %v", minute, day, limit)
					}
					if limit == nil {
						if isWrong {
							wrongAt = append(wrongAt, now)
						}
						continue
					}
					minute, day = within(now.Add(limit.RetryAfter - time.Nanosecond))
					minuteThen, dayThen := within(now.Add(limit.RetryAfter))
					if minute < limits.PerMinute && day < limits.PerDay || minuteThen >= limits.PerMinute && dayThen >= limits.PerDay {
						t.Fatalf("to be tried again in %s, when %d and %d count", limit.RetryAfter, minuteThen, dayThen)
					}
				}
			})
		})
	}
}

func TestCentresDoNotAffectEachOther(t *testing.T) {
	t.Parallel()
	clock := clockAt(t, start)
	guesses := NewGuesses(newCounts(), DefaultLimits, clock.time)
	a, b := guesses.of(t.Context(), "a"), guesses.of(t.Context(), "b")
	wrong(t, a, 10)
	wrong(t, b, 10)
	refused(t, a, time.Minute)
	refused(t, b, time.Minute)
}

func TestLimitsThatAreTooWide(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		limits Limits
		good   bool
	}{
		{DefaultLimits, true},
		{Limits{1, 1}, true},
		{Limits{10, 1}, true},
		{Limits{11, 200}, false},
		{Limits{10, 201}, false},
		{Limits{0, 200}, false},
		{Limits{10, 0}, false},
		{Limits{-1, -1}, false},
		{Limits{}, false},
	} {
		if err := c.limits.Check(); c.good != (err == nil) || err != nil && !errors.Is(err, ErrLimits) {
			t.Errorf("%+v: %v", c.limits, err)
		}
	}
}

// Somebody who waits as long as the message says must not be too early.
func TestTheMessageRoundsUp(t *testing.T) {
	t.Parallel()
	for after, want := range map[time.Duration]string{
		time.Nanosecond:               "1 seconds",
		time.Second:                   "1 seconds",
		time.Second + time.Nanosecond: "2 seconds",
		time.Minute:                   "60 seconds",
		2 * time.Minute:               "2 minutes",
		119*time.Minute + time.Second: "120 minutes",
		11*time.Hour + time.Second/2:  "12 hours",
	} {
		if got := (&LimitError{RetryAfter: after}).Error(); got != "too many wrong codes; try again in "+want {
			t.Errorf("%s: %q", after, got)
		}
	}
}

func TestTheStoresErrorsReachTheCentre(t *testing.T) {
	t.Parallel()
	counts := newCounts()
	attempt := NewGuesses(counts, DefaultLimits, clockAt(t, start).time).of(t.Context(), "a")
	err := attempt(func() (bool, error) {
		counts.mu.Lock()
		defer counts.mu.Unlock()
		counts.failure = store.ErrUnavailable
		return true, nil
	})
	if !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("while nothing can be counted: %v", err)
	}
}
