package release

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestSizeClassAndRateBandAtEveryEdge(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		n, arrived int
		want       string
	}{
		{0, 0, "too_early"},
		{24, 0, "too_early"},
		{24, 12, "too_early"},
		{24, 24, "too_early"},

		{25, 0, "band 0-20% of 25-29"},
		{25, 4, "band 0-20% of 25-29"},
		{25, 5, "band 20-40% of 25-29"},
		{25, 9, "band 20-40% of 25-29"},
		{25, 10, "band 40-60% of 25-29"},
		{25, 14, "band 40-60% of 25-29"},
		{25, 15, "band 60-80% of 25-29"},
		{25, 19, "band 60-80% of 25-29"},
		{25, 20, "band 80-100% of 25-29"},
		{25, 25, "band 80-100% of 25-29"},

		{29, 5, "band 0-20% of 25-29"},
		{29, 6, "band 20-40% of 25-29"},
		{30, 6, "band 20-40% of 30-34"},
		{34, 34, "band 80-100% of 30-34"},
		{35, 0, "band 0-20% of 35-39"},
		{39, 31, "band 60-80% of 35-39"},
		{39, 32, "band 80-100% of 35-39"},
		{40, 31, "band 60-80% of 40-49"},
		{40, 32, "band 80-100% of 40-49"},

		{49, 0, "band 0-20% of 40-49"},
		{49, 9, "band 0-20% of 40-49"},
		{49, 10, "band 20-40% of 40-49"},
		{49, 49, "band 80-100% of 40-49"},
		{50, 0, "band 0-10% of 50-59"},
		{50, 4, "band 0-10% of 50-59"},
		{50, 5, "band 10-20% of 50-59"},
		{50, 44, "band 80-90% of 50-59"},
		{50, 45, "band 90-100% of 50-59"},
		{50, 50, "band 90-100% of 50-59"},
		{59, 47, "band 70-80% of 50-59"},
		{60, 48, "band 80-90% of 60-69"},

		{99, 0, "band 0-10% of 90-99"},
		{99, 9, "band 0-10% of 90-99"},
		{99, 10, "band 10-20% of 90-99"},
		{99, 89, "band 80-90% of 90-99"},
		{99, 90, "band 90-100% of 90-99"},
		{99, 99, "band 90-100% of 90-99"},
		{100, 0, "band 0-5% of 100-109"},
		{100, 4, "band 0-5% of 100-109"},
		{100, 5, "band 5-10% of 100-109"},
		{100, 94, "band 90-95% of 100-109"},
		{100, 95, "band 95-100% of 100-109"},
		{100, 100, "band 95-100% of 100-109"},
		{109, 54, "band 45-50% of 100-109"},
		{110, 55, "band 50-55% of 110-119"},
	} {
		if got := runningTotal(cell{n: c.n, arrived: c.arrived}).shows(); got != c.want {
			t.Errorf("%d of %d is shown as %q, want %q", c.arrived, c.n, got, c.want)
		}
	}
}

// A policy without a band for a size shows no rate there, in effect.
func TestSizesBeforeTheFirstBandShowNoRate(t *testing.T) {
	t.Parallel()
	policy := Current
	policy.Bands = []Band{{From: 50, Width: 10}}
	figure := banded(policy, Figure{Group: GroupTotal}, 30, 30, TooEarly)
	if got, want := figure.shows(), "band 0-100% of 30-34"; got != want {
		t.Errorf("shown as %q, want %q", got, want)
	}
}

func TestCheckRefusesEveryWeakening(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		weaken func(*Policy)
		reason string
	}{
		{"fewer referrals", func(p *Policy) { p.MinReferrals = 24 }, "the least number of referrals is 24, at least 25"},
		{"no least number", func(p *Policy) { p.MinReferrals = 0 }, "the least number of referrals is 0"},
		{"narrower small classes", func(p *Policy) { p.SmallClass = 4 }, "the width of small size classes is 4, at least 5"},
		{"narrower large classes", func(p *Policy) { p.LargeClass = 9 }, "the width of large size classes is 9, at least 10"},
		{"large classes later", func(p *Policy) { p.LargeFrom = 45 }, "large size classes begin at 45, at most 40"},
		{"large classes before any", func(p *Policy) { p.LargeFrom = 24 }, "the size from which classes are large is 24, at least 25"},
		{"fewer arrivals", func(p *Policy) { p.MinArrived = 4 }, "the least number of arrivals is 4, at least 5"},
		{"fewer not arrived", func(p *Policy) { p.MinNotArrived = 4 }, "the least number that did not arrive is 4, at least 5"},
		{"fewer at other centres", func(p *Policy) { p.MinOtherCentres = 9 }, "the arrivals left without any one centre is 9, at least 10"},
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

		// These set nothing lower, and would show more all the same.
		{"a cut class of one size", func(p *Policy) { p.MinReferrals = 39 }, "the size class from 39 to 39 is narrower than 5"},
		{"a cut class of four sizes", func(p *Policy) { p.MinReferrals = 36 }, "the size class from 36 to 39 is narrower than 5"},
		{"a last class of one size", func(p *Policy) { p.SmallClass = 7 }, "the size class from 39 to 39 is narrower than 5"},
		{"a band that cuts a class", func(p *Policy) { p.LargeClass = 15 }, "rate bands change at 50 referrals, inside a size class"},
	} {
		policy := Current
		policy.Bands = slices.Clone(Current.Bands)
		c.weaken(&policy)
		if err := policy.Check(); !errors.Is(err, ErrPolicy) || !strings.Contains(err.Error(), c.reason) {
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
		{"more referrals", func(p *Policy) { p.MinReferrals = 30 }},
		{"more referrals, no small class", func(p *Policy) { p.MinReferrals = 40 }},
		{"more referrals than where large classes began", func(p *Policy) { p.MinReferrals, p.LargeFrom = 60, 60 }},
		{"one small class", func(p *Policy) { p.SmallClass = 15 }},
		{"a last small class of five", func(p *Policy) { p.SmallClass = 10 }},
		{"wider large classes", func(p *Policy) { p.LargeClass, p.Bands[1].From, p.Bands[2].From = 30, 70, 100 }},
		{"large classes sooner", func(p *Policy) { p.LargeFrom = 30 }},
		{"more arrivals", func(p *Policy) { p.MinArrived = 6 }},
		{"more not arrived", func(p *Policy) { p.MinNotArrived = 6 }},
		{"more at other centres", func(p *Policy) { p.MinOtherCentres = 11 }},
		{"one width", func(p *Policy) { p.Bands = p.Bands[:1] }},
		{"wider bands", func(p *Policy) {
			p.Bands = []Band{{From: 25, Width: 100}, {From: 50, Width: 20}, {From: 100, Width: 10}}
		}},
		{"bands later", func(p *Policy) { p.Bands[1].From = 60 }},
	} {
		policy := Current
		policy.Bands = slices.Clone(Current.Bands)
		c.strengthen(&policy)
		if err := policy.Check(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// What a policy shows is judged by its effect: how many sizes look alike, and how wide rates are.
func TestCheckAcceptsNoPolicyThatShowsMore(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		policy := Policy{
			MinReferrals: rapid.IntRange(23, 60).Draw(t, "least"),
			SmallClass:   rapid.IntRange(4, 20).Draw(t, "small"),
			LargeClass:   rapid.IntRange(9, 40).Draw(t, "large"),
			LargeFrom:    rapid.IntRange(23, 60).Draw(t, "from"),
			MinArrived:   5, MinNotArrived: 5, MinOtherCentres: 10,
			Bands: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Band {
				return Band{From: rapid.IntRange(24, 130).Draw(t, "from"), Width: rapid.SampledFrom([]int{4, 5, 10, 20, 25, 30, 50, 100}).Draw(t, "width")}
			}), 0, 3).Draw(t, "bands"),
		}
		// Often enough a policy that is near today's.
		for _, likeToday := range []func(){
			func() { policy.MinReferrals = Current.MinReferrals },
			func() { policy.SmallClass = Current.SmallClass },
			func() { policy.LargeClass = Current.LargeClass },
			func() { policy.LargeFrom = max(Current.LargeFrom, policy.MinReferrals) },
			func() { policy.Bands = Current.Bands },
		} {
			if rapid.IntRange(0, 3).Draw(t, "like today") > 0 {
				likeToday()
			}
		}
		if policy.Check() != nil {
			return
		}
		type shown struct {
			class Range
			width int
		}
		alike := map[shown][]int{}
		for n := policy.MinReferrals; n < 400; n++ {
			class, width := policy.sizeClass(n), policy.bandWidth(n)
			if n < class.Low || n > class.High {
				t.Fatalf("%d referrals are shown as %+v", n, class)
			}
			if width < Current.bandWidth(n) || 100%width != 0 {
				t.Fatalf("rates of %d referrals are %d wide", n, width)
			}
			alike[shown{class, width}] = append(alike[shown{class, width}], n)
		}
		for shown, sizes := range alike {
			if shown.class.High >= 400 {
				continue
			}
			least := 5
			if shown.class.High >= 40 {
				least = 10
			}
			if len(sizes) < least || len(sizes) != shown.class.High-shown.class.Low+1 {
				t.Fatalf("%+v: the class %d to %d with rates %d wide says that there are one of %v",
					policy, shown.class.Low, shown.class.High, shown.width, sizes)
			}
		}
		if policy.MinReferrals < 25 {
			t.Fatalf("a group of %d would be shown", policy.MinReferrals)
		}
	})
}
