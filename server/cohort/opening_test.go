package cohort

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"aankomst/refcode"
	"aankomst/server/store"
)

func TestOpeningTakesTheKeyIntoUse(t *testing.T) {
	t.Parallel()
	for _, layout := range []refcode.Layout{refcode.Short, refcode.Long} {
		o := newOffice(t, "2026-03-04")
		k := o.start()
		plan := o.plan(2026)
		plan.Layout = layout
		plan.Recipients = append(plan.Recipients, identity(t).Recipient().String())
		cohort, err := k.Open(t.Context(), plan)
		if err != nil {
			t.Fatal(err)
		}
		o.works(k, 2026)
		stored, err := o.store.GetCohort(t.Context(), 2026)
		if err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]store.Cohort{"answered": cohort, "stored": stored} {
			if refcode.Layout(c.Layout) != layout || len(c.Pools) != 3 || !slices.Equal(c.EscrowRecipients, plan.Recipients) || StateAt(c, o.clock()) != Open {
				t.Errorf("%s: %+v", name, c)
			}
		}
		// Another process takes it into use when it next looks.
		other := o.start()
		if err := other.Sync(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		o.works(other, 2026)
		// Nothing of the key is in the store.
		key, err := o.folder.Load(2026)
		if err != nil {
			t.Fatal(err)
		}
		tellsNothing(t, key, "the store", fmt.Sprintf("%+v %x", stored, stored.PublicKey))
	}
}

func TestTheNextYearOpensFromDecember(t *testing.T) {
	t.Parallel()
	o := newOffice(t, "2026-11-30T23:59:59+01:00")
	k := o.start()
	o.open(k, 2026)
	if _, err := k.Open(t.Context(), o.plan(2027)); !errors.Is(err, ErrTooSoon) {
		t.Errorf("in November: %v", err)
	}
	o.setDay("2026-12-01T00:00:00+01:00")
	ahead := o.open(k, 2027)
	o.works(k, 2027)
	o.works(k, 2026)
	if state := StateAt(ahead, o.clock()); state != Ahead {
		t.Errorf("it is %s", state)
	}
	if _, err := k.Open(t.Context(), o.plan(2028)); !errors.Is(err, ErrTooSoon) {
		t.Errorf("the year after: %v", err)
	}
}

// A year that has its cohort keeps its key, whatever is asked for.
func TestAYearIsOpenedOnce(t *testing.T) {
	t.Parallel()
	o := newOffice(t, "2026-03-04")
	k := o.start()
	o.open(k, 2026)
	copied := escrowCopy(t, o.folder, 2026)
	key, escrow := read(t, o.folder, KeyFile(2026)), read(t, o.folder, copied)
	for _, process := range []*Keeper{k, o.start()} {
		if _, err := process.Open(t.Context(), o.plan(2026)); !errors.Is(err, store.ErrExists) {
			t.Errorf("opened again: %v", err)
		}
	}
	if !slices.Equal(read(t, o.folder, KeyFile(2026)), key) || !slices.Equal(read(t, o.folder, copied), escrow) {
		t.Error("the key or its escrow copy changed")
	}
	o.works(k, 2026)
}

func TestOpeningTwiceAtOnce(t *testing.T) {
	t.Parallel()
	o := newOffice(t, "2026-03-04")
	k := o.start()
	errs := make([]error, 6)
	var group sync.WaitGroup
	for i := range errs {
		group.Go(func() { _, errs[i] = k.Open(t.Context(), o.plan(2026)) })
	}
	group.Wait()
	good := 0
	for _, err := range errs {
		if err == nil {
			good++
		} else if !errors.Is(err, store.ErrExists) {
			t.Error(err)
		}
	}
	if good != 1 {
		t.Errorf("%d of them opened it", good)
	}
	o.works(k, 2026)
}

// Whichever call to the store fails, before or after it took effect: opened again, in the same process
// or in a new one, there is one cohort and its key works.
func TestOpeningCanStopAtEveryCallToTheStore(t *testing.T) {
	t.Parallel()
	dry := newOffice(t, "2026-03-04")
	dry.open(dry.start(), 2026)
	calls := dry.store.calls
	if !slices.Contains(calls, "CreateCohort") || !slices.Contains(calls, "Beat") {
		t.Fatalf("opening made the calls %v", calls)
	}
	for n, call := range calls {
		for _, after := range moments(call) {
			t.Run(fmt.Sprintf("%d %s, after it took effect %v", n+1, call, after), func(t *testing.T) {
				t.Parallel()
				o := newOffice(t, "2026-03-04")
				k := o.start()
				o.store.fail(n+1, after)
				if _, err := k.Open(t.Context(), o.plan(2026)); !errors.Is(err, errFault) {
					t.Fatalf("got %v", err)
				}
				o.store.fail(0, false)
				if n%2 == 1 { // half of them after a restart
					k = o.start()
					if err := k.Reclose(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				if _, err := k.Open(t.Context(), o.plan(2026)); err != nil && !errors.Is(err, store.ErrExists) {
					t.Fatal(err)
				}
				if err := k.Sync(t.Context(), true); err != nil {
					t.Fatal(err)
				}
				o.works(k, 2026)
			})
		}
	}
}

func TestOpeningCanStopAtEveryFile(t *testing.T) {
	t.Parallel()
	for _, file := range []string{turnFile, KeyFile(2026)} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t, "2026-03-04")
			k := o.start()
			takeAway := obstruct(t, o.folder, file)
			if _, err := k.Open(t.Context(), o.plan(2026)); !errors.Is(err, ErrKeyFolder) {
				t.Fatalf("got %v", err)
			}
			if cohorts, err := o.store.ListCohorts(t.Context()); err != nil || len(cohorts) != 0 {
				t.Fatalf("there are %d cohorts (%v)", len(cohorts), err)
			}
			takeAway()
			o.open(k, 2026)
			o.works(k, 2026)
		})
	}
	// A crash between the two files, and between the files and the store; another plan and other
	// recipients may be named then.
	for _, escrow := range []bool{false, true} {
		o := newOffice(t, "2026-03-04")
		key, err := GenerateKey(2026)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := o.folder.Create(key); err != nil {
			t.Fatal(err)
		}
		if escrow {
			if _, err := o.folder.WriteEscrow(key, []string{identity(t).Recipient().String()}); err != nil {
				t.Fatal(err)
			}
		}
		k := o.start()
		cohort := o.open(k, 2026)
		if !slices.Equal(cohort.PublicKey, key.PublicKey()) {
			t.Error("it was opened with another key than the one that lay there")
		}
		o.works(k, 2026)
	}
}

func TestAYearWhoseKeyWasDestroyedIsNotOpened(t *testing.T) {
	t.Parallel()
	o := newOffice(t, "2026-03-04")
	if err := o.folder.Destroy(2026); err != nil {
		t.Fatal(err)
	}
	if _, err := o.start().Open(t.Context(), o.plan(2026)); !errors.Is(err, ErrKeyFolder) {
		t.Errorf("got %v", err)
	}
	if got := names(t, o.folder); !slices.Equal(got, []string{"cohort-2026.destroyed", "opening.lock"}) {
		t.Errorf("there are %v", got)
	}
}
