package cohort

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"aankomst/server/store"
)

// outrun has another process close a cohort while this one is about to leave a stage. Where files change, it is one
// on another machine, with copies of them: in one folder they take turns.
func (c *closable) outrun(stage store.Stage) (other *Keeper) {
	c.t.Helper()
	if err := c.keeper.Sync(c.t.Context(), true); err != nil {
		c.t.Fatal(err)
	}
	other = c.start()
	if slices.Index(store.Stages, stage) >= slices.Index(store.Stages, store.StageAcknowledged) {
		other.Folder = newFolder(c.t)
		for _, name := range []string{KeyFile(2026), KeyFile(2027)} {
			write(c.t, other.Folder, name, read(c.t, c.folder, name), 0o600)
		}
	}
	c.store.before = func(call string) {
		if call != "AdvanceCohort "+string(stage) {
			return
		}
		c.store.before = nil
		if _, _, err := other.Close(c.t.Context(), 2026, all); err != nil {
			c.t.Errorf("the faster one: %v", err)
		}
	}
	return other
}

// Whoever is slower goes on where the faster one got to, and is told how it ended.
func TestClosingGoesOnWhereAFasterProcessGotTo(t *testing.T) {
	t.Parallel()
	for _, stage := range store.Stages[:len(store.Stages)-1] {
		t.Run(string(stage), func(t *testing.T) {
			t.Parallel()
			c := newClosable(t)
			other := c.outrun(stage)
			c.close(c.keeper, all, store.StageClosed, "")
			c.closed(c.keeper)
			c.closed(other)
			if n := c.drafts(); n != 1 {
				t.Errorf("%d final drafts were made", n)
			}
		})
	}
}

// The slower one has said none of the words that the faster one said.
func TestTheSlowerOneStillSaysItsOwnWords(t *testing.T) {
	t.Parallel()
	c := newClosable(t)
	c.outrun(store.StageOpen)
	c.close(c.keeper, CloseOptions{}, store.StageKeyDestroyed, "escrow copy")
}

// stubborn is a store that never lets a cohort leave its stage.
type stubborn struct{ store.Store }

func (stubborn) AdvanceCohort(context.Context, int, store.Stage, store.Stage) error {
	return store.ErrConflict
}

// A closing that gets nowhere ends, and says what to do.
func TestAClosingThatGetsNowhereEnds(t *testing.T) {
	t.Parallel()
	c := newClosable(t)
	c.keeper.Store = stubborn{c.store}
	_, _, err := c.keeper.Close(t.Context(), 2026, all)
	if !errors.Is(err, store.ErrConflict) || !strings.Contains(err.Error(), "repeat the closing, which goes on where it stopped") {
		t.Errorf("got %v", err)
	}
}

// Processes that close a cohort at the same moment, in one key folder, do not get in each other's way.
func TestProcessesCloseACohortAtOnce(t *testing.T) {
	t.Parallel()
	for range 10 {
		c := newClosable(t)
		if err := c.keeper.Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		processes := []*Keeper{c.start(), c.start(), c.start()}
		var group sync.WaitGroup
		for _, k := range processes {
			group.Go(func() {
				if cohort, waitsFor, err := k.Close(t.Context(), 2026, all); err != nil || cohort.Stage != store.StageClosed {
					t.Errorf("it is %s, waiting for %q (%v)", cohort.Stage, waitsFor, err)
				}
			})
		}
		group.Wait()
		for _, k := range processes {
			c.closed(k)
		}
	}
}
