package release

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"aankomst/server/store"
)

// planning is the cohort of 2026 with a pool for each text of types, such as "CGG CGG CAW", and a document that
// shows these figures: the total, then the pools. The centres of pool 1 are 1a, 1b and so on.
func planning(pools []string, figures ...Figure) Planning {
	from := Planning{
		Last:   Document{Schema: Schema, Policy: Current.Version, Cohort: 2026, Status: Final, Figures: figures},
		Cohort: store.Cohort{Year: 2026}, MinCentres: 3,
	}
	for i, types := range pools {
		pool := store.Pool{Number: uint32(i + 1), Name: fmt.Sprintf("P%c", 'A'+i)}
		for j, kind := range strings.Fields(types) {
			centre := store.Centre{ID: fmt.Sprintf("%d%c", i+1, 'a'+j), Type: store.CentreType(strings.TrimPrefix(kind, "-")), Archived: kind[0] == '-'}
			from.Centres = append(from.Centres, centre)
			pool.Centres = append(pool.Centres, centre.ID)
		}
		from.Cohort.Pools = append(from.Cohort.Pools, pool)
	}
	return from
}

// withTotal is an exact total, and pools in size classes or protected, which are two zeros.
func withTotal(total int, sizes ...Range) []Figure {
	all := []Figure{{Group: GroupTotal, Shown: Exact, Rate: &Range{60, 60}, Referrals: &Range{total, total}}}
	for i, size := range sizes {
		figure := Figure{Group: poolGroup(uint32(i + 1)), Shown: Banded, Rate: &Range{50, 70}, Referrals: &size}
		if size == (Range{}) {
			figure.Shown, figure.Rate, figure.Referrals = Protected, nil, nil
		}
		all = append(all, figure)
	}
	return all
}

// text writes advice on one line: what, of which pools, into what.
func (a Advice) text() string {
	line := fmt.Sprint(a.Verdict, a.Pools)
	for _, pool := range a.Into {
		line += fmt.Sprintf(" %s: %s;", pool.Name, strings.Join(pool.Centres, " "))
	}
	return line
}

func TestPoolsArePlannedFromWhatIsPublished(t *testing.T) {
	const three = "CGG CGG CGG"
	hidden := Range{}
	for name, test := range map[string]struct {
		from Planning
		want []string
	}{
		"both shown": {planning([]string{three, "CAW CAW CAW"}, withTotal(70, Range{35, 39}, Range{30, 35})...), []string{"keep[1]", "keep[2]"}},
		"a protected pool is merged with one that has a centre of its type": {
			planning([]string{"CAW CAW CAW", "OTHER OTHER CAW", three, "UFC UFC UFC"}, withTotal(190, Range{80, 89}, hidden, Range{60, 69}, Range{30, 34})...),
			[]string{"merge[1 2] PA + PB: 1a 1b 1c 2a 2b 2c;", "keep[3]", "keep[4]"},
		},
		"of those of its type with the smallest": {
			planning([]string{three, "CGG CGG CAW", three}, withTotal(160, Range{80, 89}, hidden, Range{60, 69})...),
			[]string{"keep[1]", "merge[2 3] PB + PC: 2a 2b 2c 3a 3b 3c;"},
		},
		"or with the smallest of all": {
			planning([]string{three, "CAW CAW CAW", "UFC UFC UFC"}, withTotal(130, Range{70, 79}, Range{40, 49}, hidden)...),
			[]string{"keep[1]", "merge[2 3] PB + PC: 2a 2b 2c 3a 3b 3c;"},
		},
		"protected pools are merged with each other first": {
			planning([]string{three, "CAW CAW CAW", three, "UFC UFC UFC"}, withTotal(140, hidden, Range{50, 59}, Range{40, 49}, hidden)...),
			[]string{"merge[1 4] PA + PD: 1a 1b 1c 4a 4b 4c;", "keep[2]", "keep[3]"},
		},
		"and with another when even together they are not certain to have enough": {
			planning([]string{three, "CAW CAW CAW", three, "UFC UFC UFC"}, withTotal(132, hidden, Range{50, 59}, Range{40, 49}, hidden)...),
			[]string{"keep[2]", "merge[1 3 4] PA + PC + PD: 1a 1b 1c 3a 3b 3c 4a 4b 4c;"},
		},
		"of two pools one may be left": {
			planning([]string{three, "CAW CAW CAW"}, withTotal(60, hidden, Range{40, 47})...), []string{"merge[1 2] PA + PB: 1a 1b 1c 2a 2b 2c;"},
		},
		"a large pool of two types is split between them": {
			planning([]string{three, "CAW CAW CAW UFC CGG CGG CGG CGG"}, withTotal(120, Range{40, 49}, Range{70, 80})...),
			[]string{"keep[1]", "split[2] CGG: 2e 2f 2g 2h; CAW + UFC: 2a 2b 2c 2d;"},
		},
		"one whose types do not fill two pools is split as people say": {
			planning([]string{three, "CAW CAW CAW CAW CAW UFC"}, withTotal(100, Range{40, 49}, Range{51, 60})...), []string{"keep[1]", "split[2]"},
		},
		"one of five centres cannot be split": {
			planning([]string{three, "CAW CAW CAW CAW CAW"}, withTotal(140, Range{40, 49}, Range{91, 100})...), []string{"keep[1]", "keep[2]"},
		},
		"nor one of six when one is archived": {
			planning([]string{three, "CAW CAW CAW CAW CAW -CAW"}, withTotal(140, Range{40, 49}, Range{91, 100})...), []string{"keep[1]", "keep[2]"},
		},
		"nor one of which a half may have too few": {
			planning([]string{three, "CAW CAW CAW CAW CAW CAW"}, withTotal(90, Range{40, 49}, Range{41, 50})...), []string{"keep[1]", "keep[2]"},
		},
		"nor one whose smaller part may, with an uneven number of centres": {
			planning([]string{three, "CAW CAW CAW CAW CAW CAW CAW"}, withTotal(100, Range{40, 49}, Range{51, 60})...), []string{"keep[1]", "keep[2]"},
		},
		"a pool whose centres were archived is merged, however large": {
			planning([]string{"CAW CAW -CAW", three, "CAW CAW CAW"}, withTotal(150, Range{50, 59}, Range{40, 49}, Range{50, 59})...),
			[]string{"keep[2]", "merge[1 3] PA + PC: 1a 1b 3a 3b 3c;"},
		},
		"a cohort's only pool is as large as its total": {
			planning([]string{"CAW CAW CAW CAW CAW CAW"}, Figure{Group: GroupTotal, Shown: Banded, Rate: &Range{60, 70}, Referrals: &Range{50, 59}}, Figure{Group: "pool:1", Shown: Protected}),
			[]string{"split[1]"},
		},
		"and may be kept though it is not large": {
			planning([]string{"CAW CAW CAW CAW CAW CAW"}, Figure{Group: GroupTotal, Shown: Banded, Rate: &Range{60, 80}, Referrals: &Range{40, 49}}, Figure{Group: "pool:1", Shown: Protected}),
			[]string{"keep[1]"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			all, err := Plan([]Policy{Current}, test.from)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, advice := range all {
				got = append(got, advice.text())
			}
			// A merged pool stands where its first one stood.
			slices.Sort(got)
			slices.Sort(test.want)
			if !slices.Equal(got, test.want) {
				t.Errorf("the advice is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

// Beside a total that is not shown exactly every pool is protected, large ones too.
func TestAProtectedPoolTellsNothingWhenTheTotalIsNotExact(t *testing.T) {
	pools := []string{"CGG CGG CGG", "CAW CAW CAW"}
	few := withTotal(90, Range{}, Range{})
	few[0].Shown, few[0].Rate, few[0].Arrived = Banded, &Range{0, 20}, &Range{0, 10}
	hidden := []Figure{{Group: GroupTotal, Shown: Protected}, few[1], few[2]}
	old := planning(pools, withTotal(90, Range{}, Range{})...)
	old.Last.Policy = "2025-1"
	for name, from := range map[string]Planning{"few arrived": planning(pools, few...), "nothing shown": planning(pools, hidden...), "an older policy": old} {
		all, err := Plan([]Policy{Current}, from)
		if err != nil {
			t.Fatal(err)
		}
		for _, advice := range all {
			if advice.Verdict != Untold || strings.ContainsAny(advice.Reason, "0123456789") {
				t.Errorf("%s: %s because %s", name, advice.text(), advice.Reason)
			}
		}
		if len(all) != 2 {
			t.Errorf("%s: %d pieces of advice", name, len(all))
		}
	}
	// What the directory tells is told all the same.
	all, err := Plan([]Policy{Current}, planning([]string{"CGG CGG -CGG", "CAW CAW CAW"}, hidden...))
	if err != nil || len(all) != 1 || all[0].Verdict != Merge {
		t.Errorf("a pool with two centres in use: %v, %v", all, err)
	}
}

func TestPoolsArePlannedFromTheLatestFinalRelease(t *testing.T) {
	var published []store.Release
	var last *store.Release
	for i, draft := range []struct {
		year   int
		cutOff CutOff
	}{{2025, closing}, {2027, march}, {2026, closing}, {2024, closing}, {2027, june}} {
		document := frozen(t, draft.cutOff, thirds(90, 60)...)
		document.Cohort = draft.year
		next, err := Publish(store.Draft{Year: draft.year, CutOff: draft.cutOff.Key, Body: []byte(encoded(t, document))}, last, fmt.Sprintf("2028-01-%02d", i+1))
		if err != nil {
			t.Fatal(err)
		}
		published, last = append(published, next), &next
	}
	latest, err := LatestFinal(published)
	if err != nil || latest.Cohort != 2026 || latest.Status != Final || latest.Number != 3 {
		t.Errorf("the latest is %d of %d, %s: %v", latest.Number, latest.Cohort, latest.Status, err)
	}
	for _, none := range [][]store.Release{nil, published[1:2]} {
		if _, err := LatestFinal(none); !errors.Is(err, ErrNoFinal) {
			t.Errorf("of %d releases, none of them final: %v", len(none), err)
		}
	}
	published[2].Document = []byte("{}")
	if _, err := LatestFinal(published); !errors.Is(err, ErrDocument) {
		t.Errorf("of a release that cannot be read: %v", err)
	}
}

func TestPoolsAreNotPlannedFromAnotherCohort(t *testing.T) {
	from := planning([]string{"CGG CGG CGG"}, withTotal(90, Range{40, 49})...)
	from.Cohort.Year = 2025
	if _, err := Plan([]Policy{Current}, from); !errors.Is(err, ErrSource) {
		t.Errorf("the release of 2026 and the cohort of 2025: %v", err)
	}
}

var wholeNumber = regexp.MustCompile(`\d+`)

// Whatever was counted: each pool is in one piece of advice, the text holds no number but 25, and what pools are
// merged into is certain to be large enough, or is all that there are.
func TestPlannedPoolsCanBeShown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cells := rapid.OneOf(anyCells, rapid.Custom(func(t *rapid.T) []cell {
			cells := split(t, rapid.IntRange(25, 160).Draw(t, "n"), 0)
			for i := range cells {
				cells[i].arrived = cells[i].n * 2 / 3
			}
			return cells
		})).Draw(t, "pools")
		types := make([]string, len(cells))
		for i := range types {
			types[i] = strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"CAW", "CGG", "UFC", "OTHER", "-CAW"}), 1, 9).Draw(t, "types"), " ")
		}
		from := planning(types, frozen(t, closing, cells...).Figures...)
		all, err := Plan([]Policy{Current}, from)
		if err != nil {
			t.Fatalf("planning: %v", err)
		}
		again, err := Plan([]Policy{Current}, from)
		if err != nil || !reflect.DeepEqual(all, again) {
			t.Errorf("planned again it is %v, and was %v", again, all)
		}
		var pools []uint32
		for _, advice := range all {
			pools = append(pools, advice.Pools...)
			for _, number := range wholeNumber.FindAllString(advice.Reason, -1) {
				if number != "25" {
					t.Errorf("a number in %q", advice.Reason)
				}
			}
			checkSizes(t, from, cells, all, advice)
		}
		slices.Sort(pools)
		for i, number := range pools {
			if len(pools) != len(cells) || int(number) != i+1 {
				t.Fatalf("there is advice about the pools %v of %d", pools, len(cells))
			}
		}
	})
}

// checkSizes holds advice against the counts that the release was made of, which the planner does not see.
func checkSizes(t *rapid.T, from Planning, cells []cell, all []Advice, advice Advice) {
	told, n, centres := from.Last.Figures[0].Shown == Exact, 0, 0
	for _, number := range advice.Pools {
		n += cells[number-1].n
		for _, centre := range from.Centres {
			if !centre.Archived && slices.Contains(from.Cohort.Pools[number-1].Centres, centre.ID) {
				centres++
			}
		}
	}
	switch {
	case len(all) == 1 && len(cells) > 1:
		// Nothing else can be merged.
	case told && advice.Verdict != Split && (n < Current.MinReferrals || centres < from.MinCentres):
		t.Errorf("%s leaves %d referrals and %d centres of %v", advice.text(), n, centres, cells)
	case advice.Verdict == Split && (n < 2*Current.MinReferrals || centres < 2*from.MinCentres):
		t.Errorf("%s splits %d referrals and %d centres of %v", advice.text(), n, centres, cells)
	}
	for _, pool := range advice.Into {
		if advice.Verdict == Split && len(pool.Centres) < from.MinCentres {
			t.Errorf("%s makes a pool of %d centres", advice.text(), len(pool.Centres))
		}
	}
}
