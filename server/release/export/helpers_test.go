package export

import (
	"fmt"
	"strings"

	"pgregory.net/rapid"

	"aankomst/server/release"
	"aankomst/server/store"
)

var (
	june    = release.CutOff{Key: "2026-06-30", Day: "2026-06-30"}
	closing = release.CutOff{Key: store.CutOffFinal, Day: "2027-06-30"}
)

// cell is what a test says of a pool.
type cell struct{ n, arrived int }

// frozen is the document of the cohort of 2026 with a pool for each cell, numbered from 1.
func frozen(tb rapid.TB, cutOff release.CutOff, cells ...cell) release.Document {
	tb.Helper()
	source := release.Source{Cohort: store.Cohort{Year: 2026}, Counts: store.Counts{Year: 2026}}
	for i, c := range cells {
		number := uint32(i + 1)
		source.Cohort.Pools = append(source.Cohort.Pools, store.Pool{Number: number, Name: fmt.Sprintf("Pool %c", 'A'+i)})
		source.Counts.Pools = append(source.Counts.Pools, store.PoolCounts{Number: number, Issued: c.n, Arrived: c.arrived})
	}
	document, err := release.Freeze(release.Current, source, cutOff)
	if err != nil {
		tb.Fatalf("freezing %v at %s: %v", cells, cutOff.Key, err)
	}
	return document
}

func encoded(tb rapid.TB, document release.Document) string {
	tb.Helper()
	canonical, err := document.Encode()
	if err != nil {
		tb.Fatalf("encoding: %v", err)
	}
	return string(canonical)
}

// others are the groups of a closed cohort that are neither its total nor its pools, in the order of a document.
func others(tb rapid.TB) []string {
	tb.Helper()
	var groups []string
	for _, figure := range frozen(tb, closing, cell{}, cell{}).Figures[1:] {
		if !strings.HasPrefix(figure.Group, "pool:") {
			groups = append(groups, figure.Group)
		}
	}
	return groups
}

// anyCells draws the pools of a cohort.
var anyCells = rapid.Custom(func(t *rapid.T) []cell {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) cell {
		n := rapid.OneOf(rapid.IntRange(0, 30), rapid.IntRange(0, 150)).Draw(t, "n")
		return cell{n: n, arrived: rapid.IntRange(0, n).Draw(t, "arrived")}
	}), 1, 4).Draw(t, "cells")
})
