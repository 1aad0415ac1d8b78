package server_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	client "aankomst/clients/go"
	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/refcode"
	"aankomst/server/servertest"
	"aankomst/server/store"
)

// addCentre adds a centre that is in no pool.
func (a *api) addCentre(id string) {
	a.t.Helper()
	a.ok(a.administrator(), &aankomstv1.CreateCentreRequest{Centre: &aankomstv1.Centre{
		Id: id, DisplayName: "Centre " + id, Type: aankomstv1.Centre_CGG,
	}})
}

func arrivalsElsewhere(t *testing.T, a *api) {
	a.addCentre("cgg-new")
	here, there, nowhere := a.issue(servertest.Year, 1), a.issue(servertest.Year, 1), a.issue(servertest.Year, 1)
	a.ok(a.intake(servertest.PoolOne[2]), confirming(here))
	a.ok(a.intake(servertest.PoolTwo[0]), confirming(there))
	a.ok(a.intake("cgg-new"), confirming(nowhere))
	a.counted(t, pools(store.PoolCounts{Issued: 3, Arrived: 3, Elsewhere: 2}))
	// Taking one back takes back that it was elsewhere.
	a.ok(a.intake(servertest.PoolTwo[0]), undoing(there))
	a.counted(t, pools(store.PoolCounts{Issued: 3, Arrived: 2, Elsewhere: 1}))
	a.ok(a.intake("cgg-new"), undoing(nowhere))
	a.counted(t, pools(store.PoolCounts{Issued: 3, Arrived: 1}))
}

func centreThatJoins(t *testing.T, a *api) {
	a.addCentre("cgg-new")
	before, after, other := a.issue(servertest.Year, 1), a.issue(servertest.Year, 1), a.issue(servertest.Year, 2)
	a.ok(a.intake("cgg-new"), confirming(before))
	a.ok(a.administrator(), &aankomstv1.AddCentreToPoolRequest{Year: servertest.Year, Pool: 1, Centre: "cgg-new"})
	a.ok(a.intake("cgg-new"), confirming(after))
	a.ok(a.intake("cgg-new"), confirming(other))
	a.counted(t, pools(store.PoolCounts{Issued: 2, Arrived: 2, Elsewhere: 1}, store.PoolCounts{Issued: 1, Arrived: 1, Elsewhere: 1}))
}

// The codes of an archived centre's pool are as good as ever, at the other centres of it.
func archivedCentre(t *testing.T, a *api) {
	code, centre := a.issue(servertest.Year, 1), servertest.PoolOne[0]
	token := a.intake(centre)
	a.ok(a.administrator(), &aankomstv1.ArchiveCentreRequest{Id: centre})
	bothWays(t, func(t *testing.T, call func(*api, string, proto.Message) answer) {
		for _, request := range []proto.Message{
			confirming(code), undoing(code), confirming(unissued(t, code.Layout())), &aankomstv1.RecordArrivalWithoutCodeRequest{Cohort: servertest.Year},
		} {
			call(a, token, request).refused(t, codes.PermissionDenied, "CENTRE_ARCHIVED")
		}
	})
	a.counted(t, pools(store.PoolCounts{Issued: 1}))
	isConfirmed(t, a.ok(a.intake(servertest.PoolOne[1]), confirming(code)))
	a.counted(t, pools(store.PoolCounts{Issued: 1, Arrived: 1}))
}

func codeThatOutlivesAYear(t *testing.T, a *api) {
	code, lost := a.issue(servertest.Year, 1), a.issue(servertest.Year, 1)
	a.Clock.Set(inYear(servertest.Year, time.December))
	a.OpenCohort(servertest.Year+1, code.Layout())
	// The next year's codes are told from this one's, and counted apart.
	a.Clock.Set(inYear(servertest.Year+1, time.June))
	next := a.issue(servertest.Year+1, 1)
	isConfirmed(t, a.ok(a.intake(), confirming(code)))
	isConfirmed(t, a.ok(a.intake(), confirming(next)))
	a.ok(a.counsellor(), voiding(lost))
	a.ok(a.intake(), undoing(code))
	isConfirmed(t, a.ok(a.intake(), confirming(code)))
	a.counted(t, pools(store.PoolCounts{Issued: 2, Arrived: 1, Voided: 1}))
	if got := a.allCounts()[servertest.Year+1].Pools[0]; got.Issued != 1 || got.Arrived != 1 {
		t.Errorf("%+v", got)
	}
}

func repeatedIssue(t *testing.T, a *api) {
	directory := a.directory(servertest.Year)
	blinding, err := refcode.Blind(directory, 1)
	must(t, err)
	issue := func(request *aankomstv1.IssueReferralRequest) {
		t.Helper()
		request.Cohort = servertest.Year
		got := a.ok(a.counsellor(), request).response.(*aankomstv1.IssueReferralResponse)
		if request.GetPool() == 1 {
			_, err := blinding.Finalize(got.GetEvaluatedElement(), got.GetProof())
			must(t, err)
		}
	}
	once := &aankomstv1.IssueReferralRequest{Pool: 1, BlindedElement: blinding.Element}
	for _, wait := range []time.Duration{0, 0, 30 * time.Second, 29 * time.Second} {
		a.Clock.Advance(wait)
		issue(once)
		a.counted(t, pools(store.PoolCounts{Issued: 1}))
	}
	a.Clock.Advance(time.Second)
	issue(once)
	a.counted(t, pools(store.PoolCounts{Issued: 2}))
	// Another element, another pool and another kind are other codes.
	issue(&aankomstv1.IssueReferralRequest{Pool: 2, BlindedElement: blinding.Element})
	issue(&aankomstv1.IssueReferralRequest{Pool: 2, BlindedElement: blinding.Element, Replacement: true})
	a.issue(servertest.Year, 1)
	a.counted(t, pools(store.PoolCounts{Issued: 3}, store.PoolCounts{Issued: 1, Replaced: 1}))
}

func oneElementAtOnce(t *testing.T, a *api) {
	blinding, err := refcode.Blind(a.directory(servertest.Year), 1)
	must(t, err)
	request := &aankomstv1.IssueReferralRequest{Cohort: servertest.Year, Pool: 1, BlindedElement: blinding.Element}
	token := a.counsellor()
	bothWays(t, func(t *testing.T, call func(*api, string, proto.Message) answer) {
		for _, got := range atOnce(16, func(int) answer { return call(a, token, request) }) {
			got.worked(t)
			response := got.response.(*aankomstv1.IssueReferralResponse)
			_, err := blinding.Finalize(response.GetEvaluatedElement(), response.GetProof())
			must(t, err)
		}
	})
	a.counted(t, pools(store.PoolCounts{Issued: 1}))
}

// hurried makes a call again and again, giving each a moment that may be too short, until one is answered.
// What is wrong with an answer shows in the counts.
func hurried(t *testing.T, token string, call func(context.Context) error) {
	for i := range 200 {
		ctx := metadata.AppendToOutgoingContext(context.Background(), "authorization", "Bearer "+token)
		cancel := func() {}
		if i < 20 {
			ctx, cancel = context.WithTimeout(ctx, time.Duration(rand.IntN(6000))*time.Microsecond)
		}
		err := call(ctx)
		cancel()
		if err == nil {
			return
		}
	}
	t.Error("no call was answered")
}

// A caller who goes away at any moment, and comes back, must find everything counted once.
func callersWhoGoAway(t *testing.T, a *api) {
	const people = 12
	directory := a.directory(servertest.Year)
	referrals, arrivals := aankomstv1.NewReferralServiceClient(a.Connection), aankomstv1.NewArrivalServiceClient(a.Connection)
	counsellor, centre := a.counsellor(), a.intake()
	var all sync.WaitGroup
	for i := range people {
		all.Go(func() {
			blinding, err := refcode.Blind(directory, 1)
			if err != nil {
				t.Error(err)
				return
			}
			var code refcode.Code
			hurried(t, counsellor, func(ctx context.Context) error {
				answer, err := referrals.IssueReferral(ctx, &aankomstv1.IssueReferralRequest{Cohort: servertest.Year, Pool: 1, BlindedElement: blinding.Element})
				if err != nil {
					return err
				}
				code, err = blinding.Finalize(answer.GetEvaluatedElement(), answer.GetProof())
				return err
			})
			if i%3 == 0 {
				hurried(t, counsellor, func(ctx context.Context) error {
					_, err := referrals.VoidReferral(ctx, voiding(code))
					return err
				})
				return
			}
			request := &aankomstv1.ConfirmArrivalRequest{Code: code.Text(), WaitBand: aankomstv1.WaitBand_UP_TO_2_WEEKS}
			hurried(t, centre, func(ctx context.Context) error {
				_, err := arrivals.ConfirmArrival(ctx, request)
				return err
			})
			if i%3 == 1 {
				hurried(t, centre, func(ctx context.Context) error {
					_, err := arrivals.UndoArrival(ctx, &aankomstv1.UndoArrivalRequest{Code: code.Text(), WaitBand: aankomstv1.WaitBand_UP_TO_2_WEEKS})
					return err
				})
			}
		})
	}
	all.Wait()
	// A call that nobody waits for any more may still be on its way; when the server has stopped, none is.
	a.Stop()
	want := pools(store.PoolCounts{Issued: people, Voided: people / 3, Arrived: people / 3})
	want.Waits[store.WaitUpTo2Weeks] = people / 3
	a.counted(t, want)
}

// A code from a client with the wrong pins never comes about, and the server's answer is what shows it.
func TestAPIClientFindsAnotherKey(t *testing.T) {
	t.Parallel()
	a, other := startAPI(t, servertest.Options{}), startAPI(t, servertest.Options{})
	pins := new(client.MemoryPins)
	must(t, pins.SetPin(servertest.Year, a.directory(servertest.Year).Fingerprint()))
	_, err := client.New(other.Connection, other.counsellor(), pins).Issue(t.Context(), servertest.Year, 1, client.IssueOptions{})
	if err == nil {
		t.Fatal("a code was issued under a fingerprint that is not pinned")
	}
	other.counted(t, store.Counts{})
	// The server's proof holds against its own key and against no other.
	blinding, err := refcode.Blind(a.directory(servertest.Year), 1)
	must(t, err)
	got := other.ok(other.counsellor(), &aankomstv1.IssueReferralRequest{
		Cohort: servertest.Year, Pool: 1, BlindedElement: blinding.Element,
	}).response.(*aankomstv1.IssueReferralResponse)
	if _, err := blinding.Finalize(got.GetEvaluatedElement(), got.GetProof()); err == nil {
		t.Error("another server's proof was accepted")
	}
}
