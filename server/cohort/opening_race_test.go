package cohort

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"

	"filippo.io/age"

	"aankomst/server/filelock"
	"aankomst/server/store"
)

// rival is a process of an office that opens cohorts for a recipient of its own, in a folder that may be another.
type rival struct {
	*Keeper
	calls    *faulty
	identity *age.X25519Identity
	plan     Plan
}

func (o *office) rival(folder string) *rival {
	o.t.Helper()
	r := &rival{Keeper: o.start(), calls: &faulty{Store: o.store.Store}, identity: identity(o.t), plan: o.plan(2026)}
	var err error
	if r.Folder, err = OpenFolder(folder); err != nil {
		o.t.Fatal(err)
	}
	r.Store, r.plan.Recipients = r.calls, []string{r.identity.Recipient().String()}
	return r
}

func (r *rival) open(ctx context.Context) error {
	_, err := r.Open(ctx, r.plan)
	return err
}

// won fails unless of those that opened a cohort one did, and its folder holds the key and the one escrow copy that
// the store describes, for the recipient of that one. What it returns are the others.
func (o *office) won(rivals map[*rival]error) (others []*rival) {
	o.t.Helper()
	var winner *rival
	for r, err := range rivals {
		switch {
		case err == nil && winner == nil:
			winner = r
		case !errors.Is(err, store.ErrExists):
			o.t.Errorf("opening it gives %v", err)
			fallthrough
		default:
			others = append(others, r)
		}
	}
	if winner == nil {
		o.t.Fatal("nobody opened it")
	}
	o.folder, o.identity = winner.Folder, winner.identity
	o.works(winner.Keeper, 2026)
	return others
}

// Several processes open a cohort at once, in one folder, each for a recipient of its own. What stays is of one.
func TestSeveralProcessesOpenACohortAtOnce(t *testing.T) {
	t.Parallel()
	for range 10 {
		o := newOffice(t, "2026-03-04")
		errs := map[*rival]error{}
		var mu sync.Mutex
		var group sync.WaitGroup
		for range 3 {
			r := o.rival(o.folder.path)
			group.Go(func() {
				err := r.open(t.Context())
				mu.Lock()
				defer mu.Unlock()
				errs[r] = err
			})
		}
		group.Wait()
		for _, r := range o.won(errs) {
			if slices.Contains(r.calls.calls, "CreateCohort") {
				t.Error("it was not waited for whoever opened it")
			}
			// It takes the key into use like any other.
			if err := r.Sync(t.Context(), false); err != nil {
				t.Error(err)
			}
			o.works(r.Keeper, 2026)
		}
	}
}

// The lock of a folder may not hold: on the file system of a network, or because each machine has a folder of its
// own. Wherever the one opens the cohort while the other is about to: what stays is of one, and nothing of the other.
func TestOpeningsThatNoLockKeepsApart(t *testing.T) {
	t.Parallel()
	dry := newOffice(t, "2026-03-04").rival(t.TempDir() + "/keys")
	if err := dry.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, shared := range []bool{true, false} {
		for n, call := range dry.calls.calls {
			t.Run(fmt.Sprintf("one folder %v, before call %d, %s", shared, n+1, call), func(t *testing.T) {
				t.Parallel()
				o := newOffice(t, "2026-03-04")
				folder := o.folder.path
				if !shared {
					folder = filepath.Join(t.TempDir(), "keys")
				}
				slow, fast := o.rival(o.folder.path), o.rival(folder)
				errs := map[*rival]error{}
				slow.calls.before = func(string) {
					if len(slow.calls.calls) != n+1 {
						return
					}
					if err := os.Remove(slow.Folder.Path(turnFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
						t.Error(err)
					}
					errs[fast] = fast.open(t.Context())
				}
				errs[slow] = slow.open(t.Context())
				loser := o.won(errs)[0]
				if got := names(t, loser.Folder); !shared && !slices.Equal(got, []string{turnFile}) && len(got) > 0 {
					t.Errorf("the other left %v", got)
				}
			})
		}
	}
}

// A key that lay there before it was tried to open the cohort is not taken away by whoever did not write it.
func TestAKeyThatWasFoundStays(t *testing.T) {
	t.Parallel()
	o := newOffice(t, "2026-03-04")
	slow, fast := o.rival(filepath.Join(t.TempDir(), "keys")), o.rival(o.folder.path)
	if _, err := slow.Folder.Create(keyNamed(t, "found", 2026)); err != nil {
		t.Fatal(err)
	}
	errs := map[*rival]error{}
	slow.calls.before = func(call string) {
		if call == "CreateCohort" {
			errs[fast] = fast.open(t.Context())
		}
	}
	errs[slow] = slow.open(t.Context())
	o.won(errs)
	if got := names(t, slow.Folder); !slices.Equal(got, []string{KeyFile(2026), turnFile}) {
		t.Errorf("there are %v", got)
	}
}

// A process is killed at each call to the store, before it takes effect or after. Either there is a cohort, with its
// key and its escrow copy, or there is none; and it is opened then by whoever tries.
func TestAnOpeningThatIsKilled(t *testing.T) {
	t.Parallel()
	dry := newOffice(t, "2026-03-04")
	dry.open(dry.start(), 2026)
	for n, call := range dry.store.calls {
		for _, after := range moments(call) {
			t.Run(fmt.Sprintf("%d %s, after it took effect %v", n+1, call, after), func(t *testing.T) {
				t.Parallel()
				o := newOffice(t, "2026-03-04")
				killed := o.rival(o.folder.path)
				kill := func(string) {
					if len(killed.calls.calls) == n+1 {
						runtime.Goexit()
					}
				}
				if after {
					killed.calls.afterwards = kill
				} else {
					killed.calls.before = kill
				}
				gone := make(chan struct{})
				go func() {
					defer close(gone)
					_ = killed.open(t.Context())
					t.Error("it was not killed")
				}()
				<-gone

				next := o.rival(o.folder.path)
				cohort, err := o.store.Store.GetCohort(t.Context(), 2026)
				if errors.Is(err, store.ErrNotFound) {
					o.won(map[*rival]error{next: next.open(t.Context())})
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if name := escrowCopy(t, o.folder, 2026); name != EscrowFile(2026, cohort.EscrowDigest) {
					t.Errorf("the escrow copy is %s", name)
				}
				if err := next.open(t.Context()); !errors.Is(err, store.ErrExists) {
					t.Errorf("opened again: %v", err)
				}
				if err := next.Sync(t.Context(), true); err != nil {
					t.Fatal(err)
				}
				o.identity = killed.identity
				o.works(next.Keeper, 2026)
			})
		}
	}
}

// What an opening left that was cut short before another was cut short too goes when it is asked for again. A copy
// that somebody made by hand is none of it.
func TestEscrowCopiesThatCameToNothingGo(t *testing.T) {
	t.Parallel()
	o := newOffice(t, "2026-03-04")
	k := o.start()
	o.open(k, 2026)
	right := escrowCopy(t, o.folder, 2026)
	for _, name := range []string{"cohort-2026.escrow.0123456789abcdef.age", "cohort-2026.escrow.made by hand.age",
		"cohort-2026.escrow.0123456789abcdef.age.1.tmp", "cohort-2026.key.1.tmp", "cohort-2027.escrow.0123456789abcdef.age"} {
		write(t, o.folder, name, []byte("escrow"), 0o600)
	}
	if _, err := k.Open(t.Context(), o.plan(2026)); !errors.Is(err, store.ErrExists) {
		t.Fatalf("opened again: %v", err)
	}
	want := []string{"cohort-2026.escrow.made by hand.age", right, "cohort-2026.key", "cohort-2027.escrow.0123456789abcdef.age", turnFile}
	slices.Sort(want)
	if got := names(t, o.folder); !slices.Equal(got, want) {
		t.Errorf("there are %v", got)
	}
}

// refusing is a store that refuses every cohort.
type refusing struct{ store.Store }

func (refusing) CreateCohort(context.Context, store.Cohort) error { return store.ErrConflict }

func TestACohortThatTheStoreRefusesLeavesNoEscrowCopy(t *testing.T) {
	t.Parallel()
	o := newOffice(t, "2026-03-04")
	k := o.start()
	k.Store = refusing{o.store}
	if _, err := k.Open(t.Context(), o.plan(2026)); !errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if got := names(t, o.folder); !slices.Equal(got, []string{KeyFile(2026), turnFile}) {
		t.Errorf("there are %v", got)
	}
	key := read(t, o.folder, KeyFile(2026))
	k.Store = o.store
	o.open(k, 2026)
	if !bytes.Equal(read(t, o.folder, KeyFile(2026)), key) {
		t.Error("the key that lay there was replaced")
	}
}

// Whoever waits for another opening can give up, and has written nothing.
func TestWaitingForAnotherOpeningCanBeGivenUp(t *testing.T) {
	t.Parallel()
	o := newOffice(t, "2026-03-04")
	lock, err := filelock.Alone(o.folder.Path(turnFile))
	if err != nil {
		t.Fatal(err)
	}
	ctx, giveUp := context.WithCancel(t.Context())
	o.store.afterwards = func(call string) {
		if call == "ListCentres" {
			giveUp()
		}
	}
	k := o.start()
	if _, err := k.Open(ctx, o.plan(2026)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if got := names(t, o.folder); !slices.Equal(got, []string{turnFile}) {
		t.Errorf("there are %v", got)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	o.store.afterwards = nil
	o.open(k, 2026)
	o.works(k, 2026)
}
