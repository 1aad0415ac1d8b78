package access

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/oauth2-proxy/mockoidc"

	"aankomst/server/store"
)

// cut cuts the connection.
func cut(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) }

// status answers with a status and a body that looks well.
func status(code int) front {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.WriteHeader(code)
		w.Write([]byte("{}"))
	}
}

// html is what a portal between here and there answers.
func html(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
	w.Write([]byte("<!doctype html><title>Welcome</title>"))
}

// long is the right answer with a mebibyte of blanks, which JSON allows.
func long(w http.ResponseWriter, r *http.Request, provider http.Handler) {
	answer := httptest.NewRecorder()
	provider.ServeHTTP(answer, r)
	w.Header().Set("Content-Type", "application/json")
	w.Write(answer.Body.Bytes())
	w.Write(bytes.Repeat([]byte(" "), maxAnswer))
}

func TestAProviderThatIsAwayIsAskedAgain(t *testing.T) {
	t.Parallel()
	for name, away := range map[string]front{"cut": cut, "failing": status(http.StatusInternalServerError), "a portal": html, "too long": long} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := withProvider(t)
			w.idp.answer(mockoidc.DiscoveryEndpoint, away)
			for range 2 {
				if _, _, err := w.BeginSSO(t.Context(), "", false); !errors.Is(err, ErrProvider) {
					t.Errorf("without a discovery document: %v", err)
				}
			}
			w.idp.answer(mockoidc.DiscoveryEndpoint, nil)
			for _, path := range []string{mockoidc.TokenEndpoint, mockoidc.JWKSEndpoint} {
				w.idp.answer(path, away)
				if _, err := w.signIn(t, false); !errors.Is(err, ErrProvider) || errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("without %s: %v", path, err)
				}
				w.idp.answer(path, nil)
			}
			w.mustSignIn(t)
			if asked := w.idp.count(mockoidc.DiscoveryEndpoint); asked != 3 { // in vain twice, and then once for all
				t.Errorf("the discovery document was read %d times", asked)
			}
			if wrong := w.wrongs(t, ""); wrong != 0 {
				t.Errorf("%d wrong attempts were counted, of people who did nothing wrong", wrong)
			}
		})
	}
}

func TestAnAnswerThatTakesTooLongIsTheProvidersFault(t *testing.T) {
	t.Parallel()
	w := withProvider(t)
	way := w.visit(t, false)
	w.sso.client.Transport = wholeAnswers{0, w.sso.client.Transport}
	_, err := w.finish(t, way)
	if !errors.Is(err, ErrProvider) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it says %v", err)
	}
}

// Another server that finishes has asked the provider for nothing yet.
func TestAnotherServerCanFinish(t *testing.T) {
	t.Parallel()
	w := withProvider(t)
	way := w.visit(t, false)
	w.SignIns = signInsWith(t, w.kept, settingsOf(w.idp), w.clock.time)
	w.idp.answer(mockoidc.DiscoveryEndpoint, cut)
	if _, err := w.finish(t, way); !errors.Is(err, ErrProvider) {
		t.Errorf("while the provider is away: %v", err)
	}
	w.idp.answer(mockoidc.DiscoveryEndpoint, nil)
	way = w.visit(t, false)
	w.SignIns = signInsWith(t, w.kept, settingsOf(w.idp), w.clock.time)
	if _, err := w.finish(t, way); err != nil {
		t.Errorf("once it is back: %v", err)
	}
}

func TestNobodyIsFollowedElsewhere(t *testing.T) {
	t.Parallel()
	for _, code := range []int{http.StatusFound, http.StatusTemporaryRedirect} {
		var followed atomic.Int32
		other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Add(1) }))
		defer other.Close()
		away := func(w http.ResponseWriter, r *http.Request, provider http.Handler) {
			w.Header().Set("Location", other.URL)
			status(code)(w, r, provider)
		}
		w := withProvider(t)
		w.idp.answer(mockoidc.DiscoveryEndpoint, away)
		if _, _, err := w.BeginSSO(t.Context(), "", false); !errors.Is(err, ErrProvider) {
			t.Errorf("%d from the discovery document: %v", code, err)
		}
		w.idp.answer(mockoidc.DiscoveryEndpoint, nil)
		for _, path := range []string{mockoidc.TokenEndpoint, mockoidc.JWKSEndpoint} {
			w.idp.answer(path, away)
			if _, err := w.signIn(t, false); !errors.Is(err, ErrProvider) {
				t.Errorf("%d from %s: %v", code, path, err)
			}
			w.idp.answer(path, nil)
		}
		if followed.Load() != 0 {
			t.Errorf("%d was followed %d times", code, followed.Load())
		}
	}
}

func TestADiscoveryDocumentMustBeTheProvidersOwn(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(answer map[string]any){
		"another issuer":              func(a map[string]any) { a["issuer"] = "https://id.example.org" },
		"the issuer, spelt otherwise": func(a map[string]any) { a["issuer"] = a["issuer"].(string) + "/" },
		"no issuer":                   func(a map[string]any) { delete(a, "issuer") },
		"tokens without https":        func(a map[string]any) { a["token_endpoint"] = "http://id.example.org/token" },
		"browsers without https":      func(a map[string]any) { a["authorization_endpoint"] = "http://id.example.org/authorize" },
		"keys without https":          func(a map[string]any) { a["jwks_uri"] = "http://id.example.org/keys" },
		"no keys":                     func(a map[string]any) { delete(a, "jwks_uri") },
		"a script":                    func(a map[string]any) { a["authorization_endpoint"] = "javascript:alert(1)" },
		"a list":                      func(a map[string]any) { a["token_endpoint_auth_methods_supported"] = 7 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := withProvider(t)
			w.idp.change(mockoidc.DiscoveryEndpoint, change)
			address, ceremony, err := w.BeginSSO(t.Context(), "", false)
			if !errors.Is(err, ErrProvider) || address != "" || ceremony != "" {
				t.Errorf("%q, %q, %v", address, ceremony, err)
			}
		})
	}
}

func TestTheClientSecretIsSentOnceAndAsTheProviderTakesIt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		methods any
		inBody  bool
	}{
		"says nothing": {nil, false}, "both": {[]string{"client_secret_post", "client_secret_basic"}, false},
		"in the header": {[]string{"client_secret_basic"}, false}, "in the body": {[]string{"client_secret_post"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := withProvider(t)
			w.idp.change(mockoidc.DiscoveryEndpoint, func(a map[string]any) { a["token_endpoint_auth_methods_supported"] = c.methods })
			w.mustSignIn(t)
			if inBody := w.idp.sent().form.Get("client_secret") == w.idp.ClientSecret; inBody != c.inBody {
				t.Errorf("the secret was sent in the body: %v", inBody)
			}
			way := w.visit(t, false)
			way.code = "wrong"
			asked := w.idp.count(mockoidc.TokenEndpoint)
			if _, err := w.finish(t, way); err != ErrProof || w.idp.count(mockoidc.TokenEndpoint) != asked+1 {
				t.Errorf("%v; a wrong code was sent %d times", err, w.idp.count(mockoidc.TokenEndpoint)-asked)
			}
		})
	}
}

// A wrong client secret is no wrong proof: the operator must learn of it, and nobody is to be locked out.
func TestAWrongClientSecretIsNotThePersonsFault(t *testing.T) {
	t.Parallel()
	w := withProvider(t)
	settings := settingsOf(w.idp)
	settings.ClientSecret = "another"
	w.SignIns = signInsWith(t, w.kept, settings, w.clock.time)
	if _, err := w.signIn(t, false); !errors.Is(err, ErrProvider) || strings.Contains(err.Error(), settings.ClientSecret+" ") || w.wrongs(t, "") != 0 {
		t.Errorf("%v, and %d wrong attempts", err, w.wrongs(t, ""))
	}
}

func TestWhoGoesAwayIsNotTheProvidersFault(t *testing.T) {
	t.Parallel()
	for _, path := range []string{mockoidc.DiscoveryEndpoint, mockoidc.TokenEndpoint, mockoidc.JWKSEndpoint} {
		w := withProvider(t)
		way := w.visit(t, false)
		w.SignIns = signInsWith(t, w.kept, settingsOf(w.idp), w.clock.time)
		ctx, leave := context.WithCancel(t.Context())
		gone := make(chan struct{})
		w.idp.answer(path, func(http.ResponseWriter, *http.Request, http.Handler) {
			leave()
			<-gone
		})
		_, err := w.FinishSSO(ctx, "", way.ceremony, way.code, way.state)
		close(gone)
		if err != context.Canceled || w.wrongs(t, "") != 0 {
			t.Errorf("during %s: %v, and %d wrong attempts", path, err, w.wrongs(t, ""))
		}
	}
}

func TestWithoutAProviderThereIsNoSingleSignOn(t *testing.T) {
	t.Parallel()
	c := &clock{now: now}
	s := signInsWith(t, withCentres(t), SSOSettings{RoleClaim: DefaultRoleClaim, CentreClaim: DefaultCentreClaim}, c.time)
	if s.HasSSO() {
		t.Error("there is a provider")
	}
	if _, _, err := s.BeginSSO(t.Context(), "", false); !errors.Is(err, ErrRequest) {
		t.Errorf("beginning: %v", err)
	}
	if _, err := s.FinishSSO(t.Context(), "", "", "", ""); !errors.Is(err, ErrRequest) {
		t.Errorf("finishing: %v", err)
	}
}

func TestSettingsThatCannotWorkAreRefused(t *testing.T) {
	t.Parallel()
	good := func() SSOSettings {
		return SSOSettings{Issuer: "https://id.example.org/realms/help", ClientID: "aankomst", ClientSecret: "top secret", Roles: map[string]store.Role{"it": store.RoleAdministrator}}
	}
	for _, issuer := range []string{"https://id.example.org", "https://id.example.org/", "http://localhost:8080/realm", "http://127.0.0.1:9000"} {
		settings := good()
		settings.Issuer = issuer
		if err := settings.Check(); err != nil {
			t.Errorf("%s: %v", issuer, err)
		}
	}
	for name, change := range map[string]func(*SSOSettings){
		"no issuer":            func(s *SSOSettings) { s.Issuer = "" },
		"without https":        func(s *SSOSettings) { s.Issuer = "http://id.example.org" },
		"like this machine":    func(s *SSOSettings) { s.Issuer = "http://localhost.example.org" },
		"no scheme":            func(s *SSOSettings) { s.Issuer = "id.example.org" },
		"no host":              func(s *SSOSettings) { s.Issuer = "https://" },
		"a file":               func(s *SSOSettings) { s.Issuer = "file:///etc/passwd" },
		"a query":              func(s *SSOSettings) { s.Issuer += "?tenant=1" },
		"a fragment":           func(s *SSOSettings) { s.Issuer += "#x" },
		"a user":               func(s *SSOSettings) { s.Issuer = "https://me@id.example.org" },
		"no client ID":         func(s *SSOSettings) { s.ClientID = "" },
		"no client secret":     func(s *SSOSettings) { s.ClientSecret = "" },
		"no roles":             func(s *SSOSettings) { s.Roles = nil },
		"a role that is none":  func(s *SSOSettings) { s.Roles["x"] = "OWNER" },
		"no role":              func(s *SSOSettings) { s.Roles["x"] = "" },
		"a value that is none": func(s *SSOSettings) { s.Roles[""] = store.RoleIntake },
	} {
		settings := good()
		change(&settings)
		err := settings.Check()
		if !errors.Is(err, ErrSSO) || strings.Contains(err.Error(), "top secret") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := NewSignIns(withCentres(t), nil, ssoOrigin, settings, nil); !errors.Is(err, ErrSSO) {
			t.Errorf("%s: signing in is set up: %v", name, err)
		}
	}
}
