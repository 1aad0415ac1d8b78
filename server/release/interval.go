package release

import "math"

// z95 is the two-sided 95 % quantile of the standard normal distribution.
const z95 = 1.959963984540054

// wilson returns the 95 % score interval of arrived among n, as shares (Wilson, J. Am. Stat. Assoc.
// 22, 1927, 209-212).
func wilson(arrived, n int) (low, high float64) {
	size, share := float64(n), float64(arrived)/float64(n)
	centre := share + z95*z95/(2*size)
	spread := z95 * math.Sqrt(share*(1-share)/size+z95*z95/(4*size*size))
	scale := 1 + z95*z95/size
	return (centre - spread) / scale, (centre + spread) / scale
}

// envelope returns the union of the Wilson intervals of all counts that a reader holds possible: sizes, and
// the arrivals at each size. Its ends are rounded to whole per cents. Being computed from what is shown alone,
// it adds nothing to it.
func envelope(sizes Range, arrived func(n int) Range) *Range {
	low, high := 1.0, 0.0
	for n := sizes.Low; n <= sizes.High; n++ {
		possible := arrived(n)
		if possible.values() == 0 {
			continue
		}
		l, _ := wilson(possible.Low, n)
		_, h := wilson(possible.High, n)
		low, high = min(low, l), max(high, h)
	}
	return &Range{Low: int(math.Round(100 * low)), High: int(math.Round(100 * high))}
}

// Change says how the rates of two figures compare.
type Change string

// The ways in which rates compare.
const (
	// NoDemonstrableChange: the intervals touch, so that chance may explain the difference.
	NoDemonstrableChange Change = "no_demonstrable_change"
	// Higher and Lower: the later interval lies above or below the earlier one.
	Higher Change = "higher"
	Lower  Change = "lower"
)

// Compare compares the rate of a later figure with that of an earlier one, by their intervals alone: a change is
// said only when these are disjoint. A figure that is not shown tells of no change.
func Compare(earlier, later Figure) Change {
	switch {
	case earlier.Interval == nil || later.Interval == nil:
		return NoDemonstrableChange
	case later.Interval.Low > earlier.Interval.High:
		return Higher
	case later.Interval.High < earlier.Interval.Low:
		return Lower
	}
	return NoDemonstrableChange
}
