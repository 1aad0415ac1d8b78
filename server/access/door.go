package access

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"aankomst/server/calendar"
	"aankomst/server/gather"
	"aankomst/server/store"
)

// readTime bounds one read of who calls: one that hangs must not keep everybody at the door.
const readTime = 10 * time.Second

// Credentials are what a call brings to say who calls; mostly one of them.
type Credentials struct {
	// Bearer is a machine's token.
	Bearer string
	// Session and Device are what browsers keep as cookies. Device counts when Session does not let anybody in.
	Session, Device string
}

// Door turns credentials into principals. Those who come at the same time are read together, since a
// read from a database server costs half as much as the cryptography of a confirmation. Nothing that lets
// somebody in is kept from one read to the next: what another process revoked, ended, archived or counted is seen by the
// next call.
//
// Which sessions let somebody in is remembered until Uses takes it, and written by the clock, not by the call.
type Door struct {
	clock   func() time.Time
	callers *gather.Gatherer[[32]byte, store.Caller]
	// wrong counts what nobody knows, by address.
	wrong *addresses

	mu   sync.Mutex
	uses store.Uses
	// taken are the sessions that Uses has given out last: the store may not have them yet.
	taken map[[32]byte]time.Time
}

// NewDoor returns a door to a store. The clock tells what has expired.
func NewDoor(tokens store.Tokens, clock func() time.Time) *Door {
	d := &Door{clock: clock, wrong: newAddresses(clock, time.Minute, wrongPerMinute)}
	d.callers = gather.New(store.MaxCallers, func(hashes [][32]byte) ([]store.Caller, error) {
		ctx, cancel := context.WithTimeout(context.Background(), readTime)
		defer cancel()
		callers, err := tokens.Callers(ctx, hashes)
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("%w: it did not say within %s who calls", store.ErrUnavailable, readTime)
		}
		return callers, err
	})
	d.forgetUses()
	return d
}

// Close waits until everybody at the door is answered; later calls get gather.ErrStopped.
func (d *Door) Close() { d.callers.Close() }

// Authenticate returns the principal of credentials that come from an address, read from the store after the
// call of Authenticate. What nobody knows is told so a few times a minute and address, and gets an
// *AttemptsError after that. Other errors are those of this package, of the store, of gather.Gatherer.Ask, or
// the context's.
func (d *Door) Authenticate(ctx context.Context, c Credentials, from string) (Principal, error) {
	switch {
	case c.Bearer != "":
		return d.token(ctx, c.Bearer, store.KindMachine, from)
	case c.Session != "":
		principal, err := d.session(ctx, c.Session, from)
		// A session that is over stays in the browser: it must not shut the door on a device that is known.
		var limited *AttemptsError
		if c.Device == "" || !errors.Is(err, ErrSignedOut) && !errors.As(err, &limited) {
			return principal, err
		}
	}
	if c.Device == "" {
		return Principal{}, ErrNobody
	}
	return d.token(ctx, c.Device, store.KindDevice, from)
}

func (d *Door) token(ctx context.Context, secret string, kind store.TokenKind, from string) (Principal, error) {
	caller, err := d.callers.Ask(ctx, hash(secret))
	token := caller.Token
	switch {
	case err != nil:
		return Principal{}, err
	case token.ID == "" || token.Kind != kind:
		return Principal{}, d.strange(from, ErrUnknownToken)
	case token.Revoked:
		return Principal{}, ErrRevoked
	case calendar.Day(d.clock()) >= token.ExpiresOn:
		return Principal{}, ErrExpired
	}
	p := principal(caller)
	p.Kind, p.ID, p.Label, p.Role, p.Centre = Machine, token.ID, token.Label, token.Role, token.Centre
	if kind == store.KindDevice {
		p.Kind = Device
	}
	return p, nil
}

func (d *Door) session(ctx context.Context, secret, from string) (Principal, error) {
	caller, err := d.callers.Ask(ctx, hash(secret))
	session, member := caller.Session, caller.Member
	switch {
	case err != nil:
		return Principal{}, err
	case session.Member == "":
		return Principal{}, d.strange(from, ErrSignedOut)
	case member.Removed || hasEnded(session, member.Role, d.lastUse(session), d.clock()):
		return Principal{}, ErrSignedOut
	}
	p := principal(caller)
	p.Kind, p.ID, p.Label, p.Role, p.Centre, p.Session = Seat, member.ID, member.Label, member.Role, member.Centre, session
	d.mu.Lock()
	defer d.mu.Unlock()
	d.uses.Sessions[session.Hash] = calendar.Quarter(d.clock())
	return p, nil
}

// principal is what callers of every kind have in common.
func principal(caller store.Caller) Principal {
	return Principal{Archived: caller.Archived, Pools: caller.Pools, Wrong: caller.Wrong}
}

// strange counts a secret that nobody knows, and returns what its caller is told.
func (d *Door) strange(from string, err error) error {
	if limited := d.wrong.check(from); limited != nil {
		return limited
	}
	d.wrong.add(from)
	return err
}

// Note notes the use of a machine's token, to the day. Not every call is to be noted: the last use of a
// centre's token would tell of its last arrival.
func (d *Door) Note(machine Principal) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.uses.Tokens[machine.ID] = calendar.Day(d.clock())
}

// lastUse is when a session was last used, as far as the store or this process knows.
func (d *Door) lastUse(session store.Session) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	last := session.UsedAt
	for _, here := range []time.Time{d.taken[session.Hash], d.uses.Sessions[session.Hash]} {
		if here.After(last) {
			last = here
		}
	}
	return last
}

// Uses returns the uses since the call before, to be given to store.Sessions.Used; when that fails, give
// them back to Remember.
func (d *Door) Uses() store.Uses {
	d.mu.Lock()
	defer d.mu.Unlock()
	uses := d.uses
	d.taken = uses.Sessions
	d.forgetUses()
	return uses
}

// Remember takes uses back that could not be written. Later ones stay.
func (d *Door) Remember(uses store.Uses) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for sum, at := range uses.Sessions {
		if at.After(d.uses.Sessions[sum]) {
			d.uses.Sessions[sum] = at
		}
	}
	for id, on := range uses.Tokens {
		d.uses.Tokens[id] = max(on, d.uses.Tokens[id])
	}
}

func (d *Door) forgetUses() {
	d.uses = store.Uses{Sessions: map[[32]byte]time.Time{}, Tokens: map[string]string{}}
}
