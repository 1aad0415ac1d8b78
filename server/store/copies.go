package store

import (
	"context"
	"iter"
)

// Copies carries everything that one store keeps to another, of whatever backend: to a backup, and back
// out of it.
type Copies interface {
	// Snapshot calls do once with what is kept in one state of the store, which is not older than the
	// call, and returns its error as it is. The store can be used meanwhile; but CreateCohort, Settle,
	// Rewrite, Used and entering StageClosed may find it in their way, and then wrap ErrUnavailable.
	Snapshot(ctx context.Context, do func(Snapshot) error) error
	// Fill puts a snapshot into an empty store, where it is then read as it was. ErrConflict when anything
	// is kept there already. An error that from.Spent yields is returned as it is. Spent codes are
	// inserted in the order that from.Spent yields them, which must tell nothing: see Snapshot.
	Fill(ctx context.Context, from Snapshot) error
}

// Snapshot is everything that a store keeps, but for which processes hold keys, and for what begins and
// ends with signing in: sessions, ceremonies, invitations and attempts. Its lists are in the
// order in which the store lists them; drafts are ordered by year before that.
type Snapshot struct {
	Centres []Centre
	Cohorts []Cohort
	// Counts are those of Cohorts, in the same order.
	Counts []Counts
	// WrongCodes are those of each centre that has any, by its ID.
	WrongCodes map[string]WrongCodes
	Tokens     []Token
	Members    []Member
	// Passkeys are those of all members.
	Passkeys []Passkey
	// Acts are the whole record.
	Acts       []Act
	Drafts     []Draft
	Releases   []Release
	Statements []Statement
	// Spent yields the spent codes of all cohorts, by year and then by nullifier: any other order could
	// tell which came first. There may be millions. It may be ranged over once, before the
	// function that was given the snapshot returns, and yields nothing more after an error.
	Spent iter.Seq2[SpentCode, error]
}

// SpentCode is a code that is spent, as it is kept.
type SpentCode struct {
	Year      int
	Nullifier Nullifier
	// Voided says that it was voided; it has arrived otherwise.
	Voided bool
}
