package release

import (
	"cmp"
	"fmt"
	"slices"

	"aankomst/server/store"
)

// CutOff says what is frozen, and when.
type CutOff struct {
	// Key is what the store knows it by: a day, YYYY-MM-DD, or store.CutOffFinal.
	Key string
	// Day is the last day that is counted, YYYY-MM-DD.
	Day string
	// YearEnd says that it is the cut-off of 31 December, at which pools are on the menu.
	YearEnd bool
	// Late says that the server froze after the cut-off, so that later counts are in.
	Late bool
}

// final reports whether the cohort is being closed.
func (c CutOff) final() bool { return c.Key == store.CutOffFinal }

// Freeze makes the draft of a cohort's release from its exact counts. The policy must have passed
// Check. It is an error when cohort and counts do not have the same year and pools.
func Freeze(policy Policy, cohort store.Cohort, counts store.Counts, cutOff CutOff) (Document, error) {
	pools := slices.SortedFunc(slices.Values(cohort.Pools), func(a, b store.Pool) int { return cmp.Compare(a.Number, b.Number) })
	counted := slices.SortedFunc(slices.Values(counts.Pools), func(a, b store.PoolCounts) int { return cmp.Compare(a.Number, b.Number) })
	if counts.Year != cohort.Year {
		return Document{}, fmt.Errorf("freezing %d: the counts are of %d", cohort.Year, counts.Year)
	}
	if !slices.EqualFunc(pools, counted, func(p store.Pool, c store.PoolCounts) bool { return p.Number == c.Number }) {
		return Document{}, fmt.Errorf("freezing %d: the pools and the counts do not match", cohort.Year)
	}
	document := Document{
		Schema: Schema, Policy: policy.Version, Cohort: cohort.Year,
		Status: Provisional, CutOff: cutOff.Day, FrozenLate: cutOff.Late,
	}
	if cutOff.final() {
		document.Status = Final
	}
	document.Figures = append(document.Figures, totalFigure(policy, counted, cutOff.final()))
	if cutOff.final() || cutOff.YearEnd {
		for i, pool := range pools {
			document.Figures = append(document.Figures, poolFigure(policy, pool, counted[i]))
		}
	}
	return gate(document), nil
}

// totalFigure shows a running total in bands, and a closed cohort's to the per cent where that gives
// nobody away.
func totalFigure(policy Policy, pools []store.PoolCounts, final bool) Figure {
	var n, arrived, elsewhere, largest int
	for _, pool := range pools {
		n += pool.Issued - pool.Voided
		arrived += pool.Arrived
		elsewhere += pool.Elsewhere
		largest = max(largest, pool.Arrived-pool.Elsewhere)
	}
	figure := Figure{Group: GroupTotal}
	// Which centre saw whom is not known. What one centre can have seen at most is every arrival in
	// its own pool, and every arrival elsewhere, those of its own pool from before it joined included.
	others := arrived - largest - elsewhere
	if final && n >= policy.MinReferrals && arrived >= policy.MinArrived &&
		n-arrived >= policy.MinNotArrived && others >= policy.MinOtherCentres {
		percent := (200*arrived + n) / (2 * n)
		figure.Shown = Exact
		figure.Rate = &Range{Low: percent, High: percent}
		figure.Referrals = &Range{Low: n, High: n}
		figure.Interval = envelope(figure)
		return figure
	}
	hidden := Protected
	if !final {
		hidden = TooEarly
	}
	return banded(policy, figure, n, arrived, hidden)
}

func poolFigure(policy Policy, pool store.Pool, counts store.PoolCounts) Figure {
	figure := Figure{Group: fmt.Sprintf("pool:%d", pool.Number), Name: pool.Name}
	return banded(policy, figure, counts.Issued-counts.Voided, counts.Arrived, Protected)
}

// banded shows a figure in bands, or hides it as said when the primary rule asks for it. Codes that
// were replaced, the lost one found again and both confirmed, can bring arrivals past referrals: such
// a figure is shown as if all had arrived.
func banded(policy Policy, figure Figure, n, arrived int, hidden Shown) Figure {
	if n < policy.MinReferrals {
		figure.Shown = hidden
		return figure
	}
	class, band := policy.sizeClass(n), policy.rateBand(min(arrived, n), n)
	figure.Shown, figure.Referrals, figure.Rate = Banded, &class, &band
	figure.Interval = envelope(figure)
	return figure
}

// gate stands where the audit of what a reader can work out belongs. Until that is there, only the total
// of a closed cohort passes. Beside it one pool would give away another, and a running total could prove
// that nobody arrived after its cut-off.
func gate(document Document) Document {
	for i, figure := range document.Figures {
		switch {
		case figure.Group != GroupTotal:
			document.Figures[i] = Figure{Group: figure.Group, Name: figure.Name, Shown: Protected}
		case document.Status == Provisional:
			document.Figures[i] = Figure{Group: figure.Group, Shown: TooEarly}
		}
	}
	return document
}
