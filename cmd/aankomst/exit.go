package main

import (
	"context"
	"errors"
	"net"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	client "aankomst/clients/go"
	"aankomst/refcode"
	"aankomst/server"
	"aankomst/server/access"
	"aankomst/server/cohort"
	"aankomst/server/release"
	"aankomst/server/store"
	"aankomst/server/store/postgres"
)

// The exit codes; the help explains them.
const (
	exitDone = iota
	exitFailed
	exitUsage
	exitRefused
	exitLater
	exitNotAllowed
)

// exitCode maps an error to the exit code that scripts branch on.
func exitCode(err error) int {
	var malformed *refcode.DecodeError
	var address *net.AddrError
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errUsage), errors.As(err, &malformed), errors.Is(err, cohort.ErrPlan),
		errors.Is(err, cohort.ErrRecipient), errors.Is(err, access.ErrRequest), errors.Is(err, access.ErrLimits),
		errors.Is(err, access.ErrOrigin), errors.Is(err, access.ErrSSO),
		errors.Is(err, release.ErrPolicy), errors.Is(err, server.ErrPlain), errors.Is(err, postgres.ErrAddress), errors.As(err, &address):
		return exitUsage
	case errors.Is(err, errRefused), errors.Is(err, cohort.ErrTooSoon), errors.Is(err, cohort.ErrStated), errors.Is(err, store.ErrExists),
		errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrLastAdministrator),
		errors.Is(err, client.ErrFingerprint),
		errors.Is(err, client.ErrCentre), errors.Is(err, client.ErrPools), errors.Is(err, refcode.ErrPool), errors.Is(err, refcode.ErrProof):
		return exitRefused
	case errors.Is(err, postgres.ErrTraces):
		return exitFailed
	case errors.Is(err, store.ErrUnavailable):
		return exitLater
	case errors.Is(err, errNoToken):
		return exitNotAllowed
	}
	s, ok := status.FromError(err)
	if !ok {
		return exitFailed
	}
	switch s.Code() {
	case codes.InvalidArgument:
		return exitUsage
	case codes.NotFound, codes.FailedPrecondition, codes.AlreadyExists, codes.Aborted:
		return exitRefused
	case codes.Unavailable, codes.ResourceExhausted, codes.DeadlineExceeded:
		return exitLater
	case codes.Unauthenticated, codes.PermissionDenied:
		return exitNotAllowed
	default:
		return exitFailed
	}
}

// sentence returns what a person is told of an error: of a server's, its message and not its status.
func sentence(err error) string {
	var answer interface {
		error
		GRPCStatus() *status.Status
	}
	if !errors.As(err, &answer) {
		if errors.Is(err, context.Canceled) {
			return "interrupted"
		}
		return err.Error()
	}
	s := answer.GRPCStatus()
	switch noAnswer := len(s.Details()) == 0; {
	case s.Code() == codes.Canceled:
		return "interrupted; to do it again is safe, but for what is recorded without code"
	case noAnswer && (s.Code() == codes.Unavailable || s.Code() == codes.DeadlineExceeded):
		return "the server cannot be reached: is it running, and at this address? Issuing, confirming, undoing and voiding may be repeated; during a call, refer without code and record it when the server is back"
	default:
		return strings.Replace(err.Error(), answer.Error(), s.Message(), 1)
	}
}
