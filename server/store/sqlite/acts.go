package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"aankomst/server/store"
)

// Note implements store.Acts.
func (s *Store) Note(ctx context.Context, act store.Act) error {
	return s.write(ctx, func(tx tx) error { return note(tx, act) })
}

// note appends an act to the record, in the transaction that does it; nothing when it has no Action.
func note(tx tx, act store.Act) error {
	if act.Action == "" {
		return nil
	}
	last, err := scanAct(tx.row(selectActs + ` ORDER BY number DESC LIMIT 1`))
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	return insertAct(tx, act.After(tx.ctx, last))
}

func insertAct(tx tx, a store.Act) error {
	digest := a.Digest()
	return tx.exec(`INSERT INTO acts (number, at, by_whom, action, target, detail, previous, digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		a.Number, quarterOf(a.At), a.By, a.Action, a.Target, a.Detail, a.Previous[:], digest[:])
}

const selectActs = `SELECT number, at, by_whom, action, target, detail, previous FROM acts`

func scanAct(row scanner) (a store.Act, err error) {
	return a, row.Scan(&a.Number, seconds{&a.At}, &a.By, &a.Action, &a.Target, &a.Detail, (*bytes32)(&a.Previous))
}

// ListActs implements store.Acts.
func (s *Store) ListActs(ctx context.Context, after, most int) (acts []store.Act, err error) {
	err = s.read(ctx, func(tx tx) error {
		acts, err = collect(tx, scanAct, selectActs+` WHERE number > ? ORDER BY number LIMIT ?`, after, most)
		return err
	})
	return acts, err
}
