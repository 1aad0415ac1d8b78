package sqlite

import (
	"context"

	"aankomst/server/store"
)

// PutStatements implements store.Statements. The schema refuses a year that has a cohort too, and the reverse,
// since programs of the version before do not look.
func (s *Store) PutStatements(ctx context.Context, statements []store.Statement) error {
	return s.write(ctx, func(tx tx) error { return putStatements(tx, statements) })
}

func putStatements(tx tx, statements []store.Statement) error {
	for _, s := range statements {
		if err := noneOf(tx, `SELECT * FROM cohorts WHERE year BETWEEN ? AND ?`, s.FromYear, s.ToYear); err != nil {
			return err
		}
		err := tx.exec(`INSERT OR REPLACE INTO statements (id, from_year, to_year, definition, referrals, arrived_percent, denominator, source)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			s.ID, s.FromYear, s.ToYear, s.Definition, s.Referrals, s.ArrivedPercent, s.Denominator, s.Source)
		if err != nil {
			return err
		}
	}
	return nil
}

// noneOf gives store.ErrConflict when a query finds anything.
func noneOf(tx tx, query string, args ...any) error {
	var found bool
	err := tx.row(`SELECT EXISTS (`+query+`)`, args...).Scan(&found)
	if err == nil && found {
		return store.ErrConflict
	}
	return err
}

// RemoveStatement implements store.Statements.
func (s *Store) RemoveStatement(ctx context.Context, id string) error {
	return s.write(ctx, func(tx tx) error {
		removed, err := tx.changed(`DELETE FROM statements WHERE id = ?`, id)
		if err == nil && removed == 0 {
			return store.ErrNotFound
		}
		return err
	})
}

// ListStatements implements store.Statements.
func (s *Store) ListStatements(ctx context.Context) (statements []store.Statement, err error) {
	err = s.read(ctx, func(tx tx) error {
		statements, err = listStatements(tx)
		return err
	})
	return statements, err
}

func listStatements(tx tx) ([]store.Statement, error) {
	return collect(tx, scanStatement, `SELECT id, from_year, to_year, definition, referrals, arrived_percent, denominator, source
		FROM statements ORDER BY from_year, to_year, id`)
}

func scanStatement(row scanner) (s store.Statement, err error) {
	return s, row.Scan(&s.ID, &s.FromYear, &s.ToYear, &s.Definition, &s.Referrals, &s.ArrivedPercent, &s.Denominator, &s.Source)
}
