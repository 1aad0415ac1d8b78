package server

import (
	"context"
	"fmt"

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
	cohorts cohorts
	ring    *cohort.Keyring
	ledger  *ledger.Ledger
	guesses *access.Strangers
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
	if _, err := r.cohorts.in(ctx, year, states...); err != nil {
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
	directory, err := r.cohorts.in(ctx, year, cohort.Open, cohort.Maturing)
	if err != nil {
		return nil, err
	}
	if !directory.HasPool(pool) {
		return nil, fmt.Errorf("%w: %d", cohort.ErrNoPool, pool)
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
