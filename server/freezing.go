package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"aankomst/server/calendar"
	"aankomst/server/cohort"
	"aankomst/server/release"
	"aankomst/server/store"
)

// Freezer makes drafts of exact counts; it is the only reader of those.
type Freezer struct {
	Store  store.Store
	Policy release.Policy
	Clock  func() time.Time
}

// lateAfter is how long after a cut-off figures may be frozen without being marked late.
const lateAfter = 15 * time.Minute

// FreezeDue freezes every cohort's latest cut-off that is over and not frozen. Of several that were
// missed, only the latest is made: the counts at the others are not kept.
func (f *Freezer) FreezeDue(ctx context.Context) error {
	cohorts, err := f.Store.ListCohorts(ctx)
	if err != nil {
		return err
	}
	var failed []error
	for _, c := range cohorts {
		if c.Stage != store.StageOpen {
			continue
		}
		var due *calendar.CutOff
		for _, cutOff := range calendar.CutOffs(c.Year) {
			if !cutOff.At.After(f.Clock()) && cutOff.Day >= c.OpenedOn {
				due = &cutOff
			}
		}
		if due == nil {
			continue
		}
		_, err := f.freeze(ctx, c, release.CutOff{
			Key: due.Day, Day: due.Day, Late: f.Clock().Sub(due.At) > lateAfter,
		})
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

// FreezeFinal makes the draft of the final release of a cohort that is being closed, unless there is
// one, and reports whether it is withheld.
func (f *Freezer) FreezeFinal(ctx context.Context, c store.Cohort) (withheld bool, err error) {
	document, err := f.freeze(ctx, c, release.CutOff{Key: store.CutOffFinal, Day: calendar.Day(f.Clock())})
	return document.Withheld(), err
}

// freeze returns the document of a cut-off, and makes it from the counts when there is none. What is made has
// passed the audit beside what was frozen before.
func (f *Freezer) freeze(ctx context.Context, c store.Cohort, cutOff release.CutOff) (release.Document, error) {
	drafts, err := f.Store.ListDrafts(ctx, c.Year)
	if err != nil {
		return release.Document{}, err
	}
	source := release.Source{Cohort: c}
	for _, draft := range drafts {
		document, err := release.Decode(draft.Body)
		if err != nil {
			return release.Document{}, fmt.Errorf("the draft of %d at %s: %w", c.Year, draft.CutOff, err)
		}
		if draft.CutOff == cutOff.Key {
			return document, nil
		}
		source.Earlier = append(source.Earlier, document)
	}
	if source.Types, err = f.types(ctx); err != nil {
		return release.Document{}, err
	}
	if source.Counts, err = f.Store.Counts(ctx, c.Year); err != nil {
		return release.Document{}, err
	}
	document, err := release.Freeze(f.Policy, source, cutOff)
	if err != nil {
		return release.Document{}, err
	}
	if _, err := release.Audit([]release.Policy{f.Policy}, append(source.Earlier, document), nil); err != nil {
		return release.Document{}, err
	}
	body, err := document.Encode()
	if err != nil {
		return release.Document{}, err
	}
	err = f.Store.SaveDraft(ctx, store.Draft{Year: c.Year, CutOff: cutOff.Key, Body: body})
	if errors.Is(err, store.ErrExists) {
		// Another process froze it first: what it made is what counts.
		return f.freeze(ctx, c, cutOff)
	}
	return document, err
}

// types returns the centres' types.
func (f *Freezer) types(ctx context.Context) (map[string]store.CentreType, error) {
	centres, err := f.Store.ListCentres(ctx)
	types := make(map[string]store.CentreType, len(centres))
	for _, centre := range centres {
		types[centre.ID] = centre.Type
	}
	return types, err
}

// NewKeeper returns the keeper of a store's cohorts, wired to make final releases.
func NewKeeper(s store.Store, folder *cohort.Folder, policy release.Policy, clock func() time.Time) (*cohort.Keeper, error) {
	holder, err := cohort.NewHolder()
	if err != nil {
		return nil, err
	}
	freezer := &Freezer{Store: s, Policy: policy, Clock: clock}
	return &cohort.Keeper{
		Store: s, Folder: folder, Ring: new(cohort.Keyring), Clock: clock,
		Freeze: freezer.FreezeFinal, Holder: holder,
		RetireStoreKey: func() error {
			_, err := folder.NextStoreKey()
			return err
		},
	}, nil
}
