package access

import (
	"context"
	"errors"
	"fmt"
	"time"

	"aankomst/server/calendar"
	"aankomst/server/store"
)

// invitationFor is how long an invitation is accepted, less up to a quarter of an hour.
const invitationFor = 48 * time.Hour

// FirstMember is the ID of the first administrator, whom the server makes when there is no member at all. It
// is the same everywhere, so that of several servers that start at once, one makes it.
const FirstMember = "first"

// SeatRequest is what an administrator says of a member.
type SeatRequest struct {
	// Label is what the organisation calls it: a desk or a function rather than a name.
	Label string
	Role  store.Role
	// Centre is needed for store.RoleIntake and for no other role.
	Centre string
}

// members is what making and changing members asks of a store.
type members interface {
	store.Members
	store.Centres
}

// CreateMember makes a member, and returns it with the secret of the invitation with which the first passkey
// is enrolled. Errors wrap ErrRequest or are the store's.
func CreateMember(ctx context.Context, s members, request SeatRequest, now time.Time) (secret string, member store.Member, invitation store.Invitation, err error) {
	return createMember(ctx, s, newID(), request, now)
}

// CreateFirst makes the first administrator, as CreateMember does. It returns store.ErrExists when there is,
// or was, any member.
func CreateFirst(ctx context.Context, s members, now time.Time) (secret string, err error) {
	all, err := s.ListMembers(ctx)
	if err != nil {
		return "", err
	}
	if len(all) > 0 {
		return "", store.ErrExists
	}
	secret, _, _, err = createMember(ctx, s, FirstMember, SeatRequest{Label: "Administrator", Role: store.RoleAdministrator}, now)
	return secret, err
}

func createMember(ctx context.Context, s members, id string, request SeatRequest, now time.Time) (secret string, member store.Member, invitation store.Invitation, err error) {
	if err := request.check(ctx, s); err != nil {
		return "", store.Member{}, store.Invitation{}, err
	}
	member = store.Member{ID: id, Label: request.Label, Role: request.Role, Centre: request.Centre, Revision: 1}
	if err := s.CreateMember(ctx, member); err != nil {
		return "", store.Member{}, store.Invitation{}, err
	}
	if secret, invitation, err = InviteMember(ctx, s, id, now); err != nil {
		return "", store.Member{}, store.Invitation{}, err
	}
	return secret, member, invitation, nil
}

// InviteMember makes a fresh invitation for a member, in the place of the one before, and returns its
// secret. Errors wrap ErrRequest or are the store's.
func InviteMember(ctx context.Context, s store.Members, id string, now time.Time) (secret string, invitation store.Invitation, err error) {
	member, err := s.GetMember(ctx, id)
	if err == nil {
		err = checkOwn(member)
	}
	if err != nil {
		return "", store.Invitation{}, err
	}
	secret, invitation = newInvitation(now)
	invitation.Member = id
	if err := s.PutInvitation(ctx, invitation); err != nil {
		return "", store.Invitation{}, err
	}
	return secret, invitation, nil
}

// checkOwn refuses a passkey to a member of single sign-on: it would go on letting in somebody to whom the
// provider gives no seat any more.
func checkOwn(member store.Member) error {
	if member.BySSO() {
		return fmt.Errorf("%w: this member signs in by single sign-on and has no passkeys", ErrRequest)
	}
	return nil
}

// UpdateMember gives a member that has a revision the label, role and centre that change makes of those it
// has. Errors wrap ErrRequest, are change's or the store's: store.ErrConflict when the revision is another by
// now.
func UpdateMember(ctx context.Context, s members, id string, revision int, change func(*SeatRequest) error) (store.Member, error) {
	member, err := s.GetMember(ctx, id)
	switch {
	case err != nil:
		return store.Member{}, err
	case member.Revision != revision:
		return store.Member{}, store.ErrConflict
	}
	request := SeatRequest{Label: member.Label, Role: member.Role, Centre: member.Centre}
	if err := change(&request); err != nil {
		return store.Member{}, err
	}
	if member.BySSO() && (request.Role != member.Role || request.Centre != member.Centre) {
		return store.Member{}, fmt.Errorf("%w: the provider of single sign-on says which role and centre this member has; change it there", ErrRequest)
	}
	if err := errors.Join(checkLabel("it a label", request.Label), checkRole(request.Role, request.Centre)); err != nil {
		return store.Member{}, first(err)
	}
	if request.Centre != member.Centre { // one that was archived since may stay
		if err := checkCentre(ctx, s, request.Centre); err != nil {
			return store.Member{}, err
		}
	}
	return s.UpdateMember(ctx, id, func(member *store.Member) error {
		if member.Revision != revision {
			return store.ErrConflict
		}
		member.Label, member.Role, member.Centre = request.Label, request.Role, request.Centre
		return nil
	})
}

// RemoveMember removes a member that has a revision. Errors are the store's: store.ErrConflict when the
// revision is another by now.
func RemoveMember(ctx context.Context, s store.Members, id string, revision int) (store.Member, error) {
	return s.UpdateMember(ctx, id, func(member *store.Member) error {
		if member.Revision != revision {
			return store.ErrConflict
		}
		member.Removed = true
		return nil
	})
}

// Recover makes a fresh invitation for an administrator: the one of the ID, or, when that is empty, a new
// one. It is for whoever can run commands on the machine. Errors wrap ErrRequest or are the store's.
func Recover(ctx context.Context, s members, id string, now time.Time) (secret string, member store.Member, err error) {
	if id == "" {
		secret, member, _, err = CreateMember(ctx, s, SeatRequest{Label: "Administrator (recovery)", Role: store.RoleAdministrator}, now)
		return secret, member, err
	}
	if member, err = s.GetMember(ctx, id); err != nil {
		return "", store.Member{}, err
	}
	if member.Role != store.RoleAdministrator || member.Removed {
		return "", store.Member{}, fmt.Errorf("%w: %s is no administrator; leave the member out to make a new one", ErrRequest, id)
	}
	secret, _, err = InviteMember(ctx, s, id, now)
	return secret, member, err
}

func (r SeatRequest) check(ctx context.Context, s store.Centres) error {
	if err := errors.Join(checkLabel("it a label", r.Label), checkRole(r.Role, r.Centre)); err != nil {
		return first(err)
	}
	return checkCentre(ctx, s, r.Centre)
}

// newInvitation draws an invitation that is nobody's yet.
func newInvitation(now time.Time) (secret string, invitation store.Invitation) {
	secret = newSecret(invitationPrefix)
	return secret, store.Invitation{Hash: hash(secret), EndsAt: calendar.Quarter(now).Add(invitationFor)}
}
