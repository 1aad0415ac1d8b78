// Package rivals measures ways to publish referral counts against each other, on synthetic years: how much
// each shows, and how often it gives someone away. It serves tests only and imports nothing of the store.
//
// Rates are in per cent and differences of rates in points. A group is given away when a reader is left with
// fewer than four possible values of its number of arrivals.
package rivals

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// Count is a number of referrals and how many of those arrived.
type Count struct{ Referred, Arrived int }

// Year is a closed cohort: its pools, and the running totals at the ends of its quarters, when part of the
// arrivals is still to come.
type Year struct {
	Pools   []Count
	Quarter [4]Count
}

// Total returns the closed cohort's total.
func (y Year) Total() Count {
	var total Count
	for _, pool := range y.Pools {
		total.Referred += pool.Referred
		total.Arrived += pool.Arrived
	}
	return total
}

const (
	// evenness is the parameter of the symmetric Dirichlet distribution of the pools' shares. At 60
	// referrals in two pools the smaller one then mostly has 20 to 30.
	evenness = 20
	// rateSpread is the standard deviation of a pool's rate around the year's, in points.
	rateSpread = 3
	// medianDelay is the median time from referral to arrival, in days.
	medianDelay = 35
)

// Years makes count synthetic years of exactly so many referrals, at the given mean rate in per cent. The
// same arguments give the same years.
func Years(seed uint64, referrals, pools int, rate float64, count int) []Year {
	random := rand.New(rand.NewPCG(seed, uint64(referrals)<<32|uint64(pools)<<16|uint64(10*rate)))
	years := make([]Year, count)
	for i := range years {
		years[i] = year(random, referrals, pools, rate)
	}
	return years
}

func year(random *rand.Rand, referrals, pools int, rate float64) Year {
	y := Year{Pools: make([]Count, pools)}
	// A gamma variate of a whole parameter is a sum of exponential ones; divided by their sum, such
	// variates are Dirichlet. Kept as running sums, one uniform draw finds a pool.
	upTo, rates := make([]float64, pools), make([]float64, pools)
	sum := 0.0
	for i := range pools {
		for range evenness {
			sum += random.ExpFloat64()
		}
		upTo[i] = sum
		rates[i] = rate + rateSpread*random.NormFloat64()
	}
	ends := [4]float64{90, 181, 273, 365}
	for range referrals {
		pool, _ := slices.BinarySearch(upTo, sum*random.Float64())
		referred := 365 * random.Float64()
		arrived := math.Inf(1)
		if 100*random.Float64() < rates[pool] {
			arrived = referred + medianDelay/math.Ln2*random.ExpFloat64()
			y.Pools[pool].Arrived++
		}
		y.Pools[pool].Referred++
		for q, end := range ends {
			if referred < end {
				y.Quarter[q].Referred++
			}
			if arrived < end {
				y.Quarter[q].Arrived++
			}
		}
	}
	return y
}

// Grid returns groups of synthetic years: 60 to 2000 referrals with rates of 60 to 90 % taken together; about
// 60 referrals at each rate; and exactly 59 and 75 referrals at 80 %. Trees depend on how the total lies to the
// ends of size classes, so years "about" a number have each of the ten numbers from five below it equally often.
func Grid(seed uint64, pools int) []Group {
	rates := []float64{60, 70, 80, 85, 90}
	about := func(referrals int, rate float64, each int) []Year {
		var years []Year
		for n := referrals - 5; n < referrals+5; n++ {
			years = append(years, Years(seed, n, pools, rate, each)...)
		}
		return years
	}
	var groups []Group
	for _, referrals := range []int{60, 90, 150, 300, 2000} {
		var years []Year
		for _, rate := range rates {
			years = append(years, about(referrals, rate, 10)...)
		}
		groups = append(groups, Group{fmt.Sprint("about ", referrals), years})
	}
	for _, rate := range rates {
		groups = append(groups, Group{fmt.Sprintf("about 60 at %v %%", rate), about(60, rate, 50)})
	}
	for _, referrals := range []int{59, 75} {
		groups = append(groups, Group{fmt.Sprintf("%d at 80 %%", referrals), Years(seed, referrals, pools, 80, 500)})
	}
	return groups
}
