package storetest

import (
	"crypto/sha256"
	"fmt"
	"testing"

	"aankomst/server/store"
)

var releaseTests = []test{
	{"a cut-off is frozen once", drafts},
	{"of two who freeze one wins", draftRace},
	{"releases are chained without gaps", chain},
	{"a cut-off is published once", publishedOnce},
	{"of two who publish one wins", releaseRace},
}

func draft(year int, cutOff string) store.Draft {
	return store.Draft{Year: year, CutOff: cutOff, Body: fmt.Appendf(nil, "{%d %s}", year, cutOff)}
}

func drafts(t *testing.T, s store.Store) {
	withCohort(t, s)
	is(t, s.CreateCohort(t.Context(), cohort(year+1)), nil)
	for _, d := range []store.Draft{
		draft(year, store.CutOffFinal), draft(year, "2026-12-31"), draft(year, "2026-06-30"), draft(year+1, "2026-06-30"),
	} {
		is(t, s.SaveDraft(t.Context(), d), nil)
	}
	second := draft(year, "2026-06-30")
	second.Body = []byte("{}")
	is(t, s.SaveDraft(t.Context(), second), store.ErrExists)

	all, err := s.ListDrafts(t.Context(), year)
	is(t, err, nil)
	equal(t, all, []store.Draft{draft(year, "2026-06-30"), draft(year, "2026-12-31"), draft(year, store.CutOffFinal)})
	none, err := s.ListDrafts(t.Context(), noYear)
	is(t, err, nil)
	equal(t, len(none), 0)
}

func draftRace(t *testing.T, s store.Store) {
	withCohort(t, s)
	errs := together(4, func(i int) error {
		return s.SaveDraft(t.Context(), store.Draft{Year: year, CutOff: "2026-06-30", Body: []byte{byte(i)}})
	})
	one(t, errs, store.ErrExists)
	all, err := s.ListDrafts(t.Context(), year)
	is(t, err, nil)
	equal(t, len(all), 1)
	is(t, errs[all[0].Body[0]], nil) // what is kept is the winner's
}

// release makes the release that follows one, or the first after none.
func release(last store.Release, cutOff string) store.Release {
	document := fmt.Appendf(nil, `{"number":%d,"cutOff":%q}`, last.Number+1, cutOff)
	return store.Release{
		Number: last.Number + 1, Year: year, CutOff: cutOff,
		Document: document, Digest: sha256.Sum256(document), Previous: last.Digest,
	}
}

func chain(t *testing.T, s store.Store) {
	withCohort(t, s)
	_, err := s.GetRelease(t.Context(), 1)
	is(t, err, store.ErrNotFound)

	first := release(store.Release{}, "2026-06-30")
	second := release(first, "2026-12-31")
	wrongStart := first
	wrongStart.Previous = [32]byte{1}
	is(t, s.AppendRelease(t.Context(), second), store.ErrConflict)
	is(t, s.AppendRelease(t.Context(), wrongStart), store.ErrConflict)
	is(t, s.AppendRelease(t.Context(), first), nil)

	for _, spoil := range []func(*store.Release){
		func(r *store.Release) { r.Number = 1 },
		func(r *store.Release) { r.Number = 3 },
		func(r *store.Release) { r.Number = 0 },
		func(r *store.Release) { r.Previous = [32]byte{} },
		func(r *store.Release) { r.Previous[31]++ },
	} {
		spoilt := second
		spoil(&spoilt)
		is(t, s.AppendRelease(t.Context(), spoilt), store.ErrConflict)
	}
	is(t, s.AppendRelease(t.Context(), second), nil)

	all, err := s.ListReleases(t.Context())
	is(t, err, nil)
	equal(t, all, []store.Release{first, second})
	got, err := s.GetRelease(t.Context(), 2)
	is(t, err, nil)
	equal(t, got, second)
	_, err = s.GetRelease(t.Context(), 3)
	is(t, err, store.ErrNotFound)
}

func publishedOnce(t *testing.T, s store.Store) {
	withCohort(t, s)
	first := release(store.Release{}, "2026-06-30")
	is(t, s.AppendRelease(t.Context(), first), nil)
	is(t, s.AppendRelease(t.Context(), first), store.ErrExists)
	is(t, s.AppendRelease(t.Context(), release(first, "2026-06-30")), store.ErrExists)
	// The same cut-off of another cohort is another release.
	other := release(first, "2026-06-30")
	other.Year++
	is(t, s.AppendRelease(t.Context(), other), nil)
	all, err := s.ListReleases(t.Context())
	is(t, err, nil)
	equal(t, all, []store.Release{first, other})
}

func releaseRace(t *testing.T, s store.Store) {
	withCohort(t, s)
	one(t, together(4, func(i int) error {
		return s.AppendRelease(t.Context(), release(store.Release{}, fmt.Sprintf("2026-06-%02d", i+1)))
	}), store.ErrConflict)
}
