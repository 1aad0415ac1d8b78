package client_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	client "aankomst/clients/go"
	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/refcode"
	"aankomst/server/access"
	"aankomst/server/servertest"
	"aankomst/server/store"
)

// unknownCode is well formed and was issued by nobody.
func unknownCode(t *testing.T) refcode.Code {
	t.Helper()
	code, err := refcode.Decode("0000 0000 0000 0000")
	if err != nil {
		t.Fatal(err)
	}
	return code
}

func TestTheServersErrorsTellWhatToDo(t *testing.T) {
	t.Parallel()
	f := servertest.Start(t, servertest.Options{Limits: access.Limits{PerMinute: 2, PerDay: 100}})
	desk, counsellor := f.Client(store.RoleIntake, servertest.PoolOne[0]), f.Client(store.RoleCounsellor, "")

	_, err := desk.Confirm(t.Context(), unknownCode(t), noWait)
	expect(t, "an unknown code", err, codes.NotFound, "CODE_NOT_ACCEPTED", 0)
	err = desk.Undo(t.Context(), unknownCode(t), noWait)
	expect(t, "an unknown code, undone", err, codes.NotFound, "CODE_NOT_ACCEPTED", 0)
	_, err = desk.Confirm(t.Context(), unknownCode(t), noWait)
	expect(t, "one wrong code too many", err, codes.ResourceExhausted, "TOO_MANY_WRONG_CODES", time.Minute)

	_, err = counsellor.Confirm(t.Context(), unknownCode(t), noWait)
	expect(t, "another role", err, codes.PermissionDenied, "ROLE_NOT_ALLOWED", 0)
	err = client.New(f.Connection, "aankomst_nonsense", new(client.MemoryPins)).Void(t.Context(), unknownCode(t), false)
	expect(t, "an unknown token", err, codes.Unauthenticated, "TOKEN_UNKNOWN", 0)
	err = counsellor.ReferWithoutCode(t.Context(), servertest.Year, 9)
	expect(t, "an unknown pool", err, codes.NotFound, "POOL_NOT_FOUND", 0)
	err = counsellor.ReferWithoutCode(t.Context(), servertest.Year-1, 1)
	expect(t, "an unknown cohort", err, codes.NotFound, "COHORT_NOT_FOUND", 0)
	err = desk.ArriveWithoutCode(t.Context(), servertest.Year+1)
	expect(t, "a year that has no cohort yet", err, codes.NotFound, "COHORT_NOT_FOUND", 0)
}

func TestPositionsSayWhereACodeMayBeWrong(t *testing.T) {
	t.Parallel()
	f := servertest.Start(t, servertest.Options{})
	desk := f.Client(store.RoleIntake, servertest.PoolOne[0])
	for text, want := range map[string][]int{
		"0000 0010 0000 0000": {7},
		"0U00 0000 00U0 0000": {2, 11},
		"0000":                nil,
		"":                    nil,
	} {
		// The generated client, since Client sends only what is well formed.
		_, err := desk.Arrivals.ConfirmArrival(desk.Authorized(t.Context()), &aankomstv1.ConfirmArrivalRequest{Code: text})
		expect(t, text, err, codes.InvalidArgument, "CODE_MALFORMED", 0)
		if got := client.Positions(err); !slices.Equal(got, want) {
			t.Errorf("%q: positions %v, want %v", text, got, want)
		}
	}
}

func TestOtherErrorsHaveNoReason(t *testing.T) {
	t.Parallel()
	for _, err := range []error{nil, errors.New("another"), client.ErrFingerprint, status.Error(codes.Unavailable, "no details")} {
		if client.Reason(err) != "" || client.Positions(err) != nil || client.RetryAfter(err) != 0 {
			t.Errorf("%v: %q, %v, %v", err, client.Reason(err), client.Positions(err), client.RetryAfter(err))
		}
	}
}

// expect checks an error of a server; it asks to wait for at most the time given, and for none when that
// is zero.
func expect(t *testing.T, what string, err error, code codes.Code, reason string, wait time.Duration) {
	t.Helper()
	if status.Code(err) != code || client.Reason(err) != reason {
		t.Errorf("%s: %v (%s), want %s %s", what, err, client.Reason(err), code, reason)
	}
	if got := client.RetryAfter(err); got > wait || (got > 0) != (wait > 0) {
		t.Errorf("%s: wait %v, want at most %v", what, got, wait)
	}
}
