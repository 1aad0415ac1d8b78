package release

import (
	"fmt"
	"slices"
	"testing"

	"aankomst/server/store"
)

// beside freezes a closed cohort with everything that is counted beside arrivals, and says what is shown of it.
func beside(t *testing.T, counts store.Counts, cells ...cell) map[string]string {
	t.Helper()
	source := Source{}
	source.Cohort, source.Counts = world(cells...)
	source.Counts.ArrivedWithoutCode, source.Counts.Waits = counts.ArrivedWithoutCode, counts.Waits
	for i, pool := range counts.Pools {
		to := &source.Counts.Pools[i]
		to.Issued, to.Voided = to.Issued+pool.Voided, pool.Voided
		to.Replaced, to.ReplacementsVoided, to.ReferredWithoutCode = pool.Replaced, pool.ReplacementsVoided, pool.ReferredWithoutCode
	}
	document, err := Freeze(Current, source, closing)
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]string{}
	for _, figure := range document.Figures[1+len(cells):] {
		shown[figure.Group] = figure.shows()
		if figure.Count != nil {
			shown[figure.Group] += fmt.Sprintf(", %d-%d", figure.Count.Low, figure.Count.High)
		}
	}
	return shown
}

func TestSharesOfReferralsAtEveryEdge(t *testing.T) {
	t.Parallel()
	pools := func(first, second store.PoolCounts) store.Counts {
		return store.Counts{Pools: []store.PoolCounts{first, second}}
	}
	// Of 120 referrals counts are shown in steps of six, five per cent of them.
	cells := []cell{{n: 60, arrived: 40}, {n: 60, arrived: 40}}
	for _, c := range []struct {
		group  string
		counts store.Counts
		want   string
	}{
		{GroupVoided, pools(store.PoolCounts{}, store.PoolCounts{}), "band 0-5%, 0-5"},
		{GroupVoided, pools(store.PoolCounts{Voided: 2}, store.PoolCounts{Voided: 3}), "band 0-5%, 0-5"},
		{GroupVoided, pools(store.PoolCounts{Voided: 3}, store.PoolCounts{Voided: 3}), "band 5-10%, 6-11"},
		{GroupVoided, pools(store.PoolCounts{Voided: 100}, store.PoolCounts{Voided: 43}), "band 115-120%, 138-143"},
		{GroupReplacements, pools(store.PoolCounts{Replaced: 6}, store.PoolCounts{}), "band 5-10%, 6-11"},
		{GroupReplacements, pools(store.PoolCounts{Replaced: 6, ReplacementsVoided: 1}, store.PoolCounts{}), "band 0-5%, 0-5"},
		{GroupReplacements, pools(store.PoolCounts{Replaced: 6}, store.PoolCounts{ReplacementsVoided: 1}), "band 5-10%, 6-11"},
		{GroupReferredWithoutCode, pools(store.PoolCounts{ReferredWithoutCode: 7}, store.PoolCounts{ReferredWithoutCode: 5}), "band 10-15%, 12-17"},
		{GroupArrivedWithoutCode, store.Counts{ArrivedWithoutCode: 5}, "band 0-5%, 0-5"},
		{GroupArrivedWithoutCode, store.Counts{ArrivedWithoutCode: 6}, "band 5-10%, 6-11"},
		// Its upper end is where the rate would be with 5, 11 and 41 more.
		{GroupWithArrivedWithoutCode, store.Counts{ArrivedWithoutCode: 5}, "band 67-71%"},
		{GroupWithArrivedWithoutCode, store.Counts{ArrivedWithoutCode: 6}, "band 67-76%"},
		{GroupWithArrivedWithoutCode, store.Counts{ArrivedWithoutCode: 40}, "band 67-100%"},
		{GroupElsewhere, store.Counts{}, "band 0-10%, 0-7"},
	} {
		if got := beside(t, c.counts, cells...)[c.group]; got != c.want {
			t.Errorf("%s of %+v is shown as %q, want %q", c.group, c.counts, got, c.want)
		}
	}
}

func TestHowManyCountsLookAlike(t *testing.T) {
	t.Parallel()
	for base, want := range map[int]int{25: 5, 26: 6, 49: 10, 50: 5, 51: 6, 99: 10, 100: 5, 101: 6, 200: 10, 201: 11} {
		if got := partWidth(Current, base); got != want {
			t.Errorf("of %d, %d counts look alike, want %d", base, got, want)
		}
	}
	// More than stay possible at least, however narrow the bands.
	if got := partWidth(changed(func(p *Policy) { p.MinValues = 8 }), 50); got != 9 {
		t.Errorf("%d counts look alike where eight must stay possible", got)
	}
}

func TestPartsOfArrivalsAtEveryEdge(t *testing.T) {
	t.Parallel()
	waits := func(bands ...int) store.Counts {
		var counts store.Counts
		copy(counts.Waits[store.WaitUpTo2Weeks:], bands)
		return counts
	}
	for _, c := range []struct {
		name, group string
		counts      store.Counts
		cells       []cell
		want        string
	}{
		{"7 of 80", "wait:up_to_2_weeks", waits(7), []cell{{n: 60, arrived: 40}, {n: 60, arrived: 40}}, "band 0-10%, 0-7"},
		{"8 of 80", "wait:up_to_2_weeks", waits(8), []cell{{n: 60, arrived: 40}, {n: 60, arrived: 40}}, "band 10-20%, 8-15"},
		{"all of 80", "wait:over_6_months", waits(0, 0, 0, 0, 80), []cell{{n: 60, arrived: 40}, {n: 60, arrived: 40}}, "band 90-100%, 72-80"},
		{"none, beside all of 80", "wait:over_6_months", waits(80), []cell{{n: 60, arrived: 40}, {n: 60, arrived: 40}}, "band 0-10%, 0-8"},
		{"7 of 80 elsewhere", GroupElsewhere, store.Counts{}, []cell{{n: 60, arrived: 40, elsewhere: 3}, {n: 60, arrived: 40, elsewhere: 4}}, "band 0-10%, 0-7"},
		{"8 of 80 elsewhere", GroupElsewhere, store.Counts{}, []cell{{n: 60, arrived: 40, elsewhere: 4}, {n: 60, arrived: 40, elsewhere: 4}}, "band 10-20%, 8-15"},
		{"all elsewhere but for twenty", GroupElsewhere, store.Counts{}, []cell{{n: 60, arrived: 40, elsewhere: 30}, {n: 60, arrived: 40, elsewhere: 30}}, "band 60-75%, 48-60"},
		// Fewer than 25 arrivals are too few for shares of them.
		{"of 24", "wait:up_to_2_weeks", waits(24), []cell{{n: 30, arrived: 12}, {n: 30, arrived: 12}}, "protected"},
		{"of 24 elsewhere", GroupElsewhere, store.Counts{}, []cell{{n: 30, arrived: 12}, {n: 30, arrived: 12}}, "protected"},
		{"of 25", "wait:up_to_2_weeks", waits(4), []cell{{n: 30, arrived: 12}, {n: 30, arrived: 13}}, "band 0-20%, 0-4"},
		{"of 25 elsewhere", GroupElsewhere, store.Counts{}, []cell{{n: 30, arrived: 12}, {n: 30, arrived: 13}}, "band 0-20%, 0-5"},
		// Nothing is shown beside a total that is not shown to the person.
		{"of a total in a range", "wait:up_to_2_weeks", waits(58), []cell{{n: 30, arrived: 29}, {n: 30, arrived: 29}}, "protected"},
	} {
		if got := beside(t, c.counts, c.cells...)[c.group]; got != c.want {
			t.Errorf("%s is shown as %q, want %q", c.name, got, c.want)
		}
	}
}

// All ways of sharing out a small base: those that are shown alike are all that the parts hold, and every category,
// and what is in none, keeps as many values as it should.
func TestATableTellsItsPartsAndNoMore(t *testing.T) {
	t.Parallel()
	policy := smallPolicy(5)
	policy.MinValues = 3
	names := []string{"a", "b", "c"}
	for base := 12; base <= 20; base++ {
		all := sharesOf(base, len(names)+1)
		shown, alike := map[string][]Figure{}, map[string][][]int{}
		for _, shares := range all {
			counts := truth{}
			for i, name := range names {
				counts[axis{name, countOthers}] = shares[i]
			}
			figures, err := splitTable(policy, base, names, base, counts)
			if err != nil {
				t.Fatalf("%v of %d: %v", shares, base, err)
			}
			key := ""
			for _, figure := range figures {
				key += fmt.Sprint(*figure.Count)
			}
			shown[key], alike[key] = figures, append(alike[key], shares)
		}
		for key, figures := range shown {
			held := 0
			for _, shares := range all {
				if !slices.ContainsFunc([]int{0, 1, 2}, func(i int) bool { return !figures[i].Count.holds(Range{shares[i], shares[i]}) }) {
					held++
				}
			}
			if held != len(alike[key]) {
				t.Fatalf("of %d, %s holds %d tables, and %d are shown so", base, key, held, len(alike[key]))
			}
			for category := range len(names) + 1 {
				values := map[int]bool{}
				for _, table := range alike[key] {
					values[table[category]] = true
				}
				if len(values) < policy.MinValues {
					t.Fatalf("category %d of %d keeps %d values beside %s", category, base, len(values), key)
				}
			}
		}
		if len(shown) < 3 {
			t.Fatalf("of %d hardly anything is told: %d displays", base, len(shown))
		}
	}
}

// sharesOf returns all ways of sharing out a base.
func sharesOf(base, categories int) [][]int {
	if categories == 1 {
		return [][]int{{base}}
	}
	var all [][]int
	for first := range base + 1 {
		for _, rest := range sharesOf(base-first, categories-1) {
			all = append(all, slices.Concat([]int{first}, rest))
		}
	}
	return all
}
