package store

import (
	"context"
	"errors"
	"time"
)

// ErrLastAdministrator is returned when a change would leave no administrator who can sign in with a
// passkey, where there was one; nothing was changed.
var ErrLastAdministrator = errors.New("no administrator could sign in any more")

// Members keeps the seats of people, and how they prove who they are.
//
// A member can sign in with a passkey that is not suspected, or by single sign-on. ErrLastAdministrator
// counts those administrators who can do so with a passkey.
type Members interface {
	// CreateMember stores a member, with the Revision 1. ErrExists when its ID or its Subject is taken;
	// ErrNotFound when it names a centre that does not exist.
	CreateMember(ctx context.Context, member Member) error
	// UpdateMember reads a member, lets change alter it, and stores it with the next Revision, in one
	// transaction. ID, Subject and Revision cannot be altered. When role or centre change, or it is removed,
	// its sessions end; when it is removed, its passkeys and its invitation go too. What alters nothing is
	// not stored. ErrNotFound when there is no such member, or none such centre; ErrConflict when it is
	// removed already; ErrLastAdministrator; an error of change is returned as it is, and nothing is stored.
	UpdateMember(ctx context.Context, id string, change func(*Member) error) (Member, error)
	// GetMember returns one member, removed or not, or ErrNotFound.
	GetMember(ctx context.Context, id string) (Member, error)
	// FindMember returns the member of a Subject, which is not zero, or ErrNotFound.
	FindMember(ctx context.Context, subject [32]byte) (Member, error)
	// ListMembers returns all members, removed ones included, by ID.
	ListMembers(ctx context.Context) ([]Member, error)

	// PutInvitation stores an invitation in the place of the one that its member or device has, if there is
	// one. ErrNotFound when there is no such member or device, or it is removed or revoked; ErrExists when
	// its hash is taken.
	PutInvitation(ctx context.Context, invitation Invitation) error
	// GetInvitation returns the invitation of a hash, whether or not it has ended, or ErrNotFound.
	GetInvitation(ctx context.Context, hash [32]byte) (Invitation, error)
	// Enrol uses an invitation up: it is gone, its member has the passkey, and the session has begun, all or
	// nothing. ErrNotFound when there is no such invitation for the passkey's member, who must be the
	// session's; of two who use one at once, one gets it. ErrExists when the passkey's ID is taken.
	Enrol(ctx context.Context, invitation [32]byte, passkey Passkey, session Session) error
	// EnrolDevice uses an invitation up: it is gone, and the device is of KindDevice, with the hash and until
	// the day that are given. ErrNotFound when there is no such invitation for a device; ErrExists when the hash
	// is taken.
	EnrolDevice(ctx context.Context, invitation, hash [32]byte, expiresOn string) (Token, error)

	// AddPasskey stores one more passkey of a member. ErrExists when its ID is taken; ErrNotFound when the
	// member does not exist or is removed.
	AddPasskey(ctx context.Context, passkey Passkey) error
	// RemovePasskey removes a passkey of a member and ends the member's sessions, but for the one that has
	// the hash keep. ErrNotFound when the member has no such passkey; ErrLastAdministrator.
	RemovePasskey(ctx context.Context, member string, id []byte, keep [32]byte) error
	// SuspectPasskey marks a passkey of a member as copied, for good, and ends the member's sessions; marking
	// one twice is no error. ErrNotFound when the member has no such passkey.
	SuspectPasskey(ctx context.Context, member string, id []byte) error
	// ListPasskeys returns the passkeys of a member by ID; of all members, by member and ID, when it is empty.
	ListPasskeys(ctx context.Context, member string) ([]Passkey, error)
}

// Sessions keeps who is signed in. Nothing that it writes stays where its place, or a hidden column, tells
// when it was written: Used lays it down anew.
type Sessions interface {
	// BeginCeremony stores what was asked of somebody who signs in. ErrExists when its hash is taken.
	BeginCeremony(ctx context.Context, ceremony Ceremony) error
	// EndCeremony returns a ceremony, whether or not it has ended, and forgets it: of two who end one at
	// once, one gets it. ErrNotFound otherwise.
	EndCeremony(ctx context.Context, hash [32]byte) (Ceremony, error)

	// StartSession stores a session, and how the passkey was used that began it, in one transaction.
	// ErrNotFound when the member does not exist or is removed; ErrExists when its hash is taken; ErrConflict
	// when the use of the passkey is refused: see PasskeyUse.
	StartSession(ctx context.Context, session Session, use PasskeyUse) error
	// ProveSession says that the member of a session proved again who they are, at a quarter of an hour, and
	// gives the session another hash: whoever has stolen its secret is signed out by the proof. A proof is a
	// use of the session too. ErrNotFound when there is no such session; ErrExists when another has that hash;
	// ErrConflict as for StartSession.
	ProveSession(ctx context.Context, hash, another [32]byte, at time.Time, use PasskeyUse) error
	// EndSession ends a session; ending one that is none is no error.
	EndSession(ctx context.Context, hash [32]byte) error
	// EndSessions ends all sessions of a member, but for the one that has the hash keep.
	EndSessions(ctx context.Context, member string, keep [32]byte) error
	// ListSessions returns the sessions of a member, ended ones included, in the order of their hashes.
	ListSessions(ctx context.Context, member string) ([]Session, error)

	// Used writes when sessions and tokens were used, forgets what has ended by now, and lays down anew all
	// that signing in writes, in one transaction that looks the same whatever was used. It is called on the
	// quarter of an hour, by the clock. A use that is older than the one kept, or of what is gone, is passed
	// over. The error wraps ErrUnavailable, too, while a Snapshot is in its way: see there.
	Used(ctx context.Context, uses Uses, now time.Time) error

	// CountAttempt counts one more attempt of a kind by somebody in the quarter of an hour that begins at
	// quarter, and returns the count after it. Who is a member's ID, or empty for everybody together. A later
	// quarter than the one kept starts its count at one; an earlier one (a clock set back) goes on with the
	// count that is kept.
	CountAttempt(ctx context.Context, kind AttemptKind, who string, quarter time.Time) (int, error)
	// Attempts returns the count that CountAttempt would go on from in a quarter; zero when it would start at
	// one.
	Attempts(ctx context.Context, kind AttemptKind, who string, quarter time.Time) (int, error)
}

// Member is a seat: an account of the organisation, not a person.
type Member struct {
	// ID is random, but for that of the first administrator; it is the handle that passkeys know.
	ID string
	// Label is what the organisation calls it.
	Label string
	Role  Role
	// Centre is set for RoleIntake alone.
	Centre string
	// Subject is who it is to the provider of single sign-on, as a SHA-256; zero for a seat of this system.
	Subject [32]byte
	// Removed members cannot sign in. They are kept, as the record names them.
	Removed bool
	// Revision starts at 1.
	Revision int
}

// BySSO reports whether the member comes by single sign-on.
func (m Member) BySSO() bool { return m.Subject != [32]byte{} }

// Invitation lets whoever has its link enrol a passkey of a member, or a device.
type Invitation struct {
	// Hash is the SHA-256 of the secret in its link.
	Hash [32]byte
	// Member or Device is whose it is: the other is empty. Device is a token's ID.
	Member, Device string
	// EndsAt is when it is accepted no more, on a quarter of an hour.
	EndsAt time.Time
}

// Passkey is a public-key credential of a member, as Web Authentication has it.
type Passkey struct {
	// ID is the credential's, of at most 1,023 bytes.
	ID     []byte
	Member string
	// Name is what the member calls it.
	Name string
	// PublicKey is in COSE form.
	PublicKey []byte
	// Count is the authenticator's signature counter, as last seen; zero for one that does not count.
	Count uint32
	// BackupEligible says that it may exist on several devices, BackedUp that it does.
	BackupEligible, BackedUp bool
	// Transports are how the authenticator can be reached, as the browser tells.
	Transports []string
	// AddedOn is a day, YYYY-MM-DD.
	AddedOn string
	// Suspected says that its counter went backwards, so that there is a copy of it somewhere. It is accepted
	// no more.
	Suspected bool
}

// PasskeyUse says which passkey was used, and what its authenticator said. It is refused when the passkey
// is not the member's, is suspected, or has counted as far or further already, unless neither counts. The
// zero value is no use of a passkey.
type PasskeyUse struct {
	ID       []byte
	Count    uint32
	BackedUp bool
}

// Session is a member who is signed in. Its times are on quarters of an hour.
type Session struct {
	// Hash is the SHA-256 of its secret.
	Hash   [32]byte
	Member string
	// StartedAt and UsedAt are the beginnings of the quarters in which it began and was last used, as far as
	// Used has told; ProvedAt that in which its member last proved who they are.
	StartedAt, UsedAt, ProvedAt time.Time
	// EndsAt is when it ends, used or not.
	EndsAt time.Time
}

// Ceremony is what was asked of somebody who proves who they are: a challenge, or a way to the provider of
// single sign-on and back.
type Ceremony struct {
	// Hash is the SHA-256 of its secret.
	Hash [32]byte
	// Kind is what it is for, and Bound to whom or what it is bound; both are the caller's words.
	Kind, Bound string
	// Data is what must be known to end it.
	Data []byte
	// EndsAt is when it is accepted no more, on a quarter of an hour.
	EndsAt time.Time
}

// Uses are the latest uses that a process has seen.
type Uses struct {
	// Sessions gives the quarter of an hour by hash.
	Sessions map[[32]byte]time.Time
	// Tokens gives the day (YYYY-MM-DD) by ID.
	Tokens map[string]string
}

// AttemptKind is what somebody attempts.
type AttemptKind string

// The kinds of attempt.
const (
	// AttemptSignIn is a proof of who somebody is that was wrong.
	AttemptSignIn AttemptKind = "sign_in"
	// AttemptInvitation is an invitation that was wrong.
	AttemptInvitation AttemptKind = "invitation"
	// AttemptAdministration is a call that administers, right or wrong.
	AttemptAdministration AttemptKind = "administration"
)

// TokenKind is whose token it is.
type TokenKind string

// The kinds of token.
const (
	// KindMachine is a machine's: it is sent as a bearer token.
	KindMachine TokenKind = "machine"
	// KindInvited is a device's that is not enrolled yet: nobody knows its secret.
	KindInvited TokenKind = "invited"
	// KindDevice is an enrolled device's: its browser keeps it as a cookie.
	KindDevice TokenKind = "device"
)
