package release

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// The values but the last are examples of Newcombe, Statistics in Medicine 17, 1998, 857-872.
func TestWilsonAgreesWithPublishedValues(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		arrived, n           int
		low, high, tolerance float64
	}{
		{81, 263, 0.2553, 0.3662, 0.00005},
		{15, 148, 0.0624, 0.1605, 0.00005},
		{0, 20, 0, 0.1611, 0.00005},
		{1, 29, 0.0061, 0.1718, 0.00005},
		{47, 59, 0.68, 0.88, 0.005},
	} {
		low, high := wilson(c.arrived, c.n)
		if math.Abs(low-c.low) > c.tolerance || math.Abs(high-c.high) > c.tolerance {
			t.Errorf("%d of %d: %.4f to %.4f, want %.4f to %.4f", c.arrived, c.n, low, high, c.low, c.high)
		}
	}
}

// The ends are the shares from which the observed one is exactly 1.96 standard errors away.
func TestWilsonSolvesItsEquation(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 500).Draw(t, "n")
		arrived := rapid.IntRange(0, n).Draw(t, "arrived")
		observed := float64(arrived) / float64(n)
		low, high := wilson(arrived, n)
		for _, end := range []float64{low, high} {
			distance := math.Abs(observed - end)
			if want := 1.959963984540054 * math.Sqrt(max(0, end*(1-end))/float64(n)); math.Abs(distance-want) > 1e-7 {
				t.Fatalf("%d of %d: %v is %v away, want %v", arrived, n, end, distance, want)
			}
		}
		if low > observed+1e-9 || observed > high+1e-9 {
			t.Fatalf("%d of %d is not between %v and %v", arrived, n, low, high)
		}
	})
}

// fits reports whether a reader of a figure holds n referrals with so many arrivals possible.
func (f Figure) fits(n, arrived int) bool {
	one := func(value int) Range { return Range{value, value} }
	switch {
	case !f.Referrals.holds(one(n)):
		return false
	case f.Arrived != nil:
		return f.Arrived.holds(one(arrived))
	case f.NotArrived != nil:
		return f.NotArrived.holds(one(n - arrived))
	case f.Rate.High == 100:
		return 100*arrived >= f.Rate.Low*n
	default:
		return 100*arrived >= f.Rate.Low*n && 100*arrived < f.Rate.High*n
	}
}

// But for rounding, the interval holds that of every count that a reader must think possible, and is no wider than
// that takes. So it is known from what is shown beside it.
func TestIntervalIsTheEnvelopeOfWhatIsPossible(t *testing.T) {
	t.Parallel()
	const half = 0.5 + 1e-9
	rapid.Check(t, func(t *rapid.T) {
		cutOff := rapid.SampledFrom([]CutOff{june, closing}).Draw(t, "cut-off")
		cells := rapid.OneOf(anyCells, spreadCells).Draw(t, "pools")
		for _, figure := range frozen(t, cutOff, cells...).Figures {
			if (figure.Interval == nil) != (figure.Referrals == nil) {
				t.Fatalf("%s has referrals %+v, and the interval %+v", figure.Group, figure.Referrals, figure.Interval)
			}
			if figure.Interval == nil {
				continue
			}
			low, high := 1.0, 0.0
			for n := figure.Referrals.Low; n <= figure.Referrals.High; n++ {
				for arrived := range n + 1 {
					if figure.fits(n, arrived) {
						l, h := wilson(arrived, n)
						low, high = min(low, l), max(high, h)
					}
				}
			}
			got := *figure.Interval
			if math.Abs(float64(got.Low)-100*low) > half || math.Abs(float64(got.High)-100*high) > half || got.Low < 0 || got.High > 100 {
				t.Fatalf("%s: the interval is %+v, not %.2f to %.2f", figure.shows(), got, 100*low, 100*high)
			}
		}
	})
}

func TestRatesDifferWhereTheirIntervalsAreApart(t *testing.T) {
	t.Parallel()
	figure := func(low, high int) Figure { return Figure{Shown: Banded, Interval: &Range{low, high}} }
	hidden := Figure{Shown: Protected}
	for _, c := range []struct {
		name           string
		earlier, later Figure
		want           Change
	}{
		{"above", figure(40, 60), figure(61, 80), Higher},
		{"below", figure(40, 60), figure(20, 39), Lower},
		{"touching above", figure(40, 60), figure(60, 80), NoDemonstrableChange},
		{"touching below", figure(40, 60), figure(20, 40), NoDemonstrableChange},
		{"within", figure(40, 60), figure(45, 50), NoDemonstrableChange},
		{"the same", figure(40, 60), figure(40, 60), NoDemonstrableChange},
		{"not shown before", hidden, figure(61, 80), NoDemonstrableChange},
		{"not shown after", figure(40, 60), hidden, NoDemonstrableChange},
		{"never shown", hidden, hidden, NoDemonstrableChange},
	} {
		if got := Compare(c.earlier, c.later); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
