package release

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestSizeClassAndBandWidthAtEveryEdge(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		n     int
		class Range
		width int
	}{
		{25, Range{25, 29}, 20},
		{29, Range{25, 29}, 20},
		{30, Range{30, 34}, 20},
		{34, Range{30, 34}, 20},
		{35, Range{35, 39}, 20},
		{39, Range{35, 39}, 20},
		{40, Range{40, 49}, 20},
		{49, Range{40, 49}, 20},
		{50, Range{50, 59}, 10},
		{59, Range{50, 59}, 10},
		{60, Range{60, 69}, 10},
		{99, Range{90, 99}, 10},
		{100, Range{100, 109}, 5},
		{110, Range{110, 119}, 5},
		{999, Range{990, 999}, 5},
	} {
		if class, width := Current.sizeClass(c.n), Current.bandWidth(c.n); class != c.class || width != c.width {
			t.Errorf("%d referrals are shown as %+v with rates %d wide, want %+v and %d", c.n, class, width, c.class, c.width)
		}
	}
}

// changed returns the policy of today with a change.
func changed(change func(*Policy)) Policy {
	policy := Current
	policy.Classes, policy.Bands = slices.Clone(Current.Classes), slices.Clone(Current.Bands)
	change(&policy)
	return policy
}

func TestCheckRefusesEveryWeakening(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		weaken func(*Policy)
		reason string
	}{
		{"fewer referrals", func(p *Policy) { p.MinReferrals, p.Classes[0].From = 20, 20 }, "the least number of referrals is 20, at least 25"},
		{"no least number", func(p *Policy) { p.MinReferrals = 0 }, "the least number of referrals is 0"},
		{"fewer values", func(p *Policy) { p.MinValues = 3 }, "the number of values that stay possible is 3, at least 4"},
		{"fewer not arrived", func(p *Policy) { p.MinNotArrived = 4 }, "the least number that did not arrive is 4, at least 5"},
		{"fewer arrivals", func(p *Policy) { p.MinArrived = 22 }, "the least number of arrivals is 22, at least 23"},
		{"fewer at other centres", func(p *Policy) { p.MinOtherCentres = 9 }, "the arrivals left without any one centre is 9, at least 10"},
		{"fewer in other pools", func(p *Policy) { p.MinOtherReferrals = 12 }, "the referrals left without any one pool is 12, at least 13"},
		{"smaller years", func(p *Policy) { p.YearEndFrom = 99 }, "the referrals for a running total at the end of a year is 99, at least 100"},

		{"no classes", func(p *Policy) { p.Classes = nil }, "size classes must begin at 25"},
		{"classes that begin before", func(p *Policy) { p.Classes[0].From = 20 }, "size classes must begin at 25"},
		{"classes that begin after", func(p *Policy) { p.MinReferrals = 30; p.Classes[0].From = 35 }, "size classes must begin at 30"},
		{"narrower small classes", func(p *Policy) { p.Classes[0].Width = 3 }, "size classes from 25 referrals are 3 wide, at least 5"},
		{"classes of no width", func(p *Policy) { p.Classes[0].Width = 0 }, "size classes from 25 referrals are 0 wide"},
		{"narrower large classes", func(p *Policy) { p.Classes[1].Width = 9 }, "size classes from 40 referrals are 9 wide, at least 10"},
		{"small classes for ever", func(p *Policy) { p.Classes = p.Classes[:1] }, "size classes from 25 referrals are 5 wide, at least 10"},
		{"large classes later", func(p *Policy) { p.Classes[1].From = 45 }, "size classes from 25 referrals are 5 wide, at least 10"},
		{"large classes much later", func(p *Policy) { p.Classes[1].From = 60 }, "size classes from 25 referrals are 5 wide, at least 10"},
		{"a small class that reaches among the large", func(p *Policy) {
			p.MinReferrals, p.Classes = 36, []Class{{From: 36, Width: 5}, {From: 41, Width: 10}}
		}, "size classes from 36 referrals are 5 wide, at least 10"},
		{"a class that is cut short", func(p *Policy) { p.Classes[0].Width = 7 }, "the size classes from 25 referrals do not end where those from 40 begin"},
		{"classes in another order", func(p *Policy) {
			p.Classes = []Class{{From: 25, Width: 15}, {From: 25, Width: 5}, {From: 40, Width: 10}}
		}, "the size classes from 25 referrals do not end where those from 25 begin"},

		{"no bands", func(p *Policy) { p.Bands = nil }, "no rate bands"},
		{"the widest band narrower", func(p *Policy) { p.Bands[0].Width = 10 }, "from 25 referrals are 10 wide, a divisor of 100 from 20 on"},
		{"the middle band narrower", func(p *Policy) { p.Bands[1].Width = 5 }, "from 50 referrals are 5 wide, a divisor of 100 from 10 on"},
		{"the narrowest band narrower", func(p *Policy) { p.Bands[2].Width = 4 }, "from 100 referrals are 4 wide, a divisor of 100 from 5 on"},
		{"the middle band sooner", func(p *Policy) { p.Bands[1].From = 40 }, "from 40 referrals are 10 wide, a divisor of 100 from 20 on"},
		{"the narrowest band sooner", func(p *Policy) { p.Bands[2].From = 90 }, "from 90 referrals are 5 wide, a divisor of 100 from 10 on"},
		{"one band more", func(p *Policy) { p.Bands = append(p.Bands, Band{From: 200, Width: 2}) }, "from 200 referrals are 2 wide"},
		{"bands that do not fill 100", func(p *Policy) { p.Bands[0].Width = 30 }, "are 30 wide, a divisor of 100"},
		{"bands of no width", func(p *Policy) { p.Bands[2].Width = 0 }, "are 0 wide"},
		{"bands of negative width", func(p *Policy) { p.Bands[2].Width = -5 }, "are -5 wide"},
		{"bands in another order", func(p *Policy) { p.Bands[1], p.Bands[2] = p.Bands[2], p.Bands[1] }, "not in the order of referrals"},
		{"two bands at once", func(p *Policy) { p.Bands[2] = Band{From: 50, Width: 20} }, "not in the order of referrals"},
		{"a band that cuts a class", func(p *Policy) { p.Classes[1].Width = 15 }, "rate bands change at 50 referrals, inside a size class"},

		// More values are asked for than these leave.
		{"classes for fewer values", func(p *Policy) { p.MinValues, p.MinNotArrived, p.MinArrived, p.MinOtherReferrals = 6, 6, 25, 15 },
			"size classes from 25 referrals are 5 wide, at least 6"},
		{"bands for fewer values", func(p *Policy) {
			p.MinValues, p.MinNotArrived, p.MinArrived, p.MinOtherReferrals, p.Classes = 6, 6, 25, 15, []Class{{From: 25, Width: 25}, {From: 50, Width: 10}}
		}, "rate bands 20 wide need 30 referrals, not 25"},
		{"those who did not arrive for fewer values", func(p *Policy) { p.MinValues = 6 }, "the least number that did not arrive is 5, at least 6"},
		{"arrivals for fewer values", func(p *Policy) { p.MinValues = 5 }, "the least number of arrivals is 23, at least 24"},
		{"other pools for fewer values", func(p *Policy) { p.MinValues, p.MinArrived = 5, 24 }, "the referrals left without any one pool is 13, at least 14"},
		{"arrivals for more at other centres", func(p *Policy) { p.MinOtherCentres = 11 }, "the least number of arrivals is 23, at least 25"},
	} {
		if err := changed(c.weaken).Check(); !errors.Is(err, ErrPolicy) || err != nil && !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%s: %v, want a refusal with %q", c.name, err, c.reason)
		}
	}
}

func TestCheckAcceptsStrongerPolicies(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		strengthen func(*Policy)
	}{
		{"today's", func(*Policy) {}},
		{"more referrals", func(p *Policy) { p.MinReferrals, p.Classes[0].From = 30, 30 }},
		{"no small class", func(p *Policy) { p.MinReferrals, p.Classes = 40, p.Classes[1:] }},
		{"more referrals than where large classes began", func(p *Policy) { p.MinReferrals, p.Classes = 60, []Class{{From: 60, Width: 10}} }},
		{"one small class", func(p *Policy) { p.Classes[0].Width = 15 }},
		{"large classes sooner", func(p *Policy) { p.Classes[1].From = 30 }},
		{"wider large classes", func(p *Policy) { p.Classes[1].Width, p.Bands[1].From = 30, 70 }},
		{"still wider ones from 100 on", func(p *Policy) { p.Classes = append(p.Classes, Class{From: 100, Width: 20}) }},
		{"more arrivals", func(p *Policy) { p.MinArrived = 24 }},
		{"more not arrived", func(p *Policy) { p.MinNotArrived = 6 }},
		{"more at other centres", func(p *Policy) { p.MinOtherCentres, p.MinArrived, p.MinOtherReferrals = 11, 25, 14 }},
		{"more in other pools", func(p *Policy) { p.MinOtherReferrals = 25 }},
		{"more values", func(p *Policy) { p.MinValues, p.MinArrived, p.MinOtherReferrals = 5, 24, 14 }},
		{"larger years", func(p *Policy) { p.YearEndFrom = 150 }},
		{"one width", func(p *Policy) { p.Bands = p.Bands[:1] }},
		{"wider bands", func(p *Policy) {
			p.Bands = []Band{{From: 25, Width: 100}, {From: 50, Width: 20}, {From: 100, Width: 10}}
		}},
		{"bands later", func(p *Policy) { p.Bands[1].From = 60 }},
		{"no band for small sizes", func(p *Policy) { p.Bands = p.Bands[1:] }},
	} {
		if err := changed(c.strengthen).Check(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// anyPolicy draws a policy, often enough one that is near today's.
var anyPolicy = rapid.Custom(func(t *rapid.T) Policy {
	draw := func(today, least, most int, name string) int {
		return rapid.OneOf(rapid.Just(today), rapid.Just(today), rapid.IntRange(least, most)).Draw(t, name)
	}
	policy := Policy{
		MinReferrals: draw(25, 23, 60, "least"), MinValues: draw(4, 3, 8, "values"),
		MinArrived: draw(23, 22, 60, "arrived"), MinNotArrived: draw(5, 4, 60, "not arrived"),
		MinOtherCentres: draw(10, 9, 12, "other centres"), MinOtherReferrals: draw(13, 12, 20, "other referrals"),
		YearEndFrom: 100, Classes: Current.Classes, Bands: Current.Bands,
	}
	if rapid.Bool().Draw(t, "other classes") {
		from := policy.MinReferrals
		policy.Classes = nil
		for range rapid.IntRange(1, 3).Draw(t, "classes") {
			width := rapid.OneOf(rapid.SampledFrom([]int{5, 10}), rapid.IntRange(4, 20)).Draw(t, "width")
			policy.Classes = append(policy.Classes, Class{From: from, Width: width})
			from += width * rapid.IntRange(1, 4).Draw(t, "number")
		}
	}
	if rapid.Bool().Draw(t, "other bands") {
		policy.Bands = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Band {
			return Band{From: rapid.IntRange(24, 130).Draw(t, "from"), Width: rapid.SampledFrom([]int{4, 5, 10, 20, 25, 50, 100}).Draw(t, "width")}
		}), 1, 3).Draw(t, "bands")
	}
	return policy
}).Filter(func(p Policy) bool { return p.Check() == nil })

// What a policy shows is judged by its effect: how many sizes look alike, how wide rates are, how many arrivals
// each leaves, and which totals are shown to the person.
func TestCheckAcceptsNoPolicyThatShowsMore(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		policy := anyPolicy.Draw(t, "policy")
		type look struct {
			class Range
			width int
		}
		alike := map[look]int{}
		for n := range 300 {
			if n < policy.MinReferrals {
				if figure := runningTotal(policy, running{}, closed{n, n / 2}, TooEarly); figure.Shown != TooEarly {
					t.Fatalf("a running total of %d is shown as %s", n, figure.shows())
				}
				continue
			}
			class, width := policy.sizeClass(n), policy.bandWidth(n)
			if n < class.Low || n > class.High || width < Current.bandWidth(n) {
				t.Fatalf("%d referrals are shown as %+v with rates %d wide", n, class, width)
			}
			alike[look{class, width}]++
			arrived := rapid.IntRange(0, n).Draw(t, "arrived")
			rate := *runningTotal(policy, running{}, closed{n, arrived}, TooEarly).Rate
			if left := arrivedAt(rate, n); left.values() < 4 || !left.holds(Range{arrived, arrived}) {
				t.Fatalf("%d of %d arrived, which is shown as %+v", arrived, n, rate)
			}
			final := closedTotal(policy, running{}, closed{n, arrived}, true)
			if final.Shown == Exact && (n < 25 || arrived < 23 || n-arrived < 5) {
				t.Fatalf("%d of %d are shown to the person", arrived, n)
			}
			if final.Shown == Banded && (final.Arrived.values() < 4 || !(Range{0, n}).holds(*final.Arrived)) {
				t.Fatalf("%d of %d are shown with %+v arrivals", arrived, n, *final.Arrived)
			}
		}
		for look, sizes := range alike {
			least := smallClass
			if look.class.High >= largeFrom {
				least = largeClass
			}
			if look.class.High < 300 && (sizes < least || sizes != look.class.values()) {
				t.Fatalf("the class %+v with rates %d wide holds %d sizes", look.class, look.width, sizes)
			}
		}
	})
}
