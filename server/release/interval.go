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

// envelope returns the union of the Wilson intervals of all counts that would be shown like the
// figure, its ends rounded to whole per cents. Being computed from what is shown alone, it adds nothing
// to it.
func envelope(figure Figure) *Range {
	low, high := 1.0, 0.0
	for n := figure.Referrals.Low; n <= figure.Referrals.High; n++ {
		for arrived := 0; arrived <= n; arrived++ {
			if !figure.fits(arrived, n) {
				continue
			}
			l, h := wilson(arrived, n)
			low, high = min(low, l), max(high, h)
		}
	}
	return &Range{Low: int(math.Round(100 * low)), High: int(math.Round(100 * high))}
}

// fits reports whether arrived among n is compatible with the rate that is shown.
func (f Figure) fits(arrived, n int) bool {
	if f.Shown == Exact {
		return (200*arrived+n)/(2*n) == f.Rate.Low
	}
	return 100*arrived >= f.Rate.Low*n && (100*arrived < f.Rate.High*n || f.Rate.High == 100)
}
