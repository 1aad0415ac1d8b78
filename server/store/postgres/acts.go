package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"aankomst/server/store"
)

// Note implements store.Acts.
func (s *Store) Note(ctx context.Context, act store.Act) error {
	return s.write(ctx, func(tx tx) error { return note(tx, act) })
}

// note appends an act to the record, in the transaction that does it; nothing when it has no Action. It comes
// last in a transaction, so that whoever has the lock of the record waits for no other.
func note(tx tx, act store.Act) error {
	if act.Action == "" {
		return nil
	}
	if err := alone(tx, lockActs, 0); err != nil {
		return err
	}
	last, err := one(tx, scanAct, selectActs+` ORDER BY number DESC LIMIT 1`)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	return insertAct(tx, act.After(tx.ctx, last))
}

func insertAct(tx tx, a store.Act) error {
	digest := a.Digest()
	return tx.exec(`INSERT INTO acts (number, at, by_whom, action, target, detail, previous, digest) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		a.Number, quarterOf(a.At), a.By, a.Action, a.Target, a.Detail, a.Previous[:], digest[:])
}

const selectActs = `SELECT number, at, by_whom, action, target, detail, previous FROM acts`

func scanAct(row pgx.CollectableRow) (a store.Act, err error) {
	return a, row.Scan(&a.Number, seconds{&a.At}, &a.By, &a.Action, &a.Target, &a.Detail, (*bytes32)(&a.Previous))
}

// ListActs implements store.Acts.
func (s *Store) ListActs(ctx context.Context, after, most int) (acts []store.Act, err error) {
	err = s.read(ctx, func(tx tx) (err error) {
		acts, err = collect(tx, scanAct, selectActs+` WHERE number > $1 ORDER BY number LIMIT $2`, after, most)
		return err
	})
	return acts, err
}
