package release

import (
	"fmt"
	"maps"
	"slices"
)

// steps are the sizes of the changes by which other histories are sought.
var steps = []int{1, -1, 2, -2, 3, -3, 4, -4, 5, -5, 6, -6, 8, -8}

// search looks for histories that are published with the same bytes as a given one. Those that it finds are
// possible for every reader; that it looks in the right places is nothing that anybody has to trust.
type search struct {
	publish publisher
	bytes   string
	// register says that every pool's referrals at every cut-off are known.
	register bool
	worlds   []history
	seen     map[string]bool
}

func newSearch(publish publisher, h history, register bool) *search {
	s := &search{publish: publish, bytes: string(publish(h)), register: register, seen: map[string]bool{}}
	s.try(h)
	return s
}

// withoutRegister goes on with what was found, for a reader who does not know the referrals.
func (s *search) withoutRegister() *search {
	return &search{publish: s.publish, bytes: s.bytes, worlds: slices.Clone(s.worlds), seen: maps.Clone(s.seen)}
}

// try keeps a history that is one, and is published with the same bytes.
func (s *search) try(h history) {
	key := fmt.Sprint(h)
	if s.seen[key] || !h.possible() || s.register && len(s.worlds) > 0 && h.sizes() != s.worlds[0].sizes() {
		return
	}
	s.seen[key] = true
	if string(s.publish(h)) == s.bytes {
		s.worlds = append(s.worlds, h)
	}
}

// keeps looks for least values of a target, among changes of the kind that is given, and returns how many it found.
// It goes on from those worlds first whose value is rare among those that it went on from, and far from the first's.
func (s *search) keeps(of target, least int, changes func(history, func(history))) int {
	found, gone, from := len(values(of, s.worlds)), map[int]bool{}, map[int]int{}
	for len(gone) < min(40, len(s.worlds)) && found < least {
		next, value := -1, 0
		for at, h := range s.worlds {
			v := of.of(h)
			if !gone[at] && (next < 0 || from[v] < from[value] || from[v] == from[value] && s.away(of, v) > s.away(of, value)) {
				next, value = at, v
			}
		}
		gone[next] = true
		from[value]++
		changes(s.worlds[next], func(h history) {
			if found < least {
				s.try(h)
				found = len(values(of, s.worlds))
			}
		})
	}
	return found
}

// away returns how far a value is from the one that is looked at.
func (s *search) away(of target, value int) int {
	return max(value-of.of(s.worlds[0]), of.of(s.worlds[0])-value)
}

// possible reports whether a history is one: nothing falls from one cut-off to the next, nobody is referred after 31
// December, nobody arrives who was not referred, and the reader has seen nobody who did not arrive.
func (h history) possible() bool {
	for k, row := range h.cells {
		for p, c := range row {
			if c.elsewhere < 0 || c.elsewhere > c.arrived || c.arrived > c.n {
				return false
			}
			if k == 0 && c.arrived < h.knows(-1, 0, p) || k > 0 && c.arrived-h.cells[k-1][p].arrived < h.knows(k-1, k, p) {
				return false
			}
			if k > 0 && (h.cells[k-1][p].n > c.n || k == len(cutOffs)-1 && h.cells[k-1][p].n != c.n) {
				return false
			}
		}
	}
	return true
}

func (h history) copied() history {
	rows := make([][]cell, len(h.cells))
	for k, row := range h.cells {
		rows[k] = slices.Clone(row)
	}
	h.cells, h.beside.Pools = rows, slices.Clone(h.beside.Pools)
	return h
}

// settled makes a history of a changed one: pools are brought down to what they have at the next cut-off, and
// others take up what is missing from a total, as far as they can.
func (h history) settled(totals []cell) history {
	h = h.copied()
	none, end := func(int) int { return 0 }, len(h.cells)-1
	for k := end; k >= 0; k-- {
		row := h.cells[k]
		least, sizes := none, func(int) int { return totals[k].n }
		most := func(p int) int { return row[p].n }
		if k < end {
			next := h.cells[k+1]
			sizes = func(p int) int { return next[p].n }
			if k == len(cutOffs)-2 {
				least = sizes
			}
			most = func(p int) int { return min(row[p].n, next[p].arrived-h.knows(k, k+1, p)) }
		}
		fill(len(row), totals[k].n, func(p int) *int { return &row[p].n }, least, sizes)
		fill(len(row), totals[k].arrived, func(p int) *int { return &row[p].arrived }, func(p int) int { return h.knows(-1, k, p) }, most)
		fill(len(row), totals[k].elsewhere, func(p int) *int { return &row[p].elsewhere }, none, func(p int) int { return row[p].arrived })
	}
	return h
}

// fill brings numbers between their least and their most, and then, one after the other, as near to a sum as they can.
func fill(pools, sum int, of func(int) *int, least, most func(int) int) {
	for p := range pools {
		*of(p) = max(least(p), min(*of(p), most(p)))
		sum -= *of(p)
	}
	for p := range pools {
		change := max(least(p)-*of(p), min(sum, most(p)-*of(p)))
		*of(p) += change
		sum -= change
	}
}

// allTotals returns the totals at each cut-off.
func (h history) allTotals() (totals []cell) {
	for k := range h.cells {
		totals = append(totals, h.totals(k))
	}
	return totals
}

// moves are changes that leave the totals as they are: between a pool and each other, of people who arrived,
// of people who did not, or of who of the two did.
func moves(pool int, register bool) func(history, func(history)) {
	return func(h history, do func(history)) {
		movesOf(h, pool, register, func(moved history, _ int) { do(moved) })
		// As the pool that gains may have had all the arrivals elsewhere.
		if h.totals(len(h.cells)-1).elsewhere > 0 {
			movesOf(h, pool, register, func(moved history, gains int) {
				row := moved.last()
				all := moved.totals(len(h.cells) - 1).elsewhere
				for p := range row {
					row[p].elsewhere = 0
				}
				if row[gains].elsewhere = all; all <= row[gains].arrived {
					do(moved)
				}
			})
		}
	}
}

func movesOf(h history, pool int, register bool, do func(moved history, gains int)) {
	totals := h.allTotals()
	for _, by := range steps {
		for other := range h.last() {
			if other == pool {
				continue
			}
			change := func(n, arrived int) {
				moved, gains := h.copied(), pool
				if arrived < 0 {
					gains = other
				}
				row := moved.last()
				row[pool].n, row[pool].arrived = row[pool].n+n, row[pool].arrived+arrived
				row[other].n, row[other].arrived = row[other].n-n, row[other].arrived-arrived
				do(moved.settled(totals), gains)
			}
			if register {
				change(0, by)
				continue
			}
			change(by, 0)
			change(by, by)
			change(0, by)
		}
	}
}

// grows are changes of the totals at cut-offs, and of nothing else but what must follow. Who is referred until 31
// December is all who are referred, so that the closing has no other referrals.
func grows(register bool, cutOffs ...int) func(history, func(history)) {
	return func(h history, do func(history)) {
		end := len(h.cells) - 1
		for _, by := range steps {
			for _, k := range cutOffs {
				for _, change := range []cell{{arrived: by}, {n: by}, {n: by, arrived: by}} {
					if k < 0 || register && change.n != 0 {
						continue
					}
					totals := h.allTotals()
					totals[k].n, totals[k].arrived = totals[k].n+change.n, totals[k].arrived+change.arrived
					if k < end-1 || k < end && change.n == 0 {
						// What was counted until then is counted later as well.
						for at := range totals {
							if at < k {
								totals[at].n, totals[at].arrived = min(totals[at].n, totals[k].n), min(totals[at].arrived, totals[k].arrived)
							} else {
								totals[at].n, totals[at].arrived = max(totals[at].n, totals[k].n), max(totals[at].arrived, totals[k].arrived)
							}
						}
						do(h.settled(totals))
						continue
					}
					totals[end-1].n, totals[end].n = totals[k].n, totals[k].n
					for pool := range h.last() {
						grown := h.copied()
						grown.last()[pool].n += change.n
						grown.last()[pool].arrived += change.arrived
						do(grown.settled(totals))
					}
				}
			}
		}
	}
}

// either makes changes of both kinds.
func either(kinds ...func(history, func(history))) func(history, func(history)) {
	return func(h history, do func(history)) {
		for _, kind := range kinds {
			kind(h, do)
		}
	}
}
