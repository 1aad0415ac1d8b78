package access

import (
	"errors"
	"strings"
	"testing"
	"time"

	"aankomst/server/store"
)

func TestATokenThatIsRotatedIsAcceptedForAWhile(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		kept time.Duration
		last string // the last second at which the old one is accepted; empty: it is not
	}{
		{"no longer", 0, ""},
		{"for a day", day, "2026-05-05T23:59:59+02:00"},
		{"for an hour, up to the day's end", time.Hour, "2026-05-04T23:59:59+02:00"},
		{"up to its own end", MaxKept, "2026-05-14T23:59:59+02:00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := withCentres(t)
			old, token := create(t, s, Request{Label: "System", Role: store.RoleIntake, Centre: "caw-brugge", Validity: 10 * day}, now)
			secret, replacement, err := RotateToken(t.Context(), s, token.ID, 100*day, c.kept, now)
			if err != nil || secret == old || replacement.ID == token.ID || replacement.Label != token.Label || replacement.Role != token.Role ||
				replacement.Centre != token.Centre || replacement.Kind != store.KindMachine || replacement.ExpiresOn != "2026-08-13" || replacement.Hash != hash(secret) {
				t.Fatalf("%+v (%v)", replacement, err)
			}
			for _, moment := range []time.Time{now, at(t, "2026-08-12T23:59:59+02:00")} {
				if p, err := authenticate(t, s, secret, moment); err != nil || p.ID != replacement.ID || p.Centre != "caw-brugge" {
					t.Errorf("at %s the new one lets %+v in (%v)", moment, p, err)
				}
			}
			if c.last == "" {
				if _, err := authenticate(t, s, old, now); err != ErrExpired {
					t.Errorf("the old one: %v", err)
				}
				return
			}
			if p, err := authenticate(t, s, old, at(t, c.last)); err != nil || p.ID != token.ID {
				t.Errorf("the old one at %s: %+v (%v)", c.last, p, err)
			}
			if _, err := authenticate(t, s, old, at(t, c.last).Add(time.Second)); err != ErrExpired {
				t.Errorf("the old one after %s: %v", c.last, err)
			}
		})
	}
}

func TestWhatIsNotRotated(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	_, token := create(t, w.kept, Request{Label: "System", Role: store.RoleCounsellor, Validity: day}, now)
	_, revoked := create(t, w.kept, Request{Label: "System", Role: store.RoleCounsellor, Validity: day}, now)
	if err := w.kept.RevokeToken(t.Context(), revoked.ID); err != nil {
		t.Fatal(err)
	}
	invited, _ := w.device(t)
	enrolled, invitation := w.device(t)
	if _, _, err := w.EnrolDevice(t.Context(), "", invitation); err != nil {
		t.Fatal(err)
	}
	before := w.state(t)
	for _, c := range []struct {
		name, id       string
		validity, kept time.Duration
		want           error
	}{
		{"an unknown one", "unknown", day, 0, store.ErrNotFound},
		{"a revoked one", revoked.ID, day, 0, store.ErrConflict},
		{"an invited device", invited.ID, day, 0, store.ErrNotFound},
		{"an enrolled device", enrolled.ID, day, 0, store.ErrNotFound},
		{"for no time", token.ID, 0, 0, ErrRequest},
		{"for too long", token.ID, MaxValidity + 1, 0, ErrRequest},
		{"kept for less than no time", token.ID, day, -1, ErrRequest},
		{"kept for too long", token.ID, day, MaxKept + 1, ErrRequest},
	} {
		if _, _, err := RotateToken(t.Context(), w.kept, c.id, c.validity, c.kept, now); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	w.unchanged(t, "it", before)
}

func TestADeviceIsInvited(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	secret, device, invitation, err := InviteDevice(t.Context(), w.kept, "Tablet at the desk", "caw-brugge", at(t, "2026-05-04T10:14:59Z"))
	if err != nil || device.Label != "Tablet at the desk" || device.Role != store.RoleIntake || device.Centre != "caw-brugge" || device.Kind != store.KindInvited {
		t.Fatalf("%+v (%v)", device, err)
	}
	if invitation.Device != device.ID || invitation.Member != "" || invitation.Hash != hash(secret) || !invitation.EndsAt.Equal(at(t, "2026-05-06T10:00:00Z")) {
		t.Errorf("the invitation is %+v", invitation)
	}
	if device.Hash == hash(secret) {
		t.Error("whoever has the invitation has the device's secret")
	}
	door := NewDoor(w.kept, w.clock.time)
	defer door.Close()
	for _, with := range []Credentials{{Device: secret}, {Bearer: secret}, {Session: secret}} {
		if p, err := door.Authenticate(t.Context(), with, ""); err == nil || !isNobody(p) {
			t.Errorf("the invitation lets %+v in", p)
		}
	}
	before := w.state(t)
	for name, c := range map[string]struct{ label, centre, refusal string }{
		"no label":           {"", "caw-brugge", "label"},
		"no centre":          {"Tablet", "", "name it"},
		"an unknown centre":  {"Tablet", "nowhere", "no centre"},
		"an archived centre": {"Tablet", "gone", "no centre"},
	} {
		if secret, _, _, err := InviteDevice(t.Context(), w.kept, c.label, c.centre, now); !errors.Is(err, ErrRequest) || !strings.Contains(err.Error(), c.refusal) || secret != "" {
			t.Errorf("%s: %q (%v)", name, secret, err)
		}
	}
	w.unchanged(t, "it", before)
}
