package release

import (
	"fmt"
	"math"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/optimize/convex/lp"
)

// attacker writes down what documents say of a cohort as linear inequalities, and asks for the least and most of a
// sum. Numbers may be fractions for it, so that its bounds are never narrower than the truth.
type attacker struct {
	pools  int
	limits [][]float64
	at     []float64
}

// n and arrived are the numbers of a pool at a cut-off, as the attacker counts them.
func (a *attacker) n(k, pool int) int       { return 2 * (k*a.pools + pool) }
func (a *attacker) arrived(k, pool int) int { return 2*(k*a.pools+pool) + 1 }
func (a *attacker) numbers() int            { return 2 * a.pools * len(cutOffs) }

// The attacker's own unknowns are what a number gained since the cut-off before, which is never negative.
//
// most says that a sum of numbers, by their factors, is at most so much.
func (a *attacker) most(sum map[int]float64, limit float64) {
	row := make([]float64, a.numbers())
	for i, factor := range sum {
		for ; i >= 0; i -= 2 * a.pools {
			row[i] += factor
		}
	}
	a.limits, a.at = append(a.limits, row), append(a.at, limit)
}

// within says that a sum lies in a range.
func (a *attacker) within(sum map[int]float64, r Range) {
	less := map[int]float64{}
	for i, factor := range sum {
		less[i] = -factor
	}
	a.most(sum, float64(r.High))
	a.most(less, -float64(r.Low))
}

// total is the sum over all pools, of the referrals and of the arrivals, by a factor each.
func (a *attacker) total(k int, n, arrived float64) map[int]float64 {
	sum := map[int]float64{}
	for pool := range a.pools {
		sum[a.n(k, pool)], sum[a.arrived(k, pool)] = n, arrived
	}
	return sum
}

// reads writes down documents; to the register, whose books are those of h, all sizes are known.
func (a *attacker) reads(documents []Document, h history, register bool) {
	for k := range documents {
		for pool := range a.pools {
			a.most(map[int]float64{a.arrived(k, pool): 1, a.n(k, pool): -1}, 0)
			a.most(map[int]float64{a.n(k, pool): 1}, 1000)
			if k == len(documents)-1 {
				a.most(map[int]float64{a.n(k, pool): 1, a.n(k-1, pool): -1}, 0)
			}
			if register {
				a.within(map[int]float64{a.n(k, pool): 1}, Range{h.cells[k][pool].n, h.cells[k][pool].n})
			}
		}
		for i, figure := range documents[k].Figures {
			n, arrived, missing := a.total(k, 1, 0), a.total(k, 0, 1), a.total(k, 1, -1)
			if i > 0 && i <= a.pools {
				n, arrived = map[int]float64{a.n(k, i-1): 1}, map[int]float64{a.arrived(k, i-1): 1}
				missing = map[int]float64{a.n(k, i-1): 1, a.arrived(k, i-1): -1}
			} else if i > 0 {
				break
			}
			for j, shown := range []*Range{figure.Referrals, figure.Arrived, figure.NotArrived} {
				if shown != nil {
					a.within([]map[int]float64{n, arrived, missing}[j], *shown)
				}
			}
			if figure.Rate != nil && figure.Arrived == nil && figure.NotArrived == nil {
				a.most(a.total(k, float64(figure.Rate.Low)/100, -1), 0)
				a.most(a.total(k, -float64(figure.Rate.High)/100, 1), 0)
			}
			if i == 0 && figure.Shown == Exact {
				for pool := range a.pools {
					a.most(map[int]float64{a.arrived(k, pool): 1}, float64(figure.Arrived.Low-Current.MinOtherCentres))
				}
			}
		}
	}
}

// bounds returns the least and most of a sum. Each inequality has a number of its own that takes up what it leaves.
func (a *attacker) bounds(t *testing.T, sum map[int]float64) (low, high float64) {
	t.Helper()
	at := make([]float64, len(a.at))
	limits := mat.NewDense(len(a.limits), a.numbers()+len(a.limits), nil)
	for i, row := range a.limits {
		for j, factor := range row {
			limits.Set(i, j, factor)
		}
		limits.Set(i, a.numbers()+i, 1)
		// Limits that meet in one point stop the solver. Each is a trifle wider than the others, which only widens the bounds.
		at[i] = a.at[i] + 1e-5*float64(i+1)
	}
	solve := func(sign float64) float64 {
		goal := make([]float64, a.numbers()+len(a.limits))
		for i, factor := range sum {
			for ; i >= 0; i -= 2 * a.pools {
				goal[i] += sign * factor
			}
		}
		best, _, err := lp.Simplex(goal, limits, at, 1e-9, nil)
		if err != nil {
			t.Fatalf("the attacker cannot solve what the documents say: %v", err)
		}
		return sign * best
	}
	return solve(1), solve(-1)
}

// Whoever derives bounds from all documents of a cohort finds every table that gives the same documents within
// them, and is left with four whole numbers.
func TestAnAttackerWithLinearProgrammingFindsNoNarrowBounds(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			h := generated(9000+seed, 2)
			documents := h.documents(t)
			publish, _ := publishers(t)
			for _, register := range []bool{true, false} {
				a := &attacker{pools: len(h.last())}
				a.reads(documents, h, register)
				all := newSearch(publish, h, register)
				end := len(h.cells) - 1
				_, outcomes := poolTargets(a.pools)
				for i, of := range outcomes {
					all.keeps(of, 12, moves(i/2, register))
					sum := map[int]float64{a.arrived(end, i/2): 1}
					if i%2 == 1 {
						sum = map[int]float64{a.n(end, i/2): 1, a.arrived(end, i/2): -1}
					}
					low, high := a.bounds(t, sum)
					if need := float64(min(3, h.last()[i/2].n)); high-low < need {
						t.Errorf("%s lies between %.2f and %.2f, the register known: %v", of.name, low, high, register)
					}
					for _, value := range values(of, all.worlds) {
						if math.Max(low-float64(value), float64(value)-high) > 1e-6 {
							t.Errorf("%s can be %d, and the attacker says %.2f to %.2f", of.name, value, low, high)
						}
					}
				}
			}
		})
	}
}
