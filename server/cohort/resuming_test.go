package cohort

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"aankomst/server/store"
)

// Whichever call fails, before or after it took effect: closing is gone on with, in the same process or
// in a new one, and ends as if nothing had happened.
func TestClosingCanStopAtEveryCall(t *testing.T) {
	t.Parallel()
	dry := newClosable(t)
	dry.store.fail(0, false)
	dry.close(dry.keeper, all, store.StageClosed, "")
	calls := dry.store.calls
	for _, call := range []string{"AdvanceCohort open", "SaveDraft", "Beat", "Holders", "RetireStoreKey", "AdvanceCohort escrow_destroyed"} {
		if !slices.Contains(calls, call) {
			t.Fatalf("closing made the calls %v", calls)
		}
	}
	for n, call := range calls {
		if call == "GetCohort" && n > 0 {
			continue // each step begins with it, and it changes nothing
		}
		for i, after := range moments(call) {
			restart := (n+i)%2 == 0
			t.Run(fmt.Sprintf("%d %s, after it took effect %v, restart %v", n+1, call, after, restart), func(t *testing.T) {
				t.Parallel()
				c := newClosable(t)
				c.store.fail(n+1, after)
				if _, _, err := c.keeper.Close(t.Context(), 2026, all); !errors.Is(err, errFault) {
					t.Fatalf("got %v", err)
				}
				c.store.fail(0, false)
				k := c.keeper
				if restart {
					k = c.restart()
				}
				c.close(k, all, store.StageClosed, "")
				c.closed(k)
				if n := c.drafts(); n != 1 {
					t.Errorf("%d final drafts were made", n)
				}
			})
		}
	}
}

// restart kills the process and starts another, as the server starts; what the first said it holds is
// waited out.
func (c *closable) restart() *Keeper {
	c.t.Helper()
	c.wait(GoneAfter)
	k := c.start()
	if err := k.Reclose(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	if err := k.Sync(c.t.Context(), true); err != nil {
		c.t.Fatal(err)
	}
	return k
}

func TestClosingCanStopAtEveryFile(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		file string
		at   store.Stage
	}{
		{"cohort-2026.destroyed", store.StageAcknowledged},
		{"cohort-2026.key.5.tmp", store.StageAcknowledged},
		{"cohort-2026.closed", store.StageEscrowDestroyed},
	} {
		t.Run(c.file, func(t *testing.T) {
			t.Parallel()
			office := newClosable(t)
			takeAway := obstruct(t, office.folder, c.file)
			if _, _, err := office.keeper.Close(t.Context(), 2026, all); !errors.Is(err, ErrKeyFolder) {
				t.Fatalf("got %v", err)
			}
			if got := office.stage(2026); got != c.at {
				t.Errorf("it is %s, want %s", got, c.at)
			}
			takeAway()
			office.close(office.keeper, all, store.StageClosed, "")
			office.closed(office.keeper)
		})
	}
}

// What keeps a final release from being made keeps the key from being destroyed.
func TestAFreezeThatFailsStopsClosing(t *testing.T) {
	t.Parallel()
	c := newClosable(t)
	broken := errors.New("the counts make no sense")
	c.keeper.Freeze = func(context.Context, store.Cohort) (bool, error) { return false, broken }
	if _, _, err := c.keeper.Close(t.Context(), 2026, all); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if _, err := c.folder.Load(2026); err != nil || c.stage(2026) != store.StageClosing {
		t.Errorf("it is %s, and its key: %v", c.stage(2026), err)
	}
	c.keeper.Freeze = c.freeze
	c.close(c.keeper, all, store.StageClosed, "")
}

// A restart says no word that closing waits for.
func TestARestartDoesNotGoOnWithClosing(t *testing.T) {
	t.Parallel()
	t.Run("a withheld release", func(t *testing.T) {
		t.Parallel()
		c := newClosable(t)
		c.withheld = true
		c.close(c.keeper, CloseOptions{}, store.StageClosing, "accept")
		c.restart()
		if got := c.stage(2026); got != store.StageClosing {
			t.Errorf("it is %s", got)
		}
	})
	t.Run("the escrow copy", func(t *testing.T) {
		t.Parallel()
		c := newClosable(t)
		c.close(c.keeper, CloseOptions{}, store.StageKeyDestroyed, "escrow")
		k := c.restart()
		if got := c.stage(2026); got != store.StageKeyDestroyed || len(c.retired) != 0 {
			t.Errorf("it is %s, and the store key was retired in %v", got, c.retired)
		}
		c.close(k, CloseOptions{}, store.StageKeyDestroyed, "escrow")
		c.close(k, all, store.StageClosed, "")
		c.closed(k)
	})
}

// A crash while the key is destroyed leaves a key file of which the folder says that it is destroyed.
func TestARestartEndsAnInterruptedDestruction(t *testing.T) {
	t.Parallel()
	c := newClosable(t)
	document := read(t, c.folder, KeyFile(2026))
	takeAway := obstruct(t, c.folder, "cohort-2026.key.5.tmp")
	if _, _, err := c.keeper.Close(t.Context(), 2026, all); !errors.Is(err, ErrKeyFolder) {
		t.Fatalf("got %v", err)
	}
	takeAway()
	write(t, c.folder, KeyFile(2026), document, 0o600)
	k := c.restart()
	if got := c.stage(2026); got != store.StageKeyDestroyed {
		t.Errorf("it is %s", got)
	}
	if _, err := c.folder.Load(2026); !errors.Is(err, ErrNoKey) {
		t.Errorf("the key: %v", err)
	}
	c.close(k, all, store.StageClosed, "")
	c.closed(k)
}

// backup is what an operator has: a copy of the store, and (against all advice) of the key file.
type backup struct {
	store string
	key   []byte
}

func (c *closable) backup() backup {
	c.t.Helper()
	path := filepath.Join(c.t.TempDir(), "backup.db")
	if err := c.store.Store.(timed).Store.(interface {
		Backup(ctx context.Context, path string) error
	}).Backup(c.t.Context(), path); err != nil {
		c.t.Fatal(err)
	}
	return backup{store: path, key: read(c.t, c.folder, KeyFile(2026))}
}

// restore brings the backup back, and starts a process on it.
func (c *closable) restore(b backup) *Keeper {
	c.t.Helper()
	c.store.Store = timed{openStoreAt(c.t, b.store), c.office}
	write(c.t, c.folder, KeyFile(2026), b.key, 0o600)
	c.retired = nil
	return c.restart()
}

func TestWhatWasClosedStaysClosedInARestoredBackup(t *testing.T) {
	t.Parallel()
	for _, made := range []store.Stage{store.StageOpen, store.StageClosing} {
		t.Run("made while it was "+string(made), func(t *testing.T) {
			t.Parallel()
			c := newClosable(t)
			if made == store.StageClosing {
				c.withheld = true
				c.close(c.keeper, CloseOptions{}, store.StageClosing, "accept")
			}
			b := c.backup()
			c.close(c.keeper, all, store.StageClosed, "")
			k := c.restore(b)
			c.closed(k)
			// The final release was made of other counts: it must not be made a second time.
			if made := c.drafts(); made > 1 {
				t.Errorf("%d final drafts", made)
			}
			if err := k.Reclose(t.Context()); err != nil {
				t.Errorf("again: %v", err)
			}
			if n := len(c.retired); n != 1 {
				t.Errorf("the store key was retired %d times", n)
			}
		})
	}
}

// A key that somebody puts back from a copy is destroyed again, whether or not the store was restored too.
func TestAKeyThatIsPutBackIsDestroyedAgain(t *testing.T) {
	t.Parallel()
	c := newClosable(t)
	b := c.backup()
	c.close(c.keeper, all, store.StageClosed, "")
	write(t, c.folder, KeyFile(2026), b.key, 0o600)
	c.closed(c.restart())
	// In a folder that never saw the closing, too.
	if err := os.Remove(c.folder.Path(destroyedFile(2026))); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(c.folder.Path(closedFile(2026))); err != nil {
		t.Fatal(err)
	}
	write(t, c.folder, KeyFile(2026), b.key, 0o600)
	c.restart()
	if got := names(t, c.folder); slices.Contains(got, KeyFile(2026)) {
		t.Errorf("there are %v", got)
	}
}

// The key is gone, so the codes are; but the words have to be said.
func TestABackupRestoredInTheMiddleOfClosing(t *testing.T) {
	t.Parallel()
	c := newClosable(t)
	b := c.backup()
	c.close(c.keeper, CloseOptions{}, store.StageKeyDestroyed, "escrow")
	k := c.restore(b)
	if got := c.stage(2026); got != store.StageKeyDestroyed {
		t.Errorf("it is %s", got)
	}
	if got := names(t, c.folder); slices.Contains(got, KeyFile(2026)) {
		t.Errorf("there are %v", got)
	}
	c.close(k, CloseOptions{}, store.StageKeyDestroyed, "escrow")
	c.close(k, all, store.StageClosed, "")
	c.closed(k)
}

// Whichever call fails while what was closed is closed again: the next start goes on.
func TestClosingAgainCanStopAtEveryCall(t *testing.T) {
	t.Parallel()
	c := newClosable(t)
	b := c.backup()
	c.close(c.keeper, all, store.StageClosed, "")
	c.store.Store = timed{openStoreAt(t, b.store), c.office}
	write(t, c.folder, KeyFile(2026), b.key, 0o600)
	c.retired = nil
	failures := 0
	for n := 1; c.stage(2026) != store.StageClosed || n == 1; n++ {
		// ListCohorts, RetireStoreKey, then the step that is due, once before and once after it took effect.
		c.store.fail(min(n, 3), n%2 == 0)
		err := c.start().Reclose(t.Context())
		if err == nil {
			break
		}
		if !errors.Is(err, errFault) {
			t.Fatalf("got %v", err)
		}
		failures++
	}
	c.store.fail(0, false)
	if failures < 7 {
		t.Errorf("it failed only %d times", failures)
	}
	c.closed(c.restart())
}

// A cohort that was never closed here is left alone.
func TestReclosingLeavesTheRestAlone(t *testing.T) {
	t.Parallel()
	c := newClosable(t)
	if err := c.keeper.Reclose(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c.stage(2026) != store.StageOpen || c.stage(2027) != store.StageOpen || len(c.retired) != 0 {
		t.Errorf("2026 is %s, 2027 is %s", c.stage(2026), c.stage(2027))
	}
	if got := c.keeper.Ring.Recognise(c.code); !got.Genuine {
		t.Error("its codes are not recognised any more")
	}
}
