package server

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"aankomst/refcode"
	"aankomst/server/access"
	"aankomst/server/cohort"
	"aankomst/server/release"
	"aankomst/server/store"
)

// errorDomain is the domain of every ErrorInfo.
const errorDomain = "aankomst"

// problem is an error as it goes over the wire. Handlers return one where the domain has no error of
// its own; everything else is translated by toStatus.
type problem struct {
	code codes.Code
	// reason is stable: clients branch on it.
	reason string
	// message says in English what to do next. It never holds a code, an element or a token.
	message string
	// field names the field of the request that is at fault.
	field string
	// metadata is for clients: positions, dates.
	metadata map[string]string
	// retryAfter is how long to wait; zero when waiting does not help.
	retryAfter time.Duration
}

func (p *problem) Error() string { return p.message }

// invalid returns a problem with one field of the request.
func invalid(field, format string, args ...any) *problem {
	return &problem{code: codes.InvalidArgument, reason: "FIELD_INVALID", field: field, message: fmt.Sprintf(format, args...)}
}

var (
	errNotAccepted = &problem{
		code: codes.NotFound, reason: "CODE_NOT_ACCEPTED",
		message: "the code is not accepted: read it back symbol by symbol; at a centre, if it stays so, record an arrival without code",
	}
	errInternal = &problem{
		code: codes.Internal, reason: "INTERNAL",
		message: "something went wrong on the server; try again, and tell the operator if it stays so",
	}
	errUnavailable = &problem{
		code: codes.Unavailable, reason: "STORE_UNAVAILABLE", retryAfter: 2 * time.Second,
		message: "the server cannot reach or write its store now; try again in a moment: issuing, confirming, undoing and voiding may be repeated, what was recorded without code may have been counted",
	}
	errMalformed = &problem{
		code: codes.InvalidArgument, reason: "MALFORMED_REQUEST",
		message: "the request could not be read: it must be valid UTF-8, with the fields and types of docs/openapi.swagger.json and no others",
	}
	errTooLarge = &problem{
		code: codes.ResourceExhausted, reason: "REQUEST_TOO_LARGE",
		message: fmt.Sprintf("the request is larger than %d bytes", maxRequest),
	}
	errHeaders = &problem{
		code: codes.ResourceExhausted, reason: "HEADERS_TOO_LARGE",
		message: fmt.Sprintf("the headers of the request are larger than %d bytes", maxHeaders),
	}
	errNoMethod = &problem{
		code: codes.Unimplemented, reason: "NO_SUCH_METHOD",
		message: "there is no such method; the methods and their paths are in docs/openapi.swagger.json",
	}
	errNothing  = &problem{code: codes.NotFound, reason: "NOT_FOUND", message: "there is nothing of that name; list again"}
	errCanceled = &problem{code: codes.Canceled, reason: "CANCELLED", message: "the caller went away"}
	errTimeout  = &problem{
		code: codes.DeadlineExceeded, reason: "TIMEOUT",
		message: "the call took too long; repeating a confirmation, undo or void is always safe",
	}
	errOtherCentre = &problem{
		code: codes.PermissionDenied, reason: "OTHER_CENTRE",
		message: "an intake worker speaks for the own centre only",
	}
	errDevice = &problem{
		code: codes.PermissionDenied, reason: "DEVICE_NOT_ALLOWED",
		message: "this device is enrolled for confirming only; sign in with a passkey for anything else",
	}
	errNoSeat = &problem{
		code: codes.PermissionDenied, reason: "SEAT_NEEDED",
		message: "only a member who is signed in may do this, and no token; sign in with a passkey",
	}
	errNotFresh = &problem{
		code: codes.PermissionDenied, reason: "PROOF_NOT_FRESH",
		message: "this asks for a fresh proof of who you are; give one with your passkey, then repeat it",
	}
	errCrossOrigin = &problem{
		code: codes.PermissionDenied, reason: "CROSS_ORIGIN",
		message: "this call did not come from a page of this server at its own address; open that page and repeat it there",
	}
	errProvider = &problem{
		code: codes.Unavailable, reason: "SSO_UNAVAILABLE", retryAfter: 10 * time.Second,
		message: "the provider of single sign-on cannot be reached, or does not answer as it should; try again in a moment, or use a passkey",
	}
	errKeys = &problem{
		code: codes.Unavailable, reason: "KEY_UNAVAILABLE",
		message: "the server cannot use its key folder; the operator finds the cause in the server's log",
	}
)

// toStatus is the only place where errors become status codes. Causes stay on this side: the second
// result says whether the operator should learn of this one.
func toStatus(err error) (_ *status.Status, fault bool) {
	var p *problem
	switch {
	case err == nil:
		return status.New(codes.OK, ""), false
	case errors.As(err, &p):
		return p.status(), p == errInternal
	case errors.Is(err, context.Canceled):
		return errCanceled.status(), false
	case errors.Is(err, context.DeadlineExceeded):
		return errTimeout.status(), false
	}
	if p := fromDomain(err); p != nil {
		return p.status(), p == errUnavailable || p == errKeys || p == errProvider
	}
	// Not status.FromError, which would put what wraps the status into its message.
	var made interface{ GRPCStatus() *status.Status }
	if errors.As(err, &made) && len(made.GRPCStatus().Details()) > 0 {
		return made.GRPCStatus(), false
	}
	// What grpc says by itself has no details: of a method that nothing implements, of a service that
	// its health service does not know.
	switch status.Code(err) {
	case codes.Unimplemented:
		return errNoMethod.status(), false
	case codes.NotFound:
		return errNothing.status(), false
	}
	return errInternal.status(), true
}

// fromDomain translates the errors of the domain packages; nil for any other.
func fromDomain(err error) *problem {
	var decode *refcode.DecodeError
	var limit *access.LimitError
	var attempts *access.AttemptsError
	switch {
	case errors.As(err, &decode):
		return malformedCode(decode)
	case errors.As(err, &limit):
		return &problem{
			code: codes.ResourceExhausted, reason: "TOO_MANY_WRONG_CODES", retryAfter: limit.RetryAfter,
			message: limit.Error() + "; at a centre, an arrival can be recorded without code meanwhile",
		}
	case errors.Is(err, refcode.ErrElement):
		return &problem{
			code: codes.InvalidArgument, reason: "ELEMENT_INVALID", field: "blinded_element",
			message: "the blinded element is not the canonical encoding of a ristretto255 element other than the identity",
		}
	case errors.Is(err, cohort.ErrNoPool):
		return &problem{code: codes.NotFound, reason: "POOL_NOT_FOUND", field: "pool", message: "the cohort has no such pool; list the cohorts again"}
	case errors.Is(err, cohort.ErrNotLoaded):
		return &problem{
			code: codes.Unavailable, reason: "KEY_NOT_LOADED", retryAfter: 2 * time.Second,
			message: "the server is taking this cohort's key into use; try again in a moment",
		}
	case errors.As(err, &attempts):
		return &problem{code: codes.ResourceExhausted, reason: "TOO_MANY_ATTEMPTS", retryAfter: attempts.RetryAfter, message: attempts.Error()}
	case errors.Is(err, access.ErrNobody):
		return &problem{code: codes.Unauthenticated, reason: "NOT_SIGNED_IN", message: "sign in, or send the header Authorization: Bearer TOKEN"}
	case errors.Is(err, access.ErrSignedOut):
		return &problem{code: codes.Unauthenticated, reason: "SIGNED_OUT", message: "you are not signed in any more; sign in again"}
	case errors.Is(err, access.ErrUnknownToken):
		return &problem{code: codes.Unauthenticated, reason: "TOKEN_UNKNOWN", message: "this token is not known here; check that it was copied whole"}
	case errors.Is(err, access.ErrRevoked):
		return &problem{code: codes.Unauthenticated, reason: "TOKEN_REVOKED", message: "this token was revoked; ask the administrator for a new one"}
	case errors.Is(err, access.ErrExpired):
		return &problem{code: codes.Unauthenticated, reason: "TOKEN_EXPIRED", message: "this token has expired; ask the administrator for a new one"}
	case errors.Is(err, access.ErrProof):
		return &problem{code: codes.Unauthenticated, reason: "PROOF_NOT_ACCEPTED", message: "this proof is not accepted; begin again, with a passkey that is enrolled here"}
	case errors.Is(err, access.ErrSuspected):
		return &problem{code: codes.Unauthenticated, reason: "PASSKEY_SUSPECTED", message: "this passkey seems to have been copied and is accepted no more; tell an administrator, who can remove it and invite you again"}
	case errors.Is(err, access.ErrInvitation):
		return &problem{code: codes.NotFound, reason: "INVITATION_NOT_ACCEPTED", message: "this invitation is not accepted: it was used, replaced, or is older than 48 hours; ask the administrator for a new one"}
	case errors.Is(err, access.ErrNoSeat):
		return &problem{code: codes.PermissionDenied, reason: "SSO_NO_SEAT", message: err.Error()}
	case errors.Is(err, access.ErrProvider):
		return errProvider
	case errors.Is(err, access.ErrRequest):
		return &problem{code: codes.InvalidArgument, reason: "REQUEST_REFUSED", message: err.Error()}
	case errors.Is(err, store.ErrLastAdministrator):
		return &problem{code: codes.FailedPrecondition, reason: "LAST_ADMINISTRATOR", message: "no administrator could sign in any more; enrol a passkey of another administrator first"}
	case errors.Is(err, cohort.ErrPlan), errors.Is(err, cohort.ErrRecipient):
		return &problem{code: codes.InvalidArgument, reason: "PLAN_REFUSED", message: err.Error()}
	case errors.Is(err, cohort.ErrTooSoon):
		return &problem{code: codes.FailedPrecondition, reason: "TOO_SOON", message: err.Error()}
	case errors.Is(err, cohort.ErrStated):
		return &problem{code: codes.FailedPrecondition, reason: "YEAR_STATED", field: "year", message: err.Error()}
	case errors.Is(err, release.ErrNoFinal):
		return &problem{code: codes.FailedPrecondition, reason: "NO_FINAL_RELEASE", message: release.ErrNoFinal.Error()}
	case errors.Is(err, release.ErrAudit):
		return &problem{
			code: codes.FailedPrecondition, reason: "RELEASE_WITHHELD",
			message: "these figures could give somebody away beside what is published, and are withheld; nothing was changed: tell who looks after this software, who finds the cause with aankomst release verify",
		}
	case errors.Is(err, cohort.ErrNoKey), errors.Is(err, cohort.ErrKeyMismatch), errors.Is(err, cohort.ErrKeyFolder):
		return errKeys
	case errors.Is(err, store.ErrUnavailable):
		return errUnavailable
	case errors.Is(err, store.ErrNotFound):
		return errNothing
	case errors.Is(err, store.ErrExists):
		return &problem{code: codes.AlreadyExists, reason: "ALREADY_EXISTS", message: "that exists already; nothing was changed"}
	case errors.Is(err, store.ErrConflict):
		return &problem{code: codes.Aborted, reason: "CHANGED_MEANWHILE", message: "it was changed meanwhile; look at it again, then repeat"}
	}
	return nil
}

// malformedCode tells where a code may be wrong, and never what stands there.
func malformedCode(err *refcode.DecodeError) *problem {
	p := &problem{
		code: codes.InvalidArgument, reason: "CODE_MALFORMED", field: "code", message: err.Error(),
		metadata: map[string]string{"fault": string(err.Fault)},
	}
	if len(err.Positions) > 0 {
		positions := make([]string, len(err.Positions))
		for i, position := range err.Positions {
			positions[i] = strconv.Itoa(position)
		}
		p.metadata["positions"] = strings.Join(positions, ",")
	}
	return p
}

// status returns the status with its details: ErrorInfo always, BadRequest and RetryInfo where they
// apply.
func (p *problem) status() *status.Status {
	details := []protoadapt.MessageV1{&errdetails.ErrorInfo{Reason: p.reason, Domain: errorDomain, Metadata: p.metadata}}
	if p.field != "" {
		details = append(details, &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
			{Field: p.field, Description: p.message, Reason: p.reason},
		}})
	}
	if p.retryAfter > 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(p.retryAfter)})
	}
	s, err := status.New(p.code, p.message).WithDetails(details...)
	if err != nil {
		return status.New(p.code, p.message)
	}
	return s
}

// retryAfter returns how long a status asks to wait; zero when it asks nothing.
func retryAfter(s *status.Status) time.Duration {
	for _, detail := range s.Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			return info.GetRetryDelay().AsDuration()
		}
	}
	return 0
}
