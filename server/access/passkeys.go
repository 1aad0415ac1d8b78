package access

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"aankomst/server/calendar"
	"aankomst/server/store"
)

// maxPasskeys is how many passkeys a member may have.
const maxPasskeys = 20

// ErrOrigin is wrapped for an origin that people cannot sign in at.
var ErrOrigin = errors.New("people cannot sign in there")

// CheckOrigin refuses an origin at which browsers offer no passkeys: it is https://HOST in small letters, with
// a port when it is an unusual one, or http://localhost with a port. Errors wrap ErrOrigin and say what to do.
func CheckOrigin(origin string) error {
	at, err := url.Parse(origin)
	switch {
	case err != nil || at.Hostname() == "" || at.Scheme+"://"+at.Host != origin || strings.HasSuffix(origin, ":"):
		return fmt.Errorf("%w: an origin is https://HOST or https://HOST:PORT, without a path; not %q", ErrOrigin, origin)
	case strings.ContainsFunc(origin, func(c rune) bool { return c > unicode.MaxASCII || unicode.IsUpper(c) }):
		return fmt.Errorf("%w: browsers write it in small letters, and others than a to z as xn--; not as %q", ErrOrigin, origin)
	case net.ParseIP(at.Hostname()) != nil:
		return fmt.Errorf("%w: passkeys are bound to a name, such as localhost; %q has none", ErrOrigin, origin)
	case at.Scheme == "http" && at.Hostname() == "localhost", at.Scheme == "https":
		return nil
	default:
		return fmt.Errorf("%w: browsers offer passkeys at https only, and at http://localhost; not at %q", ErrOrigin, origin)
	}
}

// SignIns lets people in: by passkeys, by Web Authentication Level 3, and by invitations. What is asked of
// somebody is a ceremony, which lies in the store, since another server may be the one that is answered; it
// is accepted once.
type SignIns struct {
	store interface {
		store.Members
		store.Sessions
		store.Centres
	}
	attempts *Attempts
	clock    func() time.Time
	party    *webauthn.WebAuthn
	sso      *sso // nil without a provider
}

// NewSignIns returns the sign-ins at an origin, which has passed CheckOrigin, with single sign-on as the
// settings say.
func NewSignIns(s store.Store, attempts *Attempts, origin string, settings SSOSettings, clock func() time.Time) (*SignIns, error) {
	at, err := url.Parse(origin)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOrigin, err)
	}
	party, err := webauthn.New(&webauthn.Config{
		RPID: at.Hostname(), RPDisplayName: "aankomst", RPOrigins: []string{origin},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: protocol.ResidentKeyRequired(),
			UserVerification: protocol.VerificationRequired,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOrigin, err)
	}
	provider, err := newSSO(settings, origin)
	if err != nil {
		return nil, err
	}
	return &SignIns{store: s, attempts: attempts, clock: clock, party: party, sso: provider}, nil
}

// Asked is what a browser is asked.
type Asked struct {
	// Ceremony is a secret that goes back with the answer.
	Ceremony string
	// Options are those of Web Authentication, as JSON.
	Options []byte
}

// Started is a session that has begun.
type Started struct {
	// Secret is the session's, for the browser alone.
	Secret  string
	Session store.Session
	Member  store.Member
}

// The kinds of ceremony.
const (
	ceremonySignIn = "sign_in"
	ceremonyEnrol  = "enrol"
	ceremonyProof  = "proof"
	ceremonyAdd    = "add"
	ceremonySSO    = "sso"
)

// BeginSignIn asks for a proof with any passkey. Errors are *AttemptsError or the store's.
func (s *SignIns) BeginSignIn(ctx context.Context, from string) (Asked, error) {
	if err := s.attempts.Begin(from); err != nil {
		return Asked{}, err
	}
	options, data, err := s.party.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return Asked{}, err
	}
	return s.ask(ctx, ceremonySignIn, "", options.Response, data)
}

// FinishSignIn starts a session for the member whose passkey gave the proof. Errors are ErrProof,
// ErrSuspected, *AttemptsError or the store's.
func (s *SignIns) FinishSignIn(ctx context.Context, from, ceremony, credential string) (Started, error) {
	data, err := s.answered(ctx, ceremonySignIn, "", ceremony)
	if err != nil {
		return Started{}, s.wrong(ctx, from, "", err)
	}
	member, use, err := s.prove(ctx, data, credential, "")
	if err != nil {
		return Started{}, s.wrong(ctx, from, member.ID, err)
	}
	secret, session := NewSession(member, s.clock())
	err = s.suspect(ctx, member.ID, use, s.store.StartSession(ctx, session, use))
	if errors.Is(err, store.ErrNotFound) { // the member was removed meanwhile
		err = s.wrong(ctx, from, member.ID, ErrProof)
	}
	if err != nil {
		return Started{}, err
	}
	return Started{Secret: secret, Session: session, Member: member}, nil
}

// BeginProof asks a seat for a fresh proof. Errors are *AttemptsError or the store's.
func (s *SignIns) BeginProof(ctx context.Context, from string, seat Principal) (Asked, error) {
	if err := s.attempts.Begin(from); err != nil {
		return Asked{}, err
	}
	options, data, err := s.party.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return Asked{}, err
	}
	return s.ask(ctx, ceremonyProof, bound(seat.Session.Hash), options.Response, data)
}

// FinishProof takes a fresh proof of a seat, and gives its session another secret, for the browser alone:
// whoever has stolen the one before is signed out. Errors are ErrProof, also when it is another member's,
// ErrSuspected, ErrSignedOut when the session ended meanwhile, *AttemptsError or the store's.
func (s *SignIns) FinishProof(ctx context.Context, from string, seat Principal, ceremony, credential string) (Started, error) {
	data, err := s.answered(ctx, ceremonyProof, bound(seat.Session.Hash), ceremony)
	if err != nil {
		return Started{}, s.wrong(ctx, from, seat.ID, err)
	}
	member, use, err := s.prove(ctx, data, credential, seat.ID)
	if err != nil {
		return Started{}, s.wrong(ctx, from, seat.ID, err)
	}
	secret, session := newSecret(sessionPrefix), seat.Session
	session.Hash, session.ProvedAt = hash(secret), calendar.Quarter(s.clock())
	err = s.suspect(ctx, seat.ID, use, s.store.ProveSession(ctx, seat.Session.Hash, session.Hash, session.ProvedAt, use))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return Started{}, ErrSignedOut
	case err != nil:
		return Started{}, err
	}
	return Started{Secret: secret, Session: session, Member: member}, nil
}

// Invited is whose an invitation is, and what is asked of whoever has it.
type Invited struct {
	Member store.Member // zero for a device
	Device string       // a token's ID; empty for a member
	Asked  Asked        // of a member alone
}

// BeginEnrolment says whose an invitation is and asks for a passkey when it is a member's. Errors wrap
// ErrRequest, are ErrInvitation, *AttemptsError or the store's.
func (s *SignIns) BeginEnrolment(ctx context.Context, from, invitation string) (Invited, error) {
	if err := s.attempts.Begin(from); err != nil {
		return Invited{}, err
	}
	found, err := s.invitation(ctx, from, invitation)
	if err != nil {
		return Invited{}, err
	}
	if found.Device != "" {
		return Invited{Device: found.Device}, nil
	}
	member, err := s.store.GetMember(ctx, found.Member)
	if err != nil {
		return Invited{}, err
	}
	asked, err := s.askPasskey(ctx, ceremonyEnrol, bound(found.Hash), member)
	if err != nil {
		return Invited{}, err
	}
	return Invited{Member: member, Asked: asked}, nil
}

// FinishEnrolment enrols a passkey under a name, uses the invitation up, and starts a session. Errors wrap
// ErrRequest, are ErrInvitation, ErrProof, *AttemptsError or the store's: store.ErrExists when the passkey is
// enrolled already, whoever's it is.
func (s *SignIns) FinishEnrolment(ctx context.Context, from, invitation, ceremony, credential, name string) (Started, error) {
	if err := checkLabel("the passkey a name", name); err != nil {
		return Started{}, err
	}
	found, err := s.invitation(ctx, from, invitation)
	if err != nil {
		return Started{}, err
	}
	if found.Member == "" {
		return Started{}, s.uninvited(ctx, from)
	}
	member, err := s.store.GetMember(ctx, found.Member)
	if err != nil {
		return Started{}, err
	}
	passkey, err := s.answeredPasskey(ctx, ceremonyEnrol, bound(found.Hash), member, ceremony, credential, name)
	if err != nil {
		// At nobody: whoever has the invitation must not keep the member from signing in.
		return Started{}, s.wrong(ctx, from, "", err)
	}
	secret, session := NewSession(member, s.clock())
	switch err := s.store.Enrol(store.As(ctx, store.BySeat(member.ID), s.clock()), found.Hash, passkey, session); {
	case errors.Is(err, store.ErrNotFound):
		return Started{}, ErrInvitation // somebody else was faster
	case err != nil:
		return Started{}, err
	}
	return Started{Secret: secret, Session: session, Member: member}, nil
}

// EnrolDevice enrols whoever calls as a device and uses the invitation up. It returns the device with its
// secret, for the browser alone. Errors are ErrInvitation, *AttemptsError or the store's.
func (s *SignIns) EnrolDevice(ctx context.Context, from, invitation string) (secret string, device store.Token, err error) {
	found, err := s.invitation(ctx, from, invitation)
	if err != nil {
		return "", store.Token{}, err
	}
	if found.Device == "" {
		return "", store.Token{}, s.uninvited(ctx, from)
	}
	secret = newSecret(devicePrefix)
	now := s.clock()
	device, err = s.store.EnrolDevice(store.As(ctx, store.ByToken(found.Device), now), found.Hash, hash(secret), lastDay(now, deviceValidity))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return "", store.Token{}, ErrInvitation
	case err != nil:
		return "", store.Token{}, err
	}
	return secret, device, nil
}

// BeginPasskey asks a seat for one more passkey. Errors wrap ErrRequest or are the store's.
func (s *SignIns) BeginPasskey(ctx context.Context, seat Principal) (Asked, error) {
	member, err := s.store.GetMember(ctx, seat.ID)
	if err != nil {
		return Asked{}, err
	}
	return s.askPasskey(ctx, ceremonyAdd, bound(seat.Session.Hash), member)
}

// FinishPasskey adds a passkey of a seat under a name. Errors wrap ErrRequest, are ErrProof or the store's:
// store.ErrExists when the passkey is enrolled already, whoever's it is.
func (s *SignIns) FinishPasskey(ctx context.Context, seat Principal, ceremony, credential, name string) error {
	if err := checkLabel("the passkey a name", name); err != nil {
		return err
	}
	member, err := s.store.GetMember(ctx, seat.ID)
	if err != nil {
		return err
	}
	passkey, err := s.answeredPasskey(ctx, ceremonyAdd, bound(seat.Session.Hash), member, ceremony, credential, name)
	if err != nil {
		return err
	}
	return s.store.AddPasskey(ctx, passkey)
}

// Leave ends the session that has a secret, if there is one. Errors are the store's.
func (s *SignIns) Leave(ctx context.Context, secret string) error {
	return s.store.EndSession(ctx, hash(secret))
}

// invitation returns the invitation of a secret.
func (s *SignIns) invitation(ctx context.Context, from, secret string) (store.Invitation, error) {
	found, err := s.store.GetInvitation(ctx, hash(secret))
	if errors.Is(err, store.ErrNotFound) || err == nil && !s.clock().Before(found.EndsAt) {
		return store.Invitation{}, s.uninvited(ctx, from)
	}
	return found, err
}

func (s *SignIns) uninvited(ctx context.Context, from string) error {
	if err := s.attempts.Wrong(ctx, store.AttemptInvitation, from, ""); err != nil {
		return err
	}
	return ErrInvitation
}

// wrong counts an attempt whose error is ErrProof, and returns the error.
func (s *SignIns) wrong(ctx context.Context, from, member string, err error) error {
	if !errors.Is(err, ErrProof) {
		return err
	}
	if failed := s.attempts.Wrong(ctx, store.AttemptSignIn, from, member); failed != nil {
		return failed
	}
	return ErrProof
}

// ask begins a ceremony.
func (s *SignIns) ask(ctx context.Context, kind, boundTo string, options any, data *webauthn.SessionData) (Asked, error) {
	kept, err := json.Marshal(data)
	if err != nil {
		return Asked{}, fmt.Errorf("keeping a ceremony: %w", err)
	}
	written, err := json.Marshal(options)
	if err != nil {
		return Asked{}, fmt.Errorf("writing the options of a passkey: %w", err)
	}
	secret, err := s.beginCeremony(ctx, kind, boundTo, kept)
	if err != nil {
		return Asked{}, err
	}
	return Asked{Ceremony: secret, Options: written}, nil
}

// beginCeremony keeps what must be known to end a ceremony, for a quarter of an hour to half an hour.
func (s *SignIns) beginCeremony(ctx context.Context, kind, boundTo string, data []byte) (secret string, err error) {
	secret = newSecret(ceremonyPrefix)
	return secret, s.store.BeginCeremony(ctx, store.Ceremony{
		Hash: hash(secret), Kind: kind, Bound: boundTo, Data: data, EndsAt: calendar.Quarter(s.clock()).Add(2 * quarter),
	})
}

// endCeremony returns what was kept, once; ErrProof when there is nothing of that kind and binding.
func (s *SignIns) endCeremony(ctx context.Context, kind, boundTo, secret string) ([]byte, error) {
	ceremony, err := s.store.EndCeremony(ctx, hash(secret))
	if errors.Is(err, store.ErrNotFound) {
		return nil, ErrProof
	}
	if err == nil && (ceremony.Kind != kind || ceremony.Bound != boundTo || !s.clock().Before(ceremony.EndsAt)) {
		return nil, ErrProof
	}
	return ceremony.Data, err
}

// answered ends a ceremony of Web Authentication.
func (s *SignIns) answered(ctx context.Context, kind, boundTo, secret string) (webauthn.SessionData, error) {
	kept, err := s.endCeremony(ctx, kind, boundTo, secret)
	if err != nil {
		return webauthn.SessionData{}, err
	}
	var data webauthn.SessionData
	if err := json.Unmarshal(kept, &data); err != nil {
		return webauthn.SessionData{}, fmt.Errorf("reading a ceremony: %w", err)
	}
	return data, nil
}

// prove checks the answer to a challenge, and returns whose passkey gave it. Only, when it is not empty, is
// the one member who may. With ErrProof it returns the member at whom the attempt was, when one was named.
func (s *SignIns) prove(ctx context.Context, data webauthn.SessionData, credential, only string) (store.Member, store.PasskeyUse, error) {
	parsed, err := protocol.ParseCredentialRequestResponseBytes([]byte(credential))
	if err != nil {
		return store.Member{}, store.PasskeyUse{}, ErrProof
	}
	var found passkeyOwner
	var failed error // the store's: not for the library to swallow
	_, proved, err := s.party.ValidatePasskeyLogin(func(id, handle []byte) (webauthn.User, error) {
		if found, failed = s.owner(ctx, string(handle), id); failed != nil {
			return nil, failed
		}
		return found, nil
	}, data, parsed)
	switch {
	case failed != nil:
		return store.Member{}, store.PasskeyUse{}, failed
	case err != nil, only != "" && found.member.ID != only:
		return found.member, store.PasskeyUse{}, ErrProof
	}
	use := store.PasskeyUse{ID: proved.ID, Count: proved.Authenticator.SignCount, BackedUp: proved.Flags.BackupState}
	for _, passkey := range found.passkeys {
		if bytes.Equal(passkey.ID, use.ID) && passkey.Suspected {
			return found.member, store.PasskeyUse{}, ErrSuspected
		}
	}
	if proved.Authenticator.CloneWarning {
		return found.member, store.PasskeyUse{}, s.suspect(ctx, found.member.ID, use, store.ErrConflict)
	}
	return found.member, use, nil
}

// suspect marks a passkey whose use the store refused: it had counted further already, so there is a copy.
func (s *SignIns) suspect(ctx context.Context, member string, use store.PasskeyUse, err error) error {
	if !errors.Is(err, store.ErrConflict) {
		return err
	}
	marked := s.store.SuspectPasskey(store.As(context.WithoutCancel(ctx), store.ByServer, s.clock()), member, use.ID)
	if errors.Is(marked, store.ErrNotFound) {
		return ErrProof // it was removed meanwhile
	}
	if marked != nil {
		return marked
	}
	return ErrSuspected
}

// owner returns the member of a handle, with the passkeys; ErrProof when there is none, or it has no passkey
// of that ID.
func (s *SignIns) owner(ctx context.Context, handle string, id []byte) (passkeyOwner, error) {
	if !utf8.ValidString(handle) || strings.ContainsRune(handle, 0) {
		return passkeyOwner{}, ErrProof // no text, and no database is to be asked for it
	}
	member, err := s.store.GetMember(ctx, handle)
	if errors.Is(err, store.ErrNotFound) || err == nil && member.Removed {
		return passkeyOwner{}, ErrProof
	}
	if err != nil {
		return passkeyOwner{}, err
	}
	owner := passkeyOwner{member: member}
	owner.passkeys, err = s.store.ListPasskeys(ctx, member.ID)
	if err != nil {
		return passkeyOwner{}, err
	}
	for _, passkey := range owner.passkeys {
		if bytes.Equal(passkey.ID, id) {
			return owner, nil
		}
	}
	return passkeyOwner{}, ErrProof
}

// passkeysOf returns the passkeys of a member who may have one more; errors wrap ErrRequest otherwise.
func (s *SignIns) passkeysOf(ctx context.Context, member store.Member) ([]store.Passkey, error) {
	if err := checkOwn(member); err != nil {
		return nil, err
	}
	passkeys, err := s.store.ListPasskeys(ctx, member.ID)
	if err == nil && len(passkeys) >= maxPasskeys {
		err = fmt.Errorf("%w: a member has at most %d passkeys; remove one first", ErrRequest, maxPasskeys)
	}
	return passkeys, err
}

// askPasskey asks a member for a passkey on an authenticator that has none of theirs yet, or one that is
// accepted no more.
func (s *SignIns) askPasskey(ctx context.Context, kind, boundTo string, member store.Member) (Asked, error) {
	passkeys, err := s.passkeysOf(ctx, member)
	if err != nil {
		return Asked{}, err
	}
	owner := passkeyOwner{member, slices.DeleteFunc(passkeys, func(p store.Passkey) bool { return p.Suspected })}
	options, data, err := s.party.BeginRegistration(owner, webauthn.WithExclusions(webauthn.Credentials(owner.WebAuthnCredentials()).CredentialDescriptors()))
	if err != nil {
		return Asked{}, err
	}
	return s.ask(ctx, kind, boundTo, options.Response, data)
}

// answeredPasskey checks the answer to askPasskey. Errors wrap ErrRequest, are ErrProof or the store's.
func (s *SignIns) answeredPasskey(ctx context.Context, kind, boundTo string, member store.Member, ceremony, credential, name string) (store.Passkey, error) {
	data, err := s.answered(ctx, kind, boundTo, ceremony)
	if err != nil {
		return store.Passkey{}, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes([]byte(credential))
	if err != nil {
		return store.Passkey{}, ErrProof
	}
	made, err := s.party.CreateCredential(passkeyOwner{member: member}, data, parsed)
	if err != nil {
		return store.Passkey{}, ErrProof
	}
	// More than there is room for may have been asked for at once.
	if _, err := s.passkeysOf(ctx, member); err != nil {
		return store.Passkey{}, err
	}
	passkey := store.Passkey{
		ID: made.ID, Member: member.ID, Name: name, PublicKey: made.PublicKey, Count: made.Authenticator.SignCount,
		BackupEligible: made.Flags.BackupEligible, BackedUp: made.Flags.BackupState, AddedOn: calendar.Day(s.clock()),
	}
	for _, known := range transports {
		if slices.Contains(made.Transport, known) {
			passkey.Transports = append(passkey.Transports, string(known))
		}
	}
	return passkey, nil
}

// transports are those that are kept. What else a browser tells is of no use, and could be anything.
var transports = []protocol.AuthenticatorTransport{
	protocol.USB, protocol.NFC, protocol.BLE, protocol.SmartCard, protocol.Hybrid, protocol.Internal,
}

// bound writes the hash to which a ceremony is bound.
func bound(sum [32]byte) string { return base64.RawURLEncoding.EncodeToString(sum[:]) }

// passkeyOwner is a member as the library of Web Authentication sees one.
type passkeyOwner struct {
	member   store.Member
	passkeys []store.Passkey
}

// WebAuthnID is the handle that passkeys know.
func (o passkeyOwner) WebAuthnID() []byte { return []byte(o.member.ID) }

// WebAuthnName is what an authenticator shows.
func (o passkeyOwner) WebAuthnName() string { return o.member.Label }

// WebAuthnDisplayName is what an authenticator shows.
func (o passkeyOwner) WebAuthnDisplayName() string { return o.member.Label }

// WebAuthnCredentials are the passkeys.
func (o passkeyOwner) WebAuthnCredentials() []webauthn.Credential {
	credentials := make([]webauthn.Credential, len(o.passkeys))
	for i, p := range o.passkeys {
		credentials[i] = webauthn.Credential{
			ID: p.ID, PublicKey: p.PublicKey,
			Flags:         webauthn.CredentialFlags{UserPresent: true, UserVerified: true, BackupEligible: p.BackupEligible, BackupState: p.BackedUp},
			Authenticator: webauthn.Authenticator{SignCount: p.Count},
		}
		for _, transport := range p.Transports {
			credentials[i].Transport = append(credentials[i].Transport, protocol.AuthenticatorTransport(transport))
		}
	}
	return credentials
}
