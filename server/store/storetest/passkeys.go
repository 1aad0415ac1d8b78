package storetest

import (
	"bytes"
	"testing"

	"aankomst/server/store"
)

// passkey returns one with a short ID, which does not count.
func passkey(member string, id byte) store.Passkey {
	return store.Passkey{
		ID: []byte{id}, Member: member, Name: "Sleutel", PublicKey: []byte{1, 2, 3}, BackupEligible: true,
		Transports: []string{"usb", "internal"}, AddedOn: "2026-03-01",
	}
}

// passkeys returns those of a member.
func passkeys(t *testing.T, s store.Store, member string) []store.Passkey {
	t.Helper()
	all, err := s.ListPasskeys(t.Context(), member)
	is(t, err, nil)
	return all
}

func passkeyComesBack(t *testing.T, s store.Store) {
	withMembers(t, s, member("m2"), member("m1"), administrator("m3"))
	long := store.Passkey{
		ID: bytes.Repeat([]byte{1}, 1023), Member: "m2", PublicKey: []byte{9}, Count: 1<<32 - 1, BackedUp: true, Suspected: true,
	}
	// One that begins as another does comes after it.
	is(t, s.AddPasskey(t.Context(), long), nil)
	high := passkey("m2", 200)
	is(t, s.AddPasskey(t.Context(), high), nil)
	equal(t, passkeys(t, s, "m2"), []store.Passkey{passkey("m2", 1), long, high})
	equal(t, passkeys(t, s, "m1"), []store.Passkey{passkey("m1", 2)})
	equal(t, passkeys(t, s, ""), []store.Passkey{passkey("m1", 2), passkey("m2", 1), long, high, passkey("m3", 3)})
	equal(t, len(passkeys(t, s, "m4")), 0)

	is(t, s.AddPasskey(t.Context(), passkey("m1", 1)), store.ErrExists) // that of m2
	is(t, s.AddPasskey(t.Context(), passkey("m2", 1)), store.ErrExists)
	equal(t, len(passkeys(t, s, "")), 5)
}

func passkeyOfNobody(t *testing.T, s store.Store) {
	withMembers(t, s, member("m1"), member("m2"), member("m3"))
	is(t, ceasing["removed"](t, s, "m3", 3), nil)
	is(t, s.AddPasskey(t.Context(), passkey("m3", 4)), store.ErrNotFound)
	is(t, s.AddPasskey(t.Context(), passkey("m4", 4)), store.ErrNotFound)
	for _, of := range []struct {
		member string
		id     byte
	}{{"m1", 2}, {"m1", 9}, {"m3", 3}, {"m4", 1}} {
		is(t, s.RemovePasskey(t.Context(), of.member, []byte{of.id}, [32]byte{}), store.ErrNotFound)
		is(t, s.SuspectPasskey(t.Context(), of.member, []byte{of.id}), store.ErrNotFound)
	}
	equal(t, passkeys(t, s, ""), []store.Passkey{passkey("m1", 1), passkey("m2", 2)})
	equal(t, signedIn(t, s, "m1"), []byte{1})
}

func removePasskey(t *testing.T, s store.Store) {
	withMembers(t, s, member("m1"), member("m2"))
	is(t, s.AddPasskey(t.Context(), passkey("m1", 3)), nil)
	for _, hash := range []byte{4, 5} {
		is(t, s.StartSession(t.Context(), session("m1", hash), store.PasskeyUse{}), nil)
	}
	is(t, s.RemovePasskey(t.Context(), "m1", []byte{1}, [32]byte{4}), nil)
	equal(t, passkeys(t, s, ""), []store.Passkey{passkey("m1", 3), passkey("m2", 2)})
	equal(t, signedIn(t, s, "m1"), []byte{4})
	is(t, s.RemovePasskey(t.Context(), "m1", []byte{3}, [32]byte{2}), nil) // a session of another is kept anyway
	equal(t, signedIn(t, s, "m1"), nil)
	equal(t, signedIn(t, s, "m2"), []byte{2})
	is(t, s.AddPasskey(t.Context(), passkey("m1", 1)), nil) // its ID is free again
}

func suspectPasskey(t *testing.T, s store.Store) {
	withMembers(t, s, member("m1"), member("m2"))
	is(t, s.AddPasskey(t.Context(), passkey("m1", 3)), nil)
	is(t, s.SuspectPasskey(t.Context(), "m1", []byte{1}), nil)
	equal(t, signedIn(t, s, "m1"), nil)
	equal(t, signedIn(t, s, "m2"), []byte{2})
	is(t, s.SuspectPasskey(t.Context(), "m1", []byte{1}), nil)
	suspected := passkey("m1", 1)
	suspected.Suspected = true
	equal(t, passkeys(t, s, ""), []store.Passkey{suspected, passkey("m1", 3), passkey("m2", 2)})

	// It begins no session and proves none; the other one does both.
	use := func(id byte) store.PasskeyUse { return store.PasskeyUse{ID: []byte{id}, Count: 1} }
	is(t, s.StartSession(t.Context(), session("m1", 4), use(1)), store.ErrConflict)
	is(t, s.StartSession(t.Context(), session("m1", 4), use(3)), nil)
	is(t, s.ProveSession(t.Context(), [32]byte{4}, [32]byte{4}, quarter(5), use(1)), store.ErrConflict)
}
