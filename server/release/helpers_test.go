package release

import (
	"fmt"

	"pgregory.net/rapid"

	"aankomst/server/store"
)

var (
	march     = CutOff{Key: "2026-03-31", Day: "2026-03-31"}
	june      = CutOff{Key: "2026-06-30", Day: "2026-06-30"}
	september = CutOff{Key: "2026-09-30", Day: "2026-09-30"}
	yearEnd   = CutOff{Key: "2026-12-31", Day: "2026-12-31"}
	closing   = CutOff{Key: store.CutOffFinal, Day: "2027-06-30"}

	cutOffs = []CutOff{march, june, september, yearEnd, closing}
)

// cell is what a test says of a pool.
type cell struct{ n, arrived, elsewhere int }

// world is the cohort of 2026 with a pool for each cell, numbered from 1.
func world(cells ...cell) (store.Cohort, store.Counts) {
	cohort, counts := store.Cohort{Year: 2026}, store.Counts{Year: 2026}
	for i, c := range cells {
		number := uint32(i + 1)
		cohort.Pools = append(cohort.Pools, store.Pool{Number: number, Name: fmt.Sprintf("Pool %c", 'A'+i)})
		counts.Pools = append(counts.Pools, store.PoolCounts{
			Number: number, Issued: c.n, Arrived: c.arrived, Elsewhere: c.elsewhere,
		})
	}
	return cohort, counts
}

// frozen is Freeze by the policy of today, where it must work.
func frozen(tb rapid.TB, cutOff CutOff, cells ...cell) Document {
	tb.Helper()
	cohort, counts := world(cells...)
	document, err := Freeze(Current, Source{Cohort: cohort, Counts: counts}, cutOff)
	if err != nil {
		tb.Fatalf("freezing %v at %s: %v", cells, cutOff.Key, err)
	}
	return document
}

func encoded(tb rapid.TB, document Document) string {
	tb.Helper()
	canonical, err := document.Encode()
	if err != nil {
		tb.Fatalf("encoding: %v", err)
	}
	return string(canonical)
}

// thirds spreads arrivals over three pools as evenly as can be, so that no centre stands out.
func thirds(n, arrived int) []cell {
	return []cell{
		{n: n - 2*(n/3), arrived: arrived - 2*(arrived/3)},
		{n: n / 3, arrived: arrived / 3},
		{n: n / 3, arrived: arrived / 3},
	}
}

// shows says in one line what a figure shows.
func (f Figure) shows() string {
	text := string(f.Shown)
	if f.Rate != nil && f.Rate.Low == f.Rate.High {
		text += fmt.Sprintf(" %d%%", f.Rate.Low)
	} else if f.Rate != nil {
		text += fmt.Sprintf(" %d-%d%%", f.Rate.Low, f.Rate.High)
	}
	if f.Referrals != nil && f.Referrals.Low == f.Referrals.High {
		text += fmt.Sprintf(" of %d", f.Referrals.Low)
	} else if f.Referrals != nil {
		text += fmt.Sprintf(" of %d-%d", f.Referrals.Low, f.Referrals.High)
	}
	return text
}

// anyCells draws the pools of a cohort, impossible-looking ones (arrivals above referrals) included.
var anyCells = rapid.Custom(func(t *rapid.T) []cell {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) cell {
		n := rapid.OneOf(rapid.IntRange(0, 30), rapid.IntRange(0, 150)).Draw(t, "n")
		arrived := rapid.IntRange(0, n+n/8).Draw(t, "arrived")
		return cell{n: n, arrived: arrived, elsewhere: rapid.IntRange(0, arrived).Draw(t, "elsewhere")}
	}), 1, 4).Draw(t, "cells")
})

// split draws pools that add up to a total.
func split(t *rapid.T, n, arrived int) []cell {
	pools := rapid.IntRange(1, 4).Draw(t, "pools")
	cells := make([]cell, pools)
	for i := range cells {
		if i == pools-1 {
			cells[i].n, cells[i].arrived = n, arrived
			break
		}
		cells[i].n = rapid.IntRange(0, n).Draw(t, "part of n")
		cells[i].arrived = rapid.IntRange(0, arrived).Draw(t, "part of arrived")
		n, arrived = n-cells[i].n, arrived-cells[i].arrived
	}
	return cells
}
