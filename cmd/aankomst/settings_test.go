package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func parserOf(t *testing.T) *kong.Kong {
	t.Helper()
	parser, err := kong.New(new(app), kong.ExplicitGroups(groups), defaults())
	noError(t, err)
	return parser
}

// What is a setting is decided one by one: a flag that says what is meant by a single call is none.
func TestTheSettings(t *testing.T) {
	t.Parallel()
	names := settingNames(parserOf(t).Model.Node)
	want := []string{
		"ca", "config", "data", "grpc", "http", "json", "keys", "log-level", "metrics", "origin", "pins",
		"postgres", "postgres-accept", "proxies", "server",
		"sso-centre-claim", "sso-client-id", "sso-issuer", "sso-role-claim", "sso-roles", "sso-secret-file", "timeout",
		"tls-cert", "tls-key", "token-file", "wrong-per-day", "wrong-per-minute",
	}
	if got := slices.Sorted(maps.Keys(names)); !slices.Equal(got, want) {
		t.Errorf("settings %v, want %v", got, want)
	}
	for name, variables := range names {
		want := "AANKOMST_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		if !slices.Equal(variables, []string{want}) {
			t.Errorf("--%s is set by %v, want %s", name, variables, want)
		}
	}
}

// Arguments are seen by everyone on a machine, and kept in histories.
func TestNoArgumentIsACodeOrAToken(t *testing.T) {
	t.Parallel()
	var look func(*kong.Node)
	look = func(node *kong.Node) {
		for _, value := range append(node.Positional, values(node.Flags)...) {
			if value.Name == "code" || value.Name == "token" || value.Name == "secret" || value.Name == "password" {
				t.Errorf("%s takes %s", node.FullPath(), value.Name)
			}
		}
		for _, child := range node.Children {
			look(child)
		}
	}
	look(parserOf(t).Model.Node)
}

func values(flags []*kong.Flag) []*kong.Value {
	var values []*kong.Value
	for _, flag := range flags {
		values = append(values, flag.Value)
	}
	return values
}

// An address of a database may hold a password: then it comes from the environment or from a file.
func TestNoPasswordIsAnArgument(t *testing.T) {
	for _, address := range []string{
		"postgres://aankomst:hunter2@db.example/aankomst", "postgresql://a:hunter2@db1:5432,db2:5432/aankomst?sslmode=verify-full",
		"postgres://db.example/aankomst?user=a&password=hunter2", "host=db.example password=hunter2", "password = 'hunter2'",
		"host=db.example\nPassword=hunter2", "postgres://db.example/aankomst?sslkey=k&sslpassword=hunter2",
	} {
		err := run(t.Context(), []string{"centre", "list", "--data", t.TempDir(), "--postgres", address}, nil, io.Discard, io.Discard)
		if !errors.Is(err, errUsage) || !strings.Contains(err.Error(), "AANKOMST_POSTGRES") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, address := range []string{
		"host=/nowhere dbname=aankomst user=aankomst", "postgres://aankomst@localhost:1/aankomst?connect_timeout=1&sslmode=disable",
		"host=/nowhere passfile=/nowhere", "postgres://localhost:1/aankomst?user=a@b",
	} {
		err := run(t.Context(), []string{"centre", "list", "--data", t.TempDir(), "--postgres", address}, nil, io.Discard, io.Discard)
		if err == nil || errors.Is(err, errUsage) {
			t.Errorf("%s: %v", address, err)
		}
	}
	t.Setenv("AANKOMST_POSTGRES", "host=/nowhere password=hunter2")
	if err := run(t.Context(), []string{"centre", "list", "--data", t.TempDir()}, nil, io.Discard, io.Discard); err == nil || errors.Is(err, errUsage) {
		t.Errorf("from the environment: %v", err)
	}
}

// A person is told what the server says, not how gRPC wraps it.
func TestSentences(t *testing.T) {
	t.Parallel()
	answered := func(code codes.Code, message string) error {
		s, err := status.New(code, message).WithDetails(&errdetails.ErrorInfo{Reason: "ANY"})
		noError(t, err)
		return s.Err()
	}
	for _, c := range []struct {
		err  error
		says string
		code int
	}{
		{answered(codes.NotFound, "not accepted"), "not accepted", 3},
		{errors.Join(answered(codes.NotFound, "not accepted")), "not accepted", 3},
		{fmt.Errorf("the year 2020: %w", answered(codes.Aborted, "it was changed")), "the year 2020: it was changed", 3},
		{answered(codes.Unavailable, "the store is away"), "the store is away", 4},
		{answered(codes.ResourceExhausted, "try again in 5s"), "try again in 5s", 4},
		{answered(codes.Unauthenticated, "sign in"), "sign in", 5},
		{answered(codes.PermissionDenied, "another role"), "another role", 5},
		{answered(codes.InvalidArgument, "name the pool"), "name the pool", 2},
		{answered(codes.Internal, "something went wrong"), "something went wrong", 1},
		{status.Error(codes.Unavailable, "connection refused"), "the server cannot be reached", 4},
		{status.Error(codes.DeadlineExceeded, "context deadline exceeded"), "the server cannot be reached", 4},
		{status.Error(codes.Canceled, "context canceled"), "interrupted; to do it again is safe, but for what is recorded without code", 1},
		{context.Canceled, "interrupted", 1},
		{errors.New("another"), "another", 1},
	} {
		if said := sentence(c.err); !strings.HasPrefix(said, c.says) || strings.Contains(said, "rpc error") {
			t.Errorf("%v is said as %q", c.err, said)
		}
		if got := exitCode(c.err); got != c.code {
			t.Errorf("%v: exit code %d, want %d", c.err, got, c.code)
		}
	}
	if got := exitCode(nil); got != 0 {
		t.Errorf("no error: exit code %d", got)
	}
}
