package release

import (
	"bytes"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"aankomst/server/store"
)

func TestClosedTotalIsExactOnlyWhereItGivesNobodyAway(t *testing.T) {
	t.Parallel()
	// Without the rule about one centre, which is the stricter one, that about arrivals would not show.
	anyCentre := Current
	anyCentre.MinOtherCentres = 0
	for _, c := range []struct {
		name   string
		policy Policy
		cells  []cell
		want   string
	}{
		{"24 referrals", Current, []cell{{n: 8, arrived: 7}, {n: 8, arrived: 6}, {n: 8, arrived: 6}}, "protected"},
		{"25 referrals", Current, []cell{{n: 9, arrived: 7}, {n: 8, arrived: 7}, {n: 8, arrived: 6}}, "exact 80% of 25"},

		{"4 arrived", anyCentre, []cell{{n: 20, arrived: 2}, {n: 20, arrived: 2}}, "band 0-20% of 40-49"},
		{"5 arrived", anyCentre, []cell{{n: 20, arrived: 3}, {n: 20, arrived: 2}}, "exact 13% of 40"},
		{"4 did not", Current, []cell{{n: 20, arrived: 18}, {n: 20, arrived: 18}}, "band 80-100% of 40-49"},
		{"5 did not", Current, []cell{{n: 20, arrived: 18}, {n: 20, arrived: 17}}, "exact 88% of 40"},

		{"9 in the other pool", Current, []cell{{n: 40, arrived: 30}, {n: 20, arrived: 9}}, "band 60-70% of 60-69"},
		{"10 in the other pool", Current, []cell{{n: 40, arrived: 30}, {n: 20, arrived: 10}}, "exact 67% of 60"},
		{"9 in the other pool, which comes first", Current, []cell{{n: 20, arrived: 9}, {n: 40, arrived: 30}}, "band 60-70% of 60-69"},
		{"9 in two other pools", Current, []cell{{n: 20, arrived: 5}, {n: 20, arrived: 30}, {n: 20, arrived: 4}}, "band 60-70% of 60-69"},
		{"10 in two other pools", Current, []cell{{n: 20, arrived: 5}, {n: 20, arrived: 30}, {n: 20, arrived: 5}}, "exact 67% of 60"},

		// One centre may have seen all of its pool and all that arrived outside the pool of their code.
		{"10 but for elsewhere", Current, []cell{{n: 40, arrived: 30}, {n: 20, arrived: 15, elsewhere: 5}}, "exact 75% of 60"},
		{"9 but for elsewhere", Current, []cell{{n: 40, arrived: 30}, {n: 20, arrived: 15, elsewhere: 6}}, "band 70-80% of 60-69"},
		{"elsewhere out of the large pool is not taken away twice", Current,
			[]cell{{n: 35, arrived: 27, elsewhere: 6}, {n: 24, arrived: 20, elsewhere: 6}}, "exact 80% of 59"},
		{"elsewhere moves which pool's centre can know most", Current,
			[]cell{{n: 40, arrived: 24, elsewhere: 20}, {n: 40, arrived: 16}}, "band 50-60% of 80-89"},
		{"all elsewhere, perhaps at one centre", Current,
			[]cell{{n: 30, arrived: 20, elsewhere: 20}, {n: 30, arrived: 20, elsewhere: 20}}, "band 60-70% of 60-69"},

		{"one pool", Current, []cell{{n: 200, arrived: 100}}, "band 50-55% of 200-209"},
		{"two pools", Current, []cell{{n: 100, arrived: 50}, {n: 100, arrived: 50}}, "exact 50% of 200"},
		{"one pool and an empty one", Current, []cell{{n: 200, arrived: 100}, {}}, "band 50-55% of 200-209"},
		{"all arrived", Current, []cell{{n: 30, arrived: 30}, {n: 30, arrived: 30}}, "band 90-100% of 60-69"},
		{"none arrived", Current, []cell{{n: 30}, {n: 30}}, "band 0-10% of 60-69"},
		{"more arrived than were referred", Current, []cell{{n: 30, arrived: 32}, {n: 30, arrived: 31}}, "band 90-100% of 60-69"},
		{"more in one pool only", Current, []cell{{n: 30, arrived: 32}, {n: 30, arrived: 22}}, "exact 90% of 60"},
		{"nobody", Current, []cell{{}, {}}, "protected"},
	} {
		cohort, counts := world(c.cells...)
		document, err := Freeze(c.policy, cohort, counts, closed)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got := document.Figures[0].shows(); got != c.want {
			t.Errorf("%s: shown as %q, want %q", c.name, got, c.want)
		}
	}
}

func TestVoidedCodesAreNotReferrals(t *testing.T) {
	t.Parallel()
	cohort, counts := world(thirds(62, 47)...)
	counts.Pools[0].Voided = 3
	counts.Pools[1].Replaced, counts.Pools[1].ReplacementsVoided = 7, 2
	counts.Pools[2].ReferredWithoutCode, counts.ArrivedWithoutCode = 9, 4
	document, err := Freeze(Current, cohort, counts, closed)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := document.Figures[0].shows(), "exact 80% of 59"; got != want {
		t.Errorf("shown as %q, want %q", got, want)
	}
}

func TestPercentRoundsHalfUp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		arrived, n int
		want       string
	}{
		{25, 40, "exact 63% of 40"},    // 62.5
		{15, 40, "exact 38% of 40"},    // 37.5
		{15, 200, "exact 8% of 200"},   // 7.5
		{89, 200, "exact 45% of 200"},  // 44.5, even when rounded to even
		{99, 200, "exact 50% of 200"},  // 49.5
		{101, 200, "exact 51% of 200"}, // 50.5
		{20, 60, "exact 33% of 60"},    // 33.3
		{40, 60, "exact 67% of 60"},    // 66.7
		{47, 59, "exact 80% of 59"},    // 79.7
		{30, 60, "exact 50% of 60"},
	} {
		if got := frozen(t, closed, thirds(c.n, c.arrived)...).Figures[0].shows(); got != c.want {
			t.Errorf("%d of %d is shown as %q, want %q", c.arrived, c.n, got, c.want)
		}
	}
}

func TestWhatIsOnTheMenu(t *testing.T) {
	t.Parallel()
	large := []cell{{n: 500, arrived: 300}, {n: 400, arrived: 250}}
	for _, c := range []struct {
		cutOff CutOff
		status Status
		groups []string
		total  string
	}{
		{march, Provisional, []string{"total"}, "too_early"},
		{june, Provisional, []string{"total"}, "too_early"},
		{september, Provisional, []string{"total"}, "too_early"},
		{yearEnd, Provisional, []string{"total", "pool:1", "pool:2"}, "too_early"},
		{closed, Final, []string{"total", "pool:1", "pool:2"}, "exact 61% of 900"},
	} {
		document := frozen(t, c.cutOff, large...)
		var groups []string
		for _, figure := range document.Figures {
			groups = append(groups, figure.Group)
			// Next to a total one pool gives away the other, however large.
			if figure.Group != GroupTotal && figure.Shown != Protected {
				t.Errorf("%s: %s is shown as %q", c.cutOff.Key, figure.Group, figure.shows())
			}
		}
		if !slices.Equal(groups, c.groups) {
			t.Errorf("%s holds %v, want %v", c.cutOff.Key, groups, c.groups)
		}
		if got := document.Figures[0].shows(); got != c.total {
			t.Errorf("%s: the total is shown as %q, want %q", c.cutOff.Key, got, c.total)
		}
		if document.Status != c.status || document.CutOff != c.cutOff.Day || document.Cohort != 2026 ||
			document.Policy != Current.Version || document.Schema != Schema || document.FrozenLate {
			t.Errorf("%s is headed %+v", c.cutOff.Key, document)
		}
	}
	late := june
	late.Late = true
	if !frozen(t, late, large...).FrozenLate {
		t.Error("a late draft does not say so")
	}
}

// Until the cohort is closed nothing is said, whatever happened, and then the whole figure.
func TestNoRunningTotalIsShown(t *testing.T) {
	t.Parallel()
	for _, step := range []struct {
		cutOff CutOff
		cells  []cell
		want   string
	}{
		{march, thirds(12, 9), "too_early"},
		{june, thirds(31, 25), "too_early"},
		{september, thirds(45, 33), "too_early"},
		{yearEnd, thirds(120, 90), "too_early"},
		{closed, thirds(120, 96), "exact 80% of 120"},
	} {
		if got := frozen(t, step.cutOff, step.cells...).Figures[0].shows(); got != step.want {
			t.Errorf("%s is shown as %q, want %q", step.cutOff.Key, got, step.want)
		}
	}
}

func TestAnyCountsBeforeTheClosingGiveTheSameBytes(t *testing.T) {
	t.Parallel()
	for _, cutOff := range []CutOff{march, june, september, yearEnd} {
		want := encoded(t, frozen(t, cutOff, cell{}, cell{}))
		rapid.Check(t, func(t *rapid.T) {
			n := rapid.IntRange(0, 300).Draw(t, "n")
			got := encoded(t, frozen(t, cutOff,
				cell{n: n, arrived: rapid.IntRange(0, n+2).Draw(t, "arrived")},
				cell{n: rapid.IntRange(0, 99).Draw(t, "other")}))
			if got != want {
				t.Fatalf("%s, with nobody %s", got, want)
			}
		})
	}
}

// A running total that proves something beside the closed one: 24 of 30 arrived, in June too, so nobody
// came after. The display would show it; the gate does not, and June then tells nothing more than the
// closed year: whatever was counted by June, what is published is the same to the byte.
func TestRunningTotalBesideTheClosedOneRevealsNothing(t *testing.T) {
	t.Parallel()
	if got, want := runningTotal(thirds(30, 24)...).shows(), "band 80-100% of 30-34"; got != want {
		t.Errorf("June would be shown as %q, want %q", got, want)
	}
	final := frozen(t, closed, thirds(30, 24)...)
	if got, want := final.Figures[0].shows(), "exact 80% of 30"; got != want {
		t.Errorf("the closed year is shown as %q, want %q", got, want)
	}
	history := func(n, arrived int) [][]byte {
		return documentsOf(published(t,
			draftOf(t, frozen(t, june, thirds(n, arrived)...), june),
			draftOf(t, final, closed),
		))
	}
	want := history(30, 24)
	for n := range 31 {
		for arrived := range min(n, 24) + 1 {
			if got := history(n, arrived); !slices.EqualFunc(got, want, bytes.Equal) {
				t.Fatalf("%d of %d in June give %s, 24 of 30 %s", arrived, n, got, want)
			}
		}
	}
}

// The primary rule, in the display: what is below it looks like nobody, and 25 do not.
func TestDisplayHidesFewerThan25(t *testing.T) {
	t.Parallel()
	pool := store.Pool{Number: 2, Name: "Pool B"}
	for n := range 25 {
		for arrived := range n + 3 {
			if got, want := runningTotal(thirds(n, arrived)...), (Figure{Group: "total", Shown: TooEarly}); got != want {
				t.Errorf("%d of %d: the running total is %+v", arrived, n, got)
			}
			got := poolFigure(Current, pool, store.PoolCounts{Number: 2, Issued: n + 3, Voided: 3, Arrived: arrived})
			if want := (Figure{Group: "pool:2", Name: "Pool B", Shown: Protected}); got != want {
				t.Errorf("%d of %d: the pool is %+v", arrived, n, got)
			}
		}
	}
	if got, want := runningTotal(cell{n: 13, arrived: 9}, cell{n: 12, arrived: 9}).shows(), "band 60-80% of 25-29"; got != want {
		t.Errorf("a running total of 25 is %q, want %q", got, want)
	}
	if got, want := poolFigure(Current, pool, store.PoolCounts{Issued: 25, Arrived: 18}).shows(), "band 60-80% of 25-29"; got != want {
		t.Errorf("a pool of 25 is %q, want %q", got, want)
	}
}

func TestZeroLooksLikeAnyOtherProtectedCell(t *testing.T) {
	t.Parallel()
	for _, cutOff := range cutOffs {
		want := encoded(t, frozen(t, cutOff, cell{}, cell{}))
		rapid.Check(t, func(t *rapid.T) {
			first := rapid.IntRange(0, 24).Draw(t, "first")
			second := rapid.IntRange(0, 24-first).Draw(t, "second")
			got := encoded(t, frozen(t, cutOff,
				cell{n: first, arrived: rapid.IntRange(0, first+2).Draw(t, "arrived")},
				cell{n: second, arrived: rapid.IntRange(0, second).Draw(t, "arrived too"), elsewhere: rapid.IntRange(0, second).Draw(t, "elsewhere")}))
			if got != want {
				t.Fatalf("at %s %d and %d referrals give %s, nobody %s", cutOff.Key, first, second, got, want)
			}
		})
	}
}

// Whatever lies in the ranges that are shown gives the same figure: no hidden count shines through, in
// the interval or anything else.
func TestEveryTableInTheShownRangesGivesTheSameFigure(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(25, 150).Draw(t, "n")
		total := runningTotal(split(t, n, rapid.IntRange(0, n+3).Draw(t, "arrived"))...)
		otherN := rapid.IntRange(total.Referrals.Low, total.Referrals.High).Draw(t, "other n")
		least := (total.Rate.Low*otherN + 99) / 100
		most := (total.Rate.High*otherN+99)/100 - 1
		if total.Rate.High == 100 {
			most = otherN + 3
		}
		other := split(t, otherN, rapid.IntRange(least, most).Draw(t, "other arrived"))
		if got := runningTotal(other...); !reflect.DeepEqual(got, total) {
			t.Fatalf("%v gives %q with %+v, not %q with %+v", other, got.shows(), got.Interval, total.shows(), total.Interval)
		}
	})
}

// With a closed total two tables can be shown alike too, and then they are alike to the byte.
func TestTablesThatShowAlikeGiveTheSameBytes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 300).Draw(t, "n")
		arrived := rapid.IntRange(0, n).Draw(t, "arrived")
		draw := func(n, arrived int) Document {
			cells := split(t, n, arrived)
			return frozen(t, closed, cells[0], cell{n: n - cells[0].n, arrived: arrived - cells[0].arrived})
		}
		one := draw(n, arrived)
		near := rapid.IntRange(max(0, n-9), n+9).Draw(t, "n nearby")
		for _, other := range []Document{
			draw(n, arrived),
			draw(n, min(n, arrived+1)),
			draw(near, rapid.IntRange(0, near).Draw(t, "arrived nearby")),
		} {
			if one.Figures[0].shows() == other.Figures[0].shows() && encoded(t, one) != encoded(t, other) {
				t.Fatalf("%s and %s", encoded(t, one), encoded(t, other))
			}
		}
	})
}

// wide reports whether a range is one of those that a banded figure may show.
func wide(member string, r Range) bool {
	switch member {
	case "referrals":
		return r.Low >= 25 && (r.High == r.Low+4 && r.Low%5 == 0 && r.High < 40 || r.High == r.Low+9 && r.Low%10 == 0 && r.Low >= 40)
	case "rate":
		width := r.High - r.Low
		return (width == 5 || width == 10 || width == 20) && r.Low%width == 0 && r.Low >= 0 && r.High <= 100
	default:
		// The interval is checked against what is shown in a test of its own.
		return member == "interval"
	}
}

// A document is read as any program would: nothing in it but the ranges, and those wide.
func TestNoExactCountIsInADocument(t *testing.T) {
	t.Parallel()
	heading := map[string]bool{"schema": true, "policy": true, "cohort": true, "status": true, "cutOff": true, "figures": true}
	rapid.Check(t, func(t *rapid.T) {
		cells := anyCells.Draw(t, "pools")
		cutOff := rapid.SampledFrom(cutOffs).Draw(t, "cut-off")
		var document struct {
			Figures []map[string]json.RawMessage `json:"figures"`
		}
		var members map[string]json.RawMessage
		made := frozen(t, cutOff, cells...)
		if !cutOff.final() {
			// The display that the gate holds back must pass as well.
			made.Figures[0] = runningTotal(cells...)
		}
		text := []byte(encoded(t, made))
		if err := json.Unmarshal(text, &document); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &members); err != nil {
			t.Fatal(err)
		}
		for member := range members {
			if !heading[member] {
				t.Fatalf("a document holds %q", member)
			}
		}
		for i, figure := range document.Figures {
			var shown Shown
			if err := json.Unmarshal(figure["shown"], &shown); err != nil {
				t.Fatal(err)
			}
			names := slices.Sorted(maps.Keys(figure))
			names = slices.DeleteFunc(names, func(name string) bool { return name == "name" && i > 0 })
			want := []string{"group", "shown"}
			if shown == Exact || shown == Banded {
				want = []string{"group", "interval", "rate", "referrals", "shown"}
			}
			if !slices.Equal(names, want) {
				t.Fatalf("a figure shown as %q holds %q", shown, names)
			}
			if shown == Exact && (i > 0 || !cutOff.final()) {
				t.Fatalf("figure %d is exact at %s", i, cutOff.Key)
			}
			if shown != Banded {
				continue
			}
			for _, member := range []string{"referrals", "rate", "interval"} {
				var r Range
				if err := json.Unmarshal(figure[member], &r); err != nil {
					t.Fatal(err)
				}
				if string(figure[member]) != encodedRange(r) || !wide(member, r) {
					t.Fatalf("the %s of figure %d is %s", member, i, figure[member])
				}
			}
		}
	})
}

func encodedRange(r Range) string {
	high, _ := json.Marshal(r.High)
	low, _ := json.Marshal(r.Low)
	return `{"high":` + string(high) + `,"low":` + string(low) + `}`
}

// The order in which pools were made or read changes nothing, and what was handed in stays as it was.
func TestOrderOfPoolsChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cells := anyCells.Draw(t, "pools")
		cutOff := rapid.SampledFrom(cutOffs).Draw(t, "cut-off")
		want := encoded(t, frozen(t, cutOff, cells...))
		cohort, counts := world(cells...)
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		rng.Shuffle(len(cohort.Pools), func(i, j int) { cohort.Pools[i], cohort.Pools[j] = cohort.Pools[j], cohort.Pools[i] })
		rng.Shuffle(len(counts.Pools), func(i, j int) { counts.Pools[i], counts.Pools[j] = counts.Pools[j], counts.Pools[i] })
		pools, counted := slices.Clone(cohort.Pools), slices.Clone(counts.Pools)
		document, err := Freeze(Current, cohort, counts, cutOff)
		if err != nil {
			t.Fatal(err)
		}
		if got := encoded(t, document); got != want {
			t.Fatalf("in another order: %s, not %s", got, want)
		}
		if !slices.Equal(counted, counts.Pools) || !reflect.DeepEqual(pools, cohort.Pools) {
			t.Fatal("the counts that were handed in were put in another order")
		}
	})
}

func TestFreezeRefusesCountsOfSomethingElse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		spoil func(*store.Counts)
		want  string
	}{
		{"a pool is missing", func(c *store.Counts) { c.Pools = c.Pools[:1] }, "the pools and the counts do not match"},
		{"all are missing", func(c *store.Counts) { c.Pools = nil }, "the pools and the counts do not match"},
		{"a pool too many", func(c *store.Counts) { c.Pools = append(c.Pools, store.PoolCounts{Number: 3, Issued: 9}) }, "the pools and the counts do not match"},
		{"practice is counted", func(c *store.Counts) { c.Pools = append(c.Pools, store.PoolCounts{Issued: 9}) }, "the pools and the counts do not match"},
		{"another pool", func(c *store.Counts) { c.Pools[1].Number = 7 }, "the pools and the counts do not match"},
		{"another year", func(c *store.Counts) { c.Year = 2025 }, "the counts are of 2025"},
	} {
		for _, cutOff := range cutOffs {
			cohort, counts := world(cell{n: 40, arrived: 30}, cell{n: 40, arrived: 30})
			c.spoil(&counts)
			document, err := Freeze(Current, cohort, counts, cutOff)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "2026") {
				t.Errorf("%s, at %s: %v", c.name, cutOff.Key, err)
			}
			if document.Figures != nil {
				t.Errorf("%s, at %s: figures all the same", c.name, cutOff.Key)
			}
		}
	}
}

func TestWithheld(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		document Document
		want     bool
	}{
		{frozen(t, march, cell{n: 24}), true},
		{frozen(t, closed, cell{n: 24}), true},
		{frozen(t, yearEnd, thirds(59, 47)...), true},
		{frozen(t, closed, cell{n: 25}), false},
		{frozen(t, closed, thirds(59, 47)...), false},
	} {
		if got := c.document.Withheld(); got != c.want {
			t.Errorf("%s: withheld is %t", c.document.Figures[0].shows(), got)
		}
	}
}
