package postgres

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"aankomst/server/store"
)

// CreateCentre implements store.Centres.
func (s *Store) CreateCentre(ctx context.Context, c store.Centre) error {
	return s.write(ctx, func(tx tx) error {
		if err := createCentre(tx, c); err != nil {
			return err
		}
		return note(tx, store.ActCentreCreated(c))
	})
}

func createCentre(tx tx, c store.Centre) error {
	return tx.exec(`INSERT INTO centres (name, type, region, town, phone, email, website,
		languages, intake, wait, capacity_on, archived, id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		centreColumns(c)...)
}

// centreColumns are the values of a row, its ID last.
func centreColumns(c store.Centre) []any {
	return []any{c.Name, c.Type, c.Region, c.Town, c.Phone, c.Email, c.Website,
		list(c.Languages), c.Intake, c.Wait, c.CapacityOn, c.Archived, c.ID}
}

const selectCentres = `SELECT id, name, type, region, town, phone, email, website,
	languages, intake, wait, capacity_on, archived FROM centres`

func scanCentre(row pgx.CollectableRow) (c store.Centre, err error) {
	return c, row.Scan(&c.ID, &c.Name, &c.Type, &c.Region, &c.Town, &c.Phone, &c.Email, &c.Website,
		&c.Languages, &c.Intake, &c.Wait, &c.CapacityOn, &c.Archived)
}

// UpdateCentre implements store.Centres. It keeps others from updating that centre while change runs,
// which may run again when the database is lost.
func (s *Store) UpdateCentre(ctx context.Context, id string, change func(*store.Centre) error) (updated store.Centre, err error) {
	err = s.write(ctx, func(tx tx) error {
		was, err := one(tx, scanCentre, selectCentres+` WHERE id = $1 FOR UPDATE`, id)
		if err != nil {
			return err
		}
		updated = was
		updated.Languages = slices.Clone(was.Languages) // change may write into it
		if err := change(&updated); err != nil {
			return failure{err}
		}
		updated.ID = id
		err = tx.exec(`UPDATE centres SET name = $1, type = $2, region = $3, town = $4, phone = $5, email = $6, website = $7,
			languages = $8, intake = $9, wait = $10, capacity_on = $11, archived = $12 WHERE id = $13`, centreColumns(updated)...)
		if err != nil {
			return err
		}
		return note(tx, store.ActCentreUpdated(was, updated))
	})
	if err != nil {
		return store.Centre{}, err
	}
	return updated, nil
}

// GetCentre implements store.Centres.
func (s *Store) GetCentre(ctx context.Context, id string) (found store.Centre, err error) {
	err = s.read(ctx, func(tx tx) (err error) {
		found, err = one(tx, scanCentre, selectCentres+` WHERE id = $1`, id)
		return err
	})
	return found, err
}

// ListCentres implements store.Centres.
func (s *Store) ListCentres(ctx context.Context) (centres []store.Centre, err error) {
	err = s.read(ctx, func(tx tx) (err error) {
		centres, err = collect(tx, scanCentre, selectCentres+` ORDER BY id COLLATE "C"`)
		return err
	})
	return centres, err
}
