package ledger

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"aankomst/server/store"
)

func TestARepeatedIssueIsCountedOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		pause time.Duration
		want  int
	}{
		{"at once", 0, 1},
		{"just within the minute", RetryWindow - time.Nanosecond, 1},
		{"after the minute", RetryWindow, 2},
		{"long after", 24 * time.Hour, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, l *Ledger, s *tally) {
				done(t, issueFor(t.Context(), l, entry(1), "element"))
				time.Sleep(c.pause)
				done(t, issueFor(t.Context(), l, entry(1), "element"))
				if got := s.times()[1]; got != c.want {
					t.Errorf("counted %d times, want %d", got, c.want)
				}
			})
		})
	}
}

// Somebody who retries again and again is not counted every minute but within it.
func TestTheMinuteBeginsWithTheFirstAttempt(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, l *Ledger, s *tally) {
		for range 9 { // at 0, 20, 40, ... 160 seconds
			done(t, issueFor(t.Context(), l, entry(1), "element"))
			time.Sleep(20 * time.Second)
		}
		if got := s.times()[1]; got != 3 {
			t.Errorf("counted %d times, want 3", got)
		}
	})
}

func TestIssuesThatDifferAreCountedApart(t *testing.T) {
	t.Parallel()
	base := store.Entry{Kind: store.Issue, Year: 2027, Pool: 1}
	for _, c := range []struct {
		name    string
		entry   store.Entry
		element string
		want    int
	}{
		{"the same", base, "element", 1},
		{"another element", base, "other", 2},
		{"a longer element", base, "elements", 2},
		{"no element", base, "", 2},
		{"another year", store.Entry{Kind: store.Issue, Year: 2026, Pool: 1}, "element", 2},
		{"another pool", store.Entry{Kind: store.Issue, Year: 2027, Pool: 2}, "element", 2},
		{"a replacement", store.Entry{Kind: store.IssueReplacement, Year: 2027, Pool: 1}, "element", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, l *Ledger, s *tally) {
				done(t, issueFor(t.Context(), l, base, "element"))
				done(t, issueFor(t.Context(), l, c.entry, c.element))
				if got := len(s.sizes()); got != c.want {
					t.Errorf("counted %d times, want %d", got, c.want)
				}
			})
		})
	}
}

func TestIssuesAtTheSameTimeAreCountedOnce(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, l *Ledger, s *tally) {
		open := s.shut()
		var answers []<-chan answer
		for range 20 {
			answers = append(answers, issueFor(t.Context(), l, entry(1), "element"))
		}
		for _, a := range answers {
			none(t, a)
		}
		open()
		for _, a := range answers {
			done(t, a)
		}
		if got := s.times()[1]; got != 1 {
			t.Errorf("counted %d times", got)
		}
	})
}

func TestAnIssueThatFailedIsCountedWhenItIsRetried(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, l *Ledger, s *tally) {
		away := errors.New("the store is away")
		s.fail(away)
		for range 3 {
			if a := <-issueFor(t.Context(), l, entry(1), "element"); !errors.Is(a.err, away) {
				t.Fatalf("got %v", a)
			}
		}
		s.fail(nil)
		for range 3 {
			done(t, issueFor(t.Context(), l, entry(1), "element"))
		}
		if got := s.times()[1]; got != 1 {
			t.Errorf("counted %d times", got)
		}
	})
}

// Who waited for an attempt that failed tries once itself, and the rest wait for that.
func TestWaitingForAnIssueThatFails(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, l *Ledger, s *tally) {
		away := errors.New("the store is away")
		s.fail(away)
		open := s.shut()
		first := issueFor(t.Context(), l, entry(1), "element")
		waiting := []<-chan answer{
			issueFor(t.Context(), l, entry(1), "element"),
			issueFor(t.Context(), l, entry(1), "element"),
		}
		openNext := s.shut()
		open()
		if a := <-first; !errors.Is(a.err, away) {
			t.Errorf("the first got %v", a)
		}
		synctest.Wait()
		s.fail(nil)
		openNext()
		for _, a := range waiting {
			done(t, a)
		}
		if got := s.times()[1]; got != 1 {
			t.Errorf("counted %d times", got)
		}
	})
}

func TestARefusedIssueIsNotRemembered(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, l *Ledger, s *tally) {
		outcome := store.NotOpen
		s.outcome = func(store.Entry) store.Outcome { return outcome }
		if a := <-issueFor(t.Context(), l, entry(1), "element"); a.err != nil || a.outcome != store.NotOpen {
			t.Fatalf("got %v", a)
		}
		outcome = store.Done
		done(t, issueFor(t.Context(), l, entry(1), "element"))
	})
}

func TestARetryFindsTheOutcomeOfACallerThatWentAway(t *testing.T) {
	t.Parallel()
	for name, retryWhile := range map[string]bool{"while it is recorded": true, "after it was recorded": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, l *Ledger, s *tally) {
				open := s.shut()
				ctx, leave := context.WithCancel(t.Context())
				gone := issueFor(ctx, l, entry(1), "element")
				leave()
				if a := <-gone; !errors.Is(a.err, context.Canceled) {
					t.Errorf("the caller that went away got %v", a)
				}
				if !retryWhile {
					open()
					synctest.Wait()
				}
				retry := issueFor(t.Context(), l, entry(1), "element")
				if retryWhile {
					none(t, retry)
					open()
				}
				done(t, retry)
				if got := s.times()[1]; got != 1 {
					t.Errorf("counted %d times", got)
				}
			})
		})
	}
}

// A caller never waits longer than it wants to, however long the store takes.
func TestAWaitingIssueEndsWithItsContext(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, l *Ledger, s *tally) {
		open := s.shut()
		for range 2 {
			ctx, leave := context.WithTimeout(t.Context(), 5*time.Second)
			if _, err := l.RecordIssue(ctx, entry(1), []byte("element")); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
			leave()
		}
		open()
		l.Close()
		if got := s.times()[1]; got != 1 {
			t.Errorf("counted %d times", got)
		}
	})
}

func TestTheMemoryOfIssuesIsBounded(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, l *Ledger, s *tally) {
		for i := range maxIssues - 1 {
			l.claim(keyOf(entry(1), fmt.Append(nil, i)))
		}
		for range 2 {
			done(t, issueFor(t.Context(), l, entry(2), "the last that is remembered"))
			done(t, issueFor(t.Context(), l, entry(3), "one too many"))
		}
		if times := s.times(); times[2] != 1 || times[3] != 2 {
			t.Errorf("counted %v times", times)
		}
		if got := len(l.issues); got != maxIssues {
			t.Errorf("%d issues are remembered", got)
		}
		time.Sleep(RetryWindow)
		done(t, issueFor(t.Context(), l, entry(4), "after a minute"))
		if got := len(l.issues); got != 1 {
			t.Errorf("%d issues are remembered after a minute", got)
		}
	})
}

// After the last call of a day nothing of it stays in memory.
func TestForgetLeavesNothingOfOldIssues(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, l *Ledger, s *tally) {
		done(t, issueFor(t.Context(), l, entry(1), "element"))
		l.Forget()
		if len(l.issues) != 1 || len(l.recent) != 1 {
			t.Errorf("%d issues are remembered within the minute", len(l.issues))
		}
		time.Sleep(RetryWindow)
		l.Forget()
		if len(l.issues) != 0 || len(l.recent) != 0 {
			t.Errorf("%d issues are remembered after it", len(l.issues))
		}
	})
}
