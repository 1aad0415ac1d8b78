package access

import (
	"context"
	"sync"
	"time"

	"aankomst/server/calendar"
	"aankomst/server/store"
)

const (
	// wrongPerMinute is how many wrong attempts of an address are looked at in a minute.
	wrongPerMinute = 20
	// begunPerMinute is how many ceremonies an address may begin in a minute: a helpline of many people may
	// have one address.
	begunPerMinute = 60
	// wrongPerMember is how many wrong attempts at a member are looked at in a quarter of an hour.
	wrongPerMember = 20
	// wrongInTotal is from how many wrong attempts in a quarter of an hour on, at all addresses together, an
	// address is given scarcePerQuarter of them: strangers who try from everywhere must not keep out those
	// who come once, and rightly.
	wrongInTotal     = 1000
	scarcePerQuarter = 3
	// actsPerQuarter is how much a member or token may administer in a quarter of an hour, and so may an
	// address; actsInTotal is how much all of them may.
	actsPerQuarter, actsInTotal = 300, 3000
	// maxAddresses bounds what is remembered of addresses in a minute, or a quarter of an hour.
	maxAddresses = 100_000
)

// AttemptsError says that somebody tried too often, and when to try again.
type AttemptsError struct{ RetryAfter time.Duration }

// Error says what to do next.
func (e *AttemptsError) Error() string {
	return "too many attempts; try again in " + inWords(e.RetryAfter)
}

// Attempts limits how often somebody tries to come in. What is counted by member and in total lies in the
// store and outlives a restart. What is counted by address is in memory only: no address is ever written.
type Attempts struct {
	store store.Sessions
	clock func() time.Time

	wrong, begun, scarce, acts *addresses
}

// NewAttempts returns the limits of attempts on a store.
func NewAttempts(s store.Sessions, clock func() time.Time) *Attempts {
	return &Attempts{
		store: s, clock: clock,
		wrong:  newAddresses(clock, time.Minute, wrongPerMinute),
		begun:  newAddresses(clock, time.Minute, begunPerMinute),
		scarce: newAddresses(clock, quarter, scarcePerQuarter),
		acts:   newAddresses(clock, quarter, actsPerQuarter),
	}
}

// Begin counts one ceremony begun from an address. It returns an *AttemptsError once there are too many.
func (a *Attempts) Begin(from string) error {
	if err := a.begun.check(from); err != nil {
		return err
	}
	a.begun.add(from)
	return nil
}

// Allow returns an *AttemptsError when no attempt may be made now from an address, at a member (empty when
// it is not known at whose), or the store's errors.
func (a *Attempts) Allow(ctx context.Context, kind store.AttemptKind, from, member string) error {
	if err := a.wrong.check(from); err != nil {
		return err
	}
	now := a.clock()
	total, err := a.store.Attempts(ctx, kind, "", calendar.Quarter(now))
	if err != nil {
		return err
	}
	if total >= wrongInTotal {
		if err := a.scarce.check(from); err != nil {
			return err
		}
	}
	if member == "" {
		return nil
	}
	count, err := a.store.Attempts(ctx, kind, member, calendar.Quarter(now))
	if err != nil {
		return err
	}
	if count >= wrongPerMember {
		return &AttemptsError{RetryAfter: calendar.Quarter(now).Add(quarter).Sub(now)}
	}
	return nil
}

// Wrong counts one wrong attempt from an address, at a member or nobody. Errors are the store's.
func (a *Attempts) Wrong(ctx context.Context, kind store.AttemptKind, from, member string) error {
	a.wrong.add(from)
	a.scarce.add(from)
	// Whoever hangs up must not save itself the count.
	ctx = context.WithoutCancel(ctx)
	at := calendar.Quarter(a.clock())
	total, err := a.store.Attempts(ctx, kind, "", at)
	if err == nil && total < wrongInTotal { // beyond, there is nothing to learn, and writing would be the harm
		_, err = a.store.CountAttempt(ctx, kind, "", at)
	}
	if err != nil || member == "" {
		return err
	}
	_, err = a.store.CountAttempt(ctx, kind, member, at)
	return err
}

// Administer counts one call of somebody who administers, from an address. It returns an *AttemptsError once
// there are too many, or the store's errors.
func (a *Attempts) Administer(ctx context.Context, from, who string) error {
	if err := a.acts.check(from); err != nil {
		return err
	}
	a.acts.add(from)
	now := a.clock()
	for _, each := range []struct {
		who  string
		most int
	}{{who, actsPerQuarter}, {"", actsInTotal}} {
		count, err := a.store.CountAttempt(ctx, store.AttemptAdministration, each.who, calendar.Quarter(now))
		if err != nil {
			return err
		}
		if count > each.most {
			return &AttemptsError{RetryAfter: calendar.Quarter(now).Add(quarter).Sub(now)}
		}
	}
	return nil
}

// addresses counts by address in a stretch of time, in memory.
type addresses struct {
	clock func() time.Time
	every time.Duration
	most  int

	mu    sync.Mutex
	since time.Time
	count map[string]int
}

func newAddresses(clock func() time.Time, every time.Duration, most int) *addresses {
	return &addresses{clock: clock, every: every, most: most}
}

// check returns an *AttemptsError when an address has been counted as often as it may.
func (a *addresses) check(from string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.roll()
	if a.count[from] < a.most {
		return nil
	}
	return &AttemptsError{RetryAfter: a.since.Add(a.every).Sub(now)}
}

func (a *addresses) add(from string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.roll()
	if _, known := a.count[from]; known || len(a.count) < maxAddresses {
		a.count[from]++
	}
}

// roll begins anew when the stretch of time is over, or the clock was set back, and returns the time.
func (a *addresses) roll() time.Time {
	now := a.clock()
	if since := now.Truncate(a.every); !since.Equal(a.since) || a.count == nil {
		a.since, a.count = since, map[string]int{}
	}
	return now
}
