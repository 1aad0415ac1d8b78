package server_test

import (
	"testing"
	"time"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/server/servertest"
)

// The last use of a desk that only confirms would be the day of its last arrival.
func TestTheLastUseOfACentresTokenTellsOfNoArrival(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	used := func() (of map[string]string) {
		of = map[string]string{}
		for _, token := range a.ok(a.administrator(), new(aankomstv1.ListTokensRequest)).response.(*aankomstv1.ListTokensResponse).GetTokens() {
			of[token.GetRole().String()] = token.GetUsedOn()
		}
		return of
	}
	// A coordinator's use is noted, so that it can be seen when all has been written.
	written := func() {
		t.Helper()
		a.Clock.Advance(15 * time.Minute)
		a.ok(a.coordinator(), new(aankomstv1.ListReleasesRequest))
		eventually(t, "the use of the coordinator's token is written", func() bool {
			a.Clock.Advance(15 * time.Minute)
			return used()["COORDINATOR"] != ""
		})
	}
	code := a.issue(servertest.Year, 1)
	a.ok(a.intake(), confirming(code))
	a.ok(a.intake(), new(aankomstv1.ListCentresRequest))
	a.ok(a.counsellor(), voiding(a.issue(servertest.Year, 1)))
	written()
	if of := used(); of["INTAKE"] != "" || of["COUNSELLOR"] != "" {
		t.Errorf("after an arrival the last uses are %v", of)
	}
	a.ok(a.intake(), new(aankomstv1.GetMeRequest))
	eventually(t, "the use of a token that asks who it is is written", func() bool {
		a.Clock.Advance(15 * time.Minute)
		return used()["INTAKE"] != ""
	})
}
