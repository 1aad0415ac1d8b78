package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc/codes"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/refcode"
	"aankomst/server/access"
	"aankomst/server/cohort"
	"aankomst/server/ledger"
	"aankomst/server/store"
)

// referrals issues codes blindly.
type referrals struct {
	aankomstv1.UnimplementedReferralServiceServer
	store   store.Store
	ring    *cohort.Keyring
	ledger  *ledger.Ledger
	guesses *access.Strangers
	clock   func() time.Time
}

// IssueReferral evaluates first, so that a request that cannot be answered counts nothing, and answers
// only when the count is durable.
func (r *referrals) IssueReferral(ctx context.Context, request *aankomstv1.IssueReferralRequest) (*aankomstv1.IssueReferralResponse, error) {
	year, pool, element := int(request.GetCohort()), request.GetPool(), request.GetBlindedElement()
	practice := pool == refcode.PracticePool
	states := []cohort.State{cohort.Open}
	if practice {
		states = []cohort.State{cohort.Ahead, cohort.Open, cohort.Maturing}
	}
	if err := requireState(ctx, r.store, year, r.clock(), states...); err != nil {
		return nil, err
	}
	evaluated, proof, err := r.ring.Evaluate(year, pool, element)
	if err != nil {
		return nil, err
	}
	if !practice {
		entry := store.Entry{Kind: store.Issue, Year: year, Pool: pool}
		if request.GetReplacement() {
			entry.Kind = store.IssueReplacement
		}
		outcome, err := r.ledger.RecordIssue(ctx, entry, element)
		if err != nil {
			return nil, err
		}
		if outcome != store.Done {
			return nil, notInState(year, cohort.Closing)
		}
	}
	return &aankomstv1.IssueReferralResponse{EvaluatedElement: evaluated, Proof: proof}, nil
}

// VoidReferral answers the same for a genuine code whatever became of it before, so that nobody at the
// helpline can test whether a caller arrived.
func (r *referrals) VoidReferral(ctx context.Context, request *aankomstv1.VoidReferralRequest) (*aankomstv1.VoidReferralResponse, error) {
	code, err := refcode.Decode(request.GetCode())
	if err != nil {
		return nil, err
	}
	var found cohort.Recognition
	err = r.guesses.Attempt(func() (wrong bool, err error) {
		found = r.ring.Recognise(code)
		return !found.Genuine, nil
	})
	if err != nil {
		return nil, err
	}
	if !found.Genuine {
		return nil, errNotAccepted
	}
	if found.Pool != refcode.PracticePool {
		entry := store.Entry{Kind: store.Void, Year: found.Year, Pool: found.Pool, Nullifier: found.Nullifier}
		if request.GetReplacement() {
			entry.Kind = store.VoidReplacement
		}
		outcome, err := r.ledger.Record(ctx, entry)
		if err != nil {
			return nil, err
		}
		if outcome == store.NotOpen {
			return nil, errNotAccepted
		}
	}
	return &aankomstv1.VoidReferralResponse{}, nil
}

// RecordReferralWithoutCode may come after the turn of the year: what could not be recorded during a
// call is recorded when the server is back.
func (r *referrals) RecordReferralWithoutCode(ctx context.Context, request *aankomstv1.RecordReferralWithoutCodeRequest) (*aankomstv1.RecordReferralWithoutCodeResponse, error) {
	year, pool := int(request.GetCohort()), request.GetPool()
	if pool == refcode.PracticePool {
		return nil, invalid("pool", "name the pool; the practice pool counts nothing")
	}
	if err := requirePool(ctx, r.store, year, pool, r.clock(), cohort.Open, cohort.Maturing); err != nil {
		return nil, err
	}
	outcome, err := r.ledger.Record(ctx, store.Entry{Kind: store.ReferWithoutCode, Year: year, Pool: pool})
	if err != nil {
		return nil, err
	}
	if outcome != store.Done {
		return nil, notInState(year, cohort.Closing)
	}
	return &aankomstv1.RecordReferralWithoutCodeResponse{}, nil
}

// requireState refuses a cohort that does not exist or is in none of the states.
func requireState(ctx context.Context, cohorts store.Cohorts, year int, now time.Time, states ...cohort.State) error {
	_, err := cohortIn(ctx, cohorts, year, now, states...)
	return err
}

// requirePool is requireState, and refuses a pool that the cohort does not have.
func requirePool(ctx context.Context, cohorts store.Cohorts, year int, pool uint32, now time.Time, states ...cohort.State) error {
	found, err := cohortIn(ctx, cohorts, year, now, states...)
	if err != nil {
		return err
	}
	if !cohort.DirectoryOf(found).HasPool(pool) {
		return fmt.Errorf("%w: %d", cohort.ErrNoPool, pool)
	}
	return nil
}

func cohortIn(ctx context.Context, cohorts store.Cohorts, year int, now time.Time, states ...cohort.State) (store.Cohort, error) {
	found, err := findCohort(ctx, cohorts, "cohort", year)
	if err != nil {
		return store.Cohort{}, err
	}
	if state := cohort.StateAt(found, now); !slices.Contains(states, state) {
		return store.Cohort{}, notInState(year, state)
	}
	return found, nil
}

// findCohort returns the cohort that a field of the request names.
func findCohort(ctx context.Context, cohorts store.Cohorts, field string, year int) (store.Cohort, error) {
	found, err := cohorts.GetCohort(ctx, year)
	if errors.Is(err, store.ErrNotFound) {
		return store.Cohort{}, &problem{
			code: codes.NotFound, reason: "COHORT_NOT_FOUND", field: field,
			message: "there is no cohort of that year; list the cohorts, or ask the administrator to open it",
		}
	}
	return found, err
}

// notInState says what a cohort's state does not allow.
func notInState(year int, state cohort.State) *problem {
	p := &problem{code: codes.FailedPrecondition, field: "cohort"}
	switch state {
	case cohort.Ahead:
		p.reason, p.message = "COHORT_AHEAD", fmt.Sprintf("the year %d has not begun; until then only practice codes are issued", year)
	case cohort.Maturing:
		p.reason, p.message = "COHORT_MATURING", fmt.Sprintf("the year %d is over: its codes are confirmed but none is issued; use the cohort of this year", year)
	default:
		p.reason, p.message = "COHORT_CLOSED", fmt.Sprintf("the cohort of %d is closed: nothing is issued or recorded in it any more", year)
	}
	return p
}
