package access

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"

	"golang.org/x/oauth2"

	"aankomst/server/store"
)

// The claims of an ID token that say what somebody may do, unless the settings name others.
const (
	DefaultRoleClaim   = "aankomst_role"
	DefaultCentreClaim = "aankomst_centre"
)

var (
	// ErrSSO is wrapped for settings of single sign-on that cannot work; the message says what to change.
	ErrSSO = errors.New("single sign-on cannot be set up like this")
	// ErrProvider is wrapped when the provider of single sign-on cannot be reached, or does not answer as it
	// must; a later attempt may succeed.
	ErrProvider = errors.New("the provider of single sign-on does not answer as it must")
	// ErrNoSeat is wrapped when the provider knows somebody for whom it names no role, or no centre, here; the
	// message says what to change at the provider.
	ErrNoSeat = errors.New("the provider of single sign-on gives no seat here")
)

// SSOSettings are those of single sign-on, by OpenID Connect; the zero value is none.
type SSOSettings struct {
	// Issuer is the address of the provider, spelt as the provider spells it.
	Issuer string
	// ClientID and ClientSecret are what the provider knows this server by.
	ClientID, ClientSecret string
	// RoleClaim names the claim, a string or a list of strings, of which Roles says which role a value gives.
	// Values that Roles does not have are passed over; one role must come out.
	RoleClaim string
	Roles     map[string]store.Role
	// CentreClaim names the claim, a string, with the ID of the centre; it is read for store.RoleIntake alone.
	CentreClaim string
}

// Check refuses settings that cannot work. The zero value can, and so can one that only names claims. Errors
// wrap ErrSSO.
func (s SSOSettings) Check() error {
	if s.isNone() {
		return nil
	}
	at, err := url.Parse(s.Issuer)
	switch {
	case err != nil || at.Host == "" || at.User != nil || at.RawQuery != "" || at.Fragment != "":
		return fmt.Errorf("%w: the issuer is an address such as https://id.example.org; not %q", ErrSSO, s.Issuer)
	case !isSafe(at):
		return fmt.Errorf("%w: the issuer is reached by https, unless it is on this machine; not at %q", ErrSSO, s.Issuer)
	case s.ClientID == "" || s.ClientSecret == "":
		return fmt.Errorf("%w: give the client ID and the client secret that the provider has for this server", ErrSSO)
	case len(s.Roles) == 0:
		return fmt.Errorf("%w: say which values of the claim give which role", ErrSSO)
	}
	for value, role := range s.Roles {
		if _, isRole := Lifetimes[role]; value == "" || !isRole {
			return fmt.Errorf("%w: the value %q gives one of COUNSELLOR, INTAKE, COORDINATOR, ADMINISTRATOR; not %q", ErrSSO, value, role)
		}
	}
	return nil
}

func (s SSOSettings) isNone() bool {
	return s.Issuer == "" && s.ClientID == "" && s.ClientSecret == "" && len(s.Roles) == 0
}

// isSafe reports whether nobody on the way to an address can listen.
func isSafe(at *url.URL) bool {
	return at.Scheme == "https" || at.Scheme == "http" && (at.Hostname() == "localhost" || at.Hostname() == "127.0.0.1")
}

// journey is what is kept of a browser that was sent to the provider.
type journey struct {
	State, Nonce, Verifier string
	Fresh                  bool
}

// HasSSO reports whether there is a provider of single sign-on.
func (s *SignIns) HasSSO() bool { return s.sso != nil }

// BeginSSO returns where a browser goes to be proved who it is, and the secret of the ceremony, for this
// browser alone: otherwise somebody could be made to finish what another began, and be signed in as them.
// With fresh the provider is asked to have it proved again. Errors wrap ErrRequest or ErrProvider, are
// *AttemptsError or the store's.
func (s *SignIns) BeginSSO(ctx context.Context, from string, fresh bool) (address, ceremony string, err error) {
	if s.sso == nil {
		return "", "", errNoSSO()
	}
	if err := s.attempts.Begin(from); err != nil {
		return "", "", err
	}
	provider, err := s.sso.discover(ctx)
	if err != nil {
		return "", "", err
	}
	way := journey{State: random(secretBytes), Nonce: random(secretBytes), Verifier: oauth2.GenerateVerifier(), Fresh: fresh}
	data, err := json.Marshal(way)
	if err != nil {
		return "", "", fmt.Errorf("writing a ceremony: %w", err)
	}
	if ceremony, err = s.beginCeremony(ctx, ceremonySSO, "", data); err != nil {
		return "", "", err
	}
	return provider.address(way), ceremony, nil
}

// FinishSSO starts a session for whom the provider proved, and makes the member who comes for the first
// time. The session counts as freshly proved only when the provider says that it is. Errors wrap ErrRequest,
// ErrProvider or ErrNoSeat, are ErrProof, *AttemptsError or the store's.
func (s *SignIns) FinishSSO(ctx context.Context, from, ceremony, code, state string) (Started, error) {
	if s.sso == nil {
		return Started{}, errNoSSO()
	}
	proof, err := s.proveSSO(ctx, ceremony, code, state)
	if err != nil {
		return Started{}, s.wrong(ctx, from, "", err)
	}
	member, err := s.seatOf(ctx, proof)
	if err != nil {
		return Started{}, s.wrong(ctx, from, member.ID, err)
	}
	secret, session := NewSession(member, s.clock())
	if !proof.recent {
		// The provider may have let in whoever sat down at a browser that it knew from this morning.
		session.ProvedAt = session.ProvedAt.Add(-freshFor)
	}
	switch err := s.store.StartSession(ctx, session, store.PasskeyUse{}); {
	case errors.Is(err, store.ErrNotFound): // the member is removed
		return Started{}, s.wrong(ctx, from, member.ID, ErrProof)
	case err != nil:
		return Started{}, err
	}
	return Started{Secret: secret, Session: session, Member: member}, nil
}

// proveSSO ends a ceremony and asks the provider whom it proved.
func (s *SignIns) proveSSO(ctx context.Context, ceremony, code, state string) (proven, error) {
	data, err := s.endCeremony(ctx, ceremonySSO, "", ceremony)
	if err != nil {
		return proven{}, err
	}
	var way journey
	if err := json.Unmarshal(data, &way); err != nil {
		return proven{}, fmt.Errorf("reading a ceremony: %w", err)
	}
	if code == "" || !isSame(state, way.State) {
		return proven{}, ErrProof
	}
	provider, err := s.sso.discover(ctx)
	if err != nil {
		return proven{}, err
	}
	return provider.redeem(ctx, code, way, s.clock)
}

// seatOf returns the member whom the provider proved, with the role and centre that it says. With ErrProof
// it returns the member who is refused.
func (s *SignIns) seatOf(ctx context.Context, proof proven) (store.Member, error) {
	role, centre, err := s.sso.settings.place(proof.claims)
	if err != nil {
		return store.Member{}, err
	}
	switch err := checkCentre(ctx, s.store, centre); {
	case errors.Is(err, ErrRequest):
		return store.Member{}, fmt.Errorf("%w: the claim %q names no centre that is in use here; at the provider, give the ID of one", ErrNoSeat, s.sso.settings.CentreClaim)
	case err != nil:
		return store.Member{}, err
	}
	member, err := s.store.FindMember(ctx, proof.subject)
	if errors.Is(err, store.ErrNotFound) {
		member, err = s.makeSeat(ctx, proof.subject, role, centre)
	}
	if err != nil {
		return store.Member{}, err
	}
	// What the provider says holds from this time on; when it is what it said before, nothing is stored.
	changed, err := s.store.UpdateMember(s.as(ctx, member), member.ID, func(m *store.Member) error {
		m.Role, m.Centre = role, centre
		return nil
	})
	if errors.Is(err, store.ErrConflict) { // the member is removed
		return member, ErrProof
	}
	return changed, err
}

// makeSeat makes a member; of several servers that do so at once, all get the same one. Nothing is kept of
// what the provider calls the person.
func (s *SignIns) makeSeat(ctx context.Context, subject [32]byte, role store.Role, centre string) (store.Member, error) {
	id := newID()
	member := store.Member{
		ID: id, Label: "Single sign-on " + id[:6], Role: role, Centre: centre, Subject: subject, Revision: 1,
	}
	err := s.store.CreateMember(s.as(ctx, member), member)
	if errors.Is(err, store.ErrExists) {
		return s.store.FindMember(ctx, subject)
	}
	return member, err
}

// as returns a context in which a member acts.
func (s *SignIns) as(ctx context.Context, member store.Member) context.Context {
	return store.As(ctx, store.BySeat(member.ID), s.clock())
}

// errNoSSO says that there is no provider.
func errNoSSO() error { return fmt.Errorf("%w: there is no single sign-on here", ErrRequest) }

// isSame compares secrets in a time that tells nothing of them.
func isSame(given, kept string) bool {
	return subtle.ConstantTimeCompare([]byte(given), []byte(kept)) == 1
}
