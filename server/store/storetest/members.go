package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"aankomst/server/store"
)

var memberTests = []test{
	{"a member comes back as it was stored", memberComesBack},
	{"an ID and a subject are taken once", memberExists},
	{"a member of a centre that does not exist", memberCentre},
	{"a member is updated", updateMember},
	{"an update of a member that fails changes nothing", updateMemberFails},
	{"what alters nothing of a member is not stored", updateMemberNothing},
	{"updates of a member at once all take effect", updateMemberAtOnce},
	{"another role or centre ends the sessions", otherRole},
	{"a member is removed for good", removeMember},
	{"the last administrator stays", lastAdministrator},
	{"of two administrators who remove each other one stays", removeEachOther},
	{"an invitation comes back as it was stored", invitationComesBack},
	{"an invitation takes the place of the one before", invitationReplaced},
	{"an invitation of nobody", invitationOfNobody},
	{"a member enrols with an invitation", enrol},
	{"an enrolment that fails uses nothing up", enrolFails},
	{"of two who enrol with one invitation one does", enrolAtOnce},
	{"a device enrols with an invitation", enrolDevice},
	{"of two devices that enrol with one invitation one does", enrolDeviceAtOnce},
	{"a passkey comes back as it was stored", passkeyComesBack},
	{"a passkey of nobody, or of another", passkeyOfNobody},
	{"a passkey that is removed ends other sessions", removePasskey},
	{"a suspected passkey ends all sessions", suspectPasskey},
}

// member returns a seat of centre a.
func member(id string) store.Member {
	return store.Member{ID: id, Label: "Zetel " + id, Role: store.RoleIntake, Centre: "a", Revision: 1}
}

func administrator(id string) store.Member {
	return store.Member{ID: id, Label: "Beheer " + id, Role: store.RoleAdministrator, Revision: 1}
}

// session returns a session whose times all differ.
func session(member string, hash byte) store.Session {
	return store.Session{
		Hash: [32]byte{hash}, Member: member,
		StartedAt: quarter(0), ProvedAt: quarter(1), UsedAt: quarter(2), EndsAt: quarter(48),
	}
}

// withMembers creates the cohort of withCohort and members, each with a passkey and a session that have the
// member's number in the list, from 1.
func withMembers(t *testing.T, s store.Store, members ...store.Member) {
	t.Helper()
	withCohort(t, s)
	for i, m := range members {
		number := byte(i + 1)
		is(t, s.CreateMember(t.Context(), m), nil)
		is(t, s.AddPasskey(t.Context(), passkey(m.ID, number)), nil)
		is(t, s.StartSession(t.Context(), session(m.ID, number), store.PasskeyUse{}), nil)
	}
}

// signedIn returns the first bytes of the hashes of a member's sessions.
func signedIn(t *testing.T, s store.Store, member string) (hashes []byte) {
	t.Helper()
	all, err := s.ListSessions(t.Context(), member)
	is(t, err, nil)
	for _, each := range all {
		hashes = append(hashes, each.Hash[0])
	}
	return hashes
}

func members(t *testing.T, s store.Store) []store.Member {
	t.Helper()
	all, err := s.ListMembers(t.Context())
	is(t, err, nil)
	return all
}

// toUTC tells times in UTC, whatever the zone in which a store tells them.
func toUTC(times ...*time.Time) {
	for _, each := range times {
		*each = each.UTC()
	}
}

func memberComesBack(t *testing.T, s store.Store) {
	withCohort(t, s)
	elsewhere := administrator("m1")
	elsewhere.Subject = [32]byte{7, 31: 1}
	for _, want := range []store.Member{member("m2"), elsewhere} {
		is(t, s.CreateMember(t.Context(), want), nil)
		got, err := s.GetMember(t.Context(), want.ID)
		is(t, err, nil)
		equal(t, got, want)
	}
	equal(t, members(t, s), []store.Member{elsewhere, member("m2")})
	_, err := s.GetMember(t.Context(), "m3")
	is(t, err, store.ErrNotFound)

	got, err := s.FindMember(t.Context(), elsewhere.Subject)
	is(t, err, nil)
	equal(t, got, elsewhere)
	_, err = s.FindMember(t.Context(), [32]byte{7})
	is(t, err, store.ErrNotFound)
}

func memberExists(t *testing.T, s store.Store) {
	withCohort(t, s)
	first := member("m1")
	first.Subject = [32]byte{7}
	is(t, s.CreateMember(t.Context(), first), nil)
	is(t, s.CreateMember(t.Context(), member("m1")), store.ErrExists)
	same := administrator("m2")
	same.Subject = first.Subject
	is(t, s.CreateMember(t.Context(), same), store.ErrExists)
	equal(t, members(t, s), []store.Member{first})

	// Any number of seats have no subject.
	is(t, s.CreateMember(t.Context(), member("m2")), nil)
	is(t, s.CreateMember(t.Context(), member("m3")), nil)
	one(t, together(4, func(int) error { return s.CreateMember(t.Context(), member("m4")) }), store.ErrExists)
}

func memberCentre(t *testing.T, s store.Store) {
	is(t, s.CreateMember(t.Context(), member("m1")), store.ErrNotFound)
	equal(t, len(members(t, s)), 0)
}

func updateMember(t *testing.T, s store.Store) {
	before := member("m1")
	before.Subject = [32]byte{7}
	withMembers(t, s, before, member("m2"))
	got, err := s.UpdateMember(t.Context(), "m1", func(m *store.Member) error {
		equal(t, *m, before)
		m.Label, m.ID, m.Subject, m.Revision = "Balie 2", "m2", [32]byte{8}, 9
		return nil
	})
	is(t, err, nil)
	want := before
	want.Label, want.Revision = "Balie 2", 2
	equal(t, got, want)
	equal(t, members(t, s), []store.Member{want, member("m2")})
	equal(t, signedIn(t, s, "m1"), []byte{1}) // another name ends nothing

	got, err = s.UpdateMember(t.Context(), "m1", func(m *store.Member) error { m.Label = "Balie 3"; return nil })
	is(t, err, nil)
	want.Label, want.Revision = "Balie 3", 3
	equal(t, got, want)
}

func updateMemberFails(t *testing.T, s store.Store) {
	withMembers(t, s, member("m1"))
	refused := errors.New("the label is too long")
	_, err := s.UpdateMember(t.Context(), "m1", func(m *store.Member) error { m.Removed = true; return refused })
	if err != refused { //nolint:errorlint // as it is
		t.Errorf("error %v, want it as it was", err)
	}
	_, err = s.UpdateMember(t.Context(), "m1", func(m *store.Member) error { m.Centre = "nowhere"; return nil })
	is(t, err, store.ErrNotFound)
	_, err = s.UpdateMember(t.Context(), "m2", func(*store.Member) error { t.Error("nobody was changed"); return nil })
	is(t, err, store.ErrNotFound)
	equal(t, members(t, s), []store.Member{member("m1")})
	equal(t, signedIn(t, s, "m1"), []byte{1})
}

func updateMemberNothing(t *testing.T, s store.Store) {
	withMembers(t, s, member("m1"))
	got, err := s.UpdateMember(t.Context(), "m1", func(m *store.Member) error { m.Revision = 9; return nil })
	is(t, err, nil)
	equal(t, got, member("m1"))
	equal(t, members(t, s), []store.Member{member("m1")})
}

func updateMemberAtOnce(t *testing.T, s store.Store) {
	withMembers(t, s, member("m1"))
	const n = 8
	is(t, errors.Join(together(n, func(i int) error {
		_, err := s.UpdateMember(t.Context(), "m1", func(m *store.Member) error { m.Label += fmt.Sprint(" ", i); return nil })
		return err
	})...), nil)
	all := members(t, s)
	if len(all[0].Label) != len("Zetel m1")+2*n || all[0].Revision != 1+n {
		t.Errorf("an update was lost: %+v", all[0])
	}
}

func otherRole(t *testing.T, s store.Store) {
	withMembers(t, s, member("m1"), member("m2"))
	for _, change := range []func(*store.Member){
		func(m *store.Member) { m.Centre = "b" },
		func(m *store.Member) { m.Role, m.Centre = store.RoleCounsellor, "" },
		func(m *store.Member) { m.Role = store.RoleCoordinator },
	} {
		_, err := s.UpdateMember(t.Context(), "m1", func(m *store.Member) error { change(m); return nil })
		is(t, err, nil)
		equal(t, signedIn(t, s, "m1"), nil)
		is(t, s.StartSession(t.Context(), session("m1", 3), store.PasskeyUse{}), nil) // the passkey is still there
	}
	equal(t, signedIn(t, s, "m2"), []byte{2})
	equal(t, passkeys(t, s, ""), []store.Passkey{passkey("m1", 1), passkey("m2", 2)})
}

func removeMember(t *testing.T, s store.Store) {
	gone := member("m1")
	gone.Subject = [32]byte{7}
	withMembers(t, s, gone, member("m2"))
	is(t, s.PutInvitation(t.Context(), invitation("m1", 1)), nil)
	is(t, s.PutInvitation(t.Context(), invitation("m2", 2)), nil)
	got, err := s.UpdateMember(t.Context(), "m1", func(m *store.Member) error { m.Removed = true; return nil })
	is(t, err, nil)
	gone.Removed, gone.Revision = true, 2
	equal(t, got, gone)

	equal(t, members(t, s), []store.Member{gone, member("m2")})
	equal(t, passkeys(t, s, ""), []store.Passkey{passkey("m2", 2)})
	equal(t, signedIn(t, s, "m1"), nil)
	equal(t, signedIn(t, s, "m2"), []byte{2})
	_, err = s.GetInvitation(t.Context(), [32]byte{1})
	is(t, err, store.ErrNotFound)
	_, err = s.GetInvitation(t.Context(), [32]byte{2})
	is(t, err, nil)

	// It cannot come back, nor is its ID or subject given away.
	_, err = s.UpdateMember(t.Context(), "m1", func(m *store.Member) error { m.Removed = false; return nil })
	is(t, err, store.ErrConflict)
	is(t, s.CreateMember(t.Context(), member("m1")), store.ErrExists)
	same := member("m3")
	same.Subject = gone.Subject
	is(t, s.CreateMember(t.Context(), same), store.ErrExists)
	found, err := s.FindMember(t.Context(), gone.Subject)
	is(t, err, nil)
	equal(t, found, gone)
}
