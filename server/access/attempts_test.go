package access

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"aankomst/server/store"
)

// tooMany holds that an error is an *AttemptsError that says how long to wait.
func tooMany(t *testing.T, name string, err error, wait time.Duration) {
	t.Helper()
	var limit *AttemptsError
	if !errors.As(err, &limit) || limit.RetryAfter != wait {
		t.Errorf("%s: %v, want one to be tried again in %s", name, err, wait)
	}
}

// fail makes wrong attempts, each of which is told that it is wrong.
func (a *Attempts) fail(t *testing.T, kind store.AttemptKind, from func(i int) string, member string, n int) {
	t.Helper()
	for i := range n {
		if err := a.Wrong(t.Context(), kind, from(i), member); err != nil {
			t.Fatalf("attempt %d: %v", i, err)
		}
	}
}

// once makes one more.
func (a *Attempts) once(t *testing.T, kind store.AttemptKind, from, member string) error {
	t.Helper()
	return a.Wrong(t.Context(), kind, from, member)
}

func from(address string) func(int) string { return func(int) string { return address } }

func everywhere(i int) string { return fmt.Sprint("address ", i) }

// counted returns how many attempts the store has counted in the quarter of ten o'clock.
func counted(t *testing.T, s store.Store, kind store.AttemptKind, who string) int {
	t.Helper()
	count, err := s.Attempts(t.Context(), kind, who, at(t, "2026-05-04T10:00:00Z"))
	if err != nil {
		t.Fatal(err)
	}
	return count
}

func TestAnAddressIsToldTwentyTimesAMinuteThatItIsWrong(t *testing.T) {
	t.Parallel()
	s, clock := openStore(t), clockAt(t, "2026-05-04T10:00:20Z")
	a := NewAttempts(s, clock.time)
	a.fail(t, store.AttemptSignIn, from("a"), "", 20)
	for _, kind := range []store.AttemptKind{store.AttemptSignIn, store.AttemptInvitation} { // all kinds together
		tooMany(t, string(kind), a.once(t, kind, "a", ""), 40*time.Second)
	}
	tooMany(t, "at a member", a.once(t, store.AttemptSignIn, "a", "m"), 40*time.Second)
	if in, at := counted(t, s, store.AttemptSignIn, ""), counted(t, s, store.AttemptSignIn, "m"); in != 20 || at != 0 {
		t.Errorf("the store has counted %d, and %d at the member", in, at)
	}
	a.fail(t, store.AttemptSignIn, from("b"), "", 1)
	clock.set(t, "2026-05-04T10:00:59Z")
	tooMany(t, "in the last second", a.once(t, store.AttemptSignIn, "a", ""), time.Second)
	clock.set(t, "2026-05-04T10:01:00Z")
	a.fail(t, store.AttemptInvitation, from("a"), "", 20)
	tooMany(t, "the next minute", a.once(t, store.AttemptSignIn, "a", ""), time.Minute)
}

// Who begins much is stopped only when so much begins everywhere that it must be somebody's fault.
func TestAnAddressBeginsSixtyCeremoniesAMinuteWhenMuchBegins(t *testing.T) {
	t.Parallel()
	clock := clockAt(t, "2026-05-04T10:00:30Z")
	a := NewAttempts(openStore(t), clock.time)
	for n := range begunInTotal {
		if err := a.Begin("a"); err != nil {
			t.Fatalf("ceremony %d: %v", n, err)
		}
	}
	tooMany(t, "one more", a.Begin("a"), 30*time.Second)
	for n := range begunPerMinute {
		if err := a.Begin("b"); err != nil {
			t.Fatalf("ceremony %d of another address: %v", n, err)
		}
	}
	tooMany(t, "one more of the other", a.Begin("b"), 30*time.Second)
	a.fail(t, store.AttemptSignIn, from("a"), "", 20) // to begin is not to be wrong
	clock.set(t, "2026-05-04T10:01:00Z")
	if err := a.Begin("a"); err != nil {
		t.Errorf("the next minute: %v", err)
	}
}

// Each ceremony is a row of the store.
func TestCeremoniesOfAQuarterAreBounded(t *testing.T) {
	t.Parallel()
	clock := clockAt(t, "2026-05-04T10:00:00Z")
	a := NewAttempts(openStore(t), clock.time)
	for n := range begunPerQuarter {
		clock.set(t, "2026-05-04T10:00:00Z")
		clock.move(time.Duration(n/begunInTotal%14) * time.Minute)
		if err := a.Begin(fmt.Sprint(n)); err != nil {
			t.Fatalf("ceremony %d: %v", n, err)
		}
	}
	clock.set(t, "2026-05-04T10:14:00Z")
	tooMany(t, "one more, of an address that never came", a.Begin("new"), time.Minute)
	clock.set(t, "2026-05-04T10:15:00Z")
	if err := a.Begin("new"); err != nil {
		t.Errorf("the next quarter: %v", err)
	}
}

func TestAtAMemberTwentyWrongAttemptsAreCountedInAQuarter(t *testing.T) {
	t.Parallel()
	s, clock := openStore(t), clockAt(t, "2026-05-04T10:05:00Z")
	restart := func() *Attempts { return NewAttempts(s, clock.time) }
	a := restart()
	a.fail(t, store.AttemptSignIn, everywhere, "m", 12)
	restart().fail(t, store.AttemptSignIn, everywhere, "m", 8)
	for i, each := range []*Attempts{a, restart()} {
		tooMany(t, "at the member", each.once(t, store.AttemptSignIn, fmt.Sprint("new", i), "m"), 10*time.Minute)
		each.fail(t, store.AttemptSignIn, everywhere, "n", 1)
		each.fail(t, store.AttemptSignIn, everywhere, "", 1)
		each.fail(t, store.AttemptInvitation, everywhere, "m", 1)
	}
	if at := counted(t, s, store.AttemptSignIn, "m"); at != 20 {
		t.Errorf("%d are counted at the member", at)
	}
	clock.set(t, "2026-05-04T10:14:59Z")
	tooMany(t, "in the last second", a.once(t, store.AttemptSignIn, "late", "m"), time.Second)
	clock.set(t, "2026-05-04T10:15:00Z")
	a.fail(t, store.AttemptSignIn, everywhere, "m", 20)
	tooMany(t, "the next quarter", a.once(t, store.AttemptSignIn, "new", "m"), 15*time.Minute)
}

func TestAThousandWrongAttemptsAreCountedInAQuarter(t *testing.T) {
	t.Parallel()
	s, clock := openStore(t), clockAt(t, "2026-05-04T10:05:00Z")
	a := NewAttempts(s, clock.time)
	a.fail(t, store.AttemptSignIn, everywhere, "", wrongInTotal)
	for _, each := range []*Attempts{a, NewAttempts(s, clock.time)} { // it outlives a restart
		tooMany(t, "one more", each.once(t, store.AttemptSignIn, "new", ""), 10*time.Minute)
		each.fail(t, store.AttemptInvitation, from("other"), "", 1)
	}
	if in := counted(t, s, store.AttemptSignIn, ""); in != wrongInTotal {
		t.Errorf("%d are counted: the store is written without end", in)
	}
	clock.set(t, "2026-05-04T10:15:00Z")
	a.fail(t, store.AttemptSignIn, from("new"), "", 1)
}

func TestAClockThatIsSetBackAllowsNoMoreAtAMember(t *testing.T) {
	t.Parallel()
	s, clock := openStore(t), clockAt(t, "2026-05-04T10:05:00Z")
	a := NewAttempts(s, clock.time)
	a.fail(t, store.AttemptSignIn, everywhere, "m", 20)
	clock.set(t, "2026-05-04T08:05:00Z")
	for i, each := range []*Attempts{a, NewAttempts(s, clock.time)} {
		tooMany(t, "at the member", each.once(t, store.AttemptSignIn, fmt.Sprint("new", i), "m"), 10*time.Minute)
	}
	// An address begins anew, and what it is told to wait is a time to come.
	a.fail(t, store.AttemptSignIn, from("address 0"), "", 20)
	tooMany(t, "by address", a.once(t, store.AttemptSignIn, "address 0", ""), time.Minute)
	clock.set(t, "2026-05-04T10:15:00Z")
	a.fail(t, store.AttemptSignIn, from("new"), "m", 1)
}

// tally is a store.Sessions that counts in memory: thousands of writes to a disk take long.
type tally struct {
	store.Sessions
	counts map[string]int
}

func (c tally) CountAttempt(_ context.Context, kind store.AttemptKind, who string, quarter time.Time) (int, error) {
	key := fmt.Sprint(kind, who, quarter)
	c.counts[key]++
	return c.counts[key], nil
}

func TestWhoAdministersIsLimitedByTheQuarter(t *testing.T) {
	t.Parallel()
	s, clock := openStore(t), clockAt(t, "2026-05-04T10:01:00Z")
	restart := func() *Attempts { return NewAttempts(s, clock.time) }
	for i := range actsPerQuarter {
		if err := restart().Administer(t.Context(), everywhere(i), "m"); err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
	}
	tooMany(t, "one more", restart().Administer(t.Context(), "new", "m"), 14*time.Minute)
	if err := restart().Administer(t.Context(), "new", "n"); err != nil {
		t.Errorf("another: %v", err)
	}
	// From one address, whoever it is.
	a := NewAttempts(tally{counts: map[string]int{}}, clock.time)
	for i := range actsPerQuarter {
		if err := a.Administer(t.Context(), "a", fmt.Sprint(i)); err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
	}
	tooMany(t, "one more of an address", a.Administer(t.Context(), "a", "new"), 14*time.Minute)
	// All together.
	for i := range actsInTotal - actsPerQuarter {
		if err := a.Administer(t.Context(), everywhere(i), everywhere(i)); err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
	}
	tooMany(t, "one more of all", a.Administer(t.Context(), "new", "new"), 14*time.Minute)
	clock.set(t, "2026-05-04T10:15:00Z")
	if err := errors.Join(restart().Administer(t.Context(), "a", "m"), a.Administer(t.Context(), "a", "m")); err != nil {
		t.Errorf("the next quarter: %v", err)
	}
}

func TestAWrongAttemptIsCountedWhoeverHangsUp(t *testing.T) {
	t.Parallel()
	s, clock := openStore(t), clockAt(t, "2026-05-04T10:01:00Z")
	ctx, hangUp := context.WithCancel(t.Context())
	hangUp()
	if err := NewAttempts(s, clock.time).Wrong(ctx, store.AttemptSignIn, "a", "m"); err != nil {
		t.Fatal(err)
	}
	for _, who := range []string{"", "m"} {
		if count, err := s.Attempts(t.Context(), store.AttemptSignIn, who, at(t, "2026-05-04T10:00:00Z")); err != nil || count != 1 {
			t.Errorf("at %q %d were counted (%v)", who, count, err)
		}
	}
}

// failing is a store.Sessions that fails at what names somebody, or at all.
type failing struct {
	store.Sessions
	at string
}

func (f failing) err(who string) error {
	if who == f.at {
		return store.ErrUnavailable
	}
	return nil
}

func (f failing) Attempts(_ context.Context, _ store.AttemptKind, who string, _ time.Time) (int, error) {
	return 0, f.err(who)
}

func (f failing) CountAttempt(_ context.Context, _ store.AttemptKind, who string, _ time.Time) (int, error) {
	return 1, f.err(who)
}

func TestWhileTheStoreFailsNobodyIsTold(t *testing.T) {
	t.Parallel()
	clock := clockAt(t, "2026-05-04T10:01:00Z")
	for _, at := range []string{"", "m"} {
		a := NewAttempts(failing{at: at}, clock.time)
		for name, err := range map[string]error{
			"Wrong": a.Wrong(t.Context(), store.AttemptSignIn, "a", "m"), "Administer": a.Administer(t.Context(), "a", at),
		} {
			if !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("%s, failing at %q: %v", name, at, err)
			}
		}
	}
}

func TestAddressesAreForgottenAndOneMoreThanCanBeRememberedWaits(t *testing.T) {
	t.Parallel()
	clock := clockAt(t, "2026-05-04T10:00:00Z")
	a := newAddresses(clock.time, time.Minute, 2)
	var group sync.WaitGroup
	for part := range 4 {
		group.Go(func() {
			for i := range maxAddresses/4 + 10 {
				a.add(fmt.Sprint(part, " ", i))
			}
		})
	}
	group.Wait()
	if len(a.count) != maxAddresses {
		t.Errorf("%d addresses are remembered", len(a.count))
	}
	tooMany(t, "one more", a.check("new"), time.Minute)
	a.add("0 0") // one that is known is counted on
	tooMany(t, "a known one", a.check("0 0"), time.Minute)
	clock.move(time.Minute)
	if err := a.check("0 0"); err != nil || len(a.count) != 0 {
		t.Errorf("a minute later: %v; %d are remembered", err, len(a.count))
	}
}
