package rivals

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
)

// Interval is a range of rates in per cent. A method that says a single rate has both ends the same.
type Interval struct{ Low, High float64 }

// Shown is what a method publishes of a year.
type Shown struct {
	// Total is the rate of the closed cohort; nil when it is protected.
	Total *Interval
	// Exact says that Total is the true rate, to the per cent or better.
	Exact bool
	// Pools are the rates of the pools, in the order of the year; nil where protected.
	Pools []*Interval

	// Whole, Parts and Running are what the figures of the total, the pools and the quarters' running totals
	// tell of counts, each by itself. A zero Cell tells nothing; Running is empty when nothing is published
	// before the cohort is closed.
	Whole   Cell
	Parts   []Cell
	Running []Cell
}

// Method publishes a year.
type Method func(Year) Shown

// Methods returns the rivals by their names.
func Methods() map[string]Method {
	return map[string]Method{
		"Simple tree":          SimpleTree,
		"Local tree":           LocalTree,
		"Loose tree":           LooseTree,
		"Exact from 10":        HideAndRound(10, 1),
		"From 8, rounded to 5": HideAndRound(8, 5),
		"Live total":           Live,
		"Cell keys":            CellKeys(1),
		"Noise, epsilon 1":     DifferentialPrivacy(1, 1),
	}
}

// widestShown is the width in points up to which a pool counts as shown.
const widestShown = 40

// Mean is a mean over a number of cases; without cases it is not a number.
type Mean struct {
	sum   float64
	cases int
}

func (m *Mean) add(value float64) { m.sum, m.cases = m.sum+value, m.cases+1 }

func (m *Mean) addCase(is bool) {
	if is {
		m.add(100)
	} else {
		m.add(0)
	}
}

// Cases returns the number of cases.
func (m Mean) Cases() int { return m.cases }

// Value returns the mean.
func (m Mean) Value() float64 { return m.sum / float64(m.cases) }

// Score is what a method shows of years and whom it gives away. Shares are in per cent.
type Score struct {
	// Exact is the share of years in which the total is exact, and TotalError the mean distance from the true
	// rate to the middle of what is shown of it, in points, where anything is.
	Exact, TotalError Mean
	// Shown is the share of pools of at least 25 referrals of which a rate is shown, at most 40 points wide.
	// Of those, Error is the mean distance from the true rate to the middle of what is shown, and Width the
	// mean width, both in points.
	Shown, Error, Width Mean
	// Pools is the share of pools that are given away to a reader who uses bounds and subtraction: the number
	// of arrivals keeps fewer than four values, and fewer than there are without any publication. Insider is the same
	// for a reader who knows how many were referred, in every pool.
	Pools, Insider Mean
	// Steps is the share of increments given away: of arrivals from one quarter's end to the next, and from
	// the last to the closed cohort, of those in which anyone was referred or arrived.
	Steps Mean
}

// Measure scores a method on years.
func Measure(method Method, years []Year) Score {
	var score Score
	for _, year := range years {
		shown, total := method(year), year.Total()
		score.Exact.addCase(shown.Exact)
		if shown.Total != nil {
			score.TotalError.add(shown.Total.distance(total))
		}
		known := make([]Cell, len(shown.Parts))
		for i, part := range shown.Parts {
			known[i] = part.at(year.Pools[i].Referred)
		}
		for i, pool := range year.Pools {
			if rate := shown.Pools[i]; pool.Referred >= minReferrals {
				wide := rate == nil || rate.High-rate.Low > widestShown
				score.Shown.addCase(!wide)
				if !wide {
					score.Error.add(rate.distance(pool))
					score.Width.add(rate.High - rate.Low)
				}
			}
			score.Pools.addCase(givenAway(pool, shown.Whole, shown.Parts, i))
			whole := shown.Whole
			if whole.told() {
				whole = whole.at(total.Referred)
			}
			score.Insider.addCase(givenAway(pool, whole, known, i))
		}
		score.addSteps(year, shown)
	}
	return score
}

func (s *Score) addSteps(year Year, shown Shown) {
	if len(shown.Running) == 0 {
		return
	}
	before, told := Count{}, Box(Range{}, Range{})
	for i, cell := range append(slices.Clone(shown.Running), shown.Whole) {
		now := year.Total()
		if i < len(year.Quarter) {
			now = year.Quarter[i]
		}
		if now != before {
			high, low := cell.arrivals().High-told.arrivals().Low, max(0, cell.arrivals().Low-told.arrivals().High)
			s.Steps.addCase(cell.told() && told.told() && high-low+1 < enough)
		}
		before, told = now, cell
	}
}

// givenAway says whether a pool's arrivals keep fewer than four values, and fewer than without publication.
func givenAway(pool Count, whole Cell, parts []Cell, i int) bool {
	if !whole.told() && !parts[i].told() {
		return false
	}
	_, arrived, _ := left(whole, parts[i], without(parts, i)).values()
	return arrived < min(enough, pool.Referred+1)
}

// without returns the cells but one.
func without(cells []Cell, i int) []Cell { return append(slices.Clone(cells[:i]), cells[i+1:]...) }

func (i Interval) distance(c Count) float64 {
	return math.Abs((i.Low+i.High)/2 - 100*float64(c.Arrived)/float64(c.Referred))
}

// Group is a set of years under a name.
type Group struct {
	Name  string
	Years []Year
}

// Table writes a Markdown table of the methods' scores, in the order of their names, on groups of years.
func Table(w io.Writer, methods map[string]Method, groups []Group) error {
	_, err := fmt.Fprint(w, "| Method | Referrals | Total exact % | Total error | Pools shown % | Error | Width "+
		"| Pools given away % | to an insider % | Increments given away % |\n|---|---|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, name := range slices.Sorted(maps.Keys(methods)) {
		for _, group := range groups {
			s := Measure(methods[name], group.Years)
			_, failed := fmt.Fprintf(w, "| %s | %s | %v | %v | %v | %v | %v | %v | %v | %v |\n", name, group.Name,
				s.Exact, s.TotalError, s.Shown, s.Error, s.Width, s.Pools, s.Insider, s.Steps)
			err = cmp.Or(err, failed)
		}
	}
	return err
}

// String gives one decimal, or a dash without cases.
func (m Mean) String() string {
	if m.cases == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f", m.Value())
}
