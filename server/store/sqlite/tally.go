package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"aankomst/server/store"
	"aankomst/server/store/book"
)

// Record implements store.Tally.
func (s *Store) Record(ctx context.Context, entries []store.Entry) ([]store.Outcome, error) {
	if err := book.Check(entries); err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	if len(entries) == 0 {
		return nil, nil
	}
	var outcomes []store.Outcome
	err := s.write(ctx, func(tx tx) error {
		b, err := load(tx, entries)
		if err != nil {
			return err
		}
		outcomes = b.Play(entries)
		return save(tx, b)
	})
	if err != nil {
		return nil, err
	}
	return outcomes, nil
}

// load reads what entries touch: the cohorts that are open with their counters, and their codes.
func load(tx tx, entries []store.Entry) (*book.Book, error) {
	b, known := book.New(), map[int]bool{}
	look, err := tx.PrepareContext(tx.ctx, `SELECT kind FROM spent WHERE year = ? AND nullifier = ?`)
	if err != nil {
		return nil, err
	}
	defer look.Close()
	for _, e := range entries {
		if !known[e.Year] {
			known[e.Year] = true
			if err := loadCohort(tx, b, e.Year); err != nil {
				return nil, err
			}
		}
		code, spends := book.CodeOf(e)
		if !spends {
			continue
		}
		var kind book.Kind
		err := look.QueryRowContext(tx.ctx, code.Year, code.Nullifier[:]).Scan(&kind)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return nil, err
		}
		b.Spent(code, kind)
	}
	return b, nil
}

func loadCohort(tx tx, b *book.Book, year int) error {
	stage, err := stageOf(tx, year)
	if errors.Is(err, sql.ErrNoRows) || err == nil && stage != store.StageOpen {
		return nil
	}
	if err != nil {
		return err
	}
	counters, err := countersOf(tx, year)
	var pools []uint32
	for counter, count := range counters {
		b.Count(counter, count)
		if counter.Measure == book.Issued { // each pool has this one once
			pools = append(pools, counter.Pool)
		}
	}
	b.Open(year, pools...)
	return err
}

const insertSpent = `INSERT INTO spent (year, nullifier, kind) VALUES (?, ?, ?)`

// save writes what is not as it was, the codes in the order of their nullifiers. SQLite lays rows down
// within a page as they come, so any other order would stay readable until the next Rewrite.
func save(tx tx, b *book.Book) error {
	for counter, count := range b.Counted() {
		err := setCounter(tx, counter, count.Now)
		if err == nil && count.Was == count.Now {
			// SQLite writes no page that is as it was: the bit of the health check stands in for it.
			err = tx.exec(flipProbe)
		}
		if err != nil {
			return err
		}
	}
	changed := b.Codes()
	if len(changed) == 0 {
		return nil
	}
	insert, err := tx.PrepareContext(tx.ctx, insertSpent)
	if err != nil {
		return err
	}
	defer insert.Close()
	for _, c := range changed {
		if c.Was != book.Unspent {
			err := tx.exec(`DELETE FROM spent WHERE year = ? AND nullifier = ?`, c.Year, c.Nullifier[:])
			if err != nil {
				return err
			}
		}
		if c.Now != book.Unspent {
			if _, err := insert.ExecContext(tx.ctx, c.Year, c.Nullifier[:], c.Now); err != nil {
				return err
			}
		}
	}
	return nil
}

func setCounter(tx tx, c book.Counter, count int) error {
	return tx.exec(`UPDATE counters SET count = ? WHERE year = ? AND pool = ? AND measure = ?`, count, c.Year, c.Pool, c.Measure)
}

// countersOf reads the counters of a cohort; none when there is no such cohort.
func countersOf(tx tx, year int) (map[book.Counter]int, error) {
	counters := map[book.Counter]int{}
	_, err := collect(tx, func(row scanner) (c book.Counter, err error) {
		var count int
		c.Year = year
		err = row.Scan(&c.Pool, &c.Measure, &count)
		counters[c] = count
		return c, err
	}, `SELECT pool, measure, count FROM counters WHERE year = ?`, year)
	return counters, err
}

// Counts implements store.Tally.
func (s *Store) Counts(ctx context.Context, year int) (store.Counts, error) {
	var counters map[book.Counter]int
	err := s.read(ctx, func(tx tx) (err error) {
		counters, err = countersOf(tx, year)
		return err
	})
	if err == nil && len(counters) == 0 {
		err = store.ErrNotFound
	}
	if err != nil {
		return store.Counts{}, err
	}
	return book.Tabulate(year, counters), nil
}
