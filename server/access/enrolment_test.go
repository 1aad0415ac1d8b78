package access

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"aankomst/server/store"
)

func TestAnInvitationEnrolsAPasskeyAndSignsIn(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	member, invitation := w.invite(t, store.RoleCoordinator)
	invited, err := w.BeginEnrolment(t.Context(), "", invitation)
	if err != nil || invited.Member != member || invited.Device != "" {
		t.Fatalf("invited is %+v (%v)", invited, err)
	}
	a := newAuthenticator(t)
	started, err := w.FinishEnrolment(t.Context(), "", invitation, invited.Asked.Ceremony, a.make(t, invited.Asked, func(s *said) { s.flags |= eligible | backedUp }), "Key on the ring")
	if err != nil || started.Member != member || started.Session.Member != member.ID {
		t.Fatalf("%+v (%v)", started, err)
	}
	if seat := w.seat(t, started.Secret); seat.ID != member.ID || !seat.FreshUntil().Equal(now.Add(30*time.Minute)) {
		t.Errorf("signed in is %+v", seat)
	}
	kept := w.passkey(t, a)
	if kept.Member != member.ID || kept.Name != "Key on the ring" || kept.AddedOn != "2026-05-04" || kept.Count != 1 ||
		!kept.BackupEligible || !kept.BackedUp || kept.Suspected || !slices.Equal(kept.Transports, []string{"hybrid", "internal"}) {
		t.Errorf("the passkey is kept as %+v", kept)
	}
	if act := w.lastAct(t); act.Action != "passkey.add" || act.By != store.BySeat(member.ID) || act.Target != member.ID || !act.At.Equal(now) {
		t.Errorf("the last act is %+v", act)
	}
	a.flags |= eligible | backedUp
	w.mustSignIn(t, a)
	if _, err := w.BeginEnrolment(t.Context(), "", invitation); err != ErrInvitation {
		t.Errorf("the invitation again: %v", err)
	}
	if _, err := w.finishEnrolment(t, invitation, invited.Asked.Ceremony, newAuthenticator(t).make(t, invited.Asked)); err != ErrInvitation {
		t.Errorf("finished again: %v", err)
	}
}

func TestABrowserIsAskedForAPasskeyThatVerifiesItsUser(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	who := w.join(t)
	asked, err := w.BeginPasskey(t.Context(), "", w.seat(t, who.secret))
	if err != nil {
		t.Fatal(err)
	}
	var options struct {
		RP                     struct{ ID string }
		User                   struct{ ID, Name string }
		Challenge, Attestation string
		ExcludeCredentials     []struct{ ID string }
		AuthenticatorSelection struct {
			ResidentKey, UserVerification string
			RequireResidentKey            bool
		}
	}
	if err := json.Unmarshal(asked.Options, &options); err != nil {
		t.Fatal(err)
	}
	chosen := options.AuthenticatorSelection
	if options.RP.ID != "aankomst.example" || options.User.ID != written([]byte(who.ID)) || options.User.Name != "Desk" ||
		len(unwritten(t, options.Challenge)) < 32 || options.Attestation == "direct" ||
		chosen.ResidentKey != "required" || !chosen.RequireResidentKey || chosen.UserVerification != "required" {
		t.Errorf("asked is %s", asked.Options)
	}
	if len(options.ExcludeCredentials) != 1 || options.ExcludeCredentials[0].ID != written(who.id) {
		t.Errorf("excluded are %+v", options.ExcludeCredentials)
	}
	// An authenticator whose passkey is accepted no more may have another one.
	if err := w.kept.SuspectPasskey(t.Context(), who.ID, who.id); err != nil {
		t.Fatal(err)
	}
	secret, _, err := InviteMember(t.Context(), w.kept, who.ID, w.clock.time())
	if err != nil {
		t.Fatal(err)
	}
	invited, err := w.BeginEnrolment(t.Context(), "", secret)
	if err != nil || strings.Contains(string(invited.Asked.Options), written(who.id)) {
		t.Errorf("asked is %s (%v)", invited.Asked.Options, err)
	}
	signIn, err := w.BeginSignIn(t.Context(), "")
	if err != nil || !strings.Contains(string(signIn.Options), `"userVerification":"required"`) || strings.Contains(string(signIn.Options), "allowCredentials") {
		t.Errorf("who signs in is asked %s (%v)", signIn.Options, err)
	}
}

// add adds a passkey to a seat.
func (w world) add(t *testing.T, seat Principal, a *authenticator, name string, changes ...func(*said)) error {
	t.Helper()
	asked, err := w.BeginPasskey(t.Context(), "", seat)
	if err != nil {
		t.Fatal(err)
	}
	return w.FinishPasskey(store.As(t.Context(), seat.By(), w.clock.time()), seat, asked.Ceremony, a.make(t, asked, changes...), name)
}

func TestAMemberHasSeveralPasskeysEachUnderAName(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	who := w.join(t)
	seat := w.seat(t, who.secret)
	for _, name := range []string{"Phone", "Sleutel van thuis", strings.Repeat("é", MaxLabel)} {
		a := newAuthenticator(t)
		if err := w.add(t, seat, a, name); err != nil {
			t.Fatal(err)
		}
		if kept := w.passkey(t, a); kept.Name != name || kept.Member != who.ID {
			t.Errorf("%+v", kept)
		}
		if act := w.lastAct(t); act.Action != "passkey.add" || act.By != store.BySeat(who.ID) {
			t.Errorf("the last act is %+v", act)
		}
		if signedIn := w.mustSignIn(t, a); signedIn.ID != who.ID {
			t.Errorf("%s signs %s in", name, signedIn.ID)
		}
	}
	w.mustSignIn(t, who.authenticator)
	before := w.state(t)
	for _, name := range []string{"", "  ", "a\nb", "a\xff", strings.Repeat("é", MaxLabel+1)} {
		if err := w.add(t, seat, newAuthenticator(t), name); !errors.Is(err, ErrRequest) {
			t.Errorf("named %q: %v", name, err)
		}
	}
	w.unchanged(t, "a name that is none", before)
}

func TestANameThatIsRefusedUsesNothingUp(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	_, invitation := w.invite(t, store.RoleCoordinator)
	invited, err := w.BeginEnrolment(t.Context(), "", invitation)
	if err != nil {
		t.Fatal(err)
	}
	made := newAuthenticator(t).make(t, invited.Asked)
	if _, err := w.FinishEnrolment(t.Context(), "", invitation, invited.Asked.Ceremony, made, "a\x00b"); !errors.Is(err, ErrRequest) {
		t.Fatalf("it says %v", err)
	}
	if _, err := w.finishEnrolment(t, invitation, invited.Asked.Ceremony, made); err != nil {
		t.Errorf("with a better name: %v", err)
	}
}

func TestAPasskeyThatIsNotAsItMustBeIsRefused(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	member, invitation := w.invite(t, store.RoleCoordinator)
	who := w.join(t)
	seat := w.seat(t, who.secret)
	cases := maps.Clone(elsewhereSaid)
	maps.Copy(cases, map[string]func(*said){
		"as a proof":                    client("type", "webauthn.get"),
		"without passkey":               func(s *said) { s.flags &^= attested },
		"with an ID of no bytes":        func(s *said) { s.id = nil },
		"with an ID too long":           func(s *said) { s.id = make([]byte, 1024) },
		"under another ID":              func(s *said) { s.sent = func(c, _ map[string]any) { c["id"], c["rawId"] = "AAAA", "AAAA" } },
		"with a key for no algorithm":   func(s *said) { s.cose = map[int]any{1: 2, 3: 0} },
		"with a key of SHA-1":           func(s *said) { s.cose = map[int]any{1: 3, 3: -65535, -1: make([]byte, 256), -2: []byte{1, 0, 1}} },
		"with no key":                   func(s *said) { s.cose = []byte{} },
		"with an unknown attestation":   func(s *said) { s.format = "unknown" },
		"with an empty attestation":     func(s *said) { s.format = "packed" },
		"with nothing attested":         response("attestationObject", ""),
		"with an attestation cut short": response("attestationObject", written([]byte{0xa3, 0x63})),
	})
	before := w.state(t)
	for name, change := range cases {
		w.clock.move(time.Minute)
		if _, err := w.enrol(t, invitation, newAuthenticator(t), change); err != ErrProof {
			t.Errorf("%s: %v", name, err)
		}
		if err := w.add(t, seat, newAuthenticator(t), "Key", change); err != ErrProof {
			t.Errorf("%s, one more: %v", name, err)
		}
	}
	for _, text := range garbage {
		w.clock.move(time.Minute)
		invited, err := w.BeginEnrolment(t.Context(), "", invitation)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.finishEnrolment(t, invitation, invited.Asked.Ceremony, text); err != ErrProof {
			t.Errorf("%.40q: %v", text, err)
		}
	}
	w.unchanged(t, "a refused passkey", before)
	// Whoever has an invitation keeps nobody from signing in.
	if at := w.wrongs(t, store.AttemptSignIn, member.ID); at != 0 {
		t.Errorf("%d were counted at the member", at)
	}
	if _, err := w.enrol(t, invitation, newAuthenticator(t)); err != nil {
		t.Errorf("as it must be: %v", err)
	}
}

func TestAPasskeyIsEnrolledOnce(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	who := w.join(t)
	_, invitation := w.invite(t, store.RoleCoordinator)
	thief := newAuthenticator(t)
	before := w.state(t)
	// With an ID that another has, whoever's key it is.
	for _, change := range []func(*said){
		func(s *said) { s.id = who.id },
		func(s *said) {
			s.id, s.cose = who.id, map[int]any{1: 2, 3: -7, -1: 1, -2: make([]byte, 32), -3: make([]byte, 32)}
		},
	} {
		if _, err := w.enrol(t, invitation, thief, change); err != store.ErrExists {
			t.Errorf("by an invitation: %v", err)
		}
	}
	if err := w.add(t, w.seat(t, who.secret), newAuthenticator(t), "Twice", func(s *said) { s.id = who.id }); err != store.ErrExists {
		t.Errorf("twice: %v", err)
	}
	w.unchanged(t, "an ID that is taken", before)
	w.mustSignIn(t, who.authenticator)
	if _, err := w.enrol(t, invitation, thief); err != nil {
		t.Errorf("the invitation, rightly: %v", err)
	}
}

func TestWhatABrowserTellsOfAPasskeyIsKeptWithinBounds(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	who := w.join(t, func(s *said) {
		s.transports = append(slices.Repeat([]string{"usb", "cable", "usb"}, 1000), "a\x00b", strings.Repeat("a", 10_000), "")
	})
	if kept := w.passkey(t, who.authenticator); !slices.Equal(kept.Transports, []string{"usb", "hybrid"}) {
		t.Errorf("the transports are %.100q", kept.Transports)
	}
	for _, length := range []int{1, 1023} {
		a := newAuthenticator(t)
		a.id = []byte(strings.Repeat("i", length))
		if err := w.add(t, w.seat(t, who.secret), a, "Key"); err != nil {
			t.Fatalf("an ID of %d bytes: %v", length, err)
		}
		w.mustSignIn(t, a)
	}
}

func TestAMemberHasNoMorePasskeysThanAreAllowed(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	who := w.join(t)
	seat := w.seat(t, who.secret)
	for i := range maxPasskeys - 2 {
		if err := w.add(t, seat, newAuthenticator(t), fmt.Sprint("Key ", i)); err != nil {
			t.Fatal(err)
		}
	}
	finish := func(asked Asked) error {
		return w.FinishPasskey(t.Context(), seat, asked.Ceremony, newAuthenticator(t).make(t, asked), "Key")
	}
	var asked []Asked
	for range 2 { // at once, while there is room for one
		next, err := w.BeginPasskey(t.Context(), "", seat)
		if err != nil {
			t.Fatal(err)
		}
		asked = append(asked, next)
	}
	if err := finish(asked[0]); err != nil {
		t.Fatal(err)
	}
	before := w.state(t)
	if err := finish(asked[1]); !errors.Is(err, ErrRequest) {
		t.Errorf("one too many: %v", err)
	}
	if next, err := w.BeginPasskey(t.Context(), "", seat); !errors.Is(err, ErrRequest) || len(next.Options) > 0 {
		t.Errorf("asked for one too many: %v", err)
	}
	w.unchanged(t, "one too many", before)
	if len(before.Passkeys) != maxPasskeys {
		t.Errorf("%d passkeys", len(before.Passkeys))
	}
}
