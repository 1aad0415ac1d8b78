package cohort

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"aankomst/refcode"
	"aankomst/server/store"
)

// closable is an office in which the cohort of 2026 can be closed, and that of 2027 is in use.
type closable struct {
	*office
	keeper *Keeper
	cohort store.Cohort
	counts store.Counts
	code   refcode.Code // a code of 2026
}

// newClosable returns one on 1 July 2027.
func newClosable(t *testing.T) *closable {
	t.Helper()
	o := newOffice(t, "2026-03-04")
	c := &closable{office: o, keeper: o.start()}
	c.cohort = o.open(c.keeper, 2026)
	c.code = issueCode(t, c.keeper.Ring, DirectoryOf(c.cohort), 1)
	arrived := c.keeper.Ring.Recognise(c.code)
	for _, entry := range []store.Entry{
		{Kind: store.Issue, Year: 2026, Pool: 1},
		{Kind: store.Issue, Year: 2026, Pool: 2},
		{Kind: store.Arrive, Year: arrived.Year, Pool: arrived.Pool, Nullifier: arrived.Nullifier},
	} {
		if outcome := o.record(entry); outcome != store.Done {
			t.Fatalf("recording %+v: outcome %d", entry, outcome)
		}
	}
	o.setDay("2026-12-04")
	o.open(c.keeper, 2027)
	o.setDay("2027-07-01")
	var err error
	if c.counts, err = o.store.Counts(t.Context(), 2026); err != nil {
		t.Fatal(err)
	}
	return c
}

// all is every word that closing asks for.
var all = CloseOptions{Early: true, AcceptWithheld: true, EscrowDestroyed: true}

// close closes the cohort as far as it goes, and fails unless that ends in a stage, waiting for what a
// word names; nothing when the word is empty.
func (c *closable) close(k *Keeper, options CloseOptions, want store.Stage, waitsFor string) {
	c.t.Helper()
	cohort, lines, err := k.Close(c.t.Context(), 2026, options)
	if err != nil {
		c.t.Fatalf("closing: %v", err)
	}
	text := strings.Join(lines, "\n")
	if cohort.Stage != want || c.stage(2026) != want || (text == "") != (waitsFor == "") || !strings.Contains(text, waitsFor) {
		c.t.Fatalf("it is %s (stored: %s) and waits for %q; want %s, waiting for %q", cohort.Stage, c.stage(2026), text, want, waitsFor)
	}
}

// closed fails unless the cohort is closed for good and nothing else came to harm.
func (c *closable) closed(k *Keeper) {
	t := c.t
	t.Helper()
	if got := c.stage(2026); got != store.StageClosed {
		t.Fatalf("it is %s", got)
	}
	left := names(t, c.folder)
	escrowCopy(t, c.folder, 2027)
	if !slices.Contains(left, KeyFile(2027)) {
		t.Error("the key of 2027 is gone")
	}
	for _, name := range left {
		if strings.HasPrefix(name, "cohort-2026.") && name != "cohort-2026.destroyed" && name != "cohort-2026.closed" {
			t.Errorf("%s is still there", name)
		}
	}
	if got := c.holds(2026); len(got) > 0 && slices.Contains(got, k.Holder) {
		t.Errorf("it is held by %v", got)
	}
	if slices.Contains(k.Ring.Years(), 2026) || k.Ring.Recognise(c.code).Genuine {
		t.Error("the key is still in use")
	}
	counts, err := c.store.Counts(t.Context(), 2026)
	if err != nil || !reflect.DeepEqual(counts, c.counts) {
		t.Errorf("counts: %+v (%v), want %+v", counts, err, c.counts)
	}
	if len(c.retired) == 0 || slices.Contains(c.retired, store.StageClosed) {
		t.Errorf("the store key was retired in %v", c.retired)
	}
	if outcome := c.record(store.Entry{Kind: store.Issue, Year: 2026, Pool: 1}); outcome != store.NotOpen {
		t.Errorf("a code was issued: outcome %d", outcome)
	}
	// It cannot be opened or closed again.
	if _, _, err := k.Close(t.Context(), 2026, CloseOptions{}); err != nil {
		t.Errorf("closing it again: %v", err)
	}
	if _, err := c.folder.Create(keyNamed(t, "again", 2026)); !errors.Is(err, ErrKeyFolder) {
		t.Errorf("making its key again: %v", err)
	}
	// The cohort of 2027 goes on.
	if err := k.Sync(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if years := k.Ring.Years(); !slices.Equal(years, []int{2027}) {
		t.Errorf("keys are held of %v", years)
	}
	if outcome := c.record(store.Entry{Kind: store.Issue, Year: 2027, Pool: 1}); outcome != store.Done {
		t.Errorf("issuing in 2027: outcome %d", outcome)
	}
}

// drafts returns how many final drafts the cohort has.
func (c *closable) drafts() int {
	c.t.Helper()
	drafts, err := c.store.ListDrafts(c.t.Context(), 2026)
	if err != nil {
		c.t.Fatal(err)
	}
	return len(drafts)
}
