package rivals

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
)

// HideAndRound publishes the closed year's total and pools and the running totals of the quarters as plain
// counts: a count below hide is hidden, any other rounded to the nearest multiple of base, an odd number. Base 1
// does not round. What is shown as a rate is every rate that the two counts allow.
func HideAndRound(hide, base int) Method {
	half := base / 2
	count := func(count int) (Range, bool) {
		if count < hide {
			return Range{0, hide - 1}, false
		}
		rounded := (count + half) / base * base
		return Range{max(rounded-half, hide), rounded + half}, true
	}
	return func(year Year) Shown {
		return plain(year, func(_ string, c Count) (Cell, *Interval) {
			referred, told := count(c.Referred)
			arrived, both := count(c.Arrived)
			if !told || !both || c.Referred == 0 {
				return Box(referred, arrived), nil
			}
			return Box(referred, arrived), &Interval{
				Low:  100 * float64(arrived.Low) / float64(referred.High),
				High: min(100, 100*float64(arrived.High)/float64(max(referred.Low, 1))),
			}
		}, base == 1)
	}
}

// Live publishes the exact total at every moment and no pools. It is read at the ends of quarters only, which
// flatters it: whoever looks every day sees referrals and arrivals one by one.
func Live(year Year) Shown {
	shown := HideAndRound(0, 1)(year)
	shown.Pools, shown.Parts = make([]*Interval, len(year.Pools)), make([]Cell, len(year.Pools))
	return shown
}

// maxNoise is the largest change that CellKeys makes to a count.
const maxNoise = 2

// CellKeys adds to every count of HideAndRound's tables noise that follows from the seed and the cell, so that
// asking again gives the same: the sum of two draws from -1, 0 and 1. Zero stays zero, and nothing becomes
// negative. The true method derives a cell's key from keys of its records; here the whole year stands for the
// records. A rate is the quotient of two changed counts, at most 100 %. Readers know the largest change.
func CellKeys(seed uint64) Method {
	return func(year Year) Shown {
		return plain(year, func(name string, c Count) (Cell, *Interval) {
			random := keyed(seed, year, name)
			change := func(count int) int {
				if count == 0 {
					return 0
				}
				return max(0, count+random.IntN(3)+random.IntN(3)-maxNoise)
			}
			around := func(count int) Range { return Range{max(0, count-maxNoise), count + maxNoise} }
			changed := Count{change(c.Referred), change(c.Arrived)}
			return Box(around(changed.Referred), around(changed.Arrived)), changed.rate()
		}, false)
	}
}

// DifferentialPrivacy publishes the closed year's total and pools with two-sided geometric noise. One person is
// in four of the counts (referred and arrived, of a pool and of the total), so each takes a quarter of epsilon.
// Rates are cut to 0-100 %; without a positive number of referrals there is none. As any noise is possible,
// bounds and subtraction exclude nothing.
func DifferentialPrivacy(seed uint64, epsilon float64) Method {
	return func(year Year) Shown {
		shown := plain(year, func(name string, c Count) (Cell, *Interval) {
			random := keyed(seed, year, name)
			noise := func() int {
				up := math.Floor(random.ExpFloat64() / (epsilon / 4))
				down := math.Floor(random.ExpFloat64() / (epsilon / 4))
				return int(up - down)
			}
			return Cell{}, Count{c.Referred + noise(), c.Arrived + noise()}.rate()
		}, false)
		shown.Running = nil
		return shown
	}
}

// plain publishes each cell by itself, with what publish says of it under its name.
func plain(year Year, publish func(string, Count) (Cell, *Interval), exact bool) Shown {
	var shown Shown
	shown.Whole, shown.Total = publish("total", year.Total())
	shown.Exact = exact && shown.Total != nil
	for i, pool := range year.Pools {
		cell, rate := publish(fmt.Sprint("pool ", i), pool)
		shown.Parts, shown.Pools = append(shown.Parts, cell), append(shown.Pools, rate)
	}
	for i, quarter := range year.Quarter {
		cell, _ := publish(fmt.Sprint("quarter ", i), quarter)
		shown.Running = append(shown.Running, cell)
	}
	return shown
}

// keyed returns randomness that follows from the seed, the year and the name.
func keyed(seed uint64, year Year, name string) *rand.Rand {
	hash := fnv.New64a()
	fmt.Fprint(hash, year, name)
	return rand.New(rand.NewPCG(seed, hash.Sum64()))
}

// rate returns the single number that is the count's rate, as a reader of the count would compute it.
func (c Count) rate() *Interval {
	if c.Referred <= 0 {
		return nil
	}
	rate := min(100, max(0, 100*float64(c.Arrived)/float64(c.Referred)))
	return &Interval{rate, rate}
}
