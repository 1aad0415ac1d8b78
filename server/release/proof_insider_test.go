package release

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// confirmed draws which of a history's arrivals some centres have seen: a part of those of some pools.
func confirmed(h history, seed uint64) (seen [][]int) {
	rng := rand.New(rand.NewPCG(seed, 7))
	shares := make([]float64, len(h.last()))
	for p := range shares {
		if rng.IntN(3) > 0 {
			shares[p] = rng.Float64() * 1.1
		}
	}
	seen = make([][]int, len(h.cells))
	for k, row := range h.cells {
		seen[k] = make([]int, len(row))
		for p, c := range row {
			gained := c.arrived
			if k > 0 {
				seen[k][p] = seen[k-1][p]
				gained -= h.cells[k-1][p].arrived
			}
			seen[k][p] += min(gained, int(shares[p]*float64(gained)+rng.Float64()))
		}
	}
	return seen
}

// others returns how many arrived after one cut-off and until another whom the reader has not seen, in a pool.
func (h history) others(from, to, pool int) int {
	others := h.cells[to][pool].arrived - h.knows(from, to, pool)
	if from >= 0 {
		others -= h.cells[from][pool].arrived
	}
	return others
}

// The insiders know a part of the arrivals. What the others made must keep four values wherever they made three.
func TestInsidersLearnNothingMoreOfThreeOthersOrMore(t *testing.T) {
	t.Parallel()
	const batches, years = 4, 6
	fewer, enough := make([]int, batches), make([]int, batches)
	t.Run("years", func(t *testing.T) {
		for batch := range batches {
			t.Run(fmt.Sprint(batch), func(t *testing.T) {
				t.Parallel()
				for year := range years {
					seed := uint64(5000 + batch*years + year)
					h := generated(seed, 2+year%2)
					for coalition := range uint64(2) {
						h.seen = confirmed(h, 10*seed+coalition)
						fewer[batch] += insidersOf(t, h, &enough[batch])
					}
				}
			})
		}
	})
	below, all := 0, 0
	for i := range fewer {
		below, all = below+fewer[i], all+fewer[i]+enough[i]
	}
	t.Logf("of %d coalitions and groups, fewer than three arrived outside in %d", all, below)
	if all < 2*below {
		t.Errorf("of %d coalitions and groups, only %d had three others", all, all-below)
	}
}

// insidersOf checks what those who have seen a part of the arrivals can tell, and returns for how many groups there
// were fewer than three others.
func insidersOf(t *testing.T, h history, enough *int) (fewer int) {
	t.Helper()
	publish, _ := publishers(t)
	end := len(h.cells) - 1
	exact := h.documents(t)[end].Figures[0].Shown == Exact
	perPool, perIncrement := 3, 3
	for p := range h.last() {
		perPool = min(perPool, h.others(-1, end, p))
	}
	for k := range h.cells {
		others := 0
		for p := range h.last() {
			others += h.others(k-1, k, p)
		}
		perIncrement = min(perIncrement, others)
	}
	for _, register := range []bool{true, false} {
		all := newSearch(publish, h, register)
		check := func(of target, others int, changes func(history, func(history))) {
			if others < 3 {
				fewer++
				return
			}
			*enough++
			if found := all.keeps(of, 4, changes); found < 4 {
				t.Errorf("%s keeps %d values, the register known: %v; of %v they have seen %v", of.name, found, register, h.cells, h.seen)
			}
		}
		_, outcomes := poolTargets(len(h.last()))
		for i, of := range outcomes {
			changes := moves(i/2, register)
			if !exact {
				changes = either(changes, grows(register, end, end-1))
			}
			check(of, perPool, changes)
		}
		for to := range end + 1 {
			for from := -1; from < to; from++ {
				if exact && to == end && from < 0 {
					continue
				}
				_, arrived, missing := increments(from, to)
				changes := grows(register, from)
				if !exact || to < end {
					changes = grows(register, from, to)
				}
				check(arrived, perIncrement, changes)
				check(missing, perIncrement, changes)
			}
		}
	}
	return fewer
}
