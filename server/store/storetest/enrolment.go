package storetest

import (
	"errors"
	"testing"

	"aankomst/server/store"
)

// invitation returns one of a member.
func invitation(member string, hash byte) store.Invitation {
	return store.Invitation{Hash: [32]byte{hash}, Member: member, EndsAt: quarter(8)}
}

// device returns one that is not enrolled yet, and an invitation of it.
func device(id string, hash byte) (store.Token, store.Invitation) {
	d := token(id, hash)
	d.Kind = store.KindInvited
	return d, store.Invitation{Hash: [32]byte{hash}, Device: id, EndsAt: quarter(8)}
}

// invited fails the test unless the invitations of hashes are those that are wanted, and there is none of the others.
func invited(t *testing.T, s store.Store, want map[byte]store.Invitation) {
	t.Helper()
	for hash := range byte(40) {
		got, err := s.GetInvitation(t.Context(), [32]byte{hash})
		if _, there := want[hash]; !there {
			is(t, err, store.ErrNotFound)
			continue
		}
		is(t, err, nil)
		toUTC(&got.EndsAt)
		equal(t, got, want[hash])
	}
}

func invitationComesBack(t *testing.T, s store.Store) {
	withMembers(t, s, member("m1"))
	d, ofDevice := device("d1", 2)
	ofDevice.EndsAt = quarter(-1000) // ended
	is(t, s.CreateToken(t.Context(), d), nil)
	is(t, s.PutInvitation(t.Context(), invitation("m1", 1)), nil)
	is(t, s.PutInvitation(t.Context(), ofDevice), nil)
	invited(t, s, map[byte]store.Invitation{1: invitation("m1", 1), 2: ofDevice})
}

func invitationReplaced(t *testing.T, s store.Store) {
	withMembers(t, s, member("m1"), member("m2"))
	d, first := device("d1", 3)
	_, second := device("d1", 4)
	is(t, s.CreateToken(t.Context(), d), nil)
	for _, each := range []store.Invitation{invitation("m1", 1), invitation("m2", 2), first, invitation("m1", 5), second} {
		is(t, s.PutInvitation(t.Context(), each), nil)
	}
	want := map[byte]store.Invitation{2: invitation("m2", 2), 4: second, 5: invitation("m1", 5)}
	invited(t, s, want)

	is(t, s.PutInvitation(t.Context(), invitation("m2", 5)), store.ErrExists) // that of m1
	is(t, s.PutInvitation(t.Context(), first), nil)                           // free again
	delete(want, 4)
	want[3] = first
	invited(t, s, want)

	is(t, errors.Join(together(4, func(i int) error {
		return s.PutInvitation(t.Context(), invitation("m1", byte(6+i)))
	})...), nil)
	left := 0
	for i := range byte(4) {
		if _, err := s.GetInvitation(t.Context(), [32]byte{6 + i}); err == nil {
			left++
		}
	}
	equal(t, left, 1)
}

func invitationOfNobody(t *testing.T, s store.Store) {
	withMembers(t, s, administrator("m1"), member("m2"))
	is(t, ceasing["removed"](t, s, "m2", 2), nil)
	revoked, ofRevoked := device("d1", 3)
	is(t, s.CreateToken(t.Context(), revoked), nil)
	is(t, s.PutInvitation(t.Context(), ofRevoked), nil)
	is(t, s.RevokeToken(t.Context(), "d1"), nil)
	is(t, s.CreateToken(t.Context(), token("t1", 4)), nil)
	_, ofMachine := device("t1", 4)
	_, ofNone := device("d2", 5)
	for _, each := range []store.Invitation{invitation("m3", 1), invitation("m2", 2), ofRevoked, ofMachine, ofNone, invitation("d1", 6)} {
		is(t, s.PutInvitation(t.Context(), each), store.ErrNotFound)
	}
	invited(t, s, nil)
}

func enrol(t *testing.T, s store.Store) {
	withMembers(t, s, member("m1"), member("m2"))
	is(t, s.PutInvitation(t.Context(), invitation("m1", 3)), nil)
	is(t, s.PutInvitation(t.Context(), invitation("m2", 4)), nil)
	is(t, s.Enrol(t.Context(), [32]byte{3}, passkey("m1", 5), session("m1", 6)), nil)
	equal(t, passkeys(t, s, "m1"), []store.Passkey{passkey("m1", 1), passkey("m1", 5)})
	all, err := s.ListSessions(t.Context(), "m1")
	is(t, err, nil)
	for i := range all {
		toUTC(&all[i].StartedAt, &all[i].ProvedAt, &all[i].UsedAt, &all[i].EndsAt)
	}
	equal(t, all, []store.Session{session("m1", 1), session("m1", 6)})
	invited(t, s, map[byte]store.Invitation{4: invitation("m2", 4)})
	is(t, s.Enrol(t.Context(), [32]byte{3}, passkey("m1", 7), session("m1", 8)), store.ErrNotFound)
}

func enrolFails(t *testing.T, s store.Store) {
	withMembers(t, s, member("m1"), member("m2"))
	d, ofDevice := device("d1", 4)
	is(t, s.CreateToken(t.Context(), d), nil)
	is(t, s.PutInvitation(t.Context(), invitation("m1", 3)), nil)
	is(t, s.PutInvitation(t.Context(), ofDevice), nil)
	for _, attempt := range []struct {
		invitation byte
		passkey    store.Passkey
		session    store.Session
		want       error
	}{
		{5, passkey("m1", 5), session("m1", 6), store.ErrNotFound},
		{3, passkey("m2", 5), session("m2", 6), store.ErrNotFound},
		{3, passkey("m1", 5), session("m2", 6), store.ErrNotFound},
		{3, passkey("m2", 5), session("m1", 6), store.ErrNotFound},
		{4, passkey("m1", 5), session("m1", 6), store.ErrNotFound},
		{3, passkey("m1", 2), session("m1", 6), store.ErrExists},
		{3, passkey("m1", 5), session("m1", 2), store.ErrExists},
	} {
		is(t, s.Enrol(t.Context(), [32]byte{attempt.invitation}, attempt.passkey, attempt.session), attempt.want)
	}
	equal(t, passkeys(t, s, ""), []store.Passkey{passkey("m1", 1), passkey("m2", 2)})
	equal(t, signedIn(t, s, "m1"), []byte{1})
	equal(t, signedIn(t, s, "m2"), []byte{2})
	invited(t, s, map[byte]store.Invitation{3: invitation("m1", 3), 4: ofDevice})
}

func enrolAtOnce(t *testing.T, s store.Store) {
	withMembers(t, s, member("m1"))
	is(t, s.PutInvitation(t.Context(), invitation("m1", 3)), nil)
	one(t, together(4, func(i int) error {
		return s.Enrol(t.Context(), [32]byte{3}, passkey("m1", byte(10+i)), session("m1", byte(10+i)))
	}), store.ErrNotFound)
	equal(t, len(passkeys(t, s, "m1")), 2)
	equal(t, len(signedIn(t, s, "m1")), 2)
}

func enrolDevice(t *testing.T, s store.Store) {
	withMembers(t, s, member("m1"))
	want, ofDevice := device("d1", 2)
	other, ofOther := device("d2", 3)
	is(t, s.CreateToken(t.Context(), want), nil)
	is(t, s.CreateToken(t.Context(), other), nil)
	is(t, s.PutInvitation(t.Context(), invitation("m1", 1)), nil)
	is(t, s.PutInvitation(t.Context(), ofDevice), nil)
	is(t, s.PutInvitation(t.Context(), ofOther), nil)

	_, err := s.EnrolDevice(t.Context(), [32]byte{9}, [32]byte{5}, "2026-09-01")
	is(t, err, store.ErrNotFound)
	_, err = s.EnrolDevice(t.Context(), [32]byte{1}, [32]byte{5}, "2026-09-01") // a member's
	is(t, err, store.ErrNotFound)
	_, err = s.EnrolDevice(t.Context(), [32]byte{2}, other.Hash, "2026-09-01")
	is(t, err, store.ErrExists)
	equal(t, tokens(t, s), []store.Token{want, other})
	invited(t, s, map[byte]store.Invitation{1: invitation("m1", 1), 2: ofDevice, 3: ofOther})

	got, err := s.EnrolDevice(t.Context(), [32]byte{2}, [32]byte{5}, "2026-09-01")
	is(t, err, nil)
	want.Kind, want.Hash, want.ExpiresOn = store.KindDevice, [32]byte{5}, "2026-09-01"
	equal(t, got, want)
	equal(t, tokens(t, s), []store.Token{want, other})
	invited(t, s, map[byte]store.Invitation{1: invitation("m1", 1), 3: ofOther})
	_, err = s.EnrolDevice(t.Context(), [32]byte{2}, [32]byte{6}, "2026-09-01")
	is(t, err, store.ErrNotFound)

	// It can be enrolled anew: the browser that it was has the hash no more.
	is(t, s.PutInvitation(t.Context(), ofDevice), nil)
	_, err = s.EnrolDevice(t.Context(), [32]byte{2}, [32]byte{6}, "2026-12-01")
	is(t, err, nil)
	want.Hash, want.ExpiresOn = [32]byte{6}, "2026-12-01"
	equal(t, callers(t, s, [32]byte{5}, [32]byte{6}), []store.Caller{{}, {Token: want, Pools: inPoolOne}})
}

func enrolDeviceAtOnce(t *testing.T, s store.Store) {
	withCohort(t, s)
	d, ofDevice := device("d1", 2)
	is(t, s.CreateToken(t.Context(), d), nil)
	is(t, s.PutInvitation(t.Context(), ofDevice), nil)
	one(t, together(4, func(i int) error {
		_, err := s.EnrolDevice(t.Context(), ofDevice.Hash, [32]byte{byte(10 + i)}, "2026-09-01")
		return err
	}), store.ErrNotFound)
}
