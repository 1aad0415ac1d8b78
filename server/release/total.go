package release

// closed is what is counted of a closed cohort as a whole.
type closed struct{ referrals, arrived int }

// running is what the running totals that were shown tell of a cohort from then on. Zero when none was shown.
type running struct {
	// referrals is how many it has at least.
	referrals int
	// arrived is how many arrivals it has at least, for the reader who is told most: the register of the
	// helpline knows the size, and at the largest of a class the band begins with the most arrivals. least is how
	// many it has at least for every reader.
	arrived, least int
	// within are the running totals before the end of the year.
	within []within
}

// within is what a running total tells of those who were referred until then: missing is how many had not
// arrived at most, at the smallest size of its class, and arrived how many had at least, at the largest.
type within struct{ missing, arrived int }

// knownAfter returns what running totals tell.
func knownAfter(totals []Running) running {
	var known running
	for _, total := range totals {
		smallest, largest := arrivedAt(total.Rate, total.Referrals.Low).Low, arrivedAt(total.Rate, total.Referrals.High).Low
		known.arrived, known.least = max(known.arrived, largest), max(known.least, smallest)
		// Nobody is referred between the end of the year and the closing, so that nothing can be subtracted then.
		if endsYear(total.CutOff) {
			continue
		}
		known.referrals = max(known.referrals, total.Referrals.Low)
		if total.Rate.Low > 0 {
			known.within = append(known.within, within{missing: total.Referrals.Low - smallest, arrived: largest})
		}
	}
	return known
}

// outside returns how many referrals a total that is shown to the person must hold outside any one pool. That it is
// shown so tells that MinOtherCentres arrived outside it; a reader who knows how many were referred to each
// pool since a running total knows that all others did not arrive but for so many. Between the two MinValues
// numbers must be left.
func (r running) outside(policy Policy, total closed) int {
	least := policy.MinOtherReferrals
	for _, then := range r.within {
		if total.arrived-then.arrived < policy.MinOtherCentres+policy.MinValues-1 {
			least = max(least, policy.MinOtherReferrals+total.referrals-total.arrived-then.missing)
		}
	}
	return least
}

// runningTotal shows a total in a size class and a rate band, or not at all.
//
// Beside it, the figures shown before and after must not be subtracted to a small number. So every band holds
// MinValues numbers of arrivals that are no fewer than those that were shown before, at each size of the class:
// bands that hold fewer are joined to the next. The lowest band begins with what was shown before.
func runningTotal(policy Policy, known running, total closed, hidden Shown) Figure {
	figure := Figure{Group: GroupTotal, Shown: hidden}
	if total.referrals < max(policy.MinReferrals, known.referrals) {
		return figure
	}
	class := policy.sizeClass(total.referrals)
	width := policy.bandWidth(class.Low)
	rate := Range{Low: 100 * known.least / class.High}
	if total.arrived < arrivedAt(rate, total.referrals).Low {
		return figure
	}
	for rate.High = width; rate.High <= 100; rate.High += width {
		if rate.High-rate.Low < width || arrivedAt(rate, class.Low).High < known.arrived+policy.MinValues-1 {
			continue
		}
		if total.arrived <= arrivedAt(rate, total.referrals).High {
			return band(class, rate)
		}
		rate.Low = rate.High
	}
	return figure
}

// band is a total in a size class and a rate band.
func band(class, rate Range) Figure {
	return Figure{
		Group: GroupTotal, Shown: Banded, Referrals: &class, Rate: &rate,
		Interval: envelope(class, func(n int) Range { return arrivedAt(rate, n) }),
	}
}

// arrivedAt returns the arrivals among n that are in a rate band, which holds its lower end and not its upper
// one, but for 100 %.
func arrivedAt(rate Range, n int) Range {
	arrived := Range{Low: (rate.Low*n + 99) / 100, High: n}
	if rate.High < 100 {
		arrived.High = (rate.High*n+99)/100 - 1
	}
	return arrived
}

// closedTotal shows the total of a closed cohort of several pools: to the person where that gives nobody
// away; with the arrivals in a range where nearly all arrived; and otherwise not at all, for every reason alike.
// spread says that the arrivals are spread over pools and centres as the policy asks. A reader cannot tell it from
// the total, and it hides few totals for some sizes of pools: that few arrivals are hidden as well keeps it from
// telling which.
func closedTotal(policy Policy, known running, total closed, spread bool) Figure {
	hidden := Figure{Group: GroupTotal, Shown: Protected}
	n, arrived := total.referrals, total.arrived
	if n < policy.MinReferrals || known.referrals > 0 && n < known.referrals+policy.MinValues {
		return hidden
	}
	nearlyAll := Range{Low: n - policy.MinNotArrived + 1, High: n}
	few := max(policy.MinArrived, known.arrived+policy.MinValues) - 1
	switch {
	case known.arrived > 0 && nearlyAll.Low < known.arrived+policy.MinValues, nearlyAll.Low < policy.MinValues:
		return hidden
	case arrived >= nearlyAll.Low:
		return arrivedBetween(policy, n, nearlyAll)
	case arrived > few && spread && n >= 2*known.outside(policy, total)+policy.MinValues-1:
		return Figure{
			Group: GroupTotal, Shown: Exact,
			Rate:      &Range{Low: percent(arrived, n), High: percent(arrived, n)},
			Referrals: &Range{Low: n, High: n}, Arrived: &Range{Low: arrived, High: arrived},
			Interval: envelope(Range{Low: n, High: n}, func(int) Range { return Range{Low: arrived, High: arrived} }),
		}
	default:
		return hidden
	}
}

// percent is a share in whole per cent; half rounds up.
func percent(part, whole int) int { return (200*part + whole) / (2 * whole) }

// arrivedBetween is a total of which the size is shown, and the arrivals as a range.
func arrivedBetween(policy Policy, n int, arrived Range) Figure {
	size := Range{Low: n, High: n}
	return Figure{
		Group: GroupTotal, Shown: Banded, Referrals: &size, Arrived: &arrived,
		Rate:     widened(Range{Low: 100 * arrived.Low / n, High: (100*arrived.High + n - 1) / n}, policy.bandWidth(n)),
		Interval: envelope(size, func(int) Range { return arrived }),
	}
}

// widened makes a range of per cents, within 0 to 100, at least so wide, to both sides alike where there is room.
func widened(rate Range, width int) *Range {
	if short := width - (rate.High - rate.Low); short > 0 {
		rate.Low -= short / 2
		rate.High += short - short/2
		if rate.High > 100 {
			rate.Low, rate.High = rate.Low-(rate.High-100), 100
		}
		if rate.Low < 0 {
			rate.Low, rate.High = 0, rate.High-rate.Low
		}
	}
	return &rate
}
