package release

import (
	"fmt"
	"slices"
)

// mostPools is how many pools there can be for any to be shown.
const mostPools = 12

// pools is what a reader knows of the pools of a closed cohort whose total is shown to the person: for each
// pool the least and most referrals, and the least and most of one side of them, arrived or not arrived.
// The sums over all pools are known, and that no pool holds so many arrivals that fewer than the policy's
// MinOtherCentres are left to others.
type pools struct {
	policy Policy
	// referrals is the sum of n.
	referrals int
	// side is the sum of x: of those who did not arrive, or of those who arrived, whichever are fewer. The
	// smaller side is the same rate for nearly every size of a class, so that ranges of it give sharp rates.
	side    int
	arrived bool
	// most is the most arrivals that a pool can hold.
	most int
	// within is what running totals tell.
	within []within
	n, x   []Range
}

// newPools begins with what the totals alone tell.
func newPools(policy Policy, count int, total closed, known running) pools {
	p := pools{policy: policy, within: known.within, referrals: total.referrals, side: total.referrals - total.arrived, most: total.arrived - policy.MinOtherCentres}
	if total.arrived < p.side {
		p.side, p.arrived = total.arrived, true
	}
	for range count {
		p.n = append(p.n, Range{High: total.referrals - known.outside(policy, total)})
		p.x = append(p.x, Range{High: p.side})
	}
	p.close()
	return p
}

// with returns a copy in which one pool is known better.
func (p *pools) with(pool int, n, x Range) pools {
	known := *p
	known.n, known.x = slices.Clone(p.n), slices.Clone(p.x)
	known.n[pool], known.x[pool] = n, x
	known.close()
	return known
}

// close draws the ranges together as far as the sums and the limits of one pool allow: a range that is left
// may still be wider than what is possible, and never narrower.
func (p *pools) close() {
	for changed := true; changed; {
		before, sides := slices.Clone(p.n), slices.Clone(p.x)
		drawTogether(p.n, p.referrals)
		drawTogether(p.x, p.side)
		for i := range p.n {
			if p.arrived {
				p.x[i].High = min(p.x[i].High, p.n[i].High, p.most)
				p.n[i].Low = max(p.n[i].Low, p.x[i].Low)
				continue
			}
			p.x[i].High = min(p.x[i].High, p.n[i].High)
			p.x[i].Low = max(p.x[i].Low, p.n[i].Low-p.most)
			p.n[i].Low = max(p.n[i].Low, p.x[i].Low)
			p.n[i].High = min(p.n[i].High, p.x[i].High+p.most)
		}
		changed = !p.empty() && (!slices.Equal(before, p.n) || !slices.Equal(sides, p.x))
	}
}

// drawTogether narrows ranges to what is possible beside each other when their numbers have a known sum.
func drawTogether(ranges []Range, sum int) {
	var all Range
	for _, r := range ranges {
		all.Low, all.High = all.Low+r.Low, all.High+r.High
	}
	for i, r := range ranges {
		ranges[i] = r.meet(Range{Low: sum - (all.High - r.High), High: sum - (all.Low - r.Low)})
	}
}

// empty reports whether nothing is possible, as the ranges show.
func (p *pools) empty() bool {
	for i := range p.n {
		if p.n[i].values() == 0 || p.x[i].values() == 0 {
			return true
		}
	}
	return false
}

// sides returns the least and most of the side that a pool of n referrals can have.
func (p *pools) sides(pool, n int) Range {
	if p.arrived {
		return p.x[pool].meet(Range{High: min(n, p.most)})
	}
	return p.x[pool].meet(Range{Low: n - p.most, High: n})
}

// walk splits what is known of one pool after the other, along the parts that the reader names: first which pools
// have MinReferrals, then the size classes of those that have, then their rates. With more than mostPools nothing is
// split, and so no pool is shown: to go through their sizes would take too long.
func (p *pools) walk(groups []string, from reader) error {
	if len(groups) > mostPools {
		return nil
	}
	if err := p.splitSizes(groups, 0, []int{p.policy.MinReferrals}, from); err != nil {
		return err
	}
	if err := p.splitSizes(groups, p.policy.MinReferrals, p.classCuts(), from); err != nil {
		return err
	}
	for i, group := range groups {
		if p.n[i].Low < p.policy.MinReferrals {
			continue
		}
		if err := p.choose(axis{group, countSide}, i, p.rateParts(i), from, func(part Range) pools { return p.with(i, p.n[i], part) }); err != nil {
			return err
		}
	}
	return nil
}

// splitSizes splits the sizes of the pools that are certain to have so many referrals, where every pool's size keeps
// at least smallClass values.
func (p *pools) splitSizes(groups []string, certain int, cuts []int, from reader) error {
	least := max(smallClass, p.policy.MinValues)
	for i, group := range groups {
		if p.n[i].Low < certain {
			continue
		}
		know := func(part Range) pools { return p.with(i, part, p.x[i]) }
		parts := mend(cut(p.n[i], cuts), func(part Range) bool {
			known := know(part)
			return known.empty() || !slices.ContainsFunc(known.n, func(n Range) bool { return n.values() < least })
		})
		if err := p.choose(axis{group, countReferrals}, i, parts, from, know); err != nil {
			return err
		}
	}
	return nil
}

// choose goes on with the part that the reader names.
func (p *pools) choose(on axis, pool int, parts []Range, from reader, know func(Range) pools) error {
	if len(parts) == 1 {
		return nil
	}
	chosen, err := from.part(on, parts)
	if err != nil {
		return err
	}
	known := know(parts[chosen])
	if known.empty() {
		return fmt.Errorf("%s of %s: %d to %d is impossible beside the other figures", on.count, on.group, parts[chosen].Low, parts[chosen].High)
	}
	*p = known
	return nil
}

// classCuts returns where size classes begin, as far as the total reaches.
func (p *pools) classCuts() []int {
	var cuts []int
	for n := p.policy.MinReferrals; n <= p.referrals; {
		n = p.policy.sizeClass(n).High + 1
		cuts = append(cuts, n)
	}
	return cuts
}

// rateParts returns the parts into which a pool's side is split: as wide as the policy's bands or somewhat
// wider, the first of them around what is expected or a little beside it, whichever comes first with nothing but
// safe parts. When none does, parts that are not safe are joined to their neighbours, which may leave the whole.
func (p *pools) rateParts(pool int) []Range {
	expected, least := p.expected(pool), p.policy.MinValues+1
	for p.spread(pool, least) < p.policy.bandWidth(p.n[pool].Low) && least < p.x[pool].values() {
		least++
	}
	safe := func(part Range) bool {
		known := p.with(pool, p.n[pool], part)
		return known.safe()
	}
	for width := least; width <= 2*least; width += max(1, least/5) {
		for aside := range 9 {
			// 0, 1, -1, 2, -2, and so on, in steps of a tenth of the width.
			centre := expected + (aside+1)/2*(2*(aside%2)-1)*max(1, width/10)
			parts := tile(p.x[pool], centre, width, p.policy.MinValues)
			if len(parts) > 1 && !slices.ContainsFunc(parts, func(part Range) bool { return !safe(part) }) {
				return parts
			}
		}
	}
	return mend(tile(p.x[pool], expected, least, p.policy.MinValues), safe)
}

// spread returns how many points, whole ones, the rates of a part of a width around the expected side differ.
func (p *pools) spread(pool, width int) int {
	low := max(p.x[pool].Low, p.expected(pool)-(width-1)/2)
	high := min(p.x[pool].High, low+width-1)
	n := p.n[pool]
	return 100 * (high*n.High - low*n.Low) / (n.Low * n.High)
}

// expected returns the side that a pool would have by its size, beside what is known of the pools before it.
func (p *pools) expected(pool int) int {
	// Both are doubled: what is known of a pool is taken to lie in the middle of its range.
	referrals, side := 0, 2*p.side
	for i := range p.n {
		if i < pool && p.n[i].Low >= p.policy.MinReferrals {
			side -= p.x[i].Low + p.x[i].High
		} else {
			referrals += p.n[i].Low + p.n[i].High
		}
	}
	return max(0, side) * (p.n[pool].Low + p.n[pool].High) / (2 * referrals)
}
