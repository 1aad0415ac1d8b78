package release

import (
	"testing"
)

// late are cohorts made to be as hard as can be for those who know the register: a running total is shown, after it
// pools begin or grow, and few arrive any more, so that most of those who were referred since did not.
func late(do func(history)) {
	for _, first := range []cell{{n: 25, arrived: 18}, {n: 27, arrived: 18}, {n: 32, arrived: 25}, {n: 43, arrived: 20}, {n: 62, arrived: 40}, {n: 110, arrived: 83}} {
		for _, second := range []cell{{}, {n: 6, arrived: 4}} {
			for _, since := range []int{3, 13, 16, 18, 20, 23, 31} {
				for _, gained := range []int{4, 10, 13, 17} {
					for _, own := range []int{0, 2} {
						then, end := []cell{first, second}, []cell{first, second}
						end[0].arrived += own
						end[1].n, end[1].arrived = end[1].n+since, end[1].arrived+gained-own
						h := history{cells: [][]cell{{{}, {}}, then, then, end, end}}
						if h.possible() {
							do(h)
						}
					}
				}
			}
		}
	}
}

func TestPoolsThatGrowAfterARunningTotalKeepTheirValues(t *testing.T) {
	t.Parallel()
	shown := 0
	late(func(h history) {
		documents := h.documents(t)
		if documents[len(documents)-1].Figures[0].Shown != Exact {
			return
		}
		shown++
		publish, _ := publishers(t)
		all := newSearch(publish, h, true)
		keeps := func(of target, changes func(history, func(history))) {
			if found := all.keeps(of, 4, changes); found < 4 {
				t.Errorf("%s keeps %v, the register known: %v; %v", of.name, values(of, all.worlds), all.register, h.cells)
			}
		}
		referrals, outcomes := poolTargets(2)
		for i, of := range outcomes {
			keeps(of, moves(i/2, true))
		}
		all = all.withoutRegister()
		for i, of := range referrals {
			keeps(of, moves(i, false))
		}
	})
	if shown < 100 {
		t.Errorf("%d totals are shown to the person", shown)
	}
}

// Where hardly anything comes between two cut-offs, the later figure must not be shown as sharply as it could be alone.
func TestReleasesBetweenWhichHardlyAnybodyCameKeepTheirValues(t *testing.T) {
	t.Parallel()
	for gained := range 8 {
		first := []cell{{n: 40, arrived: 25}, {n: 29, arrived: 17}}
		more := []cell{{n: 48, arrived: 25}, {n: 37, arrived: 17 + gained}}
		small := []cell{{n: 16, arrived: 10}, {n: 14, arrived: 8}}
		least := []cell{{n: 16, arrived: 12}, {n: 14 + gained, arrived: 13}}
		none := []cell{{}, {}}
		for _, h := range []history{
			{cells: [][]cell{none, first, first, more, more}},
			{cells: [][]cell{none, first, more, more, more}},
			{cells: [][]cell{first, more, more, {{n: 57, arrived: 31}, {n: 52, arrived: 30}}, {{n: 57, arrived: 31}, {n: 52, arrived: 30 + gained}}}},
			{cells: [][]cell{none, small, small, least, least}},
		} {
			documents := h.documents(t)
			publish, totals := publishers(t)
			for lost := range given(publish, totals, h, documents[len(documents)-1].Figures[0]) {
				t.Errorf("%+v of %v", lost, h.cells)
			}
		}
	}
}
