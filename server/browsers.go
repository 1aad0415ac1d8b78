package server

import (
	"context"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

// cookie is a secret that a browser keeps, and that no script and no other site can have it read or send.
type cookie struct {
	key string // as metadata
	// keep is for how long the browser keeps it; zero until it is closed.
	keep time.Duration
}

// name is that of the cookie. Browsers accept one that begins with __Host- from this host alone, encrypted,
// and send it nowhere else.
func (c cookie) name() string { return "__Host-" + c.key }

var cookies = []cookie{
	{key: sessionKey},
	{key: deviceKey, keep: 366 * 24 * time.Hour},
	{key: ceremonyKey, keep: 30 * time.Minute},
}

// ofBrowser hands on to gRPC who calls, as a browser says it, and from which address.
func (s *Server) ofBrowser(_ context.Context, r *http.Request) metadata.MD {
	handed := metadata.Pairs(addressKey, clientAddress(r, s.deps.Proxies))
	for _, cookie := range cookies {
		for _, found := range r.CookiesNamed(cookie.name()) {
			handed.Append(cookie.key, found.Value)
		}
	}
	return handed
}

// toBrowser makes cookies of the secrets that an answer hands out.
func toBrowser(ctx context.Context, w http.ResponseWriter, _ proto.Message) error {
	answer, ok := runtime.ServerMetadataFromContext(ctx)
	if !ok {
		return nil
	}
	for _, cookie := range cookies {
		for _, secret := range answer.HeaderMD.Get(cookie.key) {
			made := &http.Cookie{
				Name: cookie.name(), Value: secret, Path: "/", Secure: true, HttpOnly: true,
				SameSite: http.SameSiteStrictMode, MaxAge: int(cookie.keep.Seconds()),
			}
			if secret == "" {
				made.MaxAge = -1
			}
			http.SetCookie(w, made)
		}
	}
	return nil
}

// ownPages refuses calls that a browser makes for a page of another site, and calls with a cookie of which
// no browser says where they come from. A body in chunks ends its connection: where a length is said beside
// them, a proxy may have taken for the body what we would take for the next call, of whoever comes next.
func (s *Server) ownPages(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	if err := protection.AddTrustedOrigin(s.deps.Origin); err != nil {
		panic(err) // CheckOrigin has passed it
	}
	refuse := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		refused := errCrossOrigin.status()
		writeStatus(w, httpStatus(refused), refused)
	})
	protection.SetDenyHandler(refuse)
	protected := protection.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TransferEncoding) > 0 {
			w.Header().Set("Connection", "close")
		}
		site, origin := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Origin")
		safe := r.Method == http.MethodGet || r.Method == http.MethodHead
		foreign := site != "" && site != "same-origin" && site != "none"
		switch {
		case !withCookie(r):
		case !safe && site == "" && origin == "", strings.HasPrefix(r.URL.Path, apiPath) && foreign:
			refuse(w, r)
			return
		}
		protected.ServeHTTP(w, r)
	})
}

func withCookie(r *http.Request) bool {
	for _, cookie := range cookies {
		if len(r.CookiesNamed(cookie.name())) > 0 {
			return true
		}
	}
	return false
}

// apiPath begins the paths of the API.
const apiPath = "/v1/"

// The pages, by path.
var pagePaths = map[string]string{
	"/": "sign-in.html", "/sign-in": "sign-in.html", "/sign-in/callback": "sign-in.html",
	enrolPath: "enrol.html", "/account": "account.html",
}

// assetsPath begins the paths of what pages load.
const assetsPath = "/assets/"

// pagePolicy lets a page load what this server serves, and nothing else; nothing frames it, it sends no
// form, and no text becomes a script.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// withPages serves pages and their assets, and hands everything else on.
func withPages(pages fs.FS, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		file, known := pagePaths[r.URL.Path]
		if strings.HasPrefix(r.URL.Path, assetsPath) {
			file, known = strings.TrimPrefix(r.URL.Path, "/"), true
		}
		if !known || r.Method != http.MethodGet && r.Method != http.MethodHead {
			next.ServeHTTP(w, r)
			return
		}
		content, err := fs.ReadFile(pages, file)
		if err != nil { // also for a path that leads elsewhere, which fs refuses
			next.ServeHTTP(w, r)
			return
		}
		header := w.Header()
		header.Set("Content-Type", mime.TypeByExtension(path.Ext(file)))
		header.Set("Content-Security-Policy", pagePolicy)
		w.Write(content)
	})
}
