package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc/codes"

	"aankomst/server/cohort"
	"aankomst/server/store"
)

// cohortIn returns the cohort of a year. It refuses one that does not exist or is in none of the states.
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
