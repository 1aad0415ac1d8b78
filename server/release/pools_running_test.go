package release

import (
	"fmt"
	"slices"
	"testing"
)

// bySizes sorts tables by the referrals of their pools.
func bySizes(tables [][]cell) map[string][][]cell {
	sorted := map[string][][]cell{}
	for _, table := range tables {
		key := ""
		for _, c := range table {
			key += fmt.Sprint(c.n, " ")
		}
		sorted[key] = append(sorted[key], table)
	}
	return sorted
}

// eachSmaller calls do with every way of having no more referrals than the pools of a table, and their sum.
func eachSmaller(table []cell, do func(sizes []int, sum int)) {
	if len(table) == 0 {
		do(nil, 0)
		return
	}
	eachSmaller(table[1:], func(rest []int, sum int) {
		for n := range table[0].n + 1 {
			do(slices.Concat([]int{n}, rest), n+sum)
		}
	})
}

// arrivalsLeft returns how many numbers of arrivals are left to each pool, in tables in which at least so many of those
// who were referred until then can have arrived until then.
func arrivalsLeft(tables [][]cell, then []int, arrived int) (values []int) {
	values = make([]int, len(then))
	seen := map[[2]int]bool{}
	for _, table := range tables {
		can := 0
		for i, c := range table {
			can += min(c.arrived, then[i])
		}
		if can < arrived {
			continue
		}
		for i, c := range table {
			if pool := [2]int{i, c.arrived}; !seen[pool] {
				seen[pool] = true
				values[i]++
			}
		}
	}
	return values
}

// The register of the helpline knows how many were referred to each pool, and how many of them until a running total.
// Whoever arrived until then was one of these. Gone through one by one, everything that can have been leaves as many
// values beside what is shown of pools as it should, where the totals alone leave so many.
func TestTheRegisterKeepsItsValuesBesideARunningTotal(t *testing.T) {
	t.Parallel()
	for _, year := range []struct {
		pools, minReferrals int
		then                Running
		totals              []closed
	}{
		{2, 8, Running{"2026-06-30", Range{18, 22}, Range{75, 100}}, []closed{{24, 19}, {28, 22}, {31, 24}, {31, 29}}},
		{2, 8, Running{"2026-06-30", Range{18, 22}, Range{50, 90}}, []closed{{28, 14}, {28, 18}, {31, 14}}},
		{2, 8, Running{"2026-09-30", Range{23, 27}, Range{20, 60}}, []closed{{28, 10}, {28, 12}, {31, 20}}},
		{3, 5, Running{"2026-06-30", Range{8, 12}, Range{60, 100}}, []closed{{19, 12}}},
		{3, 5, Running{"2026-06-30", Range{8, 12}, Range{40, 80}}, []closed{{19, 12}}},
	} {
		small, known := smallPolicy(year.minReferrals), knownAfter([]Running{year.then})
		split := 0
		for _, total := range year.totals {
			all, _, told := walked(t, small, year.pools, total, known)
			split += len(told) - 1
			before := bySizes(all)
			for state, tables := range told {
				for sizes, tables := range bySizes(tables) {
					eachSmaller(tables[0], func(then []int, sum int) {
						if !year.then.Referrals.holds(Range{sum, sum}) {
							return
						}
						arrived := arrivedAt(year.then.Rate, sum).Low
						left, alone := arrivalsLeft(tables, then, arrived), arrivalsLeft(before[sizes], then, arrived)
						for i := range left {
							if left[i] > 0 && left[i] < min(small.MinValues, alone[i]) {
								t.Fatalf("%s: with %s referrals, and %v until then, pool %d keeps %d values of %d", state, sizes, then, i+1, left[i], alone[i])
							}
						}
					})
				}
			}
		}
		if split == 0 {
			t.Errorf("after %+v nothing is told of %d pools", year.then, year.pools)
		}
	}
}
