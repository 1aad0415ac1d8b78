package server_test

import (
	"bytes"
	"crypto/sha256"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/server"
	"aankomst/server/calendar"
	"aankomst/server/release"
	"aankomst/server/servertest"
	"aankomst/server/store"
)

// cutOff returns a cut-off of the year by its place: 0 is March.
func cutOff(i int) calendar.CutOff { return calendar.CutOffs(servertest.Year)[i] }

// pass moves the clock to a cut-off and freezes, as the server does within its minute.
func (a *api) pass(t *testing.T, passed calendar.CutOff) {
	t.Helper()
	a.Clock.Set(passed.At)
	freezer := &server.Freezer{Store: a.Store, Policy: release.Current, Clock: a.Clock.Now}
	must(t, freezer.FreezeDue(t.Context()))
}

func publishing(cutOff string) *aankomstv1.PublishReleaseRequest {
	return &aankomstv1.PublishReleaseRequest{Cohort: servertest.Year, CutOff: cutOff}
}

func (a *api) publish(t *testing.T, cutOff string) *aankomstv1.Release {
	t.Helper()
	return a.ok(a.coordinator(), publishing(cutOff)).response.(*aankomstv1.Release)
}

func TestAPIReleaseTooSoon(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	a.fill(t, 40, 20)
	check := func(t *testing.T, call func(*api, string, proto.Message) answer, cutOff, reason, next string) {
		t.Helper()
		got := call(a, a.coordinator(), publishing(cutOff))
		got.refused(t, codes.FailedPrecondition, reason)
		if got.metadata["nextDate"] != next || next != "" && !strings.Contains(got.message, next) {
			t.Errorf("the next date is %q, want %q: %s", got.metadata["nextDate"], next, got.message)
		}
	}
	bothWays(t, func(t *testing.T, call func(*api, string, proto.Message) answer) {
		a.Clock.Set(servertest.Noon)
		for _, asked := range []string{"", "2026-06-30", "final", "yesterday"} {
			check(t, call, asked, "RELEASE_TOO_SOON", "2026-07-01")
		}
		call(a, a.coordinator(), &aankomstv1.PublishReleaseRequest{Cohort: 2025}).refused(t, codes.NotFound, "COHORT_NOT_FOUND")
		call(a, a.coordinator(), new(aankomstv1.PublishReleaseRequest)).refused(t, codes.NotFound, "COHORT_NOT_FOUND")
	})
	// A moment before the day is over, nothing is frozen.
	a.Clock.Set(cutOff(1).At.Add(-time.Nanosecond))
	freezer := &server.Freezer{Store: a.Store, Policy: release.Current, Clock: a.Clock.Now}
	must(t, freezer.FreezeDue(t.Context()))
	check(t, (*api).grpc, "", "RELEASE_TOO_SOON", "2026-07-01")
	a.pass(t, cutOff(1))
	// The cohort was opened in May, so what it had counted by March is nothing of it.
	check(t, (*api).grpc, "2026-03-31", "CUT_OFF_NOT_FROZEN", "2026-10-01")
	check(t, (*api).rest, "2026-09-30", "CUT_OFF_NOT_FROZEN", "2026-10-01")
	check(t, (*api).rest, "final", "CUT_OFF_NOT_FROZEN", "2026-10-01")
	a.pass(t, cutOff(3))
	check(t, (*api).rest, "final", "CUT_OFF_NOT_FROZEN", "")
	if got := len(a.releases(t)); got != 0 {
		t.Errorf("%d releases", got)
	}
}

// releases lists all, latest first.
func (a *api) releases(t *testing.T) []*aankomstv1.Release {
	t.Helper()
	return a.ok(a.coordinator(), new(aankomstv1.ListReleasesRequest)).response.(*aankomstv1.ListReleasesResponse).GetReleases()
}

// The server freezes by itself, within its minute; later arrivals never change what is published.
func TestAPIReleaseIsFrozen(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	a.fill(t, 60, 30)
	code := a.issue(servertest.Year, 1)
	a.Clock.Set(cutOff(1).At.Add(time.Minute))
	for begun := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		drafts, err := a.Store.ListDrafts(t.Context(), servertest.Year)
		must(t, err)
		if len(drafts) == 1 {
			break
		}
		if time.Since(begun) > time.Minute {
			t.Fatal("the server froze nothing")
		}
	}
	a.ok(a.intake(), confirming(code))
	a.fill(t, 60, 60)
	published := a.publish(t, "")
	if published.GetNumber() != 1 || published.GetCohort() != servertest.Year || published.GetStatus() != aankomstv1.Release_PROVISIONAL ||
		published.GetCutOff() != "2026-06-30" || published.GetPublishedOn() != "2026-07-01" || published.GetFrozenLate() ||
		published.GetPolicy() != release.Current.Version || published.GetPrevious() != nil || len(published.GetFigures()) == 0 {
		t.Errorf("published: %v", published)
	}
	a.fill(t, 60, 60)
	a.Clock.Advance(24 * time.Hour)
	bothWays(t, func(t *testing.T, call func(*api, string, proto.Message) answer) {
		for _, token := range []string{a.coordinator(), a.intake(), a.intake("caw-a")} {
			equal(t, "got", call(a, token, &aankomstv1.GetReleaseRequest{Number: 1}).response, published)
			listed := call(a, token, new(aankomstv1.ListReleasesRequest)).response.(*aankomstv1.ListReleasesResponse)
			equal(t, "listed", listed, &aankomstv1.ListReleasesResponse{Releases: []*aankomstv1.Release{published}})
		}
		for _, number := range []uint32{0, 2, 1<<32 - 1} {
			call(a, a.coordinator(), &aankomstv1.GetReleaseRequest{Number: number}).refused(t, codes.NotFound, "NOT_FOUND")
		}
		// What was counted is not read from anything but the release.
		call(a, a.intake(), publishing("")).refused(t, codes.PermissionDenied, "ROLE_NOT_ALLOWED")
		call(a, a.counsellor(), &aankomstv1.GetReleaseRequest{Number: 1}).refused(t, codes.PermissionDenied, "ROLE_NOT_ALLOWED")
		call(a, a.counsellor(), new(aankomstv1.ListReleasesRequest)).refused(t, codes.PermissionDenied, "ROLE_NOT_ALLOWED")
	})
}

// A server that was away at a cut-off freezes when it is back, and says that it was late.
func TestAPIReleaseFrozenLate(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		back time.Time
		day  string
		late bool
	}{
		"back at once":           {cutOff(1).At, "2026-06-30", false},
		"back in a quarter":      {cutOff(1).At.Add(15 * time.Minute), "2026-06-30", false},
		"back later":             {cutOff(1).At.Add(15*time.Minute + time.Nanosecond), "2026-06-30", true},
		"back days later":        {cutOff(1).At.AddDate(0, 1, 0), "2026-06-30", true},
		"away for two cut-offs":  {cutOff(2).At.Add(time.Minute), "2026-09-30", false},
		"away past two cut-offs": {cutOff(2).At.AddDate(0, 0, 3), "2026-09-30", true},
		"away past the year":     {cutOff(3).At.AddDate(0, 2, 0), "2026-12-31", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := startAPI(t, servertest.Options{})
			a.fill(t, 30, 10)
			a.Stop()
			back := startAPI(t, servertest.Options{Folder: a.Folder, Now: test.back})
			// It froze before it took its first call.
			got := back.publish(t, "")
			if got.GetCutOff() != test.day || got.GetFrozenLate() != test.late {
				t.Errorf("frozen at %s, late: %t", got.GetCutOff(), got.GetFrozenLate())
			}
			// Of cut-offs that were missed only the latest is made.
			for _, missed := range calendar.CutOffs(servertest.Year) {
				if missed.Day != test.day {
					back.grpc(back.coordinator(), publishing(missed.Day)).refused(t, codes.FailedPrecondition, "CUT_OFF_NOT_FROZEN")
				}
			}
		})
	}
}

// A cohort that was opened in time has the release of March, one that was opened after it has none.
func TestAPIReleaseOfACohortOpenedAhead(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	const next = servertest.Year + 1
	a.Clock.Set(inYear(servertest.Year, time.December))
	a.ok(a.administrator(), a.opening(next))
	march := calendar.CutOffs(next)[0]
	a.pass(t, march)
	for year, cutOffs := range map[int]map[string]bool{
		servertest.Year: {"2026-03-31": false, "2026-06-30": false, "2026-12-31": true}, next: {"2027-03-31": true, "2026-12-31": false},
	} {
		for day, frozen := range cutOffs {
			got := a.grpc(a.coordinator(), &aankomstv1.PublishReleaseRequest{Cohort: uint32(year), CutOff: day})
			if worked := got.code == codes.OK; worked != frozen {
				t.Errorf("%d at %s: %v", year, day, got)
			}
		}
	}
}

// history publishes three provisional releases and the final one.
func (a *api) history(t *testing.T) []*aankomstv1.Release {
	t.Helper()
	a.fill(t, 20, 9)
	var all []*aankomstv1.Release
	for i := 1; i < 4; i++ {
		a.pass(t, cutOff(i))
		all = append(all, a.publish(t, ""))
		a.fill(t, 10, 9)
	}
	a.Clock.Set(calendar.ClosesFrom(servertest.Year))
	a.shut(servertest.Year)
	return append(all, a.publish(t, ""))
}

func TestAPIReleasesFormAChain(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	history := a.history(t)
	var documents [][]byte
	var previous []byte
	for i, published := range history {
		digest := sha256.Sum256(published.GetDocument())
		if int(published.GetNumber()) != i+1 || !bytes.Equal(published.GetDigest(), digest[:]) || !bytes.Equal(published.GetPrevious(), previous) {
			t.Errorf("release %d: number %d, digest %x (of the document: %x), previous %x (the one before: %x)",
				i+1, published.GetNumber(), published.GetDigest(), digest, published.GetPrevious(), previous)
		}
		previous = digest[:]
		documents = append(documents, published.GetDocument())
		equal(t, "got again", a.rest(a.intake(), &aankomstv1.GetReleaseRequest{Number: uint32(i + 1)}).response, published)
	}
	must(t, release.VerifyChain(documents))
	if last := history[3]; last.GetStatus() != aankomstv1.Release_FINAL || !shows(last) {
		t.Errorf("the last is %v", last)
	}
	if err := release.VerifyChain(append(documents[:1:1], documents[2:]...)); err == nil {
		t.Error("a chain with a gap was verified")
	}

	// Each cut-off is published once.
	for i, published := range history {
		asked := published.GetCutOff()
		if published.GetStatus() == aankomstv1.Release_FINAL {
			asked = store.CutOffFinal
		}
		got := a.rest(a.coordinator(), publishing(asked))
		got.refused(t, codes.AlreadyExists, "RELEASE_EXISTS")
		if got.metadata["number"] != string(rune('1'+i)) {
			t.Errorf("%s is said to be release %q", asked, got.metadata["number"])
		}
	}
	a.grpc(a.coordinator(), publishing("")).refused(t, codes.AlreadyExists, "RELEASE_EXISTS")
}

func TestAPIReleasePages(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	a.history(t)
	bothWays(t, func(t *testing.T, call func(*api, string, proto.Message) answer) {
		for size, want := range map[int32]string{1: "4|3|2|1", 2: "4 3|2 1", 3: "4 3 2|1", 4: "4 3 2 1", 0: "4 3 2 1", 201: "4 3 2 1", 1<<31 - 1: "4 3 2 1"} {
			var pages []string
			for token := ""; ; {
				page := call(a, a.intake(), &aankomstv1.ListReleasesRequest{PageSize: size, PageToken: token}).response.(*aankomstv1.ListReleasesResponse)
				var numbers []string
				for _, published := range page.GetReleases() {
					numbers = append(numbers, string(rune('0'+published.GetNumber())))
				}
				pages = append(pages, strings.Join(numbers, " "))
				if token = page.GetNextPageToken(); token == "" {
					break
				}
			}
			same(t, "pages", strings.Join(pages, "|"), want)
		}
		for _, bad := range []*aankomstv1.ListReleasesRequest{
			{PageSize: -1}, {PageSize: -1 << 31}, {PageToken: "x"}, {PageToken: "0"}, {PageToken: "-1"}, {PageToken: "5"}, {PageToken: "99999999999999999999"},
		} {
			call(a, a.intake(), bad).refused(t, codes.InvalidArgument, "FIELD_INVALID")
		}
	})
}
