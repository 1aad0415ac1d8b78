package server_test

import (
	"fmt"
	"regexp"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	client "aankomst/clients/go"
	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/refcode"
	"aankomst/server/servertest"
	"aankomst/server/store"
)

// journeys are what happens to codes, from issue to arrival. Each runs on a server of its own, with codes
// of either layout.
var journeys = map[string]func(*testing.T, *api){
	"many confirm at once":        manyConfirmAtOnce,
	"two centres confirm":         twoCentresConfirm,
	"undo restores":               undoRestores,
	"undo answers alike":          undoAnswersAlike,
	"void answers alike":          voidAnswersAlike,
	"a voided code":               voidedCode,
	"practice counts nothing":     practiceCountsNothing,
	"arrivals elsewhere":          arrivalsElsewhere,
	"a centre that joins":         centreThatJoins,
	"an archived centre":          archivedCentre,
	"replacements":                replacements,
	"without a code":              withoutCode,
	"waiting times":               waitingTimes,
	"a repeated issue":            repeatedIssue,
	"one element issued at once":  oneElementAtOnce,
	"callers who go away":         callersWhoGoAway,
	"a code that outlives a year": codeThatOutlivesAYear,
}

func TestAPIJourneys(t *testing.T) {
	t.Parallel()
	for _, layout := range []refcode.Layout{refcode.Short, refcode.Long} {
		for name, journey := range journeys {
			t.Run(fmt.Sprintf("%s/%d symbols", name, layout.Symbols()), func(t *testing.T) {
				t.Parallel()
				a := startAPI(t, servertest.Options{Layout: layout})
				if code := a.issue(servertest.Year, 0); code.Layout() != layout {
					t.Fatalf("a code of %d symbols", code.Layout().Symbols())
				}
				journey(t, a)
			})
		}
	}
}

// counted fails the test unless these are the counts of the year. The numbers of the pools are filled in.
func (a *api) counted(t *testing.T, want store.Counts) {
	t.Helper()
	want.Year = servertest.Year
	for len(want.Pools) < 2 {
		want.Pools = append(want.Pools, store.PoolCounts{})
	}
	for i := range want.Pools {
		want.Pools[i].Number = uint32(i + 1)
	}
	same(t, "counts", a.Counts(), want)
}

// pools are the counts of the first pool and, if given, of the second.
func pools(counts ...store.PoolCounts) store.Counts { return store.Counts{Pools: counts} }

// moment is when an answer came.
var moment = regexp.MustCompile(`Date: [^\r\n]*`)

// alike fails the test unless answers are the same to the byte, but for the moment.
func alike(t *testing.T, answers ...answer) {
	t.Helper()
	for _, got := range answers[1:] {
		one, other := moment.ReplaceAllString(answers[0].wire, ""), moment.ReplaceAllString(got.wire, "")
		if one != other || got.code != answers[0].code || got.http != answers[0].http {
			t.Errorf("answers differ:\n%v %s\n%v %s", answers[0], one, got, other)
		}
	}
}

// atOnce calls in as many goroutines, and returns their answers.
func atOnce(n int, call func(i int) answer) []answer {
	answers := make([]answer, n)
	var ready, done sync.WaitGroup
	ready.Add(n)
	for i := range n {
		done.Go(func() {
			ready.Done()
			ready.Wait()
			answers[i] = call(i)
		})
	}
	done.Wait()
	return answers
}

func isConfirmed(t *testing.T, got answer) {
	t.Helper()
	if outcome := got.response.(*aankomstv1.ConfirmArrivalResponse).GetOutcome(); outcome != aankomstv1.ConfirmArrivalResponse_CONFIRMED {
		t.Errorf("the outcome is %s", outcome)
	}
}

func manyConfirmAtOnce(t *testing.T, a *api) {
	code := a.issue(servertest.Year, 1)
	var tokens []string
	for _, centre := range servertest.PoolOne {
		tokens = append(tokens, a.intake(centre))
	}
	bothWays(t, func(t *testing.T, call func(*api, string, proto.Message) answer) {
		answers := atOnce(24, func(i int) answer { return call(a, tokens[i%len(tokens)], confirming(code)) })
		// Later is no different.
		answers = append(answers, call(a, tokens[0], confirming(code)), call(a, tokens[1], confirming(code)))
		alike(t, answers...)
		isConfirmed(t, answers[0])
		a.counted(t, pools(store.PoolCounts{Issued: 1, Arrived: 1}))
	})
}

func twoCentresConfirm(t *testing.T, a *api) {
	code := a.issue(servertest.Year, 1)
	first := a.ok(a.intake(servertest.PoolOne[1]), confirming(code))
	// The second centre is in the other pool; the arrival is counted where it was confirmed first.
	second := a.ok(a.intake(servertest.PoolTwo[0]), confirming(code))
	alike(t, first, second)
	isConfirmed(t, first)
	a.counted(t, pools(store.PoolCounts{Issued: 1, Arrived: 1}))
}

func undoRestores(t *testing.T, a *api) {
	code, kept := a.issue(servertest.Year, 1), a.issue(servertest.Year, 1)
	a.ok(a.intake(), confirming(kept))
	before := a.allCounts()
	for range 3 {
		isConfirmed(t, a.ok(a.intake(), confirming(code)))
		a.counted(t, pools(store.PoolCounts{Issued: 2, Arrived: 2}))
		a.ok(a.intake(), undoing(code))
		same(t, "counts", a.allCounts(), before)
		a.ok(a.intake(), undoing(code))
		same(t, "counts", a.allCounts(), before)
	}
	// Taken back, it can be voided like any other.
	a.ok(a.counsellor(), voiding(code))
	a.counted(t, pools(store.PoolCounts{Issued: 2, Arrived: 1, Voided: 1}))
}

func undoAnswersAlike(t *testing.T, a *api) {
	fresh, voided, confirmed, practice := a.issue(servertest.Year, 1), a.issue(servertest.Year, 2), a.issue(servertest.Year, 1), a.issue(servertest.Year, 0)
	a.ok(a.counsellor(), voiding(voided))
	a.ok(a.intake(), confirming(confirmed))
	bothWays(t, func(t *testing.T, call func(*api, string, proto.Message) answer) {
		var answers []answer
		for _, code := range []refcode.Code{confirmed, fresh, confirmed, practice} {
			answers = append(answers, call(a, a.intake(), undoing(code)))
		}
		answers[0].worked(t)
		alike(t, answers...)
		// What confirming refuses undoing refuses too, or the two would tell a voided code from an unknown one.
		call(a, a.intake(), undoing(voided)).refused(t, codes.NotFound, "CODE_NOT_ACCEPTED")
	})
	a.counted(t, pools(store.PoolCounts{Issued: 2}, store.PoolCounts{Issued: 1, Voided: 1}))
	a.grpc(a.intake(), confirming(voided)).refused(t, codes.NotFound, "CODE_NOT_ACCEPTED")
}

// Nobody at the helpline may learn from a void whether a caller arrived.
func voidAnswersAlike(t *testing.T, a *api) {
	arrived := a.issue(servertest.Year, 1)
	a.ok(a.intake(), &aankomstv1.ConfirmArrivalRequest{Code: arrived.Text(), WaitBand: aankomstv1.WaitBand_OVER_6_MONTHS})
	bothWays(t, func(t *testing.T, call func(*api, string, proto.Message) answer) {
		fresh, practice := a.issue(servertest.Year, 2), a.issue(servertest.Year, 0)
		var answers []answer
		for _, code := range []refcode.Code{fresh, fresh, arrived, arrived, practice} {
			answers = append(answers, call(a, a.counsellor(), voiding(code)))
			answers = append(answers, call(a, a.counsellor(), &aankomstv1.VoidReferralRequest{Code: code.Text(), Replacement: true}))
		}
		answers[0].worked(t)
		alike(t, answers...)
	})
	want := pools(store.PoolCounts{Issued: 1, Arrived: 1}, store.PoolCounts{Issued: 2, Voided: 2})
	want.Waits[store.WaitOver6Months] = 1
	a.counted(t, want)
	isConfirmed(t, a.ok(a.intake(), confirming(arrived)))
}

func voidedCode(t *testing.T, a *api) {
	code := a.issue(servertest.Year, 1)
	a.ok(a.counsellor(), voiding(code))
	for _, centre := range append(servertest.PoolOne, servertest.PoolTwo...) {
		a.grpc(a.intake(centre), confirming(code)).refused(t, codes.NotFound, "CODE_NOT_ACCEPTED")
	}
	// An undo gives back arrivals, not voids.
	a.grpc(a.intake(), undoing(code)).refused(t, codes.NotFound, "CODE_NOT_ACCEPTED")
	a.grpc(a.intake(), confirming(code)).refused(t, codes.NotFound, "CODE_NOT_ACCEPTED")
	a.counted(t, pools(store.PoolCounts{Issued: 1, Voided: 1}))
}

func practiceCountsNothing(t *testing.T, a *api) {
	before := a.allCounts()
	code := a.issue(servertest.Year, 0)
	lost := a.issue(servertest.Year, 0, client.IssueOptions{Replacement: true})
	bothWays(t, func(t *testing.T, call func(*api, string, proto.Message) answer) {
		for _, code := range []refcode.Code{code, lost, code} {
			for range 2 {
				got := call(a, a.intake(), &aankomstv1.ConfirmArrivalRequest{Code: code.Text(), WaitBand: aankomstv1.WaitBand_UP_TO_2_WEEKS})
				if outcome := got.response.(*aankomstv1.ConfirmArrivalResponse).GetOutcome(); outcome != aankomstv1.ConfirmArrivalResponse_PRACTICE {
					t.Errorf("the outcome is %s", outcome)
				}
				call(a, a.counsellor(), voiding(code)).worked(t)
				call(a, a.intake(), undoing(code)).worked(t)
			}
		}
		same(t, "counts", a.allCounts(), before)
	})
}

func replacements(t *testing.T, a *api) {
	replace := client.IssueOptions{Replacement: true}
	first, second := a.issue(servertest.Year, 1, replace), a.issue(servertest.Year, 1, replace)
	a.counted(t, pools(store.PoolCounts{Replaced: 2}))
	a.ok(a.counsellor(), &aankomstv1.VoidReferralRequest{Code: first.Text(), Replacement: true})
	a.ok(a.counsellor(), &aankomstv1.VoidReferralRequest{Code: first.Text(), Replacement: true})
	a.counted(t, pools(store.PoolCounts{Replaced: 2, ReplacementsVoided: 1}))
	// A replacement arrives like any other code.
	isConfirmed(t, a.ok(a.intake(), confirming(second)))
	a.counted(t, pools(store.PoolCounts{Replaced: 2, ReplacementsVoided: 1, Arrived: 1}))
	a.grpc(a.intake(), confirming(first)).refused(t, codes.NotFound, "CODE_NOT_ACCEPTED")
}

func withoutCode(t *testing.T, a *api) {
	bothWays(t, func(t *testing.T, call func(*api, string, proto.Message) answer) {
		call(a, a.counsellor(), &aankomstv1.RecordReferralWithoutCodeRequest{Cohort: servertest.Year, Pool: 2}).worked(t)
		call(a, a.intake(), &aankomstv1.RecordArrivalWithoutCodeRequest{Cohort: servertest.Year}).worked(t)
	})
	a.ok(a.intake(servertest.PoolTwo[0]), &aankomstv1.RecordArrivalWithoutCodeRequest{Cohort: servertest.Year})
	want := pools(store.PoolCounts{}, store.PoolCounts{ReferredWithoutCode: 2})
	want.ArrivedWithoutCode = 3
	a.counted(t, want)
}

func waitingTimes(t *testing.T, a *api) {
	var want store.Counts
	var codes []refcode.Code
	for band := range aankomstv1.WaitBand_Value(store.WaitBands) {
		code := a.issue(servertest.Year, 1)
		codes = append(codes, code)
		request := &aankomstv1.ConfirmArrivalRequest{Code: code.Text(), WaitBand: band}
		a.ok(a.intake(), request)
		// It is counted with the arrival, and not with a repetition, whatever that says.
		a.ok(a.intake(), request)
		a.ok(a.intake(), &aankomstv1.ConfirmArrivalRequest{Code: code.Text(), WaitBand: (band + 1) % aankomstv1.WaitBand_Value(store.WaitBands)})
		if band != aankomstv1.WaitBand_VALUE_UNSPECIFIED {
			want.Waits[band] = 1
		}
	}
	want.Pools = []store.PoolCounts{{Issued: len(codes), Arrived: len(codes)}}
	a.counted(t, want)
	for band, code := range codes {
		request := &aankomstv1.UndoArrivalRequest{Code: code.Text(), WaitBand: aankomstv1.WaitBand_Value(band)}
		a.ok(a.intake(), request)
		a.ok(a.intake(), request)
	}
	a.counted(t, pools(store.PoolCounts{Issued: len(codes)}))
}
