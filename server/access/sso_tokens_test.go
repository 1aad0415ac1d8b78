package access

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/oauth2-proxy/mockoidc"

	"aankomst/server/store"
)

func TestATokenThatIsNotTheProvidersForThisServerAndThisBrowserIsRefused(t *testing.T) {
	t.Parallel()
	client := "CLIENT" // stands for the client ID
	for name, c := range map[string]struct {
		claims  map[string]any
		accepts bool
	}{
		"of another issuer":                {claims: map[string]any{"iss": "https://id.example.org"}},
		"of the issuer, spelt otherwise":   {claims: map[string]any{"iss": "ISSUER/"}},
		"of no issuer":                     {claims: map[string]any{"iss": nil}},
		"for somebody else":                {claims: map[string]any{"aud": "somebody-else"}},
		"for nobody":                       {claims: map[string]any{"aud": nil}},
		"for several, and nobody asked":    {claims: map[string]any{"aud": []string{client, "somebody-else"}}},
		"for several, another asked":       {claims: map[string]any{"aud": []string{client, "somebody-else"}, "azp": "somebody-else"}},
		"for several, this one asked":      {claims: map[string]any{"aud": []string{client, "somebody-else"}, "azp": client}, accepts: true},
		"for this one, another asked":      {claims: map[string]any{"azp": "somebody-else"}},
		"for this one, which asked":        {claims: map[string]any{"azp": client}, accepts: true},
		"without a nonce":                  {claims: map[string]any{"nonce": nil}},
		"with an empty nonce":              {claims: map[string]any{"nonce": ""}},
		"with another nonce":               {claims: map[string]any{"nonce": random(secretBytes)}},
		"that has expired":                 {claims: map[string]any{"exp": now.Add(-time.Second).Unix()}},
		"that is about to expire":          {claims: map[string]any{"exp": now.Add(time.Second).Unix()}, accepts: true},
		"that never expires":               {claims: map[string]any{"exp": nil}},
		"that is not valid yet":            {claims: map[string]any{"nbf": now.Add(time.Hour).Unix()}},
		"of nobody":                        {claims: map[string]any{"sub": nil}},
		"of an empty name":                 {claims: map[string]any{"sub": ""}},
		"whose time of the proof is words": {claims: map[string]any{"auth_time": "just now"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := withProvider(t)
			text, err := json.Marshal(c.claims)
			if err != nil {
				t.Fatal(err)
			}
			written := strings.NewReplacer(client, w.idp.ClientID, "ISSUER", w.idp.Issuer()).Replace(string(text))
			var claims map[string]any
			if err := json.Unmarshal([]byte(written), &claims); err != nil {
				t.Fatal(err)
			}
			w.idp.say(claims)
			switch _, err := w.signIn(t, false); {
			case c.accepts && err != nil:
				t.Errorf("it is refused: %v", err)
			case !c.accepts && (err != ErrProof || len(w.members(t)) != 0 || w.wrongs(t, "") != 1):
				t.Errorf("%v, %d members, %d wrong attempts", err, len(w.members(t)), w.wrongs(t, ""))
			}
		})
	}
}

func TestWhatComesBackMustBeWhatWasSent(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*ssoWorld, *travel){
		"another state":      func(_ *ssoWorld, way *travel) { way.state = random(secretBytes) },
		"no state":           func(_ *ssoWorld, way *travel) { way.state = "" },
		"another code":       func(_ *ssoWorld, way *travel) { way.code = random(secretBytes) },
		"no code":            func(_ *ssoWorld, way *travel) { way.code = "" },
		"another ceremony":   func(_ *ssoWorld, way *travel) { way.ceremony = newSecret(ceremonyPrefix) },
		"no ceremony":        func(_ *ssoWorld, way *travel) { way.ceremony = "" },
		"half an hour later": func(w *ssoWorld, _ *travel) { w.clock.move(30 * time.Minute) },
		"nothing":            func(_ *ssoWorld, way *travel) { *way = travel{} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := withProvider(t)
			way := w.visit(t, false)
			change(&w, &way)
			if _, err := w.finish(t, way); err != ErrProof || w.wrongs(t, "") != 1 {
				t.Errorf("%v, %d wrong attempts", err, w.wrongs(t, ""))
			}
			if asked := w.idp.count(mockoidc.TokenEndpoint); asked > 0 && name != "another code" {
				t.Errorf("the provider was asked %d times what this server could tell", asked)
			}
		})
	}
}

func TestACeremonyIsEndedOnceWhateverComesOfIt(t *testing.T) {
	t.Parallel()
	w := withProvider(t)
	way := w.visit(t, false)
	if _, err := w.finish(t, way); err != nil {
		t.Fatal(err)
	}
	if _, err := w.finish(t, way); err != ErrProof {
		t.Errorf("after a success: %v", err)
	}
	way = w.visit(t, false)
	wrong := way
	wrong.state = "wrong"
	if _, err := w.finish(t, wrong); err != ErrProof {
		t.Errorf("with a wrong state: %v", err)
	}
	asked := w.idp.count(mockoidc.TokenEndpoint)
	if _, err := w.finish(t, way); err != ErrProof || w.idp.count(mockoidc.TokenEndpoint) != asked {
		t.Errorf("with the right state after a wrong one: %v", err)
	}
}

func TestACeremonyOfAnotherKindIsNone(t *testing.T) {
	t.Parallel()
	w := withProvider(t)
	way := w.visit(t, false)
	passkey, err := w.BeginSignIn(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	ofSSO := way.ceremony
	way.ceremony = passkey.Ceremony
	if _, err := w.finish(t, way); err != ErrProof {
		t.Errorf("single sign-on by the ceremony of a passkey: %v", err)
	}
	if _, err := w.FinishSignIn(t.Context(), "", ofSSO, "{}"); err != ErrProof {
		t.Errorf("a passkey by the ceremony of single sign-on: %v", err)
	}
}

// Whoever steals a code on its way back cannot slip it into a journey of their own: the provider wants the
// secret of the journey for which it was given.
func TestACodeIsOfUseToTheJourneyItWasGivenForAlone(t *testing.T) {
	t.Parallel()
	w := withProvider(t)
	stolen, own := w.visit(t, false), w.visit(t, false)
	own.code = stolen.code
	if _, err := w.finish(t, own); err != ErrProof || w.idp.sent().status != http.StatusUnauthorized {
		t.Errorf("%v; the provider answered %d", err, w.idp.sent().status)
	}

	way := w.visit(t, false)
	if _, err := w.finish(t, way); err != nil {
		t.Fatal(err)
	}
	sent := w.idp.sent()
	challenge, err := mockoidc.GenerateCodeChallenge(mockoidc.CodeChallengeMethodS256, sent.form.Get("code_verifier"))
	if err != nil || !strings.Contains(way.address, "code_challenge="+challenge) || sent.status != http.StatusOK {
		t.Errorf("of the verifier that was sent the challenge is %q (%v), not that of %s", challenge, err, way.address)
	}
	again := w.visit(t, false)
	again.code = way.code
	if _, err := w.finish(t, again); err != ErrProof {
		t.Errorf("a code that was used: %v", err)
	}
}

func TestSingleSignOnIsLimitedAsPasskeysAre(t *testing.T) {
	t.Parallel()
	w := withProvider(t)
	way := w.visit(t, false)
	for range begunInTotal {
		if _, _, err := w.BeginSSO(t.Context(), "192.0.2.1", false); err != nil {
			break
		}
	}
	if _, _, err := w.BeginSSO(t.Context(), "192.0.2.1", false); !isAttempts(err) {
		t.Errorf("begun too often: %v", err)
	}
	for range wrongPerMinute {
		if _, err := w.FinishSSO(t.Context(), "192.0.2.1", "", "", ""); err != ErrProof {
			t.Fatal(err)
		}
	}
	if _, err := w.FinishSSO(t.Context(), "192.0.2.1", "", way.code, way.state); !isAttempts(err) {
		t.Errorf("wrong too often: %v", err)
	}
	started, err := w.FinishSSO(t.Context(), "192.0.2.1", way.ceremony, way.code, way.state)
	if err != nil || started.Member.Role != store.RoleCoordinator {
		t.Errorf("who is right is refused for what others got wrong: %v", err)
	}
}

func isAttempts(err error) bool {
	limit, is := err.(*AttemptsError)
	return is && limit.RetryAfter > 0
}
