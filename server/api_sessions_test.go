package server_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/server/servertest"
	"aankomst/server/store"
)

var whoCalls = new(aankomstv1.GetMeRequest)

// isOver fails the test unless a session is none any more, over gRPC and REST.
func (a *api) isOver(t *testing.T, session, why string) {
	t.Helper()
	for way, call := range ways {
		if got := call(a, session, whoCalls); got.code != codes.Unauthenticated || got.reason != "SIGNED_OUT" {
			t.Errorf("%s, over %s: %v", why, way, got)
		}
	}
}

// isOn fails the test unless a session lets its member in, over gRPC and REST.
func (a *api) isOn(t *testing.T, session, why string) {
	t.Helper()
	for way, call := range ways {
		if got := call(a, session, whoCalls); got.code != codes.OK {
			t.Errorf("%s, over %s: %v", why, way, got)
		}
	}
}

// A session that somebody else put into the browser before is worth nothing to them after.
func TestASessionThatWasThereBeforeIsWorthNothingAfter(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, options servertest.Options) {
		a := startAPI(t, options)
		_, key, _ := a.seat(store.RoleAdministrator)
		for way := range ways {
			for name, planted := range map[string]string{
				"one that nobody drew": "aankomst_session_" + strings.Repeat("a", 52), "no secret at all": "aankomst_session_",
				"one of somebody else": a.Session(store.RoleCounsellor, ""), "one of the own": a.signIn(key),
			} {
				session := a.handed(way, planted, a.finishing(key))
				if session == "" || session == planted {
					t.Fatalf("over %s, with %s in the browser, the session is %q", way, name, session)
				}
				a.isOver(t, planted, name+", after signing in")
				a.isOn(t, session, "the new one after "+name)
			}
			before := a.Session(store.RoleCounsellor, "")
			_, invitation := a.invited(store.RoleCoordinator)
			_, session := a.enrol(way, before, invitation)
			a.isOver(t, before, "the one that was there when an invitation was used")
			a.isOn(t, session, "the new one after an invitation was used")
			a.Clock.Advance(time.Minute) // sessions that nobody knows are counted by the minute
		}
	})
}

// A refused attempt to sign in ends nobody's session: whoever can make a browser try must not sign it out.
func TestARefusedSignInEndsNoSession(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	session := a.Session(store.RoleCounsellor, "")
	bothWays(t, func(t *testing.T, call func(*api, string, proto.Message) answer) {
		call(a, session, &aankomstv1.FinishSignInRequest{Ceremony: "aankomst_ceremony_x", Credential: "{}"}).refused(t, codes.Unauthenticated, "PROOF_NOT_ACCEPTED")
		call(a, session, &aankomstv1.FinishEnrolmentRequest{Invitation: "x", Name: "a key"}).refused(t, codes.NotFound, "INVITATION_NOT_ACCEPTED")
		call(a, session, &aankomstv1.EnrolDeviceRequest{Invitation: "x"}).refused(t, codes.NotFound, "INVITATION_NOT_ACCEPTED")
		call(a, session, whoCalls).worked(t)
	})
}

// A proof is accepted once, at whichever server and in whichever order.
func TestAProofIsAcceptedOnce(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, options servertest.Options) {
		p := startServers(t, options)
		_, key, _ := p.one.seat(store.RoleCounsellor)
		// The pages of both are at one address, as behind one proxy.
		proof := p.one.finishing(key)
		answers := atOnce(8, func(i int) answer { return []*api{p.one, p.other}[i%2].grpc("", proof) })
		accepted := slices.DeleteFunc(answers, func(got answer) bool { return got.code != codes.OK })
		if len(accepted) > 1 {
			t.Errorf("it is accepted %d times", len(accepted))
		}
		p.each(func(a *api) { a.grpc("", proof).refused(t, codes.Unauthenticated, "PROOF_NOT_ACCEPTED") })
	})
}

func TestSigningOutHereAndEverywhere(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, options servertest.Options) {
		p := startServers(t, options)
		for _, way := range ways {
			_, key, here := p.one.seat(store.RoleCoordinator)
			there, other := p.one.signIn(key), p.one.Session(store.RoleCoordinator, "")
			p.each(func(a *api) { a.isOn(t, here, "before"); a.isOn(t, there, "before") })

			way(p.one, here, new(aankomstv1.SignOutRequest)).worked(t)
			p.each(func(a *api) { a.isOver(t, here, "left"); a.isOn(t, there, "another, when one is left") })
			way(p.one, here, new(aankomstv1.SignOutRequest)).refused(t, codes.Unauthenticated, "SIGNED_OUT")

			third := p.one.signIn(key)
			way(p.other, there, &aankomstv1.SignOutRequest{Everywhere: true}).worked(t)
			p.each(func(a *api) {
				a.isOver(t, there, "everywhere left")
				a.isOver(t, third, "left from another")
				a.isOn(t, other, "somebody else's")
			})
			p.one.isOn(t, p.one.signIn(key), "a new one after everywhere left")
			p.set(p.one.Clock.Now().Add(time.Minute))
		}
	})
}

// Who comes with several things at once is who the first of them says, and never two at a time.
func TestOneCallIsOfOneCaller(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	token, session, device := a.coordinator(), a.Session(store.RoleIntake, servertest.PoolOne[0]), a.Device(servertest.PoolOne[0])
	left := a.Session(store.RoleCounsellor, "")
	a.ok(left, new(aankomstv1.SignOutRequest))
	const bearer, sessionKey, deviceKey = "authorization", "aankomst-session", "aankomst-device"
	for _, c := range []struct {
		name    string
		headers []string
		kind    aankomstv1.Me_Kind
		reason  string
	}{
		{"a token beside a session", []string{bearer, "Bearer " + token, sessionKey, session}, aankomstv1.Me_TOKEN, ""},
		{"a token beside all", []string{deviceKey, device, sessionKey, session, bearer, "Bearer " + token}, aankomstv1.Me_TOKEN, ""},
		{"a token that nobody knows beside a session", []string{bearer, "Bearer aankomst_x", sessionKey, session}, 0, "TOKEN_UNKNOWN"},
		{"an empty token beside a session", []string{bearer, "Bearer ", sessionKey, session}, aankomstv1.Me_SEAT, ""},
		{"another scheme beside a session", []string{bearer, "Basic eDp5", sessionKey, session}, aankomstv1.Me_SEAT, ""},
		{"a session beside a device", []string{deviceKey, device, sessionKey, session}, aankomstv1.Me_SEAT, ""},
		{"a session that was left beside a device", []string{deviceKey, device, sessionKey, left}, aankomstv1.Me_DEVICE, ""},
		{"a session beside a device that nobody knows", []string{deviceKey, "aankomst_device_x", sessionKey, session}, aankomstv1.Me_SEAT, ""},
		{"two that nobody knows", []string{deviceKey, "aankomst_device_x", sessionKey, left}, 0, "TOKEN_UNKNOWN"},
		{"a session twice", []string{sessionKey, session, sessionKey, session}, 0, "NOT_SIGNED_IN"},
		{"two sessions", []string{sessionKey, session, sessionKey, left}, 0, "NOT_SIGNED_IN"},
		{"two sessions beside a device", []string{sessionKey, left, sessionKey, session, deviceKey, device}, aankomstv1.Me_DEVICE, ""},
		{"a device twice", []string{deviceKey, device, deviceKey, device}, 0, "NOT_SIGNED_IN"},
		{"a session as a device", []string{deviceKey, session}, 0, "TOKEN_UNKNOWN"},
		{"a device as a session", []string{sessionKey, device}, 0, "SIGNED_OUT"},
		{"a token as a session", []string{sessionKey, token}, 0, "SIGNED_OUT"},
		{"a token as a device", []string{deviceKey, token}, 0, "TOKEN_UNKNOWN"},
	} {
		request := a.request("", http.MethodGet, "/v1/me", nil)
		for pair := range slices.Chunk(c.headers, 2) {
			if pair[0] == bearer {
				request.Header.Add("Authorization", pair[1])
				continue
			}
			request.AddCookie(&http.Cookie{Name: "__Host-" + pair[0], Value: pair[1]})
		}
		overREST := a.send(request)
		for way, got := range map[string]answer{
			"gRPC": a.invoke(metadata.AppendToOutgoingContext(t.Context(), c.headers...), whoCalls), "REST": overREST,
		} {
			if got.reason != c.reason || c.reason == "" && !strings.Contains(got.wire, c.kind.String()) {
				t.Errorf("%s, over %s: %v %s, want %s %s", c.name, way, got, got.wire, c.kind, c.reason)
			}
		}
		a.Clock.Advance(time.Minute) // wrong ones are counted by the minute
	}
}

// The browser of a desk keeps the cookie of a session that is over: the device confirms all the same, as often as it
// is needed.
func TestASessionThatIsOverDoesNotKeepADeviceOut(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	device, left := a.Device(servertest.PoolOne[0]), a.Session(store.RoleIntake, servertest.PoolOne[0])
	a.ok(left, new(aankomstv1.SignOutRequest))
	code := a.issue(servertest.Year, 1)
	for range 3 * wrongPerMinute {
		isConfirmed(t, a.withMetadata(confirming(code), "aankomst-session", left, "aankomst-device", device))
	}
}
