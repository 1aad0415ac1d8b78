// Package book plays the entries of one call of store.Tally.Record on a copy in memory, so that every
// backend decides alike, and writes only what came out: a code that is spent and given back in one
// call leaves no row behind.
//
// A backend fills a Book with what its transaction reads, plays the entries, and saves Counted and
// Codes.
package book

import (
	"bytes"
	"cmp"
	"errors"
	"slices"

	"aankomst/server/store"
)

// The measures of a pool, by the names that they have in every store.
const (
	Issued              = "issued"
	Voided              = "voided"
	Arrived             = "arrived"
	Elsewhere           = "elsewhere"
	Replaced            = "replaced"
	ReplacementsVoided  = "replacements_voided"
	ReferredWithoutCode = "referred_without_code"
)

// PoolMeasures are counted for each pool.
var PoolMeasures = []string{
	Issued, Voided, Arrived, Elsewhere, Replaced, ReplacementsVoided, ReferredWithoutCode,
}

// WholeCohort stands in the pool's place for what is counted for the cohort as a whole. The practice
// pool has the same number and no counters.
const WholeCohort = 0

// ArrivedWithoutCode is counted for the cohort as a whole.
const ArrivedWithoutCode = "arrived_without_code"

// waits holds the measure of each waiting-time band, none for WaitUnknown.
var waits = [store.WaitBands]string{
	store.WaitUpTo2Weeks:      "wait_up_to_2_weeks",
	store.Wait2To6Weeks:       "wait_2_to_6_weeks",
	store.Wait6WeeksTo3Months: "wait_6_weeks_to_3_months",
	store.Wait3To6Months:      "wait_3_to_6_months",
	store.WaitOver6Months:     "wait_over_6_months",
}

// CohortMeasures are counted for the cohort as a whole.
var CohortMeasures = append([]string{ArrivedWithoutCode}, waits[1:]...)

// Kind is how a code is spent, as it is stored; a code that is not has no row.
type Kind uint8

// The kinds.
const (
	Unspent Kind = iota
	SpentByArrival
	SpentByVoid
)

// Counter names one counter.
type Counter struct {
	Year    int
	Pool    uint32
	Measure string
}

// Code names one code of a cohort.
type Code struct {
	Year      int
	Nullifier store.Nullifier
}

// Change is what a value was before the entries were played and what it is now.
type Change[T any] struct{ Was, Now T }

// Book is the part of a store that one call of Record touches.
type Book struct {
	pools   map[int]map[uint32]bool // of the open cohorts
	counts  map[Counter]Change[int]
	counted map[Counter]bool
	codes   map[Code]Change[Kind]
}

// New returns an empty book: no cohort is open, every counter zero, every code unspent.
func New() *Book {
	return &Book{
		pools: map[int]map[uint32]bool{}, counts: map[Counter]Change[int]{}, counted: map[Counter]bool{},
		codes: map[Code]Change[Kind]{},
	}
}

// Open says that a cohort is open and which pools it has.
func (b *Book) Open(year int, pools ...uint32) {
	b.pools[year] = map[uint32]bool{}
	for _, pool := range pools {
		b.pools[year][pool] = true
	}
}

// Count says what a counter is. It matters only where entries take something back.
func (b *Book) Count(counter Counter, count int) { b.counts[counter] = Change[int]{count, count} }

// Spent says how a code is spent.
func (b *Book) Spent(code Code, kind Kind) { b.codes[code] = Change[Kind]{kind, kind} }

// Check returns an error when an entry is of an unknown kind or waiting-time band.
func Check(entries []store.Entry) error {
	for _, e := range entries {
		if e.Kind < store.Issue || e.Kind > store.Undo || e.WaitBand >= store.WaitBands {
			return errors.New("an entry has an unknown kind or waiting-time band")
		}
	}
	return nil
}

// CodeOf returns the code that an entry spends or gives back; false when it only counts.
func CodeOf(e store.Entry) (Code, bool) {
	return Code{e.Year, e.Nullifier}, e.Kind.Repeatable()
}

// Play carries out entries, which must have passed Check, in their order.
func (b *Book) Play(entries []store.Entry) []store.Outcome {
	outcomes := make([]store.Outcome, len(entries))
	for i, e := range entries {
		outcomes[i] = b.play(e)
	}
	return outcomes
}

func (b *Book) play(e store.Entry) store.Outcome {
	pools, open := b.pools[e.Year]
	if !open || e.Kind != store.ArriveWithoutCode && !pools[e.Pool] {
		return store.NotOpen
	}
	switch e.Kind {
	case store.ArriveWithoutCode:
		b.count(Counter{e.Year, WholeCohort, ArrivedWithoutCode}, 1)
	case store.Issue:
		b.count(Counter{e.Year, e.Pool, Issued}, 1)
	case store.IssueReplacement:
		b.count(Counter{e.Year, e.Pool, Replaced}, 1)
	case store.ReferWithoutCode:
		b.count(Counter{e.Year, e.Pool, ReferredWithoutCode}, 1)
	default:
		return b.spend(e)
	}
	return store.Done
}

// spend plays the kinds of entry that spend a code or give it back.
func (b *Book) spend(e store.Entry) store.Outcome {
	// What changes nothing is written all the same, or it would be answered sooner than what does, and
	// so tell what became of a code before.
	b.count(Counter{e.Year, e.Pool, Arrived}, 0)
	code := Code{e.Year, e.Nullifier}
	was := b.codes[code].Now
	switch {
	case e.Kind == store.Arrive && was == Unspent:
		b.spent(code, SpentByArrival)
		b.arrivals(e, 1)
	case (e.Kind == store.Arrive || e.Kind == store.Undo) && was == SpentByVoid:
		return store.Voided
	case e.Kind == store.Void && was == Unspent:
		b.spent(code, SpentByVoid)
		b.count(Counter{e.Year, e.Pool, Voided}, 1)
	case e.Kind == store.VoidReplacement && was == Unspent:
		b.spent(code, SpentByVoid)
		b.count(Counter{e.Year, e.Pool, ReplacementsVoided}, 1)
	case (e.Kind == store.Void || e.Kind == store.VoidReplacement) && was == SpentByArrival:
		return store.Arrived
	case e.Kind == store.Undo && was == SpentByArrival:
		b.spent(code, Unspent)
		b.arrivals(e, -1)
	default:
		return store.DoneBefore
	}
	return store.Done
}

// arrivals counts one arrival more or less, with what is counted along.
func (b *Book) arrivals(e store.Entry, by int) {
	b.count(Counter{e.Year, e.Pool, Arrived}, by)
	if e.Elsewhere {
		b.count(Counter{e.Year, e.Pool, Elsewhere}, by)
	}
	if e.WaitBand != store.WaitUnknown {
		b.count(Counter{e.Year, WholeCohort, waits[e.WaitBand]}, by)
	}
}

// count changes a counter. It stays at zero where an undo takes back what was never counted: the
// centre that undoes may have another pool or another band than the one that confirmed.
func (b *Book) count(c Counter, by int) {
	value := b.counts[c]
	value.Now = max(0, value.Now+by)
	b.counts[c] = value
	b.counted[c] = true
}

func (b *Book) spent(c Code, now Kind) { b.codes[c] = Change[Kind]{b.codes[c].Was, now} }

// Counted returns the counters that are to be written: all that were counted in, by nothing included.
func (b *Book) Counted() map[Counter]Change[int] {
	counted := make(map[Counter]Change[int], len(b.counted))
	for counter := range b.counted {
		counted[counter] = b.counts[counter]
	}
	return counted
}

// Codes returns the codes that are not spent as they were, in the order of their nullifiers: any other
// would let the place of a row tell which came first, and two transactions that touch the same codes
// touch them in the same order.
func (b *Book) Codes() []CodeChange {
	var changed []CodeChange
	for code, value := range b.codes {
		if value.Was != value.Now {
			changed = append(changed, CodeChange{code, value})
		}
	}
	slices.SortFunc(changed, func(x, y CodeChange) int {
		return cmp.Or(cmp.Compare(x.Year, y.Year), bytes.Compare(x.Nullifier[:], y.Nullifier[:]))
	})
	return changed
}

// CodeChange is a code with what became of it.
type CodeChange struct {
	Code
	Change[Kind]
}

// Tabulate makes the counts of a cohort of its counters; pools are those that have PoolMeasures.
func Tabulate(year int, count map[Counter]int) store.Counts {
	counts := store.Counts{Year: year}
	for counter := range count {
		if counter.Measure == Issued { // each pool has this one once
			counts.Pools = append(counts.Pools, store.PoolCounts{Number: counter.Pool})
		}
	}
	slices.SortFunc(counts.Pools, func(x, y store.PoolCounts) int { return cmp.Compare(x.Number, y.Number) })
	for counter, field := range fields(&counts) {
		*field = count[counter]
	}
	return counts
}

// Itemise returns the counters of a cohort's counts: what Tabulate makes them of.
func Itemise(counts store.Counts) map[Counter]int {
	count := map[Counter]int{}
	for counter, field := range fields(&counts) {
		count[counter] = *field
	}
	return count
}

// fields returns where the counts of a cohort hold each counter.
func fields(counts *store.Counts) map[Counter]*int {
	all := map[Counter]*int{{counts.Year, WholeCohort, ArrivedWithoutCode}: &counts.ArrivedWithoutCode}
	for band := store.WaitUnknown + 1; band < store.WaitBands; band++ {
		all[Counter{counts.Year, WholeCohort, waits[band]}] = &counts.Waits[band]
	}
	for i := range counts.Pools {
		pool := &counts.Pools[i]
		for measure, field := range map[string]*int{
			Issued:              &pool.Issued,
			Voided:              &pool.Voided,
			Arrived:             &pool.Arrived,
			Elsewhere:           &pool.Elsewhere,
			Replaced:            &pool.Replaced,
			ReplacementsVoided:  &pool.ReplacementsVoided,
			ReferredWithoutCode: &pool.ReferredWithoutCode,
		} {
			all[Counter{counts.Year, pool.Number, measure}] = field
		}
	}
	return all
}

// KindOf returns the kind of a spent code.
func KindOf(code store.SpentCode) Kind {
	if code.Voided {
		return SpentByVoid
	}
	return SpentByArrival
}
