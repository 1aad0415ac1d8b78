package cohort

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"aankomst/refcode"
)

// One cohort stays, one comes and goes: what is done with the first always works, and what is done with
// the other works in full or not at all.
func TestKeysComeAndGoWhileTheyAreUsed(t *testing.T) {
	t.Parallel()
	ring := &Keyring{}
	stays, goes := keyNamed(t, "stays", 2026), keyNamed(t, "goes", 2027)
	staying, going := opened(stays, refcode.Short, 1), opened(goes, refcode.Short, 1, 2)
	load(t, ring, staying, stays)
	load(t, ring, going, goes)
	kept, passing := issueCode(t, ring, DirectoryOf(staying), 1), issueCode(t, ring, DirectoryOf(going), 2)
	wantKept, wantPassing := ring.Recognise(kept), ring.Recognise(passing)
	blinding, err := refcode.Blind(DirectoryOf(going), 2)
	if err != nil {
		t.Fatal(err)
	}

	// Made beforehand: a key that was dropped is not to be used again.
	const rounds = 60
	keys := make([]*Key, rounds)
	for i := range keys {
		keys[i] = keyNamed(t, "goes", 2027)
	}
	var group sync.WaitGroup
	group.Go(func() {
		for _, key := range keys {
			ring.Drop(2027)
			if err := ring.Load(going, key); err != nil {
				t.Error(err)
			}
		}
	})
	for range 2 {
		group.Go(func() {
			for range rounds {
				evaluated, proof, err := ring.Evaluate(2027, 2, blinding.Element)
				if errors.Is(err, ErrNotLoaded) {
					continue
				}
				if err != nil {
					t.Error(err)
				}
				if _, err := blinding.Finalize(evaluated, proof); err != nil {
					t.Error(err)
				}
			}
		})
		group.Go(func() {
			for range rounds {
				got := ring.Recognise(kept)
				if got.Pairs != 2 && got.Pairs != 5 {
					t.Errorf("%d pairs were evaluated", got.Pairs)
				}
				if got.Pairs = wantKept.Pairs; got != wantKept {
					t.Errorf("the code of the cohort that stays: %+v", got)
				}
			}
		})
		group.Go(func() {
			for range rounds {
				got := ring.Recognise(passing)
				if got != wantPassing && got != (Recognition{Pairs: 2}) {
					t.Errorf("the code of the cohort that comes and goes: %+v", got)
				}
				if years := ring.Years(); !slices.Contains(years, 2026) {
					t.Errorf("keys are held of %v", years)
				}
			}
		})
	}
	group.Wait()
}

// Closing counts on it that nobody uses a key any more once Drop has returned.
func TestDropWaitsForWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	ring := &Keyring{}
	key := keyNamed(t, "key", 2026)
	spent := key.secret().spent
	load(t, ring, opened(key, refcode.Short, 1), key)

	ring.mu.RLock() // an evaluation that does not end
	dropped := make(chan struct{})
	go func() {
		defer close(dropped)
		ring.Drop(2026)
	}()
	// While it waits, Drop lets no new evaluation begin: that is how it is seen to wait.
	for ring.mu.TryRLock() {
		ring.mu.RUnlock()
		select {
		case <-dropped:
			t.Fatal("the key was dropped while it was used")
		default:
		}
	}
	if slices.Equal(spent, make([]byte, spentKeyBytes)) {
		t.Error("the key was wiped while it was used")
	}
	ring.mu.RUnlock()
	<-dropped
	if years := ring.Years(); len(years) != 0 {
		t.Errorf("keys are held of %v", years)
	}
}
