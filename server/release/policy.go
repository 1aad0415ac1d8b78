// Package release decides what may be shown of a cohort's counts, and keeps what was shown as frozen,
// numbered documents that form a chain.
//
// It is made of pure functions: no clock, no store, no randomness. A draft is made of the exact
// counts at a cut-off; from then on only the draft is kept, published and read. docs/disclosure.md
// explains the policy.
package release

import (
	"errors"
	"fmt"
)

// Policy says what may be shown. Documents name its version, and a version is never changed.
type Policy struct {
	// Version is written into every document.
	Version string
	// MinReferrals is the primary rule: a cell of fewer referrals is not shown.
	MinReferrals int
	// SmallClass and LargeClass are the widths of size classes, below and from LargeFrom.
	SmallClass, LargeClass, LargeFrom int
	// Bands are the widths of rate bands in per cent, by number of referrals, ascending.
	Bands []Band
	// MinArrived and MinNotArrived are what a closed cohort's total needs to be shown to the per cent.
	MinArrived, MinNotArrived int
	// MinOtherCentres is how many arrivals a closed cohort's total must still hold when everything
	// that any one centre may have seen is taken away, to be shown to the per cent.
	MinOtherCentres int
}

// Band is the width of rate bands from a number of referrals on.
type Band struct {
	// From is the least number of referrals; Width is in per cent and divides 100.
	From, Width int
}

// Current is the policy of new documents. It is the floor as well: see Check.
var Current = Policy{
	Version:      "2026-1",
	MinReferrals: 25,
	SmallClass:   5, LargeClass: 10, LargeFrom: 40,
	Bands:      []Band{{From: 25, Width: 20}, {From: 50, Width: 10}, {From: 100, Width: 5}},
	MinArrived: 5, MinNotArrived: 5, MinOtherCentres: 10,
}

// ErrPolicy is wrapped by the errors of Check.
var ErrPolicy = errors.New("the disclosure policy would show too much")

// Check refuses, with the reason, a policy that shows more than Current in any respect.
func (p Policy) Check() error {
	for _, limit := range []struct {
		name       string
		got, floor int
	}{
		{"the least number of referrals", p.MinReferrals, Current.MinReferrals},
		{"the width of small size classes", p.SmallClass, Current.SmallClass},
		{"the width of large size classes", p.LargeClass, Current.LargeClass},
		{"the size from which classes are large", p.LargeFrom, p.MinReferrals},
		{"the least number of arrivals", p.MinArrived, Current.MinArrived},
		{"the least number that did not arrive", p.MinNotArrived, Current.MinNotArrived},
		{"the arrivals left without any one centre", p.MinOtherCentres, Current.MinOtherCentres},
	} {
		if limit.got < limit.floor {
			return fmt.Errorf("%w: %s is %d, at least %d is needed", ErrPolicy, limit.name, limit.got, limit.floor)
		}
	}
	if latest := max(Current.LargeFrom, p.MinReferrals); p.LargeFrom > latest {
		return fmt.Errorf("%w: large size classes begin at %d, at most %d is allowed", ErrPolicy, p.LargeFrom, latest)
	}
	// The last small class ends where the large ones begin, and may be cut short there.
	if last := p.sizeClass(p.LargeFrom - 1); p.LargeFrom > p.MinReferrals && last.High-last.Low+1 < Current.SmallClass {
		return fmt.Errorf("%w: the size class from %d to %d is narrower than %d",
			ErrPolicy, last.Low, last.High, Current.SmallClass)
	}
	if len(p.Bands) == 0 {
		return fmt.Errorf("%w: it has no rate bands", ErrPolicy)
	}
	for _, band := range p.Bands {
		if floor := Current.bandWidth(band.From); band.Width < floor || 100%band.Width != 0 {
			return fmt.Errorf("%w: rate bands from %d referrals are %d wide, a divisor of 100 from %d on is needed",
				ErrPolicy, band.From, band.Width, floor)
		}
		// A width that changes inside a class would tell on which side of the change the size is.
		if band.From > p.MinReferrals && p.sizeClass(band.From).Low != band.From {
			return fmt.Errorf("%w: rate bands change at %d referrals, inside a size class", ErrPolicy, band.From)
		}
	}
	return nil
}

// sizeClass returns the ends of the class of n referrals, both included.
func (p Policy) sizeClass(n int) Range {
	width, from := p.SmallClass, p.MinReferrals
	if n >= p.LargeFrom {
		width, from = p.LargeClass, p.LargeFrom
	}
	low := from + (n-from)/width*width
	high := low + width - 1
	if n < p.LargeFrom {
		high = min(high, p.LargeFrom-1)
	}
	return Range{Low: low, High: high}
}

// bandWidth returns the width of the rate band for n referrals.
func (p Policy) bandWidth(n int) int {
	width := 100
	for _, band := range p.Bands {
		if n >= band.From {
			width = band.Width
		}
	}
	return width
}

// rateBand returns the band of arrived among n: from Low to below High, 100 included.
func (p Policy) rateBand(arrived, n int) Range {
	width := p.bandWidth(n)
	low := min(100*arrived/n/width*width, 100-width)
	return Range{Low: low, High: low + width}
}
