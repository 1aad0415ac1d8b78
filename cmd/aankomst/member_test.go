package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"aankomst/server"
	"aankomst/server/store"
)

// seated makes an embedded store with three administrators: one who can sign in, one whose only passkey is
// suspected, and one who comes by single sign-on. It returns the program with the store's settings.
func seated(t *testing.T) (*app, *bytes.Buffer, *bytes.Buffer) {
	t.Helper()
	var out, errOut bytes.Buffer
	a := &app{Settings: Settings{Data: t.TempDir()}, out: &out, err: &errOut}
	noError(t, a.withStore(t.Context(), func(e *opened) error {
		for _, member := range []store.Member{
			{ID: "signs-in", Label: "board", Role: store.RoleAdministrator, Revision: 1},
			{ID: "suspected", Label: "board", Role: store.RoleAdministrator, Revision: 1},
			{ID: "elsewhere", Label: "board", Role: store.RoleAdministrator, Subject: [32]byte{1}, Revision: 1},
		} {
			noError(t, e.CreateMember(t.Context(), member))
		}
		for _, passkey := range []store.Passkey{
			{ID: []byte{1}, Member: "signs-in", Name: "key", PublicKey: []byte{1}, AddedOn: "2026-01-02"},
			{ID: []byte{2}, Member: "signs-in", Name: "laptop", PublicKey: []byte{1}, AddedOn: "2026-01-02"},
			{ID: []byte{3}, Member: "suspected", Name: "key", PublicKey: []byte{1}, AddedOn: "2026-01-02"},
		} {
			noError(t, e.AddPasskey(t.Context(), passkey))
		}
		return e.SuspectPasskey(t.Context(), "suspected", []byte{3})
	}))
	return a, &out, &errOut
}

func TestTheListOfMembersSaysWhoCanSignIn(t *testing.T) {
	t.Parallel()
	a, out, _ := seated(t)
	noError(t, memberListCmd{}.Run(t.Context(), a))
	for _, row := range []string{
		"signs-in ADMINISTRATOR board 2 active", "suspected ADMINISTRATOR board 1, 1 suspected waiting",
		"elsewhere ADMINISTRATOR board single sign-on active",
	} {
		if !strings.Contains(strings.Join(strings.Fields(out.String()), " "), row) {
			t.Errorf("there is no %q in\n%s", row, out.String())
		}
	}
}

// An organisation that nobody can administer any more would be lost but for the machine.
func TestTheLastAdministratorIsNotRemoved(t *testing.T) {
	t.Parallel()
	a, out, _ := seated(t)
	err := memberRemoveCmd{ID: "signs-in", Yes: true}.Run(t.Context(), a)
	if !errors.Is(err, store.ErrLastAdministrator) || exitCode(err) != exitRefused {
		t.Errorf("got %v, exit code %d", err, exitCode(err))
	}
	out.Reset()
	noError(t, memberListCmd{}.Run(t.Context(), a))
	if !strings.Contains(out.String(), "active") {
		t.Errorf("nobody can sign in any more:\n%s", out.String())
	}
}

// The hint to let an administrator in comes when there is nobody who could, and not before.
func TestTheHintComesWhenNoAdministratorCanSignIn(t *testing.T) {
	t.Parallel()
	a, out, errOut := seated(t)
	listener, err := server.Listen("127.0.0.1:0", false)
	noError(t, err)
	defer listener.Close()
	greets := func() string {
		t.Helper()
		out.Reset()
		errOut.Reset()
		noError(t, a.withStore(t.Context(), func(e *opened) error {
			return a.greet(t.Context(), e, server.Listeners{GRPC: listener, HTTP: listener}, "http://localhost:1")
		}))
		if strings.Contains(out.String(), "/enrol#") {
			t.Errorf("there are members, and it printed\n%s", out.String())
		}
		return errOut.String()
	}
	if said := greets(); said != "" {
		t.Errorf("an administrator can sign in, and it said %q", said)
	}
	noError(t, a.withStore(t.Context(), func(e *opened) error {
		return errors.Join(e.SuspectPasskey(t.Context(), "signs-in", []byte{1}), e.SuspectPasskey(t.Context(), "signs-in", []byte{2}))
	}))
	if said := greets(); said != "" {
		t.Errorf("one can sign in by single sign-on, and it said %q", said)
	}
	noError(t, memberRemoveCmd{ID: "elsewhere", Yes: true}.Run(t.Context(), a))
	if said := greets(); !strings.Contains(said, "aankomst member recover") {
		t.Errorf("nobody can sign in, and it said %q", said)
	}
}
