package postgres

import (
	"context"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5"
)

// anyNumber lays down anew however many spent codes there are.
const anyNumber = math.MaxInt

// settledRows is up to how many spent codes of a cohort are laid down anew every quarter of an hour. It
// takes well under a second; calls wait for it.
const settledRows = 20_000

// Rewrite implements store.Tally.
//
// All spent codes of a cohort are laid down anew by one transaction, so that they have one xmin; in
// random order, so that neither ctid nor the file tells anything; in a new file, so that nothing is left
// of the old rows. The counters likewise, in the order of their keys. The database's own log keeps the
// old transactions until it is recycled: docs/operations.md says how long that is.
func (s *Store) Rewrite(ctx context.Context) error { return s.rewrite(ctx, anyNumber) }

// Settle implements store.Tally. It does what Rewrite does, but for cohorts whose spent codes are too
// many to make calls wait in the day.
func (s *Store) Settle(ctx context.Context) error { return s.rewrite(ctx, settledRows) }

func (s *Store) rewrite(ctx context.Context, most int) error {
	var years []int
	err := s.read(ctx, func(tx tx) (err error) {
		years, err = collect(tx, pgx.RowTo[int], `SELECT year FROM cohorts WHERE to_regclass('spent_' || year) IS NOT NULL ORDER BY year`)
		return err
	})
	if err != nil {
		return err
	}
	for _, year := range years {
		if err := s.repeat(ctx, func(tx tx) error { return rewriteSpent(tx, year, most) }); err != nil {
			return err
		}
	}
	return s.repeat(ctx, rewriteCounters)
}

func rewriteSpent(tx tx, year int, most int) error {
	// From here on nobody records in this cohort.
	if err := alone(tx, lockYear, year); err != nil {
		return err
	}
	var there bool
	if err := tx.row(`SELECT to_regclass($1) IS NOT NULL`, partition(year)).Scan(&there); err != nil || !there {
		return err // closed meanwhile
	}
	if most != anyNumber {
		var many bool
		err := tx.row(`SELECT $2::bigint < (SELECT count(*) FROM (SELECT FROM spent WHERE year = $1 LIMIT $2 + 1) AS found)`, year, most).Scan(&many)
		if err != nil || many {
			return err
		}
	}
	if err := soon(tx); err != nil {
		return err
	}
	for _, statement := range []string{
		`CREATE TEMPORARY TABLE shuffled ON COMMIT DROP AS SELECT nullifier, kind FROM %[1]s ORDER BY random()`,
		`TRUNCATE %[1]s`,
		`INSERT INTO %[1]s (year, nullifier, kind) SELECT %[2]d, nullifier, kind FROM shuffled`,
	} {
		if err := tx.exec(fmt.Sprintf(statement, partition(year), year)); err != nil {
			return err
		}
	}
	return nil
}

func rewriteCounters(tx tx) error {
	if err := soon(tx); err != nil {
		return err
	}
	for _, statement := range []string{
		`LOCK TABLE counters`,
		`CREATE TEMPORARY TABLE tallied ON COMMIT DROP AS SELECT * FROM counters`,
		`TRUNCATE counters`,
		`INSERT INTO counters SELECT * FROM tallied ORDER BY year, pool, measure, shard`,
	} {
		if err := tx.exec(statement); err != nil {
			return err
		}
	}
	return nil
}

// partition is the table of a cohort's spent codes.
func partition(year int) string { return fmt.Sprintf("spent_%d", year) }
