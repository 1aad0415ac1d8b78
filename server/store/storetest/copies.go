package storetest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"aankomst/server/store"
)

// opener returns a store of its own for each call, as in Run.
type opener func(t *testing.T) store.Store

// RunCopies runs the part of the suite that copies one store into another, from those of one backend
// into those of the same or another.
func RunCopies(t *testing.T, from, into func(t *testing.T) store.Store) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, from, into opener)
	}{
		{"a copy is read as the original is", copyIsRead},
		{"a copy counts on where the original was", copyCountsOn},
		{"a copy of an empty store is empty", copyOfNothing},
		{"only an empty store is filled", fillEmpty},
		{"of two who fill a store one wins", fillRace},
		{"a fill that fails leaves nothing", fillFails},
		{"an error of the caller ends a snapshot", snapshotRefused},
		{"a snapshot is one state while others write", oneState},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, from, into) })
	}
}

// lived makes a store in which something of everything is kept: cohorts that are open, closing and
// closed, and more spent codes than are carried over in one go.
func lived(t *testing.T, open opener) store.Store {
	t.Helper()
	s := open(t)
	withCohort(t, s)
	for _, other := range []int{year - 1, year + 1} {
		is(t, s.CreateCohort(t.Context(), cohort(other)), nil)
	}
	is(t, s.AddToPool(t.Context(), year, 2, "g"), nil)
	archived := func(c *store.Centre) error { c.Archived, c.Languages = true, nil; return nil }
	_, err := s.UpdateCentre(t.Context(), "b", archived)
	is(t, err, nil)

	var entries []store.Entry
	for i := range 6000 {
		kind := []store.Kind{store.Arrive, store.Void, store.VoidReplacement, store.Issue, store.ReferWithoutCode}[i%5]
		entries = append(entries, store.Entry{Kind: kind, Year: year + i%3 - 1, Pool: uint32(1 + i%2), Nullifier: code()})
	}
	done(t, s, entries...)
	done(t, s, store.Entry{Kind: store.Arrive, Year: year, Pool: 2, Nullifier: code(), Elsewhere: true, WaitBand: store.Wait3To6Months},
		store.Entry{Kind: store.IssueReplacement, Year: year, Pool: 2}, store.Entry{Kind: store.ArriveWithoutCode, Year: year})
	advance(t, s, year-1, store.StageOpen, store.StageClosed)
	advance(t, s, year+1, store.StageOpen, store.StageReleased)

	for i, centre := range []string{"a", "a", "c"} {
		_, err := s.AddWrongCode(t.Context(), centre, fmt.Sprintf("2026-03-0%d", 1+i), quarter(i))
		is(t, err, nil)
	}
	revoked := store.Token{ID: "t0", Hash: [32]byte{9}, Role: store.RoleAdministrator, ExpiresOn: "2027-01-01", Revoked: true, Kind: store.KindDevice, UsedOn: "2026-03-01"}
	for _, token := range []store.Token{token("t1", 1), revoked} {
		is(t, s.CreateToken(t.Context(), token), nil)
	}
	withAccess(t, s)
	for _, d := range []store.Draft{draft(year, "2026-12-31"), draft(year, "2026-06-30"), draft(year-1, store.CutOffFinal)} {
		is(t, s.SaveDraft(t.Context(), d), nil)
	}
	first := release(store.Release{}, "2026-06-30")
	is(t, s.AppendRelease(t.Context(), first), nil)
	is(t, s.AppendRelease(t.Context(), release(first, "2026-12-31")), nil)
	is(t, s.PutStatements(t.Context(), []store.Statement{statement("s2", 2019, 2024), statement("s1", 2019, 2019)}), nil)
	is(t, s.Beat(t.Context(), "holder", []int{year}), nil)
	return s
}

// copied fills one store from another.
func copied(ctx context.Context, from, into store.Store) error {
	return from.Snapshot(ctx, func(all store.Snapshot) error { return into.Fill(ctx, all) })
}

// keeps returns a snapshot of a store, and its spent codes.
func keeps(t *testing.T, s store.Store) (all store.Snapshot, spent []store.SpentCode) {
	t.Helper()
	is(t, s.Snapshot(t.Context(), func(snapshot store.Snapshot) (err error) {
		all = snapshot
		spent, err = gather(snapshot)
		return err
	}), nil)
	all.Spent = nil
	return all, spent
}

// gather returns the spent codes of a snapshot.
func gather(all store.Snapshot) (spent []store.SpentCode, err error) {
	for code, err := range all.Spent {
		if err != nil {
			return nil, err
		}
		spent = append(spent, code)
	}
	return spent, nil
}

// sameAs fails the test unless two stores keep the same.
func sameAs(t *testing.T, got, want store.Store) {
	t.Helper()
	gotAll, gotSpent := keeps(t, got)
	wantAll, wantSpent := keeps(t, want)
	equal(t, gotAll, wantAll)
	if !slices.Equal(gotSpent, wantSpent) {
		t.Errorf("%d spent codes, or others than the %d", len(gotSpent), len(wantSpent))
	}
}

func copyIsRead(t *testing.T, from, into opener) {
	original, copy := lived(t, from), into(t)
	is(t, copied(t.Context(), original, copy), nil)

	want := stateOf(t, original)
	want.holders = nil                    // that process knows nothing of the copy
	want.sessions, want.attempts = nil, 0 // nobody is signed in to it
	equal(t, stateOf(t, copy), want)
	for _, other := range []int{year - 1, year + 1} {
		equal(t, counts(t, copy, other), counts(t, original, other))
	}
	equal(t, kept(t, copy, "c"), kept(t, original, "c"))
	sameAs(t, copy, original)
	invited(t, copy, nil)
	_, err := copy.EndCeremony(t.Context(), [32]byte{27})
	is(t, err, store.ErrNotFound)

	// Every code is spent in the copy as it was, and in the order that tells nothing.
	all, spent := keeps(t, copy)
	perCohort := map[int]int{}
	for _, code := range spent {
		perCohort[code.Year]++
	}
	if !slices.IsSortedFunc(spent, func(x, y store.SpentCode) int {
		return cmp.Or(cmp.Compare(x.Year, y.Year), bytes.Compare(x.Nullifier[:], y.Nullifier[:]))
	}) {
		t.Error("spent codes do not come in the order of their nullifiers")
	}
	for i, cohort := range all.Cohorts {
		want := spentOf(all.Counts[i])
		if cohort.Stage == store.StageClosed {
			want = 0
		}
		equal(t, perCohort[cohort.Year], want)
	}
}

func copyCountsOn(t *testing.T, from, into opener) {
	original, copy := from(t), into(t)
	withCohort(t, original)
	is(t, original.CreateCohort(t.Context(), cohort(year+1)), nil)
	arrived, voided := code(), code()
	elsewhere := func(kind store.Kind) store.Entry {
		return store.Entry{Kind: kind, Year: year, Pool: 2, Nullifier: arrived, Elsewhere: true, WaitBand: store.WaitUpTo2Weeks}
	}
	done(t, original, elsewhere(store.Arrive), entry(store.Void, voided), entry(store.Issue, code()))
	advance(t, original, year+1, store.StageOpen, store.StageClosed)
	is(t, copied(t.Context(), original, copy), nil)

	is(t, copy.Rewrite(t.Context()), nil)
	equal(t, record(t, copy, entry(store.Arrive, arrived), entry(store.Void, arrived), entry(store.Arrive, voided), entry(store.Void, voided),
		elsewhere(store.Undo), entry(store.Arrive, arrived), entry(store.Arrive, code()), store.Entry{Kind: store.Issue, Year: year + 1, Pool: 1}),
		[]store.Outcome{store.DoneBefore, store.Arrived, store.Voided, store.DoneBefore, store.Done, store.Done, store.Done, store.NotOpen})
	want := zero(year)
	want.Pools[0] = store.PoolCounts{Number: 1, Issued: 1, Voided: 1, Arrived: 2}
	equal(t, counts(t, copy, year), want)

	is(t, copy.AddToPool(t.Context(), year, 1, "g"), nil)
	is(t, copy.CreateCohort(t.Context(), cohort(year+2)), nil)
	advance(t, copy, year, store.StageOpen, store.StageClosed)
	_, spent := keeps(t, copy)
	equal(t, len(spent), 0)
	// The record goes on, chained to what was copied.
	before, after := acts(t, original), acts(t, copy)
	equal(t, after[:len(before)], before)
	equal(t, len(after), len(before)+2+len(store.Stages)-1)
}

func copyOfNothing(t *testing.T, from, into opener) {
	original, copy := from(t), into(t)
	is(t, copied(t.Context(), original, copy), nil)
	sameAs(t, copy, original)
	is(t, copied(t.Context(), lived(t, from), copy), nil) // and can still be filled
}

func fillEmpty(t *testing.T, from, into opener) {
	original := lived(t, from)
	bare := token("t1", 1)
	bare.Centre = ""
	for what, keep := range map[string]func(s store.Store) error{
		"a centre": func(s store.Store) error { return s.CreateCentre(t.Context(), centre("z")) },
		"a cohort": func(s store.Store) error {
			return s.CreateCohort(t.Context(), store.Cohort{Year: 2001, PublicKey: []byte{7}})
		},
		"a wrong code": func(s store.Store) error {
			_, err := s.AddWrongCode(t.Context(), "z", "2026-03-01", quarter(0))
			return err
		},
		"a token":  func(s store.Store) error { return s.CreateToken(t.Context(), bare) },
		"a member": func(s store.Store) error { return s.CreateMember(t.Context(), administrator("z")) },
		"an act":   func(s store.Store) error { return s.Note(t.Context(), store.Act{Action: "store.check"}) },
		"a draft":  func(s store.Store) error { return s.SaveDraft(t.Context(), draft(2001, "2001-12-31")) },
		"a statement": func(s store.Store) error {
			return s.PutStatements(t.Context(), []store.Statement{statement("s1", 2019, 2019)})
		},
		"a release": func(s store.Store) error { return s.AppendRelease(t.Context(), release(store.Release{}, "2026-06-30")) },
	} {
		t.Run(what, func(t *testing.T) {
			s := into(t)
			is(t, keep(s), nil)
			before, _ := keeps(t, s)
			is(t, copied(t.Context(), original, s), store.ErrConflict)
			after, spent := keeps(t, s)
			equal(t, after, before)
			equal(t, len(spent), 0)
		})
	}
}

func fillRace(t *testing.T, from, into opener) {
	original, copy := lived(t, from), into(t)
	one(t, together(3, func(int) error { return copied(t.Context(), original, copy) }), store.ErrConflict)
	sameAs(t, copy, original)
}

func fillFails(t *testing.T, from, into opener) {
	original, copy, empty := lived(t, from), into(t), into(t)
	lost := errors.New("the other store is lost")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, after := range []int{0, 3, 2000} {
		// fill stops short after so many spent codes, for whatever reason.
		fill := func(ctx context.Context, stop func() error) error {
			return original.Snapshot(t.Context(), func(all store.Snapshot) error {
				part := all
				part.Spent = func(yield func(store.SpentCode, error) bool) {
					n := 0
					for code, err := range all.Spent {
						if n == after {
							err = stop()
						}
						if n++; !yield(code, err) || err != nil {
							return
						}
					}
				}
				return copy.Fill(ctx, part)
			})
		}
		is(t, fill(t.Context(), func() error { return lost }), lost)
		sameAs(t, copy, empty)
		is(t, fill(ctx, func() error { cancel(); return nil }), context.Canceled)
		sameAs(t, copy, empty)
	}
	is(t, copied(t.Context(), original, copy), nil)
}

func snapshotRefused(t *testing.T, from, _ opener) {
	s := lived(t, from)
	refused := errors.New("no more of it")
	for range 5 { // more often than there are connections
		is(t, s.Snapshot(t.Context(), func(all store.Snapshot) error {
			for _, err := range all.Spent {
				return errors.Join(refused, err)
			}
			return nil
		}), refused)
	}
	done(t, s, entry(store.Arrive, code()))
	is(t, s.Rewrite(t.Context()), nil)
}
