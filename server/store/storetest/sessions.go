package storetest

import (
	"errors"
	"math"
	"testing"

	"aankomst/server/store"
)

var sessionTests = []test{
	{"a ceremony is ended once", endCeremony},
	{"of several who end a ceremony at once one gets it", endCeremonyAtOnce},
	{"a session comes back as it was stored", sessionComesBack},
	{"a session of nobody, or with a hash that is taken", sessionOfNobody},
	{"the use of a passkey is kept", passkeyUsed},
	{"a passkey that does not count on is refused", passkeyCounts},
	{"a passkey of another, or a suspected one, is refused", passkeyRefused},
	{"of several who use a passkey at one count one does", passkeyUsedAtOnce},
	{"a member proves again who they are", proveSession},
	{"a session is ended", endSession},
	{"the sessions of a member are ended but for one", endSessions},
	{"nobody signs in while they are removed", startWhileRemoved},
	{"uses are written, and older ones passed over", usesWritten},
	{"what has ended is forgotten", endedForgotten},
	{"what was not used stays as it is", unusedStays},
	{"uses are written while others sign in", usedAtOnce},
	{"attempts are counted by kind, by whom and by quarter", attempts},
	{"an earlier quarter starts no new count of attempts", attemptsClockBack},
	{"attempts at once are all counted", attemptsAtOnce},
}

func ceremony(hash byte) store.Ceremony {
	return store.Ceremony{Hash: [32]byte{hash}, Kind: "sign_in", Bound: "m1", Data: []byte{0, 1, 0xff}, EndsAt: quarter(1)}
}

func endCeremony(t *testing.T, s store.Store) {
	plain := store.Ceremony{Hash: [32]byte{2}, EndsAt: quarter(-5)} // ended, bound to nobody
	for _, each := range []store.Ceremony{ceremony(1), plain, ceremony(3)} {
		is(t, s.BeginCeremony(t.Context(), each), nil)
	}
	again := ceremony(1)
	again.Bound = "m2"
	is(t, s.BeginCeremony(t.Context(), again), store.ErrExists)
	for _, want := range []store.Ceremony{plain, ceremony(1), ceremony(3)} {
		got, err := s.EndCeremony(t.Context(), want.Hash)
		is(t, err, nil)
		toUTC(&got.EndsAt)
		equal(t, got, want)
		_, err = s.EndCeremony(t.Context(), want.Hash)
		is(t, err, store.ErrNotFound)
	}
}

func endCeremonyAtOnce(t *testing.T, s store.Store) {
	is(t, s.BeginCeremony(t.Context(), ceremony(1)), nil)
	one(t, together(6, func(int) error {
		_, err := s.EndCeremony(t.Context(), [32]byte{1})
		return err
	}), store.ErrNotFound)
}

// sessions returns the sessions of a member, with their times told in UTC.
func sessions(t *testing.T, s store.Store, member string) []store.Session {
	t.Helper()
	all, err := s.ListSessions(t.Context(), member)
	is(t, err, nil)
	for i := range all {
		toUTC(&all[i].StartedAt, &all[i].UsedAt, &all[i].ProvedAt, &all[i].EndsAt)
	}
	return all
}

func sessionComesBack(t *testing.T, s store.Store) {
	withMembers(t, s, member("m1"), administrator("m2"))
	ended := session("m1", 9)
	ended.EndsAt = quarter(-1000)
	for _, each := range []store.Session{ended, session("m1", 3), session("m2", 4)} {
		is(t, s.StartSession(t.Context(), each, store.PasskeyUse{}), nil)
	}
	equal(t, sessions(t, s, "m1"), []store.Session{session("m1", 1), session("m1", 3), ended})
	equal(t, sessions(t, s, "m2"), []store.Session{session("m2", 2), session("m2", 4)})
	equal(t, len(sessions(t, s, "m3")), 0)
}

func sessionOfNobody(t *testing.T, s store.Store) {
	withMembers(t, s, member("m1"), member("m2"))
	_, err := s.UpdateMember(t.Context(), "m2", func(m *store.Member) error { m.Removed = true; return nil })
	is(t, err, nil)
	is(t, s.StartSession(t.Context(), session("nobody", 3), store.PasskeyUse{}), store.ErrNotFound)
	is(t, s.StartSession(t.Context(), session("m2", 3), store.PasskeyUse{}), store.ErrNotFound)
	equal(t, len(sessions(t, s, "m2")), 0)

	// The use of a passkey is not kept either.
	use := store.PasskeyUse{ID: passkey("m1", 1).ID, Count: math.MaxUint32, BackedUp: true}
	before := passkeys(t, s, "m1")
	is(t, s.StartSession(t.Context(), session("m1", 1), use), store.ErrExists)
	equal(t, passkeys(t, s, "m1"), before)
	equal(t, sessions(t, s, "m1"), []store.Session{session("m1", 1)})
}

// usesOf are both ways to use a passkey: to sign in, and to prove again who one is.
var usesOf = []struct {
	name string
	use  func(t *testing.T, s store.Store, use store.PasskeyUse) error
}{
	{"StartSession", func(t *testing.T, s store.Store, use store.PasskeyUse) error {
		each := session("m1", 0)
		each.Hash = code32()
		return s.StartSession(t.Context(), each, use)
	}},
	{"ProveSession", func(t *testing.T, s store.Store, use store.PasskeyUse) error {
		return s.ProveSession(t.Context(), [32]byte{1}, [32]byte{1}, quarter(7), use)
	}},
}

// code32 returns a hash that no other test uses.
func code32() (hash [32]byte) {
	n, m := code(), code()
	copy(hash[copy(hash[:], n[:]):], m[:])
	return hash
}

func passkeyUsed(t *testing.T, s store.Store) {
	withMembers(t, s, member("m1"), member("m2"))
	second := passkey("m1", 7)
	second.Count = 0
	is(t, s.AddPasskey(t.Context(), second), nil)
	for i, each := range usesOf {
		for _, backedUp := range []bool{true, false} {
			second.Count, second.BackedUp = second.Count+1+uint32(i), backedUp
			is(t, each.use(t, s, store.PasskeyUse{ID: second.ID, Count: second.Count, BackedUp: backedUp}), nil)
			equal(t, passkeys(t, s, "m1"), []store.Passkey{passkey("m1", 1), second})
		}
	}
	equal(t, passkeys(t, s, "m2"), []store.Passkey{passkey("m2", 2)})
}

func passkeyCounts(t *testing.T, s store.Store) {
	withMembers(t, s, member("m1"))
	for n, c := range []struct {
		kept, used uint32
		want       error
	}{
		{0, 0, nil}, {0, 1, nil}, {0, math.MaxUint32, nil}, {5, 6, nil}, {5, 900, nil}, {math.MaxUint32 - 1, math.MaxUint32, nil},
		{5, 5, store.ErrConflict}, {5, 4, store.ErrConflict}, {5, 0, store.ErrConflict}, {1, 0, store.ErrConflict},
		{math.MaxUint32, math.MaxUint32, store.ErrConflict}, {math.MaxUint32, 0, store.ErrConflict},
	} {
		for i, each := range usesOf {
			p := passkey("m1", byte(10+2*n+i))
			p.Count = c.kept
			is(t, s.AddPasskey(t.Context(), p), nil)
			before := sessions(t, s, "m1")
			if err := each.use(t, s, store.PasskeyUse{ID: p.ID, Count: c.used, BackedUp: p.BackedUp}); !errors.Is(err, c.want) {
				t.Errorf("%s at %d after %d: error %v, want %v", each.name, c.used, c.kept, err, c.want)
			}
			if c.want == nil {
				p.Count = c.used
			} else {
				equal(t, sessions(t, s, "m1"), before)
			}
			kept := passkeys(t, s, "m1")
			equal(t, kept[len(kept)-1], p)
		}
	}
}

func passkeyRefused(t *testing.T, s store.Store) {
	withMembers(t, s, member("m1"), member("m2"))
	suspected := passkey("m1", 8)
	suspected.Suspected = true
	is(t, s.AddPasskey(t.Context(), suspected), nil)
	for _, each := range usesOf {
		before := []any{sessions(t, s, "m1"), passkeys(t, s, "")}
		for _, id := range [][]byte{passkey("m2", 2).ID, suspected.ID, {0xee}} {
			is(t, each.use(t, s, store.PasskeyUse{ID: id, Count: 1000}), store.ErrConflict)
		}
		equal(t, []any{sessions(t, s, "m1"), passkeys(t, s, "")}, before)
		is(t, each.use(t, s, store.PasskeyUse{}), nil)
	}
}

func passkeyUsedAtOnce(t *testing.T, s store.Store) {
	withMembers(t, s, member("m1"))
	one(t, together(6, func(i int) error {
		return usesOf[i%2].use(t, s, store.PasskeyUse{ID: passkey("m1", 1).ID, Count: 1000})
	}), store.ErrConflict)
	equal(t, passkeys(t, s, "m1")[0].Count, 1000)
}

func proveSession(t *testing.T, s store.Store) {
	withMembers(t, s, member("m1"), member("m2"))
	is(t, s.ProveSession(t.Context(), [32]byte{1}, [32]byte{2}, quarter(5), store.PasskeyUse{}), store.ErrExists)
	equal(t, sessions(t, s, "m1"), []store.Session{session("m1", 1)})
	is(t, s.ProveSession(t.Context(), [32]byte{1}, [32]byte{77}, quarter(5), store.PasskeyUse{}), nil)
	equal(t, callers(t, s, [32]byte{1}), []store.Caller{{}}) // the secret that was is worth nothing
	proved := session("m1", 77)
	proved.ProvedAt, proved.UsedAt = quarter(5), quarter(5)
	equal(t, sessions(t, s, "m1"), []store.Session{proved})
	equal(t, sessions(t, s, "m2"), []store.Session{session("m2", 2)})
	is(t, s.ProveSession(t.Context(), [32]byte{9}, [32]byte{8}, quarter(5), store.PasskeyUse{}), store.ErrNotFound)
	is(t, s.ProveSession(t.Context(), [32]byte{9}, [32]byte{8}, quarter(5), store.PasskeyUse{ID: passkey("m1", 1).ID, Count: 1000}), store.ErrNotFound)
	equal(t, passkeys(t, s, "m1"), []store.Passkey{passkey("m1", 1)})
}

func endSession(t *testing.T, s store.Store) {
	withMembers(t, s, member("m1"), member("m2"))
	is(t, s.StartSession(t.Context(), session("m1", 3), store.PasskeyUse{}), nil)
	for range 2 {
		is(t, s.EndSession(t.Context(), [32]byte{1}), nil)
		equal(t, sessions(t, s, "m1"), []store.Session{session("m1", 3)})
	}
	equal(t, sessions(t, s, "m2"), []store.Session{session("m2", 2)})
	equal(t, callers(t, s, [32]byte{1}), []store.Caller{{}})
	// It can begin again, as another.
	is(t, s.StartSession(t.Context(), session("m2", 1), store.PasskeyUse{}), nil)
}

func endSessions(t *testing.T, s store.Store) {
	withMembers(t, s, member("m1"), member("m2"))
	for _, hash := range []byte{3, 4} {
		is(t, s.StartSession(t.Context(), session("m1", hash), store.PasskeyUse{}), nil)
	}
	is(t, s.EndSessions(t.Context(), "m1", [32]byte{3}), nil)
	equal(t, signedIn(t, s, "m1"), []byte{3})
	equal(t, signedIn(t, s, "m2"), []byte{2})
	is(t, s.EndSessions(t.Context(), "m1", [32]byte{2}), nil) // that of another
	equal(t, signedIn(t, s, "m1"), nil)
	equal(t, signedIn(t, s, "m2"), []byte{2})
	is(t, s.EndSessions(t.Context(), "m2", [32]byte{}), nil)
	equal(t, signedIn(t, s, "m2"), nil)
}

func startWhileRemoved(t *testing.T, s store.Store) {
	withMembers(t, s, member("m1"))
	errs := together(8, func(i int) error {
		if i == 4 {
			_, err := s.UpdateMember(t.Context(), "m1", func(m *store.Member) error { m.Removed = true; return nil })
			return err
		}
		err := s.StartSession(t.Context(), session("m1", byte(10+i)), store.PasskeyUse{})
		if errors.Is(err, store.ErrNotFound) {
			return nil // after it
		}
		return err
	})
	is(t, errors.Join(errs...), nil)
	equal(t, signedIn(t, s, "m1"), nil)
}
