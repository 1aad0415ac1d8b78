package server

import (
	"context"

	"google.golang.org/grpc/codes"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/refcode"
	"aankomst/server/access"
	"aankomst/server/cohort"
	"aankomst/server/ledger"
	"aankomst/server/store"
)

// arrivals confirms, with the code alone.
type arrivals struct {
	aankomstv1.UnimplementedArrivalServiceServer
	cohorts cohorts
	ring    *cohort.Keyring
	ledger  *ledger.Ledger
	guesses *access.Guesses
}

// ConfirmArrival gives one answer for a code confirmed now or before, and one refusal for a code that
// is unknown, voided, expired or of a closed cohort.
func (a *arrivals) ConfirmArrival(ctx context.Context, request *aankomstv1.ConfirmArrivalRequest) (*aankomstv1.ConfirmArrivalResponse, error) {
	outcome, err := a.spend(ctx, request.GetCode(), request.GetWaitBand(), store.Arrive)
	if err != nil {
		return nil, err
	}
	return &aankomstv1.ConfirmArrivalResponse{Outcome: outcome}, nil
}

// UndoArrival gives one answer for every genuine code, whether or not it was confirmed.
func (a *arrivals) UndoArrival(ctx context.Context, request *aankomstv1.UndoArrivalRequest) (*aankomstv1.UndoArrivalResponse, error) {
	if _, err := a.spend(ctx, request.GetCode(), request.GetWaitBand(), store.Undo); err != nil {
		return nil, err
	}
	return &aankomstv1.UndoArrivalResponse{}, nil
}

// spend recognises a code and records what happens to it. All of it is one attempt of the centre: a
// voided code counts against the limit like an unknown one, or the limit would tell them apart.
func (a *arrivals) spend(ctx context.Context, text string, band aankomstv1.WaitBand_Value, kind store.Kind) (outcome aankomstv1.ConfirmArrivalResponse_Outcome, err error) {
	wait, err := waitBand("wait_band", band)
	if err != nil {
		return 0, err
	}
	code, err := refcode.Decode(text)
	if err != nil {
		return 0, err
	}
	caller, err := atCentre(ctx)
	if err != nil {
		return 0, err
	}
	accepted := false
	err = a.guesses.Attempt(ctx, caller.Centre, caller.Wrong, func() (wrong bool, err error) {
		found := a.ring.Recognise(code)
		if !found.Genuine {
			return true, nil
		}
		if found.Pool == refcode.PracticePool {
			accepted, outcome = true, aankomstv1.ConfirmArrivalResponse_PRACTICE
			return false, nil
		}
		recorded, err := a.ledger.Record(ctx, store.Entry{
			Kind: kind, Year: found.Year, Pool: found.Pool, Nullifier: found.Nullifier,
			Elsewhere: !caller.IsIn(found.Year, found.Pool), WaitBand: wait,
		})
		if err != nil {
			return false, err
		}
		accepted = recorded != store.Voided && recorded != store.NotOpen
		outcome = aankomstv1.ConfirmArrivalResponse_CONFIRMED
		return !accepted, nil
	})
	if err != nil {
		return 0, err
	}
	if !accepted {
		return 0, errNotAccepted
	}
	return outcome, nil
}

// atCentre returns the caller, whose centre must be in use.
func atCentre(ctx context.Context) (access.Principal, error) {
	caller := principal(ctx)
	if caller.Centre == "" || caller.Archived {
		return access.Principal{}, &problem{
			code: codes.PermissionDenied, reason: "CENTRE_ARCHIVED",
			message: "this centre is archived and cannot confirm; ask the administrator",
		}
	}
	return caller, nil
}

// RecordArrivalWithoutCode counts apart, never in the rate.
func (a *arrivals) RecordArrivalWithoutCode(ctx context.Context, request *aankomstv1.RecordArrivalWithoutCodeRequest) (*aankomstv1.RecordArrivalWithoutCodeResponse, error) {
	if _, err := atCentre(ctx); err != nil {
		return nil, err
	}
	year := int(request.GetCohort())
	if _, err := a.cohorts.in(ctx, year, cohort.Open, cohort.Maturing); err != nil {
		return nil, err
	}
	outcome, err := a.ledger.Record(ctx, store.Entry{Kind: store.ArriveWithoutCode, Year: year})
	if err != nil {
		return nil, err
	}
	if outcome != store.Done {
		return nil, notInState(year, cohort.Closing)
	}
	return &aankomstv1.RecordArrivalWithoutCodeResponse{}, nil
}

// waitBand translates a band, which stands in a field of that name; the numbers are the same in the proto
// and in the store.
func waitBand(field string, band aankomstv1.WaitBand_Value) (store.WaitBand, error) {
	if band < 0 || int(band) >= int(store.WaitBands) {
		return 0, invalid(field, "choose one of the bands of WaitBand, or leave it out")
	}
	return store.WaitBand(band), nil
}
