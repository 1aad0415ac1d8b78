package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"aankomst/server/store"
)

func scanWrongCodes(row pgx.CollectableRow) (wrong store.WrongCodes, err error) {
	return wrong, row.Scan(&wrong.Day, &wrong.InDay, seconds{&wrong.Quarter}, &wrong.InQuarter)
}

// allWrongCodes reads the wrong codes of every centre, by its ID.
func allWrongCodes(tx tx) (map[string]store.WrongCodes, error) {
	rows, err := tx.Query(tx.ctx, `SELECT centre, day, in_day, quarter, in_quarter FROM wrong_codes`)
	if err != nil {
		return nil, err
	}
	all, centre, wrong := map[string]store.WrongCodes{}, "", store.WrongCodes{}
	_, err = pgx.ForEachRow(rows, []any{&centre, &wrong.Day, &wrong.InDay, seconds{&wrong.Quarter}, &wrong.InQuarter}, func() error {
		all[centre] = wrong
		return nil
	})
	return all, err
}

func setWrongCodes(tx tx, centre string, wrong store.WrongCodes) error {
	return tx.exec(`INSERT INTO wrong_codes (centre, day, in_day, quarter, in_quarter) VALUES ($1, $2, $3, $4, $5)`,
		centre, wrong.Day, wrong.InDay, quarterOf(wrong.Quarter), wrong.InQuarter)
}

// AddWrongCode implements store.Limits.
func (s *Store) AddWrongCode(ctx context.Context, centre, day string, quarter time.Time) (wrong store.WrongCodes, err error) {
	err = s.write(ctx, func(tx tx) (err error) {
		wrong, err = one(tx, scanWrongCodes, `INSERT INTO wrong_codes AS kept (centre, day, in_day, quarter, in_quarter)
			VALUES ($1, $2, 1, $3, 1)
			ON CONFLICT (centre) DO UPDATE SET
				day = greatest(kept.day COLLATE "C", excluded.day),
				in_day = 1 + CASE WHEN excluded.day COLLATE "C" > kept.day THEN 0 ELSE kept.in_day END,
				quarter = greatest(kept.quarter, excluded.quarter),
				in_quarter = 1 + CASE WHEN excluded.quarter > kept.quarter THEN 0 ELSE kept.in_quarter END
			RETURNING day, in_day, quarter, in_quarter`,
			centre, day, quarterOf(quarter))
		return err
	})
	return wrong, err
}
