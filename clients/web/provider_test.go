package web_test

import (
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/oauth2-proxy/mockoidc"

	"aankomst/server/access"
	"aankomst/server/servertest"
	"aankomst/server/store"
)

// provider is a provider of OpenID Connect that others wrote. It lets in whoever comes, as the next person
// in its queue.
type provider struct{ *mockoidc.MockOIDC }

func startProvider(t *testing.T) provider {
	t.Helper()
	mock, err := mockoidc.NewServer(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := mock.AddMiddleware(secretInBody); err != nil {
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
	return provider{mock}
}

// secretInBody hands on a secret that comes in the header, where the provider says that it takes it, in the
// body, where it does.
func secretInBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if id, secret, inHeader := r.BasicAuth(); inHeader && r.ParseForm() == nil {
			r.Form.Set("client_id", id)
			r.Form.Set("client_secret", secret)
		}
		next.ServeHTTP(w, r)
	})
}

func (p provider) settings() access.SSOSettings {
	return access.SSOSettings{
		Issuer: p.Issuer(), ClientID: p.ClientID, ClientSecret: p.ClientSecret,
		RoleClaim: access.DefaultRoleClaim, Roles: map[string]store.Role{"coordination": store.RoleCoordinator},
	}
}

// letIn queues somebody who has a role at the provider.
func (p provider) letIn(clock *servertest.Clock, role string) { p.QueueUser(person{clock, role}) }

// person is somebody whom the provider knows.
type person struct {
	clock *servertest.Clock
	role  string
}

// ID is the subject.
func (p person) ID() string { return "somebody in " + p.role }

// Userinfo is asked for by nobody.
func (p person) Userinfo([]string) ([]byte, error) { return []byte("{}"), nil }

// Claims are those of an ID token, by the clock of the server.
func (p person) Claims(_ []string, given *mockoidc.IDTokenClaims) (jwt.Claims, error) {
	now := p.clock.Now()
	return jwt.MapClaims{
		"iss": given.Issuer, "aud": given.Audience, "sub": given.Subject, "nonce": given.Nonce,
		"iat": now.Unix(), "exp": now.Add(10 * time.Minute).Unix(), access.DefaultRoleClaim: p.role,
	}, nil
}
