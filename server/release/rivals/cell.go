package rivals

import "slices"

// enough is how many possible values a group must keep.
const enough = 4

// Range is a range of whole numbers, both ends included; it is empty when Low is above High.
type Range struct{ Low, High int }

func (r Range) empty() bool { return r.Low > r.High }

func (r Range) contains(value int) bool { return r.Low <= value && value <= r.High }

func (r Range) meets(other Range) bool { return max(r.Low, other.Low) <= min(r.High, other.High) }

// Cell is what a reader of one figure cannot exclude: with Least+i referrals, the arrivals in Arrived[i].
// The zero Cell excludes nothing.
type Cell struct {
	Least   int
	Arrived []Range
}

// Box is the cell of a figure that tells referrals and arrivals apart from each other.
func Box(referred, arrived Range) Cell {
	cell := Cell{Least: referred.Low}
	for n := referred.Low; n <= referred.High; n++ {
		cell.Arrived = append(cell.Arrived, Range{arrived.Low, min(arrived.High, n)})
	}
	return cell
}

// Band is the cell of a size class and a band of rates from low to below high per cent, 100 included.
func Band(class Range, low, high int) Cell {
	cell := Cell{Least: class.Low}
	for n := class.Low; n <= class.High; n++ {
		arrived := Range{(low*n + 99) / 100, (high*n+99)/100 - 1}
		if high == 100 {
			arrived.High = n
		}
		cell.Arrived = append(cell.Arrived, arrived)
	}
	return cell
}

// Rounded is the cell of an exact number of referrals with a rate that is rounded to the per cent, halves up.
func Rounded(referred, percent int) Cell {
	low := ((2*percent-1)*referred + 199) / 200
	high := ((2*percent+1)*referred+199)/200 - 1
	return Cell{Least: referred, Arrived: []Range{{max(low, 0), min(high, referred)}}}
}

func (c Cell) told() bool { return c.Arrived != nil }

// most is the largest number of referrals in the cell.
func (c Cell) most() int { return c.Least + len(c.Arrived) - 1 }

// row returns what arrivals are possible with n referrals.
func (c Cell) row(n int) Range {
	switch {
	case !c.told():
		return Range{0, n}
	case n < c.Least || n > c.most():
		return Range{1, 0}
	default:
		return c.Arrived[n-c.Least]
	}
}

// at is the cell as a reader sees it who knows that there were n referrals.
func (c Cell) at(n int) Cell { return Cell{Least: n, Arrived: []Range{c.row(n)}} }

// plus returns the cell of two groups together; both are told. Rows are taken to have no gaps. That holds
// where the ends of rows move by at most one from row to row, as in everything that is made here.
func (c Cell) plus(other Cell) Cell {
	sum := Cell{Least: c.Least + other.Least, Arrived: make([]Range, len(c.Arrived)+len(other.Arrived)-1)}
	for i := range sum.Arrived {
		sum.Arrived[i] = Range{1, 0}
	}
	for i, a := range c.Arrived {
		for j, b := range other.Arrived {
			if !a.empty() && !b.empty() {
				sum.Arrived[i+j] = hull(sum.Arrived[i+j], Range{a.Low + b.Low, a.High + b.High})
			}
		}
	}
	return sum
}

// hull returns the smallest range around two.
func hull(a, b Range) Range {
	if a.empty() {
		return b
	}
	return Range{min(a.Low, b.Low), max(a.High, b.High)}
}

// left returns what a reader cannot exclude of one group, from its own figure and by taking the other groups
// from the whole. It is the whole attack: bounds and subtraction.
func left(whole, own Cell, others []Cell) Cell {
	if !whole.told() {
		return own
	}
	everything := func() Cell { return Box(Range{0, whole.most()}, Range{0, whole.most()}) }
	rest, untold := Box(Range{}, Range{}), false
	for _, other := range others {
		if other.told() {
			rest = rest.plus(other)
		} else {
			untold = true
		}
	}
	if untold {
		rest = rest.plus(everything())
	}
	if !own.told() {
		own = everything()
	}
	kept := Cell{Least: own.Least, Arrived: make([]Range, len(own.Arrived))}
	for i, row := range own.Arrived {
		apart := Range{1, 0}
		for j, all := range whole.Arrived {
			taken := rest.row(whole.Least + j - own.Least - i)
			if !all.empty() && !taken.empty() {
				apart = hull(apart, Range{all.Low - taken.High, all.High - taken.Low})
			}
		}
		kept.Arrived[i] = Range{1, 0}
		if !row.empty() && !apart.empty() {
			kept.Arrived[i] = Range{max(row.Low, apart.Low), min(row.High, apart.High)}
		}
	}
	return kept
}

// arrivals returns the smallest range around the arrivals that the cell leaves possible.
func (c Cell) arrivals() Range {
	arrivals := Range{1, 0}
	for _, row := range c.Arrived {
		if !row.empty() {
			arrivals = hull(arrivals, row)
		}
	}
	return arrivals
}

// values returns how many values the cell leaves to referrals, arrivals and those who did not arrive,
// counting up to enough. They are zero when the cell is impossible.
func (c Cell) values() (referred, arrived, not int) {
	var some, others []int
	for i, row := range c.Arrived {
		if !row.empty() {
			n := c.Least + i
			referred = min(referred+1, enough)
			some = upToEnough(some, row)
			others = upToEnough(others, Range{n - row.High, n - row.Low})
		}
	}
	return referred, len(some), len(others)
}

// upToEnough adds the values of a range to those found, until there are enough.
func upToEnough(found []int, values Range) []int {
	for value := values.Low; value <= values.High && len(found) < enough; value++ {
		if !slices.Contains(found, value) {
			found = append(found, value)
		}
	}
	return found
}
