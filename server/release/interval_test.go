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
		arrived, n int
		low, high  float64
	}{
		{81, 263, 0.2553, 0.3662},
		{15, 148, 0.0624, 0.1605},
		{0, 20, 0, 0.1611},
		{1, 29, 0.0061, 0.1718},
		{47, 59, 0.68, 0.88},
	} {
		tolerance := 0.00005
		if c.n == 59 {
			tolerance = 0.005
		}
		low, high := wilson(c.arrived, c.n)
		if math.Abs(low-c.low) > tolerance || math.Abs(high-c.high) > tolerance {
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

// 67.7 to 88.0 becomes 68 to 88.
func TestIntervalOfTheKnownYear(t *testing.T) {
	t.Parallel()
	figure := frozen(t, closed, thirds(59, 47)...).Figures[0]
	if got, want := figure.shows(), "exact 80% of 59"; got != want {
		t.Errorf("shown as %q, want %q", got, want)
	}
	if got, want := *figure.Interval, (Range{Low: 68, High: 88}); got != want {
		t.Errorf("the interval is %+v, want %+v", got, want)
	}
}

// But for rounding, the interval holds that of every count that a reader must think possible, and is no
// wider than that takes. Which counts those are is found by showing them.
func TestIntervalIsTheEnvelopeOfWhatIsPossible(t *testing.T) {
	t.Parallel()
	const half = 0.5 + 1e-9
	t.Run("banded", func(t *testing.T) {
		t.Parallel()
		rapid.Check(t, func(t *rapid.T) {
			n := rapid.IntRange(25, 140).Draw(t, "n")
			figure := runningTotal(cell{n: n, arrived: rapid.IntRange(0, n).Draw(t, "arrived")})
			low, high := 1.0, 0.0
			for n := figure.Referrals.Low; n <= figure.Referrals.High; n++ {
				for arrived := range n + 1 {
					if runningTotal(cell{n: n, arrived: arrived}).shows() != figure.shows() {
						continue
					}
					l, h := wilson(arrived, n)
					low, high = min(low, l), max(high, h)
				}
			}
			got := *figure.Interval
			if math.Abs(float64(got.Low)-100*low) > half || math.Abs(float64(got.High)-100*high) > half {
				t.Fatalf("%s: the interval is %+v, not %.2f to %.2f", figure.shows(), got, 100*low, 100*high)
			}
			if got.Low < 0 || got.High > 100 {
				t.Fatalf("%s: the interval is %+v", figure.shows(), got)
			}
		})
	})
	t.Run("closed", func(t *testing.T) {
		t.Parallel()
		rapid.Check(t, func(t *rapid.T) {
			// Above 100 referrals some rates to the per cent belong to more than one count.
			n := rapid.IntRange(25, 260).Draw(t, "n")
			arrived := rapid.IntRange(0, n).Draw(t, "arrived")
			figure := frozen(t, closed, thirds(n, arrived)...).Figures[0]
			if figure.Shown != Exact {
				return
			}
			got := *figure.Interval
			for other := range n + 1 {
				if frozen(t, closed, thirds(n, other)...).Figures[0].shows() != figure.shows() {
					continue
				}
				low, high := wilson(other, n)
				if float64(got.Low) > 100*low+half || float64(got.High) < 100*high-half {
					t.Fatalf("%s: the interval %+v does not hold that of %d", figure.shows(), got, other)
				}
				if n <= 100 && (float64(got.Low) < 100*low-half || float64(got.High) > 100*high+half) {
					t.Fatalf("%s: the interval %+v is wider than that of %d", figure.shows(), got, other)
				}
			}
		})
	})
}
