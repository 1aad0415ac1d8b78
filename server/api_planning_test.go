package server_test

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/server/calendar"
	"aankomst/server/servertest"
)

// advised is what the planner answers about the cohort of the year.
func advised(advice ...*aankomstv1.PoolAdvice) *aankomstv1.PlanPoolsResponse {
	return &aankomstv1.PlanPoolsResponse{Cohort: servertest.Year, Release: 2, Advice: advice}
}

// Pools are planned from a final release that is published, and from nothing that came before.
func TestAPIPoolsArePlanned(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	tooSoon := func(when string) {
		t.Helper()
		t.Run(when, func(t *testing.T) {
			bothWays(t, func(t *testing.T, call func(*api, string, proto.Message) answer) {
				for _, token := range []string{a.coordinator(), a.administrator()} {
					call(a, token, new(aankomstv1.PlanPoolsRequest)).refused(t, codes.FailedPrecondition, "NO_FINAL_RELEASE")
				}
			})
		})
	}
	tooSoon("nothing is published")
	a.fillPool(t, servertest.Year, 1, 60, 40)
	a.pass(t, cutOff(1))
	a.publish(t, "")
	tooSoon("a provisional release is published")
	a.fillPool(t, servertest.Year, 2, 15, 12)
	a.Clock.Set(calendar.ClosesFrom(servertest.Year))
	a.shut(servertest.Year)
	tooSoon("the final release is frozen")
	a.publish(t, "")
	merge := advised(&aankomstv1.PoolAdvice{
		Verdict: aankomstv1.PoolAdvice_MERGE, Pools: []uint32{1, 2},
		Into: []*aankomstv1.NewPool{{
			DisplayName: "CGG + CAW + UFC", Centres: []string{"caw-a", "caw-b", "cgg-a", "cgg-b", "cgg-c", "ufc-a"},
		}},
		Reason: "below 25, or not certain to have 25: merge; of the one pool that is left, the total is shown in a band",
	})
	bothWays(t, func(t *testing.T, call func(*api, string, proto.Message) answer) {
		for _, token := range []string{a.coordinator(), a.administrator()} {
			equal(t, "advice", call(a, token, new(aankomstv1.PlanPoolsRequest)).response, merge)
		}
		for _, token := range []string{a.counsellor(), a.intake()} {
			call(a, token, new(aankomstv1.PlanPoolsRequest)).refused(t, codes.PermissionDenied, "ROLE_NOT_ALLOWED")
		}
		call(a, "", new(aankomstv1.PlanPoolsRequest)).refused(t, codes.Unauthenticated, "NOT_SIGNED_IN")
	})
	// A centre that was archived is in no pool that is planned.
	a.ok(a.administrator(), &aankomstv1.ArchiveCentreRequest{Id: "ufc-a"})
	merge.Advice[0].Into[0].Centres = []string{"caw-a", "caw-b", "cgg-a", "cgg-b", "cgg-c"}
	equal(t, "advice", a.ok(a.administrator(), new(aankomstv1.PlanPoolsRequest)).response, merge)
}

// A release that shows nothing says nothing about pools either, and is not taken to.
func TestAPIPoolsAreUntold(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	a.fill(t, 60, 60)
	a.pass(t, cutOff(1))
	a.publish(t, "")
	a.Clock.Set(calendar.ClosesFrom(servertest.Year))
	a.shut(servertest.Year)
	a.publish(t, "")
	const reason = "the total is not shown exactly, and then every pool is protected whatever its size"
	equal(t, "advice", a.ok(a.administrator(), new(aankomstv1.PlanPoolsRequest)).response, advised(
		&aankomstv1.PoolAdvice{Verdict: aankomstv1.PoolAdvice_UNTOLD, Pools: []uint32{1}, Reason: reason},
		&aankomstv1.PoolAdvice{Verdict: aankomstv1.PoolAdvice_UNTOLD, Pools: []uint32{2}, Reason: reason},
	))
}
