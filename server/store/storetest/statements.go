package storetest

import (
	"testing"

	"aankomst/server/store"
)

var statementTests = []test{
	{"statements come back as they were stored, by their years", statementsComeBack},
	{"a statement takes the place of the one with its id", statementReplaced},
	{"a statement is removed", statementRemoved},
	{"a year that has a cohort takes no statement", statementOfCohort},
	{"a year that a statement covers takes no cohort", cohortOfStatement},
	{"of a cohort and a statement for one year one wins", statementRace},
	{"of two who store the same statements both win", statementsTogether},
}

func statement(id string, from, to int) store.Statement {
	return store.Statement{
		ID: id, FromYear: from, ToYear: to, Definition: "first appointment at " + id, Referrals: 61,
		ArrivedPercent: 48, Denominator: "referrals; noted by hand", Source: "Jaarverslag “2024”, p. 12",
	}
}

// stated returns the statements that are kept.
func stated(t *testing.T, s store.Store) []store.Statement {
	t.Helper()
	all, err := s.ListStatements(t.Context())
	is(t, err, nil)
	return all
}

func statementsComeBack(t *testing.T, s store.Store) {
	equal(t, len(stated(t, s)), 0)
	is(t, s.PutStatements(t.Context(), nil), nil)

	number := store.Statement{ID: "b", FromYear: 2020, ToYear: 2020, Definition: "d", Referrals: 5, ArrivedPercent: store.NotStated, Source: "s"}
	none := store.Statement{ID: "c", FromYear: 1900, ToYear: 2021, Definition: "d", ArrivedPercent: 0, Denominator: "n", Source: "s"}
	is(t, s.PutStatements(t.Context(), []store.Statement{statement("z", 2020, 2022), number, statement("a", 2020, 2022), none}), nil)
	equal(t, stated(t, s), []store.Statement{none, number, statement("a", 2020, 2022), statement("z", 2020, 2022)})
}

func statementReplaced(t *testing.T, s store.Store) {
	before := []store.Statement{statement("a", 2019, 2020), statement("b", 2021, 2021)}
	is(t, s.PutStatements(t.Context(), before), nil)
	changed := store.Statement{ID: "a", FromYear: 2018, ToYear: 2018, Definition: "other", Referrals: 3, ArrivedPercent: store.NotStated, Source: "other"}
	is(t, s.PutStatements(t.Context(), []store.Statement{changed}), nil)
	equal(t, stated(t, s), []store.Statement{changed, before[1]})
	// Its earlier years are free again.
	withCohort(t, s)
	is(t, s.CreateCohort(t.Context(), cohort(2020)), nil)
}

func statementRemoved(t *testing.T, s store.Store) {
	withCohort(t, s)
	is(t, s.RemoveStatement(t.Context(), "a"), store.ErrNotFound)
	is(t, s.PutStatements(t.Context(), []store.Statement{statement("a", 2019, 2020), statement("b", 2021, 2021)}), nil)
	is(t, s.RemoveStatement(t.Context(), "a"), nil)
	is(t, s.RemoveStatement(t.Context(), "a"), store.ErrNotFound)
	equal(t, stated(t, s), []store.Statement{statement("b", 2021, 2021)})
	is(t, s.CreateCohort(t.Context(), cohort(2020)), nil)
}

func statementOfCohort(t *testing.T, s store.Store) {
	withCohort(t, s)
	is(t, s.CreateCohort(t.Context(), cohort(year-3)), nil)
	advance(t, s, year-3, store.StageOpen, store.StageClosed)
	kept := []store.Statement{statement("a", year-6, year-4), statement("b", year-2, year-1), statement("c", year+1, year+1)}
	is(t, s.PutStatements(t.Context(), kept), nil)
	for _, refused := range []store.Statement{
		statement("d", year, year), statement("d", year-3, year-3), statement("d", year-2, year), statement("d", year, year+1),
		statement("d", year-4, year+1), statement("d", 1, 9999), statement("b", year-2, year),
	} {
		// Not even those before it are stored.
		is(t, s.PutStatements(t.Context(), []store.Statement{statement("e", 2010, 2010), refused}), store.ErrConflict)
		equal(t, stated(t, s), kept)
	}
}

func cohortOfStatement(t *testing.T, s store.Store) {
	withCohort(t, s)
	is(t, s.PutStatements(t.Context(), []store.Statement{statement("a", year+2, year+4), statement("b", year+1, year+1)}), nil)
	before := stateOf(t, s)
	for _, covered := range []int{year + 1, year + 2, year + 3, year + 4} {
		is(t, s.CreateCohort(t.Context(), cohort(covered)), store.ErrConflict)
		_, err := s.Counts(t.Context(), covered)
		is(t, err, store.ErrNotFound)
	}
	equal(t, stateOf(t, s), before)
	is(t, s.CreateCohort(t.Context(), cohort(year+5)), nil)
	is(t, s.CreateCohort(t.Context(), cohort(year)), store.ErrExists)
	// A statement is in the way of nothing else.
	advance(t, s, year, store.StageOpen, store.StageClosed)
	is(t, s.AddToPool(t.Context(), year+5, 1, "g"), nil)
}

func statementRace(t *testing.T, s store.Store) {
	withCohort(t, s)
	for n := range 20 {
		covered := year + 1 + n
		one(t, together(2, func(i int) error {
			if i == 0 {
				return s.CreateCohort(t.Context(), cohort(covered))
			}
			return s.PutStatements(t.Context(), []store.Statement{statement("a", covered, covered)})
		}), store.ErrConflict)
		_, err := s.GetCohort(t.Context(), covered)
		equal(t, err == nil, len(stated(t, s)) == 0)
		if err != nil {
			is(t, s.RemoveStatement(t.Context(), "a"), nil)
		}
	}
}

func statementsTogether(t *testing.T, s store.Store) {
	a, b := statement("a", 2019, 2019), statement("b", 2020, 2020)
	for _, err := range together(6, func(i int) error {
		return s.PutStatements(t.Context(), [][]store.Statement{{a, b}, {b, a}}[i%2])
	}) {
		is(t, err, nil)
	}
	equal(t, stated(t, s), []store.Statement{a, b})
}
