package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"aankomst/server"
	"aankomst/server/access"
	"aankomst/server/store"
)

// greet says where the server listens. When there is no member yet, it makes the first administrator, and
// says where that one signs in.
func (a *app) greet(ctx context.Context, e *opened, listeners server.Listeners, origin string) error {
	scheme := "http"
	if listeners.TLS != nil {
		scheme = "https"
	}
	said := map[string]string{
		"grpc": listeners.GRPC.Addr().String(), "origin": origin,
		"http": fmt.Sprintf("%s://%s", scheme, listeners.HTTP.Addr()),
	}
	if listeners.Metrics != nil {
		said["metrics"] = fmt.Sprintf("http://%s/metrics", listeners.Metrics.Addr())
	}
	secret, err := access.CreateFirst(ctx, e, e.clock())
	first := ""
	switch {
	case err == nil:
		said["firstAdministrator"] = server.InvitationLink(origin, secret)
		first = "\nThe first administrator signs in here. The link works once, for 48 hours; after that: aankomst member recover\n" + said["firstAdministrator"]
	case !errors.Is(err, store.ErrExists):
		return err
	}
	if err := a.print(said, "gRPC on %s, REST on %s, pages at %s. Ctrl-C stops.%s", said["grpc"], said["http"], origin, first); err != nil || first != "" {
		return err
	}
	can, err := canAdminister(ctx, e)
	if err == nil && !can {
		a.progress("No administrator can sign in. To let one in: aankomst member recover")
	}
	return err
}

// canAdminister reports whether an administrator can sign in, or, where nobody wants to, there is a token at
// least.
func canAdminister(ctx context.Context, e *opened) (bool, error) {
	members, err := e.ListMembers(ctx)
	if err != nil {
		return false, err
	}
	passkeys, err := e.ListPasskeys(ctx, "")
	if err != nil {
		return false, err
	}
	tokens, err := e.ListTokens(ctx)
	administrates := func(m store.Member) bool {
		return m.Role == store.RoleAdministrator && viewMember(m, passkeys).State == memberActive
	}
	return len(tokens) > 0 || slices.ContainsFunc(members, administrates), err
}
