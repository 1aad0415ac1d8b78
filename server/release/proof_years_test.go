package release

import (
	"math/rand/v2"

	"aankomst/server/store"
)

// cutOffDays are the days of a year after which the cutOffs count, the closing a year and a half after its beginning.
var cutOffDays = []float64{90, 181, 273, 365, 545}

// generated is a cohort as it may be: referrals all over the year, in pools of unlike sizes of which some begin
// late, and arrivals with a delay. The same seed gives the same cohort.
func generated(seed uint64, pools int) history {
	rng := rand.New(rand.NewPCG(seed, uint64(pools)))
	h := history{cells: make([][]cell, len(cutOffs))}
	for k := range h.cells {
		h.cells[k] = make([]cell, pools)
	}
	weights, begins, all := make([]float64, pools), make([]float64, pools), 0.0
	for p := range pools {
		weights[p] = 0.3 + rng.Float64()
		if rng.IntN(5) == 0 {
			begins[p] = 365 * rng.Float64()
			weights[p] *= 1 - begins[p]/400
		}
		all += weights[p]
	}
	referrals, share, lag := 60+rng.IntN(241), 0.3+0.6*rng.Float64(), 15+60*rng.Float64()
	waits := [...]float64{0.1, 0.25, 0.55, 0.8, 0.95}
	for range referrals {
		p, at := 0, rng.Float64()*all
		for p < pools-1 && at >= weights[p] {
			at -= weights[p]
			p++
		}
		day := begins[p] + (365-begins[p])*rng.Float64()
		arrives, elsewhere := day+lag*rng.ExpFloat64(), rng.IntN(25) == 0
		if rng.Float64() >= share {
			arrives = 1000
		}
		for k, end := range cutOffDays {
			c := &h.cells[k][p]
			if day < end {
				c.n++
			}
			if arrives < end {
				c.arrived++
				if elsewhere {
					c.elsewhere++
				}
			}
		}
		if arrives < cutOffDays[len(cutOffDays)-1] {
			waited := rng.Float64()
			for i, below := range waits {
				if waited < below {
					h.beside.Waits[int(store.WaitUpTo2Weeks)+i]++
					break
				}
			}
		}
	}
	h.beside.ArrivedWithoutCode = rng.IntN(12)
	for p := range pools {
		h.beside.Pools = append(h.beside.Pools, store.PoolCounts{
			Number: uint32(p + 1), Voided: rng.IntN(8), Replaced: rng.IntN(6), ReplacementsVoided: rng.IntN(2), ReferredWithoutCode: rng.IntN(9),
		})
	}
	return h
}

// poolCount returns how many pools the generated cohort of a seed has: mostly two or three.
func poolCount(seed uint64) int {
	switch {
	case seed%100 == 99:
		return 5
	case seed%50 == 5:
		return 4
	case seed%3 == 1:
		return 3
	}
	return 2
}
