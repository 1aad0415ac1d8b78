package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"aankomst/server/store"
)

// PutStatements implements store.Statements. The schema refuses a year that has a cohort too, and the reverse,
// since programs of the version before do not look.
func (s *Store) PutStatements(ctx context.Context, statements []store.Statement) error {
	return s.write(ctx, func(tx tx) error {
		for _, each := range statements {
			was, err := scanStatement(tx.row(selectStatements+` WHERE id = ?`, each.ID))
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return err
			}
			if was == each {
				continue
			}
			if err := putStatement(tx, each); err != nil {
				return err
			}
			if err := note(tx, store.ActStatementPut(each)); err != nil {
				return err
			}
		}
		return nil
	})
}

func putStatement(tx tx, s store.Statement) error {
	if err := noneOf(tx, `SELECT * FROM cohorts WHERE year BETWEEN ? AND ?`, s.FromYear, s.ToYear); err != nil {
		return err
	}
	return tx.exec(`INSERT OR REPLACE INTO statements (id, from_year, to_year, definition, referrals, arrived_percent, denominator, source)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		s.ID, s.FromYear, s.ToYear, s.Definition, s.Referrals, s.ArrivedPercent, s.Denominator, s.Source)
}

// RemoveStatement implements store.Statements.
func (s *Store) RemoveStatement(ctx context.Context, id string) error {
	return s.write(ctx, func(tx tx) error {
		if err := tx.mustChange(`DELETE FROM statements WHERE id = ?`, id); err != nil {
			return err
		}
		return note(tx, store.ActStatementRemoved(id))
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
	return collect(tx, scanStatement, selectStatements+` ORDER BY from_year, to_year, id`)
}

const selectStatements = `SELECT id, from_year, to_year, definition, referrals, arrived_percent, denominator, source FROM statements`

func scanStatement(row scanner) (s store.Statement, err error) {
	return s, row.Scan(&s.ID, &s.FromYear, &s.ToYear, &s.Definition, &s.Referrals, &s.ArrivedPercent, &s.Denominator, &s.Source)
}
