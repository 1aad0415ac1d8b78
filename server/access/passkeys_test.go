package access

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"aankomst/server/store"
)

func TestAMemberSignsInWithAPasskey(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	one, other := w.join(t), w.join(t)
	for range 2 {
		for _, who := range []somebody{one, other} {
			principal := w.mustSignIn(t, who.authenticator)
			if principal.ID != who.ID || principal.Role != store.RoleCoordinator || principal.Label != "Desk" {
				t.Errorf("%+v signed in as %+v", who.Member, principal)
			}
			if kept := w.passkey(t, who.authenticator); kept.Count != who.count || kept.Suspected {
				t.Errorf("at %d, the passkey is kept as %+v", who.count, kept)
			}
		}
	}
	state := w.state(t)
	if len(state.Sessions) != 6 { // two began with the enrolment
		t.Errorf("%d sessions", len(state.Sessions))
	}
	for _, act := range state.Acts {
		if !slices.Contains([]string{"centre.create", "member.create", "member.invite", "passkey.add"}, act.Action) {
			t.Errorf("that somebody signed in is recorded: %+v", act)
		}
	}
	if w.wrongs(t, store.AttemptSignIn, "") != 0 {
		t.Error("what was right is counted as wrong")
	}
}

func TestEverySignInHasASessionOfItsOwnThatCanBeLeft(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	who := w.join(t)
	started, err := w.signIn(t, who.authenticator)
	if err != nil || started.Secret == who.secret || len(strings.TrimPrefix(started.Secret, "aankomst_session_")) < 52 {
		t.Fatalf("the session's secret is %q (%v)", started.Secret, err)
	}
	if err := w.Leave(t.Context(), started.Secret); err != nil {
		t.Fatal(err)
	}
	if principal, err := w.at(t, started.Secret); err != ErrSignedOut {
		t.Errorf("it lets %+v in (%v)", principal, err)
	}
	w.seat(t, who.secret)
	if err := w.Leave(t.Context(), started.Secret); err != nil {
		t.Errorf("leaving twice: %v", err)
	}
}

// client changes one member of the client data.
func client(name string, value any) func(*said) {
	return func(s *said) {
		s.client[name] = value
		if value == nil {
			delete(s.client, name)
		}
	}
}

// response changes one member of the response after it was signed.
func response(name string, value any) func(*said) {
	return func(s *said) { s.sent = func(_, response map[string]any) { response[name] = value } }
}

// credential changes one member of the credential after it was signed.
func credential(name string, value any) func(*said) {
	return func(s *said) { s.sent = func(credential, _ map[string]any) { credential[name] = value } }
}

// elsewhereSaid are what is said to a page that is not this server's, or to none that a browser shows alone.
var elsewhereSaid = map[string]func(*said){
	"at another host":          client("origin", "https://evil.example"),
	"at another port":          client("origin", ssoOrigin+":8443"),
	"without encryption":       client("origin", "http://aankomst.example"),
	"at a sub-domain":          client("origin", "https://www.aankomst.example"),
	"at the domain above":      client("origin", "https://example"),
	"at a name that begins so": client("origin", ssoOrigin+".evil.example"),
	"at a name in its user":    client("origin", "https://aankomst.example@evil.example"),
	"at no origin":             client("origin", "null"),
	"without origin":           client("origin", nil),
	"in an app":                client("origin", "android:apk-key-hash:aankomst"),
	"in a frame":               client("crossOrigin", true),
	"in a frame of a page of its own": func(s *said) {
		s.client["crossOrigin"], s.client["topOrigin"] = true, ssoOrigin
	},
	"below another page":            client("topOrigin", "https://evil.example"),
	"for another server":            func(s *said) { s.party = "evil.example" },
	"for its origin":                func(s *said) { s.party = ssoOrigin },
	"for a server above":            func(s *said) { s.party = "example" },
	"without anybody":               func(s *said) { s.flags &^= present },
	"without verification":          func(s *said) { s.flags &^= verified },
	"by nobody at all":              func(s *said) { s.flags &^= present | verified },
	"backed up, which it cannot be": func(s *said) { s.flags |= backedUp },
	"with extra bytes":              func(s *said) { s.tail = []byte{0} },
	"with extensions, but none":     func(s *said) { s.flags |= extended },
	"with an extension unasked for": credential("clientExtensionResults", map[string]any{"appid": true}),
	"with an empty challenge":       client("challenge", ""),
	"without challenge":             client("challenge", nil),
	"with another challenge":        client("challenge", written(make([]byte, 32))),
	"with a padded challenge":       func(s *said) { s.client["challenge"] = s.client["challenge"].(string) + "=" },
	"with no kind":                  client("type", nil),
	"as a payment":                  client("type", "payment.get"),
	"as no public key":              credential("type", "password"),
	"under two IDs":                 credential("id", written([]byte("another"))),
	"under no ID":                   credential("id", ""),
	"with empty client data":        response("clientDataJSON", ""),
	"with client data that is none": response("clientDataJSON", written([]byte("[]"))),
	"with numbers for bytes":        response("clientDataJSON", 7),
}

func TestAProofThatIsNotAsItMustBeIsRefused(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	who, other, removed := w.join(t), w.join(t), w.join(t)
	if _, err := RemoveMember(t.Context(), w.kept, removed.ID, removed.Revision); err != nil {
		t.Fatal(err)
	}
	cases := maps.Clone(elsewhereSaid)
	maps.Copy(cases, map[string]func(*said){
		"as a new passkey":                client("type", "webauthn.create"),
		"signed by another":               func(s *said) { s.key = other.key },
		"with another's handle":           func(s *said) { s.handle = other.handle },
		"with the handle of nobody":       func(s *said) { s.handle = []byte("nobody") },
		"with the first's handle":         func(s *said) { s.handle = []byte(FirstMember) },
		"with no handle":                  func(s *said) { s.handle = nil },
		"without handle":                  response("userHandle", nil),
		"with a handle cut short":         func(s *said) { s.handle = s.handle[:8] },
		"with a handle in capitals":       func(s *said) { s.handle = []byte(strings.ToUpper(string(s.handle))) },
		"with a handle that is no text":   func(s *said) { s.handle = []byte{0xff, 0xfe} },
		"with a handle with a zero":       func(s *said) { s.handle = append(slices.Clone(s.handle), 0) },
		"with another's passkey":          func(s *said) { s.id = other.id },
		"with all that is another's":      func(s *said) { s.id, s.handle = other.id, other.handle },
		"with an unknown passkey":         func(s *said) { s.id = []byte("unknown") },
		"with a very long ID":             func(s *said) { s.id = make([]byte, 5000) },
		"with a removed member's handle":  func(s *said) { s.handle = removed.handle },
		"as one that can be backed up":    func(s *said) { s.flags |= eligible },
		"without signature":               response("signature", ""),
		"with a signature of zeros":       response("signature", written(make([]byte, 70))),
		"with a garbled signature":        response("signature", "!"),
		"with no authenticator data":      response("authenticatorData", ""),
		"with data cut short":             response("authenticatorData", written(make([]byte, 36))),
		"with data of another use":        response("authenticatorData", written(said{party: "aankomst.example", flags: present | verified, count: 99}.data(nil))),
		"with passkey data, but none":     func(s *said) { s.flags |= attested },
		"with client data of another use": response("clientDataJSON", written([]byte(`{"type":"webauthn.get","origin":"https://aankomst.example"}`))),
	})
	before := w.state(t)
	for name, change := range cases {
		w.clock.move(quarter) // so that each is looked at
		if _, err := w.signIn(t, who.authenticator, change); err != ErrProof {
			t.Errorf("%s: %v", name, err)
		}
		if w.wrongs(t, store.AttemptSignIn, "") != 1 {
			t.Errorf("%s: it was not counted", name)
		}
	}
	w.clock.move(quarter)
	if _, err := w.signIn(t, removed.authenticator); err != ErrProof {
		t.Errorf("a removed member: %v", err)
	}
	w.unchanged(t, "a refused proof", before)
	w.mustSignIn(t, who.authenticator)
}

var garbage = []string{"", " ", "null", "{}", "[]", "7", `"x"`, "{", `{"id":"AA"}`, "\x00", "\xff", strings.Repeat("[", 20_000)}

func TestGarbageIsRefused(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	who := w.join(t)
	asked, err := w.BeginSignIn(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	whole := who.prove(t, asked)
	before := w.state(t)
	for _, text := range append(garbage, whole[1:], whole[:len(whole)-1], whole+whole, whole+"x") {
		w.clock.move(quarter)
		if asked, err = w.BeginSignIn(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		if _, err := w.finishSignIn(t, asked.Ceremony, text); err != ErrProof {
			t.Errorf("%.40q as a proof: %v", text, err)
		}
		if _, err := w.finishSignIn(t, text, whole); err != ErrProof {
			t.Errorf("%.40q as a ceremony: %v", text, err)
		}
	}
	w.unchanged(t, "garbage", before)
}

// textOnly is a store that, as some databases do, fails when it is asked for what is no text.
type textOnly struct {
	store.Store
	t *testing.T
}

func (s textOnly) GetMember(ctx context.Context, id string) (store.Member, error) {
	if !utf8.ValidString(id) || strings.ContainsRune(id, 0) {
		s.t.Errorf("the store was asked for %q", id)
	}
	return s.Store.GetMember(ctx, id)
}

func TestNoDatabaseIsAskedForAHandleThatIsNoText(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	who := w.join(t)
	w = w.over(t, textOnly{w.kept, t})
	for _, handle := range []string{"\xff", "first\x00", "\x00", "a\xc0\xafb"} {
		if _, err := w.signIn(t, who.authenticator, func(s *said) { s.handle = []byte(handle) }); err != ErrProof {
			t.Errorf("%q: %v", handle, err)
		}
	}
	w.mustSignIn(t, who.authenticator)
}

func TestWhetherAPasskeyIsBackedUpIsKeptUpToDate(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	who := w.join(t, func(s *said) { s.flags |= eligible })
	who.flags |= eligible
	for _, is := range []bool{true, false, true} {
		who.flags &^= backedUp
		if is {
			who.flags |= backedUp
		}
		w.mustSignIn(t, who.authenticator)
		if kept := w.passkey(t, who.authenticator); kept.BackedUp != is || !kept.BackupEligible {
			t.Errorf("backed up %v, it is kept as %+v", is, kept)
		}
	}
	before := w.state(t)
	who.flags &^= eligible | backedUp
	if _, err := w.signIn(t, who.authenticator); err != ErrProof {
		t.Errorf("as one that cannot be backed up any more: %v", err)
	}
	w.unchanged(t, "it", before)
}

func TestWhichOriginsPeopleCanSignInAt(t *testing.T) {
	t.Parallel()
	for origin, want := range map[string]bool{
		"https://aankomst.example": true, "https://aankomst.example:8443": true, "https://xn--nkomst-cua.example": true,
		"http://localhost": true, "http://localhost:8080": true, "https://localhost:8443": true,
		"": false, "https://": false, "https://:8443": false, "aankomst.example": false, "https://aankomst.example:": false,
		"http://aankomst.example": false, "ftp://aankomst.example": false, "https://aankomst.example/": false,
		"https://aankomst.example/pages": false, "https://aankomst.example?a": false, "https://aankomst.example#a": false,
		"https://a@aankomst.example": false, "https://127.0.0.1": false, "http://[::1]:8080": false,
		"https://Aankomst.example": false, "HTTPS://aankomst.example": false, "https://ånkomst.example": false,
	} {
		if err := CheckOrigin(origin); (err == nil) != want || err != nil && !errors.Is(err, ErrOrigin) {
			t.Errorf("%q: %v", origin, err)
		}
	}
}
