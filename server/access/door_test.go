package access

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"aankomst/server/gather"
	"aankomst/server/store"
)

func TestATokenTellsWhoCalls(t *testing.T) {
	t.Parallel()
	s := withCentres(t)
	err := s.CreateCohort(t.Context(), store.Cohort{
		Year: 2026, PublicKey: make([]byte, 32), OpenedOn: "2026-01-01", Pools: []store.Pool{{Number: 3, Centres: []string{"caw-brugge"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	wrong, err := s.AddWrongCode(t.Context(), "caw-brugge", "2026-05-04", now)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		role   store.Role
		centre string
		want   Principal
	}{
		{store.RoleCounsellor, "", Principal{}},
		{store.RoleIntake, "caw-brugge", Principal{Pools: []store.PoolOf{{Year: 2026, Pool: 3}}, Wrong: wrong}},
		{store.RoleCoordinator, "", Principal{}},
		{store.RoleAdministrator, "", Principal{}},
	} {
		secret, token := create(t, s, Request{Label: "desk 1", Role: c.role, Centre: c.centre, Validity: day}, now)
		principal, err := authenticate(t, s, secret, now)
		c.want.Kind, c.want.ID, c.want.Label, c.want.Role, c.want.Centre = Machine, token.ID, token.Label, c.role, c.centre
		if err != nil || fmt.Sprint(principal) != fmt.Sprint(c.want) {
			t.Errorf("got %+v (%v), want %+v", principal, err, c.want)
		}
		if c.centre == "" {
			continue
		}
		if !principal.IsIn(2026, 3) || principal.IsIn(2026, 2) || principal.IsIn(2027, 3) {
			t.Errorf("it is in pool 3 of 2026, and not: %+v", principal)
		}
		// What happens to the centre is known to the next call.
		if _, err := s.UpdateCentre(t.Context(), c.centre, func(centre *store.Centre) error { centre.Archived = true; return nil }); err != nil {
			t.Fatal(err)
		}
		if principal, err := authenticate(t, s, secret, now); err != nil || !principal.Archived {
			t.Errorf("archived, the centre is %+v (%v)", principal, err)
		}
	}
}

// register is a store.Tokens for tests: it knows the tokens "0" to "4999", keeps how many were asked for
// in each read, and holds reads up for as long as its gate is shut.
type register struct {
	store.Tokens // only Callers is called

	mu      sync.Mutex
	gate    chan struct{}
	failure error
	revoked bool // all of them
	reads   []int
	ids     map[[32]byte]string
}

func newRegister() *register {
	r := &register{ids: map[[32]byte]string{}}
	for i := range 5000 {
		id := fmt.Sprint(i)
		r.ids[sha256.Sum256([]byte(id))] = id
	}
	return r
}

func (r *register) Callers(ctx context.Context, hashes [][32]byte) ([]store.Caller, error) {
	r.mu.Lock()
	r.reads = append(r.reads, len(hashes))
	gate, revoked := r.gate, r.revoked
	r.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failure != nil {
		return nil, r.failure
	}
	callers := make([]store.Caller, len(hashes))
	for i, hash := range hashes {
		if id, known := r.ids[hash]; known {
			callers[i].Token = store.Token{ID: id, Hash: hash, Role: store.RoleCounsellor, ExpiresOn: "2099-01-01", Revoked: revoked, Kind: store.KindMachine}
		}
	}
	return callers, nil
}

// shut holds up reads that begin before open is called.
func (r *register) shut() (open func()) {
	gate := make(chan struct{})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gate = gate
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		close(gate)
		r.gate = nil
	}
}

// atDoor runs a test with a door, on a clock that moves only when everything waits. The test fails when it
// leaves a goroutine behind.
func atDoor(t *testing.T, test func(t *testing.T, d *Door, r *register)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRegister()
		d := NewDoor(r, time.Now)
		test(t, d, r)
		d.Close()
	})
}

// come comes to the door in a goroutine, waits until it is there, and returns where its error comes; that
// of somebody else's principal is one too.
func come(ctx context.Context, d *Door, secret string) <-chan error {
	answers := make(chan error, 1)
	go func() {
		principal, err := d.Authenticate(ctx, Credentials{Bearer: secret}, "")
		if err == nil && principal.ID != secret {
			err = fmt.Errorf("%q became %q", secret, principal.ID)
		}
		answers <- err
	}()
	synctest.Wait()
	return answers
}

func TestThoseAtTheDoorAreReadTogether(t *testing.T) {
	t.Parallel()
	atDoor(t, func(t *testing.T, d *Door, r *register) {
		open := r.shut()
		var answers []<-chan error
		for i := range 1 + store.MaxCallers + 20 {
			answers = append(answers, come(t.Context(), d, fmt.Sprint(i)))
		}
		stranger, twice := come(t.Context(), d, "stranger"), come(t.Context(), d, "0")
		if err := <-come(t.Context(), d, ""); !errors.Is(err, ErrNobody) {
			t.Errorf("without a token: %v", err)
		}
		open()
		for _, answer := range append(answers, twice) {
			if err := <-answer; err != nil {
				t.Error(err)
			}
		}
		if err := <-stranger; !errors.Is(err, ErrUnknownToken) {
			t.Errorf("the stranger: %v", err)
		}
		if want := []int{1, store.MaxCallers, 22}; fmt.Sprint(r.reads) != fmt.Sprint(want) {
			t.Errorf("reads of %v, want %v", r.reads, want)
		}
	})
}

// A read that began before the call came may not know of a revocation that the caller knows of.
func TestARevocationIsSeenByTheNextCall(t *testing.T) {
	t.Parallel()
	atDoor(t, func(t *testing.T, d *Door, r *register) {
		open := r.shut()
		before := come(t.Context(), d, "1")
		r.mu.Lock()
		r.revoked = true
		r.mu.Unlock()
		after := come(t.Context(), d, "1")
		open()
		if err := <-before; err != nil {
			t.Errorf("the call that came before: %v", err)
		}
		if err := <-after; !errors.Is(err, ErrRevoked) {
			t.Errorf("the call that came after: %v", err)
		}
	})
}

func TestAReadThatFailsIsOfThoseWhoWaitedForIt(t *testing.T) {
	t.Parallel()
	atDoor(t, func(t *testing.T, d *Door, r *register) {
		r.failure = store.ErrUnavailable
		open := r.shut()
		answers := []<-chan error{come(t.Context(), d, "1"), come(t.Context(), d, "2"), come(t.Context(), d, "stranger")}
		ctx, leave := context.WithCancel(t.Context())
		gone := come(ctx, d, "3")
		leave()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Errorf("the one that left: %v", err)
		}
		open()
		for _, answer := range answers {
			// The store is no verdict on a token: the client would throw a good one away.
			if err := <-answer; !errors.Is(err, store.ErrUnavailable) || errors.Is(err, ErrUnknownToken) {
				t.Errorf("got %v", err)
			}
		}
		r.mu.Lock()
		r.failure = nil
		r.mu.Unlock()
		if err := <-come(t.Context(), d, "4"); err != nil {
			t.Errorf("the next one: %v", err)
		}
	})
}

func TestAReadThatHangsDoesNotKeepTheDoorShut(t *testing.T) {
	t.Parallel()
	atDoor(t, func(t *testing.T, d *Door, r *register) {
		open := r.shut()
		begun := time.Now()
		hanging := come(t.Context(), d, "1")
		err := <-hanging
		if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != readTime {
			t.Errorf("after %s: %v", time.Since(begun), err)
		}
		open()
		if err := <-come(t.Context(), d, "2"); err != nil {
			t.Errorf("the next one: %v", err)
		}
	})
}

func TestAClosedDoorAnswersThoseWhoCameBefore(t *testing.T) {
	t.Parallel()
	atDoor(t, func(t *testing.T, d *Door, r *register) {
		open := r.shut()
		before := []<-chan error{come(t.Context(), d, "1"), come(t.Context(), d, "2")}
		go d.Close()
		synctest.Wait()
		if err := <-come(t.Context(), d, "3"); !errors.Is(err, gather.ErrStopped) || !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("one that came too late: %v", err)
		}
		open()
		for _, answer := range before {
			if err := <-answer; err != nil {
				t.Error(err)
			}
		}
	})
}
