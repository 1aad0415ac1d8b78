package server

import (
	"context"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/server/cohort"
	"aankomst/server/release"
	"aankomst/server/store"
)

// PlanPools advises what to do with pools in the next cohort, and returns the release that it is read from. It
// reads releases and the directory and never a count, so whoever is advised learns nothing that is not published.
// Errors are release.ErrNoFinal, wrap release.ErrDocument or are the store's.
func PlanPools(ctx context.Context, s store.Store, policy release.Policy) (release.Document, []release.Advice, error) {
	published, err := s.ListReleases(ctx)
	if err != nil {
		return release.Document{}, nil, err
	}
	last, err := release.LatestFinal(published)
	if err != nil {
		return release.Document{}, nil, err
	}
	planning := release.Planning{Last: last, MinCentres: cohort.MinCentres}
	if planning.Cohort, err = s.GetCohort(ctx, last.Cohort); err != nil {
		return release.Document{}, nil, err
	}
	if planning.Centres, err = s.ListCentres(ctx); err != nil {
		return release.Document{}, nil, err
	}
	advice, err := release.Plan([]release.Policy{policy, release.Current}, planning)
	return last, advice, err
}

func (d *directory) PlanPools(ctx context.Context, _ *aankomstv1.PlanPoolsRequest) (*aankomstv1.PlanPoolsResponse, error) {
	last, advice, err := PlanPools(ctx, d.store, d.policy)
	if err != nil {
		return nil, err
	}
	response := &aankomstv1.PlanPoolsResponse{Cohort: uint32(last.Cohort), Release: uint32(last.Number)}
	for _, one := range advice {
		message := &aankomstv1.PoolAdvice{Verdict: verdicts[one.Verdict], Pools: one.Pools, Reason: one.Reason}
		for _, pool := range one.Into {
			message.Into = append(message.Into, &aankomstv1.NewPool{DisplayName: pool.Name, Centres: pool.Centres})
		}
		response.Advice = append(response.Advice, message)
	}
	return response, nil
}

var verdicts = map[release.Verdict]aankomstv1.PoolAdvice_Verdict{
	release.Keep: aankomstv1.PoolAdvice_KEEP, release.Merge: aankomstv1.PoolAdvice_MERGE,
	release.Split: aankomstv1.PoolAdvice_SPLIT, release.Untold: aankomstv1.PoolAdvice_UNTOLD,
}
