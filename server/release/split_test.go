package release

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// tiles reports whether parts lie end to end over a whole.
func tiles(whole Range, parts []Range) bool {
	next := whole.Low
	for _, part := range parts {
		if part.Low != next || part.values() == 0 {
			return false
		}
		next = part.High + 1
	}
	return next == whole.High+1
}

func TestARangeIsCutBeforeEachCut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		whole Range
		cuts  []int
		want  []Range
	}{
		{"nowhere", Range{3, 9}, nil, []Range{{3, 9}}},
		{"once", Range{3, 9}, []int{5}, []Range{{3, 4}, {5, 9}}},
		{"before the last", Range{3, 9}, []int{9}, []Range{{3, 8}, {9, 9}}},
		{"before the first, which is no cut", Range{3, 9}, []int{3}, []Range{{3, 9}}},
		{"outside", Range{3, 9}, []int{-4, 2, 10, 25}, []Range{{3, 9}}},
		{"everywhere", Range{3, 6}, []int{4, 5, 6}, []Range{{3, 3}, {4, 4}, {5, 5}, {6, 6}}},
		{"twice in one place", Range{3, 9}, []int{5, 5}, []Range{{3, 4}, {5, 9}}},
	} {
		if got := cut(c.whole, c.cuts); !slices.Equal(got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestPartsThatAreNotSafeAreJoinedToANeighbour(t *testing.T) {
	t.Parallel()
	atLeast := func(least int) func(Range) bool { return func(part Range) bool { return part.values() >= least } }
	for _, c := range []struct {
		name  string
		parts []Range
		safe  func(Range) bool
		want  []Range
	}{
		{"all are safe", []Range{{0, 4}, {5, 9}}, atLeast(5), []Range{{0, 4}, {5, 9}}},
		{"the first goes to the next", []Range{{0, 1}, {2, 6}, {7, 11}}, atLeast(5), []Range{{0, 6}, {7, 11}}},
		{"another to the one before", []Range{{0, 4}, {5, 6}, {7, 11}}, atLeast(5), []Range{{0, 6}, {7, 11}}},
		{"the last to the one before", []Range{{0, 4}, {5, 9}, {10, 10}}, atLeast(5), []Range{{0, 4}, {5, 10}}},
		{"again, until it is", []Range{{0, 0}, {1, 1}, {2, 2}, {3, 7}}, atLeast(3), []Range{{0, 2}, {3, 7}}},
		// What was safe need not be so when more is joined to it.
		{"the one before is looked at again", []Range{{0, 4}, {5, 9}, {10, 10}, {11, 15}},
			func(part Range) bool { return part.values() == 5 || part.values() > 10 }, []Range{{0, 10}, {11, 15}}},
		{"none can be", []Range{{0, 4}, {5, 9}, {10, 14}}, func(Range) bool { return false }, []Range{{0, 14}}},
		{"one alone", []Range{{0, 4}}, func(Range) bool { return false }, []Range{{0, 4}}},
	} {
		if got := mend(slices.Clone(c.parts), c.safe); !slices.Equal(got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestMendedPartsAreSafeAndLeaveNoGap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		whole := Range{0, rapid.IntRange(0, 40).Draw(t, "high")}
		cuts := rapid.SliceOfN(rapid.IntRange(0, 40), 0, 10).Draw(t, "cuts")
		slices.Sort(cuts)
		parts := cut(whole, cuts)
		if !tiles(whole, parts) {
			t.Fatalf("%+v is cut into %+v", whole, parts)
		}
		danger := rapid.SliceOfN(rapid.IntRange(0, 40), 0, 5).Draw(t, "danger")
		safe := func(part Range) bool {
			return !slices.ContainsFunc(danger, func(at int) bool { return part.Low == at || part.High == at }) && part.values() > 2
		}
		mended := mend(slices.Clone(parts), safe)
		if !tiles(whole, mended) || len(mended) > 1 && slices.ContainsFunc(mended, func(part Range) bool { return !safe(part) }) {
			t.Fatalf("%+v is mended to %+v", parts, mended)
		}
		for _, part := range mended {
			if !slices.ContainsFunc(parts, func(p Range) bool { return p.Low == part.Low }) {
				t.Fatalf("%+v is mended to %+v, which is cut in another place", parts, mended)
			}
		}
	})
}

func TestPartsAreLaidAroundTheCentre(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name                 string
		whole                Range
		centre, width, least int
		want                 []Range
	}{
		{"room on both sides", Range{0, 20}, 10, 5, 4, []Range{{0, 7}, {8, 12}, {13, 20}}},
		{"more than one part beside it", Range{0, 30}, 10, 5, 4, []Range{{0, 7}, {8, 12}, {13, 17}, {18, 22}, {23, 30}}},
		{"an even width", Range{0, 22}, 10, 6, 4, []Range{{0, 7}, {8, 13}, {14, 22}}},
		{"just enough before it", Range{0, 20}, 6, 5, 4, []Range{{0, 3}, {4, 8}, {9, 13}, {14, 20}}},
		{"too little before it, and it moves up", Range{0, 20}, 5, 5, 4, []Range{{0, 3}, {4, 8}, {9, 13}, {14, 20}}},
		{"too little before it, and it moves down", Range{0, 20}, 3, 5, 4, []Range{{0, 4}, {5, 9}, {10, 14}, {15, 20}}},
		{"too little after it, and it moves down", Range{0, 20}, 15, 5, 4, []Range{{0, 6}, {7, 11}, {12, 16}, {17, 20}}},
		{"too little after it, and it grows", Range{0, 20}, 17, 5, 4, []Range{{0, 4}, {5, 9}, {10, 14}, {15, 20}}},
		{"too little after it, and none before it to move into", Range{0, 8}, 5, 5, 4, []Range{{0, 3}, {4, 8}}},
		{"a centre below", Range{10, 30}, -7, 5, 4, []Range{{10, 14}, {15, 19}, {20, 24}, {25, 30}}},
		{"a centre above", Range{10, 30}, 99, 5, 4, []Range{{10, 15}, {16, 20}, {21, 25}, {26, 30}}},
		{"too short to split", Range{0, 6}, 3, 5, 4, []Range{{0, 6}}},
		{"just long enough", Range{0, 7}, 3, 4, 4, []Range{{0, 3}, {4, 7}}},
		{"a width below the least", Range{0, 11}, 1, 1, 4, []Range{{0, 3}, {4, 7}, {8, 11}}},
		{"wider than the whole", Range{0, 9}, 5, 50, 4, []Range{{0, 9}}},
	} {
		if got := tile(c.whole, c.centre, c.width, c.least); !slices.Equal(got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// Every way of tiling a short range: no gap, no part too short and none twice as wide as it should be, and the
// centre in a part of the whole width where there is room, and in its middle where there is more.
func TestTilesFillTheRangeWhateverTheCentre(t *testing.T) {
	t.Parallel()
	for high := range 45 {
		for least := 1; least <= 6; least++ {
			for width := 1; width <= 12; width++ {
				for centre := -3; centre <= high+3; centre++ {
					whole := Range{0, high}
					parts := tile(whole, centre, width, least)
					fail := func(why string) {
						t.Fatalf("%+v around %d in parts %d wide, at least %d: %+v, %s", whole, centre, width, least, parts, why)
					}
					if !tiles(whole, parts) {
						fail("which leaves gaps")
					}
					if whole.values() < 2*least {
						if len(parts) > 1 {
							fail("though it is too short to split")
						}
						continue
					}
					wide := max(width, least)
					at := min(max(centre, 0), high)
					for i, part := range parts {
						inside := i > 0 && i < len(parts)-1
						switch {
						case part.values() < least:
							fail("of which one is too short")
						case part.values() >= 2*wide && part.values() < whole.values():
							fail("of which one could be split")
						case inside && part.values() != wide:
							fail("of which an inner one has another width")
						case part.Low <= at && at <= part.High && part.values() < wide && whole.values() >= wide+least:
							fail("of which the one at the centre is narrow")
						}
					}
					middle := Range{Low: at - (wide-1)/2, High: at - (wide-1)/2 + wide - 1}
					if middle.Low >= least && high-middle.High >= least && !slices.Contains(parts, middle) {
						fail("though there is room around the centre")
					}
				}
			}
		}
	}
}

func TestExactCountsAreFoundInTheirParts(t *testing.T) {
	t.Parallel()
	of := axis{"pool:1", countReferrals}
	parts := []Range{{3, 7}, {8, 12}}
	for value, want := range map[int]int{3: 0, 7: 0, 8: 1, 12: 1} {
		if got, err := (truth{of: value}).part(of, parts); got != want || err != nil {
			t.Errorf("%d is found in part %d: %v", value, got, err)
		}
	}
	for value, want := range map[int]Range{0: {0, 4}, 4: {0, 4}, 5: {5, 9}, 12: {10, 14}} {
		if got, err := (truth{of: value}).step(of, 5); got != want || err != nil {
			t.Errorf("%d is in the step %+v: %v", value, got, err)
		}
	}
	for _, value := range []int{2, 13} {
		if _, err := (truth{of: value}).part(of, parts); err == nil || !strings.Contains(err.Error(), "impossible beside the other counts") {
			t.Errorf("%d is found: %v", value, err)
		}
	}
	// What is counted of the same group beside it is another axis.
	for _, on := range []axis{{"pool:2", countReferrals}, {"pool:1", countSide}} {
		_, err := (truth{of: 5}).part(on, parts)
		_, again := (truth{of: 5}).step(on, 5)
		if err == nil || again == nil {
			t.Errorf("%+v is found, though nobody counted it: %v, %v", on, err, again)
		}
	}
}
