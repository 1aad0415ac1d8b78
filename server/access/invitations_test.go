package access

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"aankomst/server/store"
)

func TestOfManyWhoUseAnInvitationAtOnceOneIsEnrolled(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	member, invitation := w.invite(t, store.RoleCoordinator)
	made, ceremonies := map[*authenticator]string{}, map[*authenticator]string{}
	for range 8 {
		invited, err := w.BeginEnrolment(t.Context(), "", invitation)
		if err != nil {
			t.Fatal(err)
		}
		a := newAuthenticator(t)
		made[a], ceremonies[a] = a.make(t, invited.Asked), invited.Asked.Ceremony
	}
	var group sync.WaitGroup
	var mu sync.Mutex
	var winner *authenticator
	for a, credential := range made {
		group.Go(func() {
			_, err := w.finishEnrolment(t, invitation, ceremonies[a], credential)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil && winner == nil:
				winner = a
			case err != ErrInvitation:
				t.Errorf("another one: %v", err)
			}
		})
	}
	group.Wait()
	state := w.state(t)
	if winner == nil || len(state.Passkeys) != 1 || len(state.Sessions) != 1 || string(state.Passkeys[0].ID) != string(winner.id) {
		t.Fatalf("enrolled are %+v, with %d sessions", state.Passkeys, len(state.Sessions))
	}
	if seat := w.mustSignIn(t, winner); seat.ID != member.ID {
		t.Errorf("%+v signs in", seat)
	}
}

// device makes a device with an invitation.
func (w world) device(t *testing.T) (store.Token, string) {
	t.Helper()
	secret, device, _, err := InviteDevice(t.Context(), w.kept, "Tablet", "caw-brugge", w.clock.time())
	if err != nil {
		t.Fatal(err)
	}
	return device, secret
}

func TestAnInvitationThatIsNoneAnyMoreIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		// undo ends an invitation of a member and one of a device.
		undo func(t *testing.T, w world, member store.Member, device store.Token)
	}{
		{"too old", func(_ *testing.T, w world, _ store.Member, _ store.Token) { w.clock.move(invitationFor) }},
		{"replaced", func(t *testing.T, w world, member store.Member, device store.Token) {
			_, _, err := InviteMember(t.Context(), w.kept, member.ID, now)
			again := store.Invitation{Hash: [32]byte{1}, Device: device.ID, EndsAt: now.Add(time.Hour)}
			if err := errors.Join(err, w.kept.PutInvitation(t.Context(), again)); err != nil {
				t.Fatal(err)
			}
		}},
		{"of what is removed", func(t *testing.T, w world, member store.Member, device store.Token) {
			_, err := RemoveMember(t.Context(), w.kept, member.ID, member.Revision)
			if err := errors.Join(err, w.kept.RevokeToken(t.Context(), device.ID)); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := withPeople(t)
			member, invitation := w.invite(t, store.RoleCoordinator)
			device, devices := w.device(t)
			w.clock.move(invitationFor - time.Second) // it is good up to the last
			invited, err := w.BeginEnrolment(t.Context(), "", invitation)
			if err != nil {
				t.Fatal(err)
			}
			if found, err := w.BeginEnrolment(t.Context(), "", devices); err != nil || found.Device != device.ID {
				t.Fatalf("%+v (%v)", found, err)
			}
			w.clock.move(time.Second - invitationFor)
			credential := newAuthenticator(t).make(t, invited.Asked)
			c.undo(t, w, member, device)
			before := w.state(t)
			for _, secret := range []string{invitation, devices} {
				if found, err := w.BeginEnrolment(t.Context(), "", secret); err != ErrInvitation || found.Member != (store.Member{}) || found.Device != "" {
					t.Errorf("begun: %+v (%v)", found, err)
				}
			}
			if _, err := w.finishEnrolment(t, invitation, invited.Asked.Ceremony, credential); err != ErrInvitation {
				t.Errorf("finished: %v", err)
			}
			if secret, enrolled, err := w.EnrolDevice(t.Context(), "", devices); err != ErrInvitation || secret != "" || enrolled != (store.Token{}) {
				t.Errorf("the device: %+v (%v)", enrolled, err)
			}
			w.unchanged(t, "it", before)
			if wrong := w.wrongs(t, store.AttemptInvitation, ""); wrong != 4 {
				t.Errorf("%d wrong attempts were counted", wrong)
			}
		})
	}
}

func TestWhatIsNoInvitationIsRefused(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	who := w.join(t)
	_, invitation := w.invite(t, store.RoleCoordinator)
	before := w.state(t)
	for _, secret := range []string{"", "aankomst_invitation_", invitation[1:], invitation + " ", strings.ToUpper(invitation), who.secret, who.ID} {
		w.clock.move(time.Minute)
		if _, err := w.BeginEnrolment(t.Context(), "", secret); err != ErrInvitation {
			t.Errorf("%q, begun: %v", secret, err)
		}
		if _, err := w.finishEnrolment(t, secret, "", ""); err != ErrInvitation {
			t.Errorf("%q, finished: %v", secret, err)
		}
		if _, _, err := w.EnrolDevice(t.Context(), "", secret); err != ErrInvitation {
			t.Errorf("%q, for a device: %v", secret, err)
		}
	}
	w.unchanged(t, "it", before)
}

func TestADeviceIsEnrolledOnceAndForAYear(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	device, invitation := w.device(t)
	secret, enrolled, err := w.EnrolDevice(t.Context(), "", invitation)
	if err != nil || enrolled.ID != device.ID || enrolled.Kind != store.KindDevice || enrolled.Centre != "caw-brugge" || enrolled.ExpiresOn != "2027-05-05" {
		t.Fatalf("enrolled is %+v (%v)", enrolled, err)
	}
	if act := w.lastAct(t); act.Action != "device.enrol" || act.Target != device.ID || act.By != store.ByToken(device.ID) {
		t.Errorf("the last act is %+v", act)
	}
	door := NewDoor(w.kept, w.clock.time)
	defer door.Close()
	if p, err := door.Authenticate(t.Context(), Credentials{Device: secret}, ""); err != nil || p.Kind != Device || p.ID != device.ID {
		t.Errorf("its cookie lets %+v in (%v)", p, err)
	}
	if p, err := door.Authenticate(t.Context(), Credentials{Bearer: secret}, ""); err != ErrUnknownToken {
		t.Errorf("as a machine's, it lets %+v in (%v)", p, err)
	}
	before := w.state(t)
	if _, _, err := w.EnrolDevice(t.Context(), "", invitation); err != ErrInvitation {
		t.Errorf("again: %v", err)
	}
	w.unchanged(t, "it", before)
}

func TestAnInvitationIsForAMemberOrForADevice(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	_, members := w.invite(t, store.RoleCoordinator)
	_, devices := w.device(t)
	invited, err := w.BeginEnrolment(t.Context(), "", members)
	if err != nil {
		t.Fatal(err)
	}
	credential := newAuthenticator(t).make(t, invited.Asked)
	before := w.state(t)
	if _, err := w.finishEnrolment(t, devices, invited.Asked.Ceremony, credential); err != ErrInvitation {
		t.Errorf("a passkey by a device's: %v", err)
	}
	if _, _, err := w.EnrolDevice(t.Context(), "", members); err != ErrInvitation {
		t.Errorf("a device by a member's: %v", err)
	}
	w.unchanged(t, "it", before)
	if wrong := w.wrongs(t, store.AttemptInvitation, ""); wrong != 2 {
		t.Errorf("%d wrong attempts were counted", wrong)
	}
	// Neither was used up.
	if _, err := w.finishEnrolment(t, members, invited.Asked.Ceremony, credential); err != nil {
		t.Errorf("the member's, rightly: %v", err)
	}
	if _, _, err := w.EnrolDevice(t.Context(), "", devices); err != nil {
		t.Errorf("the device's, rightly: %v", err)
	}
}

func TestADeviceThatIsEnrolledAtOnceIsEnrolledOnce(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	_, invitation := w.device(t)
	var group sync.WaitGroup
	secrets := make(chan string, 8)
	for range cap(secrets) {
		group.Go(func() {
			secret, _, err := w.EnrolDevice(t.Context(), "", invitation)
			if err == nil {
				secrets <- secret
			} else if err != ErrInvitation {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if len(secrets) != 1 {
		t.Fatalf("%d were enrolled", len(secrets))
	}
	if tokens := w.state(t).Tokens; len(tokens) != 1 || tokens[0].Hash != hash(<-secrets) {
		t.Errorf("kept are %+v", tokens)
	}
}
