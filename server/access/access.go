// Package access tells who calls: it turns a bearer token into a principal, makes tokens, and limits wrong
// codes. Who may call what is declared in the proto, beside each method.
package access

import (
	"context"
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

	"aankomst/server/calendar"
	"aankomst/server/store"
)

var (
	// ErrNoToken is returned when a call brings no bearer token.
	ErrNoToken = errors.New("no token")
	// ErrUnknownToken is returned for a token that this store never made.
	ErrUnknownToken = errors.New("unknown token")
	// ErrRevoked is returned for a token that was revoked.
	ErrRevoked = errors.New("revoked token")
	// ErrExpired is returned for a token whose time is over.
	ErrExpired = errors.New("expired token")
	// ErrRequest is wrapped when a token cannot be made as asked; the message says what to change.
	ErrRequest = errors.New("the token cannot be made like this")
)

// MaxValidity is the longest time for which a token is made: a little over a year, so that the yearly
// round of new ones can be prepared.
const MaxValidity = 400 * 24 * time.Hour

// MaxLabel is the longest label of a token, in characters.
const MaxLabel = 60

// prefix lets a token that was left somewhere be recognised for what it is.
const prefix = "aankomst_"

// secretBytes makes guessing hopeless; tokens are therefore stored under a plain, fast hash.
const secretBytes = 32

var encoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// Request is a token to be made.
type Request struct {
	Label string
	Role  store.Role
	// Centre is needed for store.RoleIntake and for no other role.
	Centre string
	// Validity is how long it is accepted, rounded up to the end of a day.
	Validity time.Duration
}

// Create makes a token and returns its secret, which is shown once and kept nowhere. Errors wrap
// ErrRequest or are the store's.
func Create(ctx context.Context, s interface {
	store.Tokens
	store.Centres
}, request Request, now time.Time) (secret string, token store.Token, err error) {
	if err := request.check(); err != nil {
		return "", store.Token{}, err
	}
	if request.Centre != "" {
		centre, err := s.GetCentre(ctx, request.Centre)
		if errors.Is(err, store.ErrNotFound) || err == nil && centre.Archived {
			return "", store.Token{}, fmt.Errorf("%w: there is no centre %q", ErrRequest, request.Centre)
		}
		if err != nil {
			return "", store.Token{}, err
		}
	}
	random := make([]byte, secretBytes)
	id := make([]byte, 5)
	if _, err := rand.Read(random); err != nil {
		return "", store.Token{}, fmt.Errorf("drawing a token: %w", err)
	}
	if _, err := rand.Read(id); err != nil {
		return "", store.Token{}, fmt.Errorf("drawing a token: %w", err)
	}
	secret = prefix + strings.ToLower(encoding.EncodeToString(random))
	token = store.Token{
		ID: strings.ToLower(encoding.EncodeToString(id)), Hash: hash(secret), Label: request.Label,
		Role: request.Role, Centre: request.Centre, ExpiresOn: calendar.Day(calendar.NextDay(now.Add(request.Validity))),
	}
	return secret, token, s.CreateToken(ctx, token)
}

func (r Request) check() error {
	roles := []store.Role{store.RoleCounsellor, store.RoleIntake, store.RoleCoordinator, store.RoleAdministrator}
	printable := !strings.ContainsFunc(r.Label, func(c rune) bool { return !unicode.IsPrint(c) })
	switch {
	case strings.TrimSpace(r.Label) == "" || !utf8.ValidString(r.Label) || !printable || utf8.RuneCountInString(r.Label) > MaxLabel:
		return fmt.Errorf("%w: give it a label of 1 to %d characters, such as the desk that uses it", ErrRequest, MaxLabel)
	case !slices.Contains(roles, r.Role):
		return fmt.Errorf("%w: the role is one of COUNSELLOR, INTAKE, COORDINATOR, ADMINISTRATOR", ErrRequest)
	case r.Role == store.RoleIntake && r.Centre == "":
		return fmt.Errorf("%w: an INTAKE token belongs to a centre: name it", ErrRequest)
	case r.Role != store.RoleIntake && r.Centre != "":
		return fmt.Errorf("%w: only an INTAKE token belongs to a centre", ErrRequest)
	case r.Validity <= 0 || r.Validity > MaxValidity:
		return fmt.Errorf("%w: it is valid for 1 to %d days", ErrRequest, int(MaxValidity.Hours()/24))
	}
	return nil
}

func hash(secret string) [32]byte { return sha256.Sum256([]byte(secret)) }
