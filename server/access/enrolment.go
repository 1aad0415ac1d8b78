package access

import (
	"context"
	"errors"
	"slices"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"aankomst/server/calendar"
	"aankomst/server/store"
)

// maxPasskeys is how many passkeys a member may have.
const maxPasskeys = 20

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
func (s *SignIns) BeginPasskey(ctx context.Context, from string, seat Principal) (Asked, error) {
	if err := s.attempts.Begin(from); err != nil {
		return Asked{}, err
	}
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
