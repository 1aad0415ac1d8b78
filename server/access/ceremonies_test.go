package access

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oauth2-proxy/mockoidc"

	"aankomst/server/store"
)

func TestAProofIsAcceptedOnce(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	who := w.join(t, func(s *said) { s.count = 0 })
	who.step, who.count = 0, 0 // no counter tells
	asked, err := w.BeginSignIn(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	proof := who.prove(t, asked)
	if _, err := w.finishSignIn(t, asked.Ceremony, proof); err != nil {
		t.Fatal(err)
	}
	before := w.state(t)
	if _, err := w.finishSignIn(t, asked.Ceremony, proof); err != ErrProof {
		t.Errorf("again, in the same ceremony: %v", err)
	}
	next, err := w.BeginSignIn(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.finishSignIn(t, next.Ceremony, proof); err != ErrProof {
		t.Errorf("again, in another ceremony: %v", err)
	}
	if _, err := w.finishSignIn(t, next.Ceremony, who.prove(t, next)); err != ErrProof {
		t.Errorf("the ceremony after a wrong proof: %v", err)
	}
	w.unchanged(t, "a proof that was used", before)
}

func TestOfManyWhoSendAProofAtOnceOneIsLetIn(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	who := w.join(t, func(s *said) { s.count = 0 })
	who.step, who.count = 0, 0
	asked, err := w.BeginSignIn(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	proof := who.prove(t, asked)
	var in atomic.Int32
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			switch _, err := w.finishSignIn(t, asked.Ceremony, proof); err {
			case nil:
				in.Add(1)
			case ErrProof:
			default:
				t.Error(err)
			}
		})
	}
	group.Wait()
	if sessions := w.state(t).Sessions; in.Load() != 1 || len(sessions) != 2 {
		t.Errorf("%d were let in; %d sessions", in.Load(), len(sessions))
	}
}

// ceremonies begin one of each kind that asks a passkey, and finish one.
type ceremonies struct {
	begin  func(t *testing.T) Asked
	finish func(t *testing.T, ceremony, credential string) error
	makes  bool
}

// ceremoniesOf are those of a seat and an invitation.
func (w world) ceremoniesOf(seat Principal, invitation string) map[string]ceremonies {
	asked := func(t *testing.T, asked Asked, err error) Asked {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return asked
	}
	return map[string]ceremonies{
		"a sign-in": {
			func(t *testing.T) Asked { a, err := w.BeginSignIn(t.Context(), ""); return asked(t, a, err) },
			func(t *testing.T, ceremony, credential string) error {
				_, err := w.FinishSignIn(t.Context(), "", ceremony, credential)
				return err
			}, false,
		},
		"a fresh proof": {
			func(t *testing.T) Asked { a, err := w.BeginProof(t.Context(), "", seat); return asked(t, a, err) },
			func(t *testing.T, ceremony, credential string) error {
				_, err := w.FinishProof(t.Context(), "", seat, ceremony, credential)
				return err
			}, false,
		},
		"an enrolment": {
			func(t *testing.T) Asked {
				invited, err := w.BeginEnrolment(t.Context(), "", invitation)
				return asked(t, invited.Asked, err)
			},
			func(t *testing.T, ceremony, credential string) error {
				_, err := w.FinishEnrolment(t.Context(), "", invitation, ceremony, credential, "Key")
				return err
			}, true,
		},
		"one more passkey": {
			func(t *testing.T) Asked { a, err := w.BeginPasskey(t.Context(), "", seat); return asked(t, a, err) },
			func(t *testing.T, ceremony, credential string) error {
				return w.FinishPasskey(t.Context(), seat, ceremony, credential, "Key")
			}, true,
		},
	}
}

func TestACeremonyIsOfOneKindAndOfOneSessionOrInvitation(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	who := w.join(t)
	invite := func() string {
		secret, _, err := InviteMember(t.Context(), w.kept, who.ID, w.clock.time())
		if err != nil {
			t.Fatal(err)
		}
		return secret
	}
	replaced := w.ceremoniesOf(w.seat(t, who.secret), invite())
	enrolment := replaced["an enrolment"].begin(t)
	own := w.ceremoniesOf(w.seat(t, who.secret), invite())
	another := w.ceremoniesOf(w.mustSignIn(t, who.authenticator), "")
	// answer answers as it is asked, with what would be right.
	answer := func(asked Asked, makes bool) string {
		if makes {
			made := newAuthenticator(t)
			made.handle = who.handle
			return made.make(t, asked)
		}
		return who.prove(t, asked)
	}
	before := w.state(t)
	refused := func(name string, asked Asked, by ceremonies, right ceremonies) {
		w.clock.move(time.Minute)
		if err := by.finish(t, asked.Ceremony, answer(asked, by.makes)); err != ErrProof {
			t.Errorf("%s: %v", name, err)
		}
		// It is gone, for those too who began it.
		if err := right.finish(t, asked.Ceremony, answer(asked, right.makes)); err != ErrProof {
			t.Errorf("%s, then rightly: %v", name, err)
		}
		w.unchanged(t, name, before)
	}
	for begun, right := range own {
		for finished, wrong := range own {
			if begun != finished {
				refused(begun+" finished as "+finished, right.begin(t), wrong, right)
			}
		}
	}
	for _, kind := range []string{"a fresh proof", "one more passkey"} {
		refused(kind+" of another session", own[kind].begin(t), another[kind], own[kind])
	}
	refused("an enrolment of the invitation before", enrolment, own["an enrolment"], own["an enrolment"])
	for kind, right := range own {
		asked := right.begin(t)
		if err := right.finish(t, asked.Ceremony, answer(asked, right.makes)); err != nil {
			t.Errorf("%s, as it must be: %v", kind, err)
		}
	}
}

func TestACeremonyOfAnotherMembersInvitationIsRefused(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	_, own := w.invite(t, store.RoleCoordinator)
	_, others := w.invite(t, store.RoleAdministrator)
	asked, err := w.BeginEnrolment(t.Context(), "", own)
	if err != nil {
		t.Fatal(err)
	}
	before := w.state(t)
	if _, err := w.finishEnrolment(t, others, asked.Asked.Ceremony, newAuthenticator(t).make(t, asked.Asked)); err != ErrProof {
		t.Errorf("it says %v", err)
	}
	w.unchanged(t, "it", before)
}

func TestACeremonyEndsOnAQuarterOfAnHour(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ begun, last, ended string }{
		{"2026-05-04T10:00:00Z", "2026-05-04T10:29:59Z", "2026-05-04T10:30:00Z"},
		{"2026-05-04T10:14:59Z", "2026-05-04T10:29:59Z", "2026-05-04T10:30:00Z"},
		{"2026-05-04T10:15:00Z", "2026-05-04T10:44:59Z", "2026-05-04T10:45:00Z"},
	} {
		w := withPeople(t)
		who := w.join(t)
		w.clock.set(t, c.begun)
		all := w.ceremoniesOf(w.seat(t, who.secret), "")
		delete(all, "an enrolment")
		for name, each := range all {
			for moment, accepted := range map[string]bool{c.last: true, c.ended: false} {
				w.clock.set(t, c.begun)
				asked := each.begin(t)
				w.clock.set(t, moment)
				a := who.authenticator
				if each.makes {
					a = newAuthenticator(t)
				}
				credential := a.prove(t, asked)
				if each.makes {
					credential = a.make(t, asked)
				}
				if err := each.finish(t, asked.Ceremony, credential); accepted && err != nil || !accepted && err != ErrProof {
					t.Errorf("%s, begun at %s, at %s: %v", name, c.begun, moment, err)
				}
			}
		}
	}
}

// What was kept of the one has no state, which would be the same as none.
func TestACeremonyOfAPasskeyIsNoWayToTheProvider(t *testing.T) {
	t.Parallel()
	w := withProvider(t)
	code := w.visit(t, false).code
	asked, err := w.BeginSignIn(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.finish(t, travel{ceremony: asked.Ceremony, code: code}); err != ErrProof {
		t.Errorf("it says %v", err)
	}
	if sent := w.idp.count(mockoidc.TokenEndpoint); sent != 0 {
		t.Error("the code was sent to the provider")
	}
}
