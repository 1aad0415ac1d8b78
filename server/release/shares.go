package release

import (
	"fmt"
	"strings"

	"aankomst/server/store"
)

// The groups of a closed cohort that are no arrival rates.
const (
	// GroupElsewhere: arrivals at a centre outside the code's pool, as a share of all arrivals.
	GroupElsewhere = "elsewhere"
	// GroupVoided, GroupReplacements, GroupReferredWithoutCode and GroupArrivedWithoutCode: beside every
	// hundred referrals.
	GroupVoided              = "voided"
	GroupReplacements        = "replacements"
	GroupReferredWithoutCode = "referred_without_code"
	GroupArrivedWithoutCode  = "arrived_without_code"
	// GroupWithArrivedWithoutCode: the range from the arrival rate to what it would be if everybody who
	// arrived without a code had been one of the referrals.
	GroupWithArrivedWithoutCode = "total_with_arrived_without_code"
)

// shares are counts of a cohort as a whole that nothing else in a release is a part of.
var shares = []struct {
	group string
	count func(store.Counts) int
}{
	{GroupVoided, sum(func(p store.PoolCounts) int { return p.Voided })},
	{GroupReplacements, sum(func(p store.PoolCounts) int { return max(0, p.Replaced-p.ReplacementsVoided) })},
	{GroupReferredWithoutCode, sum(func(p store.PoolCounts) int { return p.ReferredWithoutCode })},
	{GroupArrivedWithoutCode, func(c store.Counts) int { return c.ArrivedWithoutCode }},
}

func sum(of func(store.PoolCounts) int) func(store.Counts) int {
	return func(counts store.Counts) (all int) {
		for _, pool := range counts.Pools {
			all += of(pool)
		}
		return all
	}
}

// table is a background table: everybody in its base is in one of its categories, or in none that is named.
// Bases are arrivals or referrals of a closed cohort, which its total tells.
type table struct {
	name       string
	ofArrivals bool
	categories []string
	// counts returns a count for each category; what is left of the base is in none.
	counts func(store.Counts) []int
}

// base returns how many are in the table.
func (t table) base(total closed) int {
	if t.ofArrivals {
		return total.arrived
	}
	return total.referrals
}

func (t table) group(category int) string {
	return fmt.Sprintf("%s:%s", t.name, t.categories[category])
}

// tables are the background tables of a release. One that is added here is shown by the same policy.
var tables = []table{{
	name: "wait", ofArrivals: true,
	categories: []string{"up_to_2_weeks", "2_to_6_weeks", "6_weeks_to_3_months", "3_to_6_months", "over_6_months"},
	counts:     func(c store.Counts) []int { return c.Waits[store.WaitUpTo2Weeks:] },
}}

// others names the figures that are no arrival rates, in the order of a document.
func others() []Figure {
	figures := []Figure{{Group: GroupWithArrivedWithoutCode}}
	for _, share := range shares {
		figures = append(figures, Figure{Group: share.group})
	}
	figures = append(figures, Figure{Group: GroupElsewhere})
	for _, table := range tables {
		for i := range table.categories {
			figures = append(figures, Figure{Group: table.group(i)})
		}
	}
	return figures
}

// otherFigures shows what is no arrival rate, beside a total that is shown to the person.
func otherFigures(policy Policy, total closed, from reader) ([]Figure, error) {
	var figures []Figure
	for _, share := range shares {
		figure, err := shareFigure(policy, total, share.group, from)
		if err != nil {
			return nil, err
		}
		figures = append(figures, figure)
		if share.group == GroupArrivedWithoutCode {
			figures = append([]Figure{withoutCode(policy, total, *figure.Count)}, figures...)
		}
	}
	// A total that is shown to the person has 2*MinOtherCentres arrivals that are not elsewhere.
	elsewhere, err := splitTable(policy, total.arrived, []string{GroupElsewhere}, total.arrived-2*policy.MinOtherCentres, from)
	if err != nil {
		return nil, err
	}
	figures = append(figures, elsewhere...)
	for _, table := range tables {
		base := table.base(total)
		names := make([]string, len(table.categories))
		for i := range names {
			names[i] = table.group(i)
		}
		cells, err := splitTable(policy, base, names, base, from)
		if err != nil {
			return nil, err
		}
		figures = append(figures, cells...)
	}
	return figures, nil
}

// shareFigure shows a count that has no known bound, as so many to a hundred referrals.
func shareFigure(policy Policy, total closed, group string, from reader) (Figure, error) {
	step, err := from.step(axis{group, countOthers}, partWidth(policy, total.referrals))
	if err != nil {
		return Figure{}, err
	}
	return countFigure(group, total.referrals, step), nil
}

// Base says what a figure is a share of.
type Base string

// The bases.
const (
	// OfReferrals: an arrival rate, or a category of all referrals.
	OfReferrals Base = "of referrals"
	// OfArrivals: a category of all arrivals.
	OfArrivals Base = "of arrivals"
	// BesideReferrals: so many to a hundred referrals, of which they are no part.
	BesideReferrals Base = "beside referrals"
)

// BaseOf returns what the figure of a group is a share of, and whether there are figures of it.
func BaseOf(group string) (Base, bool) {
	name, _, _ := strings.Cut(group, ":")
	switch name {
	case GroupTotal, GroupWithArrivedWithoutCode, "pool", "type":
		return OfReferrals, true
	case GroupElsewhere:
		return OfArrivals, true
	}
	for _, share := range shares {
		if share.group == group {
			return BesideReferrals, true
		}
	}
	for _, table := range tables {
		if table.name == name && table.ofArrivals {
			return OfArrivals, true
		}
		if table.name == name {
			return OfReferrals, true
		}
	}
	return "", false
}

// partWidth is how many counts look alike in a share of a base.
func partWidth(policy Policy, base int) int {
	return max(policy.MinValues+1, (policy.bandWidth(base)*base+99)/100)
}

// countFigure is a count in a range, as a share of a base in whole per cents.
func countFigure(group string, base int, count Range) Figure {
	rate := Range{Low: 100 * count.Low / base, High: (100*count.High + base - 1) / base}
	return Figure{Group: group, Shown: Banded, Rate: &rate, Count: &count}
}

// withoutCode is the range from the arrival rate to where it would be with those who arrived without a code.
// Its upper end is a band.
func withoutCode(policy Policy, total closed, extra Range) Figure {
	rate := Range{
		Low:  percent(total.arrived, total.referrals),
		High: min(100, (100*(total.arrived+extra.High)+total.referrals-1)/total.referrals),
	}
	return Figure{Group: GroupWithArrivedWithoutCode, Shown: Banded, Rate: &rate}
}

// splitTable shows the categories of a base as shares of it. All categories, and what is in none, add up to the
// base: splitting one after the other into parts of MinValues values leaves every one of them as many (see
// docs/disclosure.md). No category can hold more than most.
func splitTable(policy Policy, base int, groups []string, most int, from reader) ([]Figure, error) {
	if base < policy.MinReferrals {
		return hideAll(groups), nil
	}
	cells := make([]Range, len(groups)+1)
	for i := range groups {
		cells[i] = Range{High: most}
	}
	cells[len(groups)] = Range{High: base}
	drawTogether(cells, base)
	width := partWidth(policy, base)
	for i, group := range groups {
		parts := tile(cells[i], cells[i].Low+(width-1)/2, width, policy.MinValues)
		chosen, err := from.part(axis{group, countOthers}, parts)
		if err != nil {
			return nil, err
		}
		cells[i] = parts[chosen]
		drawTogether(cells, base)
	}
	var figures []Figure
	for i, group := range groups {
		figure := countFigure(group, base, cells[i])
		figure.Rate = widened(*figure.Rate, policy.bandWidth(base))
		figures = append(figures, figure)
	}
	return figures, nil
}

func hideAll(groups []string) []Figure {
	var figures []Figure
	for _, group := range groups {
		figures = append(figures, Figure{Group: group, Shown: Protected})
	}
	return figures
}
