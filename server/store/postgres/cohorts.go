package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"aankomst/server/store"
	"aankomst/server/store/book"
)

// CreateCohort implements store.Cohorts. A pool that names an unknown centre gives store.ErrNotFound, and a
// year that a statement covers is refused by the schema.
func (s *Store) CreateCohort(ctx context.Context, c store.Cohort) error {
	c.Stage = store.StageOpen
	return s.write(ctx, func(tx tx) error {
		if err := createCohort(tx, c); err != nil {
			return err
		}
		return note(tx, store.ActCohortOpened(c))
	})
}

// createCohort makes a cohort in its stage, with a place for its spent codes unless it is closed.
func createCohort(tx tx, c store.Cohort) error {
	if err := alone(tx, lockYear, c.Year); err != nil {
		return err
	}
	err := tx.exec(`INSERT INTO cohorts (year, layout, public_key, stage, opened_on, escrow_recipients, escrow_digest)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		c.Year, c.Layout, c.PublicKey, c.Stage, c.OpenedOn, list(c.EscrowRecipients), c.EscrowDigest[:])
	if err != nil {
		return err
	}
	if err := createCounters(tx, c.Year, book.WholeCohort, book.CohortMeasures); err != nil {
		return err
	}
	for _, pool := range c.Pools {
		if err := tx.exec(`INSERT INTO pools (year, number, name) VALUES ($1, $2, $3)`, c.Year, pool.Number, pool.Name); err != nil {
			return err
		}
		for _, centre := range pool.Centres {
			if err := addToPool(tx, c.Year, pool.Number, centre); err != nil {
				return err
			}
		}
		if err := createCounters(tx, c.Year, pool.Number, book.PoolMeasures); err != nil {
			return err
		}
	}
	if c.Stage == store.StageClosed {
		return nil
	}
	if err := soon(tx); err != nil {
		return err
	}
	return tx.exec(fmt.Sprintf(`CREATE TABLE %s PARTITION OF spent FOR VALUES IN (%d)`, partition(c.Year), c.Year))
}

func createCounters(tx tx, year int, pool uint32, measures []string) error {
	return tx.exec(`INSERT INTO counters (year, pool, measure, shard, count)
		SELECT $1, $2, measure, shard, 0 FROM unnest($3::text[]) AS measure, generate_series(0, $4 - 1) AS shard`,
		year, pool, measures, shards)
}

func addToPool(tx tx, year int, pool uint32, centre string) error {
	return tx.exec(`INSERT INTO pool_centres (year, pool, centre) VALUES ($1, $2, $3)`, year, pool, centre)
}

const selectCohorts = `SELECT year, layout, public_key, stage, opened_on, escrow_recipients, escrow_digest,
	ARRAY(SELECT number FROM pools WHERE pools.year = cohorts.year ORDER BY number),
	ARRAY(SELECT name FROM pools WHERE pools.year = cohorts.year ORDER BY number),
	ARRAY(SELECT pool FROM pool_centres AS c WHERE c.year = cohorts.year ORDER BY pool, centre COLLATE "C"),
	ARRAY(SELECT centre FROM pool_centres AS c WHERE c.year = cohorts.year ORDER BY pool, centre COLLATE "C")
	FROM cohorts`

// scanCohort reads a cohort with its pools, which come as columns of numbers, names and centres.
func scanCohort(row pgx.CollectableRow) (c store.Cohort, err error) {
	var digest []byte
	var numbers, pools []uint32
	var names, centres []string
	err = row.Scan(&c.Year, &c.Layout, &c.PublicKey, &c.Stage, &c.OpenedOn, &c.EscrowRecipients, &digest,
		&numbers, &names, &pools, &centres)
	if err != nil {
		return c, err
	}
	copy(c.EscrowDigest[:], digest)
	for i, number := range numbers {
		pool := store.Pool{Number: number, Name: names[i]}
		for j, of := range pools {
			if of == number {
				pool.Centres = append(pool.Centres, centres[j])
			}
		}
		c.Pools = append(c.Pools, pool)
	}
	return c, nil
}

// ListCohorts implements store.Cohorts.
func (s *Store) ListCohorts(ctx context.Context) (cohorts []store.Cohort, err error) {
	err = s.read(ctx, func(tx tx) (err error) {
		cohorts, err = collect(tx, scanCohort, selectCohorts+` ORDER BY year DESC`)
		return err
	})
	return cohorts, err
}

// GetCohort implements store.Cohorts.
func (s *Store) GetCohort(ctx context.Context, year int) (cohort store.Cohort, err error) {
	err = s.read(ctx, func(tx tx) (err error) {
		cohort, err = one(tx, scanCohort, selectCohorts+` WHERE year = $1`, year)
		return err
	})
	return cohort, err
}

// AddToPool implements store.Cohorts.
func (s *Store) AddToPool(ctx context.Context, year int, pool uint32, centre string) error {
	return s.write(ctx, func(tx tx) error {
		if err := inCommon(tx, lockYear, year); err != nil {
			return err
		}
		stage, err := stageOf(tx, year)
		if err != nil {
			return err
		}
		if stage != store.StageOpen {
			return store.ErrConflict
		}
		if err := addToPool(tx, year, pool, centre); err != nil {
			return err
		}
		return note(tx, store.ActPoolJoined(year, pool, centre))
	})
}

func stageOf(tx tx, year int) (stage store.Stage, err error) {
	return stage, tx.row(`SELECT stage FROM cohorts WHERE year = $1`, year).Scan(&stage)
}

// AdvanceCohort implements store.Cohorts. The lock lets batches under way end first, and makes later
// ones read the new stage.
func (s *Store) AdvanceCohort(ctx context.Context, year int, from, to store.Stage) error {
	return s.write(ctx, func(tx tx) error {
		if err := alone(tx, lockYear, year); err != nil {
			return err
		}
		stage, err := stageOf(tx, year)
		if err != nil {
			return err
		}
		if stage != from || to == "" || from.Next() != to {
			return store.ErrConflict
		}
		if err := tx.exec(`UPDATE cohorts SET stage = $1 WHERE year = $2`, to, year); err != nil {
			return err
		}
		if to == store.StageClosed {
			if err := dropSpent(tx, year); err != nil {
				return err
			}
		}
		return note(tx, store.ActCohortAdvanced(year, to))
	})
}

func dropSpent(tx tx, year int) error {
	if err := soon(tx); err != nil {
		return err
	}
	return tx.exec(`DROP TABLE ` + partition(year))
}

// clock is the database's clock, in seconds since 1970. now() would be that of the beginning of a transaction.
const clock = `floor(extract(epoch FROM clock_timestamp()))::bigint`

// Beat implements store.Cohorts.
func (s *Store) Beat(ctx context.Context, holder string, years []int) error {
	return s.repeat(ctx, func(tx tx) error {
		err := tx.exec(`DELETE FROM holders WHERE name = $1 AND NOT year = ANY($2) OR seen_at < `+clock+` - $3`,
			holder, list(years), int(store.HolderKept.Seconds()))
		if err != nil {
			return err
		}
		return tx.exec(`INSERT INTO holders (name, year, seen_at) SELECT DISTINCT $1, year, `+clock+` FROM unnest($2::int[]) AS year
			ON CONFLICT (name, year) DO UPDATE SET seen_at = excluded.seen_at`, holder, list(years))
	})
}

// Holders implements store.Cohorts.
func (s *Store) Holders(ctx context.Context, year int) (holders []store.Holder, err error) {
	err = s.read(ctx, func(tx tx) (err error) {
		holders, err = collect(tx, scanHolder, `SELECT name, `+clock+` - seen_at FROM holders WHERE year = $1 ORDER BY name COLLATE "C"`, year)
		return err
	})
	return holders, err
}

func scanHolder(row pgx.CollectableRow) (h store.Holder, err error) {
	var silent int64
	err = row.Scan(&h.Name, &silent)
	h.SilentFor = time.Duration(silent) * time.Second
	return h, err
}
