package ledger

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"aankomst/server/store"
)

// spend returns an entry that spends a code.
func spend(kind store.Kind, code byte) store.Entry {
	return store.Entry{Kind: kind, Year: 2027, Pool: 1, Nullifier: store.Nullifier{code}}
}

// A commit that nobody knows of leaves a count uncertain, and whoever spends a code is none the wiser: the
// code is recorded again.
func TestAnUncertainCommitIsRepeatedWhereThatIsSafe(t *testing.T) {
	t.Parallel()
	counts := []store.Entry{entry(1), {Kind: store.IssueReplacement, Pool: 2}, {Kind: store.ReferWithoutCode, Pool: 3}, {Kind: store.ArriveWithoutCode, Pool: 4}}
	spends := []store.Entry{spend(store.Arrive, 1), spend(store.Undo, 2), spend(store.Void, 3), spend(store.VoidReplacement, 4)}
	for _, c := range []struct {
		name      string
		uncertain int // how many commits
		spent     error
	}{
		{"once", 1, nil},
		{"three times", 3, nil},
		{"for good", 1 << 10, store.ErrUncertain},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, l *Ledger, s *tally) {
				open := s.shut()
				warm := record(t.Context(), l, entry(9)) // the others gather behind it
				s.loseNext(c.uncertain)
				s.keepNext(1)
				var uncertain, answers []<-chan answer
				for _, e := range counts {
					uncertain = append(uncertain, record(t.Context(), l, e))
				}
				for _, e := range spends {
					answers = append(answers, record(t.Context(), l, e))
				}
				open()
				done(t, warm)
				for _, a := range uncertain {
					if a := <-a; !errors.Is(a.err, store.ErrUncertain) {
						t.Errorf("a count was answered %v", a)
					}
				}
				for _, a := range answers {
					if a := <-a; !errors.Is(a.err, c.spent) {
						t.Errorf("a spent code was answered %v, want %v", a, c.spent)
					}
				}
				if got := s.times(); got[1] > 1+len(spends)*(maxRepeats+1) || got[3] > 1 {
					t.Errorf("recorded %v times", got)
				}
			})
		})
	}
}

// slow is a store.Tally without a standby: every commit is uncertain once it has waited for a while. It
// takes no new attempt when the context has ended.
type slow struct {
	store.Tally
	waits []time.Duration // of one attempt after another; the last holds on
	tries int
}

func (s *slow) Record(ctx context.Context, _ []store.Entry) ([]store.Outcome, error) {
	wait := s.waits[min(s.tries, len(s.waits)-1)]
	s.tries++
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(wait):
		return nil, store.ErrUncertain
	}
}

// While commits wait in vain for a standby, who spends a code is told as soon as who issues one, and in
// time to repeat the call: that it is uncertain, not that it took too long.
func TestWhoSpendsACodeIsToldInTimeThatItIsUncertain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		waits []time.Duration
		most  time.Duration
	}{
		"every commit waits":                             {[]time.Duration{10 * time.Second}, 10 * time.Second},
		"the first is cut off, the next wait":            {[]time.Duration{0, 10 * time.Second}, repeatTime},
		"all are cut off, each after a while":            {[]time.Duration{1500 * time.Millisecond}, repeatTime},
		"the first takes as long as may be repeated for": {[]time.Duration{repeatTime}, repeatTime},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &slow{waits: c.waits}
				l := New(s, time.Now)
				defer l.Close()
				begun := time.Now()
				a := <-record(t.Context(), l, spend(store.Arrive, 1))
				if !errors.Is(a.err, store.ErrUncertain) {
					t.Errorf("answered %v, want uncertain", a)
				}
				if took := time.Since(begun); took > c.most {
					t.Errorf("answered after %v, want %v at most", took, c.most)
				}
			})
		})
	}
}
