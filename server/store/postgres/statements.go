package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"aankomst/server/store"
)

// PutStatements implements store.Statements. That no year has a cohort as well is held by the schema, here
// and in CreateCohort. The lock makes one of two wait that come at once, so that it sees the other; calls
// that only read a cohort do not wait for it.
func (s *Store) PutStatements(ctx context.Context, statements []store.Statement) error {
	return s.repeat(ctx, func(tx tx) error {
		if err := tx.exec(`LOCK TABLE cohorts, statements IN SHARE ROW EXCLUSIVE MODE`); err != nil {
			return err
		}
		changed, err := putStatements(tx, statements)
		if err != nil {
			return err
		}
		for _, each := range changed {
			if err := note(tx, store.ActStatementPut(each)); err != nil {
				return err
			}
		}
		return nil
	})
}

// putStatements returns those that were not there as they are.
func putStatements(tx tx, statements []store.Statement) (changed []store.Statement, err error) {
	for _, s := range statements {
		rows, err := tx.changed(`INSERT INTO statements AS kept (id, from_year, to_year, definition, referrals, arrived_percent, denominator, source)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
			ON CONFLICT (id) DO UPDATE SET from_year = excluded.from_year, to_year = excluded.to_year,
				definition = excluded.definition, referrals = excluded.referrals, arrived_percent = excluded.arrived_percent,
				denominator = excluded.denominator, source = excluded.source
			WHERE kept.* IS DISTINCT FROM excluded.*`,
			s.ID, s.FromYear, s.ToYear, s.Definition, s.Referrals, s.ArrivedPercent, s.Denominator, s.Source)
		if err != nil {
			return nil, err
		}
		if rows > 0 {
			changed = append(changed, s)
		}
	}
	return changed, nil
}

// RemoveStatement implements store.Statements.
func (s *Store) RemoveStatement(ctx context.Context, id string) error {
	return s.write(ctx, func(tx tx) error {
		if err := tx.mustChange(`DELETE FROM statements WHERE id = $1`, id); err != nil {
			return err
		}
		return note(tx, store.ActStatementRemoved(id))
	})
}

// ListStatements implements store.Statements.
func (s *Store) ListStatements(ctx context.Context) (statements []store.Statement, err error) {
	err = s.read(ctx, func(tx tx) (err error) {
		statements, err = listStatements(tx)
		return err
	})
	return statements, err
}

func listStatements(tx tx) ([]store.Statement, error) {
	return collect(tx, scanStatement, `SELECT id, from_year, to_year, definition, referrals, arrived_percent, denominator, source
		FROM statements ORDER BY from_year, to_year, id COLLATE "C"`)
}

func scanStatement(row pgx.CollectableRow) (s store.Statement, err error) {
	return s, row.Scan(&s.ID, &s.FromYear, &s.ToYear, &s.Definition, &s.Referrals, &s.ArrivedPercent, &s.Denominator, &s.Source)
}
