package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"aankomst/server/calendar"
	"aankomst/server/gather"
	"aankomst/server/store"
)

// readTime bounds one read of who calls: one that hangs must not keep everybody at the door.
const readTime = 10 * time.Second

// Principal is who calls, and what the store knew of them when the call came.
type Principal struct {
	// Token is the token's ID.
	Token string
	Role  store.Role
	// Centre is set for store.RoleIntake alone, and so is what follows.
	Centre string
	// Archived says that the centre is.
	Archived bool
	// Pools are those that the centre is in, of every cohort.
	Pools []store.PoolOf
	// Wrong are the wrong codes of the centre.
	Wrong store.WrongCodes
}

// IsIn reports whether the principal's centre is in a pool of a cohort.
func (p Principal) IsIn(year int, pool uint32) bool {
	return slices.Contains(p.Pools, store.PoolOf{Year: year, Pool: pool})
}

// Door turns bearer tokens into principals. Those who come at the same time are read together, since a
// read from a database server costs half as much as the cryptography of a confirmation. Nothing is kept
// from one read to the next: what another process revoked, archived or counted is seen by the next call.
type Door struct {
	clock   func() time.Time
	callers *gather.Gatherer[[32]byte, store.Caller]
}

// NewDoor returns a door to a store. The clock tells which tokens have expired.
func NewDoor(tokens store.Tokens, clock func() time.Time) *Door {
	return &Door{clock: clock, callers: gather.New(store.MaxCallers, func(hashes [][32]byte) ([]store.Caller, error) {
		ctx, cancel := context.WithTimeout(context.Background(), readTime)
		defer cancel()
		callers, err := tokens.Callers(ctx, hashes)
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("%w: it did not say within %s who calls", store.ErrUnavailable, readTime)
		}
		return callers, err
	})}
}

// Close waits until everybody at the door is answered; later calls get gather.ErrStopped.
func (d *Door) Close() { d.callers.Close() }

// Authenticate returns the principal of a bearer token, read from the store after the call of
// Authenticate. Errors are those of this package, of the store, of gather.Gatherer.Ask, or the context's.
func (d *Door) Authenticate(ctx context.Context, secret string) (Principal, error) {
	if secret == "" {
		return Principal{}, ErrNoToken
	}
	caller, err := d.callers.Ask(ctx, hash(secret))
	token := caller.Token
	switch {
	case err != nil:
		return Principal{}, err
	case token.ID == "":
		return Principal{}, ErrUnknownToken
	case token.Revoked:
		return Principal{}, ErrRevoked
	case calendar.Day(d.clock()) >= token.ExpiresOn:
		return Principal{}, ErrExpired
	}
	return Principal{
		Token: token.ID, Role: token.Role, Centre: token.Centre,
		Archived: caller.Archived, Pools: caller.Pools, Wrong: caller.Wrong,
	}, nil
}
