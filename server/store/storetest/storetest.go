// Package storetest is the suite that every backend of store.Store passes: one test for each sentence
// of the contract that somebody would miss.
package storetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"aankomst/server/store"
)

// Run runs the suite. open returns a store of its own for each call, empty and at the current schema,
// and closes it when the test ends. age makes all that processes said to a store with Beat as much older.
func Run(t *testing.T, open func(t *testing.T) store.Store, age func(t *testing.T, s store.Store, by time.Duration)) {
	for _, group := range []struct {
		name  string
		tests []test
	}{
		{"Tally", tallyTests},
		{"Model", modelTests},
		{"Cohorts", cohortTests},
		{"Centres", centreTests},
		{"Limits", limitTests},
		{"Tokens", tokenTests},
		{"Members", memberTests},
		{"Sessions", sessionTests},
		{"Acts", actTests},
		{"Releases", releaseTests},
		{"Statements", statementTests},
		{"Store", storeTests},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, test := range group.tests {
				t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
			}
		})
	}
	t.Run("Silence", func(t *testing.T) { silence(t, open(t), age) })
	t.Run("Copies", func(t *testing.T) { RunCopies(t, open, open) })
}

// test is one promise of the contract and what shows that it is kept.
type test struct {
	name string
	run  func(t *testing.T, s store.Store)
}

// The year of the cohort that most tests use, and one that has no cohort.
const (
	year   = 2026
	noYear = 1999
)

// withCohort creates the centres and a cohort of two pools, of three centres each.
func withCohort(t *testing.T, s store.Store) {
	t.Helper()
	for _, id := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		is(t, s.CreateCentre(t.Context(), centre(id)), nil)
	}
	is(t, s.CreateCohort(t.Context(), cohort(year)), nil)
}

func cohort(year int) store.Cohort {
	return store.Cohort{
		Year:      year,
		Layout:    1,
		PublicKey: slices.Repeat([]byte{7}, 32),
		Stage:     store.StageOpen,
		OpenedOn:  "2025-12-05",
		Pools: []store.Pool{
			{Number: 1, Name: "CAW", Centres: []string{"a", "b", "c"}},
			{Number: 2, Name: "CGG & overige", Centres: []string{"d", "e", "f"}},
		},
		EscrowRecipients: []string{"age1second", "age1first"},
		EscrowDigest:     [32]byte{1, 2, 3},
	}
}

func centre(id string) store.Centre {
	return store.Centre{
		ID: id, Name: "Centrum " + id, Type: store.TypeCGG,
		Region: "Oost-Vlaanderen", Town: "Gent",
		Phone: "09 000 00 00", Email: "info@example.org", Website: "https://example.org",
		Languages: []string{"nl", "fr-BE"},
		Intake:    store.IntakeWaitingList, Wait: store.Wait2To6Weeks, CapacityOn: "2026-02-01",
	}
}

// advance takes a cohort from one stage through all those between to another.
func advance(t *testing.T, s store.Store, year int, from, to store.Stage) {
	t.Helper()
	stages := store.Stages[slices.Index(store.Stages, from) : slices.Index(store.Stages, to)+1]
	for i := range len(stages) - 1 {
		is(t, s.AdvanceCohort(t.Context(), year, stages[i], stages[i+1]), nil)
	}
}

// code returns the nullifier of a code that no other test uses.
func code() (n store.Nullifier) {
	rand.Read(n[:])
	return n
}

// record records entries and returns their outcomes.
func record(t *testing.T, s store.Store, entries ...store.Entry) []store.Outcome {
	t.Helper()
	outcomes, err := s.Record(t.Context(), entries)
	is(t, err, nil)
	return outcomes
}

// done records entries that must all be Done.
func done(t *testing.T, s store.Store, entries ...store.Entry) {
	t.Helper()
	for i, outcome := range record(t, s, entries...) {
		if outcome != store.Done {
			t.Fatalf("entry %d: outcome %d, want done", i, outcome)
		}
	}
}

func counts(t *testing.T, s store.Store, year int) store.Counts {
	t.Helper()
	counts, err := s.Counts(t.Context(), year)
	is(t, err, nil)
	return counts
}

// zero returns the counts of the cohort of withCohort before anything is recorded.
func zero(year int) store.Counts {
	return store.Counts{Year: year, Pools: []store.PoolCounts{{Number: 1}, {Number: 2}}}
}

// is stops the test unless err is the wanted error, or none when none is wanted.
func is(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}

// equal fails the test unless two values print the same: an empty list is the same as none.
func equal[T any](t *testing.T, got, want T) {
	t.Helper()
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		t.Errorf("got  %s\nwant %s", g, w)
	}
}

// together runs do n times at once and returns the errors in the order of their numbers.
func together(n int, do func(i int) error) []error {
	errs := make([]error, n)
	finished := make(chan struct{})
	for i := range n {
		go func() {
			defer func() { finished <- struct{}{} }()
			errs[i] = do(i)
		}()
	}
	for range n {
		<-finished
	}
	return errs
}

// one fails the test unless exactly one of the errors is nil and all others are want.
func one(t *testing.T, errs []error, want error) {
	t.Helper()
	succeeded := 0
	for _, err := range errs {
		if err == nil {
			succeeded++
		} else if !errors.Is(err, want) {
			t.Errorf("error %v, want %v", err, want)
		}
	}
	if succeeded != 1 {
		t.Errorf("%d of %d succeeded, want one", succeeded, len(errs))
	}
}

// cancelled returns a context that is done.
func cancelled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
