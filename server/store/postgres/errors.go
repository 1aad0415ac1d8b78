package postgres

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"aankomst/server/store"
)

// ErrAddress is wrapped when the address of the database cannot be read.
var ErrAddress = errors.New("the address of the database cannot be used")

// errAgain is returned when another transaction came between; nothing was changed.
var errAgain = errors.New("another transaction came between")

// The words of errors say what to do. They quote no statement and no value: PostgreSQL's own can.
const (
	wordsFull    = "the database's disk is full: make room"
	wordsAway    = "the database cannot be reached: check that it runs, and the network"
	wordsBusy    = "other transactions kept coming between: try again"
	wordsRead    = "a backup is being made, or something else reads the whole database: try again when it is over"
	wordsSignIn  = "the database lets this user in no more, or not yet: check user, password and pg_hba.conf"
	wordsRights  = "the database user may not do this: it must own the database"
	wordsMissing = "there is no such database: create it, owned by the user that the server signs in as"
)

// unavailable is an error that wraps store.ErrUnavailable.
func unavailable(words string) error { return fmt.Errorf("%w: %s", store.ErrUnavailable, words) }

// uncertain is an error that wraps store.ErrUncertain.
func uncertain(words string) error { return fmt.Errorf("%w: %s", store.ErrUncertain, words) }

// uncommitted says what the failure of a commit means. What the server refused with an ERROR was not
// committed. When it ends the connection instead, whatever the SQLSTATE, the commit may be in the log
// already: it may have waited for its standby, or the disk have become full under it. Silence may be
// either.
func uncommitted(err error) error {
	var refused *pgconn.PgError
	if errors.Is(err, pgx.ErrTxCommitRollback) || errors.As(err, &refused) && refused.SeverityUnlocalized == "ERROR" && !lost(refused) {
		return err
	}
	return uncertain("the connection was lost during the commit")
}

// demoted is the SQLSTATE of a server that can only be read, as a primary that was made a standby.
const demoted = "25006"

// lost reports whether an error is the server's word for a connection that is over.
func lost(err *pgconn.PgError) bool { return err.Code[:2] == "57" || err.Code[:2] == "08" }

// passes reports whether an attempt failed for a reason that may be gone the next time, and changed
// nothing. It is not asked about commits but through uncommitted.
func passes(err error) bool {
	var refused *pgconn.PgError
	switch {
	case ours(err): // ErrTraces and store.ErrUncertain too
		return false
	case errors.Is(err, errAgain):
		return true
	case errors.As(err, &refused):
		switch refused.Code {
		case "40001", "40P01", // serialization failure, deadlock
			demoted,
			"53300": // too many connections
			return true
		}
		return lost(refused)
	}
	// What is neither the server's nor ours is the network's.
	return true
}

// ours reports whether an error is one of the contract's, or of a function that a caller handed in.
func ours(err error) bool {
	var callers failure
	return errors.As(err, &callers) || errors.Is(err, pgx.ErrNoRows) || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrExists) ||
		errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrLastAdministrator) || errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrSchema)
}

// failure is an error of a function that a caller handed in.
type failure struct{ error }

func (f failure) Unwrap() error { return f.error }

// plain puts an error of the database in the contract's terms.
func plain(err error) error {
	var refused *pgconn.PgError
	var callers failure
	switch {
	case err == nil:
		return nil
	case errors.As(err, &callers):
		return callers.error
	case errors.Is(err, pgx.ErrNoRows):
		return store.ErrNotFound
	case ours(err):
		return err
	case errors.Is(err, errAgain):
		return unavailable(wordsBusy)
	case errors.As(err, &refused):
		return refusal(refused.Code)
	default:
		return unavailable(wordsAway)
	}
}

// refusal says what an SQLSTATE means to whoever runs the server.
func refusal(code string) error {
	switch code {
	case "23505": // unique
		return store.ErrExists
	case "22021": // a byte that no text of the database holds: nothing has such a name
		return store.ErrNotFound
	case "23503": // foreign key
		return store.ErrNotFound
	case "23P01": // a cohort and a statement of one year
		return store.ErrConflict
	case "40001", "40P01":
		return unavailable(wordsBusy)
	case "55P03": // a lock was waited for as long as may be
		return unavailable(wordsRead)
	case "53100":
		return unavailable(wordsFull)
	case "28000", "28P01":
		return unavailable(wordsSignIn)
	case "3D000":
		return unavailable(wordsMissing)
	case "42501", "42P01": // a table that is there for another role
		return unavailable(wordsRights)
	}
	switch code[:2] {
	case "08", "57", "25":
		return unavailable(wordsAway)
	case "53", "58", "XX": // no room for it, the system's or its own failure
		return unavailable("the database failed, most likely for lack of room or memory: see its log (SQLSTATE " + code + ")")
	}
	return fmt.Errorf("postgres: unexpected SQLSTATE %s", code)
}
