package release

import (
	"fmt"
	"slices"
	"testing"
)

// laidTogether are histories by what is published of them.
type laidTogether map[string][]history

func (l laidTogether) add(publish publisher, h history) {
	bytes := string(publish(h))
	l[bytes] = append(l[bytes], h)
}

// keepValues reports what a reader of the published bytes can tell to fewer than four values: without the register of
// the helpline, and with it, where a total that is shown to the person would leave more.
func (l laidTogether) keepValues(t *testing.T, pools int, totals publisher) {
	t.Helper()
	referrals, outcomes := poolTargets(pools)
	alone := map[string][]history{}
	for _, worlds := range l {
		for _, h := range worlds {
			key := string(totals(h)) + h.sizes()
			alone[key] = append(alone[key], h)
		}
	}
	for bytes, worlds := range l {
		for _, of := range slices.Concat(referrals, outcomes) {
			if left := values(of, worlds); len(left) < 4 {
				t.Errorf("%s can only be %v, as for %v: %s", of.name, left, worlds[0].cells, bytes)
			}
		}
		exact := worlds[0].documents(t)[len(worlds[0].cells)-1].Figures[0].Shown == Exact
		bySizes := map[string][]history{}
		for _, h := range worlds {
			bySizes[h.sizes()] = append(bySizes[h.sizes()], h)
		}
		for sizes, worlds := range bySizes {
			before := alone[string(totals(worlds[0]))+sizes]
			for i, of := range outcomes {
				least := min(4, worlds[0].last()[i/2].n+1)
				if exact {
					least = min(4, len(values(of, before)))
				}
				if left := values(of, worlds); len(left) < least {
					t.Errorf("%s of %s can only be %v, and the totals leave %v: %s", of.name, sizes, left, values(of, before), bytes)
				}
			}
		}
	}
}

// describes reports when the tables with the same bytes are not exactly those that the auditor reads from the
// document: the ranges of each pool, together with what an exact total tells of the spread of referrals and arrivals.
func describes(t *testing.T, document Document, pools, n, arrived int, worlds []history) {
	t.Helper()
	known := newPools(Current, pools, closed{referrals: n, arrived: arrived}, running{})
	if err := known.walk(poolsOf(document).names(), displayed(document.Figures)); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, h := range worlds {
		got[fmt.Sprint(h.last())] = true
		for i, c := range h.last() {
			figure := document.Figures[1+i]
			for shown, number := range map[*Range]int{figure.Referrals: c.n, figure.Arrived: c.arrived, figure.NotArrived: c.n - c.arrived} {
				if shown != nil && (number < shown.Low || number > shown.High) {
					t.Errorf("%v is published as %+v", h.cells, *shown)
				}
			}
		}
	}
	stated := 0
	tablesOf(pools, n, arrived, func(cells []cell) {
		for i, c := range cells {
			side := Range{Low: c.n - c.arrived, High: c.n - c.arrived}
			if 2*arrived < n {
				side = Range{Low: c.arrived, High: c.arrived}
			}
			if !known.n[i].holds(Range{Low: c.n, High: c.n}) || !known.x[i].holds(side) || arrived-c.arrived < 10 || n-c.n < 13 {
				return
			}
		}
		stated++
		if !got[fmt.Sprint(cells)] {
			t.Errorf("%v is as the document says, and is published otherwise: %s", cells, encoded(t, document))
		}
	})
	if stated != len(got) {
		t.Errorf("%d tables give %s, which describes %d", len(got), encoded(t, document), stated)
	}
}

// Nothing else is known to the reader but how many were referred, and that nobody arrived elsewhere, which leaves
// the fewest tables. Of thirty no total is shown to the person; from 31 on the pools can hide it, where neither few
// arrived nor nearly all.
func TestEveryTableOfTwoPoolsKeepsFourValues(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ n, from, to int }{{25, 0, 25}, {30, 0, 30}, {31, 23, 26}, {33, 23, 28}, {36, 23, 31}} {
		t.Run(fmt.Sprint(c.n), func(t *testing.T) {
			t.Parallel()
			together := laidTogether{}
			publish, totals := publishers(t)
			for arrived := c.from; arrived <= c.to; arrived++ {
				tablesOf(2, c.n, arrived, func(cells []cell) { together.add(publish, atClosing(cells...)) })
			}
			together.keepValues(t, 2, totals)
		})
	}
}

// Arrivals elsewhere decide as well whether a total is shown, and are shown themselves.
func TestEveryTableKeepsFourValuesBesideArrivalsElsewhere(t *testing.T) {
	t.Parallel()
	for _, n := range []int{31, 34} {
		together := laidTogether{}
		publish, totals := publishers(t)
		for arrived := 23; arrived <= n-5; arrived++ {
			tablesOf(2, n, arrived, func(cells []cell) {
				for _, elsewhere := range [][2]int{{0, 0}, {0, 6}, {6, 0}, {3, 3}} {
					if elsewhere[0] <= cells[0].arrived && elsewhere[1] <= cells[1].arrived {
						cells := slices.Clone(cells)
						cells[0].elsewhere, cells[1].elsewhere = elsewhere[0], elsewhere[1]
						together.add(publish, atClosing(cells...))
					}
				}
			})
		}
		together.keepValues(t, 2, totals)
	}
}

func TestEveryTableOfALargerTotalKeepsFourValuesAndIsOneThatTheDocumentDescribes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ pools, n, arrived int }{
		{2, 31, 24},
		{2, 45, 23},
		{2, 45, 33},
		{2, 60, 46},
		{2, 60, 55},
		{3, 33, 28},
	} {
		t.Run(fmt.Sprintf("%d pools, %d of %d", c.pools, c.arrived, c.n), func(t *testing.T) {
			t.Parallel()
			together := laidTogether{}
			publish, totals := publishers(t)
			pools := 0
			tablesOf(c.pools, c.n, c.arrived, func(cells []cell) {
				for _, pool := range cells {
					// Which tables hide the total is another question: those of every other total do as well.
					if c.n-pool.n < 13 || c.arrived-pool.arrived < 10 {
						return
					}
				}
				together.add(publish, atClosing(cells...))
			})
			together.keepValues(t, c.pools, totals)
			for _, worlds := range together {
				document := worlds[0].documents(t)[0]
				if document.Figures[0].Shown != Exact {
					t.Fatalf("%v hides the total", worlds[0].cells)
				}
				describes(t, document, c.pools, c.n, c.arrived, worlds)
				if document.Figures[1].Shown == Banded {
					pools++
				}
			}
			if c.n >= 60 && pools == 0 {
				t.Error("no document shows the first pool")
			}
		})
	}
}

// To the register, whose sizes are known, all tables of these sizes are all that there are: so many pools can be gone
// through as well.
func TestTheRegisterKeepsFourValuesOfManyPools(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sizes   []int
		arrived int
	}{
		{[]int{25, 25, 25}, 60},
		{[]int{27, 31, 2}, 47},
		{[]int{26, 25, 9}, 24},
		{[]int{60, 40, 30}, 118},
		{[]int{33, 27, 3, 5}, 59},
		{[]int{30, 28, 26, 11}, 87},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			t.Parallel()
			together, shown := laidTogether{}, 0
			publish, _ := publishers(t)
			arrivals(c.sizes, c.arrived, func(cells []cell) { together.add(publish, atClosing(cells...)) })
			_, outcomes := poolTargets(len(c.sizes))
			for bytes, worlds := range together {
				document := worlds[0].documents(t)[0]
				if document.Figures[0].Shown != Exact {
					continue
				}
				shown++
				for i, of := range outcomes {
					if left := values(of, worlds); len(left) < min(4, c.sizes[i/2]+1) {
						t.Errorf("%s of %v can only be %v: %s", of.name, c.sizes, left, bytes)
					}
				}
			}
			if shown == 0 {
				t.Error("no document shows the total")
			}
		})
	}
}
