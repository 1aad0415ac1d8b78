// Package access tells who calls, and lets people in.
//
// A member (a seat of the organisation, not a person) signs in with a passkey or by single sign-on, and then
// has a session; a machine has a token; a device at the desk of a centre is enrolled once and then has a
// token too, which only its browser knows. The Door turns what a call brings into a Principal. Who may call
// what is declared in the proto, beside each method.
//
// Secrets are random and long, so they are stored under a plain, fast hash and found by it: what is compared
// is the hash, in the index of the store, so that how long it takes tells nothing of a secret.
package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"aankomst/server/store"
)

var (
	// ErrNobody is returned when a call brings nothing that says who calls.
	ErrNobody = errors.New("not signed in")
	// ErrUnknownToken is returned for a token that this store never made, or that is not sent as its kind is.
	ErrUnknownToken = errors.New("unknown token")
	// ErrRevoked is returned for a token that was revoked.
	ErrRevoked = errors.New("revoked token")
	// ErrExpired is returned for a token whose time is over.
	ErrExpired = errors.New("expired token")
	// ErrSignedOut is returned for a session that is none any more: it ended, was idle for too long, its member
	// was removed, or it never was.
	ErrSignedOut = errors.New("not signed in any more")
	// ErrInvitation is returned for an invitation that is not accepted: unknown, used, replaced or too old.
	ErrInvitation = errors.New("this invitation is not accepted")
	// ErrProof is returned when a proof of who somebody is, with a passkey or by single sign-on, is not
	// accepted. Nobody is told why.
	ErrProof = errors.New("this proof is not accepted")
	// ErrSuspected is returned for the proof of a passkey of which there seems to be a copy.
	ErrSuspected = errors.New("this passkey seems to have been copied")
	// ErrRequest is wrapped when a member, a token or a device cannot be made as asked; the message says what to
	// change.
	ErrRequest = errors.New("that cannot be done like this")
)

// MaxLabel is the longest label, in characters.
const MaxLabel = 60

// Kind is how somebody comes in.
type Kind int

// The kinds.
const (
	// Nobody is who calls a public method.
	Nobody Kind = iota
	// Seat is a member in a session.
	Seat
	// Machine has a token.
	Machine
	// Device is enrolled at a centre.
	Device
)

// Principal is who calls, and what the store knew of them when the call came.
type Principal struct {
	Kind Kind
	// ID is the member's or the token's, and Label what the organisation calls it.
	ID, Label string
	Role      store.Role
	// Centre is set for store.RoleIntake alone, and so is what follows, but for Session.
	Centre string
	// Archived says that the centre is.
	Archived bool
	// Pools are those that the centre is in, of every cohort.
	Pools []store.PoolOf
	// Wrong are the wrong codes of the centre.
	Wrong store.WrongCodes
	// Session is a seat's.
	Session store.Session
}

// IsIn reports whether the principal's centre is in a pool of a cohort.
func (p Principal) IsIn(year int, pool uint32) bool {
	return slices.Contains(p.Pools, store.PoolOf{Year: year, Pool: pool})
}

// By is the name under which the record of administration knows the principal.
func (p Principal) By() string {
	if p.Kind == Seat {
		return store.BySeat(p.ID)
	}
	return store.ByToken(p.ID)
}

// FreshUntil is until when the last proof of who the principal is counts as a fresh one; zero but for a
// seat.
func (p Principal) FreshUntil() time.Time {
	if p.Kind != Seat {
		return time.Time{}
	}
	return p.Session.ProvedAt.Add(freshFor)
}

// The beginnings of secrets let one that was left somewhere be recognised for what it is, and keep one of a
// kind from being taken for one of another.
const (
	tokenPrefix      = "aankomst_"
	devicePrefix     = "aankomst_device_"
	sessionPrefix    = "aankomst_session_"
	invitationPrefix = "aankomst_invitation_"
	ceremonyPrefix   = "aankomst_ceremony_"
)

// secretBytes makes guessing hopeless.
const secretBytes = 32

var encoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// newSecret draws a secret.
func newSecret(prefix string) string { return prefix + random(secretBytes) }

// newID draws an ID: no secret, but not to be met twice.
func newID() string { return random(10) }

func random(bytes int) string {
	drawn := make([]byte, bytes)
	rand.Read(drawn) // never fails
	return strings.ToLower(encoding.EncodeToString(drawn))
}

func hash(secret string) [32]byte { return sha256.Sum256([]byte(secret)) }

// checkLabel refuses a label that people could not read.
func checkLabel(what, label string) error {
	printable := !strings.ContainsFunc(label, func(c rune) bool { return !unicode.IsPrint(c) })
	if strings.TrimSpace(label) == "" || !utf8.ValidString(label) || !printable || utf8.RuneCountInString(label) > MaxLabel {
		return fmt.Errorf("%w: give %s of 1 to %d characters, such as the desk that uses it", ErrRequest, what, MaxLabel)
	}
	return nil
}

// checkRole refuses a role that is none, and a centre where there is none to have.
func checkRole(role store.Role, centre string) error {
	roles := []store.Role{store.RoleCounsellor, store.RoleIntake, store.RoleCoordinator, store.RoleAdministrator}
	switch {
	case !slices.Contains(roles, role):
		return fmt.Errorf("%w: the role is one of COUNSELLOR, INTAKE, COORDINATOR, ADMINISTRATOR", ErrRequest)
	case role == store.RoleIntake && centre == "":
		return fmt.Errorf("%w: INTAKE belongs to a centre: name it", ErrRequest)
	case role != store.RoleIntake && centre != "":
		return fmt.Errorf("%w: only INTAKE belongs to a centre", ErrRequest)
	}
	return nil
}
