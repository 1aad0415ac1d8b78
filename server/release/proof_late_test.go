package release

import (
	"fmt"
	"testing"
)

// late are cohorts made to be as hard as can be for those who know the register: a running total is shown, after it
// pools begin or grow, and few arrive any more, so that most of those who were referred since did not.
func late(do func(history)) {
	for _, first := range []cell{{n: 27, arrived: 18}, {n: 32, arrived: 25}, {n: 43, arrived: 20}, {n: 62, arrived: 40}, {n: 110, arrived: 83}} {
		for _, second := range []cell{{}, {n: 6, arrived: 4}} {
			for _, since := range []int{3, 8, 14, 18, 24, 31} {
				for _, gained := range []int{4, 9, 11, 13, 16} {
					for _, own := range []int{0, 2, 6} {
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
		_, outcomes := poolTargets(2)
		for i, of := range outcomes {
			if found := all.keeps(of, 4, moves(i/2, true)); found < 4 {
				t.Errorf("%s keeps %v: %v", of.name, values(of, all.worlds), fmt.Sprint(h.cells))
			}
		}
	})
	t.Logf("%d totals are shown to the person", shown)
	if shown < 20 {
		t.Errorf("%d totals are shown to the person", shown)
	}
}
