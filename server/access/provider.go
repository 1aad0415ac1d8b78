package access

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"aankomst/server/store"
)

const (
	// answerTime bounds one answer of the provider.
	answerTime = 10 * time.Second
	// maxAnswer is the longest answer of the provider that is read, in bytes.
	maxAnswer = 1 << 20
	// recently is how long ago a proof at the provider may be to count as fresh, and aheadBy how far the
	// provider's clock may be ahead.
	recently = 5 * time.Minute
	aheadBy  = time.Minute
)

// algorithms are those that an ID token may be signed with: with a private key that the provider alone has.
var algorithms = []string{oidc.RS256, oidc.PS256, oidc.ES256, oidc.EdDSA}

// sso is single sign-on with a provider, which is asked what it offers when it is first needed.
type sso struct {
	settings SSOSettings
	redirect string
	client   *http.Client
	found    atomic.Pointer[discovered]
}

// newSSO returns single sign-on at an origin, or nil when the settings are of none. Errors wrap ErrSSO.
func newSSO(settings SSOSettings, origin string) (*sso, error) {
	if err := settings.Check(); err != nil || settings.isNone() {
		return nil, err
	}
	if settings.RoleClaim == "" {
		settings.RoleClaim = DefaultRoleClaim
	}
	if settings.CentreClaim == "" {
		settings.CentreClaim = DefaultCentreClaim
	}
	return &sso{
		settings: settings, redirect: origin + "/sign-in/callback",
		client: &http.Client{Transport: wholeAnswers{answerTime, &http.Transport{
			Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: maxAnswer,
		}}},
	}, nil
}

// discovered is what the provider offers.
type discovered struct {
	client *http.Client
	issuer string
	oauth  oauth2.Config
	keys   oidc.KeySet
}

// discover returns what the provider offers. What it said once is kept; while it fails, it is asked again.
func (s *sso) discover(ctx context.Context) (*discovered, error) {
	if known := s.found.Load(); known != nil {
		return known, nil
	}
	within := oidc.ClientContext(ctx, s.client)
	told, err := oidc.NewProvider(within, s.settings.Issuer)
	var other *oidc.IssuerMismatchError
	switch {
	case errors.As(err, &other):
		return nil, fmt.Errorf("%w: it names itself %.200q, not %q", ErrProvider, other.Discovered, other.Provided)
	case err != nil:
		return nil, failed(ctx, err, fmt.Errorf("%w: its discovery document cannot be read", ErrProvider))
	}
	var document struct {
		AuthURL  string   `json:"authorization_endpoint"`
		TokenURL string   `json:"token_endpoint"`
		KeysURL  string   `json:"jwks_uri"`
		Methods  []string `json:"token_endpoint_auth_methods_supported"`
	}
	if err := told.Claims(&document); err != nil {
		return nil, fmt.Errorf("%w: its discovery document cannot be read", ErrProvider)
	}
	for _, address := range []string{document.AuthURL, document.TokenURL, document.KeysURL} {
		if at, err := url.Parse(address); err != nil || at.Host == "" || !isSafe(at) {
			return nil, fmt.Errorf("%w: its discovery document names an address without https: %.200q", ErrProvider, address)
		}
	}
	// Every provider takes the secret in the header but for those that say otherwise. To try both would be to
	// send a code twice, which providers take for a theft.
	style := oauth2.AuthStyleInHeader
	if len(document.Methods) > 0 && !slices.Contains(document.Methods, "client_secret_basic") {
		style = oauth2.AuthStyleInParams
	}
	found := &discovered{
		client: s.client, issuer: s.settings.Issuer, keys: oidc.NewRemoteKeySet(within, document.KeysURL),
		oauth: oauth2.Config{
			ClientID: s.settings.ClientID, ClientSecret: s.settings.ClientSecret,
			Endpoint:    oauth2.Endpoint{AuthURL: document.AuthURL, TokenURL: document.TokenURL, AuthStyle: style},
			RedirectURL: s.redirect, Scopes: []string{oidc.ScopeOpenID},
		},
	}
	s.found.Store(found)
	return found, nil
}

// address is where a browser goes.
func (d *discovered) address(way journey) string {
	options := []oauth2.AuthCodeOption{oidc.Nonce(way.Nonce), oauth2.S256ChallengeOption(way.Verifier)}
	if way.Fresh {
		options = append(options, oauth2.SetAuthURLParam("prompt", "login"), oauth2.SetAuthURLParam("max_age", "0"))
	}
	return d.oauth.AuthCodeURL(way.State, options...)
}

// proven is whom the provider proved.
type proven struct {
	subject [32]byte
	claims  map[string]any
	// recent says that it was proved just now.
	recent bool
}

// redeem gives the provider a code and returns whom it proved by it.
func (d *discovered) redeem(ctx context.Context, code string, way journey, clock func() time.Time) (proven, error) {
	within := oidc.ClientContext(ctx, d.client)
	token, err := d.oauth.Exchange(within, code, oauth2.VerifierOption(way.Verifier))
	var refused *oauth2.RetrieveError
	switch {
	case errors.As(err, &refused) && slices.Contains([]string{"invalid_client", "unauthorized_client"}, refused.ErrorCode):
		return proven{}, fmt.Errorf("%w: it refuses this server; check the client ID and the client secret", ErrProvider)
	case err != nil:
		return proven{}, failed(ctx, err, ErrProof)
	}
	raw, _ := token.Extra("id_token").(string)
	keys := &watchedKeys{KeySet: d.keys}
	verifier := oidc.NewVerifier(d.issuer, keys, &oidc.Config{
		ClientID: d.oauth.ClientID, SupportedSigningAlgs: algorithms, Now: clock,
	})
	checked, err := verifier.Verify(within, raw)
	if err != nil {
		return proven{}, failed(ctx, keys.err, ErrProof)
	}
	var claims struct {
		For      string  `json:"azp"`
		ProvedAt float64 `json:"auth_time"` // seconds since 1970
	}
	all := map[string]any{}
	if checked.Claims(&claims) != nil || checked.Claims(&all) != nil || checked.Subject == "" {
		return proven{}, ErrProof
	}
	since := float64(clock().Unix()) - claims.ProvedAt
	recent := since <= recently.Seconds() && since >= -aheadBy.Seconds()
	switch {
	case !isSame(checked.Nonce, way.Nonce),
		claims.For != d.oauth.ClientID && (claims.For != "" || len(checked.Audience) > 1),
		way.Fresh && !recent:
		return proven{}, ErrProof
	}
	// An issuer is an address and has no zero byte, so that no two pairs are written alike.
	return proven{subject: sha256.Sum256([]byte(d.issuer + "\x00" + checked.Subject)), claims: all, recent: recent}, nil
}

// place returns the role and the centre that claims give. Errors wrap ErrNoSeat.
func (s SSOSettings) place(claims map[string]any) (role store.Role, centre string, err error) {
	given := map[store.Role]bool{}
	values, isList := claims[s.RoleClaim].([]any)
	if !isList {
		values = []any{claims[s.RoleClaim]}
	}
	for _, value := range values {
		text, _ := value.(string)
		if gives, known := s.Roles[text]; known {
			role, given[gives] = gives, true
		}
	}
	if len(given) != 1 {
		return "", "", fmt.Errorf("%w: the claim %q gives %d roles; at the provider, give it one of the values %s", ErrNoSeat,
			s.RoleClaim, len(given), strings.Join(slices.Sorted(maps.Keys(s.Roles)), ", "))
	}
	if role != store.RoleIntake {
		return role, "", nil
	}
	if centre, _ = claims[s.CentreClaim].(string); centre == "" {
		return "", "", fmt.Errorf("%w: the claim %q names no centre, which INTAKE needs; at the provider, give the ID of one", ErrNoSeat, s.CentreClaim)
	}
	return role, centre, nil
}

// failed returns why the provider gave no answer: the context's error, or one that wraps ErrProvider. It
// returns otherwise when it was not that.
func failed(ctx context.Context, err, otherwise error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) && errors.Is(wrapped.Err, ErrProvider) {
		return wrapped.Err
	}
	return otherwise
}

// watchedKeys keeps what the library would only tell in words: whether the keys could not be had.
type watchedKeys struct {
	oidc.KeySet
	err error
}

// VerifySignature is that of the keys.
func (k *watchedKeys) VerifySignature(ctx context.Context, token string) (payload []byte, err error) {
	payload, k.err = k.KeySet.VerifySignature(ctx, token)
	return payload, k.err
}

// wholeAnswers gives answers only as they must be: whole and soon, not too long, and JSON. A refusal of what
// was asked is an answer, too; to be sent elsewhere is none, so that a secret is not taken there.
type wholeAnswers struct {
	within time.Duration
	http.RoundTripper
}

// RoundTrip is that of http.RoundTripper. Errors wrap ErrProvider and no other: that the time of an answer is
// over does not mean that the caller's is.
func (w wholeAnswers) RoundTrip(request *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(request.Context(), w.within)
	defer cancel()
	response, err := w.RoundTripper.RoundTrip(request.WithContext(ctx))
	if err != nil {
		return nil, noAnswer(request, err.Error())
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	refusal := request.Method == http.MethodPost && response.StatusCode/100 == 4
	switch {
	case err != nil:
		return nil, noAnswer(request, err.Error())
	case len(body) > maxAnswer:
		return nil, noAnswer(request, "the answer is too long")
	case response.StatusCode != http.StatusOK && !refusal:
		return nil, noAnswer(request, fmt.Sprintf("it answers with status %d", response.StatusCode))
	case !refusal && !json.Valid(body):
		return nil, noAnswer(request, "the answer is not JSON")
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}

func noAnswer(request *http.Request, why string) error {
	return fmt.Errorf("%w: %s %s: %s", ErrProvider, request.Method, request.URL.Redacted(), why)
}
