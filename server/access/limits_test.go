package access

import (
	"fmt"
	"testing"
	"time"

	"aankomst/server/store"
)

// What follows is about limits of attempts where people come in.

// guess sends a wrong proof from an address, in a ceremony of its own.
func (w world) guess(t *testing.T, from string, a *authenticator) error {
	t.Helper()
	asked, err := w.BeginSignIn(t.Context(), from)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.FinishSignIn(t.Context(), from, asked.Ceremony, a.prove(t, asked, response("signature", "")))
	return err
}

// Whoever is wrong too often learns nothing more, and whoever is right comes in all the same, from the same
// address, at the same moment.
func TestWhoIsRightComesInWhateverOthersGotWrong(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	who := w.join(t)
	_, invitation := w.invite(t, store.RoleCoordinator)
	for range wrongPerMinute {
		if err := w.guess(t, "a", who.authenticator); err != ErrProof {
			t.Fatal(err)
		}
	}
	before := w.wrongs(t, store.AttemptSignIn, "")
	tooMany(t, "a wrong proof", w.guess(t, "a", who.authenticator), time.Minute)
	_, err := w.FinishSignIn(t.Context(), "a", "aankomst_ceremony_unknown", "")
	tooMany(t, "an unknown ceremony", err, time.Minute)
	_, err = w.BeginEnrolment(t.Context(), "a", "aankomst_invitation_unknown")
	tooMany(t, "an unknown invitation", err, time.Minute)
	_, err = w.FinishEnrolment(t.Context(), "a", "", "", "", "Key")
	tooMany(t, "the end of an enrolment", err, time.Minute)
	_, _, err = w.EnrolDevice(t.Context(), "a", "")
	tooMany(t, "a device", err, time.Minute)
	if after := w.wrongs(t, store.AttemptSignIn, ""); after != before {
		t.Errorf("the store goes on counting: %d after %d", after, before)
	}
	asked, err := w.BeginSignIn(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.FinishSignIn(t.Context(), "a", asked.Ceremony, who.prove(t, asked)); err != nil {
		t.Errorf("who is right: %v", err)
	}
	if _, err := w.BeginEnrolment(t.Context(), "a", invitation); err != nil {
		t.Errorf("who is invited: %v", err)
	}
}

func TestAMemberAtWhomManyAreWrongSignsIn(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	who := w.join(t)
	for i := range wrongPerMember {
		if err := w.guess(t, fmt.Sprint(i), who.authenticator); err != ErrProof {
			t.Fatal(err)
		}
	}
	tooMany(t, "one more", w.guess(t, "new", who.authenticator), quarter)
	w.mustSignIn(t, who.authenticator)
	w.clock.move(quarter)
	if err := w.guess(t, "new", who.authenticator); err != ErrProof {
		t.Errorf("the next quarter: %v", err)
	}
}

// What is at nobody is counted at nobody: a stranger who knows a member's ID keeps nobody out by it.
func TestAMembersIDAloneKeepsNobodyOut(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	who := w.join(t)
	stranger := newAuthenticator(t)
	stranger.handle = who.handle
	for i := range wrongPerMember + 5 {
		if err := w.guess(t, fmt.Sprint(i), stranger); err != ErrProof {
			t.Fatal(err)
		}
	}
	if at := w.wrongs(t, store.AttemptSignIn, who.ID); at != 0 {
		t.Errorf("%d were counted at the member", at)
	}
	w.mustSignIn(t, who.authenticator)
}

func TestCeremoniesAreBegunWithinLimits(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	who := w.join(t)
	_, invitation := w.invite(t, store.RoleCoordinator)
	for n := 0; ; n++ {
		if _, err := w.BeginSignIn(t.Context(), "a"); err != nil && n < begunPerMinute {
			t.Fatal(err)
		} else if err != nil {
			break
		}
	}
	asked, err := w.BeginSignIn(t.Context(), "a")
	tooMany(t, "a sign-in", err, time.Minute)
	if asked.Ceremony != "" || asked.Options != nil {
		t.Errorf("and yet asked is %+v", asked)
	}
	_, err = w.BeginProof(t.Context(), "a", w.seat(t, who.secret))
	tooMany(t, "a fresh proof", err, time.Minute)
	_, err = w.BeginEnrolment(t.Context(), "a", invitation)
	tooMany(t, "an enrolment", err, time.Minute)
	if _, err := w.BeginSignIn(t.Context(), "b"); err != nil {
		t.Errorf("from another address: %v", err)
	}
}
