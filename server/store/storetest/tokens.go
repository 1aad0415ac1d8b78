package storetest

import (
	"testing"

	"aankomst/server/store"
)

var tokenTests = []test{
	{"a token comes back as it was stored", tokenComesBack},
	{"an ID and a hash are taken once", tokenExists},
	{"a token for a centre that does not exist", tokenCentre},
	{"a token is revoked for good", revoke},
	{"callers come in the order of their hashes", callersInOrder},
	{"a caller comes with the pools of the centre", callersPools},
	{"a caller comes with the wrong codes of the centre", callersWrongCodes},
	{"a caller tells that the centre is archived", callersArchived},
	{"as many callers at once as may be asked for", manyCallers},
	{"callers are read in one state of the store", callersInOneState},
}

func token(id string, hash byte) store.Token {
	return store.Token{
		ID: id, Hash: [32]byte{hash}, Label: "Balie 1", Role: store.RoleIntake, Centre: "a", ExpiresOn: "2027-01-01",
	}
}

func tokenComesBack(t *testing.T, s store.Store) {
	withCohort(t, s)
	expired := store.Token{ID: "t1", Hash: [32]byte{2}, Role: store.RoleAdministrator, ExpiresOn: "2001-01-01", Revoked: true}
	for _, want := range []store.Token{token("t2", 1), expired} {
		is(t, s.CreateToken(t.Context(), want), nil)
		equal(t, callers(t, s, want.Hash)[0].Token, want)
	}
	all, err := s.ListTokens(t.Context())
	is(t, err, nil)
	equal(t, all, []store.Token{expired, token("t2", 1)})
}

func tokenExists(t *testing.T, s store.Store) {
	withCohort(t, s)
	is(t, s.CreateToken(t.Context(), token("t1", 1)), nil)
	is(t, s.CreateToken(t.Context(), token("t1", 2)), store.ErrExists)
	is(t, s.CreateToken(t.Context(), token("t2", 1)), store.ErrExists)
	all, err := s.ListTokens(t.Context())
	is(t, err, nil)
	equal(t, all, []store.Token{token("t1", 1)})
	one(t, together(4, func(int) error { return s.CreateToken(t.Context(), token("t3", 3)) }), store.ErrExists)
}

func tokenCentre(t *testing.T, s store.Store) {
	is(t, s.CreateToken(t.Context(), token("t1", 1)), store.ErrNotFound)
	all, err := s.ListTokens(t.Context())
	is(t, err, nil)
	equal(t, len(all), 0)
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
	all, err := s.ListTokens(t.Context())
	is(t, err, nil)
	equal(t, all, []store.Token{revoked, token("t2", 2)})
	// Its ID and hash stay taken.
	is(t, s.CreateToken(t.Context(), token("t1", 3)), store.ErrExists)
	is(t, s.CreateToken(t.Context(), token("t3", 1)), store.ErrExists)
}
