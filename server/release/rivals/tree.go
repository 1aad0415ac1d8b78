package rivals

import "slices"

// The policy of the trees: the primary rule, and what the total of a closed cohort needs to be shown to the
// per cent. The size classes and rate bands are in sizeClass and bandWidth.
const (
	minReferrals = 25
	minEither    = 5
	minOthers    = 10
	widestBand   = 40
)

func sizeClass(n int) Range {
	width := 5
	if n >= 40 {
		width = 10
	}
	return Range{n / width * width, n/width*width + width - 1}
}

func bandWidth(n int) int {
	switch {
	case n >= 100:
		return 5
	case n >= 50:
		return 10
	default:
		return 20
	}
}

// figure is how a tree shows a pool: a size class and a band of rates from low to below high.
type figure struct {
	class     Range
	low, high int
}

func (f figure) cell() Cell { return Band(f.class, f.low, f.high) }

// split returns the figures of the next narrower bands, which are never narrower than the class allows.
func (f figure) split(width int) []figure {
	width = max(width, bandWidth(f.class.Low))
	var parts []figure
	for low := f.low; low < f.high; low += width {
		parts = append(parts, figure{f.class, low, min(low+width, f.high)})
	}
	return parts
}

// SimpleTree is the baseline. Its tree of displays, for each public total (n, and whole per cent):
//
//   - root: all pools protected;
//   - below the root, one display for every combination of the pools' size classes and bands 40 wide (0-40,
//     40-80, 80-100), and one with all pools protected for the tables in which any pool is below 25;
//   - below each of those, the same with all bands 20 wide, then 10, then 5, no pool's bands becoming narrower
//     than those of its size class.
//
// When any child is unsafe, the parent replaces all of its children; the audit is in safe. As more tables never
// leave fewer values, that comes to going down from the root for as long as all children are safe. A display
// then stands for exactly the tables that fit it, so that the rung that was reached tells nothing more. When
// the total cannot be shown to the per cent, it is shown in its band and all pools are protected. There are two
// pools or more.
func SimpleTree(year Year) Shown { return tree(year, safe, allOpen) }

// LooseTree is SimpleTree with half of the audit: those who did not arrive may be told, and it forgets readers who
// know how many were referred and what a total tells by being exact.
func LooseTree(year Year) Shown {
	return tree(year, func(total Cell, display []figure) bool {
		return leastLeft(total, display, func(kept Cell) int {
			referred, arrived, _ := kept.values()
			return min(referred, arrived)
		}) >= enough
	}, allOpen)
}

// LocalTree is SimpleTree, except that each combination of size classes is closed by itself: when any of its
// displays with bands 40 wide is unsafe, its tables are shown as those with a pool below 25. Which combinations
// are closed follows from the public total and the classes, so a reader who knows how many were referred learns
// nothing from it about arrivals.
func LocalTree(year Year) Shown { return tree(year, safe, open) }

// audit says whether a display is safe beside a total.
type audit func(total Cell, display []figure) bool

func tree(year Year, safe audit, mayShow func(Cell, []figure, audit) bool) Shown {
	shown := Shown{Pools: make([]*Interval, len(year.Pools)), Parts: make([]Cell, len(year.Pools))}
	total := year.Total()
	if total.Referred < minReferrals {
		return shown
	}
	if !exact(year) {
		class, width := sizeClass(total.Referred), bandWidth(total.Referred)
		low := min(100*total.Arrived/total.Referred, 99) / width * width
		shown.Whole = Band(class, low, low+width)
		shown.Total = &Interval{float64(low), float64(low + width)}
		return shown
	}
	percent := (200*total.Arrived + total.Referred) / (2 * total.Referred)
	shown.Exact, shown.Total = true, &Interval{float64(percent), float64(percent)}
	shown.Whole = Rounded(total.Referred, percent)

	var figures []figure
	for _, pool := range year.Pools {
		if pool.Referred < minReferrals {
			return shown
		}
		figures = append(figures, figure{sizeClass(pool.Referred), 0, 100})
	}
	if !mayShow(shown.Whole, figures, safe) {
		return shown
	}
	for width := widestBand; width >= 5 && safe.all(shown.Whole, figures, nil, width); width /= 2 {
		for i, pool := range year.Pools {
			for _, part := range figures[i].split(width) {
				if part.cell().row(pool.Referred).contains(pool.Arrived) {
					figures[i] = part
				}
			}
		}
	}
	for i, f := range figures {
		shown.Pools[i], shown.Parts[i] = &Interval{float64(f.low), float64(f.high)}, f.cell()
	}
	return shown
}

// exact says whether the total is shown to the per cent: at least 25 referrals, 5 arrivals and 5 that did not
// arrive, and 10 arrivals outside any one pool. The last condition tells on the pools: twenty arrivals in two
// pools could only be ten and ten. So there must be enough arrivals, too, for that to leave each pool enough
// values.
func exact(year Year) bool {
	total, largest, others := year.Total(), 0, len(year.Pools)-1
	for _, pool := range year.Pools {
		largest = max(largest, pool.Arrived)
	}
	return total.Referred >= minReferrals && total.Arrived >= minEither &&
		total.Referred-total.Arrived >= minEither && total.Arrived-largest >= minOthers &&
		others*(total.Arrived-minOthers) >= minOthers+enough-1
}

// open says whether a combination of size classes may be shown: all its displays with the widest bands are safe.
func open(total Cell, classes []figure, safe audit) bool {
	return safe.all(total, classes, nil, widestBand)
}

// allOpen says whether every combination of as many size classes that fits the total is open.
func allOpen(total Cell, classes []figure, safe audit) bool {
	var from func(least int, rest Range, chosen []figure) bool
	from = func(least int, rest Range, chosen []figure) bool {
		missing := len(classes) - len(chosen)
		if missing == 0 {
			return !rest.contains(0) || open(total, chosen, safe)
		}
		for class := sizeClass(least); class.Low*missing <= rest.High; class = sizeClass(class.High + 1) {
			with := append(slices.Clip(chosen), figure{class, 0, 100})
			if !from(class.Low, Range{rest.Low - class.High, rest.High - class.Low}, with) {
				return false
			}
		}
		return true
	}
	return from(minReferrals, Range{total.Least, total.Least}, nil)
}

// all says whether all displays are safe that come of splitting the figures to bands of a width; chosen are the
// parts chosen so far.
func (safe audit) all(total Cell, figures, chosen []figure, width int) bool {
	if len(chosen) == len(figures) {
		return safe(total, chosen)
	}
	for _, part := range figures[len(chosen)].split(width) {
		if !safe.all(total, figures, append(slices.Clip(chosen), part), width) {
			return false
		}
	}
	return true
}

// leastLeft returns the least of what count finds in the cells that the display and the total leave of each
// pool, and enough when no table fits them.
func leastLeft(total Cell, display []figure, count func(Cell) int) int {
	cells, least := make([]Cell, len(display)), enough
	for i, f := range display {
		cells[i] = f.cell()
	}
	for i := range cells {
		kept := left(total, cells[i], without(cells, i))
		if kept.arrivals().empty() {
			return enough
		}
		least = min(least, count(kept))
	}
	return least
}

// safe is the audit of a display, computed from the display alone: whether, beside the total, it leaves every
// pool enough values of referrals, arrivals and those who did not arrive, for a reader who does not know how
// many were referred and for one who knows that of every pool. It is also unsafe when it fits tables whose
// total would not have been exact, and safe when it fits none.
func safe(total Cell, display []figure) bool {
	arrived := total.Arrived[0]
	reader := leastLeft(total, display, func(kept Cell) int {
		if kept.arrivals().High > arrived.Low-minOthers {
			return 0
		}
		referred, some, others := kept.values()
		return min(referred, some, others)
	})
	if reader < enough {
		return false
	}
	// Whoever knows all numbers of referrals knows the row of every pool. Rows have enough values themselves,
	// and only a total close to the sum of all their lower or all their upper ends leaves fewer. Over all
	// numbers of referrals that fit the display, those sums take every value in a range, since moving one
	// referral between pools changes them by at most one.
	floors, ceilings := Box(Range{}, Range{}), Box(Range{}, Range{})
	for _, f := range display {
		floor, ceiling := f.cell(), f.cell()
		for i := range floor.Arrived {
			floor.Arrived[i].High, ceiling.Arrived[i].Low = floor.Arrived[i].Low, ceiling.Arrived[i].High
		}
		floors, ceilings = floors.plus(floor), ceilings.plus(ceiling)
	}
	return !floors.row(total.Least).meets(Range{arrived.High - enough + 2, arrived.High}) &&
		!ceilings.row(total.Least).meets(Range{arrived.Low, arrived.Low + enough - 2})
}
