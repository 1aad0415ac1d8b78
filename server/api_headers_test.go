package server_test

import (
	"crypto/tls"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"aankomst/server/servertest"
)

// Every answer, of a page, an asset or the API, right or refused, tells the browser to be strict.
func TestEveryAnswerIsStrict(t *testing.T) {
	t.Parallel()
	const strictPage = "base-uri 'none'; connect-src 'self'; default-src 'none'; form-action 'none'; frame-ancestors 'none'; img-src 'self'; " +
		"require-trusted-types-for 'script'; script-src 'self'; style-src 'self'; trusted-types 'none'"
	for name, config := range map[string]*tls.Config{
		"plain": nil, "encrypted": {Certificates: []tls.Certificate{certificate(t)}, MinVersion: tls.VersionTLS13},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := startAPI(t, servertest.Options{TLS: config})
			want := map[string]string{
				"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
				"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
				"Permissions-Policy":        "camera=(), geolocation=(), microphone=(), publickey-credentials-create=(self), publickey-credentials-get=(self)",
				"Strict-Transport-Security": "",
			}
			if config != nil {
				want["Strict-Transport-Security"] = "max-age=63072000; includeSubDomains"
			}
			check := func(request *http.Request, page bool) {
				t.Helper()
				response, err := a.web.Do(request)
				must(t, err)
				response.Body.Close()
				what := request.Method + " " + request.URL.Path
				if page && response.StatusCode != http.StatusOK {
					t.Errorf("%s: HTTP %d", what, response.StatusCode)
				}
				for _, name := range slices.Sorted(maps.Keys(want)) {
					if got := strings.Join(response.Header.Values(name), "|"); got != want[name] {
						t.Errorf("%s, HTTP %d: %s is %q", what, response.StatusCode, name, got)
					}
				}
				for _, name := range []string{"Server", "X-Powered-By", "Via", "Grpc-Metadata-Content-Type"} {
					if response.Header.Get(name) != "" {
						t.Errorf("%s has %s", what, name)
					}
				}
				policy := strings.Split(response.Header.Get("Content-Security-Policy"), "; ")
				slices.Sort(policy)
				if got := strings.Join(policy, "; "); page && got != strictPage {
					t.Errorf("%s has the policy %s", what, got)
				} else if !page && (!slices.Contains(policy, "default-src 'none'") || !slices.Contains(policy, "frame-ancestors 'none'") || strings.Contains(got, "'self'")) {
					t.Errorf("%s has the policy %s", what, got)
				}
			}
			pages, others := everyPath(t)
			for _, path := range pages {
				check(a.request("", "GET", path, nil), true)
				check(a.request("", "HEAD", path, nil), true)
				check(a.request("", "POST", path, nil), false)
			}
			for _, path := range others {
				for _, verb := range []string{"GET", "POST", "DELETE", "OPTIONS"} {
					check(a.request("", verb, path, nil), false)
					check(a.request(a.administrator(), verb, path, nil), false)
				}
			}
			large := a.request("", "POST", confirmPath, strings.NewReader(strings.Repeat("a", 65<<10)))
			check(large, false)
			foreign := a.request(a.administrator(), "POST", confirmPath, nil)
			foreign.Header.Set("Sec-Fetch-Site", "cross-site")
			check(foreign, false)
		})
	}
}

// What a page loads says what it is: with nosniff, a script that is called text would not run.
func TestPagesSayWhatTheyAre(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	kinds := map[string]string{"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8", "svg": "image/svg+xml"}
	pages, _ := everyPath(t)
	for _, path := range pages {
		response, err := a.web.Get(a.HTTP + path)
		must(t, err)
		response.Body.Close()
		want, known := kinds[path[strings.LastIndex(path, ".")+1:]]
		if !known {
			want = "text/html; charset=utf-8"
		}
		if got := response.Header.Get("Content-Type"); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
}

// Nothing that a caller can put into a header of REST becomes what the server itself says of the call.
func TestHeadersDoNotBecomeMetadata(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	session, device, token := a.Session("ADMINISTRATOR", ""), a.Device(servertest.PoolOne[0]), a.Token("COORDINATOR", "")
	for name, secret := range map[string]string{
		"Aankomst-Session": session, "Aankomst-Device": device, "Authorization": "Bearer " + token, "Aankomst-Ceremony": session,
	} {
		for _, prefix := range []string{"Grpc-Metadata-", "grpc-metadata-", "Grpcgateway-", "X-", "Trailer-", ""} {
			if prefix+name == "Authorization" {
				continue
			}
			request := a.request("", "GET", "/v1/me", nil)
			request.Header[prefix+name] = []string{secret}
			a.send(request).refused(t, codes.Unauthenticated, "NOT_SIGNED_IN")
		}
	}
	// Nor in a trailer, which comes after all.
	request := a.request("", "POST", "/v1/me:signOut", strings.NewReader("{}"))
	request.ContentLength = -1
	request.Trailer = http.Header{"Authorization": {"Bearer " + token}, "Cookie": {"__Host-aankomst-session=" + session}}
	a.send(request).refused(t, codes.Unauthenticated, "NOT_SIGNED_IN")
	a.isOn(t, session, "when all is said")
}
