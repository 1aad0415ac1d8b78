package storetest

import (
	"errors"
	"testing"
	"time"

	"aankomst/server/store"
)

var cohortTests = []test{
	{"a cohort comes back as it was stored", cohortComesBack},
	{"cohorts are listed latest first", listCohorts},
	{"a cohort that does not exist", noCohort},
	{"a year has one cohort, and the second changes nothing", cohortExists},
	{"of two who create one cohort one wins", createRace},
	{"a cohort with an unknown centre is not stored", cohortUnknownCentre},
	{"a centre joins a pool", addToPool},
	{"centres join only open cohorts", addToClosing},
	{"stages follow each other", stages},
	{"of two who advance one wins", advanceRace},
	{"a closed cohort keeps its counts and drops its codes", closed},
	{"a beat replaces the one before", beat},
}

func cohortComesBack(t *testing.T, s store.Store) {
	withCohort(t, s)
	got, err := s.GetCohort(t.Context(), year)
	is(t, err, nil)
	equal(t, got, cohort(year))

	// It starts open, whatever the caller says, and its lists come back ordered but for the
	// recipients, which keep the order given.
	odd := cohort(year + 1)
	odd.Stage = store.StageClosed
	odd.Pools = []store.Pool{
		{Number: 9, Name: "", Centres: []string{"f", "e", "d"}},
		{Number: 2, Name: "zonder centra"},
	}
	odd.EscrowRecipients = nil
	is(t, s.CreateCohort(t.Context(), odd), nil)
	odd.Stage = store.StageOpen
	odd.Pools = []store.Pool{odd.Pools[1], {Number: 9, Centres: []string{"d", "e", "f"}}}
	got, err = s.GetCohort(t.Context(), year+1)
	is(t, err, nil)
	equal(t, got, odd)
	equal(t, counts(t, s, year+1), store.Counts{Year: year + 1, Pools: []store.PoolCounts{{Number: 2}, {Number: 9}}})
}

func listCohorts(t *testing.T, s store.Store) {
	none, err := s.ListCohorts(t.Context())
	is(t, err, nil)
	equal(t, len(none), 0)

	withCohort(t, s)
	is(t, s.CreateCohort(t.Context(), cohort(year+1)), nil)
	is(t, s.CreateCohort(t.Context(), cohort(year-1)), nil)
	all, err := s.ListCohorts(t.Context())
	is(t, err, nil)
	equal(t, all, []store.Cohort{cohort(year + 1), cohort(year), cohort(year - 1)})
}

func noCohort(t *testing.T, s store.Store) {
	withCohort(t, s)
	_, err := s.GetCohort(t.Context(), noYear)
	is(t, err, store.ErrNotFound)
	is(t, s.AdvanceCohort(t.Context(), noYear, store.StageOpen, store.StageClosing), store.ErrNotFound)
}

func cohortExists(t *testing.T, s store.Store) {
	withCohort(t, s)
	done(t, s, entry(store.Issue, code()))
	second := cohort(year)
	second.Layout, second.Pools = 2, []store.Pool{{Number: 3, Name: "nieuw", Centres: []string{"g"}}}
	is(t, s.CreateCohort(t.Context(), second), store.ErrExists)

	got, err := s.GetCohort(t.Context(), year)
	is(t, err, nil)
	equal(t, got, cohort(year))
	want := zero(year)
	want.Pools[0].Issued = 1
	equal(t, counts(t, s, year), want)
}

func createRace(t *testing.T, s store.Store) {
	withCohort(t, s)
	one(t, together(4, func(int) error { return s.CreateCohort(t.Context(), cohort(year+1)) }), store.ErrExists)
}

func cohortUnknownCentre(t *testing.T, s store.Store) {
	withCohort(t, s)
	c := cohort(year + 1)
	c.Pools[1].Centres[2] = "nowhere"
	is(t, s.CreateCohort(t.Context(), c), store.ErrNotFound)
	_, err := s.GetCohort(t.Context(), year+1)
	is(t, err, store.ErrNotFound)
	_, err = s.Counts(t.Context(), year+1)
	is(t, err, store.ErrNotFound)
}

func addToPool(t *testing.T, s store.Store) {
	withCohort(t, s)
	is(t, s.CreateCohort(t.Context(), cohort(year+1)), nil)
	done(t, s, entry(store.Issue, code()))

	is(t, s.AddToPool(t.Context(), noYear, 1, "g"), store.ErrNotFound)
	is(t, s.AddToPool(t.Context(), year, 3, "g"), store.ErrNotFound)
	is(t, s.AddToPool(t.Context(), year, 0, "g"), store.ErrNotFound)
	is(t, s.AddToPool(t.Context(), year, 1, "nowhere"), store.ErrNotFound)
	is(t, s.AddToPool(t.Context(), year, 1, "a"), store.ErrExists)
	is(t, s.AddToPool(t.Context(), year, 2, "a"), store.ErrExists)
	unchanged, err := s.GetCohort(t.Context(), year)
	is(t, err, nil)
	equal(t, unchanged, cohort(year))

	one(t, together(4, func(i int) error { return s.AddToPool(t.Context(), year, uint32(1+i%2), "g") }), store.ErrExists)
	got, err := s.GetCohort(t.Context(), year)
	is(t, err, nil)
	equal(t, len(got.Pools[0].Centres)+len(got.Pools[1].Centres), 7)
	is(t, s.AddToPool(t.Context(), year+1, 1, "g"), nil) // another cohort's pools are other pools

	want := zero(year)
	want.Pools[0].Issued = 1
	equal(t, counts(t, s, year), want)
}

func addToClosing(t *testing.T, s store.Store) {
	withCohort(t, s)
	for i, stage := range store.Stages[1:] {
		is(t, s.AdvanceCohort(t.Context(), year, store.Stages[i], stage), nil)
		is(t, s.AddToPool(t.Context(), year, 1, "g"), store.ErrConflict)
	}
	got, err := s.GetCohort(t.Context(), year)
	is(t, err, nil)
	equal(t, got.Pools, cohort(year).Pools)
}

func stages(t *testing.T, s store.Store) {
	withCohort(t, s)
	is(t, s.CreateCohort(t.Context(), cohort(year+1)), nil)
	for now, stage := range store.Stages {
		// From every stage to every stage: only the next one may be entered, and only from this one.
		for _, from := range store.Stages {
			for to, entered := range store.Stages {
				if from != stage || to != now+1 {
					is(t, s.AdvanceCohort(t.Context(), year, from, entered), store.ErrConflict)
				}
			}
		}
		is(t, s.AdvanceCohort(t.Context(), year, stage, "no stage"), store.ErrConflict)
		is(t, s.AdvanceCohort(t.Context(), year, "no stage", store.StageOpen), store.ErrConflict)
		got, err := s.GetCohort(t.Context(), year)
		is(t, err, nil)
		equal(t, got.Stage, stage)
		if now+1 < len(store.Stages) {
			is(t, s.AdvanceCohort(t.Context(), year, stage, store.Stages[now+1]), nil)
		}
	}
	other, err := s.GetCohort(t.Context(), year+1)
	is(t, err, nil)
	equal(t, other, cohort(year+1))
}

func advanceRace(t *testing.T, s store.Store) {
	withCohort(t, s)
	for i, stage := range store.Stages[1:] {
		one(t, together(3, func(int) error {
			return s.AdvanceCohort(t.Context(), year, store.Stages[i], stage)
		}), store.ErrConflict)
	}
}

func closed(t *testing.T, s store.Store) {
	withCohort(t, s)
	is(t, s.CreateCohort(t.Context(), cohort(year+1)), nil)
	n := code()
	done(t, s, entry(store.Arrive, n), entry(store.Issue, code()),
		store.Entry{Kind: store.Arrive, Year: year + 1, Pool: 1, Nullifier: n})
	before := counts(t, s, year)
	advance(t, s, year, store.StageOpen, store.StageClosed)

	equal(t, counts(t, s, year), before)
	equal(t, record(t, s, entry(store.Arrive, n), store.Entry{Kind: store.Arrive, Year: year + 1, Pool: 1, Nullifier: n}),
		[]store.Outcome{store.NotOpen, store.DoneBefore})
}

func beat(t *testing.T, s store.Store) {
	hold := func(year int, want ...string) {
		t.Helper()
		holders, err := s.Holders(t.Context(), year)
		is(t, err, nil)
		var names []string
		for _, holder := range holders {
			names = append(names, holder.Name)
		}
		equal(t, names, want)
	}
	hold(year)
	is(t, s.Beat(t.Context(), "second", []int{year, year + 1, year}), nil)
	is(t, s.Beat(t.Context(), "first", []int{year}), nil)
	hold(year, "first", "second")
	hold(year+1, "second")
	is(t, s.Beat(t.Context(), "second", []int{year + 1}), nil)
	hold(year, "first")
	hold(year+1, "second")
	is(t, s.Beat(t.Context(), "first", nil), nil)
	hold(year)

	// Several at once lose nobody.
	is(t, errors.Join(together(6, func(i int) error {
		return s.Beat(t.Context(), string(rune('a'+i)), []int{year})
	})...), nil)
	hold(year, "a", "b", "c", "d", "e", "f")
}

// silence is about how long ago a process said what it holds, which a store tells by its own clock. An hour is far
// more than any step of this takes.
func silence(t *testing.T, s store.Store, age func(*testing.T, store.Store, time.Duration)) {
	silent := func(want map[string]time.Duration) {
		t.Helper()
		holders, err := s.Holders(t.Context(), year)
		is(t, err, nil)
		hours := map[string]time.Duration{}
		for _, holder := range holders {
			hours[holder.Name] = holder.SilentFor.Truncate(time.Hour)
		}
		equal(t, hours, want)
	}
	is(t, s.Beat(t.Context(), "killed", []int{year}), nil)
	silent(map[string]time.Duration{"killed": 0})
	age(t, s, 2*time.Hour)
	is(t, s.Beat(t.Context(), "living", []int{year, year + 1}), nil)
	silent(map[string]time.Duration{"killed": 2 * time.Hour, "living": 0})
	age(t, s, 3*time.Hour)
	silent(map[string]time.Duration{"killed": 5 * time.Hour, "living": 3 * time.Hour})
	is(t, s.Beat(t.Context(), "living", []int{year}), nil)
	silent(map[string]time.Duration{"killed": 5 * time.Hour, "living": 0})

	// What killed processes left goes after a while; until then nobody may take them to be gone.
	age(t, s, store.HolderKept-6*time.Hour)
	is(t, s.Beat(t.Context(), "living", []int{year}), nil)
	silent(map[string]time.Duration{"killed": store.HolderKept - time.Hour, "living": 0})
	age(t, s, 2*time.Hour)
	is(t, s.Beat(t.Context(), "later", []int{year + 1}), nil)
	silent(map[string]time.Duration{"living": 2 * time.Hour})
}
