package release

import "fmt"

// values returns how many whole numbers a range holds.
func (r Range) values() int { return max(0, r.High-r.Low+1) }

// holds reports whether a range holds another as a whole; an empty one it does.
func (r Range) holds(other Range) bool {
	return other.values() == 0 || r.Low <= other.Low && other.High <= r.High
}

// meet returns what two ranges share.
func (r Range) meet(other Range) Range {
	return Range{Low: max(r.Low, other.Low), High: min(r.High, other.High)}
}

// axis names a number that is split into parts: a group and what is counted of it.
type axis struct {
	group string
	count counted
}

// counted says what an axis counts.
type counted string

// What is counted. One axis of a pool stands for both its arrivals and those who did not arrive: with the
// referrals, each gives the other.
const (
	countReferrals counted = "referrals"
	countSide      counted = "side"
	countOthers    counted = "count"
)

// reader says which part of an axis holds what is to be shown. The publisher's reads the exact counts, the
// auditor's a document: both take the same walk, so that what the publisher does is known from what it shows.
type reader interface {
	// part returns the index of a part, or an error when none fits.
	part(on axis, parts []Range) (int, error)
	// step returns the part of an axis without end that is cut into parts of a width from zero on.
	step(on axis, width int) (Range, error)
}

// truth reads exact counts.
type truth map[axis]int

func (t truth) part(on axis, parts []Range) (int, error) {
	value, known := t[on]
	if !known {
		return 0, fmt.Errorf("%s of %s: not counted", on.count, on.group)
	}
	for i, part := range parts {
		if part.Low <= value && value <= part.High {
			return i, nil
		}
	}
	return 0, fmt.Errorf("%s of %s: %d is impossible beside the other counts", on.count, on.group, value)
}

func (t truth) step(on axis, width int) (Range, error) {
	value, known := t[on]
	if !known {
		return Range{}, fmt.Errorf("%s of %s: not counted", on.count, on.group)
	}
	low := value / width * width
	return Range{Low: low, High: low + width - 1}, nil
}

// cut cuts a range before each of the cuts, which ascend.
func cut(whole Range, cuts []int) []Range {
	parts := []Range{whole}
	for _, at := range cuts {
		last := &parts[len(parts)-1]
		if at > last.Low && at <= last.High {
			next := Range{Low: at, High: last.High}
			last.High = at - 1
			parts = append(parts, next)
		}
	}
	return parts
}

// mend joins parts that are not safe with a neighbour, until all are or one is left: with the neighbour
// before it, but for the first.
func mend(parts []Range, safe func(Range) bool) []Range {
	for i := 0; i < len(parts) && len(parts) > 1; {
		if safe(parts[i]) {
			i++
			continue
		}
		into := max(0, i-1)
		parts[into].High = parts[into+1].High
		parts = append(parts[:into+1], parts[into+2:]...)
		i = into
	}
	return parts
}

// tile lays parts of a width over a range, the first of them around the centre and the others away from
// it, so that the likeliest value stands in the middle of a part. No part holds fewer than least values;
// what is left over at an end belongs to the last part there.
func tile(whole Range, centre, width, least int) []Range {
	if whole.values() < 2*least {
		return []Range{whole}
	}
	width = max(width, least)
	centre = min(max(centre, whole.Low), whole.High)
	middle := Range{Low: centre - (width-1)/2}
	middle.Low = min(max(middle.Low, whole.Low), max(whole.Low, whole.High-width+1))
	// A remainder that is too short is made long enough by moving the middle, while that still holds the centre.
	if left := middle.Low - whole.Low; left > 0 && left < least {
		middle.Low = whole.Low + least
		if middle.Low > centre {
			middle.Low = whole.Low
		}
	}
	middle.High = min(middle.Low+width-1, whole.High)
	if right := whole.High - middle.High; right > 0 && right < least {
		if moved := middle.Low - (least - right); middle.High-(least-right) >= centre &&
			(moved == whole.Low || moved-whole.Low >= least) {
			middle = Range{Low: moved, High: middle.High - (least - right)}
		} else {
			middle.High = whole.High
		}
	}
	var cuts []int
	if left := middle.Low - whole.Low; left > 0 {
		for k := max(1, left/width) - 1; k >= 0; k-- {
			cuts = append(cuts, middle.Low-k*width)
		}
	}
	if right := whole.High - middle.High; right > 0 {
		for k := range max(1, right/width) {
			cuts = append(cuts, middle.High+1+k*width)
		}
	}
	return cut(whole, cuts)
}
