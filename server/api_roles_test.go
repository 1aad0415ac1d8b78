package server_test

import (
	"context"
	"crypto/sha256"
	"maps"
	"net/http"
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

// caller is someone who calls, and what the server must say of it; empty when it depends on the method.
type caller struct {
	name, reason string
	// secret is sent as its kind is, and header as it stands.
	secret, header string
	role           store.Role
	seat, device   bool
	fresh          bool
}

// callers are everybody who can come: each role by token and signed in, with a fresh proof and without; a
// device; and everything that lets nobody in. They are good for some minutes.
func (a *api) callers() []caller {
	a.t.Helper()
	ctx, now := context.Background(), a.Clock.Now()
	var all []caller
	for _, role := range slices.Sorted(maps.Keys(roles)) {
		stale := a.Session(role, roles[role])
		a.changeSession(stale, func(s *store.Session) { s.ProvedAt = s.ProvedAt.Add(-30 * time.Minute) })
		all = append(all,
			caller{name: string(role) + " by token", secret: a.Token(role, roles[role]), role: role},
			caller{name: string(role) + " signed in", secret: a.Session(role, roles[role]), role: role, seat: true, fresh: true},
			caller{name: string(role) + " signed in long ago", secret: stale, role: role, seat: true},
		)
	}
	all = append(all, caller{name: "a device", secret: a.Device(servertest.PoolOne[0]), role: store.RoleIntake, device: true})

	tokenOf := func(made time.Time) (string, store.Token) {
		secret, token, err := access.CreateToken(ctx, a.Store, access.Request{Label: "desk", Role: store.RoleAdministrator, Validity: time.Hour}, made)
		must(a.t, err)
		return secret, token
	}
	expired, _ := tokenOf(now.Add(-72 * time.Hour))
	revoked, token := tokenOf(now)
	must(a.t, a.Store.RevokeToken(ctx, token.ID))
	valid, _ := tokenOf(now)
	sessionOf := func(change func(*store.Session)) string {
		secret := a.Session(store.RoleAdministrator, "")
		a.changeSession(secret, change)
		return secret
	}
	over := sessionOf(func(s *store.Session) { s.EndsAt = s.StartedAt })
	idle := sessionOf(func(s *store.Session) { s.StartedAt = s.StartedAt.Add(-time.Hour); s.UsedAt = s.StartedAt })
	left := a.Session(store.RoleAdministrator, "")
	must(a.t, a.Store.EndSession(ctx, sha256.Sum256([]byte(left))))
	member := a.Member(store.RoleAdministrator, "")
	removed := a.SignIn(member)
	_, err := access.RemoveMember(ctx, a.Store, member, 1)
	must(a.t, err)
	session := a.Session(store.RoleAdministrator, "")
	gone := a.Device(servertest.PoolOne[0])
	found, err := a.Store.Callers(ctx, [][32]byte{sha256.Sum256([]byte(gone))})
	must(a.t, err)
	must(a.t, a.Store.RevokeToken(ctx, found[0].Token.ID))

	return append(all,
		caller{name: "nobody", reason: "NOT_SIGNED_IN"},
		caller{name: "an empty token", header: "Bearer ", reason: "NOT_SIGNED_IN"},
		caller{name: "another scheme", header: "Basic " + valid, reason: "NOT_SIGNED_IN"},
		caller{name: "no scheme", header: valid, reason: "NOT_SIGNED_IN"},
		caller{name: "a token that nobody made", secret: "aankomst_unknown", reason: "TOKEN_UNKNOWN"},
		caller{name: "a token cut short", secret: valid[:len(valid)-1], reason: "TOKEN_UNKNOWN"},
		caller{name: "a revoked token", secret: revoked, reason: "TOKEN_REVOKED"},
		caller{name: "an expired token", secret: expired, reason: "TOKEN_EXPIRED"},
		caller{name: "a session sent as a token", header: "Bearer " + session, reason: "TOKEN_UNKNOWN"},
		caller{name: "a session that nobody began", secret: "aankomst_session_unknown", reason: "SIGNED_OUT"},
		caller{name: "a session cut short", secret: session[:len(session)-1], reason: "SIGNED_OUT"},
		caller{name: "a session whose time is over", secret: over, reason: "SIGNED_OUT"},
		caller{name: "a session long idle", secret: idle, reason: "SIGNED_OUT"},
		caller{name: "a session that was left", secret: left, reason: "SIGNED_OUT"},
		caller{name: "a member who was removed", secret: removed, reason: "SIGNED_OUT"},
		caller{name: "a device sent as a token", header: "Bearer " + a.Device(servertest.PoolOne[0]), reason: "TOKEN_UNKNOWN"},
		caller{name: "a device that was revoked", secret: gone, reason: "TOKEN_REVOKED"},
		caller{name: "a device that nobody enrolled", secret: "aankomst_device_unknown", reason: "TOKEN_UNKNOWN"},
	)
}

// changeSession puts a session that is changed in the place of the one that has a secret.
func (a *api) changeSession(secret string, change func(*store.Session)) {
	a.t.Helper()
	ctx, hash := context.Background(), sha256.Sum256([]byte(secret))
	callers, err := a.Store.Callers(ctx, [][32]byte{hash})
	must(a.t, err)
	session := callers[0].Session
	must(a.t, a.Store.EndSession(ctx, hash))
	change(&session)
	must(a.t, a.Store.StartSession(ctx, session, store.PasskeyUse{}))
}

// refusal says how the contract has a caller refused at a method; empty when the caller may call it.
func (c caller) refusal(method protoreflect.MethodDescriptor) string {
	declared := accessOf(method)
	may := slices.ContainsFunc(declared.GetRoles(), func(role aankomstv1.Access_Role) bool { return role.String() == string(c.role) })
	switch {
	case declared.GetPublic():
		return ""
	case c.reason != "":
		return c.reason
	case !may:
		return "ROLE_NOT_ALLOWED"
	case c.device && !declared.GetDevices():
		return "DEVICE_NOT_ALLOWED"
	case !c.seat && (declared.GetSeats() || declared.GetFresh()):
		return "SEAT_NEEDED"
	case declared.GetFresh() && !c.fresh:
		return "PROOF_NOT_FRESH"
	default:
		return ""
	}
}

// refusals are the reasons with which somebody is refused at the door.
var refusals = map[string]codes.Code{
	"NOT_SIGNED_IN": codes.Unauthenticated, "SIGNED_OUT": codes.Unauthenticated, "TOKEN_UNKNOWN": codes.Unauthenticated,
	"TOKEN_REVOKED": codes.Unauthenticated, "TOKEN_EXPIRED": codes.Unauthenticated, "ROLE_NOT_ALLOWED": codes.PermissionDenied,
	"DEVICE_NOT_ALLOWED": codes.PermissionDenied, "SEAT_NEEDED": codes.PermissionDenied, "PROOF_NOT_FRESH": codes.PermissionDenied,
}

// check fails the test unless the caller was let through or refused as the contract says. What happens
// to an empty request of someone who is let through does not matter here.
func (c caller) check(t *testing.T, method protoreflect.MethodDescriptor, got answer) {
	t.Helper()
	if reason := c.refusal(method); reason != "" {
		if got.code != refusals[reason] || got.reason != reason {
			t.Errorf("%s at %s: the answer is %v, want %s", c.name, method.Name(), got, reason)
		}
		return
	}
	if _, refused := refusals[got.reason]; refused || got.code == codes.Unimplemented || got.code == codes.Internal {
		t.Errorf("%s may call %s, but the answer is %v", c.name, method.Name(), got)
	}
}

func TestAPIRolesOverGRPC(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, options servertest.Options) {
		a := startAPI(t, options)
		before := a.allCounts()
		for _, method := range allMethods() {
			t.Run(string(method.Name()), func(t *testing.T) {
				a.Clock.Advance(time.Minute) // or there would be too many attempts
				for _, caller := range a.callers() {
					ctx := servertest.With(t.Context(), caller.secret)
					if caller.header != "" {
						ctx = metadata.AppendToOutgoingContext(ctx, "authorization", caller.header)
					}
					caller.check(t, method, a.invoke(ctx, newMessage(t, method.Input())))
				}
			})
		}
		same(t, "counts", a.allCounts(), before)
	})
}

// Every rule of REST must reach its method: for each caller the answer has to be that of the method that
// the rule names, and no two methods with the same path differ by chance alone.
func TestAPIRolesOverREST(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	before := a.allCounts()
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
			a.Clock.Advance(time.Minute)
			for _, caller := range a.callers() {
				// A number is good where a name is asked for.
				got := a.send(caller.request(a, rule.verb, pathField.ReplaceAllString(rule.path, "1")))
				if got.reason == "NO_SUCH_PATH" || got.reason == "NO_SUCH_METHOD" {
					t.Fatalf("%s %s leads nowhere: %v", rule.verb, rule.path, got)
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

// request is one of REST that the caller makes.
func (c caller) request(a *api, verb, path string) *http.Request {
	request := a.request(c.secret, verb, path, nil)
	if c.header != "" {
		request.Header.Set("Authorization", c.header)
	}
	return request
}

// The files are no methods of the contract, so they are not in the walk above.
func TestAPIRolesOfExports(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	release, acts := methodOf(t, new(aankomstv1.GetReleaseRequest)), methodOf(t, new(aankomstv1.ListActsRequest))
	for path, method := range map[string]protoreflect.MethodDescriptor{
		"/v1/releases/1:export?format=csv": release, "/v1/releases/1:export?format=nonsense": release, "/v1/acts:export": acts,
	} {
		a.Clock.Advance(time.Minute)
		for _, caller := range a.callers() {
			response := a.send(caller.request(a, "GET", path))
			caller.check(t, method, response)
		}
	}
}

// Two tokens at once are none: taking either would let a proxy that adds one be talked over.
func TestAPITwoTokens(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	for _, second := range []string{a.coordinator(), "aankomst_unknown", ""} {
		ctx := metadata.AppendToOutgoingContext(t.Context(),
			"authorization", "Bearer "+a.counsellor(), "authorization", "Bearer "+second)
		a.invoke(ctx, new(aankomstv1.ListCentresRequest)).refused(t, codes.Unauthenticated, "NOT_SIGNED_IN")

		request := a.request(a.counsellor(), "GET", "/v1/centres", nil)
		request.Header.Add("Authorization", "Bearer "+second)
		a.send(request).refused(t, codes.Unauthenticated, "NOT_SIGNED_IN")
	}
}

// Nothing that a caller can send by REST may become metadata of the call but the one header.
func TestAPIHeadersThatAreNoAuthorization(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	for _, name := range []string{"Grpc-Metadata-Authorization", "X-Authorization", "Cookie", "Proxy-Authorization"} {
		request := a.request("", "GET", "/v1/centres", nil)
		request.Header.Set(name, "Bearer "+a.counsellor())
		a.send(request).refused(t, codes.Unauthenticated, "NOT_SIGNED_IN")
	}
	// What cannot be a header of gRPC is a missing token, and no fault of the server.
	for _, path := range []string{"/v1/centres", "/v1/releases/1:export?format=csv"} {
		for _, token := range []string{"é", "a\tb", "\xff"} {
			a.raw(token, "GET", path, "").refused(t, codes.Unauthenticated, "NOT_SIGNED_IN")
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
	secret, token, err := access.CreateToken(t.Context(), a.Store, access.Request{
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
	counsellor, token, err := access.CreateToken(t.Context(), a.Store, access.Request{
		Label: "to be revoked", Role: store.RoleCounsellor, Validity: time.Hour,
	}, a.Clock.Now())
	must(t, err)
	a.grpc(counsellor, new(aankomstv1.ListCentresRequest)).worked(t)
	must(t, a.Store.RevokeToken(t.Context(), token.ID))
	a.grpc(counsellor, new(aankomstv1.ListCentresRequest)).refused(t, codes.Unauthenticated, "TOKEN_REVOKED")
}
