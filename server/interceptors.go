package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"

	"aankomst/server/access"
	"aankomst/server/gather"
	"aankomst/server/store"
)

// callTimeout bounds a call from its first byte to its answer.
const callTimeout = 20 * time.Second

// interceptors are run in this order, outermost first:
//
//  1. observe: counts the outcome for the gauges, and logs calls of administration.
//  2. recover: turns a panic into an internal error, so that one call cannot end the server.
//  3. translate: turns errors of the domain into status codes; causes go to the fault log.
//  4. authorize: lets a call pass when the rule of its method says so, and says in whose name it is recorded.
//
// Before them, grpc bounds the size of a request, onTap its time, and strictRegistrar turns what
// cannot be decoded into a clear error. REST calls pass the same way, since the gateway calls over an
// in-process connection.
func (s *Server) interceptors() []grpc.UnaryServerInterceptor {
	return []grpc.UnaryServerInterceptor{s.observe, s.recover, s.translate, s.authorize}
}

func (s *Server) observe(ctx context.Context, request any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	begun := time.Now()
	response, err := next(ctx, request)
	// Those who look after the server ask its health all day: among their calls a gauge would tell of one
	// of ours.
	if !s.rules[info.FullMethod].health {
		s.metrics.observe(time.Since(begun), err != nil)
	}
	// Strangers must not be able to fill the log.
	if s.rules[info.FullMethod].logged && status.Code(err) != codes.Unauthenticated {
		s.log.LogAttrs(ctx, slog.LevelInfo, "administration",
			slog.String("method", info.FullMethod), slog.String("outcome", status.Code(err).String()))
	}
	return response, err
}

func (s *Server) recover(ctx context.Context, request any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (response any, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			s.faults.note(panicAt(debug.Stack()))
			response, err = nil, errInternal.status().Err()
		}
	}()
	return next(ctx, request)
}

// panicAt tells the operator of a panic. Its value and the arguments on the stack may be data; where it
// happened is enough to find it.
func panicAt(stack []byte) error {
	var places []string
	for line := range strings.Lines(string(stack)) {
		if place := strings.TrimSpace(line); strings.Contains(place, ".go:") {
			places = append(places, strings.Fields(place)[0])
		}
	}
	return fmt.Errorf("a panic at:\n%s", strings.Join(places, "\n"))
}

func (s *Server) translate(ctx context.Context, request any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	response, err := next(ctx, request)
	if err == nil {
		return response, nil
	}
	translated, fault := toStatus(err)
	var panicked *gather.PanicError
	if errors.As(err, &panicked) {
		err = panicAt(panicked.Stack)
	}
	if fault {
		s.faults.note(err)
	}
	return nil, translated.Err()
}

// principalKey is where authorize leaves the principal.
type principalKey struct{}

// principal returns who calls; the zero Principal for a public method.
func principal(ctx context.Context) access.Principal {
	p, _ := ctx.Value(principalKey{}).(access.Principal)
	return p
}

func (s *Server) authorize(ctx context.Context, request any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	rule := s.rules[info.FullMethod]
	if rule.public {
		return next(ctx, request)
	}
	caller, err := s.door.Authenticate(ctx, credentialsOf(ctx), addressOf(ctx))
	if err != nil {
		return nil, err
	}
	now := s.deps.Clock()
	if refused := rule.allow(caller, now); refused != nil {
		return nil, refused
	}
	if rule.notes(caller) {
		s.door.Note(caller)
	}
	if rule.logged {
		if err := s.attempts.Administer(ctx, addressOf(ctx), caller.ID); err != nil {
			return nil, err
		}
	}
	ctx = store.As(ctx, caller.By(), now)
	return next(context.WithValue(ctx, principalKey{}, caller), request)
}

// onTap bounds the time of a call before its body is read, so that a caller who sends none cannot hold
// a place for ever.
func onTap(ctx context.Context, info *tap.Info) (context.Context, error) {
	if !strings.HasPrefix(info.FullMethodName, "/aankomst.") {
		return ctx, nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	context.AfterFunc(ctx, cancel)
	return ctx, nil
}
