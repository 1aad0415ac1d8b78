package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"aankomst/server/store"
)

// quarterHour is the finest time that is kept of anybody.
const quarterHour = 15 * time.Minute

// quarterOf is the quarter of an hour of a time, as it is kept.
func quarterOf(t time.Time) int64 { return t.Truncate(quarterHour).Unix() }

func wrongCodes(tx tx, centre string) (wrong store.WrongCodes, err error) {
	err = tx.row(`SELECT day, in_day, quarter, in_quarter FROM wrong_codes WHERE centre = ?`, centre).
		Scan(&wrong.Day, &wrong.InDay, seconds{&wrong.Quarter}, &wrong.InQuarter)
	if errors.Is(err, sql.ErrNoRows) {
		return store.WrongCodes{}, nil
	}
	return wrong, err
}

// AddWrongCode implements store.Limits.
func (s *Store) AddWrongCode(ctx context.Context, centre, day string, quarter time.Time) (wrong store.WrongCodes, err error) {
	quarter = quarter.UTC().Truncate(quarterHour)
	err = s.write(ctx, func(tx tx) error {
		if wrong, err = wrongCodes(tx, centre); err != nil {
			return err
		}
		if day > wrong.Day {
			wrong.Day, wrong.InDay = day, 0
		}
		if quarter.After(wrong.Quarter) {
			wrong.Quarter, wrong.InQuarter = quarter, 0
		}
		wrong.InDay++
		wrong.InQuarter++
		return setWrongCodes(tx, centre, wrong)
	})
	if err != nil {
		return store.WrongCodes{}, err
	}
	return wrong, nil
}

func setWrongCodes(tx tx, centre string, wrong store.WrongCodes) error {
	return tx.exec(`INSERT OR REPLACE INTO wrong_codes (centre, day, in_day, quarter, in_quarter) VALUES (?, ?, ?, ?, ?)`,
		centre, wrong.Day, wrong.InDay, wrong.Quarter.Unix(), wrong.InQuarter)
}

// allWrongCodes reads the wrong codes of every centre, by its ID.
func allWrongCodes(tx tx) (map[string]store.WrongCodes, error) {
	all := map[string]store.WrongCodes{}
	_, err := collect(tx, func(row scanner) (centre string, err error) {
		var wrong store.WrongCodes
		err = row.Scan(&centre, &wrong.Day, &wrong.InDay, seconds{&wrong.Quarter}, &wrong.InQuarter)
		all[centre] = wrong
		return centre, err
	}, `SELECT centre, day, in_day, quarter, in_quarter FROM wrong_codes`)
	return all, err
}
