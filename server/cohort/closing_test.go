package cohort

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"aankomst/server/store"
)

func TestClosingWithEveryWordSaid(t *testing.T) {
	t.Parallel()
	c := newClosable(t)
	write(t, c.folder, "cohort-2026.key.123.tmp", read(t, c.folder, KeyFile(2026)), 0o600)
	c.close(c.keeper, CloseOptions{EscrowDestroyed: true}, store.StageClosed, "")
	c.closed(c.keeper)
	if n := c.drafts(); n != 1 {
		t.Errorf("%d final drafts were made", n)
	}
	if !slices.Equal(c.retired, []store.Stage{store.StageEscrowDestroyed}) {
		t.Errorf("the store key was retired in %v", c.retired)
	}
}

func TestWhenACohortCanBeClosed(t *testing.T) {
	t.Parallel()
	c := newClosable(t)
	for _, at := range []struct {
		now   string
		early bool
		says  string // empty: it is begun
	}{
		{"2027-06-30T23:59:59+02:00", false, "confirmed until 2027-06-30; close it from 2027-07-01 on"},
		{"2027-01-01T00:00:00+01:00", false, "close it from 2027-07-01 on"},
		{"2026-12-31T23:59:59+01:00", false, "close it from 2027-07-01 on"},
		{"2026-12-31T23:59:59+01:00", true, "2026 is not over"},
		{"2026-01-01T00:00:00+01:00", true, "2026 is not over"},
		{"2026-06-01T00:00:00+02:00", false, "2026 is not over"},
		{"2026-12-31T23:00:00Z", true, ""},
	} {
		c.setDay(at.now)
		cohort, waitsFor, err := c.keeper.Close(t.Context(), 2026, CloseOptions{Early: at.early})
		if at.says == "" {
			if err != nil || cohort.Stage != store.StageKeyDestroyed || len(waitsFor) != 1 {
				t.Errorf("%s, early %v: %s, waiting for %q (%v)", at.now, at.early, cohort.Stage, waitsFor, err)
			}
			continue
		}
		if !errors.Is(err, ErrTooSoon) || !strings.Contains(err.Error(), at.says) || c.stage(2026) != store.StageOpen {
			t.Errorf("%s, early %v: %v", at.now, at.early, err)
		}
	}
	if _, _, err := c.keeper.Close(t.Context(), 2024, all); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a year that has no cohort: %v", err)
	}
	t.Run("from its first moment", func(t *testing.T) {
		c := newClosable(t)
		c.setDay("2027-07-01T00:00:00+02:00")
		c.close(c.keeper, CloseOptions{}, store.StageKeyDestroyed, "escrow")
	})
}

func TestAWithheldReleaseNeedsAWord(t *testing.T) {
	t.Parallel()
	c := newClosable(t)
	c.withheld = true
	for range 2 {
		c.close(c.keeper, CloseOptions{EscrowDestroyed: true}, store.StageClosing, "accept")
		// Nothing is accepted any more, but nothing is destroyed either.
		if outcome := c.record(store.Entry{Kind: store.Issue, Year: 2026, Pool: 1}); outcome != store.NotOpen {
			t.Errorf("a code was issued: outcome %d", outcome)
		}
		if _, err := c.folder.Load(2026); err != nil {
			t.Errorf("the key: %v", err)
		}
	}
	c.close(c.keeper, CloseOptions{EscrowDestroyed: true, AcceptWithheld: true}, store.StageClosed, "")
	c.closed(c.keeper)
	if n := c.drafts(); n != 1 {
		t.Errorf("%d final drafts were made", n)
	}
}

func TestTheEscrowCopyNeedsAWord(t *testing.T) {
	t.Parallel()
	c := newClosable(t)
	for range 2 {
		c.close(c.keeper, CloseOptions{AcceptWithheld: true, Early: true}, store.StageKeyDestroyed, "escrow copy")
		if len(c.retired) != 0 {
			t.Errorf("the store key was retired in %v", c.retired)
		}
		if _, err := c.folder.Load(2026); !errors.Is(err, ErrNoKey) {
			t.Errorf("the key: %v", err)
		}
	}
	c.close(c.keeper, CloseOptions{EscrowDestroyed: true}, store.StageClosed, "")
	c.closed(c.keeper)
}

func TestNothingIsAcceptedOnceClosingHasBegun(t *testing.T) {
	t.Parallel()
	c := newClosable(t)
	for i, stage := range store.Stages[1:] {
		if err := c.store.AdvanceCohort(t.Context(), 2026, store.Stages[i], stage); err != nil {
			t.Fatal(err)
		}
		for kind := store.Issue; kind <= store.Undo; kind++ {
			entry := store.Entry{Kind: kind, Year: 2026, Pool: 1, Nullifier: store.Nullifier{byte(kind)}}
			if outcome := c.record(entry); outcome != store.NotOpen {
				t.Errorf("%s, kind %d: outcome %d", stage, kind, outcome)
			}
		}
		if err := c.keeper.Sync(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		if got := c.keeper.Ring.Recognise(c.code); got.Genuine {
			t.Errorf("%s: the code is recognised", stage)
		}
	}
}

func TestClosingWaitsForEveryProcessThatHoldsTheKey(t *testing.T) {
	t.Parallel()
	begin := func(t *testing.T) (c *closable, other *Keeper) {
		c = newClosable(t)
		other = c.start()
		if err := other.Sync(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		c.close(c.keeper, all, store.StageReleased, other.Holder)
		if slices.Contains(c.keeper.Ring.Years(), 2026) || slices.Contains(c.holds(2026), c.keeper.Holder) {
			t.Error("it has not let go itself")
		}
		if _, err := c.folder.Load(2026); err != nil {
			t.Errorf("the key: %v", err)
		}
		return c, other
	}
	t.Run("until it lets go", func(t *testing.T) {
		t.Parallel()
		c, other := begin(t)
		if err := other.Sync(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		c.close(c.keeper, all, store.StageClosed, "")
		c.closed(c.keeper)
		c.closed(other)
	})
	t.Run("until it stops", func(t *testing.T) {
		t.Parallel()
		c, other := begin(t)
		if err := other.Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.close(c.keeper, all, store.StageClosed, "")
		c.closed(c.keeper)
	})
	t.Run("until it is taken to be gone", func(t *testing.T) {
		t.Parallel()
		c, other := begin(t)
		c.wait(GoneAfter - time.Second)
		c.close(c.keeper, all, store.StageReleased, other.Holder)
		c.wait(time.Second)
		c.close(c.keeper, all, store.StageClosed, "")
		c.closed(c.keeper)
	})
	t.Run("however long it says that it holds it", func(t *testing.T) {
		t.Parallel()
		c, other := begin(t)
		for range 5 {
			c.wait(GoneAfter - time.Second)
			if err := c.store.Beat(t.Context(), other.Holder, []int{2026}); err != nil {
				t.Fatal(err)
			}
			c.close(c.keeper, all, store.StageReleased, other.Holder)
		}
	})
	t.Run("and for no other", func(t *testing.T) {
		t.Parallel()
		c := newClosable(t)
		if err := c.store.Beat(t.Context(), "a process of next year", []int{2027}); err != nil {
			t.Fatal(err)
		}
		c.close(c.keeper, all, store.StageClosed, "")
	})
}

// A process that looks for keys while another closes a cohort must not end up with the key that the
// other destroys. Whenever the closing happens: either the one that closes sees the other hold the key,
// or the other sees that the cohort is being closed.
func TestTakingAKeyIntoUseWhileItIsDestroyed(t *testing.T) {
	t.Parallel()
	for n, call := range []string{"ListCohorts", "Beat", "ListCohorts", "Beat"} {
		t.Run(fmt.Sprintf("before call %d, %s", n+1, call), func(t *testing.T) {
			t.Parallel()
			c := newClosable(t)
			other := c.start()
			theirs := &faulty{Store: c.store.Store}
			other.Store = theirs
			theirs.before = func(string) {
				if len(theirs.calls) == n+1 {
					if _, _, err := c.keeper.Close(t.Context(), 2026, all); err != nil {
						t.Error(err)
					}
				}
			}
			if err := other.Sync(t.Context(), true); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(theirs.calls[:3], []string{"ListCohorts", "Beat", "ListCohorts"}) {
				t.Fatalf("it made the calls %v", theirs.calls)
			}
			holds := slices.Contains(other.Ring.Years(), 2026)
			if _, err := c.folder.Load(2026); holds && err != nil {
				t.Errorf("it holds a key that is destroyed: %v", err)
			}
			if said := slices.Contains(c.holds(2026), other.Holder); said != holds {
				t.Errorf("it holds the key: %v, but says: %v", holds, said)
			}
			if err := other.Sync(t.Context(), false); err != nil {
				t.Fatal(err)
			}
			c.close(c.keeper, all, store.StageClosed, "")
			c.closed(other)
		})
	}
}

// In one process closing and looking for keys take turns: here closing is asked for after the last look
// at the cohorts, and before the key is loaded.
func TestClosingWhileKeysAreLookedFor(t *testing.T) {
	t.Parallel()
	c := newClosable(t)
	if err := c.keeper.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	k := c.start()
	looks := &faulty{Store: c.store.Store}
	k.Store = looks
	closed := make(chan error, 1)
	looks.afterwards = func(string) {
		if len(looks.calls) != 3 {
			return
		}
		go func() {
			_, _, err := k.Close(t.Context(), 2026, all)
			closed <- err
		}()
		// Without turns it would be over by then.
		for range 200 {
			if c.stage(2026) == store.StageClosed {
				t.Error("it was closed while its key was being loaded")
				return
			}
		}
	}
	if err := k.Sync(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	c.closed(k)
}

func TestClosingTwiceAtOnce(t *testing.T) {
	t.Parallel()
	c := newClosable(t)
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			if err := c.keeper.Sync(t.Context(), true); err != nil {
				t.Error(err)
			}
		})
		group.Go(func() {
			if cohort, waitsFor, err := c.keeper.Close(t.Context(), 2026, all); err != nil || cohort.Stage != store.StageClosed {
				t.Errorf("it is %s, waiting for %q (%v)", cohort.Stage, waitsFor, err)
			}
		})
	}
	group.Wait()
	c.closed(c.keeper)
}

func TestAMissingKeyFileDoesNotKeepACohortOpen(t *testing.T) {
	t.Parallel()
	c := newClosable(t)
	for _, name := range []string{KeyFile(2026), escrowCopy(t, c.folder, 2026)} {
		if err := os.Remove(c.folder.Path(name)); err != nil {
			t.Fatal(err)
		}
	}
	restarted := c.start()
	if err := restarted.Sync(t.Context(), true); !errors.Is(err, ErrNoKey) {
		t.Errorf("while it is open: %v", err)
	}
	if err := c.keeper.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.close(restarted, CloseOptions{}, store.StageKeyDestroyed, "escrow")
	if err := restarted.Sync(t.Context(), true); err != nil {
		t.Errorf("while it is closing: %v", err)
	}
	c.close(restarted, all, store.StageClosed, "")
	c.closed(restarted)
}

func TestClosingNamesWhatItDestroys(t *testing.T) {
	t.Parallel()
	text := strings.Join(Destroys(store.Cohort{Year: 2026}), "\n")
	for _, word := range []string{"key of 2026", "escrow copy", "spent codes", "cannot be opened again"} {
		if !strings.Contains(text, word) {
			t.Errorf("it does not name: %s", word)
		}
	}
}
