package release

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"aankomst/server/store"
)

// Verdict is what is advised of pools for the next cohort.
type Verdict string

// The verdicts.
const (
	Keep  Verdict = "keep"
	Merge Verdict = "merge"
	Split Verdict = "split"
	// Untold: the release tells nothing about the pool.
	Untold Verdict = "untold"
)

// Advice is what to do with a pool in the next cohort, or with several that are best merged.
type Advice struct {
	Verdict Verdict
	// Pools are the numbers of the pools that it is about.
	Pools []uint32
	// Into are the pools to make of them. It is empty when nothing changes, and when a pool can be split and
	// people have to say which centres go together.
	Into []PlannedPool
	// Reason says why, in English. It holds no number but the policy's MinReferrals.
	Reason string
}

// PlannedPool is a pool of the next cohort.
type PlannedPool struct {
	Name string
	// Centres are the IDs of its centres, those that are archived left out.
	Centres []string
}

// Planning is what pools are planned from. Anybody who reads releases and knows the centres could do the same, so
// that whoever is advised learns nothing that is not public.
type Planning struct {
	// Last is the latest final release that is published; see LatestFinal.
	Last Document
	// Cohort is the cohort of that release. It says which centre is in which pool.
	Cohort store.Cohort
	// Centres are all centres there are.
	Centres []store.Centre
	// MinCentres is how many centres a pool takes.
	MinCentres int
}

// ErrNoFinal is returned by LatestFinal when no final release is published yet.
var ErrNoFinal = errors.New("no final release is published yet, and pools are planned from nothing else: close a cohort and publish its final release first")

// LatestFinal returns the document of the latest cohort whose final release is published. Errors are ErrNoFinal,
// or wrap ErrDocument.
func LatestFinal(published []store.Release) (Document, error) {
	var latest *store.Release
	for i, release := range published {
		if release.CutOff == store.CutOffFinal && (latest == nil || release.Year > latest.Year) {
			latest = &published[i]
		}
	}
	if latest == nil {
		return Document{}, ErrNoFinal
	}
	return Decode(latest.Document)
}

// Plan advises which pools to keep, merge and split, so that each of the next cohort's can be expected to be shown.
// Every pool of the cohort is in one piece of advice. policies are those by which documents that are known here
// were made: what another policy protects says nothing of a size. Errors wrap ErrSource.
//
// A pool that is not certain to have MinReferrals is merged, first with another of these, and with a centre of the
// same type before others; else with the smallest. A pool is split where both parts are certain to have
// MinReferrals, if referrals are spread over its centres as evenly as they are taken to be when a cohort is opened.
func Plan(policies []Policy, from Planning) ([]Advice, error) {
	if from.Last.Cohort != from.Cohort.Year || len(from.Last.Figures) == 0 {
		return nil, fmt.Errorf("%w: planning from the release of %d and the cohort of %d", ErrSource, from.Last.Cohort, from.Cohort.Year)
	}
	p := planner{Planning: from}
	p.read(policies)
	for i := range from.Cohort.Pools {
		p.groups = append(p.groups, []int{i})
	}
	p.merge()
	var all []Advice
	for _, group := range p.groups {
		all = append(all, p.advise(group))
	}
	return all, nil
}

// planner groups the pools of a cohort. A group is pools that are to be merged, by their places in the cohort.
type planner struct {
	Planning
	// least is the policy's MinReferrals.
	least int
	// untold says why the release tells nothing about pools; empty when it does.
	untold string
	// total and sizes are the referrals of all pools together, and of each, as everybody can know them.
	total  Range
	sizes  []Range
	groups [][]int
}

// read reads sizes from the release. Pools are shown or protected by their sizes only beside a total that is
// shown to the person; a cohort's only pool is as large as its total.
func (p *planner) read(policies []Policy) {
	at := slices.IndexFunc(policies, func(policy Policy) bool { return policy.Version == p.Last.Policy })
	if at < 0 {
		p.untold = "the release was made by another policy, which protected pools whatever their size"
		return
	}
	p.least = policies[at].MinReferrals
	total := p.Last.Figures[0]
	switch {
	case len(p.Cohort.Pools) == 1 && total.Referrals != nil:
		p.total, p.sizes = *total.Referrals, []Range{*total.Referrals}
	case total.Shown != Exact || total.Referrals == nil:
		p.untold = "the total is not shown exactly, and then every pool is protected whatever its size"
	default:
		p.total = *total.Referrals
		for _, pool := range p.Cohort.Pools {
			size := Range{High: p.total.High}
			for _, figure := range p.Last.Figures {
				if figure.Group == poolGroup(pool.Number) && figure.Referrals != nil {
					size = *figure.Referrals
				}
			}
			p.sizes = append(p.sizes, size)
		}
	}
}

// size returns what everybody can know of a group's referrals; nothing when the release does not tell.
func (p *planner) size(group []int) Range {
	in, out := Range{}, Range{}
	for i, size := range p.sizes {
		if slices.Contains(group, i) {
			in.Low, in.High = in.Low+size.Low, in.High+size.High
		} else {
			out.Low, out.High = out.Low+size.Low, out.High+size.High
		}
	}
	return in.meet(Range{Low: p.total.Low - out.High, High: p.total.High - out.Low})
}

// small reports whether a group is not certain to have enough referrals, as far as the release tells.
func (p *planner) small(group []int) bool { return p.untold == "" && p.size(group).Low < p.least }

// thin reports whether a group has too few centres in use.
func (p *planner) thin(group []int) bool { return len(p.centres(group)) < p.MinCentres }

// centres returns the centres of a group that are in use, by their IDs.
func (p *planner) centres(group []int) []store.Centre {
	var in []store.Centre
	for _, centre := range p.Centres {
		if !centre.Archived && slices.ContainsFunc(group, func(i int) bool { return slices.Contains(p.Cohort.Pools[i].Centres, centre.ID) }) {
			in = append(in, centre)
		}
	}
	slices.SortFunc(in, func(a, b store.Centre) int { return strings.Compare(a.ID, b.ID) })
	return in
}

// merge merges groups until every one can stand alone, or one is left.
func (p *planner) merge() {
	stands := func(group []int) bool { return !p.small(group) && !p.thin(group) }
	for len(p.groups) > 1 {
		at := slices.IndexFunc(p.groups, func(group []int) bool { return !stands(group) })
		if at < 0 {
			return
		}
		weak := p.groups[at]
		p.groups = slices.Delete(p.groups, at, at+1)
		// rank is smaller for the better partner.
		rank := func(group []int) []int {
			size := p.size(group)
			return []int{worse(stands(group)), worse(!p.alike(weak, group)), size.Low, size.High, len(p.centres(group)), group[0]}
		}
		best := slices.MinFunc(p.groups, func(a, b []int) int { return slices.Compare(rank(a), rank(b)) })
		into := slices.IndexFunc(p.groups, func(group []int) bool { return group[0] == best[0] })
		p.groups[into] = slices.Sorted(slices.Values(append(slices.Clone(weak), best...)))
	}
	slices.SortFunc(p.groups, func(a, b []int) int { return cmp.Compare(a[0], b[0]) })
}

// worse makes a number of a condition, to sort what it holds of last.
func worse(condition bool) int {
	if condition {
		return 1
	}
	return 0
}

// alike reports whether two groups have centres of the same type.
func (p *planner) alike(a, b []int) bool {
	return slices.ContainsFunc(p.centres(a), func(one store.Centre) bool {
		return slices.ContainsFunc(p.centres(b), func(other store.Centre) bool { return other.Type == one.Type })
	})
}

// advise says what to do with a group.
func (p *planner) advise(group []int) Advice {
	advice := Advice{Verdict: Keep}
	var names []string
	for _, i := range group {
		advice.Pools = append(advice.Pools, p.Cohort.Pools[i].Number)
		names = append(names, p.Cohort.Pools[i].Name)
	}
	centres := p.centres(group)
	switch {
	case len(group) > 1:
		advice.Verdict, advice.Reason = Merge, p.whyMerge(group)
		advice.Into = []PlannedPool{planned(strings.Join(names, " + "), centres)}
	case p.thin(group):
		advice.Reason = "too few of its centres are in use for their codes to hide each other, and there is no pool to merge it with: add centres"
	case p.untold != "":
		advice.Verdict, advice.Reason = Untold, p.untold
	default:
		advice.Reason = fmt.Sprintf("it is certain to have %d", p.least)
		if into, can := p.split(group, centres); can {
			advice.Verdict, advice.Into = Split, into
			advice.Reason = fmt.Sprintf("it may be split: both parts are certain to have %d if referrals are spread evenly over its centres", p.least)
		}
	}
	return advice
}

// whyMerge says why pools are merged.
func (p *planner) whyMerge(group []int) string {
	reason := "a pool has too few centres in use for their codes to hide each other: merge"
	for _, i := range group {
		if p.small([]int{i}) {
			reason = fmt.Sprintf("below %d, or not certain to have %d: merge", p.least, p.least)
		}
	}
	if len(p.groups) == 1 {
		reason += "; of the one pool that is left, the total is shown in a band"
	}
	return reason
}

// split reports whether a pool can be split in two, and into which pools when its centres are of several types.
func (p *planner) split(group []int, centres []store.Centre) (into []PlannedPool, can bool) {
	enough := func(part int) bool {
		return part >= p.MinCentres && part*p.size(group).Low >= p.least*len(centres)
	}
	most := 0
	for _, kind := range []store.CentreType{store.TypeCAW, store.TypeCGG, store.TypeUFC, store.TypeOther} {
		var of, rest []store.Centre
		for _, centre := range centres {
			if centre.Type == kind {
				of = append(of, centre)
			} else {
				rest = append(rest, centre)
			}
		}
		if smaller := min(len(of), len(rest)); enough(smaller) && smaller > most {
			most = smaller
			into = []PlannedPool{planned(string(kind), of), planned(typesOf(rest), rest)}
		}
	}
	return into, most > 0 || enough(len(centres)/2)
}

func planned(name string, centres []store.Centre) PlannedPool {
	pool := PlannedPool{Name: name}
	for _, centre := range centres {
		pool.Centres = append(pool.Centres, centre.ID)
	}
	return pool
}

// typesOf names centres by their types.
func typesOf(centres []store.Centre) string {
	var types []string
	for _, centre := range centres {
		if !slices.Contains(types, string(centre.Type)) {
			types = append(types, string(centre.Type))
		}
	}
	slices.Sort(types)
	return strings.Join(types, " + ")
}
