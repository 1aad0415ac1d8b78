package access

import (
	"errors"
	"strings"
	"testing"

	"aankomst/server/store"
)

func TestTheClaimGivesOneRoleAsAStringOrInAList(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		claim any
		role  store.Role
	}{
		{"coordination", store.RoleCoordinator},
		{[]string{"coordination"}, store.RoleCoordinator},
		{[]any{"everyone", 7, nil, "it"}, store.RoleAdministrator},
		{[]string{"helpline", "chat", "helpline"}, store.RoleCounsellor},
	} {
		w := withProvider(t)
		w.idp.say(map[string]any{DefaultRoleClaim: c.claim, DefaultCentreClaim: "nowhere"})
		if started := w.mustSignIn(t); started.Member.Role != c.role || started.Member.Centre != "" {
			t.Errorf("%v gives %+v", c.claim, started.Member)
		}
	}
}

func TestClaimsAreReadUnderTheNamesOfTheSettings(t *testing.T) {
	t.Parallel()
	w := withProvider(t)
	settings := settingsOf(w.idp)
	settings.RoleClaim, settings.CentreClaim = "https://aankomst.example/groups", "department"
	w.SignIns = signInsWith(t, w.kept, settings, w.clock.time)
	w.idp.say(map[string]any{settings.RoleClaim: "desk", settings.CentreClaim: "caw-brugge", DefaultRoleClaim: "it"})
	if started := w.mustSignIn(t); started.Member.Role != store.RoleIntake || started.Member.Centre != "caw-brugge" {
		t.Errorf("%+v", started.Member)
	}
}

// Whoever is told must be able to say to the provider's administrator what to change.
func TestWhoHasNoOneRoleGetsNoSeat(t *testing.T) {
	t.Parallel()
	for name, claim := range map[string]any{
		"none": nil, "unknown": "cleaning", "another case": "Coordination", "none in a list": []string{}, "two": []string{"helpline", "it"},
		"a number": 3, "a list in a list": [][]string{{"it"}}, "words": "it helpline", "an object": map[string]any{"it": true}, "nothing": "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := withProvider(t)
			w.idp.say(map[string]any{DefaultRoleClaim: claim})
			_, err := w.signIn(t, false)
			if !errors.Is(err, ErrNoSeat) || !strings.Contains(err.Error(), DefaultRoleClaim) || !strings.Contains(err.Error(), "chat, coordination, desk, helpline, it") {
				t.Errorf("it says %v", err)
			}
			if len(w.members(t)) != 0 || w.wrongs(t, "") != 0 {
				t.Errorf("%d members, %d wrong attempts", len(w.members(t)), w.wrongs(t, ""))
			}
		})
	}
}

func TestIntakeNeedsACentreThatIsInUse(t *testing.T) {
	t.Parallel()
	for name, claim := range map[string]any{
		"none": nil, "unknown": "nowhere", "archived": "gone", "a list": []string{"caw-brugge"}, "an address": "jane@example.org", "nothing": "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := withProvider(t)
			w.idp.say(map[string]any{DefaultRoleClaim: "desk", DefaultCentreClaim: claim})
			_, err := w.signIn(t, false)
			if !errors.Is(err, ErrNoSeat) || errors.Is(err, ErrRequest) || !strings.Contains(err.Error(), DefaultCentreClaim) {
				t.Errorf("it says %v", err)
			}
			if len(w.members(t)) != 0 {
				t.Errorf("%+v was made", w.members(t))
			}
		})
	}
	w := withProvider(t)
	w.idp.say(map[string]any{DefaultRoleClaim: "desk", DefaultCentreClaim: "caw-brugge"})
	if started := w.mustSignIn(t); started.Member.Role != store.RoleIntake || started.Member.Centre != "caw-brugge" {
		t.Errorf("%+v signed in", started.Member)
	}
}

// Who loses the last role at the provider keeps nothing by it: the seat stays as it was, and is not entered.
func TestASeatWithoutARoleIsNotEntered(t *testing.T) {
	t.Parallel()
	w := withProvider(t)
	before := w.mustSignIn(t)
	w.idp.say(map[string]any{DefaultRoleClaim: nil})
	if _, err := w.signIn(t, false); !errors.Is(err, ErrNoSeat) {
		t.Errorf("it says %v", err)
	}
	sessions, err := w.kept.ListSessions(t.Context(), before.Member.ID)
	if err != nil || len(sessions) != 1 || sessions[0] != before.Session || w.members(t)[0] != before.Member {
		t.Errorf("the sessions are %+v (%v), the member is %+v", sessions, err, w.members(t)[0])
	}
}
