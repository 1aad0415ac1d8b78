package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"aankomst/server/store"
)

func oneState(t *testing.T, from, _ opener) {
	s := from(t)
	withCohort(t, s)
	is(t, s.CreateCohort(t.Context(), cohort(year+1)), nil)
	both := func(kind store.Kind, n store.Nullifier) []store.Entry {
		return []store.Entry{{Kind: kind, Year: year, Pool: 1, Nullifier: n}, {Kind: kind, Year: year + 1, Pool: 2, Nullifier: n}}
	}
	const snapshots, writers = 20, 3
	stop := make(chan struct{})
	until := func(do func() error) error {
		for {
			select {
			case <-stop:
				return nil
			default:
			}
			if err := do(); err != nil {
				return err
			}
		}
	}
	inTheWay := func(err error) error {
		if errors.Is(err, store.ErrUnavailable) {
			return nil
		}
		return err
	}
	errs := together(2+writers, func(i int) error {
		switch i {
		case 0:
			defer close(stop)
			for n := range snapshots {
				if err := s.Snapshot(t.Context(), agrees); err != nil {
					return fmt.Errorf("snapshot %d: %w", n, err)
				}
			}
			return nil
		case 1:
			return until(func() error { return inTheWay(s.Rewrite(t.Context())) })
		}
		return until(func() error {
			stays, goes, voided := code(), code(), code()
			entries := slices.Concat(both(store.Arrive, stays), both(store.Arrive, goes), both(store.Void, voided))
			if _, err := s.Record(t.Context(), entries); err != nil {
				return err
			}
			_, err := s.Record(t.Context(), both(store.Undo, goes))
			return err
		})
	})
	is(t, errors.Join(errs...), nil)

	// Likewise while a cohort is closed, which drops its spent codes.
	stop = make(chan struct{})
	errs = together(2, func(i int) error {
		if i == 0 {
			return until(func() error { return s.Snapshot(t.Context(), agrees) })
		}
		defer close(stop)
		last := len(store.Stages) - 1
		for i, stage := range store.Stages[1:last] {
			if err := s.AdvanceCohort(t.Context(), year+1, store.Stages[i], stage); err != nil {
				return err
			}
		}
		return inTheWay(s.AdvanceCohort(t.Context(), year+1, store.Stages[last-1], store.Stages[last]))
	})
	is(t, errors.Join(errs...), nil)
	is(t, s.Snapshot(t.Context(), agrees), nil)
}

// agrees returns an error unless the counts of a snapshot are those of its spent codes.
func agrees(all store.Snapshot) error {
	want := map[int]int{}
	for i, cohort := range all.Cohorts {
		if cohort.Stage != store.StageClosed {
			want[cohort.Year] = spentOf(all.Counts[i])
		}
	}
	spent, err := gather(all)
	if err != nil {
		return err
	}
	for _, code := range spent {
		want[code.Year]--
	}
	for year, missing := range want {
		if missing != 0 {
			return fmt.Errorf("%d spent codes of %d are missing", missing, year)
		}
	}
	return nil
}

// spentOf returns how many spent codes counts are made of.
func spentOf(counts store.Counts) (spent int) {
	for _, pool := range counts.Pools {
		spent += pool.Arrived + pool.Voided + pool.ReplacementsVoided
	}
	return spent
}
