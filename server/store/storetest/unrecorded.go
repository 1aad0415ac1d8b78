package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"aankomst/server/store"
)

func failuresUnrecorded(t *testing.T, s store.Store) {
	withMembers(t, s, member("m1"), administrator("m2"))
	is(t, s.CreateToken(t.Context(), token("t1", 41)), nil)
	refused := errors.New("refused")
	statements := []store.Statement{statement("s1", 2018, 2018), statement("s2", year, year)}
	lost := alter("m2", func(m *store.Member) { m.Removed = true })
	for name, each := range map[string]struct {
		want error
		do   func(ctx context.Context) error
	}{
		"CreateCentre": {store.ErrExists, func(ctx context.Context) error { return s.CreateCentre(ctx, centre("a")) }},
		"UpdateCentre": {refused, func(ctx context.Context) error {
			_, err := s.UpdateCentre(ctx, "a", func(c *store.Centre) error { c.Name = ""; return refused })
			return err
		}},
		"CreateCohort": {store.ErrExists, func(ctx context.Context) error { return s.CreateCohort(ctx, cohort(year)) }},
		"AddToPool":    {store.ErrExists, func(ctx context.Context) error { return s.AddToPool(ctx, year, 2, "a") }},
		"AdvanceCohort": {store.ErrConflict, func(ctx context.Context) error {
			return s.AdvanceCohort(ctx, year, store.StageOpen, store.StageReleased)
		}},
		"AppendRelease":   {store.ErrConflict, func(ctx context.Context) error { return s.AppendRelease(ctx, store.Release{Number: 2, Year: year}) }},
		"PutStatements":   {store.ErrConflict, func(ctx context.Context) error { return s.PutStatements(ctx, statements) }},
		"RemoveStatement": {store.ErrNotFound, func(ctx context.Context) error { return s.RemoveStatement(ctx, "s1") }},
		"CreateToken":     {store.ErrExists, func(ctx context.Context) error { return s.CreateToken(ctx, token("t1", 50)) }},
		"RotateToken":     {store.ErrExists, func(ctx context.Context) error { return s.RotateToken(ctx, "t1", token("t1", 50), "2026-05-01") }},
		"RevokeToken":     {store.ErrNotFound, func(ctx context.Context) error { return s.RevokeToken(ctx, "t9") }},
		"PutInvitation":   {store.ErrNotFound, func(ctx context.Context) error { return s.PutInvitation(ctx, invitation("m9", 50)) }},
		"CreateMember":    {store.ErrExists, func(ctx context.Context) error { return s.CreateMember(ctx, member("m1")) }},
		"UpdateMember":    {store.ErrLastAdministrator, func(ctx context.Context) error { return lost(ctx, s) }},
		"Enrol": {store.ErrNotFound, func(ctx context.Context) error {
			return s.Enrol(ctx, [32]byte{50}, passkey("m1", 50), session("m1", 50))
		}},
		"EnrolDevice": {store.ErrNotFound, func(ctx context.Context) error {
			_, err := s.EnrolDevice(ctx, [32]byte{50}, [32]byte{51}, "2026-09-01")
			return err
		}},
		"AddPasskey":     {store.ErrExists, func(ctx context.Context) error { return s.AddPasskey(ctx, passkey("m1", 2)) }},
		"RemovePasskey":  {store.ErrLastAdministrator, func(ctx context.Context) error { return s.RemovePasskey(ctx, "m2", []byte{2}, [32]byte{}) }},
		"SuspectPasskey": {store.ErrNotFound, func(ctx context.Context) error { return s.SuspectPasskey(ctx, "m1", []byte{2}) }},
	} {
		t.Run(name, func(t *testing.T) {
			equal(t, recorded(t, s, func() { is(t, each.do(t.Context()), each.want) }), nil)
		})
	}
}

func nothingUnrecorded(t *testing.T, s store.Store) {
	withMembers(t, s, member("m1"), administrator("m2"))
	is(t, s.CreateToken(t.Context(), token("t1", 41)), nil)
	is(t, s.RevokeToken(t.Context(), "t1"), nil)
	is(t, s.SuspectPasskey(t.Context(), "m1", []byte{1}), nil)
	is(t, s.PutStatements(t.Context(), []store.Statement{statement("s1", 2018, 2018)}), nil)
	is(t, s.StartSession(t.Context(), session("m1", 50), store.PasskeyUse{}), nil)
	for name, do := range map[string]func(ctx context.Context) error{
		"UpdateCentre": func(ctx context.Context) error { return update(func(c *store.Centre) { c.ID = "z" })(ctx, s) },
		"UpdateMember": func(ctx context.Context) error { return alter("m1", func(m *store.Member) { m.Revision = 9 })(ctx, s) },
		"PutStatements": func(ctx context.Context) error {
			return s.PutStatements(ctx, []store.Statement{statement("s1", 2018, 2018)})
		},
		"RevokeToken":    func(ctx context.Context) error { return s.RevokeToken(ctx, "t1") },
		"SuspectPasskey": func(ctx context.Context) error { return s.SuspectPasskey(ctx, "m1", []byte{1}) },
		"EndSessions":    func(ctx context.Context) error { return s.EndSessions(ctx, "m1", [32]byte{50}) },
		// What an intake worker says of the own centre.
		"UpdateCentre to its capacity": func(ctx context.Context) error {
			return update(func(c *store.Centre) {
				c.Intake, c.Wait, c.CapacityOn = store.IntakeStop, store.WaitUnknown, "2026-03-09"
			})(ctx, s)
		},
		// People come and go.
		"EndSessions of oneself": func(ctx context.Context) error {
			return s.EndSessions(store.As(ctx, store.BySeat("m2"), quarter(0)), "m2", [32]byte{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			equal(t, recorded(t, s, func() { is(t, do(t.Context()), nil) }), nil)
		})
	}
}

func callsUnrecorded(t *testing.T, s store.Store) {
	withMembers(t, s, member("m1"))
	is(t, s.CreateToken(t.Context(), token("t1", 41)), nil)
	spent := code()
	equal(t, recorded(t, s, func() {
		done(t, s, entry(store.Issue, code()), entry(store.IssueReplacement, code()), entry(store.ReferWithoutCode, code()),
			entry(store.ArriveWithoutCode, code()), entry(store.Arrive, spent), entry(store.Void, code()), entry(store.VoidReplacement, code()),
			entry(store.Undo, spent))
		_, err := s.AddWrongCode(t.Context(), "a", "2026-03-01", quarter(0))
		is(t, err, nil)
		_, err = s.CountAttempt(t.Context(), store.AttemptAdministration, "m1", quarter(0))
		is(t, err, nil)
		is(t, s.BeginCeremony(t.Context(), ceremony(1)), nil)
		_, err = s.EndCeremony(t.Context(), [32]byte{1})
		is(t, err, nil)
		is(t, s.StartSession(t.Context(), session("m1", 50), store.PasskeyUse{ID: []byte{1}, Count: 1}), nil)
		is(t, s.ProveSession(t.Context(), [32]byte{50}, [32]byte{50}, quarter(3), store.PasskeyUse{ID: []byte{1}, Count: 2}), nil)
		is(t, s.EndSession(t.Context(), [32]byte{50}), nil)
		uses := store.Uses{Sessions: map[[32]byte]time.Time{{1}: quarter(3)}, Tokens: map[string]string{"t1": "2026-03-01"}}
		is(t, s.Used(t.Context(), uses, quarter(99)), nil)
		is(t, s.SaveDraft(t.Context(), draft(year, "2026-06-30")), nil)
		is(t, s.Beat(t.Context(), "holder", []int{year}), nil)
		is(t, s.Settle(t.Context()), nil)
		is(t, s.Rewrite(t.Context()), nil)
		is(t, s.Ping(t.Context()), nil)
		_, _ = keeps(t, s)
	}), nil)
}

func noted(t *testing.T, s store.Store) {
	act := store.Act{
		Number: 9, At: quarter(90), By: "somebody", Action: "export.download", Target: `r"1\ <ü> &`, Detail: "form=csv \u2028", Previous: [32]byte{1},
	}
	for range 2 {
		is(t, s.Note(store.As(t.Context(), store.ByToken("t1"), quarter(2)), act), nil)
	}
	all := acts(t, s)
	equal(t, len(all), 2)
	for i, got := range all {
		want := act
		want.Number, want.At, want.By, want.Previous = i+1, quarter(2), "token:t1", got.Previous
		equal(t, got, want)
	}
	is(t, s.Note(t.Context(), store.Act{Target: "nothing"}), nil)
	equal(t, len(acts(t, s)), 2)
}

func listActs(t *testing.T, s store.Store) {
	equal(t, len(acts(t, s)), 0)
	for i := range 7 {
		is(t, s.Note(t.Context(), store.Act{Action: "test", Target: fmt.Sprint(i + 1)}), nil)
	}
	for _, c := range []struct{ after, most, first, last int }{
		{0, 7, 1, 7}, {0, 100, 1, 7}, {0, 3, 1, 3}, {3, 3, 4, 6}, {6, 3, 7, 7}, {7, 3, 0, 0}, {100, 3, 0, 0}, {2, 1, 3, 3}, {0, 0, 0, 0},
	} {
		got, err := s.ListActs(t.Context(), c.after, c.most)
		is(t, err, nil)
		var numbers, want []int
		for _, act := range got {
			numbers = append(numbers, act.Number)
			equal(t, act.Target, fmt.Sprint(act.Number))
		}
		for n := c.first; n <= c.last && n > 0; n++ {
			want = append(want, n)
		}
		equal(t, numbers, want)
	}
}

// actsAtOnce has methods that have nothing else in common append to the record.
func actsAtOnce(t *testing.T, s store.Store) {
	withMembers(t, s, administrator("m1"))
	begun := len(acts(t, s))
	const workers, rounds = 6, 8
	errs := together(workers, func(worker int) error {
		for round := range rounds {
			id := fmt.Sprintf("%d-%d", worker, round)
			hash := byte(100 + worker*rounds + round)
			err := []func() error{
				func() error { return s.CreateCentre(t.Context(), centre(id)) },
				func() error { return s.CreateToken(t.Context(), token(id, hash)) },
				func() error { return s.CreateMember(t.Context(), member(id)) },
				func() error { return s.PutStatements(t.Context(), []store.Statement{statement(id, 2000, 2001)}) },
				func() error { return alter("m1", func(m *store.Member) { m.Label = id })(t.Context(), s) },
				func() error { return s.PutInvitation(t.Context(), invitation("m1", hash)) },
				func() error { return s.AddPasskey(t.Context(), passkey("m1", hash)) },
				func() error { return update(func(c *store.Centre) { c.Name = id })(t.Context(), s) },
			}[(worker+round)%8]()
			if err != nil {
				return fmt.Errorf("%d in round %d: %w", worker, round, err)
			}
		}
		return nil
	})
	is(t, errors.Join(errs...), nil)
	equal(t, len(acts(t, s)), begun+workers*rounds)
}
