package server_test

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/refcode"
	"aankomst/server/access"
	"aankomst/server/calendar"
	"aankomst/server/servertest"
	"aankomst/server/store"
)

// wrong makes attempts with codes that no server issued; each must be looked at.
func (a *api) wrong(t *testing.T, token string, times int) {
	t.Helper()
	for i := range times {
		if got := a.grpc(token, confirming(unissued(t, refcode.Short))); got.reason != "CODE_NOT_ACCEPTED" {
			t.Fatalf("wrong code %d of %d: %v", i+1, times, got)
		}
	}
}

// limited fails the test unless the answer says that too many wrong codes came, and when to try again.
func (a answer) limited(t *testing.T, retry time.Duration) {
	t.Helper()
	a.refused(t, codes.ResourceExhausted, "TOO_MANY_WRONG_CODES")
	if a.retry != retry {
		t.Errorf("it says to try again in %s, want %s", a.retry, retry)
	}
	// restAnswer has compared Retry-After with it.
}

func TestAPIWrongCodesInAMinute(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	code := a.issue(servertest.Year, 1)
	// What is right, and what is no code at all, is never debited.
	for range 12 {
		a.ok(a.intake(), confirming(code))
		a.ok(a.intake(), undoing(code))
		a.grpc(a.intake(), malformedRequest(code)).refused(t, codes.InvalidArgument, "CODE_MALFORMED")
	}
	a.wrong(t, a.intake(), 4)
	a.Clock.Advance(20 * time.Second)
	a.wrong(t, a.intake(), 5)
	// An undo of a wrong code is an attempt too.
	a.grpc(a.intake(), undoing(unissued(t, refcode.Short))).refused(t, codes.NotFound, "CODE_NOT_ACCEPTED")
	before := a.allCounts()
	bothWays(t, func(t *testing.T, call func(*api, string, proto.Message) answer) {
		answers := []answer{
			call(a, a.intake(), confirming(unissued(t, refcode.Short))), call(a, a.intake(), confirming(code)),
			call(a, a.intake(), undoing(code)), call(a, a.intake(), confirming(a.issue(servertest.Year, 0))),
		}
		answers[0].limited(t, 40*time.Second)
		// A code that is right gets the same answer: nothing was looked at.
		alike(t, answers...)
		call(a, a.intake(), malformedRequest(code)).refused(t, codes.InvalidArgument, "CODE_MALFORMED")
		// Other centres go on, and so does whatever takes no code.
		call(a, a.intake(servertest.PoolOne[1]), confirming(code)).worked(t)
		call(a, a.intake(servertest.PoolOne[1]), undoing(code)).worked(t)
		call(a, a.counsellor(), voiding(a.issue(servertest.Year, 0))).worked(t)
	})
	same(t, "counts", a.allCounts(), before)
	// A part of a second counts as a whole one.
	a.Clock.Advance(500 * time.Millisecond)
	a.rest(a.intake(), confirming(code)).limited(t, 39500*time.Millisecond)
	a.Clock.Advance(39499 * time.Millisecond)
	a.rest(a.intake(), confirming(code)).limited(t, time.Millisecond)
	// The four of the first moment are a minute old, the six after them are not.
	a.Clock.Advance(time.Millisecond)
	a.ok(a.intake(), confirming(code))
	a.wrong(t, a.intake(), 4)
	a.grpc(a.intake(), confirming(code)).limited(t, 20*time.Second)
}

// malformedRequest confirms a code with one wrong symbol.
func malformedRequest(code refcode.Code) proto.Message {
	text := code.Symbols()
	other := "0"
	if text[:1] == other {
		other = "1"
	}
	return &aankomstv1.ConfirmArrivalRequest{Code: other + text[1:]}
}

// A voided code counts like an unknown one, or the limit would tell them apart.
func TestAPIVoidedCodesAreDebited(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	code := a.issue(servertest.Year, 1)
	a.ok(a.counsellor(), voiding(code))
	for range 10 {
		a.grpc(a.intake(), confirming(code)).refused(t, codes.NotFound, "CODE_NOT_ACCEPTED")
	}
	a.grpc(a.intake(), confirming(code)).limited(t, time.Minute)
}

func TestAPIWrongCodesAtOnce(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	token := a.intake()
	var codesSent []refcode.Code
	for range 30 {
		codesSent = append(codesSent, unissued(t, refcode.Short))
	}
	looked := 0
	for _, got := range atOnce(len(codesSent), func(i int) answer { return a.grpc(token, confirming(codesSent[i])) }) {
		if got.reason == "CODE_NOT_ACCEPTED" {
			looked++
			continue
		}
		got.limited(t, time.Minute)
	}
	if looked != 10 {
		t.Errorf("%d wrong codes were looked at", looked)
	}
}

func TestAPIWrongCodesInADay(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	code := a.issue(servertest.Year, 1)
	for range 20 {
		a.wrong(t, a.intake(), 10)
		a.Clock.Advance(time.Minute)
	}
	midnight := calendar.NextDay(a.Clock.Now())
	for _, wait := range []time.Duration{0, time.Hour, 3 * time.Hour} {
		a.Clock.Advance(wait)
		got := a.grpc(a.intake(), confirming(code))
		got.limited(t, midnight.Sub(a.Clock.Now()))
		alike(t, got, a.grpc(a.intake(), confirming(unissued(t, refcode.Short))))
	}
	a.rest(a.intake(), confirming(code)).limited(t, midnight.Sub(a.Clock.Now()))
	a.wrong(t, a.intake(servertest.PoolOne[1]), 1)
	a.Clock.Set(midnight.Add(-time.Second))
	a.grpc(a.intake(), confirming(code)).limited(t, time.Second)
	a.Clock.Set(midnight)
	a.ok(a.intake(), confirming(code))
	a.wrong(t, a.intake(), 10)
}

// Stopping the server must not buy a guesser new attempts.
func TestAPIWrongCodesOutliveARestart(t *testing.T) {
	t.Parallel()
	limits := access.Limits{PerMinute: 10, PerDay: 14}
	a := startAPI(t, servertest.Options{Limits: limits})
	code, token := a.issue(servertest.Year, 1), a.intake()
	a.wrong(t, token, 10)
	a.Stop()

	again := startAPI(t, servertest.Options{Limits: limits, Folder: a.Folder, Now: a.Clock.Now()})
	again.grpc(token, confirming(code)).limited(t, time.Minute)
	again.Clock.Advance(59 * time.Second)
	again.grpc(token, confirming(code)).limited(t, time.Second)
	again.Clock.Advance(time.Second)
	again.ok(token, confirming(code))
	again.wrong(t, token, 4)
	again.Stop()

	third := startAPI(t, servertest.Options{Limits: limits, Folder: a.Folder, Now: again.Clock.Now().Add(time.Hour)})
	third.grpc(token, confirming(code)).limited(t, calendar.NextDay(third.Clock.Now()).Sub(third.Clock.Now()))
	third.Clock.Set(calendar.NextDay(third.Clock.Now()))
	third.ok(token, confirming(code))
}

// Nor must a second server on the same store.
func TestAPIWrongCodesOfTwoServers(t *testing.T) {
	t.Parallel()
	one := startAPI(t, servertest.Options{})
	other := startAPI(t, servertest.Options{Folder: one.Folder})
	code, token := one.issue(servertest.Year, 1), one.intake()
	one.wrong(t, token, 3)
	other.wrong(t, token, 4)
	one.wrong(t, token, 3)
	one.grpc(token, confirming(code)).limited(t, time.Minute)
	other.grpc(token, confirming(code)).limited(t, time.Minute)
	isConfirmed(t, other.ok(other.intake(servertest.PoolOne[1]), confirming(code)))
	same(t, "arrived", one.Counts().Pools[0].Arrived, 1)
}

// Voids of wrong codes have a limit of their own, for all counsellors together.
func TestAPIWrongVoids(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{Limits: access.Limits{PerMinute: 5, PerDay: 12}})
	code := a.issue(servertest.Year, 1)
	wrong := func(times int) {
		t.Helper()
		for range times {
			a.grpc(a.counsellor(), voiding(unissued(t, refcode.Short))).refused(t, codes.NotFound, "CODE_NOT_ACCEPTED")
		}
	}
	wrong(5)
	other := a.Token("COUNSELLOR", "")
	bothWays(t, func(t *testing.T, call func(*api, string, proto.Message) answer) {
		answers := []answer{
			call(a, a.counsellor(), voiding(unissued(t, refcode.Short))), call(a, a.counsellor(), voiding(code)), call(a, other, voiding(code)),
		}
		answers[0].limited(t, time.Minute)
		alike(t, answers...)
	})
	// A centre's attempts are not touched by it, nor it by theirs.
	isConfirmed(t, a.ok(a.intake(), confirming(code)))
	a.wrong(t, a.intake(), 5)
	a.Clock.Advance(time.Minute)
	a.ok(a.counsellor(), voiding(code))
	wrong(5)
	a.Clock.Advance(time.Minute)
	wrong(2)
	a.grpc(a.counsellor(), voiding(code)).limited(t, 24*time.Hour-2*time.Minute)
	a.counted(t, pools(store.PoolCounts{Issued: 1, Arrived: 1}))
}
