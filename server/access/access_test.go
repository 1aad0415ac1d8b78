package access

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"aankomst/server/store"
)

const day = 24 * time.Hour

var now = time.Date(2026, time.May, 4, 10, 0, 0, 0, time.UTC)

// withCentres opens a store with an open and an archived centre.
func withCentres(t testing.TB) store.Store {
	t.Helper()
	s := openStore(t)
	for _, centre := range []store.Centre{
		{ID: "caw-brugge", Name: "CAW Brugge", Type: store.TypeCAW, Intake: store.IntakeOpen},
		{ID: "gone", Name: "Gone", Type: store.TypeCAW, Intake: store.IntakeOpen, Archived: true},
	} {
		if err := s.CreateCentre(t.Context(), centre); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// create is Create for requests that must work.
func create(t *testing.T, s store.Store, request Request, now time.Time) (string, store.Token) {
	t.Helper()
	secret, token, err := CreateToken(t.Context(), s, request, now)
	if err != nil {
		t.Fatal(err)
	}
	return secret, token
}

func TestASecretIsKeptNowhere(t *testing.T) {
	t.Parallel()
	s := withCentres(t)
	secrets, ids := map[string]bool{}, map[string]bool{}
	for range 20 {
		secret, token := create(t, s, Request{Label: "desk", Role: store.RoleCounsellor, Validity: day}, now)
		random, found := strings.CutPrefix(secret, "aankomst_")
		if !found || len(random) < 52 { // 32 bytes in base 32
			t.Errorf("the secret has %d characters after its prefix", len(random))
		}
		if token.Hash != sha256.Sum256([]byte(secret)) {
			t.Error("the hash is not that of the secret")
		}
		secrets[random], ids[token.ID] = true, true
	}
	if len(secrets) != 20 || len(ids) != 20 {
		t.Errorf("%d secrets and %d names of 20 tokens", len(secrets), len(ids))
	}
	stored, err := s.ListTokens(t.Context())
	if err != nil || len(stored) != 20 {
		t.Fatalf("%d tokens (%v)", len(stored), err)
	}
	for _, token := range stored {
		for random := range secrets {
			if strings.Contains(fmt.Sprintf("%+v", token), random) || strings.Contains(random, token.ID) {
				t.Fatal("a stored token tells of a secret")
			}
		}
	}
}

func TestATokenExpiresAtTheEndOfADayInBrussels(t *testing.T) {
	t.Parallel()
	s := withCentres(t)
	for _, c := range []struct {
		name, made string
		validity   time.Duration
		last, on   string // the last second it is accepted, and the day it is refused
	}{
		{"a day", "2026-05-04T10:00:00+02:00", day, "2026-05-05T23:59:59+02:00", "2026-05-06"},
		{"a second", "2026-05-04T10:00:00+02:00", time.Second, "2026-05-04T23:59:59+02:00", "2026-05-05"},
		{"over midnight in Brussels, not in UTC", "2026-05-04T23:30:00+02:00", time.Hour, "2026-05-05T23:59:59+02:00", "2026-05-06"},
		{"to the day on which the clock goes forward", "2026-03-28T12:00:00+01:00", day, "2026-03-29T23:59:59+02:00", "2026-03-30"},
		{"to the day on which the clock goes back", "2026-10-24T12:00:00+02:00", day, "2026-10-25T23:59:59+01:00", "2026-10-26"},
		{"over the new year", "2026-12-31T12:00:00+01:00", 12 * time.Hour, "2027-01-01T23:59:59+01:00", "2027-01-02"},
		{"the longest", "2026-01-01T00:00:00+01:00", MaxValidity, "2027-02-05T23:59:59+01:00", "2027-02-06"},
	} {
		t.Run(c.name, func(t *testing.T) {
			secret, token := create(t, s, Request{Label: "desk", Role: store.RoleCounsellor, Validity: c.validity}, at(t, c.made))
			if token.ExpiresOn != c.on {
				t.Errorf("it expires on %s, want %s", token.ExpiresOn, c.on)
			}
			last := at(t, c.last)
			if _, err := authenticate(t, s, secret, last); err != nil {
				t.Errorf("at %s: %v", c.last, err)
			}
			if principal, err := authenticate(t, s, secret, last.Add(time.Second)); !errors.Is(err, ErrExpired) || !isNobody(principal) {
				t.Errorf("a second after %s: %+v (%v)", c.last, principal, err)
			}
		})
	}
}

func TestWhatIsNoTokenIsRefused(t *testing.T) {
	t.Parallel()
	s := withCentres(t)
	request := Request{Label: "desk", Role: store.RoleAdministrator, Validity: day}
	good, _ := create(t, s, request, now)
	revoked, token := create(t, s, request, now)
	for range 2 { // revoking twice is no error
		if err := s.RevokeToken(t.Context(), token.ID); err != nil {
			t.Fatal(err)
		}
	}
	hash := sha256.Sum256([]byte(good))
	for _, c := range []struct {
		name, secret string
		want         error
	}{
		{"nothing", "", ErrNobody},
		{"revoked", revoked, ErrRevoked},
		{"never made", "aankomst_" + strings.Repeat("a", 52), ErrUnknownToken},
		{"cut short", good[:len(good)-1], ErrUnknownToken},
		{"with a space", good + " ", ErrUnknownToken},
		{"in capitals", strings.ToUpper(good), ErrUnknownToken},
		{"without its prefix", strings.TrimPrefix(good, "aankomst_"), ErrUnknownToken},
		{"the name of a token", token.ID, ErrUnknownToken},
		{"what the store keeps of it", string(hash[:]), ErrUnknownToken},
	} {
		principal, err := authenticate(t, s, c.secret, now)
		if !errors.Is(err, c.want) || !isNobody(principal) {
			t.Errorf("%s: got %+v (%v), want %v", c.name, principal, err, c.want)
		}
	}
	if _, err := authenticate(t, s, good, now); err != nil {
		t.Errorf("the other token: %v", err)
	}
}

// A store that is away must not look like a wrong token: the client would throw a good one away.
func TestTheStoresErrorsAreNoVerdict(t *testing.T) {
	t.Parallel()
	_, err := authenticate(t, brokenStore{}, "aankomst_x", now)
	if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, ErrUnknownToken) {
		t.Errorf("Authenticate: %v", err)
	}
	_, _, err = CreateToken(t.Context(), brokenStore{}, Request{Label: "desk", Role: store.RoleIntake, Centre: "x", Validity: day}, now)
	if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, ErrRequest) {
		t.Errorf("Create: %v", err)
	}
}

type brokenStore struct {
	store.Tokens
	store.Centres
}

func (brokenStore) Callers(context.Context, [][32]byte) ([]store.Caller, error) {
	return nil, store.ErrUnavailable
}

func (brokenStore) GetCentre(context.Context, string) (store.Centre, error) {
	return store.Centre{}, store.ErrUnavailable
}

func TestWhichTokensAreMade(t *testing.T) {
	t.Parallel()
	s := withCentres(t)
	for _, c := range []struct {
		name    string
		request Request
		refusal string // what the message says; empty: it is made
	}{
		{"a counsellor's", Request{"desk 1", store.RoleCounsellor, "", day}, ""},
		{"a label of the greatest length", Request{strings.Repeat("é", MaxLabel), store.RoleCounsellor, "", day}, ""},
		{"a label too long", Request{strings.Repeat("é", MaxLabel+1), store.RoleCounsellor, "", day}, "label"},
		{"no label", Request{"", store.RoleCounsellor, "", day}, "label"},
		{"a blank label", Request{"  ", store.RoleCounsellor, "", day}, "label"},
		{"a label of two lines", Request{"a\nb", store.RoleCounsellor, "", day}, "label"},
		{"a label that turns text around", Request{"a\u202eb", store.RoleCounsellor, "", day}, "label"},
		{"a label that is no text", Request{"a\xff", store.RoleCounsellor, "", day}, "label"},
		{"no role", Request{"desk", "", "", day}, "role"},
		{"an unknown role", Request{"desk", "counsellor", "", day}, "role"},
		{"an intake's", Request{"desk", store.RoleIntake, "caw-brugge", day}, ""},
		{"an intake's without centre", Request{"desk", store.RoleIntake, "", day}, "name it"},
		{"an intake's of an unknown centre", Request{"desk", store.RoleIntake, "nowhere", day}, "no centre"},
		{"an intake's of an archived centre", Request{"desk", store.RoleIntake, "gone", day}, "no centre"},
		{"a counsellor's of a centre", Request{"desk", store.RoleCounsellor, "caw-brugge", day}, "only INTAKE"},
		{"an administrator's of a centre", Request{"desk", store.RoleAdministrator, "caw-brugge", day}, "only INTAKE"},
		{"no validity", Request{"desk", store.RoleCounsellor, "", 0}, "days"},
		{"a negative validity", Request{"desk", store.RoleCounsellor, "", -day}, "days"},
		{"the longest validity", Request{"desk", store.RoleCounsellor, "", MaxValidity}, ""},
		{"longer than that", Request{"desk", store.RoleCounsellor, "", MaxValidity + 1}, "400 days"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before, err := s.ListTokens(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			secret, _, err := CreateToken(t.Context(), s, c.request, now)
			made := 0
			if c.refusal == "" {
				made = 1
				if err != nil || secret == "" {
					t.Errorf("it was not made: %v", err)
				}
			} else if !errors.Is(err, ErrRequest) || !strings.Contains(err.Error(), c.refusal) || secret != "" {
				t.Errorf("got %v, want a refusal about %q", err, c.refusal)
			}
			if after, err := s.ListTokens(t.Context()); err != nil || len(after) != len(before)+made {
				t.Errorf("%d tokens, then %d (%v)", len(before), len(after), err)
			}
		})
	}
}
