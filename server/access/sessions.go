package access

import (
	"time"

	"aankomst/server/calendar"
	"aankomst/server/store"
)

// freshFor is how long a proof counts as a fresh one, from the beginning of its quarter of an hour: fifteen
// to thirty minutes.
const freshFor = 30 * time.Minute

// quarter is how coarse the times of sessions are.
const quarter = 15 * time.Minute

// Lifetime is how long a session of a role lasts.
type Lifetime struct {
	// Idle is for how long it lasts without a call, up to a quarter of an hour longer.
	Idle time.Duration
	// Whole is how long it lasts at most, up to a quarter of an hour shorter.
	Whole time.Duration
}

// Lifetimes are those of each role. A counsellor may talk to a caller for a long time without a call to the
// server, and must not be signed out then; at a centre the screen may stand where others come by, and the
// work takes a minute; an administrator can do most harm.
var Lifetimes = map[store.Role]Lifetime{
	store.RoleCounsellor:    {Idle: 3 * time.Hour, Whole: 12 * time.Hour},
	store.RoleIntake:        {Idle: 15 * time.Minute, Whole: 2 * time.Hour},
	store.RoleCoordinator:   {Idle: time.Hour, Whole: 12 * time.Hour},
	store.RoleAdministrator: {Idle: 30 * time.Minute, Whole: 8 * time.Hour},
}

// NewSession draws a session of a member that begins now, with its secret. Nobody is signed in before the
// store has it.
func NewSession(member store.Member, now time.Time) (secret string, session store.Session) {
	at := calendar.Quarter(now)
	secret = newSecret(sessionPrefix)
	return secret, store.Session{
		Hash: hash(secret), Member: member.ID, StartedAt: at, UsedAt: at, ProvedAt: at,
		EndsAt: at.Add(Lifetimes[member.Role].Whole),
	}
}

// hasEnded reports whether a session of a role that was last used in a quarter of an hour is over.
func hasEnded(session store.Session, role store.Role, used, now time.Time) bool {
	idle := used.Add(quarter + Lifetimes[role].Idle)
	return !now.Before(session.EndsAt) || !now.Before(idle) || now.Before(session.StartedAt)
}

// HasEnded reports whether a session of a role is over, as far as the store knows.
func HasEnded(session store.Session, role store.Role, now time.Time) bool {
	return hasEnded(session, role, session.UsedAt, now)
}
