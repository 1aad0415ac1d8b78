package server_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"testing"
	"time"

	"aankomst/server/access"
	"aankomst/server/calendar"
	"aankomst/server/servertest"
	"aankomst/server/store"
)

// The longest and shortest that a session lasts, to the nanosecond, when it begins in the middle of a quarter
// of an hour. The times that are here are those that people are told.
func TestASessionEndsAtItsMoment(t *testing.T) {
	t.Parallel()
	begun := servertest.Noon.Add(10 * time.Minute)
	after := func(hours, minutes int) time.Time {
		return servertest.Noon.Add(time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute)
	}
	onBothStores(t, func(t *testing.T, options servertest.Options) {
		options.Now = begun
		for _, c := range []struct {
			role  store.Role
			every time.Duration
			// idle is when it ends unless it is used again, when it was last used at 12:20; whole is when it ends.
			idle, whole time.Time
		}{
			{store.RoleCounsellor, time.Hour, after(3, 30), after(12, 0)},
			{store.RoleIntake, 14 * time.Minute, after(0, 45), after(2, 0)},
			{store.RoleCoordinator, time.Hour, after(1, 30), after(12, 0)},
			{store.RoleAdministrator, 29 * time.Minute, after(1, 0), after(8, 0)},
		} {
			t.Run(string(c.role), func(t *testing.T) {
				p := startServers(t, options)
				session := func() string { return p.one.Session(c.role, roles[c.role]) }
				kept, idle := session(), session()
				p.set(begun.Add(10 * time.Minute))
				p.one.isOn(t, idle, "after ten minutes")
				p.one.isOn(t, kept, "after ten minutes")
				for at := begun.Add(10 * time.Minute); at.Before(c.idle); at = at.Add(c.every) {
					p.set(at)
					p.one.isOn(t, kept, "used now and then")
				}
				// One that is used now and then lives on, and the other lives to its moment.
				p.set(c.idle.Add(-time.Nanosecond))
				p.one.isOn(t, kept, "used now and then")
				p.set(c.idle)
				p.each(func(a *api) { a.isOver(t, idle, "idle at "+c.idle.String()) })
				for at := c.idle; at.Before(c.whole); at = at.Add(c.every) {
					p.set(at)
					p.one.isOn(t, kept, "used now and then")
				}
				p.set(c.whole.Add(-time.Nanosecond))
				p.one.isOn(t, kept, "just before its end")
				p.set(c.whole)
				p.each(func(a *api) { a.isOver(t, kept, "at its end") })
				// Time that is set back does not wake it, nor is one good before it began.
				p.set(begun)
				late := session()
				p.set(calendar.Quarter(begun).Add(-time.Nanosecond))
				p.each(func(a *api) { a.isOver(t, late, "before it began") })
			})
		}
	})
}

// A session that is not used lasts to the moment that people are told, and not a nanosecond less.
func TestAnIdleSessionLastsToItsMoment(t *testing.T) {
	t.Parallel()
	for role, centre := range roles {
		t.Run(string(role), func(t *testing.T) {
			t.Parallel()
			a := startAPI(t, servertest.Options{Now: servertest.Noon.Add(14 * time.Minute)})
			session, other := a.Session(role, centre), a.Session(role, centre)
			ends := servertest.Noon.Add(15*time.Minute + access.Lifetimes[role].Idle)
			a.Clock.Set(ends.Add(-time.Nanosecond))
			a.isOn(t, session, "just before its end")
			a.Clock.Set(ends)
			a.isOver(t, other, "at its end")
		})
	}
}

// flushes lets a test decide what becomes of the uses that a server writes.
type flushes struct {
	store.Store

	mu   sync.Mutex
	gate func(store.Uses) error // nil lets them through
}

func (f *flushes) Used(ctx context.Context, uses store.Uses, now time.Time) error {
	f.mu.Lock()
	gate := f.gate
	f.mu.Unlock()
	if gate != nil {
		if err := gate(uses); err != nil {
			return err
		}
	}
	return f.Store.Used(ctx, uses, now)
}

func (f *flushes) set(gate func(store.Uses) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gate = gate
}

// sessionOf returns what the store holds of a session.
func (a *api) sessionOf(secret string) store.Session {
	a.t.Helper()
	callers, err := a.Store.Callers(context.Background(), [][32]byte{sha256.Sum256([]byte(secret))})
	must(a.t, err)
	return callers[0].Session
}

// What is kept of the last use is a quarter of an hour, written by the clock: calls write nothing.
func TestTheLastUseIsKeptToTheQuarter(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, options servertest.Options) {
		gate := new(flushes)
		options.Store = func(s store.Store) store.Store { gate.Store = s; return gate }
		a := startAPI(t, options)
		session := a.Session(store.RoleCounsellor, "")
		begun := a.sessionOf(session)
		for range 20 {
			a.Clock.Advance(41 * time.Second)
			a.isOn(t, session, "used")
		}
		if got := a.sessionOf(session); got != begun {
			t.Errorf("calls in the same quarter changed it from %+v to %+v", begun, got)
		}
		a.Clock.Set(servertest.Noon.Add(61 * time.Minute))
		a.isOn(t, session, "used an hour later")
		used := servertest.Noon.Add(time.Hour)
		a.Clock.Set(servertest.Noon.Add(76 * time.Minute))
		eventually(t, "the last use is written", func() bool { return a.sessionOf(session).UsedAt.Equal(used) })
		begun.UsedAt = used.UTC()
		same(t, "session", a.sessionOf(session), begun)
	})
}

// While a server writes when sessions were used, and when it cannot, nobody who was here is signed out.
func TestNobodyIsSignedOutBecauseUsesAreNotWritten(t *testing.T) {
	t.Parallel()
	gate := new(flushes)
	a := startAPI(t, servertest.Options{Store: func(s store.Store) store.Store { gate.Store = s; return gate }})
	session, rare := a.Session(store.RoleIntake, servertest.PoolOne[0]), a.Session(store.RoleCounsellor, "")
	a.Clock.Advance(15 * time.Minute)
	usedOnce := calendar.Quarter(a.Clock.Now())
	refused, tried := errors.Join(errors.New("refused"), store.ErrUnavailable), make(chan struct{}, 1)
	tell := func() {
		select {
		case tried <- struct{}{}:
		default:
		}
	}
	gate.set(func(store.Uses) error { tell(); return refused })
	a.isOn(t, session, "used at first")
	a.isOn(t, rare, "used once")
	for range 3 {
		a.Clock.Advance(16 * time.Minute)
		<-tried
		a.isOn(t, session, "used a moment ago, but it could not be written")
	}
	// The uses are on their way and not written yet.
	writing, written := make(chan struct{}), make(chan struct{})
	var once sync.Once
	gate.set(func(uses store.Uses) error {
		if _, has := uses.Sessions[sha256.Sum256([]byte(session))]; has {
			once.Do(func() { close(writing) })
			<-written
		}
		return nil
	})
	a.Clock.Advance(16 * time.Minute)
	a.isOn(t, session, "before the uses are written")
	<-writing
	a.isOn(t, session, "while the uses are written")
	close(written)
	quarter := calendar.Quarter(a.Clock.Now())
	a.Clock.Advance(15 * time.Minute)
	eventually(t, "the last use is written", func() bool { return a.sessionOf(session).UsedAt.Equal(quarter) })
	a.isOn(t, session, "when the uses are written")
	same(t, "last use of one that came long before it could be written", a.sessionOf(rare).UsedAt, usedOnce.UTC())
}

// A server knows what another saw once that has written it, and never makes a session last longer than both saw.
func TestTwoServersAgreeOnTheLastUse(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, options servertest.Options) {
		p := startServers(t, options)
		session, unused := p.one.Session(store.RoleAdministrator, ""), p.one.Session(store.RoleAdministrator, "")
		p.set(servertest.Noon.Add(31 * time.Minute))
		p.one.isOn(t, session, "used at one")
		p.set(servertest.Noon.Add(45 * time.Minute))
		eventually(t, "the one has written it", func() bool { return p.one.sessionOf(session).UsedAt.Equal(servertest.Noon.Add(30 * time.Minute)) })
		p.other.isOver(t, unused, "used at neither")
		p.set(servertest.Noon.Add(75*time.Minute - time.Nanosecond))
		p.other.isOn(t, session, "used at one within the time")
		// Left alone it ends at both.
		p.set(servertest.Noon.Add(105 * time.Minute))
		p.each(func(a *api) { a.isOver(t, session, "used at neither for long") })
	})
}
