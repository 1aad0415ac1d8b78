package server_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/refcode"
	"aankomst/server/calendar"
	"aankomst/server/cohort"
	"aankomst/server/servertest"
	"aankomst/server/store"
)

// fill counts referrals and arrivals of the year in both pools, as if as many people had called: n and
// arrived of each. The codes are never seen.
func (a *api) fill(t *testing.T, n, arrived int) {
	t.Helper()
	for pool := range uint32(2) {
		a.fillPool(t, servertest.Year, pool+1, n, arrived)
	}
}

// fillPool does so in one pool of a year.
func (a *api) fillPool(t *testing.T, year int, pool uint32, n, arrived int) {
	t.Helper()
	var entries []store.Entry
	for i := range n {
		entry := store.Entry{Kind: store.Issue, Year: year, Pool: pool}
		entries = append(entries, entry)
		if i < arrived {
			entry.Kind = store.Arrive
			copy(entry.Nullifier[:], randomSymbols(store.NullifierBytes))
			entries = append(entries, entry)
		}
	}
	_, err := a.Store.Record(t.Context(), entries)
	must(t, err)
}

// closing asks to close the cohort of the year, with the words that change says.
func closing(change func(*aankomstv1.CloseCohortRequest)) *aankomstv1.CloseCohortRequest {
	request := &aankomstv1.CloseCohortRequest{Year: servertest.Year}
	if change != nil {
		change(request)
	}
	return request
}

// waits fails the test unless closing is in a state and waits for what has these words; for nothing when
// they are empty.
func (a answer) waits(t *testing.T, state aankomstv1.Cohort_State, words string) {
	t.Helper()
	a.worked(t)
	response := a.response.(*aankomstv1.CloseCohortResponse)
	waitsFor := strings.Join(response.GetWaitsFor(), "\n")
	if got := response.GetCohort().GetState(); got != state || !strings.Contains(waitsFor, words) || words == "" && waitsFor != "" {
		t.Errorf("%s, waiting for %q; want %s, waiting for %q", got, waitsFor, state, words)
	}
	if destroys := response.GetDestroys(); len(destroys) < 3 || !slices.ContainsFunc(destroys, func(line string) bool { return strings.Contains(line, "2026") }) {
		t.Errorf("it says to destroy %q", destroys)
	}
}

func TestAPICloseCohortStepByStep(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, call func(*api, string, proto.Message) answer) {
		a := startAPI(t, servertest.Options{})
		fresh, confirmed := a.issue(servertest.Year, 1), a.issue(servertest.Year, 2)
		a.ok(a.intake(), confirming(confirmed))
		counts := a.Counts()
		ask := func(change func(*aankomstv1.CloseCohortRequest)) answer {
			return call(a, a.administrator(), closing(change))
		}
		early := func(r *aankomstv1.CloseCohortRequest) { r.Early = true }
		everything := func(r *aankomstv1.CloseCohortRequest) {
			r.Early, r.AcceptWithheld, r.EscrowDestroyed = true, true, true
		}

		// While the year runs, no word closes it; asking what would be destroyed does nothing.
		ask(func(r *aankomstv1.CloseCohortRequest) { everything(r); r.DryRun = true }).waits(t, aankomstv1.Cohort_OPEN, "")
		ask(nil).refused(t, codes.FailedPrecondition, "TOO_SOON")
		ask(everything).refused(t, codes.FailedPrecondition, "TOO_SOON")
		a.Clock.Set(calendar.ClosesFrom(servertest.Year).Add(-time.Nanosecond))
		ask(nil).refused(t, codes.FailedPrecondition, "TOO_SOON")
		a.ok(a.intake(), confirming(confirmed))
		same(t, "state", a.cohort(servertest.Year).GetState(), aankomstv1.Cohort_MATURING)

		// Two referrals are too few to show, so a word is asked for. From here on there is no way back.
		for range 2 {
			ask(early).waits(t, aankomstv1.Cohort_CLOSING, "shows nothing")
		}
		for _, code := range []refcode.Code{fresh, confirmed} {
			call(a, a.intake(), confirming(code)).refused(t, codes.NotFound, "CODE_NOT_ACCEPTED")
			call(a, a.intake(), undoing(code)).refused(t, codes.NotFound, "CODE_NOT_ACCEPTED")
			call(a, a.counsellor(), voiding(code)).refused(t, codes.NotFound, "CODE_NOT_ACCEPTED")
		}
		call(a, a.intake(), &aankomstv1.RecordArrivalWithoutCodeRequest{Cohort: servertest.Year}).refused(t, codes.FailedPrecondition, "COHORT_CLOSED")
		ask(func(r *aankomstv1.CloseCohortRequest) { r.DryRun = true }).waits(t, aankomstv1.Cohort_CLOSING, "")
		same(t, "files", slices.Contains(a.keyFiles(), "cohort-2026.key"), true)

		// The key goes before the word about the escrow copy is asked for.
		ask(func(r *aankomstv1.CloseCohortRequest) { r.AcceptWithheld = true }).waits(t, aankomstv1.Cohort_CLOSING, "escrow copy")
		same(t, "files", a.keyFiles(), []string{"cohort-2026.destroyed"})
		same(t, "keys held", a.Keeper.Ring.Years(), []int{})
		ask(nil).waits(t, aankomstv1.Cohort_CLOSING, "escrow copy")
		for range 2 {
			ask(func(r *aankomstv1.CloseCohortRequest) { r.EscrowDestroyed = true }).waits(t, aankomstv1.Cohort_CLOSED, "")
		}
		call(a, a.intake(), confirming(confirmed)).refused(t, codes.NotFound, "CODE_NOT_ACCEPTED")
		call(a, a.counsellor(), &aankomstv1.IssueReferralRequest{
			Cohort: servertest.Year, Pool: 1, BlindedElement: element(t, a.directory(servertest.Year), 1),
		}).refused(t, codes.FailedPrecondition, "COHORT_CLOSED")
		call(a, a.administrator(), a.opening(servertest.Year)).refused(t, codes.InvalidArgument, "PLAN_REFUSED")
		same(t, "counts", a.Counts(), counts)
		published := call(a, a.coordinator(), &aankomstv1.PublishReleaseRequest{Cohort: servertest.Year})
		published.worked(t)
		if got := published.response.(*aankomstv1.Release); got.GetStatus() != aankomstv1.Release_FINAL || shows(got) {
			t.Errorf("published: %v", got)
		}
	})
}

// shows reports whether any figure of a release is shown.
func shows(release *aankomstv1.Release) bool {
	return slices.ContainsFunc(release.GetFigures(), func(figure *aankomstv1.Figure) bool { return figure.GetRate() != nil })
}

// With enough to show, no word about withholding is asked for, and from 1 July on none about haste.
func TestAPICloseCohortInTime(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	a.fill(t, 60, 30)
	a.Clock.Set(calendar.ClosesFrom(servertest.Year))
	a.ok(a.administrator(), closing(nil)).waits(t, aankomstv1.Cohort_CLOSING, "escrow copy")
	a.ok(a.administrator(), closing(func(r *aankomstv1.CloseCohortRequest) { r.EscrowDestroyed = true })).waits(t, aankomstv1.Cohort_CLOSED, "")
	got := a.ok(a.coordinator(), &aankomstv1.PublishReleaseRequest{Cohort: servertest.Year, CutOff: "final"}).response.(*aankomstv1.Release)
	if got.GetStatus() != aankomstv1.Release_FINAL || got.GetCutOff() != "2027-07-01" || !shows(got) {
		t.Errorf("published: %v", got)
	}
	a.grpc(a.administrator(), &aankomstv1.CloseCohortRequest{Year: 2025}).refused(t, codes.NotFound, "COHORT_NOT_FOUND")
	a.grpc(a.administrator(), &aankomstv1.CloseCohortRequest{Year: 2025, DryRun: true}).refused(t, codes.NotFound, "COHORT_NOT_FOUND")

	// It stays closed when the server comes back, key file or not.
	a.Stop()
	again := startAPI(t, servertest.Options{Folder: a.Folder, Now: a.Clock.Now()})
	same(t, "state", again.cohort(servertest.Year).GetState(), aankomstv1.Cohort_CLOSED)
	again.ok(again.administrator(), closing(nil)).waits(t, aankomstv1.Cohort_CLOSED, "")
}

// Closing waits for every process that holds the key, and takes one that is silent to be gone.
func TestAPICloseCohortWaitsForOtherProcesses(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{Store: func(s store.Store) store.Store { return silences{s} }})
	a.Clock.Set(calendar.ClosesFrom(servertest.Year))
	words := closing(func(r *aankomstv1.CloseCohortRequest) { r.AcceptWithheld, r.EscrowDestroyed = true, true })
	must(t, a.Store.Beat(t.Context(), "other", []int{servertest.Year}))
	must(t, a.Store.Beat(t.Context(), "silent", []int{servertest.Year}))
	a.ok(a.administrator(), words).waits(t, aankomstv1.Cohort_CLOSING, "other")
	// The store's clock tells who is silent, whatever a server's says.
	a.Clock.Advance(2 * cohort.GoneAfter)
	a.ok(a.administrator(), words).waits(t, aankomstv1.Cohort_CLOSING, "other")
	same(t, "files", slices.Contains(a.keyFiles(), "cohort-2026.key"), true)
	// Having said that it holds no key any more, it is waited for no more.
	must(t, a.Store.Beat(t.Context(), "other", nil))
	a.ok(a.administrator(), words).waits(t, aankomstv1.Cohort_CLOSED, "")
}

// silences is a store in which the process named silent has said nothing for so long that it is gone.
type silences struct{ store.Store }

func (s silences) Holders(ctx context.Context, year int) ([]store.Holder, error) {
	holders, err := s.Store.Holders(ctx, year)
	for i := range holders {
		if holders[i].Name == "silent" {
			holders[i].SilentFor += cohort.GoneAfter
		}
	}
	return holders, err
}
