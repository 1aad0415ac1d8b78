package access

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"testing"

	"aankomst/server/store"
)

// suspected holds that a passkey is marked, that its member is signed out everywhere, and that it is recorded.
func (w world) suspected(t *testing.T, name string, who somebody) {
	t.Helper()
	if !w.passkey(t, who.authenticator).Suspected {
		t.Errorf("%s: the passkey is not marked", name)
	}
	sessions, err := w.kept.ListSessions(t.Context(), who.ID)
	if err != nil || len(sessions) > 0 {
		t.Errorf("%s: sessions %+v (%v)", name, sessions, err)
	}
	act := w.lastAct(t)
	if act.Action != "passkey.suspect" || act.By != store.ByServer || act.Target != who.ID || !act.At.Equal(w.clock.time().Truncate(quarter)) {
		t.Errorf("%s: the last act is %+v", name, act)
	}
}

func TestACopyOfAPasskeyIsNoticed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		first, now uint32
	}{
		{"the same", 7, 7}, {"one lower", 7, 6}, {"zero", 7, 0}, {"zero after one", 1, 0}, {"at the end of its counter", math.MaxUint32, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := withPeople(t)
			for _, proof := range []bool{false, true} {
				who, other := w.join(t, func(s *said) { s.count = c.first }), w.join(t)
				seat := w.seat(t, who.secret)
				spare := newAuthenticator(t)
				if err := w.add(t, seat, spare, "Spare"); err != nil {
					t.Fatal(err)
				}
				count := func(s *said) { s.count = c.now }
				// What nobody signed tells nothing.
				if _, err := w.signIn(t, who.authenticator, count, func(s *said) { s.key = other.key }); err != ErrProof {
					t.Errorf("forged: %v", err)
				}
				w.seat(t, who.secret)
				var err error
				if proof {
					_, err = w.prove(t, seat, who.authenticator, count)
				} else {
					_, err = w.signIn(t, who.authenticator, count)
				}
				if err != ErrSuspected {
					t.Errorf("proof %v: %v", proof, err)
				}
				w.suspected(t, c.name, who)
				// For good, however it counts now, and no other passkey.
				before := w.state(t)
				for _, later := range []uint32{c.first + 100, c.now, 0, math.MaxUint32} {
					if _, err := w.signIn(t, who.authenticator, func(s *said) { s.count = later }); err != ErrSuspected {
						t.Errorf("at %d: %v", later, err)
					}
				}
				if _, err := w.signIn(t, who.authenticator, func(s *said) { s.key = other.key }); err != ErrProof {
					t.Errorf("forged, once it is suspected: %v", err)
				}
				w.unchanged(t, "a suspected passkey", before)
				w.mustSignIn(t, spare)
				w.mustSignIn(t, other.authenticator)
				w.seat(t, other.secret)
			}
		})
	}
}

func TestAPasskeyThatDoesNotCountIsNeverSuspected(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	who := w.join(t, func(s *said) { s.count = 0 })
	who.count, who.step = 0, 0
	for range 3 {
		seat := w.mustSignIn(t, who.authenticator)
		if _, err := w.prove(t, seat, who.authenticator); err != nil {
			t.Fatal(err)
		}
	}
	// It may begin to count, and must then go on; it may leave numbers out.
	for _, count := range []uint32{1, 2, 1000, math.MaxUint32} {
		w.mustSignIn(t, who.authenticator, func(s *said) { s.count = count })
	}
	if _, err := w.signIn(t, who.authenticator); err != ErrSuspected {
		t.Errorf("zero again: %v", err)
	}
}

// ready returns n proofs with a count, each in a ceremony of its own.
func (w world) ready(t *testing.T, a *authenticator, count uint32, n int) (ceremonies, proofs []string) {
	t.Helper()
	for range n {
		asked, err := w.BeginSignIn(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		ceremonies, proofs = append(ceremonies, asked.Ceremony), append(proofs, a.prove(t, asked, func(s *said) { s.count = count }))
	}
	return ceremonies, proofs
}

func TestOfTwoThatCountAlikeAtOnceOneIsSuspected(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	who := w.join(t)
	ceremonies, proofs := w.ready(t, who.authenticator, 5, 6)
	var in atomic.Int32
	var group sync.WaitGroup
	for i := range proofs {
		group.Go(func() {
			switch _, err := w.finishSignIn(t, ceremonies[i], proofs[i]); err {
			case nil:
				in.Add(1)
			case ErrSuspected:
			default:
				t.Error(err)
			}
		})
	}
	group.Wait()
	if in.Load() != 1 {
		t.Errorf("%d were let in", in.Load())
	}
	w.suspected(t, "at once", who)
}

// Two servers that both read the passkey before either wrote.
func TestAnotherServersUseOfAPasskeyCounts(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	who := w.join(t)
	ceremonies, proofs := w.ready(t, who.authenticator, 9, 2)
	over := w.over(t, meanwhile{w.kept, func(context.Context) error {
		_, err := w.finishSignIn(t, ceremonies[0], proofs[0])
		return err
	}})
	if _, err := over.finishSignIn(t, ceremonies[1], proofs[1]); err != ErrSuspected {
		t.Errorf("it says %v", err)
	}
	w.suspected(t, "elsewhere", who)
}

func TestThoseThatDoNotCountSignInAtOnce(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	who := w.join(t, func(s *said) { s.count = 0 })
	ceremonies, proofs := w.ready(t, who.authenticator, 0, 6)
	var group sync.WaitGroup
	for i := range proofs {
		group.Go(func() {
			if _, err := w.finishSignIn(t, ceremonies[i], proofs[i]); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if w.passkey(t, who.authenticator).Suspected {
		t.Error("it is suspected")
	}
}

// marking is a store that may fail to mark a passkey, and whose caller may go away before.
type marking struct {
	store.Store
	before  func()
	failure error
}

func (m marking) SuspectPasskey(ctx context.Context, member string, id []byte) error {
	m.before()
	if m.failure != nil {
		return m.failure
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return m.Store.SuspectPasskey(ctx, member, id)
}

func TestACopyThatCannotBeMarkedIsRefusedAndMarkedTheNextTime(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	who := w.join(t)
	over := w.over(t, marking{w.kept, func() {}, store.ErrUnavailable})
	before := w.state(t)
	again := func(s *said) { s.count = 1 }
	if _, err := over.signIn(t, who.authenticator, again); err != store.ErrUnavailable {
		t.Errorf("it says %v", err)
	}
	w.unchanged(t, "it", before)
	if _, err := w.signIn(t, who.authenticator, again); err != ErrSuspected {
		t.Errorf("the next time: %v", err)
	}
	w.suspected(t, "the next time", who)
}

func TestWhoHangsUpDoesNotSaveACopyFromBeingMarked(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	who := w.join(t)
	asked, err := w.BeginSignIn(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, hangUp := context.WithCancel(t.Context())
	over := w.over(t, marking{w.kept, hangUp, nil})
	if _, err := over.FinishSignIn(ctx, "", asked.Ceremony, who.prove(t, asked, func(s *said) { s.count = 1 })); err != ErrSuspected {
		t.Errorf("it says %v", err)
	}
	w.suspected(t, "hung up", who)
}
