package server_test

import (
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	pages "aankomst/clients/web"
	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/server/servertest"
	"aankomst/server/store"
)

// sites are what a browser says of where a call comes from.
type sites struct{ fetchSite, origin string }

func (s sites) on(request *http.Request) {
	request.Header.Del("Sec-Fetch-Site")
	if s.fetchSite != "" {
		request.Header.Set("Sec-Fetch-Site", s.fetchSite)
	}
	if s.origin != "" {
		request.Header.Set("Origin", s.origin)
	}
}

// allSites says whether a browser's call counts as made by a page of the server. Most browsers say
// Sec-Fetch-Site, which no page can change; old ones say Origin only.
func (a *api) allSites() map[sites]bool {
	_, port, _ := strings.Cut(strings.TrimPrefix(a.Origin, "http://"), ":")
	foreign := []string{
		"https://evil.example", "null", "http://localhost", "http://localhost:1", "http://evil.localhost:" + port,
		"http://localhost.evil.example:" + port, "http://evil.example:" + port, a.Origin + ".evil.example", "",
	}
	own := []string{a.Origin, a.HTTP}
	all := map[sites]bool{}
	for _, site := range []string{"cross-site", "same-site", "same-origin", "none", "", "nonsense"} {
		for _, origin := range slices.Concat(own, foreign) {
			switch {
			case site == "same-origin", site == "none":
				all[sites{site, origin}] = true
			case site == "":
				all[sites{site, origin}] = slices.Contains(own, origin)
			case origin == a.Origin:
				// No browser says both: a page cannot choose what it comes from.
			default:
				all[sites{site, origin}] = false
			}
		}
	}
	return all
}

// With a cookie, only pages of the server call anything of the API, however the call is dressed up; a refused
// one does nothing.
func TestOtherSitesCannotUseACookie(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	device := a.Device(servertest.PoolOne[0])
	code := a.issue(servertest.Year, 1)
	body := asJSON(t, confirming(code))
	for from, own := range a.allSites() {
		for _, kind := range []string{"application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""} {
			request := a.request(device, "POST", confirmPath, strings.NewReader(body))
			request.Header.Set("Content-Type", kind)
			from.on(request)
			got := a.send(request)
			if own {
				got.worked(t)
				a.ok(device, undoing(code))
				continue
			}
			if got.code != codes.PermissionDenied || got.reason != "CROSS_ORIGIN" {
				t.Errorf("%q from %+v: %v", kind, from, got)
			}
		}
		same(t, "arrived", a.Counts().Pools[0].Arrived, 0)
		// Reading is refused to pages of others, and left to old browsers, which keep the cookie to themselves.
		for _, path := range []string{"/v1/me", "/v1/cohorts"} {
			request := a.request(device, "GET", path, nil)
			from.on(request)
			got := a.send(request)
			if foreign := from.fetchSite != "" && !own; foreign != (got.reason == "CROSS_ORIGIN") {
				t.Errorf("GET %s from %+v: %v", path, from, got)
			}
		}
	}
}

// Nobody is signed in by a page of somebody else, as somebody else: neither with a cookie there nor without.
func TestOtherSitesCannotSignAnybodyIn(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	_, key, _ := a.seat(store.RoleCounsellor)
	victim := a.Session(store.RoleCounsellor, "")
	for _, from := range []sites{{"cross-site", "https://evil.example"}, {"same-site", "http://localhost:1"}, {"cross-site", "null"}, {"cross-site", ""}, {"", "https://evil.example"}, {"", "null"}} {
		proof := asJSON(t, a.finishing(key))
		for _, secret := range []string{"", victim} {
			for _, kind := range []string{"application/json", "text/plain"} {
				request := a.request(secret, "POST", "/v1/signIns:finish", strings.NewReader(proof))
				request.Header.Set("Content-Type", kind)
				from.on(request)
				got := a.send(request)
				got.refused(t, codes.PermissionDenied, "CROSS_ORIGIN")
				if set := got.header.Values("Set-Cookie"); len(set) > 0 {
					t.Errorf("from %+v: %v", from, set)
				}
			}
		}
		// The proof was not used up: nobody looked at it.
		a.raw("", "POST", "/v1/signIns:finish", proof).worked(t)
		a.isOn(t, victim, "of the one who was there")
	}
}

// A browser is never told that a page of another site may read an answer.
func TestNoOtherSiteIsLetIn(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	for _, path := range []string{"/v1/me", "/v1/cohorts", confirmPath, "/sign-in", "/assets/api.js", "/healthz", "/nowhere"} {
		for _, verb := range []string{"OPTIONS", "GET", "POST", "PUT"} {
			for _, origin := range []string{"https://evil.example", "null", a.Origin} {
				request := a.request("", verb, path, nil)
				request.Header.Set("Origin", origin)
				request.Header.Set("Access-Control-Request-Method", "POST")
				request.Header.Set("Access-Control-Request-Headers", "authorization,content-type")
				request.Header.Set("Access-Control-Request-Private-Network", "true")
				response, err := a.web.Do(request)
				must(t, err)
				response.Body.Close()
				for name := range response.Header {
					if strings.HasPrefix(name, "Access-Control-") {
						t.Errorf("%s %s for %s has %s", verb, path, origin, name)
					}
				}
				if verb == "OPTIONS" && response.StatusCode < 400 {
					t.Errorf("a preflight of %s is answered with %d", path, response.StatusCode)
				}
			}
		}
	}
}

// No header makes a call another one.
func TestNoHeaderMakesACallAnother(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	member := a.Member(store.RoleCounsellor, "")
	for _, name := range []string{"X-HTTP-Method-Override", "X-Http-Method", "X-Method-Override", "_method"} {
		for _, other := range []string{"GET", "PATCH", "DELETE"} {
			for _, kind := range []string{"application/x-www-form-urlencoded", "application/json"} {
				request := a.request(a.administrator(), "POST", "/v1/members/"+member+"?_method="+other, strings.NewReader(`label=changed`))
				request.Header.Set(name, other)
				request.Header.Set("Content-Type", kind)
				a.send(request).refused(t, codes.Unimplemented, "NO_SUCH_METHOD")
			}
		}
	}
	for _, name := range []string{"X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Prefix", "X-Forwarded-Host", "Forwarded"} {
		request := a.request("", "GET", "/v1/cohorts", nil)
		request.Header.Set(name, "/v1/members")
		a.send(request).worked(t)
	}
	same(t, "member", a.ok(a.administrator(), &aankomstv1.GetMemberRequest{Id: member}).response.(*aankomstv1.Member).GetRevision(), 1)
}

// everyPath are the pages, what they load, and paths of the API that work and that do not.
func everyPath(t *testing.T) (served, others []string) {
	t.Helper()
	served = []string{"/", "/sign-in", "/sign-in/callback", "/enrol", "/account"}
	must(t, fs.WalkDir(pages.Pages, "assets", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			served = append(served, "/"+path)
		}
		return err
	}))
	return served, []string{"/v1/cohorts", "/v1/me", "/v1/members", "/v1/acts:export", "/v1/releases/1:export?format=csv", "/healthz", "/readyz", "/nowhere", "/assets/nothing.js", "/v1/cohorts/x"}
}
