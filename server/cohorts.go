package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc/codes"

	"aankomst/refcode"
	"aankomst/server/cohort"
	"aankomst/server/store"
)

// cohorts tells what can be done with a year's codes.
type cohorts struct {
	store store.Cohorts
	ring  *cohort.Keyring
	clock func() time.Time
}

// in returns the directory of a year's cohort. It refuses one that does not exist or is in none of the
// states.
//
// A cohort whose key is held was open when this process last looked, at most syncEvery ago, so the store
// is asked only why nothing can be done. Whatever is recorded reads the stage again in its transaction,
// which has the last word. A practice code records nothing: for as long, one may still be issued in a
// cohort that another process has begun to close, where it is worth nothing.
func (c cohorts) in(ctx context.Context, year int, states ...cohort.State) (refcode.Directory, error) {
	if directory, held := c.ring.Directory(year); held {
		open := store.Cohort{Year: year, Stage: store.StageOpen}
		if slices.Contains(states, cohort.StateAt(open, c.clock())) {
			return directory, nil
		}
	}
	found, err := findCohort(ctx, c.store, "cohort", year)
	if err != nil {
		return refcode.Directory{}, err
	}
	if state := cohort.StateAt(found, c.clock()); !slices.Contains(states, state) {
		return refcode.Directory{}, notInState(year, state)
	}
	return cohort.DirectoryOf(found), nil
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
