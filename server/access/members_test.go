package access

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"aankomst/server/store"
)

func TestAMemberIsMadeWithAnInvitation(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	request := SeatRequest{Label: "Desk Brugge", Role: store.RoleIntake, Centre: "caw-brugge"}
	secret, member, invitation, err := CreateMember(t.Context(), w.kept, request, at(t, "2026-05-04T10:14:59Z"))
	if err != nil || member.Label != request.Label || member.Role != request.Role || member.Centre != request.Centre || member.Revision != 1 {
		t.Fatalf("%+v (%v)", member, err)
	}
	if kept, err := w.kept.GetMember(t.Context(), member.ID); err != nil || kept != member {
		t.Errorf("kept is %+v (%v)", kept, err)
	}
	if !strings.HasPrefix(secret, "aankomst_invitation_") || invitation.Hash != hash(secret) || invitation.Member != member.ID ||
		!invitation.EndsAt.Equal(at(t, "2026-05-06T10:00:00Z")) {
		t.Errorf("the invitation %q is %+v", secret, invitation)
	}
	if kept, err := w.kept.GetInvitation(t.Context(), hash(secret)); err != nil || kept != invitation {
		t.Errorf("kept is %+v (%v)", kept, err)
	}
	if _, another, _, err := CreateMember(t.Context(), w.kept, request, now); err != nil || another.ID == member.ID {
		t.Errorf("another like it is %+v (%v)", another, err)
	}
}

// seatRequests are requests, with what the refusal says; empty: it is no refusal.
var seatRequests = map[string]struct {
	SeatRequest
	refusal string
}{
	"a counsellor":                   {SeatRequest{"Helpline", store.RoleCounsellor, ""}, ""},
	"an administrator":               {SeatRequest{strings.Repeat("é", MaxLabel), store.RoleAdministrator, ""}, ""},
	"an intake worker":               {SeatRequest{"Desk", store.RoleIntake, "caw-brugge"}, ""},
	"no label":                       {SeatRequest{"", store.RoleCounsellor, ""}, "label"},
	"a label too long":               {SeatRequest{strings.Repeat("é", MaxLabel+1), store.RoleCounsellor, ""}, "label"},
	"a label with a zero":            {SeatRequest{"a\x00", store.RoleCounsellor, ""}, "label"},
	"no role":                        {SeatRequest{"Desk", "", ""}, "role"},
	"an unknown role":                {SeatRequest{"Desk", "OWNER", ""}, "role"},
	"intake without centre":          {SeatRequest{"Desk", store.RoleIntake, ""}, "name it"},
	"intake of no centre":            {SeatRequest{"Desk", store.RoleIntake, "nowhere"}, "no centre"},
	"intake of an archived centre":   {SeatRequest{"Desk", store.RoleIntake, "gone"}, "no centre"},
	"an administrator with centre":   {SeatRequest{"Desk", store.RoleAdministrator, "caw-brugge"}, "only INTAKE"},
	"a coordinator of a lost centre": {SeatRequest{"Desk", store.RoleCoordinator, "nowhere"}, "only INTAKE"},
}

func TestWhichMembersAreMade(t *testing.T) {
	t.Parallel()
	for name, c := range seatRequests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := withPeople(t)
			before := w.state(t)
			secret, member, invitation, err := CreateMember(t.Context(), w.kept, c.SeatRequest, now)
			if c.refusal == "" {
				if err != nil || len(w.state(t).Members) != 1 {
					t.Errorf("it was not made: %v", err)
				}
				return
			}
			if !errors.Is(err, ErrRequest) || !strings.Contains(err.Error(), c.refusal) || secret != "" || member != (store.Member{}) || invitation != (store.Invitation{}) {
				t.Errorf("%q, %+v, %+v: %v, want a refusal about %q", secret, member, invitation, err, c.refusal)
			}
			w.unchanged(t, "it", before)
		})
	}
}

func TestWhatAMemberMayBecome(t *testing.T) {
	t.Parallel()
	for name, c := range seatRequests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := withPeople(t)
			who := w.join(t)
			before := w.state(t)
			member, err := UpdateMember(t.Context(), w.kept, who.ID, who.Revision, func(r *SeatRequest) error {
				*r = c.SeatRequest
				return nil
			})
			if c.refusal == "" {
				want := who.Member
				want.Label, want.Role, want.Centre, want.Revision = c.Label, c.Role, c.Centre, 2
				if err != nil || member != want {
					t.Errorf("it became %+v (%v)", member, err)
				}
				if _, err := w.at(t, who.secret); err != ErrSignedOut {
					t.Errorf("it is still signed in, by its role before: %v", err)
				}
				return
			}
			if !errors.Is(err, ErrRequest) || !strings.Contains(err.Error(), c.refusal) || member != (store.Member{}) {
				t.Errorf("it became %+v (%v), want a refusal about %q", member, err, c.refusal)
			}
			w.unchanged(t, "it", before)
		})
	}
}

func TestAMemberIsChangedOnlyAsItWasSeen(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	who := w.join(t)
	name := func(label string) func(*SeatRequest) error {
		return func(r *SeatRequest) error { r.Label = label; return nil }
	}
	member, err := UpdateMember(t.Context(), w.kept, who.ID, 1, name("One"))
	if err != nil || member.Revision != 2 {
		t.Fatalf("%+v (%v)", member, err)
	}
	w.seat(t, who.secret) // another label signs nobody out
	before := w.state(t)
	refusal := errors.New("no")
	for want, change := range map[error]func() (store.Member, error){
		store.ErrConflict: func() (store.Member, error) { return UpdateMember(t.Context(), w.kept, who.ID, 1, name("Two")) },
		store.ErrNotFound: func() (store.Member, error) { return UpdateMember(t.Context(), w.kept, "nobody", 1, name("Two")) },
		refusal: func() (store.Member, error) {
			return UpdateMember(t.Context(), w.kept, who.ID, 2, func(*SeatRequest) error { return refusal })
		},
	} {
		if member, err := change(); err != want || member != (store.Member{}) {
			t.Errorf("%+v (%v), want %v", member, err, want)
		}
	}
	if _, err := RemoveMember(t.Context(), w.kept, who.ID, 1); err != store.ErrConflict {
		t.Errorf("removed as it was before: %v", err)
	}
	w.unchanged(t, "it", before)
	var group sync.WaitGroup
	var mu sync.Mutex
	changed := 0
	for range 6 {
		group.Go(func() {
			_, err := UpdateMember(t.Context(), w.kept, who.ID, 2, name("At once"))
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				changed++
			} else if err != store.ErrConflict {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if changed != 1 {
		t.Errorf("%d changed what all had seen", changed)
	}
}

func TestAMemberStaysAtACentreThatIsArchived(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	_, member, _, err := CreateMember(t.Context(), w.kept, SeatRequest{Label: "Desk", Role: store.RoleIntake, Centre: "caw-brugge"}, now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.kept.UpdateCentre(t.Context(), "caw-brugge", func(c *store.Centre) error { c.Archived = true; return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := UpdateMember(t.Context(), w.kept, member.ID, 1, func(r *SeatRequest) error { r.Label = "Old desk"; return nil }); err != nil {
		t.Errorf("it cannot be renamed: %v", err)
	}
}

func TestWhoIsRemovedIsOut(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	who := w.join(t)
	if _, _, err := InviteMember(t.Context(), w.kept, who.ID, now); err != nil {
		t.Fatal(err)
	}
	member, err := RemoveMember(store.As(t.Context(), store.ByMachine, now), w.kept, who.ID, who.Revision)
	if err != nil || !member.Removed || member.Revision != 2 {
		t.Fatalf("%+v (%v)", member, err)
	}
	if _, err := w.at(t, who.secret); err != ErrSignedOut {
		t.Errorf("its session: %v", err)
	}
	if _, err := w.signIn(t, who.authenticator); err != ErrProof {
		t.Errorf("its passkey: %v", err)
	}
	if act := w.lastAct(t); act.Action != "member.remove" || act.Target != who.ID || act.By != store.ByMachine {
		t.Errorf("the last act is %+v", act)
	}
	before := w.state(t)
	if _, _, err := InviteMember(t.Context(), w.kept, who.ID, now); err != store.ErrNotFound {
		t.Errorf("invited again: %v", err)
	}
	for _, change := range []func() (store.Member, error){
		func() (store.Member, error) { return RemoveMember(t.Context(), w.kept, who.ID, 2) },
		func() (store.Member, error) {
			return UpdateMember(t.Context(), w.kept, who.ID, 2, func(r *SeatRequest) error { r.Label = "Back"; return nil })
		},
	} {
		if member, err := change(); err != store.ErrConflict {
			t.Errorf("%+v (%v)", member, err)
		}
	}
	w.unchanged(t, "it", before)
}

func TestAMemberOfSingleSignOnIsTheProvidersAffair(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	member := store.Member{ID: "sso", Label: "Single sign-on", Role: store.RoleCoordinator, Subject: [32]byte{1}, Revision: 1}
	if err := w.kept.CreateMember(t.Context(), member); err != nil {
		t.Fatal(err)
	}
	before := w.state(t)
	for name, change := range map[string]func(*SeatRequest){
		"role":   func(r *SeatRequest) { r.Role = store.RoleAdministrator },
		"centre": func(r *SeatRequest) { r.Role, r.Centre = store.RoleIntake, "caw-brugge" },
	} {
		if _, err := UpdateMember(t.Context(), w.kept, "sso", 1, func(r *SeatRequest) error { change(r); return nil }); !errors.Is(err, ErrRequest) {
			t.Errorf("another %s: %v", name, err)
		}
	}
	if secret, _, err := InviteMember(t.Context(), w.kept, "sso", now); !errors.Is(err, ErrRequest) || secret != "" {
		t.Errorf("a passkey: %v", err)
	}
	if _, err := w.BeginPasskey(t.Context(), "", Principal{Kind: Seat, ID: "sso"}); !errors.Is(err, ErrRequest) {
		t.Errorf("one more passkey: %v", err)
	}
	w.unchanged(t, "it", before)
	if renamed, err := UpdateMember(t.Context(), w.kept, "sso", 1, func(r *SeatRequest) error { r.Label = "Jo"; return nil }); err != nil || renamed.Label != "Jo" {
		t.Errorf("another label: %+v (%v)", renamed, err)
	}
}

// brokenSeats is a store that makes no invitation.
type brokenSeats struct{ store.Store }

func (brokenSeats) PutInvitation(context.Context, store.Invitation) error {
	return store.ErrUnavailable
}

func TestNoSecretIsShownThatWasNotKept(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	secret, _, _, err := CreateMember(t.Context(), brokenSeats{w.kept}, SeatRequest{Label: "Desk", Role: store.RoleCounsellor}, now)
	if err != store.ErrUnavailable || secret != "" {
		t.Errorf("a member: %q (%v)", secret, err)
	}
	if secret, err := CreateFirst(t.Context(), brokenSeats{withCentres(t)}, now); err != store.ErrUnavailable || secret != "" {
		t.Errorf("the first: %q (%v)", secret, err)
	}
}
