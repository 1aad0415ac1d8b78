// Package release decides what may be shown of a cohort's counts, and keeps what was shown as frozen,
// numbered documents that form a chain.
//
// It is made of pure functions: no clock, no store, no randomness. A draft is made of the exact
// counts at a cut-off; from then on only the draft is kept, published and read. What is shown is found
// by splitting what a reader already knows into parts, by a rule that looks at nothing but what the
// reader knows, and saying which part holds the truth: so a reader learns the part and no more, and
// Audit finds every part again from the documents alone. docs/disclosure.md explains the policy and
// proves what it promises.
package release

import (
	"errors"
	"fmt"
)

// Policy says what may be shown. Documents name its version, and a version is never changed.
type Policy struct {
	// Version is written into every document.
	Version string
	// MinReferrals is the primary rule: a figure whose denominator is smaller is not shown.
	MinReferrals int
	// MinValues is how many values must stay possible for the referrals, the arrivals and those who did
	// not arrive of every group.
	MinValues int
	// Classes are the widths of size classes by number of referrals, ascending, the first from MinReferrals.
	Classes []Class
	// Bands are the least widths of rate bands in per cent, by number of referrals, ascending.
	Bands []Band
	// MinArrived and MinNotArrived are what a closed cohort's total needs to be shown to the person.
	MinArrived, MinNotArrived int
	// MinOtherCentres is how many arrivals a closed cohort's total must still hold when everything
	// that any one centre may have seen is taken away, to be shown to the person.
	MinOtherCentres int
	// MinOtherReferrals is how many referrals it must hold outside any one pool, to be shown so.
	MinOtherReferrals int
	// YearEndFrom is how many referrals the running total of 31 December needs to be shown. Hardly
	// anybody is referred between it and the closing, so that in small years the two could be subtracted.
	YearEndFrom int
}

// Class is the width of size classes from a number of referrals on.
type Class struct {
	// From is the least number of referrals; Width is how many sizes look alike.
	From, Width int
}

// Band is the least width of rate bands from a number of referrals on.
type Band struct {
	// From is the least number of referrals; Width is in per cent and divides 100.
	From, Width int
}

// Current is the policy of new documents. It is the floor as well: see Check.
var Current = Policy{
	Version:      "2026-2",
	MinReferrals: 25,
	MinValues:    4,
	Classes:      []Class{{From: 25, Width: 5}, {From: 40, Width: 10}},
	Bands:        []Band{{From: 25, Width: 20}, {From: 50, Width: 10}, {From: 100, Width: 5}},
	MinArrived:   23, MinNotArrived: 5, MinOtherCentres: 10, MinOtherReferrals: 13,
	YearEndFrom: 100,
}

// The least widths of size classes: smallClass below largeFrom referrals, largeClass from there on.
const (
	smallClass = 5
	largeClass = 10
	largeFrom  = 40
)

// ErrPolicy is wrapped by the errors of Check.
var ErrPolicy = errors.New("the disclosure policy would show too much")

// Check refuses, with the reason, a policy that shows more than Current in any respect.
func (p Policy) Check() error {
	for _, limit := range []struct {
		name       string
		got, floor int
	}{
		{"the least number of referrals", p.MinReferrals, Current.MinReferrals},
		{"the number of values that stay possible", p.MinValues, Current.MinValues},
		{"the least number that did not arrive", p.MinNotArrived, max(Current.MinNotArrived, p.MinValues)},
		{"the arrivals left without any one centre", p.MinOtherCentres, Current.MinOtherCentres},
		{"the least number of arrivals", p.MinArrived, max(Current.MinArrived, 2*p.MinOtherCentres+p.MinValues-1)},
		{"the referrals left without any one pool", p.MinOtherReferrals, max(Current.MinOtherReferrals, p.MinOtherCentres+p.MinValues-1)},
		{"the referrals for a running total at the end of a year", p.YearEndFrom, Current.YearEndFrom},
	} {
		if limit.got < limit.floor {
			return fmt.Errorf("%w: %s is %d, at least %d is needed", ErrPolicy, limit.name, limit.got, limit.floor)
		}
	}
	if err := p.checkClasses(); err != nil {
		return err
	}
	return p.checkBands()
}

func (p Policy) checkClasses() error {
	if len(p.Classes) == 0 || p.Classes[0].From != p.MinReferrals {
		return fmt.Errorf("%w: size classes must begin at %d referrals", ErrPolicy, p.MinReferrals)
	}
	for i, class := range p.Classes {
		floor := smallClass
		if i+1 == len(p.Classes) || p.Classes[i+1].From > largeFrom {
			floor = largeClass
		}
		floor = max(floor, p.MinValues)
		if class.Width < floor {
			return fmt.Errorf("%w: size classes from %d referrals are %d wide, at least %d is needed",
				ErrPolicy, class.From, class.Width, floor)
		}
		// A class that is cut short by the next width would be narrower than it says.
		if i+1 < len(p.Classes) && (p.Classes[i+1].From <= class.From || (p.Classes[i+1].From-class.From)%class.Width != 0) {
			return fmt.Errorf("%w: the size classes from %d referrals do not end where those from %d begin",
				ErrPolicy, class.From, p.Classes[i+1].From)
		}
	}
	return nil
}

func (p Policy) checkBands() error {
	if len(p.Bands) == 0 {
		return fmt.Errorf("%w: it has no rate bands", ErrPolicy)
	}
	for i, band := range p.Bands {
		if floor := Current.bandWidth(band.From); band.Width < floor || 100%band.Width != 0 {
			return fmt.Errorf("%w: rate bands from %d referrals are %d wide, a divisor of 100 from %d on is needed",
				ErrPolicy, band.From, band.Width, floor)
		}
		if i > 0 && band.From <= p.Bands[i-1].From {
			return fmt.Errorf("%w: rate bands are not in the order of referrals", ErrPolicy)
		}
		// Below that many referrals a band could hold fewer values than must stay possible.
		if least := (100*p.MinValues + band.Width - 1) / band.Width; band.From < least {
			return fmt.Errorf("%w: rate bands %d wide need %d referrals, not %d", ErrPolicy, band.Width, least, band.From)
		}
		// A width that changes inside a class would tell on which side of the change the size is.
		if band.From > p.MinReferrals && p.sizeClass(band.From).Low != band.From {
			return fmt.Errorf("%w: rate bands change at %d referrals, inside a size class", ErrPolicy, band.From)
		}
	}
	return nil
}

// sizeClass returns the ends of the class of n referrals, both included; n is at least MinReferrals.
func (p Policy) sizeClass(n int) Range {
	class := p.Classes[0]
	for _, c := range p.Classes {
		if n >= c.From {
			class = c
		}
	}
	low := class.From + (n-class.From)/class.Width*class.Width
	return Range{Low: low, High: low + class.Width - 1}
}

// bandWidth returns the least width of a rate band for n referrals.
func (p Policy) bandWidth(n int) int {
	width := 100
	for _, band := range p.Bands {
		if n >= band.From {
			width = band.Width
		}
	}
	return width
}
