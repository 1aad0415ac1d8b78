package access

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"aankomst/server/calendar"
	"aankomst/server/store"
)

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

// Started is a session that has begun.
type Started struct {
	// Secret is the session's, for the browser alone.
	Secret  string
	Session store.Session
	Member  store.Member
}

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
	at := calendar.Quarter(s.clock())
	session.Hash, session.ProvedAt, session.UsedAt = hash(secret), at, at
	err = s.suspect(ctx, seat.ID, use, s.store.ProveSession(ctx, seat.Session.Hash, session.Hash, at, use))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return Started{}, ErrSignedOut
	case err != nil:
		return Started{}, err
	}
	return Started{Secret: secret, Session: session, Member: member}, nil
}

// Leave ends the session that has a secret, if there is one. Errors are the store's.
func (s *SignIns) Leave(ctx context.Context, secret string) error {
	return s.store.EndSession(ctx, hash(secret))
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
