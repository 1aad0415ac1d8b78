package server_test

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"aankomst/refcode"
	"aankomst/server/servertest"
	"aankomst/server/store"
)

// Whatever a code is worth, the server does the same work for it: the pairs of cohort and pool that it
// evaluates depend on the cohorts alone.
func TestAPISameWorkForEveryCode(t *testing.T) {
	t.Parallel()
	l := startLandscape(t)
	// Another cohort of this server, of the other layout.
	l.Clock.Set(inYear(aheadYear, time.December))
	l.OpenCohort(aheadYear+1, refcode.Long)
	l.Clock.Set(inYear(aheadYear+1, time.May))
	long, practice := l.issue(aheadYear+1, 2), l.issue(aheadYear+1, 0)
	must(t, l.Keeper.Sync(t.Context(), true))
	undone := l.issue(aheadYear+1, 1)
	l.ok(l.intake(), confirming(undone))
	l.ok(l.intake(), undoing(undone))
	every := map[string]refcode.Code{
		"fresh": l.of[openYear], "maturing": l.of[maturingYear], "long": long, "practice": practice, "undone": undone,
		"confirmed": l.confirmed, "voided": l.voided, "closing": l.of[closingYear], "closed": l.of[closedYear],
		"foreign": l.foreign, "unknown": unissued(t, refcode.Short), "unknown, long": unissued(t, refcode.Long),
	}
	// Four cohorts are held, of two pools and the practice pool each.
	held := l.Keeper.Ring.Years()
	same(t, "years held", held, []int{maturingYear, openYear, aheadYear, aheadYear + 1})
	for name, code := range every {
		if got, want := l.Keeper.Ring.Recognise(code).Pairs, 3*len(held); got != want {
			t.Errorf("%s: %d pairs were evaluated, want %d", name, got, want)
		}
	}
	// When a key is gone, it is gone for every code.
	l.letGo(t, maturingYear)
	for name, code := range every {
		if got, want := l.Keeper.Ring.Recognise(code).Pairs, 3*(len(held)-1); got != want {
			t.Errorf("%s, with one key gone: %d pairs were evaluated, want %d", name, got, want)
		}
	}
}

// letGo makes the server let go of the key of a cohort. To drop it alone would not do: the server takes
// the keys of open cohorts into use again by itself.
func (a *api) letGo(t *testing.T, year int) {
	t.Helper()
	must(t, a.Store.AdvanceCohort(t.Context(), year, store.StageOpen, store.StageClosing))
	must(t, a.Keeper.Sync(t.Context(), true))
}

// One and the same error for unknown, voided, expired and closed: to the byte, over gRPC and REST.
func TestAPINotAcceptedIsOneAnswer(t *testing.T) {
	t.Parallel()
	l := startLandscape(t)
	dropped := startAPI(t, servertest.Options{})
	gone := dropped.issue(servertest.Year, 1)
	dropped.letGo(t, servertest.Year)
	worthless := []refcode.Code{
		unissued(t, refcode.Short), unissued(t, refcode.Long), l.voided, l.foreign, l.of[closingYear], l.of[closedYear],
	}
	bothWays(t, func(t *testing.T, call func(*api, string, proto.Message) answer) {
		var answers []answer
		for _, code := range worthless {
			answers = append(answers, call(l.api, l.intake(), confirming(code)))
		}
		l.Clock.Advance(time.Minute)
		for _, code := range worthless {
			answers = append(answers, call(l.api, l.intake(), undoing(code)))
			if code != l.voided {
				answers = append(answers, call(l.api, l.counsellor(), voiding(code)))
			}
		}
		l.Clock.Advance(time.Minute)
		// A code whose key is held no more, on a server that holds no other.
		answers = append(answers, call(dropped, dropped.intake(), confirming(gone)), call(dropped, dropped.counsellor(), voiding(gone)))
		answers[0].refused(t, codes.NotFound, "CODE_NOT_ACCEPTED")
		alike(t, answers...)
	})
	same(t, "counts", dropped.Counts().Pools[0].Arrived, 0)
}

// Nor does an accepted code's answer tell anything of the code: year, pool and whether it came before.
func TestAPIConfirmedIsOneAnswer(t *testing.T) {
	t.Parallel()
	l := startLandscape(t)
	bothWays(t, func(t *testing.T, call func(*api, string, proto.Message) answer) {
		var answers []answer
		for _, code := range []refcode.Code{l.of[openYear], l.issue(openYear, 2), l.of[maturingYear], l.confirmed, l.of[openYear]} {
			answers = append(answers, call(l.api, l.intake(), confirming(code)), call(l.api, l.intake("caw-a"), confirming(code)))
		}
		isConfirmed(t, answers[0])
		alike(t, answers...)
	})
}
