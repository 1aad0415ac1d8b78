package server_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/refcode"
	"aankomst/server/calendar"
	"aankomst/server/servertest"
)

// opening asks for the cohort of a year with default pools.
func (a *api) opening(year uint32) *aankomstv1.OpenCohortRequest {
	return &aankomstv1.OpenCohortRequest{
		Year: year, ExpectedReferrals: 60, EscrowRecipients: []string{a.Identity.Recipient().String()},
	}
}

func (a *api) cohort(year uint32) *aankomstv1.Cohort {
	a.t.Helper()
	return a.ok("", &aankomstv1.GetCohortRequest{Year: year}).response.(*aankomstv1.Cohort)
}

// keyFiles are the files of cohorts in the key folder.
func (a *api) keyFiles() []string {
	a.t.Helper()
	found, err := filepath.Glob(filepath.Join(a.Folder, "keys", "cohort-*"))
	must(a.t, err)
	for i, path := range found {
		found[i] = filepath.Base(path)
	}
	return found
}

func TestAPIOpenCohortWithDefaultPools(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{NoCohort: true})
	got := a.ok(a.administrator(), a.opening(servertest.Year)).response.(*aankomstv1.OpenCohortResponse)
	opened := got.GetCohort()
	if opened.GetYear() != servertest.Year || opened.GetState() != aankomstv1.Cohort_OPEN || opened.GetLayout() != aankomstv1.Cohort_SHORT {
		t.Errorf("%v", opened)
	}
	// Three CGG are a pool; two CAW and the one UFC, which alone would be known by its number, are another.
	pools := opened.GetPools()
	if len(pools) != 2 || !slices.Equal(pools[0].GetCentres(), servertest.PoolOne) || !slices.Equal(pools[1].GetCentres(), servertest.PoolTwo) {
		t.Errorf("the default pools are %v", pools)
	}
	same(t, "files", a.keyFiles(), []string{got.GetEscrowFile(), "cohort-2026.key"})
	for _, name := range a.keyFiles() {
		info, err := os.Stat(filepath.Join(a.Folder, "keys", name))
		must(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has the mode %o", name, info.Mode().Perm())
		}
	}
	// Everybody sees the same, without a token, and can compute the fingerprint.
	want := refcode.Directory{Year: servertest.Year, Layout: refcode.Short, PublicKey: opened.GetPublicKey(), Pools: []uint32{1, 2}}.Fingerprint()
	bothWays(t, func(t *testing.T, call func(*api, string, proto.Message) answer) {
		seen := call(a, "", &aankomstv1.GetCohortRequest{Year: servertest.Year})
		equal(t, "seen", seen.response, opened)
		if cohort := seen.response.(*aankomstv1.Cohort); string(cohort.GetFingerprint()) != string(want[:]) || cohort.GetFingerprintText() != want.Text() {
			t.Errorf("the fingerprint is %x, %s", cohort.GetFingerprint(), cohort.GetFingerprintText())
		}
		call(a, "", &aankomstv1.GetCohortRequest{Year: 2025}).refused(t, codes.NotFound, "COHORT_NOT_FOUND")
		call(a, a.administrator(), a.opening(servertest.Year)).refused(t, codes.AlreadyExists, "ALREADY_EXISTS")
	})
	isConfirmed(t, a.ok(a.intake(), confirming(a.issue(servertest.Year, 2))))
}

func TestAPIOpenCohortWithPools(t *testing.T) {
	t.Parallel()
	for layout, symbols := range map[aankomstv1.Cohort_Layout]int{aankomstv1.Cohort_LAYOUT_UNSPECIFIED: 16, aankomstv1.Cohort_SHORT: 16, aankomstv1.Cohort_LONG: 20} {
		t.Run(layout.String(), func(t *testing.T) {
			t.Parallel()
			a := startAPI(t, servertest.Options{NoCohort: true})
			request := a.opening(servertest.Year)
			request.Layout, request.ExpectedReferrals = layout, 0
			request.Pools = []*aankomstv1.NewPool{{DisplayName: "Alle", ExpectedReferrals: 25, Centres: []string{"ufc-a", "cgg-a", "caw-b"}}}
			got := a.rest(a.administrator(), request)
			got.worked(t)
			pools := got.response.(*aankomstv1.OpenCohortResponse).GetCohort().GetPools()
			equal(t, "the pool", pools[0], &aankomstv1.Pool{Number: 1, DisplayName: "Alle", Centres: []string{"caw-b", "cgg-a", "ufc-a"}})
			if code := a.issue(servertest.Year, 1); len(code.Symbols()) != symbols {
				t.Errorf("a code of %d symbols", len(code.Symbols()))
			}
		})
	}
}

func TestAPIOpenCohortRefusals(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{NoCohort: true})
	a.ok(a.administrator(), &aankomstv1.ArchiveCentreRequest{Id: "cgg-c"})
	pool := func(name string, expected uint32, centres ...string) *aankomstv1.NewPool {
		return &aankomstv1.NewPool{DisplayName: name, ExpectedReferrals: expected, Centres: centres}
	}
	var requests []badRequest
	for name, change := range map[string]func(*aankomstv1.OpenCohortRequest){
		"a year that is over":         func(r *aankomstv1.OpenCohortRequest) { r.Year = 2025 },
		"no year":                     func(r *aankomstv1.OpenCohortRequest) { r.Year = 0 },
		"a year past all years":       func(r *aankomstv1.OpenCohortRequest) { r.Year = 10000 },
		"a year of 16 bits":           func(r *aankomstv1.OpenCohortRequest) { r.Year = servertest.Year + 1<<16 },
		"nobody to open the escrow":   func(r *aankomstv1.OpenCohortRequest) { r.EscrowRecipients = nil },
		"an escrow recipient of none": func(r *aankomstv1.OpenCohortRequest) { r.EscrowRecipients = []string{"age1nobody"} },
		"one good recipient, one bad": func(r *aankomstv1.OpenCohortRequest) { r.EscrowRecipients = append(r.EscrowRecipients, "x") },
		"a secret for a recipient":    func(r *aankomstv1.OpenCohortRequest) { r.EscrowRecipients = []string{a.Identity.String()} },
		"too few expected":            func(r *aankomstv1.OpenCohortRequest) { r.ExpectedReferrals = 10 },
		"none expected":               func(r *aankomstv1.OpenCohortRequest) { r.ExpectedReferrals = 0 },
		"a pool of two": func(r *aankomstv1.OpenCohortRequest) {
			r.Pools = []*aankomstv1.NewPool{pool("A", 30, "cgg-a", "cgg-b")}
		},
		"a pool of no centres": func(r *aankomstv1.OpenCohortRequest) { r.Pools = []*aankomstv1.NewPool{pool("A", 30)} },
		"a pool of few referrals": func(r *aankomstv1.OpenCohortRequest) {
			r.Pools = []*aankomstv1.NewPool{pool("A", 24, "cgg-a", "cgg-b", "caw-a")}
		},
		"a pool without a name": func(r *aankomstv1.OpenCohortRequest) {
			r.Pools = []*aankomstv1.NewPool{pool("", 30, "cgg-a", "cgg-b", "caw-a")}
		},
		"a pool named for a formula": func(r *aankomstv1.OpenCohortRequest) {
			r.Pools = []*aankomstv1.NewPool{pool("=1+1", 30, "cgg-a", "cgg-b", "caw-a")}
		},
		"a centre that is unknown": func(r *aankomstv1.OpenCohortRequest) {
			r.Pools = []*aankomstv1.NewPool{pool("A", 30, "cgg-a", "cgg-b", "cgg-x")}
		},
		"a centre that is archived": func(r *aankomstv1.OpenCohortRequest) {
			r.Pools = []*aankomstv1.NewPool{pool("A", 30, "cgg-a", "cgg-b", "cgg-c")}
		},
		"a centre twice": func(r *aankomstv1.OpenCohortRequest) {
			r.Pools = []*aankomstv1.NewPool{pool("A", 30, "cgg-a", "cgg-b", "cgg-a")}
		},
		"a centre in two pools": func(r *aankomstv1.OpenCohortRequest) {
			r.Pools = []*aankomstv1.NewPool{pool("A", 30, "cgg-a", "cgg-b", "caw-a"), pool("B", 30, "caw-a", "caw-b", "ufc-a")}
		},
		"two pools of one name": func(r *aankomstv1.OpenCohortRequest) {
			r.Pools = []*aankomstv1.NewPool{pool("A", 30, "cgg-a", "cgg-b", "ufc-a"), pool("A", 30, "caw-a", "caw-b", "ufc-a")}
		},
	} {
		request := a.opening(servertest.Year)
		change(request)
		code, reason := codes.InvalidArgument, "PLAN_REFUSED"
		requests = append(requests, badRequest{name, a.administrator, request, code, reason, ""})
	}
	requests = append(requests, badRequest{"a year to come", a.administrator, a.opening(servertest.Year + 1), codes.FailedPrecondition, "TOO_SOON", ""})
	a.refuses(t, requests)
	for _, bad := range requests {
		if got := a.grpc(a.administrator(), bad.request); len(got.message) < 20 || len(got.message) > 300 {
			t.Errorf("%s: it says %q", bad.name, got.message)
		} else if text := a.Identity.String(); slices.Contains([]string{got.message, got.wire}, text) {
			t.Errorf("%s: a secret is said back", bad.name)
		}
	}
	// What is refused leaves no key behind.
	same(t, "files", a.keyFiles(), []string{})
	if cohorts := a.ok("", new(aankomstv1.ListCohortsRequest)).response.(*aankomstv1.ListCohortsResponse).GetCohorts(); len(cohorts) > 0 {
		t.Errorf("cohorts: %v", cohorts)
	}
}

// The next cohort can be opened from 1 December on, Brussels time; issuing changes over at midnight.
func TestAPITurnOfTheYear(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	const next = servertest.Year + 1
	december := time.Date(servertest.Year, time.December, 1, 0, 0, 0, 0, calendar.Brussels)
	a.Clock.Set(december.Add(-time.Nanosecond))
	got := a.grpc(a.administrator(), a.opening(next))
	got.refused(t, codes.FailedPrecondition, "TOO_SOON")
	a.Clock.Set(december)
	opened := a.ok(a.administrator(), a.opening(next)).response.(*aankomstv1.OpenCohortResponse).GetCohort()
	if opened.GetState() != aankomstv1.Cohort_AHEAD {
		t.Errorf("opened ahead, it is %s", opened.GetState())
	}
	a.grpc(a.administrator(), a.opening(next+1)).refused(t, codes.FailedPrecondition, "TOO_SOON")
	midnight := time.Date(next, time.January, 1, 0, 0, 0, 0, calendar.Brussels)
	issuing := func(year uint32) answer {
		return a.grpc(a.counsellor(), &aankomstv1.IssueReferralRequest{Cohort: year, Pool: 1, BlindedElement: element(t, a.directory(int(year)), 1)})
	}
	for _, step := range []struct {
		at             time.Time
		old, new       aankomstv1.Cohort_State
		oldCode        codes.Code
		newCode        codes.Code
		oldWhy, newWhy string
	}{
		{midnight.Add(-time.Nanosecond), aankomstv1.Cohort_OPEN, aankomstv1.Cohort_AHEAD, codes.OK, codes.FailedPrecondition, "", "COHORT_AHEAD"},
		{midnight, aankomstv1.Cohort_MATURING, aankomstv1.Cohort_OPEN, codes.FailedPrecondition, codes.OK, "COHORT_MATURING", ""},
	} {
		a.Clock.Set(step.at)
		listed := a.ok("", new(aankomstv1.ListCohortsRequest)).response.(*aankomstv1.ListCohortsResponse).GetCohorts()
		if len(listed) != 2 || listed[0].GetYear() != next || listed[0].GetState() != step.new || listed[1].GetState() != step.old {
			t.Errorf("at %s: %v", step.at, listed)
		}
		equal(t, "listed and got", listed[0], a.cohort(next))
		issuing(servertest.Year).refused(t, step.oldCode, step.oldWhy)
		issuing(next).refused(t, step.newCode, step.newWhy)
	}
}

func TestAPIAddCentreToPool(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	before := a.cohort(servertest.Year)
	adding := func(year, pool uint32, centre string) *aankomstv1.AddCentreToPoolRequest {
		return &aankomstv1.AddCentreToPoolRequest{Year: year, Pool: pool, Centre: centre}
	}
	a.addCentre("cgg-new")
	var requests []badRequest
	for name, request := range map[string]*aankomstv1.AddCentreToPoolRequest{
		"no cohort": adding(2025, 1, "cgg-new"), "no pool": adding(servertest.Year, 3, "cgg-new"),
		"the practice pool": adding(servertest.Year, 0, "cgg-new"), "no centre": adding(servertest.Year, 1, "nowhere"),
	} {
		requests = append(requests, badRequest{name, a.administrator, request, codes.NotFound, "NOT_FOUND", ""})
	}
	for _, pool := range []uint32{1, 2} {
		requests = append(requests, badRequest{"a centre that has one", a.administrator, adding(servertest.Year, pool, "cgg-a"), codes.AlreadyExists, "ALREADY_EXISTS", ""})
	}
	a.addCentre("cgg-old")
	a.ok(a.administrator(), &aankomstv1.ArchiveCentreRequest{Id: "cgg-old"})
	requests = append(requests, badRequest{"an archived centre", a.administrator, adding(servertest.Year, 1, "cgg-old"), codes.InvalidArgument, "PLAN_REFUSED", ""})
	a.refuses(t, requests)
	got := a.rest(a.administrator(), adding(servertest.Year, 1, "cgg-new"))
	got.worked(t)
	want := proto.Clone(before).(*aankomstv1.Cohort)
	want.Pools[0].Centres = append(want.GetPools()[0].GetCentres(), "cgg-new")
	// The fingerprint stays: clients that pinned it must not take this for another cohort.
	equal(t, "the cohort", got.response, want)
	equal(t, "the cohort, got", a.cohort(servertest.Year), want)
	a.grpc(a.administrator(), adding(servertest.Year, 2, "cgg-new")).refused(t, codes.AlreadyExists, "ALREADY_EXISTS")

	a.addCentre("cgg-late")
	a.letGo(t, servertest.Year)
	a.refuses(t, []badRequest{{"a cohort that is being closed", a.administrator, adding(servertest.Year, 1, "cgg-late"), codes.FailedPrecondition, "COHORT_CLOSED", "cohort"}})
}
