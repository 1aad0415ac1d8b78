package release

import (
	"fmt"
	"slices"
	"testing"

	"aankomst/server/store"
)

// history is everything that is counted of a cohort: of its pools at the last of the cutOffs, as many as there are
// rows, and of everything else at the closing.
type history struct {
	cells  [][]cell
	beside store.Counts
	// seen is how many arrivals the reader knows of, at each cut-off and in each pool. Nil for none.
	seen [][]int
}

// publisher publishes a history at each of its cut-offs, and returns all bytes that it published.
type publisher func(history) []byte

// atClosing is a history of which nothing is known but its end.
func atClosing(cells ...cell) history { return history{cells: [][]cell{cells}} }

// last returns the pools at the closing.
func (h history) last() []cell { return h.cells[len(h.cells)-1] }

// totals adds the pools at a cut-off.
func (h history) totals(k int) (all cell) {
	for _, c := range h.cells[k] {
		all.n, all.arrived, all.elsewhere = all.n+c.n, all.arrived+c.arrived, all.elsewhere+c.elsewhere
	}
	return all
}

// knows returns how many arrivals of a pool the reader has seen after one cut-off and until another.
func (h history) knows(from, to, pool int) (seen int) {
	if h.seen == nil {
		return 0
	}
	if seen = h.seen[to][pool]; from >= 0 {
		seen -= h.seen[from][pool]
	}
	return seen
}

// source is what the publisher reads at a cut-off. The first two of three pools or more are all that are of one type.
func (h history) source(k int) Source {
	source := Source{Types: map[string]store.CentreType{}}
	source.Cohort, source.Counts = world(h.cells[k]...)
	if k == len(h.cells)-1 {
		source.Counts.ArrivedWithoutCode, source.Counts.Waits = h.beside.ArrivedWithoutCode, h.beside.Waits
		for i, pool := range h.beside.Pools {
			counts := &source.Counts.Pools[i]
			counts.Issued, counts.Voided = counts.Issued+pool.Voided, pool.Voided
			counts.Replaced, counts.ReplacementsVoided = pool.Replaced, pool.ReplacementsVoided
			counts.ReferredWithoutCode = pool.ReferredWithoutCode
		}
	}
	for i := range source.Cohort.Pools {
		centre := fmt.Sprintf("centre %d", i)
		source.Cohort.Pools[i].Centres = []string{centre}
		source.Types[centre] = store.TypeCAW
		if i < 2 {
			source.Types[centre] = store.TypeCGG
		}
	}
	return source
}

// frozenOf returns the documents that the software freezes of a history. It remembers those of what it was asked before.
func frozenOf(tb testing.TB) func(history) []frozenAt {
	seen := map[string]frozenAt{}
	return func(h history) []frozenAt {
		var made []frozenAt
		var earlier []Document
		before := ""
		for k, cells := range h.cells {
			key := fmt.Sprint(k, cells, before)
			if k == len(h.cells)-1 {
				key += fmt.Sprint(h.beside)
			}
			this, known := seen[key]
			if !known {
				source := h.source(k)
				source.Earlier = earlier
				document, err := Freeze(Current, source, cutOffs[len(cutOffs)-len(h.cells)+k])
				if err != nil {
					tb.Fatalf("freezing %v: %v", h.cells, err)
				}
				this = frozenAt{document: document, bytes: encoded(tb, document)}
				if this.total = this.bytes; len(document.Figures) > 1 {
					document.Figures = document.Figures[:1]
					this.total = encoded(tb, document)
				}
				seen[key] = this
			}
			made, earlier, before = append(made, this), append(earlier, this.document), before+this.bytes
		}
		return made
	}
}

// frozenAt is a document, and its bytes with all figures and with the total alone.
type frozenAt struct {
	document     Document
	bytes, total string
}

// publishers returns the one that publishes all that the software freezes, and one that publishes the totals alone.
func publishers(tb testing.TB) (real, totals publisher) {
	freeze := frozenOf(tb)
	real = func(h history) (all []byte) {
		for _, made := range freeze(h) {
			all = append(append(all, made.bytes...), '\n')
		}
		return all
	}
	totals = func(h history) (all []byte) {
		for _, made := range freeze(h) {
			all = append(append(all, made.total...), '\n')
		}
		return all
	}
	return real, totals
}

// documents are those of a history.
func (h history) documents(tb testing.TB) (documents []Document) {
	for _, made := range frozenOf(tb)(h) {
		documents = append(documents, made.document)
	}
	return documents
}

// target is a number that a reader would like to know.
type target struct {
	name string
	of   func(history) int
}

// poolTargets are the referrals of each pool, its arrivals and those who did not arrive.
func poolTargets(pools int) (referrals, outcomes []target) {
	for p := range pools {
		name := fmt.Sprintf("pool %d: ", p+1)
		referrals = append(referrals, target{name + "referrals", func(h history) int { return h.last()[p].n }})
		outcomes = append(outcomes,
			target{name + "arrivals", func(h history) int { return h.last()[p].arrived }},
			target{name + "not arrived", func(h history) int { return h.last()[p].n - h.last()[p].arrived }})
	}
	return referrals, outcomes
}

// sizes returns the referrals of each pool at each cut-off: what the helpline's register knows.
func (h history) sizes() string {
	var text []byte
	for _, row := range h.cells {
		for _, c := range row {
			text = fmt.Appendf(text, "%d ", c.n)
		}
	}
	return string(text)
}

// values returns the different values of a target, in order.
func values(of target, worlds []history) []int {
	var found []int
	for _, h := range worlds {
		found = append(found, of.of(h))
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// vectors calls do with every way of dividing a sum among pools, none of which holds more than most of its own.
func vectors(pools, sum int, most func(pool int) int, do func([]int)) {
	vector := make([]int, pools)
	var fill func(pool, left int)
	fill = func(pool, left int) {
		if pool == pools-1 {
			if vector[pool] = left; left <= most(pool) {
				do(vector)
			}
			return
		}
		for vector[pool] = range min(left, most(pool)) + 1 {
			fill(pool+1, left-vector[pool])
		}
	}
	fill(0, sum)
}

// tablesOf calls do with every table of pools with so many referrals in all, of whom so many arrived.
func tablesOf(pools, n, arrived int, do func([]cell)) {
	vectors(pools, n, func(int) int { return n }, func(sizes []int) {
		sizes = slices.Clone(sizes)
		arrivals(sizes, arrived, do)
	})
}

// arrivals calls do with every way in which so many of pools of these sizes can have arrived.
func arrivals(sizes []int, arrived int, do func([]cell)) {
	vectors(len(sizes), arrived, func(pool int) int { return sizes[pool] }, func(of []int) {
		cells := make([]cell, len(sizes))
		for i := range cells {
			cells[i] = cell{n: sizes[i], arrived: of[i]}
		}
		do(cells)
	})
}
