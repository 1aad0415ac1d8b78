package access

import (
	"context"
	"testing"
	"time"

	"aankomst/server/store"
)

// prove gives a fresh proof of a seat.
func (w world) prove(t *testing.T, seat Principal, a *authenticator, changes ...func(*said)) (Started, error) {
	t.Helper()
	asked, err := w.BeginProof(t.Context(), "", seat)
	if err != nil {
		t.Fatal(err)
	}
	started, err := w.FinishProof(t.Context(), "", seat, asked.Ceremony, a.prove(t, asked, changes...))
	if err != nil && started != (Started{}) {
		t.Errorf("%v, and yet started is %+v", err, started)
	}
	return started, err
}

func TestAProofIsFreshForHalfAnHourFromItsQuarter(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	who := w.join(t)
	for _, c := range []struct{ at, until string }{
		{"2026-05-04T10:00:00Z", "2026-05-04T10:30:00Z"},
		{"2026-05-04T10:14:59Z", "2026-05-04T10:30:00Z"},
		{"2026-05-04T10:15:00Z", "2026-05-04T10:45:00Z"},
	} {
		w.clock.set(t, c.at)
		seat := w.mustSignIn(t, who.authenticator)
		if !seat.FreshUntil().Equal(at(t, c.until)) {
			t.Errorf("signed in at %s, it is fresh until %s", c.at, seat.FreshUntil())
		}
	}
	w.clock.set(t, "2026-05-04T10:00:00Z")
	started, err := w.signIn(t, who.authenticator)
	if err != nil {
		t.Fatal(err)
	}
	other := w.mustSignIn(t, who.authenticator)
	for _, c := range []struct{ at, until string }{
		{"2026-05-04T10:29:59Z", "2026-05-04T10:45:00Z"},
		{"2026-05-04T10:45:00Z", "2026-05-04T11:15:00Z"},
	} {
		w.clock.set(t, c.at)
		seat := w.seat(t, started.Secret)
		proved, err := w.prove(t, seat, who.authenticator)
		if err != nil || !proved.Session.ProvedAt.Equal(at(t, c.until).Add(-freshFor)) {
			t.Errorf("proved %+v (%v)", proved, err)
		}
		// Whoever has stolen the secret before must not be fresh with it.
		if _, err := w.at(t, started.Secret); err != ErrSignedOut {
			t.Errorf("with the secret before the proof: %v", err)
		}
		started = proved
		after := w.seat(t, started.Secret)
		if !after.FreshUntil().Equal(at(t, c.until)) {
			t.Errorf("proved at %s, it is fresh until %s", c.at, after.FreshUntil())
		}
		if !after.Session.EndsAt.Equal(seat.Session.EndsAt) {
			t.Error("a proof lets a session last longer")
		}
	}
	sessions, err := w.kept.ListSessions(t.Context(), who.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, session := range sessions {
		if session.Hash == other.Session.Hash && !session.ProvedAt.Equal(other.Session.ProvedAt) {
			t.Error("a proof made another session fresh")
		}
	}
}

// A desk whose session is about to end for want of use goes on after a proof.
func TestAProofIsAUse(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	who := w.join(t)
	w.clock.set(t, "2026-05-04T10:00:00Z")
	seat := w.mustSignIn(t, who.authenticator)
	idle := Lifetimes[seat.Role].Idle
	w.clock.move(idle + quarter - time.Second)
	started, err := w.prove(t, seat, who.authenticator)
	if err != nil {
		t.Fatal(err)
	}
	w.clock.move(idle)
	w.seat(t, started.Secret)
}

func TestNobodyElseIsFresh(t *testing.T) {
	t.Parallel()
	for _, kind := range []Kind{Nobody, Machine, Device} {
		p := Principal{Kind: kind, Session: store.Session{ProvedAt: now}}
		if !p.FreshUntil().IsZero() {
			t.Errorf("kind %d is fresh until %s", kind, p.FreshUntil())
		}
	}
}

func TestAnotherMembersPasskeyProvesNothing(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	who, other := w.join(t), w.join(t)
	seat := w.seat(t, who.secret)
	before := w.state(t)
	if _, err := w.prove(t, seat, other.authenticator); err != ErrProof {
		t.Errorf("it says %v", err)
	}
	w.unchanged(t, "it", before)
	if at, atOther := w.wrongs(t, store.AttemptSignIn, who.ID), w.wrongs(t, store.AttemptSignIn, other.ID); at != 1 || atOther != 0 {
		t.Errorf("%d were counted at the seat, %d at the other", at, atOther)
	}
}

func TestAFreshProofThatIsNotAsItMustBeIsRefused(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	who := w.join(t)
	seat := w.seat(t, who.secret)
	before := w.state(t)
	for name, change := range elsewhereSaid {
		w.clock.move(time.Minute)
		if w.wrongs(t, store.AttemptSignIn, who.ID) == wrongPerMember {
			w.clock.move(quarter)
		}
		if _, err := w.prove(t, seat, who.authenticator, change); err != ErrProof {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.unchanged(t, "a refused proof", before)
}

// meanwhile is a store in which something happens just before a use of a passkey is written.
type meanwhile struct {
	store.Store
	happens func(ctx context.Context) error
}

func (m meanwhile) StartSession(ctx context.Context, session store.Session, use store.PasskeyUse) error {
	if err := m.happens(ctx); err != nil {
		return err
	}
	return m.Store.StartSession(ctx, session, use)
}

func (m meanwhile) ProveSession(ctx context.Context, hash, another [32]byte, at time.Time, use store.PasskeyUse) error {
	if err := m.happens(ctx); err != nil {
		return err
	}
	return m.Store.ProveSession(ctx, hash, another, at, use)
}

func TestWhatHappensDuringAProofCounts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name          string
		happens       func(w world, who somebody) func(ctx context.Context) error
		proof, signIn error
	}{
		{"the session ends", func(w world, who somebody) func(context.Context) error {
			return func(ctx context.Context) error { return w.kept.EndSessions(ctx, who.ID, [32]byte{}) }
		}, ErrSignedOut, nil},
		{"the member is removed", func(w world, who somebody) func(context.Context) error {
			return func(ctx context.Context) error {
				_, err := RemoveMember(ctx, w.kept, who.ID, who.Revision)
				return err
			}
		}, ErrSignedOut, ErrProof},
		{"the passkey is removed", func(w world, who somebody) func(context.Context) error {
			return func(ctx context.Context) error {
				return w.kept.RemovePasskey(ctx, who.ID, who.id, hash(who.secret))
			}
		}, ErrProof, ErrProof},
		{"the store fails", func(world, somebody) func(context.Context) error {
			return func(context.Context) error { return store.ErrUnavailable }
		}, store.ErrUnavailable, store.ErrUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for proof, want := range map[bool]error{true: c.proof, false: c.signIn} {
				w := withPeople(t)
				who := w.join(t)
				seat := w.seat(t, who.secret)
				over := w.over(t, meanwhile{w.kept, c.happens(w, who)})
				var err error
				if proof {
					_, err = over.prove(t, seat, who.authenticator)
				} else {
					_, err = over.signIn(t, who.authenticator)
				}
				if err != want {
					t.Errorf("proof %v: %v, want %v", proof, err, want)
				}
				for _, passkey := range w.state(t).Passkeys {
					if passkey.Suspected {
						t.Errorf("proof %v: %+v", proof, passkey)
					}
				}
			}
		})
	}
}
