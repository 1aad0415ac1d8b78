package main

import (
	"sync/atomic"
	"time"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/server/access"
	"aankomst/server/cohort"
	"aankomst/server/store"
)

// demoYear is an invented year: referrals issued and arrived in each of the two pools, and how many of
// those who arrived did so outside the pool of their code. Totals and their split are illustrative; the
// 59 referrals and 47 arrivals of 2020 are what a public figure of 80 % comes to.
type demoYear struct {
	year, elsewhere int
	pools           [2]demoPool
}

type demoPool struct{ issued, arrived int }

var demoYears = []demoYear{
	{2017, 1, [2]demoPool{{18, 13}, {17, 13}}},
	{2018, 1, [2]demoPool{{25, 19}, {21, 16}}},
	{2019, 2, [2]demoPool{{30, 23}, {25, 20}}},
	{2020, 2, [2]demoPool{{33, 26}, {26, 21}}},
}

// demoWaits are the waiting bands that are told at confirmations, one after the other.
var demoWaits = []aankomstv1.WaitBand_Value{
	aankomstv1.WaitBand_UP_TO_2_WEEKS, aankomstv1.WaitBand_FROM_2_TO_6_WEEKS, aankomstv1.WaitBand_FROM_2_TO_6_WEEKS,
	aankomstv1.WaitBand_FROM_2_TO_6_WEEKS, aankomstv1.WaitBand_FROM_6_WEEKS_TO_3_MONTHS, aankomstv1.WaitBand_VALUE_UNSPECIFIED,
}

// demoThisYear is what has been issued and confirmed of the running year.
var demoThisYear = [2]demoPool{{9, 6}, {7, 4}}

// demoPools are the pools of every demo cohort; demoCentres are invented.
var (
	demoPools = []cohort.PoolPlan{
		{Name: "CGG", Expected: 32, Centres: []string{"cgg-de-oever", "cgg-het-anker", "cgg-de-linde", "cgg-noorderlicht"}},
		{Name: "CAW + UFC", Expected: 28, Centres: []string{"caw-de-brug", "caw-het-pad", "caw-zuiderpoort", "ufc-de-kade"}},
	}
	demoCentres = []*aankomstv1.Centre{
		{Id: "cgg-de-oever", DisplayName: "CGG De Oever", Type: aankomstv1.Centre_CGG, Town: "Waterdam", Region: "North"},
		{Id: "cgg-het-anker", DisplayName: "CGG Het Anker", Type: aankomstv1.Centre_CGG, Town: "Ankerstede", Region: "East"},
		{Id: "cgg-de-linde", DisplayName: "CGG De Linde", Type: aankomstv1.Centre_CGG, Town: "Lindeveld", Region: "South"},
		{Id: "cgg-noorderlicht", DisplayName: "CGG Noorderlicht", Type: aankomstv1.Centre_CGG, Town: "Noordwijke", Region: "North"},
		{Id: "caw-de-brug", DisplayName: "CAW De Brug", Type: aankomstv1.Centre_CAW, Town: "Brugveld", Region: "West"},
		{Id: "caw-het-pad", DisplayName: "CAW Het Pad", Type: aankomstv1.Centre_CAW, Town: "Padhoven", Region: "East"},
		{Id: "caw-zuiderpoort", DisplayName: "CAW Zuiderpoort", Type: aankomstv1.Centre_CAW, Town: "Zuidpoorte", Region: "South"},
		{Id: "ufc-de-kade", DisplayName: "UFC De Kade", Type: aankomstv1.Centre_UFC, Town: "Kadestad", Region: "West"},
	}
)

// demoSeats are the members whom the demo invites, each in a role.
var demoSeats = []struct {
	who  string
	seat access.SeatRequest
}{
	{"counsellor", access.SeatRequest{Label: "Demo counsellor", Role: store.RoleCounsellor}},
	{"intake", access.SeatRequest{Label: "Demo intake worker", Role: store.RoleIntake, Centre: "cgg-de-oever"}},
	{"coordinator", access.SeatRequest{Label: "Demo coordinator", Role: store.RoleCoordinator}},
	{"administrator", access.SeatRequest{Label: "Demo administrator", Role: store.RoleAdministrator}},
}

// demoClock is a clock that the demo sets; once released it runs with the world's.
type demoClock struct{ set atomic.Pointer[time.Time] }

func (c *demoClock) now() time.Time {
	if at := c.set.Load(); at != nil {
		return *at
	}
	return time.Now()
}

func (c *demoClock) setTo(at time.Time) { c.set.Store(&at) }
func (c *demoClock) release()           { c.set.Store(nil) }
