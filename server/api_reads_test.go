package server_test

import (
	"context"
	"maps"
	"slices"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/server/access"
	"aankomst/server/servertest"
	"aankomst/server/store"
)

// reading is a store that keeps which reads the handlers make of it.
type reading struct {
	store.Store
	mu    sync.Mutex
	reads map[string]int
}

func (s *reading) note(read string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads[read]++
}

func (s *reading) Callers(ctx context.Context, hashes [][32]byte) ([]store.Caller, error) {
	s.note("Callers")
	return s.Store.Callers(ctx, hashes)
}

func (s *reading) GetCohort(ctx context.Context, year int) (store.Cohort, error) {
	s.note("GetCohort")
	return s.Store.GetCohort(ctx, year)
}

func (s *reading) GetCentre(ctx context.Context, id string) (store.Centre, error) {
	s.note("GetCentre")
	return s.Store.GetCentre(ctx, id)
}

// taken returns the reads since it was called last.
func (s *reading) taken() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	reads := s.reads
	s.reads = map[string]int{}
	return reads
}

// On a database server every read is a round trip, which must not cost more than the cryptography. Calls at
// the same time share one.
func TestAPIACallReadsTheStoreOnce(t *testing.T) {
	t.Parallel()
	watched := &reading{reads: map[string]int{}}
	a := startAPI(t, servertest.Options{Store: func(s store.Store) store.Store {
		watched.Store = s
		return watched
	}})
	intake, counsellor, directory := a.intake(), a.counsellor(), a.directory(servertest.Year)
	code, other, practice := a.issue(servertest.Year, 1), a.issue(servertest.Year, 2), a.issue(servertest.Year, 0)
	for _, call := range []struct {
		token   string
		request proto.Message
		code    codes.Code
	}{
		{intake, confirming(code), codes.OK},
		{intake, confirming(code), codes.OK},
		{intake, confirming(other), codes.OK}, // of another pool
		{intake, confirming(practice), codes.OK},
		{intake, confirming(unissued(t, code.Layout())), codes.NotFound},
		{intake, undoing(code), codes.OK},
		{intake, &aankomstv1.RecordArrivalWithoutCodeRequest{Cohort: servertest.Year}, codes.OK},
		{counsellor, &aankomstv1.IssueReferralRequest{Cohort: servertest.Year, Pool: 1, BlindedElement: element(t, directory, 1)}, codes.OK},
		{counsellor, &aankomstv1.IssueReferralRequest{Cohort: servertest.Year, Pool: 0, BlindedElement: element(t, directory, 0)}, codes.OK},
		{counsellor, &aankomstv1.RecordReferralWithoutCodeRequest{Cohort: servertest.Year, Pool: 1}, codes.OK},
		{counsellor, voiding(code), codes.OK},
	} {
		watched.taken()
		if got := a.grpc(call.token, call.request); got.code != call.code {
			t.Errorf("%T: %v", call.request, got)
		}
		if reads := watched.taken(); !maps.Equal(reads, map[string]int{"Callers": 1}) {
			t.Errorf("%T reads %v", call.request, reads)
		}
	}
}

// Nothing is kept of a caller from one call to the next: what another process did in between counts.
func TestAPITheNextCallSeesWhatAnotherProcessDid(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	a.addCentre("cgg-new")
	inAndOut, archived := a.issue(servertest.Year, 1), servertest.PoolOne[1]
	a.intake(archived) // its token is made while it can be
	bothWays(t, func(t *testing.T, call func(*api, string, proto.Message) answer) {
		secret, token, err := access.CreateToken(t.Context(), a.Store, access.Request{Label: "desk", Role: store.RoleCounsellor, Validity: 1}, a.Clock.Now())
		must(t, err)
		call(a, secret, voiding(a.issue(servertest.Year, 0))).worked(t)
		must(t, a.Store.RevokeToken(t.Context(), token.ID))
		call(a, secret, voiding(a.issue(servertest.Year, 0))).refused(t, codes.Unauthenticated, "TOKEN_REVOKED")

		for _, gone := range []bool{true, false} {
			_, err := a.Store.UpdateCentre(t.Context(), archived, func(c *store.Centre) error { c.Archived = gone; return nil })
			must(t, err)
			got := call(a, a.intake(archived), confirming(inAndOut))
			if gone {
				got.refused(t, codes.PermissionDenied, "CENTRE_ARCHIVED")
			} else {
				got.worked(t)
			}
		}
	})

	before := a.Counts().Pools[0]
	code := a.issue(servertest.Year, 1)
	a.ok(a.intake("cgg-new"), confirming(code))
	a.ok(a.intake("cgg-new"), undoing(code))
	must(t, a.Store.AddToPool(t.Context(), servertest.Year, 1, "cgg-new"))
	a.ok(a.intake("cgg-new"), confirming(code))
	if after := a.Counts().Pools[0]; after.Arrived != before.Arrived+1 || after.Elsewhere != before.Elsewhere {
		t.Errorf("%+v, then %+v", before, after)
	}

	// Cohorts: what is recorded is refused at once, whichever key is still held.
	must(t, a.Store.AdvanceCohort(t.Context(), servertest.Year, store.StageOpen, store.StageClosing))
	blinded := element(t, a.directory(servertest.Year), 1)
	bothWays(t, func(t *testing.T, call func(*api, string, proto.Message) answer) {
		for _, request := range []proto.Message{
			&aankomstv1.IssueReferralRequest{Cohort: servertest.Year, Pool: 1, BlindedElement: blinded},
			&aankomstv1.RecordReferralWithoutCodeRequest{Cohort: servertest.Year, Pool: 1},
		} {
			call(a, a.counsellor(), request).refused(t, codes.FailedPrecondition, "COHORT_CLOSED")
		}
		call(a, a.intake(), &aankomstv1.RecordArrivalWithoutCodeRequest{Cohort: servertest.Year}).refused(t, codes.FailedPrecondition, "COHORT_CLOSED")
		call(a, a.intake(), confirming(code)).refused(t, codes.NotFound, "CODE_NOT_ACCEPTED")
	})
	eventually(t, "the key is held no more", func() bool { return !slices.Contains(a.Keeper.Ring.Years(), servertest.Year) })
	practice := &aankomstv1.IssueReferralRequest{Cohort: servertest.Year, BlindedElement: blinded}
	a.grpc(a.counsellor(), practice).refused(t, codes.FailedPrecondition, "COHORT_CLOSED")
}
