package cohort

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"aankomst/refcode"
	"aankomst/server/store"
)

var idOf = map[store.CentreType]string{store.TypeCAW: "caw", store.TypeCGG: "cgg", store.TypeUFC: "ufc", store.TypeOther: "other"}

// centresOf returns centres by type, ordered by ID.
func centresOf(numbers map[store.CentreType]int) []store.Centre {
	var centres []store.Centre
	for kind, n := range numbers {
		for i := range n {
			centres = append(centres, store.Centre{ID: fmt.Sprintf("%s-%d", idOf[kind], i+1), Type: kind})
		}
	}
	slices.SortFunc(centres, func(a, b store.Centre) int { return strings.Compare(a.ID, b.ID) })
	return centres
}

func TestDefaultPools(t *testing.T) {
	t.Parallel()
	type numbers = map[store.CentreType]int
	for _, c := range []struct {
		name     string
		centres  numbers
		expected int
		want     []string // name, number of centres, expected referrals
	}{
		{"one of each type", numbers{"CAW": 4, "CGG": 3, "OTHER": 3}, 1000, []string{"CAW 4 400", "CGG 3 300", "OTHER 3 300"}},
		{"a single UFC joins the smallest", numbers{"CAW": 5, "CGG": 3, "UFC": 1}, 900, []string{"CAW 5 500", "CGG + UFC 4 400"}},
		{"a single UFC joins the only one", numbers{"CAW": 5, "UFC": 1}, 60, []string{"CAW + UFC 6 60"}},
		{"of two of the same size, the first", numbers{"CAW": 3, "CGG": 3, "UFC": 1}, 700, []string{"CAW + UFC 4 400", "CGG 3 300"}},
		{"a rest of two joins too", numbers{"CAW": 3, "UFC": 1, "OTHER": 1}, 500, []string{"CAW + UFC + OTHER 5 500"}},
		{"a rest of three is a pool", numbers{"CAW": 6, "CGG": 2, "UFC": 1}, 900, []string{"CAW 6 600", "CGG + UFC 3 300"}},
		{"nothing but a rest", numbers{"CAW": 1, "CGG": 1, "UFC": 1}, 90, []string{"CAW + CGG + UFC 3 90"}},
		{"a rest that is too small", numbers{"CAW": 1, "UFC": 1}, 90, []string{"CAW + UFC 2 90"}},
		{"no centres", nil, 90, nil},
		{"expected referrals are rounded down", numbers{"CAW": 3, "CGG": 4}, 100, []string{"CAW 3 42", "CGG 4 57"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			centres := centresOf(c.centres)
			// Archived centres are left out, whatever they are.
			for i, kind := range []store.CentreType{"CAW", "UFC", "UFC", "UFC", "CGG"} {
				centres = append(centres, store.Centre{ID: fmt.Sprintf("gone-%d", i), Type: kind, Archived: true})
			}
			var got []string
			for _, pool := range DefaultPools(centres, c.expected) {
				got = append(got, fmt.Sprintf("%s %d %d", pool.Name, len(pool.Centres), pool.Expected))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// Whatever centres there are: each is in one default pool, and the pools pass whenever there is enough
// of everything.
func TestDefaultPoolsHideTheirCodes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		numbers := map[store.CentreType]int{}
		total := 0
		for kind := range idOf {
			numbers[kind] = rapid.IntRange(0, 6).Draw(t, string(kind))
			total += numbers[kind]
		}
		centres := centresOf(numbers)
		pools := DefaultPools(centres, MinExpected*total)
		var pooled []string
		for _, pool := range pools {
			pooled = append(pooled, pool.Centres...)
		}
		slices.Sort(pooled)
		var all []string
		for _, centre := range centres {
			all = append(all, centre.ID)
		}
		if !slices.Equal(pooled, all) {
			t.Fatalf("the centres %v are pooled as %v", all, pooled)
		}
		if err := checkPools(pools, centres); (err == nil) != (total >= MinCentres) {
			t.Fatalf("%v: %v", pools, err)
		}
	})
}

func TestWhichPlansAreRefused(t *testing.T) {
	t.Parallel()
	o := newOffice(t, "2026-03-04")
	if _, err := o.store.UpdateCentre(t.Context(), "other-3", func(c *store.Centre) error { c.Archived = true; return nil }); err != nil {
		t.Fatal(err)
	}
	k := o.start()
	good := func() Plan {
		p := o.plan(2026)
		p.Pools = []PoolPlan{
			{Name: "CAW", Centres: []string{"caw-1", "caw-2", "caw-3"}, Expected: 25},
			{Name: "CGG + andere", Centres: []string{"cgg-3", "cgg-1", "other-1"}, Expected: 100},
		}
		return p
	}
	name := func(text string) func(*Plan) { return func(p *Plan) { p.Pools[0].Name = text } }
	for _, c := range []struct {
		name   string
		change func(*Plan)
		want   error
		says   string
	}{
		{"a pool of two centres", func(p *Plan) { p.Pools[1].Centres = p.Pools[1].Centres[:2] }, ErrPlan, "merge it"},
		{"a pool of no centres", func(p *Plan) { p.Pools[1].Centres = nil }, ErrPlan, "merge it"},
		{"a pool that expects too few", func(p *Plan) { p.Pools[0].Expected = 24 }, ErrPlan, "fewer than 25"},
		{"a pool that expects less than nothing", func(p *Plan) { p.Pools[0].Expected = -100 }, ErrPlan, "fewer than 25"},
		{"default pools that expect too few", func(p *Plan) { p.Pools, p.Expected = nil, 60 }, ErrPlan, "fewer than 25"},
		{"a centre in two pools", func(p *Plan) { p.Pools[1].Centres[0] = "caw-2" }, ErrPlan, `"caw-2" is named in pool CAW and`},
		{"a centre twice in a pool", func(p *Plan) { p.Pools[0].Centres[0] = "caw-2" }, ErrPlan, `"caw-2" is named`},
		{"an archived centre", func(p *Plan) { p.Pools[1].Centres[2] = "other-3" }, ErrPlan, `"other-3", which does not exist or is archived`},
		{"an unknown centre", func(p *Plan) { p.Pools[1].Centres[2] = "nowhere" }, ErrPlan, `"nowhere", which does not exist`},
		{"a centre without name", func(p *Plan) { p.Pools[1].Centres[2] = "" }, ErrPlan, "does not exist"},
		{"two pools of one name", func(p *Plan) { p.Pools[1].Name = "CAW" }, ErrPlan, "two pools are called CAW"},
		{"no name", name(""), ErrPlan, "name"},
		{"a blank name", name(" "), ErrPlan, "name"},
		{"a name with a space before it", name(" CAW"), ErrPlan, "name"},
		{"a name that spreadsheets compute", name("=1+1"), ErrPlan, "name"},
		{"a name of two lines", name("a\nb"), ErrPlan, "name"},
		{"a name that turns text around", name("a\u202eb"), ErrPlan, "name"},
		{"a name that is no text", name("a\xff"), ErrPlan, "name"},
		{"a name too long", name(strings.Repeat("é", MaxName+1)), ErrPlan, "name"},
		{"no recipients", func(p *Plan) { p.Recipients = nil }, ErrPlan, "escrow recipient"},
		{"a wrong recipient", func(p *Plan) { p.Recipients = append(p.Recipients, "An") }, ErrRecipient, "number 2"},
		{"no layout", func(p *Plan) { p.Layout = 0 }, ErrPlan, "layout"},
		{"an unknown layout", func(p *Plan) { p.Layout = 3 }, ErrPlan, "layout"},
		{"last year", func(p *Plan) { p.Year = 2025 }, ErrPlan, "open 2026"},
		{"no year", func(p *Plan) { p.Year = 0 }, ErrPlan, "open 2026"},
		{"a year that no code can hold", func(p *Plan) { p.Year = 2026 + 1<<16 }, ErrPlan, "no year"},
		{"next year", func(p *Plan) { p.Year = 2027 }, ErrTooSoon, "2026-12-01"},
	} {
		t.Run(c.name, func(t *testing.T) {
			plan := good()
			c.change(&plan)
			_, err := k.Open(t.Context(), plan)
			if !errors.Is(err, c.want) || !strings.Contains(fmt.Sprint(err), c.says) {
				t.Errorf("got %v, want a refusal that says %q", err, c.says)
			}
			if got := names(t, o.folder); len(got) != 0 {
				t.Errorf("it left %v", got)
			}
			if cohorts, err := o.store.ListCohorts(t.Context()); err != nil || len(cohorts) != 0 {
				t.Errorf("it left %d cohorts (%v)", len(cohorts), err)
			}
		})
	}
	plan := good()
	plan.Pools[1].Name = strings.Repeat("é", MaxName)
	cohort, err := k.Open(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	want := []store.Pool{
		{Number: 1, Name: "CAW", Centres: []string{"caw-1", "caw-2", "caw-3"}},
		{Number: 2, Name: plan.Pools[1].Name, Centres: []string{"cgg-1", "cgg-3", "other-1"}},
	}
	if !reflect.DeepEqual(cohort.Pools, want) {
		t.Errorf("pools: got %+v, want %+v", cohort.Pools, want)
	}
	o.works(k, 2026)
}

func TestAPlanWithoutCentres(t *testing.T) {
	t.Parallel()
	o := &office{t: t, store: &faulty{Store: openStore(t)}, folder: newFolder(t), identity: identity(t)}
	o.setDay("2026-03-04")
	if _, err := o.start().Open(t.Context(), o.plan(2026)); !errors.Is(err, ErrPlan) || !strings.Contains(err.Error(), "no centres") {
		t.Errorf("got %v", err)
	}
}

func TestTheWarningToOpenACohort(t *testing.T) {
	t.Parallel()
	o := &office{t: t}
	for _, c := range []struct {
		name, now string
		years     []int
		want      string // what it says; empty: no warning
	}{
		{"all is well", "2026-11-30T23:59:59+01:00", []int{2026}, ""},
		{"from December on", "2026-12-01T00:00:00+01:00", []int{2026}, "2027 is not open yet"},
		{"December in Brussels, not in UTC", "2026-11-30T23:00:00Z", []int{2026}, "2027 is not open yet"},
		{"the next is open", "2026-12-31T23:59:59+01:00", []int{2025, 2026, 2027}, ""},
		{"the running year has none", "2026-05-04T12:00:00+02:00", []int{2025}, "no cohort for 2026"},
		{"a new year that has none", "2026-12-31T23:00:00Z", []int{2026}, "no cohort for 2027"},
		{"neither has one", "2026-12-05T12:00:00+01:00", nil, "no cohort for 2026"},
		{"only the next has one", "2026-12-05T12:00:00+01:00", []int{2027}, "no cohort for 2026"},
		{"a new store", "2026-05-04T12:00:00+02:00", nil, "no cohort for 2026"},
	} {
		o.setDay(c.now)
		var cohorts []store.Cohort
		for _, year := range c.years {
			cohorts = append(cohorts, store.Cohort{Year: year, Layout: uint8(refcode.Short), Stage: store.StageOpen})
		}
		got := OpenWarning(cohorts, o.clock())
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// Pools are checked when a cohort opens; archiving a centre later can still leave too few to hide behind.
func TestThinPools(t *testing.T) {
	t.Parallel()
	cohort := store.Cohort{Year: 2026, Pools: []store.Pool{
		{Number: 1, Centres: []string{"a", "b", "c"}}, {Number: 2, Centres: []string{"d", "e", "f", "g"}},
	}}
	for archived, pools := range map[string]int{"": 0, "a": 1, "d": 0, "de": 1, "ade": 2} {
		var centres []store.Centre
		for _, id := range "abcdefg" {
			centres = append(centres, store.Centre{ID: string(id), Archived: strings.ContainsRune(archived, id)})
		}
		if got := ThinPools(cohort, centres); len(got) != pools {
			t.Errorf("without %q: %q", archived, got)
		}
	}
	// A centre that is not known counts for nothing.
	if got := ThinPools(cohort, nil); len(got) != 2 || !strings.Contains(got[0], "pool 1 of 2026") {
		t.Errorf("without any: %q", got)
	}
}
