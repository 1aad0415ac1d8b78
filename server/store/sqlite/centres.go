package sqlite

import (
	"context"
	"slices"

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
		languages, intake, wait, capacity_on, archived, id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		centreColumns(c)...)
}

// centreColumns are the values of a row, its ID last.
func centreColumns(c store.Centre) []any {
	return []any{c.Name, c.Type, c.Region, c.Town, c.Phone, c.Email, c.Website,
		list(c.Languages), c.Intake, c.Wait, c.CapacityOn, c.Archived, c.ID}
}

const selectCentres = `SELECT id, name, type, region, town, phone, email, website,
	languages, intake, wait, capacity_on, archived FROM centres`

func scanCentre(row scanner) (c store.Centre, err error) {
	return c, row.Scan(&c.ID, &c.Name, &c.Type, &c.Region, &c.Town, &c.Phone, &c.Email, &c.Website,
		(*list)(&c.Languages), &c.Intake, &c.Wait, &c.CapacityOn, &c.Archived)
}

func centre(tx tx, id string) (store.Centre, error) {
	return scanCentre(tx.row(selectCentres+` WHERE id = ?`, id))
}

// UpdateCentre implements store.Centres. It keeps every other write of this process waiting while
// change runs: change must not call the store.
func (s *Store) UpdateCentre(ctx context.Context, id string, change func(*store.Centre) error) (store.Centre, error) {
	var updated store.Centre
	var refused error
	err := s.write(ctx, func(tx tx) error {
		was, err := centre(tx, id)
		if err != nil {
			return err
		}
		updated = was
		updated.Languages = slices.Clone(was.Languages) // change may write into it
		if refused = change(&updated); refused != nil {
			return refused
		}
		updated.ID = id
		err = tx.exec(`UPDATE centres SET name = ?, type = ?, region = ?, town = ?, phone = ?, email = ?, website = ?,
			languages = ?, intake = ?, wait = ?, capacity_on = ?, archived = ? WHERE id = ?`, centreColumns(updated)...)
		if err != nil {
			return err
		}
		return note(tx, store.ActCentreUpdated(was, updated))
	})
	if refused != nil {
		return store.Centre{}, refused
	}
	if err != nil {
		return store.Centre{}, err
	}
	return updated, nil
}

// GetCentre implements store.Centres.
func (s *Store) GetCentre(ctx context.Context, id string) (found store.Centre, err error) {
	err = s.read(ctx, func(tx tx) error {
		found, err = centre(tx, id)
		return err
	})
	return found, err
}

// ListCentres implements store.Centres.
func (s *Store) ListCentres(ctx context.Context) (centres []store.Centre, err error) {
	err = s.read(ctx, func(tx tx) error {
		centres, err = collect(tx, scanCentre, selectCentres+` ORDER BY id`)
		return err
	})
	return centres, err
}
