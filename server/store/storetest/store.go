package storetest

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"aankomst/server/store"
)

var storeTests = []test{
	{"ping succeeds while the store serves", ping},
	{"a cancelled call changes nothing", cancelledCalls},
	{"a closed store is not available", closedStore},
	{"closing waits for calls under way", closeWaits},
}

func ping(t *testing.T, s store.Store) {
	for range 3 {
		is(t, s.Ping(t.Context()), nil)
	}
	is(t, errors.Join(together(4, func(int) error { return s.Ping(t.Context()) })...), nil)
}

// call is a method of the store with arguments that it would accept in cancelledCalls.
type call struct {
	name string
	call func(ctx context.Context, s store.Store) error
}

func writes() []call {
	return append(accessWrites(), []call{
		{"Record", func(ctx context.Context, s store.Store) error {
			_, err := s.Record(ctx, []store.Entry{entry(store.Arrive, code())})
			return err
		}},
		{"Rewrite", func(ctx context.Context, s store.Store) error { return s.Rewrite(ctx) }},
		{"CreateCohort", func(ctx context.Context, s store.Store) error { return s.CreateCohort(ctx, cohort(year+1)) }},
		{"AddToPool", func(ctx context.Context, s store.Store) error { return s.AddToPool(ctx, year, 1, "g") }},
		{"AdvanceCohort", func(ctx context.Context, s store.Store) error {
			return s.AdvanceCohort(ctx, year, store.StageOpen, store.StageClosing)
		}},
		{"Beat", func(ctx context.Context, s store.Store) error { return s.Beat(ctx, "x", []int{year}) }},
		{"CreateCentre", func(ctx context.Context, s store.Store) error { return s.CreateCentre(ctx, centre("h")) }},
		{"UpdateCentre", func(ctx context.Context, s store.Store) error {
			_, err := s.UpdateCentre(ctx, "a", func(c *store.Centre) error { c.Name = "x"; return nil })
			return err
		}},
		{"AddWrongCode", func(ctx context.Context, s store.Store) error {
			_, err := s.AddWrongCode(ctx, "a", "2026-03-01", quarter(0))
			return err
		}},
		{"CreateToken", func(ctx context.Context, s store.Store) error { return s.CreateToken(ctx, token("t4", 4)) }},
		{"RevokeToken", func(ctx context.Context, s store.Store) error { return s.RevokeToken(ctx, "t1") }},
		{"SaveDraft", func(ctx context.Context, s store.Store) error { return s.SaveDraft(ctx, draft(year, "2026-12-31")) }},
		{"AppendRelease", func(ctx context.Context, s store.Store) error {
			return s.AppendRelease(ctx, release(store.Release{}, "2026-06-30"))
		}},
		{"PutStatements", func(ctx context.Context, s store.Store) error {
			return s.PutStatements(ctx, []store.Statement{statement("s2", 2018, 2018)})
		}},
		{"RemoveStatement", func(ctx context.Context, s store.Store) error { return s.RemoveStatement(ctx, "s1") }},
		{"Fill", func(ctx context.Context, s store.Store) error {
			err := s.Fill(ctx, store.Snapshot{Spent: func(func(store.SpentCode, error) bool) {}})
			if errors.Is(err, store.ErrConflict) { // it is not empty
				return nil
			}
			return err
		}},
		{"Ping", func(ctx context.Context, s store.Store) error { return s.Ping(ctx) }},
	}...)
}

func reads() []call {
	return append(accessReads(), []call{
		{"Counts", func(ctx context.Context, s store.Store) error { _, err := s.Counts(ctx, year); return err }},
		{"ListCohorts", func(ctx context.Context, s store.Store) error { _, err := s.ListCohorts(ctx); return err }},
		{"GetCohort", func(ctx context.Context, s store.Store) error { _, err := s.GetCohort(ctx, year); return err }},
		{"Holders", func(ctx context.Context, s store.Store) error { _, err := s.Holders(ctx, year); return err }},
		{"GetCentre", func(ctx context.Context, s store.Store) error { _, err := s.GetCentre(ctx, "a"); return err }},
		{"ListCentres", func(ctx context.Context, s store.Store) error { _, err := s.ListCentres(ctx); return err }},
		{"Callers", func(ctx context.Context, s store.Store) error { _, err := s.Callers(ctx, [][32]byte{{1}}); return err }},
		{"Callers of nobody", func(ctx context.Context, s store.Store) error { _, err := s.Callers(ctx, nil); return err }},
		{"ListTokens", func(ctx context.Context, s store.Store) error { _, err := s.ListTokens(ctx); return err }},
		{"ListDrafts", func(ctx context.Context, s store.Store) error { _, err := s.ListDrafts(ctx, year); return err }},
		{"ListReleases", func(ctx context.Context, s store.Store) error { _, err := s.ListReleases(ctx); return err }},
		{"GetRelease", func(ctx context.Context, s store.Store) error {
			_, err := s.GetRelease(ctx, 1)
			if errors.Is(err, store.ErrNotFound) {
				return nil
			}
			return err
		}},
		{"ListStatements", func(ctx context.Context, s store.Store) error { _, err := s.ListStatements(ctx); return err }},
		{"Snapshot", func(ctx context.Context, s store.Store) error {
			return s.Snapshot(ctx, func(all store.Snapshot) error { _, err := gather(all); return err })
		}},
	}...)
}

// state is everything that reads return.
type state struct {
	counts   store.Counts
	cohorts  []store.Cohort
	holders  []store.Holder
	centres  []store.Centre
	tokens   []store.Token
	callers  []store.Caller
	drafts   []store.Draft
	releases []store.Release
	stated   []store.Statement
	members  []store.Member
	passkeys []store.Passkey
	sessions []store.Session
	attempts int
	acts     []store.Act
}

func stateOf(t *testing.T, s store.Store) (all state) {
	t.Helper()
	all.counts = counts(t, s, year)
	errs := make([]error, 13)
	all.cohorts, errs[0] = s.ListCohorts(t.Context())
	all.holders, errs[1] = s.Holders(t.Context(), year)
	all.centres, errs[2] = s.ListCentres(t.Context())
	all.tokens, errs[3] = s.ListTokens(t.Context())
	all.callers, errs[4] = s.Callers(t.Context(), [][32]byte{{1}})
	all.drafts, errs[5] = s.ListDrafts(t.Context(), year)
	all.releases, errs[6] = s.ListReleases(t.Context())
	all.stated, errs[7] = s.ListStatements(t.Context())
	all.members, errs[8] = s.ListMembers(t.Context())
	all.passkeys, errs[9] = s.ListPasskeys(t.Context(), "")
	all.sessions, errs[10] = s.ListSessions(t.Context(), "m1")
	all.attempts, errs[11] = s.Attempts(t.Context(), store.AttemptSignIn, "m1", quarter(0))
	all.acts, errs[12] = s.ListActs(t.Context(), 0, 1000)
	is(t, errors.Join(errs...), nil)
	return all
}

func cancelledCalls(t *testing.T, s store.Store) {
	withCohort(t, s)
	withAccess(t, s)
	is(t, s.CreateToken(t.Context(), token("t1", 1)), nil)
	is(t, s.CreateToken(t.Context(), token("t2", 2)), nil)
	is(t, s.PutStatements(t.Context(), []store.Statement{statement("s1", 2019, 2019)}), nil)
	before := stateOf(t, s)
	for _, c := range append(writes(), reads()...) {
		if err := c.call(cancelled(t), s); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error %v, want cancelled", c.name, err)
		}
	}
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	for _, c := range append(writes(), reads()...) {
		if err := c.call(late, s); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: error %v, want deadline exceeded", c.name, err)
		}
	}
	equal(t, stateOf(t, s), before)

	// The store serves on, and each of the calls would have been accepted.
	for _, c := range append(writes(), reads()...) {
		if err := c.call(t.Context(), s); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func closedStore(t *testing.T, s store.Store) {
	withCohort(t, s)
	is(t, s.Close(), nil)
	for _, c := range append(writes(), reads()...) {
		if err := c.call(t.Context(), s); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: error %v, want not available", c.name, err)
		}
	}
}

func closeWaits(t *testing.T, s store.Store) {
	withCohort(t, s)
	begun := make(chan struct{})
	var finished atomic.Bool
	errs := together(2, func(i int) error {
		if i == 0 {
			_, err := s.UpdateCentre(t.Context(), "a", func(c *store.Centre) error {
				close(begun)
				time.Sleep(20 * time.Millisecond) // long enough for a Close that does not wait
				finished.Store(true)
				return nil
			})
			return err
		}
		<-begun
		err := s.Close()
		if !finished.Load() {
			t.Error("closed with a call under way")
		}
		return err
	})
	is(t, errors.Join(errs...), nil)
}
