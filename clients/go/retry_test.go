package client_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	client "aankomst/clients/go"
	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/refcode"
	"aankomst/server/servertest"
	"aankomst/server/store"
)

// An answer that is lost must not count a second person, nor leave the caller without a code.
func TestAnInterruptedIssueIsRepeatedAndCountsOnce(t *testing.T) {
	t.Parallel()
	for _, replacement := range []bool{false, true} {
		f := servertest.Start(t, servertest.Options{})
		l := new(line)
		l.meet("GetCohort", notSent)
		l.meet("IssueReferral", notSent, answerLost, failing(codes.DeadlineExceeded))
		counsellor := onLine(t, f, l, store.RoleCounsellor, "")
		code, err := counsellor.Issue(t.Context(), servertest.Year, 1, client.IssueOptions{Replacement: replacement})
		if err != nil {
			t.Fatal(err)
		}
		sent := l.requests("IssueReferral")
		if len(sent) != 4 {
			t.Errorf("sent %d times, want 4", len(sent))
		}
		for _, request := range sent {
			first := sent[0].(*aankomstv1.IssueReferralRequest)
			if this := request.(*aankomstv1.IssueReferralRequest); !bytes.Equal(this.GetBlindedElement(), first.GetBlindedElement()) ||
				this.GetPool() != 1 || this.GetReplacement() != replacement {
				t.Errorf("a repeated call differs from the first: %v, %v", this, first)
			}
		}
		want := store.PoolCounts{Number: 1, Issued: 1}
		if replacement {
			want = store.PoolCounts{Number: 1, Replaced: 1}
		}
		if got := pool(t, f, 1); got != want {
			t.Errorf("counted %+v, want %+v", got, want)
		}
		if practice, err := f.Client(store.RoleIntake, servertest.PoolOne[0]).Confirm(t.Context(), code, noWait); err != nil || practice {
			t.Errorf("the code is not accepted: practice %v, %v", practice, err)
		}
	}
}

// The two issues are two people: only a repeated call is one.
func TestTwoIssuesAreTwo(t *testing.T) {
	t.Parallel()
	f := servertest.Start(t, servertest.Options{})
	l := new(line)
	counsellor := onLine(t, f, l, store.RoleCounsellor, "")
	codes := map[refcode.Code]bool{}
	for range 2 {
		code, err := counsellor.Issue(t.Context(), servertest.Year, 2, client.IssueOptions{})
		if err != nil {
			t.Fatal(err)
		}
		codes[code] = true
	}
	if got := pool(t, f, 2); len(codes) != 2 || got.Issued != 2 {
		t.Errorf("%d codes, counted %+v", len(codes), got)
	}
	if asked := l.requests("GetCohort"); len(asked) != 1 {
		t.Errorf("the directory was fetched %d times, want once", len(asked))
	}
}

func TestConfirmUndoAndVoidSettle(t *testing.T) {
	t.Parallel()
	f := servertest.Start(t, servertest.Options{})
	l := new(line)
	desk := onLine(t, f, l, store.RoleIntake, servertest.PoolOne[0])
	counsellor := onLine(t, f, l, store.RoleCounsellor, "")
	arrived, undone, voided := f.Issue(1), f.Issue(1), f.Issue(1)

	for _, method := range []string{"ConfirmArrival", "UndoArrival", "VoidReferral"} {
		l.meet(method, notSent, answerLost)
	}
	if practice, err := desk.Confirm(t.Context(), arrived, aankomstv1.WaitBand_UP_TO_2_WEEKS); err != nil || practice {
		t.Errorf("confirm: practice %v, %v", practice, err)
	}
	if _, err := desk.Confirm(t.Context(), undone, noWait); err != nil {
		t.Error(err)
	}
	if err := desk.Undo(t.Context(), undone, noWait); err != nil {
		t.Errorf("undo: %v", err)
	}
	if err := counsellor.Void(t.Context(), voided, false); err != nil {
		t.Errorf("void: %v", err)
	}
	if got, want := pool(t, f, 1), (store.PoolCounts{Number: 1, Issued: 3, Voided: 1, Arrived: 1}); got != want {
		t.Errorf("counted %+v, want %+v", got, want)
	}
	if waits := f.Counts().Waits; waits[store.WaitUpTo2Weeks] != 1 {
		t.Errorf("waits %v", waits)
	}
	if _, err := desk.Confirm(t.Context(), voided, noWait); client.Reason(err) != "CODE_NOT_ACCEPTED" {
		t.Errorf("a voided code: %v", err)
	}
	for method, want := range map[string]int{"ConfirmArrival": 3 + 1 + 1, "UndoArrival": 3, "VoidReferral": 3} {
		if got := len(l.requests(method)); got != want {
			t.Errorf("%s was sent %d times, want %d", method, got, want)
		}
	}
}

// Nothing tells a repeated call from a second person here, so it is the caller who decides.
func TestWhatIsWithoutCodeIsNeverRepeated(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		meet    fault
		counted int
	}{{"not sent", notSent, 0}, {"answer lost", answerLost, 1}, {"timed out", failing(codes.DeadlineExceeded), 0}} {
		f := servertest.Start(t, servertest.Options{})
		l := new(line)
		l.meet("RecordReferralWithoutCode", c.meet)
		l.meet("RecordArrivalWithoutCode", c.meet)
		err := onLine(t, f, l, store.RoleCounsellor, "").ReferWithoutCode(t.Context(), servertest.Year, 1)
		if status.Code(err) == codes.OK {
			t.Errorf("%s: the counsellor was told nothing", c.name)
		}
		err = onLine(t, f, l, store.RoleIntake, servertest.PoolOne[0]).ArriveWithoutCode(t.Context(), servertest.Year)
		if status.Code(err) == codes.OK {
			t.Errorf("%s: the desk was told nothing", c.name)
		}
		if got := len(l.methods()); got != 2 {
			t.Errorf("%s: calls %v, want one of each", c.name, l.methods())
		}
		if got := pool(t, f, 1).ReferredWithoutCode; got != c.counted {
			t.Errorf("%s: %d referred, want %d", c.name, got, c.counted)
		}
		if got := f.Counts().ArrivedWithoutCode; got != c.counted {
			t.Errorf("%s: %d arrived, want %d", c.name, got, c.counted)
		}
	}
}

// Waiting does not change what is wrong with a call.
func TestAVerdictIsNotRepeated(t *testing.T) {
	t.Parallel()
	f := servertest.Start(t, servertest.Options{})
	code := f.Issue(1)
	for c := codes.Canceled; c <= codes.Unauthenticated; c++ {
		if c == codes.Unavailable || c == codes.DeadlineExceeded {
			continue
		}
		l := new(line)
		l.meet("ConfirmArrival", failing(c))
		_, err := onLine(t, f, l, store.RoleIntake, servertest.PoolOne[0]).Confirm(t.Context(), code, noWait)
		if status.Code(err) != c || len(l.methods()) != 1 {
			t.Errorf("%s: %v after %d calls", c, err, len(l.methods()))
		}
	}
	if got := pool(t, f, 1).Arrived; got != 0 {
		t.Errorf("%d arrived", got)
	}
}

func TestAContextThatEndsStopsTheRepeating(t *testing.T) {
	t.Parallel()
	f := servertest.Start(t, servertest.Options{})
	code := f.Issue(1)
	for _, c := range []codes.Code{codes.Unavailable, codes.DeadlineExceeded} {
		ctx, cancel := context.WithCancel(t.Context())
		l := new(line)
		l.meet("ConfirmArrival", notSent, func(context.Context, func() error) error {
			cancel()
			return status.Error(c, "made up by the test")
		})
		_, err := onLine(t, f, l, store.RoleIntake, servertest.PoolOne[0]).Confirm(ctx, code, noWait)
		if status.Code(err) != c || len(l.methods()) != 2 {
			t.Errorf("%s: got %v after %d calls", c, err, len(l.methods()))
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Client(store.RoleCounsellor, "").Void(ctx, code, false); status.Code(err) != codes.Canceled {
		t.Errorf("a context that has ended: %v", err)
	}
	if got, want := pool(t, f, 1), (store.PoolCounts{Number: 1, Issued: 1}); got != want {
		t.Errorf("counted %+v, want %+v", got, want)
	}
}

// A server that asks for more time than anyone will wait gets no second call, and the caller is told.
func TestAPauseIsAsLongAsTheServerAsks(t *testing.T) {
	t.Parallel()
	f := servertest.Start(t, servertest.Options{})
	asks, err := status.New(codes.Unavailable, "made up by the test").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	l := new(line)
	l.meet("GetCohort", func(context.Context, func() error) error { return asks.Err() })
	_, err = onLine(t, f, l, store.RoleCounsellor, "").PoolOf(t.Context(), servertest.Year, servertest.PoolOne[0])
	if client.RetryAfter(err) != time.Hour || len(l.methods()) != 1 {
		t.Errorf("got %v after %d calls", err, len(l.methods()))
	}
}

// One client serves a whole helpline.
func TestAClientIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	f := servertest.Start(t, servertest.Options{})
	counsellor := f.Client(store.RoleCounsellor, "")
	var group sync.WaitGroup
	errs := make([]error, 16)
	for i := range errs {
		group.Go(func() {
			code, err := counsellor.Issue(t.Context(), servertest.Year, 1, client.IssueOptions{})
			errs[i] = errors.Join(err, counsellor.Void(t.Context(), code, false))
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if got, want := pool(t, f, 1), (store.PoolCounts{Number: 1, Issued: len(errs), Voided: len(errs)}); got != want {
		t.Errorf("counted %+v, want %+v", got, want)
	}
}
