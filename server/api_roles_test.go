package server_test

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/server/access"
	"aankomst/server/servertest"
	"aankomst/server/store"
)

func accessOf(method protoreflect.MethodDescriptor) *aankomstv1.Access {
	declared, _ := proto.GetExtension(method.Options(), aankomstv1.E_Access).(*aankomstv1.Access)
	return declared
}

// A method without the option is refused to everyone, which whoever adds one should learn here and not
// from a user.
func TestAPIEveryMethodDeclaresWhoMayCallIt(t *testing.T) {
	methods := allMethods()
	if len(methods) == 0 {
		t.Fatal("no method was found")
	}
	for _, method := range methods {
		if !proto.HasExtension(method.Options(), aankomstv1.E_Access) {
			t.Errorf("%s has no option (access)", method.FullName())
			continue
		}
		declared := accessOf(method)
		if declared.GetPublic() == (len(declared.GetRoles()) > 0) {
			t.Errorf("%s must be public or name roles, and not both", method.FullName())
		}
		for _, role := range declared.GetRoles() {
			if _, known := roles[store.Role(role.String())]; !known {
				t.Errorf("%s names the role %s, which no token has", method.FullName(), role)
			}
		}
	}
}

// caller is someone with a header, and what the server must say of it; empty when it depends on the
// method and role.
type caller struct {
	name, header, reason string
	role                 store.Role
}

// callers are one for each role and one for everything that is no valid token.
func (a *api) callers() []caller {
	a.t.Helper()
	var all []caller
	for _, role := range slices.Sorted(maps.Keys(roles)) {
		all = append(all, caller{name: string(role), header: "Bearer " + a.token(role, roles[role]), role: role})
	}
	secretOf := func(label string, made time.Time) string {
		secret, token, err := access.Create(context.Background(), a.Store, access.Request{
			Label: label, Role: store.RoleAdministrator, Validity: time.Hour,
		}, made)
		must(a.t, err)
		if label == "revoked" {
			must(a.t, a.Store.RevokeToken(context.Background(), token.ID))
		}
		return "Bearer " + secret
	}
	valid := a.token(store.RoleAdministrator, "")
	return append(all,
		caller{name: "no token", reason: "TOKEN_MISSING"},
		caller{name: "an empty token", header: "Bearer ", reason: "TOKEN_MISSING"},
		caller{name: "another scheme", header: "Basic " + valid, reason: "TOKEN_MISSING"},
		caller{name: "no scheme", header: valid, reason: "TOKEN_MISSING"},
		caller{name: "unknown", header: "Bearer aankomst_unknown", reason: "TOKEN_UNKNOWN"},
		caller{name: "cut short", header: "Bearer " + valid[:len(valid)-1], reason: "TOKEN_UNKNOWN"},
		caller{name: "revoked", header: secretOf("revoked", a.Clock.Now()), reason: "TOKEN_REVOKED"},
		caller{name: "expired", header: secretOf("expired", a.Clock.Now().Add(-72*time.Hour)), reason: "TOKEN_EXPIRED"},
	)
}

// mayCall says whether the contract lets a caller call a method.
func (c caller) mayCall(method protoreflect.MethodDescriptor) bool {
	declared := accessOf(method)
	return declared.GetPublic() || slices.ContainsFunc(declared.GetRoles(), func(role aankomstv1.Access_Role) bool {
		return role.String() == string(c.role)
	})
}

// check fails the test unless the caller was let through or refused as the contract says. What happens
// to an empty request of someone who is let through does not matter here.
func (c caller) check(t *testing.T, method protoreflect.MethodDescriptor, got answer) {
	t.Helper()
	switch {
	case c.mayCall(method):
		if got.code == codes.Unauthenticated || got.reason == "ROLE_NOT_ALLOWED" || got.code == codes.Unimplemented || got.code == codes.Internal {
			t.Errorf("%s may call %s, but the answer is %v", c.name, method.Name(), got)
		}
	case c.role == "":
		got.refused(t, codes.Unauthenticated, c.reason)
	default:
		got.refused(t, codes.PermissionDenied, "ROLE_NOT_ALLOWED")
	}
}

func TestAPIRolesOverGRPC(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	callers, before := a.callers(), a.allCounts()
	for _, method := range allMethods() {
		t.Run(string(method.Name()), func(t *testing.T) {
			for _, caller := range callers {
				ctx := t.Context()
				if caller.header != "" {
					ctx = metadata.AppendToOutgoingContext(ctx, "authorization", caller.header)
				}
				caller.check(t, method, a.invoke(ctx, newMessage(t, method.Input())))
			}
		})
	}
	same(t, "counts", a.allCounts(), before)
}

// Every rule of REST must reach its method: for each caller the answer has to be that of the method that
// the rule names, and no two methods with the same path differ by chance alone.
func TestAPIRolesOverREST(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	callers, before := a.callers(), a.allCounts()
	reached := map[string]bool{}
	for _, rule := range restRules(t) {
		reached[rule.selector] = true
		t.Run(rule.selector, func(t *testing.T) {
			index := slices.IndexFunc(allMethods(), func(m protoreflect.MethodDescriptor) bool {
				return string(m.FullName()) == rule.selector
			})
			if index < 0 {
				t.Fatal("the rule names no method")
			}
			method := allMethods()[index]
			for _, caller := range callers {
				// A number is good where a name is asked for.
				request := a.request("", rule.verb, pathField.ReplaceAllString(rule.path, "1"), nil)
				if caller.header != "" {
					request.Header.Set("Authorization", caller.header)
				}
				got := a.send(request)
				if got.reason == "NO_SUCH_PATH" || got.reason == "NO_SUCH_METHOD" {
					t.Fatalf("%s %s leads nowhere: %v", rule.verb, request.URL.Path, got)
				}
				caller.check(t, method, got)
			}
		})
	}
	for _, method := range allMethods() {
		if !reached[string(method.FullName())] {
			t.Errorf("%s cannot be reached over REST", method.FullName())
		}
	}
	same(t, "counts", a.allCounts(), before)
}

// The file of a release is no method of the contract, so it is not in the walk above.
func TestAPIRolesOfExport(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	get := methodOf(t, new(aankomstv1.GetReleaseRequest))
	for _, caller := range a.callers() {
		for _, path := range []string{"/v1/releases/1:export?format=csv", "/v1/releases/1:export?format=nonsense"} {
			request := a.request("", "GET", path, nil)
			if caller.header != "" {
				request.Header.Set("Authorization", caller.header)
			}
			caller.check(t, get, a.send(request))
		}
	}
}

// Two tokens at once are none: taking either would let a proxy that adds one be talked over.
func TestAPITwoTokens(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	for _, second := range []string{a.administrator(), "aankomst_unknown", ""} {
		ctx := metadata.AppendToOutgoingContext(t.Context(),
			"authorization", "Bearer "+a.administrator(), "authorization", "Bearer "+second)
		a.invoke(ctx, new(aankomstv1.ListCentresRequest)).refused(t, codes.Unauthenticated, "TOKEN_MISSING")

		request := a.request(a.administrator(), "GET", "/v1/centres", nil)
		request.Header.Add("Authorization", "Bearer "+second)
		a.send(request).refused(t, codes.Unauthenticated, "TOKEN_MISSING")
	}
}

// Nothing that a caller can send by REST may become metadata of the call but the one header.
func TestAPIHeadersThatAreNoAuthorization(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	for _, name := range []string{"Grpc-Metadata-Authorization", "X-Authorization", "Cookie", "Proxy-Authorization"} {
		request := a.request("", "GET", "/v1/centres", nil)
		request.Header.Set(name, "Bearer "+a.administrator())
		a.send(request).refused(t, codes.Unauthenticated, "TOKEN_MISSING")
	}
	// What cannot be a header of gRPC is a missing token, and no fault of the server.
	for _, path := range []string{"/v1/centres", "/v1/releases/1:export?format=csv"} {
		for _, token := range []string{"é", "a\tb", "\xff"} {
			a.raw(token, "GET", path, "").refused(t, codes.Unauthenticated, "TOKEN_MISSING")
		}
	}
}

func TestAPIIntakeSpeaksForItsOwnCentreOnly(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	own, other := servertest.PoolOne[0], servertest.PoolOne[1]
	capacity := &aankomstv1.Capacity{Intake: aankomstv1.Capacity_STOP}
	bothWays(t, func(t *testing.T, call func(*api, string, proto.Message) answer) {
		call(a, a.intake(own), &aankomstv1.SetCapacityRequest{Id: own, Capacity: capacity}).worked(t)
		for _, id := range []string{other, "nowhere", own + "x", "CGG-A"} {
			call(a, a.intake(own), &aankomstv1.SetCapacityRequest{Id: id, Capacity: capacity}).
				refused(t, codes.PermissionDenied, "OTHER_CENTRE")
		}
		call(a, a.administrator(), &aankomstv1.SetCapacityRequest{Id: servertest.PoolTwo[0], Capacity: capacity}).worked(t)
	})
	centre, err := a.Store.GetCentre(t.Context(), other)
	must(t, err)
	if centre.CapacityOn != "" {
		t.Errorf("another centre's capacity was changed: %+v", centre)
	}
}

// A token stops being accepted at the turn of its last day, Brussels time, and not before.
func TestAPITokenExpires(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	secret, token, err := access.Create(t.Context(), a.Store, access.Request{
		Label: "a day", Role: store.RoleCounsellor, Validity: time.Hour,
	}, a.Clock.Now())
	must(t, err)
	if token.ExpiresOn != "2026-05-05" {
		t.Fatalf("made at %s for an hour, it expires on %s", a.Clock.Now(), token.ExpiresOn)
	}
	midnight := time.Date(2026, time.May, 5, 0, 0, 0, 0, servertest.Noon.Location())
	a.Clock.Set(midnight.Add(-time.Nanosecond))
	a.grpc(secret, new(aankomstv1.ListCentresRequest)).worked(t)
	a.Clock.Set(midnight)
	a.grpc(secret, new(aankomstv1.ListCentresRequest)).refused(t, codes.Unauthenticated, "TOKEN_EXPIRED")
	// A token is refused from the call after it is revoked.
	counsellor, token, err := access.Create(t.Context(), a.Store, access.Request{
		Label: "to be revoked", Role: store.RoleCounsellor, Validity: time.Hour,
	}, a.Clock.Now())
	must(t, err)
	a.grpc(counsellor, new(aankomstv1.ListCentresRequest)).worked(t)
	must(t, a.Store.RevokeToken(t.Context(), token.ID))
	a.grpc(counsellor, new(aankomstv1.ListCentresRequest)).refused(t, codes.Unauthenticated, "TOKEN_REVOKED")
}
