package access

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"aankomst/server/calendar"
	"aankomst/server/store"
)

// The kinds of ceremony.
const (
	ceremonySignIn = "sign_in"
	ceremonyEnrol  = "enrol"
	ceremonyProof  = "proof"
	ceremonyAdd    = "add"
	ceremonySSO    = "sso"
)

// Asked is what a browser is asked.
type Asked struct {
	// Ceremony is a secret that goes back with the answer.
	Ceremony string
	// Options are those of Web Authentication, as JSON.
	Options []byte
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
