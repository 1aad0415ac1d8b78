package release

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"aankomst/server/store"
)

func TestClosedTotalIsShownToThePersonWhereArrivalsAreSpread(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		cells []cell
		want  string
	}{
		{"9 in the other pool", []cell{{n: 40, arrived: 30}, {n: 20, arrived: 9}}, "protected"},
		{"10 in the other pool", []cell{{n: 40, arrived: 30}, {n: 20, arrived: 10}}, "exact 67% of 60"},
		{"9 in the other pool, which comes first", []cell{{n: 20, arrived: 9}, {n: 40, arrived: 30}}, "protected"},
		{"9 in two other pools", []cell{{n: 20, arrived: 5}, {n: 30, arrived: 30}, {n: 20, arrived: 4}}, "protected"},
		{"10 in two other pools", []cell{{n: 20, arrived: 5}, {n: 30, arrived: 30}, {n: 20, arrived: 5}}, "exact 57% of 70"},

		// One centre may have seen all of its pool and all that arrived outside the pool of their code.
		{"10 but for elsewhere", []cell{{n: 40, arrived: 30}, {n: 20, arrived: 15, elsewhere: 5}}, "exact 75% of 60"},
		{"9 but for elsewhere", []cell{{n: 40, arrived: 30}, {n: 20, arrived: 15, elsewhere: 6}}, "protected"},
		{"elsewhere out of the large pool is not taken away twice",
			[]cell{{n: 35, arrived: 27, elsewhere: 6}, {n: 24, arrived: 20, elsewhere: 6}}, "exact 80% of 59"},
		{"elsewhere moves which pool's centre can know most",
			[]cell{{n: 40, arrived: 24, elsewhere: 20}, {n: 40, arrived: 16}}, "protected"},
		{"all elsewhere, perhaps at one centre",
			[]cell{{n: 30, arrived: 20, elsewhere: 20}, {n: 30, arrived: 20, elsewhere: 20}}, "protected"},
		{"20 but for elsewhere", []cell{{n: 20, arrived: 10, elsewhere: 3}, {n: 20, arrived: 10, elsewhere: 4}, {n: 20, arrived: 10, elsewhere: 3}}, "exact 50% of 60"},
		{"19 but for elsewhere", []cell{{n: 20, arrived: 10, elsewhere: 3}, {n: 20, arrived: 10, elsewhere: 4}, {n: 20, arrived: 10, elsewhere: 4}}, "protected"},

		{"13 referrals in the other pool", []cell{{n: 47, arrived: 30}, {n: 13, arrived: 12}}, "exact 70% of 60"},
		{"12 referrals in the other pool", []cell{{n: 48, arrived: 30}, {n: 12, arrived: 12}}, "protected"},

		{"one pool", []cell{{n: 200, arrived: 100}}, "band 50-55% of 200-209"},
		{"one pool, small", []cell{{n: 24, arrived: 20}}, "protected"},
		{"one pool and an empty one", []cell{{n: 200, arrived: 100}, {}}, "protected"},
		{"more arrived than were referred", []cell{{n: 30, arrived: 32}, {n: 30, arrived: 31}}, "band 90-100% of 60"},
		{"more in one pool only", []cell{{n: 30, arrived: 32}, {n: 30, arrived: 22}}, "exact 87% of 60"},
		{"nobody", []cell{{}, {}}, "protected"},
	} {
		if got := frozen(t, closing, c.cells...).Figures[0].shows(); got != c.want {
			t.Errorf("%s: shown as %q, want %q", c.name, got, c.want)
		}
	}
}

// The groups of a closed cohort's document that are no pools or types, in their order.
const otherGroups = "total_with_arrived_without_code voided replacements referred_without_code arrived_without_code elsewhere " +
	"wait:up_to_2_weeks wait:2_to_6_weeks wait:6_weeks_to_3_months wait:3_to_6_months wait:over_6_months"

func groupsIn(document Document) string {
	var groups []string
	for _, figure := range document.Figures {
		groups = append(groups, figure.Group)
	}
	return strings.Join(groups, " ")
}

func TestEveryReleaseHasTheSameFigures(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cutOff CutOff
		status Status
		groups string
	}{
		{march, Provisional, "total"},
		{june, Provisional, "total"},
		{september, Provisional, "total"},
		{yearEnd, Provisional, "total"},
		{closing, Final, "total pool:1 pool:2 pool:3 " + otherGroups},
	} {
		for _, cells := range [][]cell{thirds(0, 0), thirds(150, 110)} {
			document := frozen(t, c.cutOff, cells...)
			if got := groupsIn(document); got != c.groups {
				t.Errorf("%s holds %s, want %s", c.cutOff.Key, got, c.groups)
			}
			if document.Status != c.status || document.CutOff != c.cutOff.Day || document.Cohort != 2026 ||
				document.Policy != Current.Version || document.Schema != Schema || document.FrozenLate {
				t.Errorf("%s is headed %+v", c.cutOff.Key, document)
			}
			for i, figure := range document.Figures {
				want := ""
				if i >= 1 && i <= 3 {
					want = fmt.Sprintf("Pool %c", 'A'+i-1)
				}
				if figure.Name != want {
					t.Errorf("%s: %s is named %q, want %q", c.cutOff.Key, figure.Group, figure.Name, want)
				}
			}
		}
	}
	late := june
	late.Late = true
	if !frozen(t, late, thirds(60, 40)...).FrozenLate {
		t.Error("a late draft does not say so")
	}
}

func TestATypeThatIsAUnionOfPoolsHasAFigure(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		// pools are the types of each pool's centres.
		pools [][]store.CentreType
		want  string
	}{
		{"two pools of one type", [][]store.CentreType{{"CGG", "CGG"}, {"CAW", "CAW"}, {"CGG"}}, "type:CGG [1 3] 75-80, 12-18 not"},
		{"one pool, which is shown already", [][]store.CentreType{{"CGG"}, {"CAW"}, {"UFC"}}, ""},
		{"all pools, which are the total", [][]store.CentreType{{"CGG"}, {"CGG"}, {"CGG"}}, ""},
		{"a centre is in a pool of another type too", [][]store.CentreType{{"CGG"}, {"CGG"}, {"CAW", "CGG"}}, ""},
		{"a centre whose type is not known", [][]store.CentreType{{"CGG"}, {"CGG", ""}, {"CAW"}}, ""},
		{"types that are not known are none", [][]store.CentreType{{""}, {""}, {"CAW"}}, ""},
		{"two of them, by name", [][]store.CentreType{{"CGG"}, {"CGG"}, {"CAW"}, {"CAW"}}, "type:CAW [3 4] 75-80, 9-23 not; type:CGG [1 2] 100-105, 12-26 not"},
		{"one of its pools is not shown", [][]store.CentreType{{"CGG"}, {"CAW"}, {"CGG"}, {"UFC"}}, "type:CGG [1 3] protected"},
	} {
		sizes := []cell{{n: 40, arrived: 30}, {n: 60, arrived: 50}, {n: 40, arrived: 35}, {n: 40, arrived: 30}}
		if c.name == "one of its pools is not shown" {
			sizes[2] = cell{n: 20, arrived: 15}
		}
		source := Source{Types: map[string]store.CentreType{}}
		source.Cohort, source.Counts = world(sizes[:len(c.pools)]...)
		for i, types := range c.pools {
			for j, kind := range types {
				centre := fmt.Sprintf("centre-%d-%d", i, j)
				source.Cohort.Pools[i].Centres = append(source.Cohort.Pools[i].Centres, centre)
				if kind != "" {
					source.Types[centre] = kind
				}
			}
		}
		document, err := Freeze(Current, source, closing)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		var got []string
		for _, figure := range document.Figures[1+len(c.pools):] {
			if strings.HasPrefix(figure.Group, "type:") {
				got = append(got, fmt.Sprint(figure.Group, " ", figure.Pools, " ", brief(figure)))
			}
		}
		if text := strings.Join(got, "; "); text != c.want {
			t.Errorf("%s: %q, want %q", c.name, text, c.want)
		}
	}
}

func TestPoolsAreShownOfTwelveAtMost(t *testing.T) {
	t.Parallel()
	for count, want := range map[int]Shown{12: Banded, 13: Protected} {
		document := frozen(t, closing, slices.Repeat([]cell{{n: 60, arrived: 45}}, count)...)
		for _, figure := range document.Figures[1 : 1+count] {
			if figure.Shown != want {
				t.Errorf("of %d pools, %s is shown as %s", count, figure.Group, figure.shows())
			}
		}
		if got := document.Figures[0].Shown; got != Exact {
			t.Errorf("of %d pools the total is shown as %s", count, got)
		}
	}
}

// A year as it comes, picture by picture; every one knows those before.
func TestAYearOfReleases(t *testing.T) {
	t.Parallel()
	type picture struct {
		cutOff CutOff
		cells  []cell
		want   string
	}
	for name, pictures := range map[string][]picture{
		"an ordinary year": {
			{march, thirds(14, 6), "too_early"},
			{june, thirds(33, 22), "band 60-80% of 30-34"},
			{september, thirds(49, 35), "band 36-80% of 40-49"},
			{yearEnd, thirds(64, 46), "too_early"},
			{closing, thirds(64, 49), "exact 77% of 64"},
		},
		"a large year": {
			{june, thirds(60, 40), "band 60-70% of 60-69"},
			{yearEnd, thirds(100, 70), "band 70-75% of 100-109"},
			{closing, thirds(100, 81), "exact 81% of 100"},
		},
		// 70-75 % of 100-109 are 77 arrivals or more, if there were 109 referrals.
		"hardly anybody arrived after 31 December": {
			{yearEnd, thirds(100, 70), "band 70-75% of 100-109"},
			{closing, thirds(100, 80), "protected"},
		},
		"99 on 31 December": {
			{yearEnd, thirds(99, 70), "too_early"},
			{closing, thirds(99, 70), "exact 71% of 99"},
		},
		"hardly anybody was referred after June": {
			{june, thirds(60, 30), "band 50-60% of 60-69"},
			{closing, thirds(63, 50), "protected"},
		},
		// In June at most 6 of 30 had not arrived, and at least 28 of 34 had.
		"a pool that leaves 27 others, after June": {
			{june, thirds(32, 27), "band 80-100% of 30-34"},
			{closing, []cell{{n: 33, arrived: 22}, {n: 27, arrived: 18}}, "exact 67% of 60"},
		},
		"a pool that leaves 26": {
			{june, thirds(32, 27), "band 80-100% of 30-34"},
			{closing, []cell{{n: 34, arrived: 22}, {n: 26, arrived: 18}}, "protected"},
		},
		"a second time the same": {
			{june, thirds(33, 22), "band 60-80% of 30-34"},
			{september, thirds(33, 22), "band 52-100% of 30-34"},
		},
	} {
		var source Source
		for _, picture := range pictures {
			source.Cohort, source.Counts = world(picture.cells...)
			document, err := Freeze(Current, source, picture.cutOff)
			if err != nil {
				t.Fatal(err)
			}
			if got := document.Figures[0].shows(); got != picture.want {
				t.Errorf("%s, %s: shown as %q, want %q", name, picture.cutOff.Key, got, picture.want)
			}
			source.Earlier = append(source.Earlier, document)
		}
		if _, err := Audit([]Policy{Current}, source.Earlier, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestADocumentNamesTheRunningTotalsBeforeIt(t *testing.T) {
	t.Parallel()
	source := Source{Earlier: []Document{
		frozen(t, september, thirds(49, 35)...), frozen(t, june, thirds(33, 22)...), frozen(t, march, thirds(24, 12)...),
		frozen(t, closing, cell{n: 60, arrived: 40}),
	}}
	source.Cohort, source.Counts = world(thirds(64, 46)...)
	want := []Running{{"2026-06-30", Range{30, 34}, Range{60, 80}}, {"2026-09-30", Range{40, 49}, Range{60, 80}}}
	for _, cutOff := range []CutOff{yearEnd, closing} {
		document, err := Freeze(Current, source, cutOff)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(document.After, want) {
			t.Errorf("%s is after %+v, want %+v", cutOff.Key, document.After, want)
		}
	}
	if after := frozen(t, june, thirds(33, 22)...).After; after != nil {
		t.Errorf("the first is after %+v", after)
	}
}

func TestFreezeRefusesCountsOfSomethingElse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		spoil func(*store.Counts)
		want  string
	}{
		{"a pool is missing", func(c *store.Counts) { c.Pools = c.Pools[:1] }, "the pools and the counts do not match"},
		{"a pool too many", func(c *store.Counts) { c.Pools = append(c.Pools, store.PoolCounts{Number: 3, Issued: 9}) }, "the pools and the counts do not match"},
		{"practice is counted", func(c *store.Counts) { c.Pools = append(c.Pools, store.PoolCounts{Issued: 9}) }, "the pools and the counts do not match"},
		{"another pool", func(c *store.Counts) { c.Pools[1].Number = 7 }, "the pools and the counts do not match"},
		{"another year", func(c *store.Counts) { c.Year = 2025 }, "the counts are of 2025"},
	} {
		for _, cutOff := range cutOffs {
			cohort, counts := world(cell{n: 40, arrived: 30}, cell{n: 40, arrived: 30})
			c.spoil(&counts)
			document, err := Freeze(Current, Source{Cohort: cohort, Counts: counts}, cutOff)
			if !errors.Is(err, ErrSource) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "2026") {
				t.Errorf("%s, at %s: %v", c.name, cutOff.Key, err)
			}
			if document.Figures != nil {
				t.Errorf("%s, at %s: figures all the same", c.name, cutOff.Key)
			}
		}
	}
}
