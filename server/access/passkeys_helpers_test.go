package access

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"aankomst/server/store"
)

// world is a server at which people sign in with passkeys.
type world struct {
	*SignIns
	kept  store.Store
	clock *clock
}

func withPeople(t testing.TB) world {
	t.Helper()
	c, kept := &clock{now: now}, withCentres(t)
	return world{signInsWith(t, kept, SSOSettings{}, c.time), kept, c}
}

// over is the same server over another store.
func (w world) over(t testing.TB, kept store.Store) world {
	t.Helper()
	return world{signInsWith(t, kept, SSOSettings{}, w.clock.time), w.kept, w.clock}
}

// somebody is a member with a passkey, signed in.
type somebody struct {
	store.Member
	*authenticator
	secret string // of the session
}

// invite makes a member with an invitation.
func (w world) invite(t testing.TB, role store.Role) (store.Member, string) {
	t.Helper()
	secret, member, _, err := CreateMember(t.Context(), w.kept, SeatRequest{Label: "Desk", Role: role}, w.clock.time())
	if err != nil {
		t.Fatal(err)
	}
	return member, secret
}

// enrol enrols an authenticator by an invitation.
func (w world) enrol(t testing.TB, invitation string, a *authenticator, changes ...func(*said)) (Started, error) {
	t.Helper()
	invited, err := w.BeginEnrolment(t.Context(), "enrol", invitation)
	if err != nil {
		t.Fatal(err)
	}
	return w.finishEnrolment(t, invitation, invited.Asked.Ceremony, a.make(t, invited.Asked, changes...))
}

func (w world) finishEnrolment(t testing.TB, invitation, ceremony, credential string) (Started, error) {
	t.Helper()
	started, err := w.FinishEnrolment(t.Context(), "enrol", invitation, ceremony, credential, "Key on the ring")
	if err != nil && started != (Started{}) {
		t.Errorf("%v, and yet %+v", err, started)
	}
	return started, err
}

// join makes a coordinator who has enrolled an authenticator.
func (w world) join(t testing.TB, changes ...func(*said)) somebody {
	t.Helper()
	member, invitation := w.invite(t, store.RoleCoordinator)
	a := newAuthenticator(t)
	started, err := w.enrol(t, invitation, a, changes...)
	if err != nil {
		t.Fatal(err)
	}
	return somebody{member, a, started.Secret}
}

// signIn signs in with an authenticator.
func (w world) signIn(t testing.TB, a *authenticator, changes ...func(*said)) (Started, error) {
	t.Helper()
	asked, err := w.BeginSignIn(t.Context(), "sign in")
	if err != nil {
		t.Fatal(err)
	}
	return w.finishSignIn(t, asked.Ceremony, a.prove(t, asked, changes...))
}

// finishSignIn finishes, and holds that an error gives nothing away.
func (w world) finishSignIn(t testing.TB, ceremony, credential string) (Started, error) {
	t.Helper()
	started, err := w.FinishSignIn(t.Context(), "sign in", ceremony, credential)
	if err != nil && (started != (Started{}) || len(ceremony) > 40 && strings.Contains(err.Error(), ceremony)) {
		t.Errorf("%v, and yet %+v", err, started)
	}
	return started, err
}

// mustSignIn is signIn for what must work; it returns who signed in.
func (w world) mustSignIn(t testing.TB, a *authenticator, changes ...func(*said)) Principal {
	t.Helper()
	started, err := w.signIn(t, a, changes...)
	if err != nil {
		t.Fatal(err)
	}
	return w.seat(t, started.Secret)
}

// seat is who has the secret of a session.
func (w world) seat(t testing.TB, secret string) Principal {
	t.Helper()
	principal, err := w.at(t, secret)
	if err != nil || principal.Kind != Seat {
		t.Fatalf("the session lets %+v in (%v)", principal, err)
	}
	return principal
}

// at goes to the door with the secret of a session.
func (w world) at(t testing.TB, secret string) (Principal, error) {
	t.Helper()
	door := NewDoor(w.kept, w.clock.time)
	defer door.Close()
	return door.Authenticate(t.Context(), Credentials{Session: secret}, "")
}

// state is what is kept of who may come in, and of who is in.
type state struct {
	Members  []store.Member
	Passkeys []store.Passkey
	Sessions []store.Session
	Tokens   []store.Token
	Acts     []store.Act
}

func (w world) state(t testing.TB) (s state) {
	t.Helper()
	var err error
	keep := func(failed error) {
		if failed != nil {
			t.Fatal(failed)
		}
	}
	s.Members, err = w.kept.ListMembers(t.Context())
	keep(err)
	s.Passkeys, err = w.kept.ListPasskeys(t.Context(), "")
	keep(err)
	s.Tokens, err = w.kept.ListTokens(t.Context())
	keep(err)
	s.Acts, err = w.kept.ListActs(t.Context(), 0, 1000)
	keep(err)
	for _, member := range s.Members {
		sessions, err := w.kept.ListSessions(t.Context(), member.ID)
		keep(err)
		s.Sessions = append(s.Sessions, sessions...)
	}
	return s
}

// unchanged holds that what is kept is as it was before.
func (w world) unchanged(t testing.TB, name string, before state) {
	t.Helper()
	if after := w.state(t); !reflect.DeepEqual(before, after) {
		t.Errorf("%s changed what is kept: %+v became %+v", name, before, after)
	}
}

// wrongs is how many wrong attempts of a kind were counted at somebody; at all together when who is empty.
func (w world) wrongs(t testing.TB, kind store.AttemptKind, who string) int {
	t.Helper()
	count, err := w.kept.Attempts(t.Context(), kind, who, w.clock.time().Truncate(quarter))
	if err != nil {
		t.Fatal(err)
	}
	return count
}

// lastAct is the last act of the record.
func (w world) lastAct(t testing.TB) store.Act {
	t.Helper()
	acts := w.state(t).Acts
	return acts[len(acts)-1]
}

// passkey is what is kept of an authenticator's passkey.
func (w world) passkey(t testing.TB, a *authenticator) store.Passkey {
	t.Helper()
	passkeys := w.state(t).Passkeys
	at := slices.IndexFunc(passkeys, func(p store.Passkey) bool { return string(p.ID) == string(a.id) })
	if at < 0 {
		t.Fatal("there is no such passkey")
	}
	return passkeys[at]
}
