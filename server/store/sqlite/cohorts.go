package sqlite

import (
	"context"
	"database/sql"
	"time"

	"aankomst/server/store"
	"aankomst/server/store/book"
)

// CreateCohort implements store.Cohorts. A pool that names an unknown centre gives store.ErrNotFound.
func (s *Store) CreateCohort(ctx context.Context, c store.Cohort) error {
	c.Stage = store.StageOpen
	return s.write(ctx, func(tx tx) error {
		if err := noneOf(tx, `SELECT * FROM statements WHERE ? BETWEEN from_year AND to_year`, c.Year); err != nil {
			return err
		}
		if err := insertCohort(tx, c); err != nil {
			return err
		}
		return note(tx, store.ActCohortOpened(c))
	})
}

// insertCohort makes a cohort in its stage.
func insertCohort(tx tx, c store.Cohort) error {
	err := tx.exec(`INSERT INTO cohorts (year, layout, public_key, stage, opened_on, escrow_recipients, escrow_digest)
		VALUES (?, ?, ?, ?, ?, ?, ?)`,
		c.Year, c.Layout, c.PublicKey, c.Stage, c.OpenedOn, list(c.EscrowRecipients), c.EscrowDigest[:])
	if err != nil {
		return err
	}
	for _, pool := range c.Pools {
		if err := createPool(tx, c.Year, pool); err != nil {
			return err
		}
	}
	return createCounters(tx, c.Year, book.WholeCohort, book.CohortMeasures)
}

func createPool(tx tx, year int, pool store.Pool) error {
	err := tx.exec(`INSERT INTO pools (year, number, name) VALUES (?, ?, ?)`, year, pool.Number, pool.Name)
	if err != nil {
		return err
	}
	for _, centre := range pool.Centres {
		if err := addToPool(tx, year, pool.Number, centre); err != nil {
			return err
		}
	}
	return createCounters(tx, year, pool.Number, book.PoolMeasures)
}

func createCounters(tx tx, year int, pool uint32, measures []string) error {
	for _, measure := range measures {
		err := tx.exec(`INSERT INTO counters (year, pool, measure, count) VALUES (?, ?, ?, 0)`, year, pool, measure)
		if err != nil {
			return err
		}
	}
	return nil
}

func addToPool(tx tx, year int, pool uint32, centre string) error {
	return tx.exec(`INSERT INTO pool_centres (year, pool, centre) VALUES (?, ?, ?)`, year, pool, centre)
}

const selectCohorts = `SELECT year, layout, public_key, stage, opened_on, escrow_recipients, escrow_digest FROM cohorts`

func scanCohort(row scanner) (c store.Cohort, err error) {
	return c, row.Scan(&c.Year, &c.Layout, &c.PublicKey, &c.Stage, &c.OpenedOn,
		(*list)(&c.EscrowRecipients), (*bytes32)(&c.EscrowDigest))
}

// ListCohorts implements store.Cohorts.
func (s *Store) ListCohorts(ctx context.Context) (cohorts []store.Cohort, err error) {
	err = s.read(ctx, func(tx tx) error {
		cohorts, err = listCohorts(tx)
		return err
	})
	return cohorts, err
}

func listCohorts(tx tx) ([]store.Cohort, error) {
	cohorts, err := collect(tx, scanCohort, selectCohorts+` ORDER BY year DESC`)
	for i := 0; i < len(cohorts) && err == nil; i++ {
		cohorts[i].Pools, err = poolsOf(tx, cohorts[i].Year)
	}
	return cohorts, err
}

// GetCohort implements store.Cohorts.
func (s *Store) GetCohort(ctx context.Context, year int) (cohort store.Cohort, err error) {
	err = s.read(ctx, func(tx tx) error {
		cohort, err = scanCohort(tx.row(selectCohorts+` WHERE year = ?`, year))
		if err == nil {
			cohort.Pools, err = poolsOf(tx, year)
		}
		return err
	})
	return cohort, err
}

// poolsOf reads the pools of a cohort with their centres.
func poolsOf(tx tx, year int) ([]store.Pool, error) {
	return collect(tx, scanPool, `
		SELECT number, name, (
			SELECT json_group_array(centre ORDER BY centre) FROM pool_centres AS c
			WHERE c.year = p.year AND c.pool = p.number
		)
		FROM pools AS p WHERE year = ? ORDER BY number`, year)
}

func scanPool(row scanner) (p store.Pool, err error) {
	return p, row.Scan(&p.Number, &p.Name, (*list)(&p.Centres))
}

// AddToPool implements store.Cohorts.
func (s *Store) AddToPool(ctx context.Context, year int, pool uint32, centre string) error {
	return s.write(ctx, func(tx tx) error {
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
	return stage, tx.row(`SELECT stage FROM cohorts WHERE year = ?`, year).Scan(&stage)
}

// AdvanceCohort implements store.Cohorts.
func (s *Store) AdvanceCohort(ctx context.Context, year int, from, to store.Stage) error {
	return s.alone(ctx, func(ctx context.Context, conn *sql.Conn) error {
		err := transact(ctx, conn, func(tx tx) error {
			stage, err := stageOf(tx, year)
			if err != nil {
				return err
			}
			if stage != from || to == "" || from.Next() != to {
				return store.ErrConflict
			}
			if err := tx.exec(`UPDATE cohorts SET stage = ? WHERE year = ?`, to, year); err != nil {
				return err
			}
			if err := note(tx, store.ActCohortAdvanced(year, to)); err != nil || to != store.StageClosed {
				return err
			}
			return tx.exec(`DELETE FROM spent WHERE year = ?`, year)
		})
		if err != nil || to != store.StageClosed {
			return err
		}
		// The rows are gone and their bytes overwritten; older copies of their pages are not yet.
		return compact(ctx, conn)
	})
}

// Beat implements store.Cohorts.
func (s *Store) Beat(ctx context.Context, holder string, years []int) error {
	return s.write(ctx, func(tx tx) error {
		err := tx.exec(`DELETE FROM holders WHERE name = ? OR seen_at < unixepoch() - ?`, holder, int(store.HolderKept.Seconds()))
		if err != nil {
			return err
		}
		for _, year := range years {
			err := tx.exec(`INSERT OR IGNORE INTO holders (name, year, seen_at) VALUES (?, ?, unixepoch())`, holder, year)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Holders implements store.Cohorts.
func (s *Store) Holders(ctx context.Context, year int) (holders []store.Holder, err error) {
	err = s.read(ctx, func(tx tx) error {
		holders, err = collect(tx, scanHolder, `SELECT name, unixepoch() - seen_at FROM holders WHERE year = ? ORDER BY name`, year)
		return err
	})
	return holders, err
}

func scanHolder(row scanner) (h store.Holder, err error) {
	var silent int64
	err = row.Scan(&h.Name, &silent)
	h.SilentFor = time.Duration(silent) * time.Second
	return h, err
}
