package access

import (
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/oauth2-proxy/mockoidc"
)

// person is what the provider calls somebody; it must be found nowhere.
const person = "jane.doe.248289761001"

// front stands before the provider and may answer in its place.
type front func(w http.ResponseWriter, r *http.Request, provider http.Handler)

// idp is a provider of OpenID Connect that others wrote, with what tests change in its answers.
type idp struct {
	*mockoidc.MockOIDC
	clock func() time.Time

	mu     sync.Mutex
	claims map[string]any // laid over those of an ID token; nil leaves one out
	fronts map[string]front
	asked  []string // the paths of what was asked
	last   formSent // what was sent to the token endpoint
}

type formSent struct {
	form   url.Values
	status int
}

func startProvider(t *testing.T, clock func() time.Time) *idp {
	t.Helper()
	mock, err := mockoidc.NewServer(nil)
	if err != nil {
		t.Fatal(err)
	}
	p := &idp{MockOIDC: mock, clock: clock, claims: map[string]any{DefaultRoleClaim: "coordination"}, fronts: map[string]front{}}
	if err := mock.AddMiddleware(p.stand); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := mock.Start(listener, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mock.Server.Close() })
	return p
}

// stand puts the fronts before the provider.
func (p *idp) stand(provider http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.asked = append(p.asked, r.URL.Path)
		before := p.fronts[r.URL.Path]
		p.mu.Unlock()
		if r.URL.Path == mockoidc.TokenEndpoint {
			provider = p.tokens(provider)
		}
		if before == nil {
			before = func(w http.ResponseWriter, r *http.Request, provider http.Handler) { provider.ServeHTTP(w, r) }
		}
		before(w, r, provider)
	})
}

// tokens notes what comes to the token endpoint. The provider says that it takes a secret in the header, and
// takes it in the body alone.
func (p *idp) tokens(provider http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			panic(err)
		}
		if id, secret, inHeader := r.BasicAuth(); inHeader {
			r.Form.Set("client_id", id)
			r.Form.Set("client_secret", secret)
		}
		answer := httptest.NewRecorder()
		provider.ServeHTTP(answer, r)
		p.mu.Lock()
		p.last = formSent{r.PostForm, answer.Code}
		p.mu.Unlock()
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		w.Write(answer.Body.Bytes())
	})
}

// say lays claims over those of the ID tokens that come.
func (p *idp) say(claims map[string]any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.Copy(p.claims, claims)
}

// answer puts a front before a path; nil takes it away.
func (p *idp) answer(path string, before front) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fronts[path] = before
}

// sign has ID tokens signed otherwise.
func (p *idp) sign(sign func(claims jwt.MapClaims) string) {
	p.change(mockoidc.TokenEndpoint, func(answer map[string]any) {
		claims := jwt.MapClaims{}
		if _, _, err := jwt.NewParser().ParseUnverified(answer["id_token"].(string), claims); err != nil {
			panic(err)
		}
		answer["id_token"] = sign(claims)
	})
}

// change changes what is answered on a path.
func (p *idp) change(path string, change func(answer map[string]any)) {
	p.answer(path, func(w http.ResponseWriter, r *http.Request, provider http.Handler) {
		recorded := httptest.NewRecorder()
		provider.ServeHTTP(recorded, r)
		var answer map[string]any
		if err := json.Unmarshal(recorded.Body.Bytes(), &answer); err != nil {
			panic(err)
		}
		change(answer)
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(answer)
	})
}

// count is how often a path was asked for.
func (p *idp) count(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(slices.DeleteFunc(slices.Clone(p.asked), func(asked string) bool { return asked != path }))
}

// sent is what was sent to the token endpoint last.
func (p *idp) sent() formSent {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}

// ID is the subject.
func (p *idp) ID() string { return person }

// Userinfo is asked for by nobody.
func (p *idp) Userinfo([]string) ([]byte, error) { return []byte("{}"), nil }

// Claims are those of an ID token.
func (p *idp) Claims(_ []string, given *mockoidc.IDTokenClaims) (jwt.Claims, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock().Unix()
	claims := jwt.MapClaims{
		"iss": given.Issuer, "aud": given.Audience, "sub": given.Subject, "nonce": given.Nonce, "name": "Jane Doe",
		"email": "jane@example.org", "iat": now, "nbf": now, "exp": now + 600,
	}
	for name, value := range p.claims {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}
	return claims, nil
}
