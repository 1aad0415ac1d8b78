package release

import (
	"fmt"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// knownOf is what running totals tell of a total: referrals, and arrivals for the reader who is told most and for all.
func knownOf(referrals, arrived, least int) running {
	return running{referrals: referrals, arrived: arrived, least: least}
}

func TestRunningTotalAtEveryEdge(t *testing.T) {
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
		{39, 31, "band 60-80% of 35-39"},
		{39, 32, "band 80-100% of 35-39"},
		{49, 9, "band 0-20% of 40-49"},
		{49, 10, "band 20-40% of 40-49"},
		{49, 49, "band 80-100% of 40-49"},

		{50, 4, "band 0-10% of 50-59"},
		{50, 5, "band 10-20% of 50-59"},
		{50, 44, "band 80-90% of 50-59"},
		{50, 45, "band 90-100% of 50-59"},
		{59, 47, "band 70-80% of 50-59"},
		{60, 48, "band 80-90% of 60-69"},
		{99, 89, "band 80-90% of 90-99"},
		{99, 99, "band 90-100% of 90-99"},

		{100, 4, "band 0-5% of 100-109"},
		{100, 5, "band 5-10% of 100-109"},
		{100, 94, "band 90-95% of 100-109"},
		{100, 95, "band 95-100% of 100-109"},
		{109, 54, "band 45-50% of 100-109"},
		{110, 55, "band 50-55% of 110-119"},
	} {
		if got := runningTotal(Current, running{}, closed{c.n, c.arrived}, TooEarly).shows(); got != c.want {
			t.Errorf("%d of %d is shown as %q, want %q", c.arrived, c.n, got, c.want)
		}
	}
}

// A policy without a band for a size shows no rate there, in effect.
func TestSizesBeforeTheFirstBandShowNoRate(t *testing.T) {
	t.Parallel()
	policy := changed(func(p *Policy) { p.Bands = p.Bands[1:] })
	if got, want := runningTotal(policy, running{}, closed{30, 12}, TooEarly).shows(), "band 0-100% of 30-34"; got != want {
		t.Errorf("shown as %q, want %q", got, want)
	}
}

// Bands in which a reader of the totals before would find fewer than four numbers of arrivals are joined upward,
// and the lowest begins with what was known. Of 30, the lowest bands hold at most 5, 11, 17 and 23 arrivals.
func TestRunningTotalBesideEarlierOnes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		known running
		total closed
		want  string
	}{
		{"nobody had arrived", knownOf(25, 0, 0), closed{30, 3}, "band 0-20% of 30-34"},
		{"two had: the lowest band still holds four", knownOf(25, 2, 0), closed{30, 3}, "band 0-20% of 30-34"},
		{"three had: it holds three, and is joined", knownOf(25, 3, 0), closed{30, 3}, "band 0-40% of 30-34"},
		{"a rate above what is joined", knownOf(25, 3, 0), closed{30, 12}, "band 40-60% of 30-34"},
		{"eight had: the second still holds four", knownOf(25, 8, 0), closed{30, 9}, "band 0-40% of 30-34"},
		{"nine had: three are joined", knownOf(25, 9, 0), closed{30, 9}, "band 0-60% of 30-34"},
		{"all are joined", knownOf(30, 24, 0), closed{30, 25}, "band 0-100% of 30-34"},
		{"even those hold four of the smallest size", knownOf(30, 27, 0), closed{34, 30}, "band 0-100% of 30-34"},
		{"not even those", knownOf(30, 28, 0), closed{34, 30}, "too_early"},

		{"every reader knows of seven, which are 20 % of 34", knownOf(25, 9, 7), closed{30, 9}, "band 20-60% of 30-34"},
		{"every reader knows of six", knownOf(25, 9, 6), closed{30, 9}, "band 17-60% of 30-34"},
		{"every reader knows of eighteen", knownOf(30, 20, 18), closed{30, 20}, "band 52-80% of 30-34"},
		{"a rate above that band", knownOf(30, 20, 18), closed{30, 24}, "band 80-100% of 30-34"},
		{"a band of 41 to 60 % would be too narrow, and is joined", knownOf(30, 14, 14), closed{30, 16}, "band 41-80% of 30-34"},
		{"fewer than were known, as some were taken back", knownOf(25, 9, 7), closed{30, 5}, "too_early"},

		{"as many referrals as were known", knownOf(30, 6, 0), closed{30, 12}, "band 40-60% of 30-34"},
		{"fewer than were known, as some were voided", knownOf(30, 6, 0), closed{29, 12}, "too_early"},
	} {
		if got := runningTotal(Current, c.known, c.total, TooEarly).shows(); got != c.want {
			t.Errorf("%s: shown as %q, want %q", c.name, got, c.want)
		}
	}
	if got := runningTotal(Current, running{}, closed{24, 12}, Protected); got.Shown != Protected {
		t.Errorf("hidden as %q, not as it was asked", got.Shown)
	}
}

func TestWhatRunningTotalsTell(t *testing.T) {
	t.Parallel()
	june := Running{"2026-06-30", Range{30, 34}, Range{40, 60}}
	for _, c := range []struct {
		name   string
		totals []Running
		want   running
	}{
		{"nothing was shown", nil, running{}},
		// 40 % are 12 of 30, and 13.6 of 34. So 18 of 30 had not arrived.
		{"the fewest referrals, and the arrivals with which the band begins", []Running{june}, running{30, 14, 12, []within{{18, 14}}}},
		{"the lowest band tells of no arrivals", []Running{{"2026-06-30", Range{30, 34}, Range{0, 20}}}, running{referrals: 30}},
		{"the later one tells more", []Running{june, {"2026-09-30", Range{50, 59}, Range{30, 40}}}, running{50, 18, 15, []within{{18, 14}, {35, 18}}}},
		{"the earlier one told of more arrivals", []Running{june, {"2026-09-30", Range{40, 49}, Range{0, 20}}}, running{40, 14, 12, []within{{18, 14}}}},
		{"31 December tells of arrivals only", []Running{june, {"2026-12-31", Range{100, 109}, Range{40, 45}}}, running{30, 44, 40, []within{{18, 14}}}},
	} {
		if known := knownAfter(c.totals); !reflect.DeepEqual(known, c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, known, c.want)
		}
	}
}

// That a total is shown to the person tells that ten arrived outside any one pool. When fewer than thirteen arrived since a
// running total, the register knows for a small rest that nearly all of it did: so the rest must be larger.
func TestATotalAfterARunningTotalNeedsMoreReferralsOutsideAnyPool(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		within  []within
		outside int
		want    string
	}{
		{"nothing was shown", nil, 13, "exact"},
		{"13 arrived since", []within{{missing: 2, arrived: 27}}, 13, "exact"},
		{"12 arrived since, and 15 more did not than then", []within{{missing: 5, arrived: 28}}, 28, "exact"},
		{"12 arrived since, and 16 more did not than then", []within{{missing: 4, arrived: 28}}, 29, "protected"},
		{"12 arrived since, and fewer did not than then", []within{{missing: 25, arrived: 28}}, 13, "exact"},
		{"two were shown", []within{{missing: 5, arrived: 28}, {missing: 18, arrived: 30}}, 28, "exact"},
	} {
		known, total := running{within: c.within}, closed{60, 40}
		if got := known.outside(Current, total); got != c.outside {
			t.Errorf("%s: %d are needed outside, want %d", c.name, got, c.outside)
		}
		if got := closedTotal(Current, known, total, true); got.Shown != Shown(c.want) {
			t.Errorf("%s: shown as %q, want %q", c.name, got.shows(), c.want)
		}
	}
}

// described says what a closed cohort's total shows.
func described(figure Figure) string {
	if figure.Arrived == nil {
		return figure.shows()
	}
	return fmt.Sprintf("%s, %d-%d arrived", figure.shows(), figure.Arrived.Low, figure.Arrived.High)
}

func TestClosedTotalAtEveryEdge(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		known  running
		total  closed
		spread bool
		want   string
	}{
		{"24 referrals", running{}, closed{24, 19}, true, "protected"},
		{"25 referrals, few arrived", running{}, closed{25, 20}, true, "protected"},
		{"25 referrals, nearly all arrived", running{}, closed{25, 21}, true, "band 80-100% of 25, 21-25 arrived"},
		{"27 referrals, nearly all arrived", running{}, closed{27, 23}, true, "band 80-100% of 27, 23-27 arrived"},
		{"28 referrals, too few for four sizes of each pool", running{}, closed{28, 23}, true, "protected"},
		{"29 referrals, the fewest to the person", running{}, closed{29, 23}, true, "exact 79% of 29, 23-23 arrived"},
		{"31 referrals, the most to the person", running{}, closed{31, 26}, true, "exact 84% of 31, 26-26 arrived"},

		{"none arrived", running{}, closed{60, 0}, true, "protected"},
		{"22 arrived", running{}, closed{60, 22}, true, "protected"},
		{"23 arrived", running{}, closed{60, 23}, true, "exact 38% of 60, 23-23 arrived"},
		{"5 did not", running{}, closed{60, 55}, true, "exact 92% of 60, 55-55 arrived"},
		{"4 did not", running{}, closed{60, 56}, true, "band 90-100% of 60, 56-60 arrived"},
		{"all arrived", running{}, closed{60, 60}, true, "band 90-100% of 60, 56-60 arrived"},

		// Nearly all is shown whether or not arrivals are spread, which a reader cannot tell from it.
		{"not spread", running{}, closed{60, 23}, false, "protected"},
		{"not spread, few arrived", running{}, closed{60, 22}, false, "protected"},
		{"not spread, nearly all arrived", running{}, closed{60, 56}, false, "band 90-100% of 60, 56-60 arrived"},

		{"half a per cent rounds up", running{}, closed{200, 129}, true, "exact 65% of 200, 129-129 arrived"},

		// Of those who came since the running totals, four values must stay possible too.
		{"3 referrals more", knownOf(57, 0, 0), closed{60, 40}, true, "protected"},
		{"4 referrals more", knownOf(56, 0, 0), closed{60, 40}, true, "exact 67% of 60, 40-40 arrived"},
		{"3 referrals more, few arrived", knownOf(57, 0, 0), closed{60, 12}, true, "protected"},
		{"4 referrals more, few arrived", knownOf(56, 0, 0), closed{60, 12}, true, "protected"},
		{"3 arrivals more", knownOf(50, 37, 0), closed{60, 40}, true, "protected"},
		{"4 arrivals more", knownOf(50, 36, 0), closed{60, 40}, true, "exact 67% of 60, 40-40 arrived"},
		{"few arrived, as some had", knownOf(50, 1, 0), closed{60, 22}, true, "protected"},
		{"enough arrived, as some had", knownOf(50, 1, 0), closed{60, 23}, true, "exact 38% of 60, 23-23 arrived"},
		{"nearly all arrived, as most had", knownOf(56, 52, 0), closed{60, 56}, true, "band 90-100% of 60, 56-60 arrived"},
		{"nearly all arrived, and hardly any since", knownOf(56, 53, 0), closed{60, 60}, true, "protected"},
	} {
		if got := described(closedTotal(Current, c.known, c.total, c.spread)); got != c.want {
			t.Errorf("%s: %d of %d is shown as %q, want %q", c.name, c.total.arrived, c.total.referrals, got, c.want)
		}
	}
}

// A total in a range tells the range and no more: whatever else lies in it is shown alike, to the last per cent.
func TestClosedTotalsInARangeLookAlike(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(25, 200).Draw(t, "n")
		known := knownOf(rapid.IntRange(0, n).Draw(t, "known referrals"), rapid.IntRange(0, n).Draw(t, "known arrivals"), 0)
		alike := map[string]int{}
		for arrived := known.arrived; arrived <= n; arrived++ {
			figure := closedTotal(Current, known, closed{n, arrived}, true)
			if figure.Shown != Banded {
				continue
			}
			alike[described(figure)+fmt.Sprint(*figure.Interval)]++
			if !figure.Arrived.holds(Range{arrived, arrived}) || 100*arrived < figure.Rate.Low*n || 100*arrived > figure.Rate.High*n {
				t.Fatalf("%d of %d are shown as %q", arrived, n, described(figure))
			}
			if width := figure.Rate.High - figure.Rate.Low; width < Current.bandWidth(n) || figure.Rate.Low < 0 || figure.Rate.High > 100 {
				t.Fatalf("%d of %d are shown as %q", arrived, n, described(figure))
			}
		}
		for shown, arrivals := range alike {
			if arrivals < 4 {
				t.Fatalf("%d arrivals are shown as %q", arrivals, shown)
			}
		}
	})
}

func TestRangesOfPerCentsAreWidenedWithinTheHundred(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rate  Range
		width int
		want  Range
	}{
		{Range{40, 60}, 20, Range{40, 60}},
		{Range{40, 70}, 20, Range{40, 70}},
		{Range{45, 55}, 20, Range{40, 60}},
		{Range{45, 54}, 20, Range{40, 60}},
		{Range{95, 100}, 20, Range{80, 100}},
		{Range{88, 98}, 20, Range{80, 100}},
		{Range{0, 3}, 20, Range{0, 20}},
		{Range{4, 6}, 20, Range{0, 20}},
		{Range{30, 40}, 100, Range{0, 100}},
	} {
		if got := *widened(c.rate, c.width); got != c.want {
			t.Errorf("%+v becomes %+v at least %d wide, want %+v", c.rate, got, c.width, c.want)
		}
	}
}
