package server

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/server/store"
)

// statements keeps what others say of arrivals; it sees no count of a cohort.
type statements struct {
	aankomstv1.UnimplementedStatementServiceServer
	store store.Store
}

const (
	// maxStatements is how many are kept, so that all fit into one answer.
	maxStatements = 200
	// maxStatementText is the longest text in a statement, in characters.
	maxStatementText = 500
	// maxStatedReferrals is more than any helpline refers.
	maxStatedReferrals = 1_000_000
	// firstStatedYear and lastStatedYear are the years that a statement may cover.
	firstStatedYear, lastStatedYear = 1900, 9999
)

func (s *statements) ListStatements(ctx context.Context, _ *aankomstv1.ListStatementsRequest) (*aankomstv1.ListStatementsResponse, error) {
	all, err := s.store.ListStatements(ctx)
	if err != nil {
		return nil, err
	}
	response := new(aankomstv1.ListStatementsResponse)
	for _, statement := range all {
		response.Statements = append(response.Statements, statementMessage(statement))
	}
	return response, nil
}

func (s *statements) ImportStatements(ctx context.Context, request *aankomstv1.ImportStatementsRequest) (*aankomstv1.ImportStatementsResponse, error) {
	var given []store.Statement
	for _, message := range request.GetStatements() {
		given = append(given, statementOf(message))
	}
	cohorts, err := s.store.ListCohorts(ctx)
	if err != nil {
		return nil, err
	}
	kept, err := s.store.ListStatements(ctx)
	if err != nil {
		return nil, err
	}
	plan, err := PlanStatements(given, kept, cohorts)
	if err != nil {
		return nil, err
	}
	if !request.GetDryRun() {
		if err := s.store.PutStatements(ctx, plan.Put); err != nil {
			return nil, err
		}
	}
	return &aankomstv1.ImportStatementsResponse{Added: plan.Added, Changed: plan.Changed, Unchanged: plan.Unchanged}, nil
}

func (s *statements) RemoveStatement(ctx context.Context, request *aankomstv1.RemoveStatementRequest) (*aankomstv1.RemoveStatementResponse, error) {
	if err := s.store.RemoveStatement(ctx, request.GetId()); err != nil {
		return nil, err
	}
	return new(aankomstv1.RemoveStatementResponse), nil
}

func statementOf(m *aankomstv1.Statement) store.Statement {
	statement := store.Statement{
		ID: m.GetId(), FromYear: int(m.GetFromYear()), ToYear: int(m.GetToYear()), Definition: m.GetDefinition(),
		Referrals: int(m.GetReferrals()), ArrivedPercent: store.NotStated, Denominator: m.GetDenominator(), Source: m.GetSource(),
	}
	if m != nil && m.ArrivedPercent != nil {
		statement.ArrivedPercent = int(m.GetArrivedPercent())
	}
	return statement
}

func statementMessage(s store.Statement) *aankomstv1.Statement {
	message := &aankomstv1.Statement{
		Id: s.ID, FromYear: uint32(s.FromYear), ToYear: uint32(s.ToYear), Definition: s.Definition,
		Referrals: uint32(s.Referrals), Denominator: s.Denominator, Source: s.Source,
	}
	if s.ArrivedPercent != store.NotStated {
		percent := uint32(s.ArrivedPercent)
		message.ArrivedPercent = &percent
	}
	return message
}

// StatementPlan is what an import of statements does.
type StatementPlan struct {
	// Added, Changed and Unchanged are the IDs of those that are new, that say something else than before,
	// and that say the same.
	Added, Changed, Unchanged []string
	// Put are those that are to be stored.
	Put []store.Statement
}

// PlanStatements plans an import of statements, each in the place of the one that has its ID, into a store
// that keeps some and has cohorts. It refuses all when it refuses one. Its errors may be shown.
func PlanStatements(given, kept []store.Statement, cohorts []store.Cohort) (StatementPlan, error) {
	if len(given) == 0 {
		return StatementPlan{}, invalid("statements", "give one statement at least")
	}
	before := map[string]store.Statement{}
	for _, statement := range kept {
		before[statement.ID] = statement
	}
	var plan StatementPlan
	seen := map[string]bool{}
	for _, statement := range given {
		if err := CheckStatement(statement, cohorts); err != nil {
			return StatementPlan{}, err
		}
		if seen[statement.ID] {
			return StatementPlan{}, invalid("statements.id", "the statement %s is given twice", statement.ID)
		}
		seen[statement.ID] = true
		was, known := before[statement.ID]
		switch {
		case !known:
			plan.Added = append(plan.Added, statement.ID)
		case was == statement:
			plan.Unchanged = append(plan.Unchanged, statement.ID)
			continue
		default:
			plan.Changed = append(plan.Changed, statement.ID)
		}
		plan.Put = append(plan.Put, statement)
	}
	if all := len(kept) + len(plan.Added); all > maxStatements {
		return StatementPlan{}, invalid("statements", "at most %d statements are kept, and these would make %d; remove some first", maxStatements, all)
	}
	return plan, nil
}

// CheckStatement refuses a statement that people could not read or look up, and one of a year that has one
// of the cohorts. Its errors name the field and may be shown.
func CheckStatement(s store.Statement, cohorts []store.Cohort) error {
	percent := s.ArrivedPercent != store.NotStated
	switch {
	case !chosenID.MatchString(s.ID):
		return invalid("statements.id", "the id of a statement is 1 to 40 of a-z, 0-9 and hyphen, such as report-2024; not %q", clip(s.ID))
	case s.FromYear < firstStatedYear || s.FromYear > lastStatedYear:
		return invalid("statements.from_year", "the first year of the statement %s is a calendar year, from %d on", s.ID, firstStatedYear)
	case s.ToYear < s.FromYear || s.ToYear > lastStatedYear:
		return invalid("statements.to_year", "the last year of the statement %s is a calendar year, and none before the first", s.ID)
	case strings.TrimSpace(s.Definition) == "":
		return invalid("statements.definition", "say what was counted in the statement %s", s.ID)
	case s.Referrals < 0 || s.Referrals > maxStatedReferrals:
		return invalid("statements.referrals", "the referrals of the statement %s are a whole number up to %d", s.ID, maxStatedReferrals)
	case percent && (s.ArrivedPercent < 0 || s.ArrivedPercent > 100):
		return invalid("statements.arrived_percent", "the per cent of the statement %s is a whole number from 0 to 100", s.ID)
	case !percent && s.Referrals == 0:
		return invalid("statements.arrived_percent", "the statement %s states nothing: give how many were referred, which per cent arrived, or both", s.ID)
	case percent != (strings.TrimSpace(s.Denominator) != ""):
		return invalid("statements.denominator", "say of what the per cent of the statement %s is taken, and say it of a per cent only", s.ID)
	case strings.TrimSpace(s.Source) == "":
		return invalid("statements.source", "say who states the statement %s, and where", s.ID)
	}
	for field, text := range map[string]string{"definition": s.Definition, "denominator": s.Denominator, "source": s.Source} {
		if !printable(text, maxStatementText) {
			return invalid("statements."+field, "the %s of the statement %s takes at most %d printable characters", field, s.ID, maxStatementText)
		}
	}
	for _, cohort := range slices.Backward(cohorts) {
		if s.Covers(cohort.Year) {
			return &problem{
				code: codes.FailedPrecondition, reason: "YEAR_COUNTED", field: "statements.to_year",
				message: fmt.Sprintf("the statement %s covers %d, which is counted here: who knows both could combine them; let it end before %d or begin after it, or leave it out",
					s.ID, cohort.Year, cohort.Year),
				metadata: map[string]string{"year": strconv.Itoa(cohort.Year)},
			}
		}
	}
	return nil
}
