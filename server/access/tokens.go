package access

import (
	"context"
	"errors"
	"fmt"
	"time"

	"aankomst/server/calendar"
	"aankomst/server/store"
)

const (
	// MaxValidity is the longest time for which a token is made: a little over a year, so that the yearly
	// round of new ones can be prepared.
	MaxValidity = 400 * oneDay
	// MaxKept is the longest time for which a token that was rotated is accepted beside the new one.
	MaxKept = 30 * oneDay
	// deviceValidity is how long a device is enrolled for.
	deviceValidity = 365 * oneDay

	oneDay = 24 * time.Hour
)

// Days returns so many days as a time, bounded, so that no number is too large for it.
func Days(n uint32) time.Duration { return time.Duration(min(n, 100_000)) * oneDay }

// Request is a token to be made.
type Request struct {
	Label string
	Role  store.Role
	// Centre is needed for store.RoleIntake and for no other role.
	Centre string
	// Validity is how long it is accepted, rounded up to the end of a day.
	Validity time.Duration
}

// CreateToken makes a token for a machine and returns its secret, which is shown once and kept nowhere.
// Errors wrap ErrRequest or are the store's.
func CreateToken(ctx context.Context, s interface {
	store.Tokens
	store.Centres
}, request Request, now time.Time) (secret string, token store.Token, err error) {
	if err := errors.Join(checkLabel("it a label", request.Label), checkRole(request.Role, request.Centre), checkValidity(request.Validity)); err != nil {
		return "", store.Token{}, first(err)
	}
	if err := checkCentre(ctx, s, request.Centre); err != nil {
		return "", store.Token{}, err
	}
	secret = newSecret(tokenPrefix)
	token = store.Token{
		ID: newID(), Hash: hash(secret), Label: request.Label, Role: request.Role, Centre: request.Centre,
		ExpiresOn: lastDay(now, request.Validity), Kind: store.KindMachine,
	}
	if err := s.CreateToken(ctx, token); err != nil {
		return "", store.Token{}, err
	}
	return secret, token, nil
}

// RotateToken makes a token in the place of another that is not revoked, and returns its secret. The old
// one is accepted for the time kept, rounded up to the end of a day, or until its own end. Errors wrap
// ErrRequest or are the store's: store.ErrNotFound also for what is no machine's.
func RotateToken(ctx context.Context, s store.Tokens, id string, validity, kept time.Duration, now time.Time) (secret string, token store.Token, err error) {
	if err := checkValidity(validity); err != nil {
		return "", store.Token{}, err
	}
	if kept < 0 || kept > MaxKept {
		return "", store.Token{}, fmt.Errorf("%w: the old token is kept for 0 to %d days", ErrRequest, MaxKept/oneDay)
	}
	old, err := FindToken(ctx, s, id)
	if err == nil && old.Kind != store.KindMachine {
		err = store.ErrNotFound
	}
	if err != nil {
		return "", store.Token{}, err
	}
	until := calendar.Day(now)
	if kept > 0 {
		until = lastDay(now, kept)
	}
	secret = newSecret(tokenPrefix)
	token = old
	token.ID, token.Hash, token.ExpiresOn, token.UsedOn = newID(), hash(secret), lastDay(now, validity), ""
	if err := s.RotateToken(ctx, id, token, min(until, old.ExpiresOn)); err != nil {
		return "", store.Token{}, err
	}
	return secret, token, nil
}

// InviteDevice adds a device of a centre, and returns it with the secret of the invitation with which it is
// enrolled. Errors wrap ErrRequest or are the store's.
func InviteDevice(ctx context.Context, s interface {
	store.Tokens
	store.Centres
	store.Members
}, label, centre string, now time.Time) (secret string, device store.Token, invitation store.Invitation, err error) {
	if err := errors.Join(checkLabel("the device a label", label), checkRole(store.RoleIntake, centre)); err != nil {
		return "", store.Token{}, store.Invitation{}, first(err)
	}
	if err := checkCentre(ctx, s, centre); err != nil {
		return "", store.Token{}, store.Invitation{}, err
	}
	// Nobody ever learns the secret that this is the hash of: enrolling gives the device its own.
	device = store.Token{
		ID: newID(), Hash: hash(newSecret(devicePrefix)), Label: label, Role: store.RoleIntake, Centre: centre,
		ExpiresOn: lastDay(now, invitationFor), Kind: store.KindInvited,
	}
	if err := s.CreateToken(ctx, device); err != nil {
		return "", store.Token{}, store.Invitation{}, err
	}
	secret, invitation = newInvitation(now)
	invitation.Device = device.ID
	if err := s.PutInvitation(ctx, invitation); err != nil {
		return "", store.Token{}, store.Invitation{}, err
	}
	return secret, device, invitation, nil
}

// FindToken returns the token of an ID. Errors are the store's.
func FindToken(ctx context.Context, s store.Tokens, id string) (store.Token, error) {
	all, err := s.ListTokens(ctx)
	if err != nil {
		return store.Token{}, err
	}
	for _, token := range all {
		if token.ID == id {
			return token, nil
		}
	}
	return store.Token{}, store.ErrNotFound
}

func checkValidity(validity time.Duration) error {
	if validity <= 0 || validity > MaxValidity {
		return fmt.Errorf("%w: it is valid for 1 to %d days", ErrRequest, MaxValidity/oneDay)
	}
	return nil
}

// checkCentre refuses a centre that does not exist or is archived.
func checkCentre(ctx context.Context, s store.Centres, id string) error {
	if id == "" {
		return nil
	}
	centre, err := s.GetCentre(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && centre.Archived {
		return fmt.Errorf("%w: there is no centre %q", ErrRequest, id)
	}
	return err
}

// lastDay is the first day after a time, from now on, is over.
func lastDay(now time.Time, after time.Duration) string {
	return calendar.Day(calendar.NextDay(now.Add(after)))
}

// first returns the first of joined errors: one thing at a time.
func first(err error) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()[0]
	}
	return err
}
