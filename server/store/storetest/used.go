package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"aankomst/server/store"
)

// usedBy writes uses at a quarter in which nothing of the tests has ended.
func usedBy(t *testing.T, s store.Store, uses store.Uses) {
	t.Helper()
	is(t, s.Used(t.Context(), uses, quarter(0)), nil)
}

func usesWritten(t *testing.T, s store.Store) {
	withMembers(t, s, member("m1"), member("m2"))
	for i, id := range []string{"t1", "t2"} {
		is(t, s.CreateToken(t.Context(), token(id, byte(21+i))), nil)
	}
	want, of := session("m1", 1), token("t1", 21) // used in quarter 2, and never
	for _, step := range []struct {
		at, kept         int
		day, dayOfLatest string
	}{
		{3, 3, "2026-03-01", "2026-03-01"}, {3, 3, "2026-03-01", "2026-03-01"}, {2, 3, "2025-12-31", "2026-03-01"},
		{9, 9, "2026-10-01", "2026-10-01"}, {-4, 9, "2026-09-30", "2026-10-01"},
	} {
		usedBy(t, s, store.Uses{
			Sessions: map[[32]byte]time.Time{{1}: quarter(step.at), {99}: quarter(step.at)},
			Tokens:   map[string]string{"t1": step.day, "gone": step.day},
		})
		want.UsedAt, of.UsedOn = quarter(step.kept), step.dayOfLatest
		equal(t, sessions(t, s, "m1"), []store.Session{want})
		equal(t, sessions(t, s, "m2"), []store.Session{session("m2", 2)})
		equal(t, tokens(t, s), []store.Token{of, token("t2", 22)})
	}
	equal(t, callers(t, s, [32]byte{1})[0].Session, want)
	equal(t, callers(t, s, [32]byte{21})[0].Token, of)

	// Several at once.
	usedBy(t, s, store.Uses{
		Sessions: map[[32]byte]time.Time{{1}: quarter(11), {2}: quarter(12)},
		Tokens:   map[string]string{"t1": "2026-11-01", "t2": "2026-11-02"},
	})
	equal(t, sessions(t, s, "m1")[0].UsedAt, quarter(11))
	equal(t, sessions(t, s, "m2")[0].UsedAt, quarter(12))
	equal(t, []string{tokens(t, s)[0].UsedOn, tokens(t, s)[1].UsedOn}, []string{"2026-11-01", "2026-11-02"})
}

func endedForgotten(t *testing.T, s store.Store) {
	withMembers(t, s, member("m1"), member("m2"), member("m3"))
	// The first ends before that moment, the second at it, the third after it.
	for i, id := range []string{"m1", "m2", "m3"} {
		hash, ends := byte(50+i), quarter(3+i)
		of := session(id, hash)
		of.EndsAt = ends
		is(t, s.StartSession(t.Context(), of, store.PasskeyUse{}), nil)
		asked := ceremony(hash)
		asked.EndsAt = ends
		is(t, s.BeginCeremony(t.Context(), asked), nil)
		link := invitation(id, hash)
		link.EndsAt = ends
		is(t, s.PutInvitation(t.Context(), link), nil)
		_, err := s.CountAttempt(t.Context(), store.AttemptSignIn, id, ends)
		is(t, err, nil)
	}
	before := passkeys(t, s, "")
	is(t, s.Used(t.Context(), store.Uses{Sessions: map[[32]byte]time.Time{{50}: quarter(4)}}, quarter(4)), nil)

	for i, id := range []string{"m1", "m2", "m3"} {
		hash, stays := byte(50+i), i == 2
		equal(t, len(signedIn(t, s, id)) == 2, stays)
		_, err := s.GetInvitation(t.Context(), [32]byte{hash})
		equal(t, err == nil, stays)
		_, err = s.EndCeremony(t.Context(), [32]byte{hash})
		equal(t, err == nil, stays)
		// Attempts of the quarter that has begun go on.
		n, err := s.Attempts(t.Context(), store.AttemptSignIn, id, quarter(0))
		is(t, err, nil)
		equal(t, n == 1, i >= 1)
	}
	equal(t, passkeys(t, s, ""), before)
	// What has ended is not kept for being used, whenever in the quarter it is asked.
	is(t, s.Used(t.Context(), store.Uses{}, quarter(5).Add(14*time.Minute)), nil)
	equal(t, signedIn(t, s, "m3"), []byte{3})
	for id, want := range map[string]int{"m2": 0, "m3": 1} {
		n, err := s.Attempts(t.Context(), store.AttemptSignIn, id, quarter(0))
		is(t, err, nil)
		equal(t, n, want)
	}
}

func unusedStays(t *testing.T, s store.Store) {
	withMembers(t, s, member("m1"), administrator("m2"), member("m3"))
	d, ofDevice := device("d1", 5)
	is(t, s.CreateToken(t.Context(), d), nil)
	revoked := store.Token{ID: "t1", Hash: [32]byte{31}, Role: store.RoleCounsellor, ExpiresOn: "2001-01-01", Revoked: true, Kind: store.KindMachine}
	is(t, s.CreateToken(t.Context(), revoked), nil)
	is(t, s.PutInvitation(t.Context(), ofDevice), nil)
	is(t, s.PutInvitation(t.Context(), invitation("m3", 6)), nil)
	is(t, s.BeginCeremony(t.Context(), ceremony(33)), nil)
	is(t, s.SuspectPasskey(t.Context(), "m3", passkey("m3", 3).ID), nil)
	_, err := s.CountAttempt(t.Context(), store.AttemptAdministration, "", quarter(0))
	is(t, err, nil)

	everything := func() []any {
		return []any{members(t, s), passkeys(t, s, ""), tokens(t, s), sessions(t, s, "m1"), sessions(t, s, "m2"), stateOf(t, s)}
	}
	before := everything()
	for range 3 {
		usedBy(t, s, store.Uses{})
		equal(t, everything(), before)
	}
	invited(t, s, map[byte]store.Invitation{5: ofDevice, 6: invitation("m3", 6)})
	got, err := s.EndCeremony(t.Context(), [32]byte{33})
	is(t, err, nil)
	toUTC(&got.EndsAt)
	equal(t, got, ceremony(33))
	n, err := s.CountAttempt(t.Context(), store.AttemptAdministration, "", quarter(0))
	is(t, err, nil)
	equal(t, n, 2)
}

// usedAtOnce lays everything down anew while everything is written: nothing gets lost, nor fails.
func usedAtOnce(t *testing.T, s store.Store) {
	withMembers(t, s, administrator("m0"))
	const workers, rounds = 4, 12
	for i := range workers {
		is(t, s.CreateMember(t.Context(), member(fmt.Sprint("w", i))), nil)
	}
	errs := together(workers+1, func(worker int) error {
		for round := range rounds {
			if worker == workers {
				uses := store.Uses{
					Sessions: map[[32]byte]time.Time{{1}: quarter(round)},
					Tokens:   map[string]string{"w0/0": "2026-03-01"},
				}
				if err := s.Used(t.Context(), uses, quarter(0)); err != nil {
					return fmt.Errorf("used: %w", err)
				}
				continue
			}
			id, hash := fmt.Sprint("w", worker), [32]byte{byte(100 + worker), byte(round)}
			p := passkey(id, byte(1))
			p.ID = hash[:]
			of, link := token(fmt.Sprint(id, "/", round), 0), store.Invitation{Hash: hash, Member: id, EndsAt: quarter(8)}
			of.Hash = code32()
			started := session(id, 0)
			started.Hash = hash
			if err := errors.Join(
				s.PutInvitation(t.Context(), link),
				s.Enrol(t.Context(), hash, p, started),
				s.ProveSession(t.Context(), hash, hash, quarter(2), store.PasskeyUse{ID: hash[:], Count: p.Count + 1}),
				s.CreateToken(t.Context(), of),
				s.BeginCeremony(t.Context(), store.Ceremony{Hash: hash, EndsAt: quarter(8)}),
			); err != nil {
				return err
			}
			both, err := s.Callers(t.Context(), [][32]byte{of.Hash, hash, {1}})
			if err != nil {
				return err
			}
			if both[0].Token.ID != of.ID || both[1].Member.ID != id || both[2].Member.ID != "m0" {
				return fmt.Errorf("callers %+v", both)
			}
			_, err = s.EndCeremony(t.Context(), hash)
			if err := errors.Join(err, s.RevokeToken(t.Context(), of.ID)); err != nil {
				return err
			}
			if round%2 == 0 {
				if err := errors.Join(s.EndSession(t.Context(), hash), s.RemovePasskey(t.Context(), id, hash[:], [32]byte{})); err != nil {
					return err
				}
			}
		}
		return nil
	})
	is(t, errors.Join(errs...), nil)
	for i := range workers {
		id := fmt.Sprint("w", i)
		// A passkey that is removed ends the other sessions, too: the last round is an odd one.
		equal(t, len(sessions(t, s, id)), 1)
		equal(t, len(passkeys(t, s, id)), rounds/2)
	}
	equal(t, len(tokens(t, s)), workers*rounds)
}

// tried counts an attempt and compares what is returned, and then kept, with what is wanted.
func tried(t *testing.T, s store.Store, kind store.AttemptKind, who string, at time.Time, want int) {
	t.Helper()
	n, err := s.CountAttempt(t.Context(), kind, who, at)
	is(t, err, nil)
	kept, err := s.Attempts(t.Context(), kind, who, at)
	is(t, err, nil)
	equal(t, []int{n, kept}, []int{want, want})
}

func attempts(t *testing.T, s store.Store) {
	n, err := s.Attempts(t.Context(), store.AttemptSignIn, "m1", quarter(0))
	is(t, err, nil)
	equal(t, n, 0)
	tried(t, s, store.AttemptSignIn, "m1", quarter(0), 1)
	tried(t, s, store.AttemptSignIn, "m1", quarter(0), 2)
	tried(t, s, store.AttemptSignIn, "m2", quarter(0), 1)
	tried(t, s, store.AttemptSignIn, "", quarter(0), 1)
	tried(t, s, store.AttemptInvitation, "", quarter(0), 1)
	tried(t, s, store.AttemptAdministration, "m1", quarter(0), 1)
	// The same quarter, told in another time zone.
	tried(t, s, store.AttemptSignIn, "m1", quarter(0).In(time.FixedZone("CET", 3600)), 3)

	// The next has none yet.
	n, err = s.Attempts(t.Context(), store.AttemptSignIn, "m1", quarter(1))
	is(t, err, nil)
	equal(t, n, 0)
	tried(t, s, store.AttemptSignIn, "m1", quarter(1), 1)
	tried(t, s, store.AttemptSignIn, "m2", quarter(0), 2)
}

func attemptsClockBack(t *testing.T, s store.Store) {
	tried(t, s, store.AttemptSignIn, "m1", quarter(9), 1)
	tried(t, s, store.AttemptSignIn, "m1", quarter(3), 2)
	tried(t, s, store.AttemptSignIn, "m1", quarter(9), 3)
	tried(t, s, store.AttemptSignIn, "m1", quarter(-900), 4)
	tried(t, s, store.AttemptSignIn, "m1", quarter(10), 1)
}

func attemptsAtOnce(t *testing.T, s store.Store) {
	const n = 12
	errs := together(n, func(int) error {
		_, err := s.CountAttempt(t.Context(), store.AttemptInvitation, "", quarter(0))
		return err
	})
	is(t, errors.Join(errs...), nil)
	tried(t, s, store.AttemptInvitation, "", quarter(0), n+1)
}
