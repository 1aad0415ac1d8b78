package release

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// smallPolicy is like today's for cohorts so small that all of their tables can be gone through.
func smallPolicy(minReferrals int) Policy {
	return Policy{
		MinReferrals: minReferrals, MinValues: 2,
		Classes: []Class{{From: minReferrals, Width: 5}}, Bands: []Band{{From: minReferrals, Width: 40}},
		MinArrived: 5, MinNotArrived: 2, MinOtherCentres: 2, MinOtherReferrals: 3,
	}
}

// everyTable returns all tables of pools that a total of a closed cohort leaves possible.
func everyTable(policy Policy, count int, total closed) [][]cell {
	var tables [][]cell
	var add func(before []cell, left closed)
	add = func(before []cell, left closed) {
		if len(before) == count {
			if left == (closed{}) {
				tables = append(tables, slices.Clone(before))
			}
			return
		}
		for n := range min(left.referrals, total.referrals-policy.MinOtherReferrals) + 1 {
			for arrived := range min(left.arrived, n, total.arrived-policy.MinOtherCentres) + 1 {
				add(append(before, cell{n: n, arrived: arrived}), closed{left.referrals - n, left.arrived - arrived})
			}
		}
	}
	add(nil, total)
	return tables
}

// sideOf is what is split of a pool: those who did not arrive, or those who did where they are fewer.
func (p *pools) sideOf(c cell) int {
	if p.arrived {
		return c.arrived
	}
	return c.n - c.arrived
}

// hold reports whether a table is in the ranges of what is known.
func (p *pools) hold(table []cell) bool {
	for i, c := range table {
		x := p.sideOf(c)
		if c.n < p.n[i].Low || c.n > p.n[i].High || x < p.x[i].Low || x > p.x[i].High {
			return false
		}
	}
	return true
}

func groupNames(count int) []string {
	var names []string
	for i := range count {
		names = append(names, poolGroup(uint32(i+1)))
	}
	return names
}

func TestRangesAreDrawnTogetherAndNoTableIsLost(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		small, count := smallPolicy(5), rapid.IntRange(2, 3).Draw(t, "pools")
		total := closed{referrals: rapid.IntRange(8, 14).Draw(t, "referrals")}
		total.arrived = rapid.IntRange(small.MinArrived, total.referrals-small.MinNotArrived).Draw(t, "arrived")
		tables := everyTable(small, count, total)
		state := newPools(small, count, total, running{})
		for range rapid.IntRange(0, 4).Draw(t, "steps") {
			pool := rapid.IntRange(0, count-1).Draw(t, "pool")
			part := func(of Range) Range {
				low := rapid.IntRange(of.Low, of.High).Draw(t, "low")
				return Range{low, rapid.IntRange(low, of.High).Draw(t, "high")}
			}
			before := fmt.Sprint(state)
			n, x := part(state.n[pool]), part(state.x[pool])
			known := state.with(pool, n, x)
			if fmt.Sprint(state) != before {
				t.Fatalf("what was known before is changed from %s to %+v", before, state)
			}
			tables = slices.DeleteFunc(tables, func(table []cell) bool {
				c := table[pool]
				return !n.holds(Range{c.n, c.n}) || !x.holds(Range{known.sideOf(c), known.sideOf(c)})
			})
			if known.empty() {
				if len(tables) > 0 {
					t.Fatalf("%+v leaves nothing, but %+v fits", known, tables[0])
				}
				return
			}
			state = known
		}
		for _, table := range tables {
			if !state.hold(table) {
				t.Fatalf("%+v is not in %+v", table, state)
			}
		}
		for i := range count {
			if state.n[i].Low < 0 || state.x[i].Low < 0 || state.n[i].High > total.referrals-small.MinOtherReferrals || state.x[i].High > state.side {
				t.Fatalf("%+v holds what the total excludes", state)
			}
		}
	})
}

// leftOf counts, table by table, what possible counts: sizes, and sides with all sizes known.
func (p *pools) leftOf(tables [][]cell, pool int) possible {
	sizes, sides := map[int]bool{}, map[string]map[int]bool{}
	own := map[string]int{}
	for _, table := range tables {
		key := ""
		for _, c := range table {
			key += fmt.Sprint(c.n, " ")
		}
		if sides[key] == nil {
			sides[key] = map[int]bool{}
		}
		sizes[table[pool].n], sides[key][p.sideOf(table[pool])], own[key] = true, true, table[pool].n
	}
	left := possible{referrals: len(sizes), side: p.x[pool].values()}
	for key, of := range sides {
		alone := 0
		for x := range own[key] + 1 {
			if rest := p.side - x; rest >= 0 && rest <= p.referrals-own[key] {
				alone++
			}
		}
		if len(of) >= p.policy.MinValues || len(of) < alone {
			left.side = min(left.side, len(of))
		}
	}
	return left
}

// walked returns every table that a total leaves after running totals, what is known at the end of the walks along them,
// and the tables that led to it.
func walked(t *testing.T, policy Policy, count int, total closed, known running) (all [][]cell, states map[string]pools, led map[string][][]cell) {
	t.Helper()
	narrower := policy
	narrower.MinOtherReferrals = known.outside(policy, total)
	all, states, led = everyTable(narrower, count, total), map[string]pools{}, map[string][][]cell{}
	for _, table := range all {
		state, counts := newPools(policy, count, total, known), truth{}
		for i, c := range table {
			counts[axis{poolGroup(uint32(i + 1)), countReferrals}], counts[axis{poolGroup(uint32(i + 1)), countSide}] = c.n, state.sideOf(c)
		}
		if err := state.walk(groupNames(count), counts); err != nil {
			t.Fatalf("%+v after %+v: %v", table, known, err)
		}
		key := fmt.Sprint(state)
		states[key], led[key] = state, append(led[key], table)
	}
	return all, states, led
}

// The tables that lead to what is known are all that its ranges hold, so that a reader learns the ranges and no
// more; and what stays possible of them is counted as going through all of them counts it.
func TestTheWalkTellsItsPartsAndNoMore(t *testing.T) {
	t.Parallel()
	var large []closed
	for arrived := 5; arrived <= 26; arrived++ {
		large = append(large, closed{28, arrived}, closed{31, arrived})
	}
	for _, years := range []struct {
		pools, minReferrals int
		totals              []closed
	}{
		{2, 8, large},
		{3, 5, []closed{{17, 14}, {18, 7}, {19, 9}, {19, 16}}},
	} {
		small, split := smallPolicy(years.minReferrals), 0
		for _, total := range years.totals {
			tables, states, led := walked(t, small, years.pools, total, running{})
			classes := map[string]bool{}
			for key, state := range states {
				checkState(t, state, tables, led[key])
				classes[fmt.Sprint(state.n)] = true
			}
			split += len(states) - len(classes)
		}
		if split == 0 {
			t.Errorf("no rate of %d pools is split", years.pools)
		}
	}
}

// checkState checks what is known at the end of a walk beside all tables and those that led to it.
func checkState(t *testing.T, state pools, all, led [][]cell) {
	t.Helper()
	held := 0
	for _, table := range all {
		if state.hold(table) {
			held++
		}
	}
	if held != len(led) || slices.ContainsFunc(led, func(table []cell) bool { return !state.hold(table) }) {
		t.Fatalf("%+v holds %d tables, and %d lead to it", state, held, len(led))
	}
	if !state.safe() {
		t.Fatalf("%+v is not safe", state)
	}
	for i := range state.n {
		left, any := state.possible(i)
		if want := state.leftOf(led, i); left != want || !any {
			t.Fatalf("%+v leaves %+v to pool %d, want %+v", state, left, i+1, want)
		}
	}
}

func TestAPoolCanBeMoreThanItsPartsLeave(t *testing.T) {
	t.Parallel()
	state := newPools(Current, 2, closed{120, 80}, running{})
	if state.empty() {
		t.Fatalf("a total leaves nothing: %+v", state)
	}
	for _, c := range []struct {
		name string
		n, x Range
		want string
	}{
		{"more did not arrive than in all", Range{60, 69}, Range{41, 50}, ""},
		{"more referrals than others can leave", Range{108, 119}, Range{0, 40}, ""},
		{"all did not arrive in a pool that is too large", Range{90, 99}, Range{0, 0}, ""},
		{"possible", Range{60, 69}, Range{20, 24}, "[{60 69} {51 60}] [{20 24} {16 20}]"},
		{"a pool may hold as many arrivals as leave ten", Range{80, 89}, Range{0, 15}, "[{80 85} {35 40}] [{10 15} {25 30}]"},
	} {
		known := state.with(0, c.n, c.x)
		got := ""
		if !known.empty() {
			got = fmt.Sprint(known.n, known.x)
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// What is shown of pools in years that tell something about the rules: their referrals, and those who did not
// arrive, or who did where they are fewer.
func TestPoolsOfInstructiveYears(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		cells []cell
		want  string
	}{
		{"two alike", []cell{{n: 60, arrived: 42}, {n: 60, arrived: 38}}, "60-69, 14-18 not; 51-60, 22-26 not"},
		{"wider where smaller", []cell{{n: 30, arrived: 22}, {n: 30, arrived: 25}}, "30-35, 4-9 not; 25-30, 4-9 not"},
		{"few arrived", []cell{{n: 60, arrived: 20}, {n: 60, arrived: 15}}, "60-69, 16-20 arrived; 51-60, 15-19 arrived"},
		{"a small one beside a large one", []cell{{n: 25, arrived: 20}, {n: 100, arrived: 80}}, "25-29, 4-9 not; 96-100, 16-21 not"},
		{"one below 25", []cell{{n: 24, arrived: 20}, {n: 100, arrived: 80}}, "protected; 100-111, 10-24 not"},
		{"one far below 25 is shown alike", []cell{{n: 14, arrived: 10}, {n: 110, arrived: 90}}, "protected; 100-111, 10-24 not"},
		{"all below 25", []cell{{n: 24, arrived: 18}, {n: 24, arrived: 18}, {n: 24, arrived: 18}}, "protected; protected; protected"},
		{"25 to 28 would be four sizes", []cell{{n: 27, arrived: 20}, {n: 14, arrived: 12}}, "protected; protected"},
		{"25 to 29 are five", []cell{{n: 27, arrived: 20}, {n: 15, arrived: 12}}, "25-29, 3-10 not; protected"},
		{"an empty one", []cell{{n: 150, arrived: 110}, {}, {n: 150, arrived: 120}}, "150-159, 39-45 not; protected; 140-150, 15-31 not"},
		{"all of one arrived", []cell{{n: 60, arrived: 60}, {n: 60, arrived: 55}}, "60-69, 0-5 not; 51-60, 0-5 not"},
		{"none of one arrived", []cell{{n: 100}, {n: 100, arrived: 80}, {n: 40, arrived: 20}},
			"100-105, 0-4 arrived; 100-105, 80-84 arrived; 35-40, 16-20 arrived"},
		// Knowing the others, the last would be known too sharply: so they are shown less sharply.
		{"three small ones", []cell{{n: 40, arrived: 30}, {n: 40, arrived: 30}, {n: 40, arrived: 30}},
			"40-45, 6-14 not; 40-45, 6-14 not; 35-40, 7-14 not"},
	} {
		document := frozen(t, closing, c.cells...)
		if document.Figures[0].Shown != Exact {
			t.Fatalf("%s: the total is shown as %s", c.name, document.Figures[0].shows())
		}
		var got []string
		for _, figure := range document.Figures[1 : 1+len(c.cells)] {
			got = append(got, brief(figure))
		}
		if text := strings.Join(got, "; "); text != c.want {
			t.Errorf("%s: %q, want %q", c.name, text, c.want)
		}
	}
}

// brief says what ranges the figure of a pool shows.
func brief(figure Figure) string {
	switch {
	case figure.Shown != Banded:
		return string(figure.Shown)
	case figure.Arrived != nil:
		return fmt.Sprintf("%d-%d, %d-%d arrived", figure.Referrals.Low, figure.Referrals.High, figure.Arrived.Low, figure.Arrived.High)
	default:
		return fmt.Sprintf("%d-%d, %d-%d not", figure.Referrals.Low, figure.Referrals.High, figure.NotArrived.Low, figure.NotArrived.High)
	}
}
