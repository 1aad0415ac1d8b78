package rivals

import (
	"reflect"
	"slices"
	"testing"
)

func TestTheSameSeedGivesTheSameYearsAndAnotherOneDoesNot(t *testing.T) {
	years := Years(1, 60, 2, 80, 50)
	if !reflect.DeepEqual(years, Years(1, 60, 2, 80, 50)) {
		t.Error("two runs with one seed differ")
	}
	if reflect.DeepEqual(years, Years(2, 60, 2, 80, 50)) {
		t.Error("two seeds give the same years")
	}
	for name, method := range Methods() {
		if years := years[:5]; !reflect.DeepEqual(Measure(method, years), Measure(method, years)) {
			t.Errorf("%s publishes one year in two ways", name)
		}
	}
}

func TestYearsLookAsPromised(t *testing.T) {
	var typical, arrived, late Mean
	for _, year := range Years(1, 60, 2, 80, 2000) {
		total, before := year.Total(), Count{}
		if total.Referred != 60 {
			t.Fatalf("a year of 60 has %d referrals", total.Referred)
		}
		for _, quarter := range append(year.Quarter[:], total) {
			if quarter.Referred < before.Referred || quarter.Arrived < before.Arrived {
				t.Fatalf("a running total falls: %v", year)
			}
			before = quarter
		}
		smaller := min(year.Pools[0].Referred, year.Pools[1].Referred)
		typical.addCase(smaller >= 20 && smaller <= 30)
		arrived.add(100 * float64(total.Arrived) / 60)
		late.add(100 * float64(total.Arrived-year.Quarter[3].Arrived) / float64(total.Arrived))
	}
	// An exponential delay with a median of 35 days has a mean of 50.5, so of a year's arrivals 13.8 % come
	// after its end.
	if v := typical.Value(); v < 80 {
		t.Errorf("the smaller pool has 20 to 30 referrals in %.0f %% of years only", v)
	}
	if v := arrived.Value(); v < 79 || v > 81 {
		t.Errorf("the mean rate is %.1f %%, not 80", v)
	}
	if v := late.Value(); v < 13 || v > 15 {
		t.Errorf("%.1f %% of arrivals come after the year, not 13.8", v)
	}
}

// tables calls visit with every table of two pools and n referrals.
func tables(n int, visit func(Year)) {
	for first := 0; first <= n; first++ {
		for a := 0; a <= first; a++ {
			for b := 0; b <= n-first; b++ {
				visit(Year{Pools: []Count{{first, a}, {n - first, b}}})
			}
		}
	}
}

// display is what a tree publishes of two pools, without the pointers.
type display struct {
	exact         bool
	sizes         Range
	total         Interval
	pools         [2]Interval
	leastReferred [2]int
}

func displayed(shown Shown) display {
	d := display{exact: shown.Exact, sizes: Range{shown.Whole.Least, shown.Whole.most()}, total: *shown.Total}
	for i, pool := range shown.Pools {
		if pool != nil {
			d.pools[i], d.leastReferred[i] = *pool, shown.Parts[i].Least
		}
	}
	return d
}

// withoutPools is the display of the total alone.
func (d display) withoutPools() display {
	return display{exact: d.exact, sizes: d.sizes, total: d.total}
}

// known is what a reader has of a display who knows how many were referred.
type known struct {
	display
	referred [2]int
}

// distinct counts the values of referred, arrived and not arrived in the first pool, then in the next.
func distinct(years []Year) []int {
	counts := make([]int, 3*len(years[0].Pools))
	for i := range counts {
		found := map[int]bool{}
		for _, year := range years {
			pool := year.Pools[i/3]
			found[[]int{pool.Referred, pool.Arrived, pool.Referred - pool.Arrived}[i%3]] = true
		}
		counts[i] = len(found)
	}
	return counts
}

// exhaust publishes every table of two pools and 30 to 60 referrals. It returns the least number of values
// that the displays leave, over all tables that give the same display: of referrals, arrivals and those who did
// not arrive to any reader, and of arrivals to one who knows how many were referred. For the latter, pools
// that are not shown count only where the total alone would leave more. Shown is how many displays show pools.
func exhaust(t *testing.T, method Method) (reader, insider, shown int) {
	t.Helper()
	readers, insiders, alone := map[display][]Year{}, map[known][]Year{}, map[known][]Year{}
	for n := 30; n <= 60; n++ {
		tables(n, func(year Year) {
			published := method(year)
			if n == 60 && !published.Exact {
				return // the rest of this class of sizes is not among these tables
			}
			if (published.Pools[0] == nil) != (published.Pools[1] == nil) {
				t.Fatalf("one pool of %v is shown and the other is not", year)
			}
			seen := known{displayed(published), [2]int{year.Pools[0].Referred, year.Pools[1].Referred}}
			readers[seen.display] = append(readers[seen.display], year)
			insiders[seen] = append(insiders[seen], year)
			seen.display = seen.withoutPools()
			alone[seen] = append(alone[seen], year)
		})
	}
	reader, insider = enough, enough
	for seen, years := range readers {
		reader = min(reader, slices.Min(distinct(years)))
		if seen != seen.withoutPools() {
			shown++
		}
	}
	for seen, years := range insiders {
		before := distinct(alone[known{seen.withoutPools(), seen.referred}])[1]
		if after := distinct(years)[1]; seen.display != seen.withoutPools() || after < before {
			insider = min(insider, after)
		}
	}
	return reader, insider, shown
}

func TestTheTreesLeaveFourValuesOfEveryPoolInAllSmallTables(t *testing.T) {
	for name, method := range map[string]Method{"simple": SimpleTree, "local": LocalTree} {
		reader, insider, shown := exhaust(t, method)
		if reader < enough || insider < enough {
			t.Errorf("the %s tree leaves readers %d values and insiders %d", name, reader, insider)
		}
		if shown == 0 {
			t.Errorf("the %s tree never shows a pool", name)
		}
	}
}

func TestATreeThatAuditsArrivalsOnlyGivesSomeoneAway(t *testing.T) {
	if reader, insider, _ := exhaust(t, LooseTree); reader == enough || insider == enough {
		t.Errorf("the loose tree leaves readers %d values and insiders %d", reader, insider)
	}
}

func TestTheAuditOfThreePoolsAgreesWithEnumeration(t *testing.T) {
	const from, to = 25, 29
	verdicts := map[bool]int{}
	for _, n := range []int{77, 79, 80, 82} {
		for arrived := 24; arrived < n; arrived += 2 {
			percent := (200*arrived + n) / (2 * n)
			found := map[[3]figure][]Year{}
			for first := from; first <= to; first++ {
				for second := max(from, n-first-to); second <= min(to, n-first-from); second++ {
					third := n - first - second
					for a := 0; a <= first; a++ {
						for b := max(0, arrived-a-third); b <= min(second, arrived-a); b++ {
							year := Year{Pools: []Count{{first, a}, {second, b}, {third, arrived - a - b}}}
							var display [3]figure
							for i, pool := range year.Pools {
								low := 100 * pool.Arrived / pool.Referred / widestBand * widestBand
								display[i] = figure{Range{from, to}, low, min(low+widestBand, 100)}
							}
							found[display] = append(found[display], year)
						}
					}
				}
			}
			for display, years := range found {
				want := slices.Min(distinct(years)) >= enough
				insiders := map[[2]int][]Year{}
				for _, year := range years {
					referred := [2]int{year.Pools[0].Referred, year.Pools[1].Referred}
					insiders[referred] = append(insiders[referred], year)
					for _, pool := range year.Pools {
						want = want && arrived-pool.Arrived >= minOthers
					}
				}
				for _, years := range insiders {
					left := distinct(years)
					want = want && min(left[1], left[4], left[7]) >= enough
				}
				if got := safe(Rounded(n, percent), display[:]); got != want {
					t.Errorf("%d of %d arrived, %v: safe is %v, by enumeration %v", arrived, n, display, got, want)
				}
				verdicts[want]++
			}
		}
	}
	if verdicts[true] == 0 || verdicts[false] == 0 {
		t.Errorf("the displays are all safe or all unsafe: %v", verdicts)
	}
}

func TestTheAttackFindsWhatNaiveMethodsGiveAway(t *testing.T) {
	years := Years(1, 60, 2, 80, 200)
	for _, control := range []struct {
		name    string
		share   func(Score) Mean
		atleast float64
	}{
		{"Exact from 10", func(s Score) Mean { return s.Pools }, 90},
		{"Exact from 10", func(s Score) Mean { return s.Steps }, 50},
		{"From 8, rounded to 5", func(s Score) Mean { return s.Pools }, 10},
		{"Live total", func(s Score) Mean { return s.Steps }, 90},
	} {
		score := Measure(Methods()[control.name], years)
		if got := control.share(score).Value(); got < control.atleast {
			t.Errorf("%s gives away only %.1f %%: %+v", control.name, got, score)
		}
	}
}
