package server_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/server/servertest"
	"aankomst/server/store"
)

// stated returns a statement with every field that can be given.
func stated(id string, from, to uint32) *aankomstv1.Statement {
	return &aankomstv1.Statement{
		Id: id, FromYear: from, ToYear: to, Definition: "aangemeld bij een centrum", Referrals: 61,
		ArrivedPercent: proto.Uint32(48), Denominator: "doorverwijzingen & terugbelverzoeken", Source: "Jaarverslag 2024, p. 12",
	}
}

func importing(statements ...*aankomstv1.Statement) *aankomstv1.ImportStatementsRequest {
	return &aankomstv1.ImportStatementsRequest{Statements: statements}
}

// listed fails the test unless these are the statements, for each role that may read them.
func (a *api) listed(t *testing.T, call func(*api, string, proto.Message) answer, want ...*aankomstv1.Statement) {
	t.Helper()
	for _, who := range []string{a.intake(), a.coordinator(), a.administrator()} {
		got := call(a, who, new(aankomstv1.ListStatementsRequest))
		got.worked(t)
		equal(t, "statements", got.response, &aankomstv1.ListStatementsResponse{Statements: want})
	}
}

func TestAPIStatementsAreImported(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, call func(*api, string, proto.Message) answer) {
		a := startAPI(t, servertest.Options{})
		number := &aankomstv1.Statement{Id: "b", FromYear: 2020, ToYear: 2020, Definition: "d", Referrals: 5, Source: "s"}
		none := &aankomstv1.Statement{Id: "c", FromYear: 1900, ToYear: 2025, Definition: "d", ArrivedPercent: proto.Uint32(0), Denominator: "n", Source: "s"}
		first := importing(stated("a", 2019, 2024), number, none)
		answers := func(request *aankomstv1.ImportStatementsRequest, want *aankomstv1.ImportStatementsResponse) {
			t.Helper()
			// A dry run answers the same and changes nothing.
			before := a.ok(a.administrator(), new(aankomstv1.ListStatementsRequest)).response
			dry := proto.Clone(request).(*aankomstv1.ImportStatementsRequest)
			dry.DryRun = true
			equal(t, "dry run", call(a, a.administrator(), dry).response, want)
			equal(t, "after the dry run", a.ok(a.administrator(), new(aankomstv1.ListStatementsRequest)).response, before)
			equal(t, "import", call(a, a.administrator(), request).response, want)
		}
		a.listed(t, call)
		answers(first, &aankomstv1.ImportStatementsResponse{Added: []string{"a", "b", "c"}})
		a.listed(t, call, none, stated("a", 2019, 2024), number)
		answers(first, &aankomstv1.ImportStatementsResponse{Unchanged: []string{"a", "b", "c"}})
		a.listed(t, call, none, stated("a", 2019, 2024), number)

		changed := proto.Clone(number).(*aankomstv1.Statement)
		changed.ArrivedPercent, changed.Denominator = proto.Uint32(100), "n"
		answers(importing(changed, stated("d", 2021, 2021), none), &aankomstv1.ImportStatementsResponse{
			Added: []string{"d"}, Changed: []string{"b"}, Unchanged: []string{"c"},
		})
		a.listed(t, call, none, stated("a", 2019, 2024), changed, stated("d", 2021, 2021))

		remove := &aankomstv1.RemoveStatementRequest{Id: "a"}
		call(a, a.administrator(), remove).worked(t)
		call(a, a.administrator(), remove).refused(t, codes.NotFound, "NOT_FOUND")
		a.listed(t, call, none, changed, stated("d", 2021, 2021))
	})
}

func TestAPIStatementValidation(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	kept := stated("kept", 2019, 2019)
	a.ok(a.administrator(), importing(kept))
	long := strings.Repeat("é", 501)
	type change = func(*aankomstv1.Statement)
	var requests []badRequest
	refuse := func(name, field string, statements ...*aankomstv1.Statement) {
		for _, dry := range []bool{false, true} {
			requests = append(requests, badRequest{
				name, a.administrator, &aankomstv1.ImportStatementsRequest{Statements: statements, DryRun: dry},
				codes.InvalidArgument, "FIELD_INVALID", field,
			})
		}
	}
	for field, changes := range map[string][]change{
		"statements.id": {
			func(s *aankomstv1.Statement) { s.Id = "" }, func(s *aankomstv1.Statement) { s.Id = "A" }, func(s *aankomstv1.Statement) { s.Id = "-a" },
			func(s *aankomstv1.Statement) { s.Id = "a/b" }, func(s *aankomstv1.Statement) { s.Id = "a\n" }, func(s *aankomstv1.Statement) { s.Id = strings.Repeat("a", 41) },
		},
		"statements.from_year": {
			func(s *aankomstv1.Statement) { s.FromYear = 0 }, func(s *aankomstv1.Statement) { s.FromYear = 1899 },
			func(s *aankomstv1.Statement) { s.FromYear, s.ToYear = 10000, 10000 }, func(s *aankomstv1.Statement) { s.FromYear = 1<<32 - 1 },
		},
		"statements.to_year": {
			func(s *aankomstv1.Statement) { s.ToYear = 0 }, func(s *aankomstv1.Statement) { s.ToYear = 2018 }, func(s *aankomstv1.Statement) { s.ToYear = 10000 },
		},
		"statements.definition": {
			func(s *aankomstv1.Statement) { s.Definition = "" }, func(s *aankomstv1.Statement) { s.Definition = " \t" }, func(s *aankomstv1.Statement) { s.Definition = long },
			func(s *aankomstv1.Statement) { s.Definition = "a\nb" }, func(s *aankomstv1.Statement) { s.Definition = "a\x00b" }, func(s *aankomstv1.Statement) { s.Definition = "a\u202eb" },
		},
		"statements.referrals": {func(s *aankomstv1.Statement) { s.Referrals = 1_000_001 }, func(s *aankomstv1.Statement) { s.Referrals = 1<<32 - 1 }},
		"statements.arrived_percent": {
			func(s *aankomstv1.Statement) { s.ArrivedPercent = proto.Uint32(101) }, func(s *aankomstv1.Statement) { s.ArrivedPercent = proto.Uint32(1<<32 - 1) },
			func(s *aankomstv1.Statement) { s.Referrals, s.ArrivedPercent, s.Denominator = 0, nil, "" },
		},
		"statements.denominator": {
			func(s *aankomstv1.Statement) { s.Denominator = "" }, func(s *aankomstv1.Statement) { s.Denominator = " " }, func(s *aankomstv1.Statement) { s.Denominator = long },
			func(s *aankomstv1.Statement) { s.ArrivedPercent = nil }, func(s *aankomstv1.Statement) { s.Denominator = "a\rb" },
		},
		"statements.source": {
			func(s *aankomstv1.Statement) { s.Source = "" }, func(s *aankomstv1.Statement) { s.Source = "\u00a0" }, func(s *aankomstv1.Statement) { s.Source = long },
			func(s *aankomstv1.Statement) { s.Source = "a\u200bb" },
		},
	} {
		for _, change := range changes {
			// Of several, one that is wrong is enough; the one before it is not stored.
			wrong := stated("new", 2019, 2020)
			change(wrong)
			refuse(field, field, stated("right", 2019, 2019), wrong)
		}
	}
	refuse("nothing", "statements")
	refuse("the same twice", "statements.id", stated("new", 2019, 2019), stated("new", 2019, 2019))
	a.refuses(t, requests)
	a.listed(t, (*api).rest, kept)

	// What is just within the bounds is taken.
	within := &aankomstv1.Statement{
		Id: strings.Repeat("a", 40), FromYear: 1900, ToYear: servertest.Year - 1, Definition: long[2:], Referrals: 1_000_000,
		ArrivedPercent: proto.Uint32(100), Denominator: long[2:], Source: long[2:],
	}
	beyond := &aankomstv1.Statement{Id: "0", FromYear: servertest.Year + 1, ToYear: 9999, Definition: "=d", Referrals: 1, Source: "s"}
	a.ok(a.administrator(), importing(within, beyond))
	a.listed(t, (*api).grpc, within, kept, beyond)
}

// All that are kept fit into one answer, however long their texts are.
func TestAPIStatementsAreBounded(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	text := strings.Repeat("\U0001F600", 500)
	var most []store.Statement
	var want []*aankomstv1.Statement
	for i := range 200 {
		id := fmt.Sprintf("s-%03d", i)
		most = append(most, store.Statement{ID: id, FromYear: 2019, ToYear: 2019, Definition: text, ArrivedPercent: 1, Denominator: text, Source: text})
		want = append(want, &aankomstv1.Statement{
			Id: id, FromYear: 2019, ToYear: 2019, Definition: text, ArrivedPercent: proto.Uint32(1), Denominator: text, Source: text,
		})
	}
	must(t, a.Store.PutStatements(t.Context(), most))
	bothWays(t, func(t *testing.T, call func(*api, string, proto.Message) answer) {
		a.listed(t, call, want...)
		got := call(a, a.administrator(), importing(stated("one-more", 2019, 2019)))
		got.refused(t, codes.InvalidArgument, "FIELD_INVALID")
		same(t, "field", got.field, "statements")
		call(a, a.administrator(), importing(stated("s-000", 2019, 2019))).worked(t)
		call(a, a.administrator(), importing(want[0])).worked(t)
	})
}

func TestAPIStatementOfAYearThatIsCounted(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	bothWays(t, func(t *testing.T, call func(*api, string, proto.Message) answer) {
		for _, years := range [][2]uint32{{servertest.Year, servertest.Year}, {2019, servertest.Year}, {servertest.Year, 2030}, {1900, 9999}} {
			for _, dry := range []bool{false, true} {
				request := importing(stated("before", 2019, 2025), stated("across", years[0], years[1]))
				request.DryRun = dry
				got := call(a, a.administrator(), request)
				got.refused(t, codes.FailedPrecondition, "YEAR_COUNTED")
				same(t, "year", got.metadata["year"], "2026")
				if !strings.Contains(got.message, "the statement across covers 2026") || !strings.Contains(got.message, "let it end before 2026") {
					t.Errorf("it does not say what to do: %s", got.message)
				}
			}
		}
		a.listed(t, call)
	})
}

func TestAPICohortOfAYearThatIsStated(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{NoCohort: true})
	a.ok(a.administrator(), importing(stated("report", 2019, servertest.Year)))
	bothWays(t, func(t *testing.T, call func(*api, string, proto.Message) answer) {
		got := call(a, a.administrator(), a.opening(servertest.Year))
		got.refused(t, codes.FailedPrecondition, "YEAR_STATED")
		same(t, "field", got.field, "year")
		if !strings.Contains(got.message, "report, of 2019 to 2026") || !strings.Contains(got.message, "remove the statement if it was a mistake") {
			t.Errorf("it does not say what to do: %s", got.message)
		}
	})
	if files := a.keyFiles(); len(files) > 0 {
		t.Errorf("a key was made: %v", files)
	}
	a.ok(a.administrator(), importing(stated("report", 2019, servertest.Year-1)))
	a.ok(a.administrator(), a.opening(servertest.Year))
}

// forgetfulStore knows no cohorts and no statements, as when each was stored just now by another process.
type forgetfulStore struct{ store.Store }

func (forgetfulStore) ListCohorts(context.Context) ([]store.Cohort, error) { return nil, nil }

func (forgetfulStore) ListStatements(context.Context) ([]store.Statement, error) { return nil, nil }

// What another process stores between the look and the write is found by the store.
func TestAPIStatementAndCohortAtOnce(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{NoCohort: true, Store: func(s store.Store) store.Store { return forgetfulStore{s} }})
	report := stated("report", servertest.Year, servertest.Year)
	a.ok(a.administrator(), importing(report))
	a.grpc(a.administrator(), a.opening(servertest.Year)).refused(t, codes.Aborted, "CHANGED_MEANWHILE")
	a.ok(a.administrator(), &aankomstv1.RemoveStatementRequest{Id: "report"})
	a.ok(a.administrator(), a.opening(servertest.Year))
	a.grpc(a.administrator(), importing(report)).refused(t, codes.Aborted, "CHANGED_MEANWHILE")
	kept, err := a.Store.ListStatements(t.Context())
	must(t, err)
	same(t, "statements", kept, []store.Statement{})
}

// A release is the same to the byte with statements or without, and adds none.
func TestAPIStatementsAndReleasesAreApart(t *testing.T) {
	t.Parallel()
	var documents []string
	for _, statements := range [][]*aankomstv1.Statement{nil, {stated("a", 2019, 2025), stated("b", 2027, 2030)}} {
		a := startAPI(t, servertest.Options{})
		a.fill(t, 40, 20)
		if statements != nil {
			a.ok(a.administrator(), importing(statements...))
		}
		a.pass(t, cutOff(1))
		documents = append(documents, string(a.publish(t, "").GetDocument()))
		same(t, "releases", len(a.releases(t)), 1)
		a.listed(t, (*api).grpc, statements...)
	}
	same(t, "the release", documents[1], documents[0])
}
