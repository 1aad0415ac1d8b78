package access

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"aankomst/server/store"
)

const ssoOrigin = "https://aankomst.example"

// ssoWorld is a server with single sign-on, and its provider.
type ssoWorld struct {
	*SignIns
	idp   *idp
	kept  store.Store
	clock *clock
}

func withProvider(t *testing.T) ssoWorld {
	t.Helper()
	c := &clock{now: now}
	p := startProvider(t, c.time)
	kept := withCentres(t)
	return ssoWorld{signInsWith(t, kept, settingsOf(p), c.time), p, kept, c}
}

func settingsOf(p *idp) SSOSettings {
	return SSOSettings{
		Issuer: p.Issuer(), ClientID: p.ClientID, ClientSecret: p.ClientSecret,
		Roles: map[string]store.Role{
			"coordination": store.RoleCoordinator, "helpline": store.RoleCounsellor, "chat": store.RoleCounsellor,
			"desk": store.RoleIntake, "it": store.RoleAdministrator,
		},
	}
}

func signInsWith(t testing.TB, kept store.Store, settings SSOSettings, clock func() time.Time) *SignIns {
	t.Helper()
	s, err := NewSignIns(kept, NewAttempts(kept, clock), ssoOrigin, settings, clock)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// travel is a browser's way to the provider and back, up to where it is to be finished.
type travel struct {
	address, ceremony, code, state string
}

// visit begins, and goes to the provider, which sends the browser back.
func (w ssoWorld) visit(t *testing.T, fresh bool) travel {
	t.Helper()
	address, ceremony, err := w.BeginSSO(t.Context(), "", fresh)
	if err != nil {
		t.Fatal(err)
	}
	w.idp.QueueUser(w.idp)
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := browser.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	back, err := response.Location()
	if err != nil || !strings.HasPrefix(back.String(), ssoOrigin+"/sign-in/callback?") {
		t.Fatalf("the provider sends the browser to %v (%v)", back, err)
	}
	return travel{address, ceremony, back.Query().Get("code"), back.Query().Get("state")}
}

// finish finishes, and holds that an error gives nothing away.
func (w ssoWorld) finish(t *testing.T, way travel) (Started, error) {
	t.Helper()
	started, err := w.FinishSSO(t.Context(), "", way.ceremony, way.code, way.state)
	if err != nil {
		verifier := w.idp.sent().form.Get("code_verifier")
		for _, secret := range []string{person, "jane", w.idp.ClientSecret, way.ceremony, way.code, way.state, verifier} {
			if secret != "" && strings.Contains(err.Error(), secret) {
				t.Errorf("the error gives %q away: %v", secret, err)
			}
		}
		if started != (Started{}) {
			t.Errorf("%v, and yet %+v", err, started)
		}
	}
	return started, err
}

// signIn goes all the way.
func (w ssoWorld) signIn(t *testing.T, fresh bool) (Started, error) {
	t.Helper()
	return w.finish(t, w.visit(t, fresh))
}

// mustSignIn is signIn for what must work.
func (w ssoWorld) mustSignIn(t *testing.T) Started {
	t.Helper()
	started, err := w.signIn(t, false)
	if err != nil {
		t.Fatal(err)
	}
	return started
}

// wrongs is how many wrong attempts were counted at somebody; at all together when who is empty.
func (w ssoWorld) wrongs(t *testing.T, who string) int {
	t.Helper()
	count, err := w.kept.Attempts(t.Context(), store.AttemptSignIn, who, w.clock.time().Truncate(quarter))
	if err != nil {
		t.Fatal(err)
	}
	return count
}

// members are all that the store has.
func (w ssoWorld) members(t *testing.T) []store.Member {
	t.Helper()
	members, err := w.kept.ListMembers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return members
}
