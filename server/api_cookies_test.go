package server_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/server/access"
	"aankomst/server/servertest"
	"aankomst/server/store"
)

// attributes returns what a browser is told to do with each cookie of an answer, without the secret, sorted.
func (a answer) attributes() (all []string) {
	for _, line := range a.header.Values("Set-Cookie") {
		name, rest, _ := strings.Cut(line, "=")
		_, rest, _ = strings.Cut(rest, ";")
		parts := strings.Split(rest, ";")
		for i := range parts {
			parts[i] = strings.TrimSpace(parts[i])
		}
		slices.Sort(parts)
		all = append(all, name+": "+strings.Join(parts, "; "))
	}
	slices.Sort(all)
	return all
}

// What is handed to a browser is for this host alone, encrypted, for no script and no other site; and a session
// is gone when the browser is closed.
func TestCookiesAreForThisHostAlone(t *testing.T) {
	t.Parallel()
	const own = "HttpOnly; Path=/; SameSite=Strict; Secure"
	a := startAPI(t, servertest.Options{})
	_, key, _ := a.seat(store.RoleAdministrator)
	handed := func(what string, got answer, want ...string) string {
		t.Helper()
		got.worked(t)
		same(t, what, got.attributes(), want)
		secret := secretIn.FindString(fmt.Sprint(got.header["Set-Cookie"]))
		if secret != "" && strings.Count(got.wire, secret) != 1 {
			t.Errorf("%s: the secret stands elsewhere than in its cookie: %s", what, got.wire)
		}
		return secret
	}
	session := handed("signing in", a.rest("", a.finishing(key)), "__Host-aankomst-session: "+own)
	if session == "" {
		t.Fatal("signing in gives no secret")
	}
	proof := a.ok(session, new(aankomstv1.BeginProofRequest)).response.(*aankomstv1.BeginProofResponse)
	session = handed("a fresh proof", a.rest(session, &aankomstv1.FinishProofRequest{Ceremony: proof.GetCeremony(), Credential: key.assert(proof.GetOptions())}),
		"__Host-aankomst-session: "+own)
	_, invitation := a.invited(store.RoleCounsellor)
	asked := a.ok("", &aankomstv1.BeginEnrolmentRequest{Invitation: invitation}).response.(*aankomstv1.BeginEnrolmentResponse)
	handed("enrolling", a.rest("", &aankomstv1.FinishEnrolmentRequest{
		Invitation: invitation, Ceremony: asked.GetCeremony(), Credential: newAuthenticator(t, a.Origin).attest(asked.GetOptions()), Name: "a key",
	}), "__Host-aankomst-session: "+own)
	invitation, _, _, err := access.InviteDevice(context.Background(), a.Store, "a desk", servertest.PoolOne[0], a.Clock.Now())
	must(t, err)
	handed("enrolling a device", a.rest("", &aankomstv1.EnrolDeviceRequest{Invitation: invitation}),
		"__Host-aankomst-device: HttpOnly; Max-Age=31622400; Path=/; SameSite=Strict; Secure")
	handed("signing out", a.rest(session, new(aankomstv1.SignOutRequest)), "__Host-aankomst-session: HttpOnly; Max-Age=0; Path=/; SameSite=Strict; Secure")

	// Nothing else sets one, whether it is refused or not.
	for _, request := range []*http.Request{
		a.request(a.administrator(), "GET", "/v1/me", nil), a.request(session, "GET", "/v1/me", nil), a.request("", "GET", "/sign-in", nil),
		a.request("", "POST", "/v1/signIns:begin", nil), a.request("", "POST", "/v1/signIns:finish", nil), a.request("", "POST", "/v1/devices:enrol", nil),
	} {
		response, err := a.web.Do(request)
		must(t, err)
		response.Body.Close()
		if set := response.Header.Values("Set-Cookie"); len(set) > 0 {
			t.Errorf("%s sets %v", request.URL.Path, set)
		}
	}
}

// Over gRPC as over REST the secret is in the header of the answer, and in no message, list or error.
func TestNoAnswerTellsASecret(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	secrets := a.everybody()
	for _, request := range []func() answer{
		func() answer { return a.rest(a.administrator(), new(aankomstv1.ListMembersRequest)) },
		func() answer { return a.rest(a.administrator(), new(aankomstv1.ListTokensRequest)) },
		func() answer { return a.rest(a.administrator(), new(aankomstv1.ListActsRequest)) },
		func() answer { return a.rest(secrets["a session"], whoCalls) },
		func() answer { return a.rest(secrets["a device"], whoCalls) },
		func() answer { return a.rest(secrets["a token"], whoCalls) },
		func() answer {
			return a.rest("", &aankomstv1.FinishEnrolmentRequest{Invitation: secrets["an invitation of a device"], Name: "a key"})
		},
		func() answer { return a.rest("", &aankomstv1.EnrolDeviceRequest{Invitation: secrets["an invitation"]}) },
	} {
		got := request()
		for what, secret := range secrets {
			if strings.Contains(got.wire, secret) {
				t.Errorf("an answer tells %s: %s", what, got.wire)
			}
		}
	}
	for what, secret := range secrets {
		if strings.Contains(a.Logs.String(), secret) {
			t.Errorf("the log tells %s", what)
		}
	}
}

// A cookie is taken by its whole name only, and one that comes twice is nobody's, whatever stands in it.
func TestOnlyACookieOfTheRightNameCounts(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	session := a.Session(store.RoleCounsellor, "")
	for header, want := range map[string]codes.Code{
		"__Host-aankomst-session=" + session:                                                   codes.OK,
		"other=1; __Host-aankomst-session=" + session + "; more=2":                             codes.OK,
		"aankomst-session=" + session:                                                          codes.Unauthenticated,
		"__Secure-aankomst-session=" + session:                                                 codes.Unauthenticated,
		"__host-aankomst-session=" + session:                                                   codes.Unauthenticated,
		"__Host-aankomst-Session=" + session:                                                   codes.Unauthenticated,
		"__Host-aankomst-session =x; x__Host-aankomst-session=" + session:                      codes.Unauthenticated,
		"__Host-aankomst-session=" + session + "; __Host-aankomst-session=" + session:          codes.Unauthenticated,
		"__Host-aankomst-session=; __Host-aankomst-session=" + session:                         codes.Unauthenticated,
		"__Host-aankomst-session=aankomst_session_planted; __Host-aankomst-session=" + session: codes.Unauthenticated,
		"__Host-aankomst-ceremony=" + session + "; __Host-aankomst-device=" + session:          codes.Unauthenticated,
	} {
		request := a.request("", "GET", "/v1/me", nil)
		request.Header.Set("Cookie", header)
		if got := a.send(request); got.code != want {
			t.Errorf("%s: %v", header, got)
		}
		// Nor are two headers better than one.
		first, second, _ := strings.Cut(header, "; ")
		request = a.request("", "GET", "/v1/me", nil)
		request.Header["Cookie"] = []string{first, second}
		if got := a.send(request); got.code != want {
			t.Errorf("%s, in two headers: %v", header, got)
		}
	}
}
