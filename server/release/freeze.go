package release

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"aankomst/server/store"
)

// CutOff says what is frozen, and when.
type CutOff struct {
	// Key is what the store knows it by: a day, YYYY-MM-DD, or store.CutOffFinal.
	Key string
	// Day is the last day that is counted, YYYY-MM-DD.
	Day string
	// Late says that the server froze after the cut-off, so that later counts are in.
	Late bool
}

// Source is what a release is made of.
type Source struct {
	Cohort store.Cohort
	// Counts are the exact counts at the cut-off. Nothing of them is kept but what the release shows.
	Counts store.Counts
	// Types are the centres' types by their IDs: a type that is a union of pools has a figure of its own.
	Types map[string]store.CentreType
	// Earlier are the documents that were frozen of the cohort before, published or not.
	Earlier []Document
}

// ErrSource is wrapped when the parts of a source do not belong together.
var ErrSource = errors.New("the counts do not fit the cohort")

// Freeze makes the draft of a cohort's release from its exact counts. The policy must have passed
// Check. Errors wrap ErrSource.
func Freeze(policy Policy, source Source, cutOff CutOff) (Document, error) {
	document := Document{
		Schema: Schema, Policy: policy.Version, Cohort: source.Cohort.Year,
		Status: Provisional, CutOff: cutOff.Day, FrozenLate: cutOff.Late,
	}
	if cutOff.Key == store.CutOffFinal {
		document.Status = Final
	}
	exact, groups, err := source.counted(policy)
	if err != nil {
		return Document{}, err
	}
	for _, earlier := range source.Earlier {
		if total, shown := earlier.running(); shown {
			document.After = append(document.After, total)
		}
	}
	slices.SortFunc(document.After, func(a, b Running) int { return strings.Compare(a.CutOff, b.CutOff) })
	known := knownAfter(document.After)
	switch {
	case document.Status == Final:
		document.Figures, err = finalFigures(policy, groups, known, exact.totalOf(policy, groups, known), exact.counts)
	case endsYear(cutOff.Day) && exact.total.referrals < policy.YearEndFrom:
		document.Figures = []Figure{{Group: GroupTotal, Shown: TooEarly}}
	default:
		document.Figures = []Figure{runningTotal(policy, known, exact.total, TooEarly)}
	}
	if err != nil {
		return Document{}, fmt.Errorf("freezing %d: %w", source.Cohort.Year, err)
	}
	return document, nil
}

// exact is what is counted of a cohort, made fit for tables: no pool has more arrivals than referrals, as codes
// that were replaced, the lost one found again and both confirmed, can bring it to; such a pool is taken as if
// all had arrived.
type exact struct {
	total  closed
	spread bool
	// outside is the fewest referrals outside any one pool.
	outside int
	counts  truth
}

// counted reads the counts of a source, and names the pools and types that have figures.
func (s Source) counted(policy Policy) (exact, groups, error) {
	pools := slices.SortedFunc(slices.Values(s.Cohort.Pools), func(a, b store.Pool) int { return cmp.Compare(a.Number, b.Number) })
	rows := slices.SortedFunc(slices.Values(s.Counts.Pools), func(a, b store.PoolCounts) int { return cmp.Compare(a.Number, b.Number) })
	if s.Counts.Year != s.Cohort.Year {
		return exact{}, groups{}, fmt.Errorf("%w: freezing %d, but the counts are of %d", ErrSource, s.Cohort.Year, s.Counts.Year)
	}
	if !slices.EqualFunc(pools, rows, func(p store.Pool, c store.PoolCounts) bool { return p.Number == c.Number }) {
		return exact{}, groups{}, fmt.Errorf("%w: freezing %d, the pools and the counts do not match", ErrSource, s.Cohort.Year)
	}
	e := exact{counts: truth{}}
	var elsewhere, largest int
	arrived := make([]int, len(rows))
	for i, row := range rows {
		n := max(0, row.Issued-row.Voided)
		arrived[i] = min(max(0, row.Arrived), n)
		away := min(max(0, row.Elsewhere), arrived[i])
		e.total.referrals += n
		e.total.arrived += arrived[i]
		elsewhere += away
		largest = max(largest, arrived[i]-away)
		e.counts[axis{poolGroup(row.Number), countReferrals}] = n
	}
	e.outside = e.total.referrals
	fewerArrive := 2*e.total.arrived < e.total.referrals
	for i, row := range rows {
		group := poolGroup(row.Number)
		n := e.counts[axis{group, countReferrals}]
		e.counts[axis{group, countSide}] = n - arrived[i]
		if fewerArrive {
			e.counts[axis{group, countSide}] = arrived[i]
		}
		e.outside = min(e.outside, e.total.referrals-n)
	}
	// Which centre saw whom is not known. What one centre can have seen at most is every arrival in
	// its own pool, and every arrival elsewhere, those of its own pool from before it joined included.
	own := e.total.arrived - elsewhere
	e.spread = own-largest >= policy.MinOtherCentres && own >= 2*policy.MinOtherCentres
	e.counts[axis{GroupElsewhere, countOthers}] = elsewhere
	for _, share := range shares {
		e.counts[axis{share.group, countOthers}] = max(0, share.count(s.Counts))
	}
	for _, table := range tables {
		// A confirmation that is taken back with another band than it was made with can leave too many.
		left := table.base(e.total)
		for i, count := range table.counts(s.Counts) {
			count = min(max(0, count), left)
			left -= count
			e.counts[axis{table.group(i), countOthers}] = count
		}
	}
	return e, groupsOf(pools, s.Types), nil
}

// totalOf shows the total of a closed cohort. In a single pool nothing is hidden among others, and its one
// figure is shown as a running total is.
func (e exact) totalOf(policy Policy, groups groups, known running) Figure {
	if len(groups.pools) < 2 {
		return runningTotal(policy, known, e.total, Protected)
	}
	return closedTotal(policy, known, e.total, e.spread && e.outside >= known.outside(policy, e.total))
}

// groups are the pools of a cohort, and the types that are unions of pools.
type groups struct {
	pools []Figure
	types []Figure
}

func (g groups) names() []string {
	var names []string
	for _, pool := range g.pools {
		names = append(names, pool.Group)
	}
	return names
}

func poolGroup(number uint32) string { return fmt.Sprintf("pool:%d", number) }

// groupsOf names the figures of pools, and of the types whose centres fill at least two pools, but not all,
// and are in no other. pools are ordered by number.
func groupsOf(pools []store.Pool, types map[string]store.CentreType) groups {
	var g groups
	members := map[store.CentreType][]int{}
	mixed := map[store.CentreType]bool{}
	for i, pool := range pools {
		g.pools = append(g.pools, Figure{Group: poolGroup(pool.Number), Name: pool.Name})
		in := map[store.CentreType]bool{}
		for _, centre := range pool.Centres {
			in[types[centre]] = true
		}
		for kind := range in {
			members[kind] = append(members[kind], i)
			mixed[kind] = mixed[kind] || len(in) > 1
		}
	}
	for kind, of := range members {
		if kind == "" || mixed[kind] || len(of) < 2 || len(of) == len(pools) {
			continue
		}
		figure := Figure{Group: "type:" + string(kind)}
		for _, i := range of {
			figure.Pools = append(figure.Pools, int(pools[i].Number))
		}
		g.types = append(g.types, figure)
	}
	slices.SortFunc(g.types, func(a, b Figure) int { return strings.Compare(a.Group, b.Group) })
	return g
}

// finalFigures shows a closed cohort, from its total on: everything else is hidden unless the total is shown
// to the person.
func finalFigures(policy Policy, groups groups, known running, total Figure, from reader) ([]Figure, error) {
	figures := []Figure{total}
	if total.Shown != Exact {
		for _, figure := range slices.Concat(groups.pools, groups.types, others()) {
			figure.Shown = Protected
			figures = append(figures, figure)
		}
		return figures, nil
	}
	whole := closed{referrals: total.Referrals.Low, arrived: total.Arrived.Low}
	shown, err := poolFigures(policy, groups, whole, known, from)
	if err != nil {
		return nil, err
	}
	beside, err := otherFigures(policy, whole, from)
	return slices.Concat(figures, shown, beside), err
}

// poolFigures shows pools and types.
func poolFigures(policy Policy, groups groups, total closed, before running, from reader) ([]Figure, error) {
	known := newPools(policy, len(groups.pools), total, before)
	if err := known.walk(groups.names(), from); err != nil {
		return nil, err
	}
	var figures []Figure
	for i, pool := range groups.pools {
		figures = append(figures, known.figure(pool, []int{i}))
	}
	for _, kind := range groups.types {
		var of []int
		for i, pool := range groups.pools {
			if slices.ContainsFunc(kind.Pools, func(number int) bool { return poolGroup(uint32(number)) == pool.Group }) {
				of = append(of, i)
			}
		}
		figures = append(figures, known.figure(kind, of))
	}
	return figures, nil
}

// figure shows what is known of some pools together, if they are certain to have enough referrals.
func (p *pools) figure(figure Figure, of []int) Figure {
	n, side := together(p.n, of, p.referrals), together(p.x, of, p.side)
	for _, i := range of {
		if p.n[i].Low < p.policy.MinReferrals {
			figure.Shown = Protected
			return figure
		}
	}
	figure.Shown, figure.Referrals = Banded, &n
	arrivedOf := func(size int) Range {
		if p.arrived {
			return side.meet(Range{High: size})
		}
		return Range{Low: max(0, size-side.High), High: size - side.Low}
	}
	if p.arrived {
		figure.Arrived = &side
	} else {
		figure.NotArrived = &side
	}
	rate := Range{Low: 100, High: 0}
	for size := n.Low; size <= n.High; size++ {
		of := arrivedOf(size)
		rate.Low = min(rate.Low, 100*of.Low/size)
		rate.High = max(rate.High, (100*of.High+size-1)/size)
	}
	figure.Rate = widened(rate, p.policy.bandWidth(n.Low))
	figure.Interval = envelope(n, arrivedOf)
	return figure
}

// together returns the least and most that some pools can have together, of ranges with a known sum.
func together(ranges []Range, of []int, sum int) Range {
	var in, out Range
	for i, r := range ranges {
		if slices.Contains(of, i) {
			in.Low, in.High = in.Low+r.Low, in.High+r.High
		} else {
			out.Low, out.High = out.Low+r.Low, out.High+r.High
		}
	}
	return in.meet(Range{Low: sum - out.High, High: sum - out.Low})
}
