package storetest

import (
	"errors"
	"fmt"
	"testing"

	"aankomst/server/store"
)

var centreTests = []test{
	{"a centre comes back as it was stored", centreComesBack},
	{"an ID is taken once", centreExists},
	{"a centre that does not exist", noCentre},
	{"centres are listed by ID, archived ones too", listCentres},
	{"an update returns what it stored", updateCentre},
	{"an update that fails stores nothing", failedUpdate},
	{"an update cannot alter the ID", updateID},
	{"updates at once lose nothing", updatesAtOnce},
}

func centreComesBack(t *testing.T, s store.Store) {
	empty := store.Centre{ID: "x", Type: store.TypeOther, Intake: store.IntakeStop}
	for _, want := range []store.Centre{centre("caw-1"), empty} {
		is(t, s.CreateCentre(t.Context(), want), nil)
		got, err := s.GetCentre(t.Context(), want.ID)
		is(t, err, nil)
		equal(t, got, want)
	}
}

func centreExists(t *testing.T, s store.Store) {
	is(t, s.CreateCentre(t.Context(), centre("x")), nil)
	second := centre("x")
	second.Name = "Een ander"
	is(t, s.CreateCentre(t.Context(), second), store.ErrExists)
	got, err := s.GetCentre(t.Context(), "x")
	is(t, err, nil)
	equal(t, got, centre("x"))
	one(t, together(4, func(int) error { return s.CreateCentre(t.Context(), centre("y")) }), store.ErrExists)
}

func noCentre(t *testing.T, s store.Store) {
	_, err := s.GetCentre(t.Context(), "nowhere")
	is(t, err, store.ErrNotFound)
	_, err = s.UpdateCentre(t.Context(), "nowhere", func(*store.Centre) error {
		t.Error("changed a centre that does not exist")
		return nil
	})
	is(t, err, store.ErrNotFound)
}

func listCentres(t *testing.T, s store.Store) {
	archived := centre("b")
	archived.Archived = true
	for _, c := range []store.Centre{centre("c"), archived, centre("a")} {
		is(t, s.CreateCentre(t.Context(), c), nil)
	}
	all, err := s.ListCentres(t.Context())
	is(t, err, nil)
	equal(t, all, []store.Centre{centre("a"), archived, centre("c")})
	got, err := s.GetCentre(t.Context(), "b")
	is(t, err, nil)
	equal(t, got, archived)
}

func updateCentre(t *testing.T, s store.Store) {
	is(t, s.CreateCentre(t.Context(), centre("x")), nil)
	is(t, s.CreateCentre(t.Context(), centre("y")), nil)
	want := store.Centre{
		ID: "x", Name: "Nieuwe naam; DROP TABLE", Type: store.TypeUFC, Region: "Brussel", Town: "Jette",
		Phone: "02", Email: "x@example.org", Website: "https://example.org/x", Languages: []string{"fr"},
		Intake: store.IntakeStop, Wait: store.WaitOver6Months, CapacityOn: "2026-05-05", Archived: true,
	}
	updated, err := s.UpdateCentre(t.Context(), "x", func(c *store.Centre) error {
		equal(t, *c, centre("x"))
		*c = want
		return nil
	})
	is(t, err, nil)
	equal(t, updated, want)
	got, err := s.GetCentre(t.Context(), "x")
	is(t, err, nil)
	equal(t, got, want)
	other, err := s.GetCentre(t.Context(), "y")
	is(t, err, nil)
	equal(t, other, centre("y"))
}

func failedUpdate(t *testing.T, s store.Store) {
	is(t, s.CreateCentre(t.Context(), centre("x")), nil)
	refused := errors.New("refused")
	_, err := s.UpdateCentre(t.Context(), "x", func(c *store.Centre) error {
		c.Name = "half"
		return refused
	})
	if err != refused { //nolint:errorlint // it is returned as it is
		t.Errorf("error %v, want that of the change", err)
	}
	got, err := s.GetCentre(t.Context(), "x")
	is(t, err, nil)
	equal(t, got, centre("x"))
}

func updateID(t *testing.T, s store.Store) {
	is(t, s.CreateCentre(t.Context(), centre("x")), nil)
	_, _ = s.UpdateCentre(t.Context(), "x", func(c *store.Centre) error {
		c.ID = "y"
		return nil
	})
	all, err := s.ListCentres(t.Context())
	is(t, err, nil)
	equal(t, all, []store.Centre{centre("x")})
}

func updatesAtOnce(t *testing.T, s store.Store) {
	is(t, s.CreateCentre(t.Context(), centre("x")), nil)
	const workers, each = 4, 5
	errs := together(workers, func(worker int) error {
		for i := range each {
			_, err := s.UpdateCentre(t.Context(), "x", func(c *store.Centre) error {
				c.Languages = append(c.Languages, fmt.Sprintf("x-%d-%d", worker, i))
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	is(t, errors.Join(errs...), nil)
	got, err := s.GetCentre(t.Context(), "x")
	is(t, err, nil)
	equal(t, len(got.Languages), len(centre("x").Languages)+workers*each)
}
