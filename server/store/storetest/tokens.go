package storetest

import (
	"errors"
	"fmt"
	"testing"

	"aankomst/server/store"
)

var tokenTests = []test{
	{"a token comes back as it was stored", tokenComesBack},
	{"an ID and a hash are taken once", tokenExists},
	{"a token for a centre that does not exist", tokenCentre},
	{"a token is revoked for good", revoke},
	{"the invitation of a device that is revoked is gone", revokeInvited},
	{"a token takes the place of another", rotate},
	{"a token that takes no place changes nothing", rotateFails},
	{"of two that take the place of a token at once both do", rotateAtOnce},
	{"callers come in the order of their hashes", callersInOrder},
	{"a caller may be in a session", callersInSessions},
	{"callers of removed members and ended sessions come too", callersWithoutRight},
	{"a caller comes with the pools of the centre", callersPools},
	{"a caller comes with the wrong codes of the centre", callersWrongCodes},
	{"a caller tells that the centre is archived", callersArchived},
	{"as many callers at once as may be asked for", manyCallers},
	{"callers are read in one state of the store", callersInOneState},
}

func token(id string, hash byte) store.Token {
	return store.Token{
		ID: id, Hash: [32]byte{hash}, Label: "Balie 1", Role: store.RoleIntake, Centre: "a", ExpiresOn: "2027-01-01",
		Kind: store.KindMachine,
	}
}

func tokens(t *testing.T, s store.Store) []store.Token {
	t.Helper()
	all, err := s.ListTokens(t.Context())
	is(t, err, nil)
	return all
}

func tokenComesBack(t *testing.T, s store.Store) {
	withCohort(t, s)
	expired := store.Token{
		ID: "t1", Hash: [32]byte{2}, Role: store.RoleAdministrator, ExpiresOn: "2001-01-01", Revoked: true,
		Kind: store.KindDevice, UsedOn: "2000-12-31",
	}
	invited, _ := device("t3", 3)
	for _, want := range []store.Token{token("t2", 1), expired, invited} {
		is(t, s.CreateToken(t.Context(), want), nil)
		equal(t, callers(t, s, want.Hash)[0].Token, want)
	}
	equal(t, tokens(t, s), []store.Token{expired, token("t2", 1), invited})
}

func tokenExists(t *testing.T, s store.Store) {
	withCohort(t, s)
	is(t, s.CreateToken(t.Context(), token("t1", 1)), nil)
	is(t, s.CreateToken(t.Context(), token("t1", 2)), store.ErrExists)
	is(t, s.CreateToken(t.Context(), token("t2", 1)), store.ErrExists)
	equal(t, tokens(t, s), []store.Token{token("t1", 1)})
	one(t, together(4, func(int) error { return s.CreateToken(t.Context(), token("t3", 3)) }), store.ErrExists)
}

func tokenCentre(t *testing.T, s store.Store) {
	is(t, s.CreateToken(t.Context(), token("t1", 1)), store.ErrNotFound)
	equal(t, len(tokens(t, s)), 0)
}

func revoke(t *testing.T, s store.Store) {
	withCohort(t, s)
	is(t, s.CreateToken(t.Context(), token("t1", 1)), nil)
	is(t, s.CreateToken(t.Context(), token("t2", 2)), nil)
	is(t, s.RevokeToken(t.Context(), "t1"), nil)
	is(t, s.RevokeToken(t.Context(), "t1"), nil)
	is(t, s.RevokeToken(t.Context(), "t3"), store.ErrNotFound)

	revoked := token("t1", 1)
	revoked.Revoked = true
	equal(t, tokens(t, s), []store.Token{revoked, token("t2", 2)})
	// Its ID and hash stay taken.
	is(t, s.CreateToken(t.Context(), token("t1", 3)), store.ErrExists)
	is(t, s.CreateToken(t.Context(), token("t3", 1)), store.ErrExists)
}

func revokeInvited(t *testing.T, s store.Store) {
	withCohort(t, s)
	first, ofFirst := device("d1", 1)
	second, ofSecond := device("d2", 2)
	for _, each := range []store.Token{first, second} {
		is(t, s.CreateToken(t.Context(), each), nil)
	}
	for _, each := range []store.Invitation{ofFirst, ofSecond} {
		is(t, s.PutInvitation(t.Context(), each), nil)
	}
	is(t, s.RevokeToken(t.Context(), "d1"), nil)
	invited(t, s, map[byte]store.Invitation{2: ofSecond})
}

func rotate(t *testing.T, s store.Store) {
	withCohort(t, s)
	old, other := token("t1", 1), token("t2", 2)
	for _, each := range []store.Token{old, other} {
		is(t, s.CreateToken(t.Context(), each), nil)
	}
	is(t, s.RotateToken(t.Context(), "t1", token("t3", 3), "2026-04-01"), nil)
	old.ExpiresOn = "2026-04-01"
	equal(t, tokens(t, s), []store.Token{old, other, token("t3", 3)})
	equal(t, callers(t, s, [32]byte{3}, [32]byte{1}), []store.Caller{
		{Token: token("t3", 3), Pools: inPoolOne}, {Token: old, Pools: inPoolOne},
	})

	// It is accepted no longer than it was, whatever is asked for.
	is(t, s.RotateToken(t.Context(), "t1", token("t4", 4), "2026-04-02"), nil)
	equal(t, tokens(t, s), []store.Token{old, other, token("t3", 3), token("t4", 4)})
	is(t, s.RotateToken(t.Context(), "t1", token("t5", 5), "2026-03-31"), nil)
	old.ExpiresOn = "2026-03-31"
	equal(t, tokens(t, s)[0], old)
}

func rotateFails(t *testing.T, s store.Store) {
	withCohort(t, s)
	revoked, enrolled := token("t2", 2), token("t3", 3)
	revoked.Revoked, enrolled.Kind = true, store.KindDevice
	all := []store.Token{token("t1", 1), revoked, enrolled}
	for _, each := range all {
		is(t, s.CreateToken(t.Context(), each), nil)
	}
	nowhere := token("t4", 4)
	nowhere.Centre = "nowhere"
	for _, attempt := range []struct {
		id          string
		replacement store.Token
		want        error
	}{
		{"t9", token("t4", 4), store.ErrNotFound},
		{"t2", token("t4", 4), store.ErrConflict},
		{"t3", token("t4", 4), store.ErrConflict},
		{"t1", token("t1", 4), store.ErrExists},
		{"t1", token("t4", 1), store.ErrExists},
		{"t1", token("t4", 3), store.ErrExists},
		{"t1", nowhere, store.ErrNotFound},
	} {
		is(t, s.RotateToken(t.Context(), attempt.id, attempt.replacement, "2026-04-01"), attempt.want)
	}
	equal(t, tokens(t, s), all)
}

func rotateAtOnce(t *testing.T, s store.Store) {
	withCohort(t, s)
	is(t, s.CreateToken(t.Context(), token("t0", 0)), nil)
	is(t, errors.Join(together(4, func(i int) error {
		return s.RotateToken(t.Context(), "t0", token(fmt.Sprint("t", 1+i), byte(1+i)), fmt.Sprintf("2026-04-0%d", 1+i))
	})...), nil)
	all := tokens(t, s)
	equal(t, len(all), 5)
	equal(t, all[0].ExpiresOn, "2026-04-01") // the earliest
}
