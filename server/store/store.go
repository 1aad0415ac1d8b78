// Package store is the contract between the server and what it keeps: counters, spent codes,
// cohorts, centres, releases, statements, who may come in, and the record of administration. Backends implement Store in their own dialect and
// pass the suite in storetest.
//
// Three rules bind every backend, and the promises of docs/protocol.md rest on them:
//
//   - Each method is one whole transaction: it happens completely and durably before it returns nil,
//     or not at all. An error that may be either (a connection lost during commit) wraps
//     ErrUnavailable.
//   - Nothing that Record writes carries a time, a serial number, an author or an order: no column,
//     hidden or not, may tell which of two spent codes or counts came first.
//   - No transaction that writes a spent code or a counter writes anything that names a seat, a token
//     or a centre; but for CreateCohort, whose counters are all zero.
package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var (
	// ErrNotFound is returned when the row that a method names does not exist.
	ErrNotFound = errors.New("not found")
	// ErrExists is returned when a row with that identity exists already; nothing was changed.
	ErrExists = errors.New("exists already")
	// ErrConflict is returned when the row is not in the state that the caller expected; nothing was
	// changed, and the caller may read again and decide anew.
	ErrConflict = errors.New("changed meanwhile")
	// ErrUnavailable is wrapped when the store cannot serve: disk full, read-only, locked, away.
	// Unless the method says otherwise nothing was changed, and a later retry may succeed.
	ErrUnavailable = errors.New("the store is not available")
	// ErrUncertain is wrapped, and wraps ErrUnavailable, when the store was lost in the middle of a
	// commit: all was carried out or nothing, and nobody can tell which.
	ErrUncertain = fmt.Errorf("it may or may not have been recorded: %w", ErrUnavailable)
	// ErrSchema is wrapped when the schema is not one this binary knows.
	ErrSchema = errors.New("unknown schema version")
)

// HolderKept is how long it is kept that a process which fell silent held a key.
const HolderKept = 24 * time.Hour

// MaxCallers is how many hashes one call of Callers takes.
const MaxCallers = 256

// Store is everything the server keeps. Methods may be called concurrently.
type Store interface {
	Tally
	Cohorts
	Centres
	Limits
	Tokens
	Members
	Sessions
	Releases
	Statements
	Acts
	Copies

	// Ping writes and reads one row durably, so that it fails when a call would.
	Ping(ctx context.Context) error
	// Close waits for methods under way and releases the store.
	Close() error
}

// Tally counts referrals and arrivals and keeps which codes are spent.
type Tally interface {
	// Record carries out all entries in one transaction, in the order given, and returns one outcome
	// for each. An entry whose cohort is not open, or whose pool it does not have, changes nothing and
	// gives NotOpen; it does not fail the others. The cohort's stage is read inside the transaction.
	//
	// The same nullifier twice in one call is treated as in two calls. Spent codes are inserted so
	// that no trace of the order within a call remains; the caller shuffles as well.
	//
	// After an error wrapping ErrUnavailable all entries were carried out or none. Arrivals, voids and
	// undos may then be retried; counts may not, unless one too many is acceptable.
	Record(ctx context.Context, entries []Entry) ([]Outcome, error)

	// Counts returns the exact counts of a cohort, in every stage. They must not leave the server but
	// through a release. ErrNotFound when there is no such cohort.
	Counts(ctx context.Context, year int) (Counts, error)

	// Settle drops what the store's own log still keeps of the order and time of the latest
	// transactions, where the backend can. It is called every quarter of an hour, by the clock.
	Settle(ctx context.Context) error

	// Rewrite lays the spent codes of every cohort down anew so that neither the place of a row nor
	// any hidden column tells the order of arrival. Concurrent calls are safe.
	Rewrite(ctx context.Context) error
}

// Cohorts keeps cohorts, their pools and their way to being closed.
type Cohorts interface {
	// CreateCohort stores a cohort in StageOpen with its pools and with all its counters at zero.
	// ErrExists when the year has a cohort; ErrConflict when a statement covers it; ErrNotFound when a pool
	// names a centre that does not exist.
	CreateCohort(ctx context.Context, cohort Cohort) error
	// ListCohorts returns all cohorts, latest year first.
	ListCohorts(ctx context.Context) ([]Cohort, error)
	// GetCohort returns one cohort, or ErrNotFound.
	GetCohort(ctx context.Context, year int) (Cohort, error)
	// AddToPool adds a centre to a pool of an open cohort. ErrNotFound when there is no such cohort,
	// pool or centre; ErrExists when the centre is in a pool of that cohort already; ErrConflict when
	// the cohort is not open.
	AddToPool(ctx context.Context, year int, pool uint32, centre string) error
	// AdvanceCohort moves a cohort from one stage to the next of Stages. ErrNotFound when there is no
	// such cohort; ErrConflict when it is not in stage from, or to is not the next. Entering
	// StageClosing waits for no one: from its commit on, Record refuses the cohort. Entering
	// StageClosed also drops the cohort's spent codes, in the same transaction and beyond what deleted
	// pages would give back. When only the latter fails, which comes after the commit, the error wraps
	// ErrUnavailable although the cohort is closed, and Rewrite makes good for it.
	AdvanceCohort(ctx context.Context, year int, from, to Stage) error

	// Beat records that a process is alive now and which cohorts' keys it holds, replacing what it said
	// before; no years means it holds none. It is what closing a cohort waits for. What processes said
	// more than HolderKept ago is dropped: they were killed.
	Beat(ctx context.Context, holder string, years []int) error
	// Holders returns the processes that said they hold the key of a cohort, in order of their names.
	Holders(ctx context.Context, year int) ([]Holder, error)
}

// Centres keeps the treatment centres.
type Centres interface {
	// CreateCentre stores a new centre; ErrExists when its ID is taken.
	CreateCentre(ctx context.Context, centre Centre) error
	// UpdateCentre reads a centre, lets change alter it, and stores it, in one transaction. The ID
	// cannot be altered. ErrNotFound when there is no such centre; an error of change is returned as
	// it is, and nothing is stored.
	UpdateCentre(ctx context.Context, id string, change func(*Centre) error) (Centre, error)
	// GetCentre returns one centre, archived or not, or ErrNotFound.
	GetCentre(ctx context.Context, id string) (Centre, error)
	// ListCentres returns all centres, archived ones included, by ID.
	ListCentres(ctx context.Context) ([]Centre, error)
}

// Limits keeps the counts of wrong codes, which must outlive a restart. They are read with who calls: see
// Tokens.
type Limits interface {
	// AddWrongCode counts one more wrong code of a centre, on a day and in the quarter of an hour that
	// begins at quarter, and returns the counts after it. A day or quarter later than the one kept
	// starts its count at one; an earlier one (a clock set back) goes on with the count that is kept.
	AddWrongCode(ctx context.Context, centre, day string, quarter time.Time) (WrongCodes, error)
}

// Tokens keeps the tokens of machines and devices, hashed.
type Tokens interface {
	// CreateToken stores a token. ErrExists when its ID or hash is taken; ErrNotFound when it names a
	// centre that does not exist.
	CreateToken(ctx context.Context, token Token) error
	// RotateToken stores a token in the place of another of the same kind, which is accepted until a day
	// that is not after its own. ErrNotFound when there is no such token; ErrConflict when it is revoked, or of
	// another kind; ErrExists, and ErrNotFound of a centre, as for CreateToken.
	RotateToken(ctx context.Context, id string, replacement Token, until string) error
	// Callers returns, for each of at most MaxCallers hashes in the order given, who calls with the token or
	// session of that hash, revoked, expired and ended ones and those of removed members included; the zero
	// Caller when nothing has it. All are read in one state of the store, which is not older than the call:
	// this is how one process learns of what another has just revoked, archived or counted.
	Callers(ctx context.Context, hashes [][32]byte) ([]Caller, error)
	// ListTokens returns all tokens by ID.
	ListTokens(ctx context.Context) ([]Token, error)
	// RevokeToken revokes a token for good, and its invitation is gone; revoking one twice is no error.
	// ErrNotFound otherwise.
	RevokeToken(ctx context.Context, id string) error
}

// Releases keeps what was frozen and what was published. Neither is ever changed.
type Releases interface {
	// SaveDraft stores what was frozen at a cut-off. ErrExists when that cohort and cut-off has one:
	// of two processes that freeze at once, one wins.
	SaveDraft(ctx context.Context, draft Draft) error
	// ListDrafts returns the drafts of a cohort, by cut-off.
	ListDrafts(ctx context.Context, year int) ([]Draft, error)
	// AppendRelease stores a published release. ErrExists when its cohort and cut-off is published
	// already; ErrConflict when its number is not one more than the last, or its Previous not the
	// digest of the last.
	AppendRelease(ctx context.Context, release Release) error
	// ListReleases returns all releases, by number.
	ListReleases(ctx context.Context) ([]Release, error)
	// GetRelease returns one release, or ErrNotFound.
	GetRelease(ctx context.Context, number int) (Release, error)
}

// Statements keeps statements from elsewhere. No year has both a statement and a cohort, whatever is
// called at once: an attacker could combine the two.
type Statements interface {
	// PutStatements stores all of the statements or none, each in the place of the one that has its ID, if
	// there is one. ErrConflict when one of their years has a cohort.
	PutStatements(ctx context.Context, statements []Statement) error
	// RemoveStatement removes a statement, or returns ErrNotFound.
	RemoveStatement(ctx context.Context, id string) error
	// ListStatements returns all statements by their first year, then by their last, then by ID.
	ListStatements(ctx context.Context) ([]Statement, error)
}
