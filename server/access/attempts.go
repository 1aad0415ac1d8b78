package access

import (
	"context"
	"sync"
	"time"

	"aankomst/server/calendar"
	"aankomst/server/store"
)

const (
	// wrongPerMinute is how many wrong attempts of an address are told that they are wrong, in a minute.
	wrongPerMinute = 20
	// wrongPerMember and wrongInTotal are how many are at one member and at all together, in a quarter of an
	// hour; more are not counted either, so that nobody can have the store written without end.
	wrongPerMember, wrongInTotal = 20, 1000
	// begunInTotal is how many ceremonies may begin in a minute before it matters from where: an address may
	// then begin begunPerMinute, since a helpline of many people may have one address.
	begunInTotal, begunPerMinute = 600, 60
	// begunPerQuarter is how many may begin in a quarter of an hour, from wherever: each is a row of the store.
	begunPerQuarter = 20_000
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

// Attempts limits how often somebody tries to come in and is wrong. Whoever is right is never refused for
// what others got wrong: secrets and signatures cannot be guessed, and a limit that somebody else can reach
// would keep a counsellor out while a caller waits. To begin a ceremony is neither right nor wrong, and is
// refused when far too many begin.
//
// What is counted by member and in total lies in the store and outlives a restart. What is counted by
// address is in memory only: no address is ever written.
type Attempts struct {
	store store.Sessions
	clock func() time.Time

	wrong, begun, acts  *addresses
	inMinute, inQuarter *addresses // of ceremonies, from wherever
}

// NewAttempts returns the limits of attempts on a store.
func NewAttempts(s store.Sessions, clock func() time.Time) *Attempts {
	return &Attempts{
		store: s, clock: clock,
		wrong:     newAddresses(clock, time.Minute, wrongPerMinute),
		begun:     newAddresses(clock, time.Minute, begunPerMinute),
		acts:      newAddresses(clock, quarter, actsPerQuarter),
		inMinute:  newAddresses(clock, time.Minute, begunInTotal),
		inQuarter: newAddresses(clock, quarter, begunPerQuarter),
	}
}

// anywhere stands for all addresses together.
const anywhere = ""

// Begin counts one ceremony begun from an address. It returns an *AttemptsError once there are too many.
func (a *Attempts) Begin(from string) error {
	if err := a.inQuarter.check(anywhere); err != nil {
		return err
	}
	busy := a.inMinute.check(anywhere) != nil
	if err := a.begun.check(from); busy && err != nil {
		return err
	}
	a.begun.add(from)
	a.inMinute.add(anywhere)
	a.inQuarter.add(anywhere)
	return nil
}

// Wrong counts one wrong attempt of a kind from an address, at a member, or at nobody when that is empty. It
// returns an *AttemptsError when there were too many before it, which whoever was wrong is then told
// in place of anything else; or the store's errors.
func (a *Attempts) Wrong(ctx context.Context, kind store.AttemptKind, from, member string) error {
	if err := a.wrong.check(from); err != nil {
		return err
	}
	a.wrong.add(from)
	// Whoever hangs up must not save itself the count.
	ctx = context.WithoutCancel(ctx)
	now := a.clock()
	limits := map[string]int{"": wrongInTotal}
	if member != "" {
		limits[member] = wrongPerMember
	}
	var tooMany error
	for who, most := range limits {
		count, err := a.store.Attempts(ctx, kind, who, calendar.Quarter(now))
		if err == nil && count < most {
			_, err = a.store.CountAttempt(ctx, kind, who, calendar.Quarter(now))
		}
		if err != nil {
			return err
		}
		if count >= most {
			tooMany = &AttemptsError{RetryAfter: calendar.Quarter(now).Add(quarter).Sub(now)}
		}
	}
	return tooMany
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

// check returns an *AttemptsError when an address has been counted as often as it may, or is one more than can
// be remembered.
func (a *addresses) check(from string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.roll()
	count, known := a.count[from]
	if count < a.most && (known || len(a.count) < maxAddresses) {
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
