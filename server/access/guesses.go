package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"aankomst/server/calendar"
	"aankomst/server/store"
)

// Limits bounds how many wrong codes are looked at.
type Limits struct {
	PerMinute int
	PerDay    int
}

// DefaultLimits are also the highest that are accepted: they keep the chance of forging an arrival at
// what docs/protocol.md says.
var DefaultLimits = Limits{PerMinute: 10, PerDay: 200}

// ErrLimits is wrapped when limits are refused.
var ErrLimits = errors.New("the limits of wrong codes are too wide")

// Check refuses limits that are wider than DefaultLimits, or none.
func (l Limits) Check() error {
	if l.PerMinute < 1 || l.PerDay < 1 || l.PerMinute > DefaultLimits.PerMinute || l.PerDay > DefaultLimits.PerDay {
		return fmt.Errorf("%w: 1 to %d a minute and 1 to %d a day, so that nobody can guess a code",
			ErrLimits, DefaultLimits.PerMinute, DefaultLimits.PerDay)
	}
	return nil
}

// LimitError says that too many wrong codes came, and when to try again.
type LimitError struct{ RetryAfter time.Duration }

// Error says what to do next.
func (e *LimitError) Error() string {
	return "too many wrong codes; try again in " + inWords(e.RetryAfter)
}

// inWords says how long to wait. It rounds up: a second too early would be too early.
func inWords(wait time.Duration) string {
	unit, name := time.Hour, "hours"
	switch {
	case wait < 2*time.Minute:
		unit, name = time.Second, "seconds"
	case wait < 2*time.Hour:
		unit, name = time.Minute, "minutes"
	}
	return fmt.Sprintf("%d %s", (wait+unit-1)/unit, name)
}

// Guesses limits the wrong codes of each centre. The counts lie in the store and outlive a restart,
// but there only by quarter of an hour, so as not to keep when somebody stood at a desk; the minutes
// are kept in memory. What the store counted and this process did not see (before a restart, or on
// another process) is taken to have come just now, which errs on the safe side.
type Guesses struct {
	store  store.Limits
	limits Limits
	clock  func() time.Time

	mu      sync.Mutex
	centres map[string]*desk
}

// desk is one centre: its calls take turns.
type desk struct {
	turn   chan struct{}
	recent []time.Time // wrong codes of the last minute
	known  store.WrongCodes
}

// NewGuesses returns the limits of wrong codes; they must have passed Check.
func NewGuesses(s store.Limits, limits Limits, clock func() time.Time) *Guesses {
	return &Guesses{store: s, limits: limits, clock: clock, centres: map[string]*desk{}}
}

// Attempt lets one attempt of a centre be made: it waits until no other of that centre is under way,
// then calls try, which reports whether the code was a wrong one. A wrong one is counted before
// Attempt returns. Counts are the centre's, as they came with the caller. What other processes counted
// since is learned with the next wrong code, so that for each of them one may be looked at past a limit.
// Attempt returns a *LimitError, without calling try, once a limit is reached; the store's errors; or
// the context's error while it waits.
func (g *Guesses) Attempt(ctx context.Context, centre string, counts store.WrongCodes, try func() (wrong bool, err error)) error {
	desk := g.desk(centre)
	select {
	case desk.turn <- struct{}{}:
		defer func() { <-desk.turn }()
	case <-ctx.Done():
	}
	if err := ctx.Err(); err != nil {
		return err // also when the turn came at the same moment
	}
	now := g.clock()
	desk.catchUp(counts, now)
	if err := g.check(desk, now); err != nil {
		return err
	}
	wrong, err := try()
	if err != nil || !wrong {
		return err
	}
	// A caller that hangs up must not save itself the count.
	counts, err = g.store.AddWrongCode(context.WithoutCancel(ctx), centre, calendar.Day(now), calendar.Quarter(now))
	if err != nil {
		return err
	}
	desk.catchUp(counts, now)
	return nil
}

func (g *Guesses) desk(centre string) *desk {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.centres[centre] == nil {
		g.centres[centre] = &desk{turn: make(chan struct{}, 1)}
	}
	return g.centres[centre]
}

// catchUp takes what the store counted into the last minute. It never goes back: counts that were read
// before those known, while a call waited for its turn, tell nothing.
func (d *desk) catchUp(counts store.WrongCodes, now time.Time) {
	if counts.Day > d.known.Day || counts.Day == d.known.Day && counts.InDay > d.known.InDay {
		d.known.Day, d.known.InDay = counts.Day, counts.InDay
	}
	if counts.Quarter.After(d.known.Quarter) {
		d.known.Quarter, d.known.InQuarter = counts.Quarter, 0
		if now.Sub(counts.Quarter) >= 16*time.Minute {
			d.known.InQuarter = counts.InQuarter // all of them are more than a minute old
		}
	}
	if counts.Quarter.Equal(d.known.Quarter) {
		for ; d.known.InQuarter < counts.InQuarter; d.known.InQuarter++ {
			d.recent = append(d.recent, now)
		}
	}
}

// check returns a *LimitError when a limit is reached.
func (g *Guesses) check(d *desk, now time.Time) error {
	// Not in order when the clock was set back.
	d.recent = slices.DeleteFunc(d.recent, func(at time.Time) bool { return now.Sub(at) >= time.Minute })
	if d.known.Day >= calendar.Day(now) && d.known.InDay >= g.limits.PerDay {
		return &LimitError{RetryAfter: calendar.NextDay(now).Sub(now)}
	}
	if len(d.recent) >= g.limits.PerMinute {
		return &LimitError{RetryAfter: d.recent[len(d.recent)-g.limits.PerMinute].Add(time.Minute).Sub(now)}
	}
	return nil
}

// Strangers limits wrong codes that no centre brings: those that counsellors void. They are counted in
// memory only and for all together, since nothing about a conversation may be kept by seat.
type Strangers struct {
	limits Limits
	clock  func() time.Time

	mu     sync.Mutex
	recent []time.Time // wrong codes of the last day
}

// NewStrangers returns the limit of wrong codes that are voided; limits must have passed Check.
func NewStrangers(limits Limits, clock func() time.Time) *Strangers {
	return &Strangers{limits: limits, clock: clock}
}

// Attempt calls try, which reports whether the code was a wrong one, unless a limit is reached; then
// it returns a *LimitError. Attempts take turns.
func (s *Strangers) Attempt(try func() (wrong bool, err error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock()
	for len(s.recent) > 0 && now.Sub(s.recent[0]) >= 24*time.Hour {
		s.recent = s.recent[1:]
	}
	if len(s.recent) >= s.limits.PerDay {
		return &LimitError{RetryAfter: s.recent[len(s.recent)-s.limits.PerDay].Add(24 * time.Hour).Sub(now)}
	}
	if n := len(s.recent); n >= s.limits.PerMinute {
		if last := s.recent[n-s.limits.PerMinute]; now.Sub(last) < time.Minute {
			return &LimitError{RetryAfter: last.Add(time.Minute).Sub(now)}
		}
	}
	wrong, err := try()
	if err == nil && wrong {
		s.recent = append(s.recent, now)
	}
	return err
}
