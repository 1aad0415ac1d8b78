package release

import "math/bits"

// possible says how many values stay possible for what is counted of a pool.
type possible struct {
	// referrals is how many sizes.
	referrals int
	// side is how many values of the arrivals, and as many of those who did not arrive, for a reader who knows
	// every pool's referrals: the fewest over all sizes that the pools can have. Sizes at which the total alone
	// leaves fewer than the policy asks for do not count, unless what is shown leaves fewer still.
	side int
}

// safe reports whether every pool keeps the values that the policy asks for. What is shown is safe when
// nothing is possible beside it, since it will not be shown.
func (p *pools) safe() bool {
	if p.empty() {
		return true
	}
	if !p.safeBesideRunning() {
		return false
	}
	for i := range p.n {
		left, any := p.possible(i)
		if any && (left.referrals < p.policy.MinValues || left.side < p.policy.MinValues) {
			return false
		}
		if !any {
			return true
		}
	}
	return true
}

// rest is what pools have together: referrals, and the least and most of their sides.
type rest struct{ n, low, high int }

// possible counts the values that are left to a pool, and reports whether any table is left at all.
//
// With the sizes known, the sides are whole numbers within ranges and with a known sum. What one of them can be
// is then a range without gaps: from what is left when all others are as large as they can be, to what is left
// when they are as small. So it is enough to go through the sizes.
func (p *pools) possible(pool int) (left possible, any bool) {
	steady, others := p.others(pool)
	left.side = p.x[pool].values()
	for n := p.n[pool].Low; n <= p.n[pool].High; n++ {
		own, found := p.sides(pool, n), false
		for other := range others {
			size := p.referrals - n - other.n
			if size < steady.n.Low || size > steady.n.High {
				continue
			}
			values := own.meet(Range{Low: p.side - other.high - steady.x.High, High: p.side - other.low - steady.x.Low}).values()
			if values == 0 {
				continue
			}
			found = true
			if values < p.policy.MinValues && values >= p.before(n) {
				continue
			}
			left.side = min(left.side, values)
		}
		if found {
			left.referrals++
		}
	}
	return left, left.referrals > 0
}

// before returns how many values the total alone leaves to the side of a pool of n referrals.
func (p *pools) before(n int) int {
	return min(n, p.side) - max(0, p.side-(p.referrals-n)) + 1
}

// others returns what all pools but one can have together. Pools whose side has the same limits at each of
// their sizes are taken together as ranges: steady. The others are gone through size by size.
func (p *pools) others(pool int) (steady struct{ n, x Range }, others map[rest]bool) {
	others = map[rest]bool{{}: true}
	for i, sizes := range p.n {
		if i == pool {
			continue
		}
		first, last := p.sides(i, sizes.Low), p.sides(i, sizes.High)
		if first == last {
			steady.n.Low, steady.n.High = steady.n.Low+sizes.Low, steady.n.High+sizes.High
			steady.x.Low, steady.x.High = steady.x.Low+first.Low, steady.x.High+first.High
			continue
		}
		together := map[rest]bool{}
		for other := range others {
			for n := sizes.Low; n <= sizes.High; n++ {
				if x := p.sides(i, n); x.values() > 0 {
					together[rest{other.n + n, other.low + x.Low, other.high + x.High}] = true
				}
			}
		}
		others = together
	}
	return steady, others
}

// safeBesideRunning reports whether every pool keeps its values for a reader who knows how many were referred to
// each pool since a running total.
//
// Since then the total gained so many arrivals at most. So of any pools together at least as many did not arrive as
// were referred to them since, less that gain. How many were referred to them since may be any number, up to what
// the total gained in referrals and to their size. Under every such bound MinValues numbers must be left up to the
// most that the pools can hold, and up to the most that the others leave them.
func (p *pools) safeBesideRunning() bool {
	if len(p.within) == 0 {
		return true
	}
	missing := p.side
	if p.arrived {
		missing = p.referrals - p.side
	}
	spare := p.policy.MinValues - 1
	// Over sets of pools, by their bits: each is one pool more than another.
	sums := make([]held, 1<<len(p.n))
	for set := 1; set < len(sums)-1; set++ {
		pool := bits.TrailingZeros(uint(set))
		sums[set] = sums[set&(set-1)].plus(p.held(pool))
	}
	all := sums[len(sums)-2].plus(p.held(0))
	for set := 1; set < len(sums)-1; set++ {
		in, out := sums[set], all.low-sums[set].low
		for _, then := range p.within {
			gained := p.referrals - missing - then.arrived
			bound := missing - then.missing
			if bound <= 0 || in.most <= gained {
				continue
			}
			if in.short > gained-spare && in.high < bound+spare {
				return false
			}
			if missing-out < bound+spare && missing-out-in.most+gained < spare {
				return false
			}
		}
	}
	return true
}

// held is what is certain, at every size, of those of some pools who did not arrive: no fewer than low need be, and
// high can be. most is how many referrals the pools can have, and short by how many at most the highest number
// of those who did not arrive falls short of the referrals.
type held struct{ low, high, most, short int }

func (h held) plus(other held) held {
	return held{low: h.low + other.low, high: h.high + other.high, most: h.most + other.most, short: h.short + other.short}
}

func (p *pools) held(pool int) held {
	n, x := p.n[pool], p.x[pool]
	if p.arrived {
		return held{low: max(0, n.High-x.High), high: max(0, n.Low-x.Low), most: n.High, short: x.Low}
	}
	return held{low: max(x.Low, n.High-p.most), high: min(x.High, n.Low), most: n.High, short: max(0, n.High-x.High)}
}
