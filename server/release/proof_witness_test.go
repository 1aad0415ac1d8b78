package release

import (
	"fmt"
	"iter"
	"testing"

	"aankomst/server/store"
)

// increments are what a total gains between two cut-offs, the first of them -1 for the beginning.
func increments(from, to int) (referrals, arrived, missing target) {
	gained := func(h history) cell {
		gained := h.totals(to)
		if from >= 0 {
			before := h.totals(from)
			gained.n, gained.arrived = gained.n-before.n, gained.arrived-before.arrived
		}
		return gained
	}
	name := fmt.Sprintf("from cut-off %d to %d: ", from+1, to+1)
	return target{name + "referrals", func(h history) int { return gained(h).n }},
		target{name + "arrivals", func(h history) int { return gained(h).arrived }},
		target{name + "not arrived", func(h history) int { return gained(h).n - gained(h).arrived }}
}

// lost is what a reader can tell.
type lost struct {
	target      string
	register    bool
	found, need int
}

// given returns what readers of a publisher can tell of a history to fewer values than they must: of pools, and of
// what came between any two of its releases. totals publishes the totals alone, and closed is the total of the closing.
func given(publish, totals publisher, h history, closed Figure) iter.Seq[lost] {
	return func(each func(lost) bool) { findLost(publish, totals, h, closed, each) }
}

// findLost calls each with what can be told, until it returns false.
func findLost(publish, totals publisher, h history, closed Figure, each func(lost) bool) {
	pools, end := len(h.last()), len(h.cells)-1
	exact := closed.Shown == Exact
	referrals, outcomes := poolTargets(pools)
	all, more := newSearch(publish, h, true), true
	for _, register := range []bool{true, false} {
		if !register {
			all = all.withoutRegister()
		}
		check := func(of target, need int, kinds func(history, func(history))) {
			if !more {
				return
			}
			if found := all.keeps(of, need, kinds); found < need {
				more = each(lost{of.name, register, found, need})
			}
		}
		for i, of := range outcomes {
			pool, need := i/2, 4
			changes := moves(pool, register)
			if !exact {
				changes = either(changes, grows(register, end, end-1))
			}
			if register {
				need = min(4, h.last()[pool].n+1)
			}
			if more && register && exact && all.keeps(of, need, changes) < need {
				need = newSearch(totals, h, true).keeps(of, need, changes)
			}
			check(of, need, changes)
			if i%2 == 0 && !register {
				check(referrals[pool], 4, changes)
			}
		}
		for to := range end + 1 {
			for from := -1; from < to; from++ {
				gained, arrived, missing := increments(from, to)
				known := exact && to == end
				if known && from < 0 {
					continue
				}
				need, changes := min(4, h.totals(to).n+1), grows(register, from, to)
				if known {
					need, changes = min(4, h.totals(from).n+1), grows(register, from)
				}
				if !register {
					need = 4
				}
				check(arrived, need, changes)
				check(missing, need, changes)
				// Nobody is referred after 31 December, and how many were may be public.
				if !register && from < end-1 && (closed.Referrals == nil || from >= 0 || to < end-1) {
					check(gained, 4, changes)
				}
			}
		}
	}
}

// A history is two or three years of the same pools, with all their releases. What is shown of one year depends on
// nothing of another, so that other tables are looked for year by year; the audit sees all of them.
func TestNothingInTheReleasesOfGeneratedYearsGivesASmallGroupAway(t *testing.T) {
	t.Parallel()
	const batches, histories = 14, 15
	for batch := range uint64(batches) {
		t.Run(fmt.Sprint(batch), func(t *testing.T) {
			t.Parallel()
			for seed := batch * histories; seed < (batch+1)*histories; seed++ {
				var published []Document
				for year := range 2 + seed%2 {
					h := generated(3*seed+year, poolCount(seed))
					publish, totals := publishers(t)
					documents := h.documents(t)
					for lost := range given(publish, totals, h, documents[len(documents)-1].Figures[0]) {
						t.Errorf("history %d, year %d: %+v of %v", seed, year+1, lost, h.cells)
					}
					for _, document := range documents {
						document.Cohort += int(year)
						published = append(published, document)
					}
				}
				if _, err := Audit([]Policy{Current}, published, nil); err != nil {
					t.Errorf("history %d: %v", seed, err)
				}
			}
		})
	}
}

// besideTargets are what is counted beside referrals and arrivals, and how it can change.
func besideTargets() (targets []target, changes func(history, func(history))) {
	waited := func(h history) (all int) {
		for _, of := range h.beside.Waits {
			all += of
		}
		return all
	}
	numbers := []func(*history, int) *int{
		func(h *history, pool int) *int { return &h.last()[pool].elsewhere },
		func(h *history, pool int) *int { return &h.beside.Pools[pool].Voided },
		func(h *history, pool int) *int { return &h.beside.Pools[pool].Replaced },
		func(h *history, pool int) *int { return &h.beside.Pools[pool].ReferredWithoutCode },
	}
	for i, number := range numbers {
		targets = append(targets, target{fmt.Sprintf("number %d", i), func(h history) (all int) {
			for pool := range h.last() {
				all += *number(&h, pool)
			}
			return all
		}})
	}
	targets = append(targets,
		target{"arrived without code", func(h history) int { return h.beside.ArrivedWithoutCode }},
		target{"waits that are not known", func(h history) int { return h.totals(len(h.cells)-1).arrived - waited(h) }})
	for band := store.WaitUpTo2Weeks; band < store.WaitBands; band++ {
		targets = append(targets, target{fmt.Sprintf("wait %d", band), func(h history) int { return h.beside.Waits[band] }})
	}
	return targets, func(h history, do func(history)) {
		arrived := h.totals(len(h.cells) - 1).arrived
		for _, by := range steps {
			for _, number := range numbers {
				for pool := range h.last() {
					changed := h.copied()
					if of := number(&changed, pool); *of+by >= 0 {
						*of += by
						do(changed)
					}
				}
			}
			changed := h
			if changed.beside.ArrivedWithoutCode += by; changed.beside.ArrivedWithoutCode >= 0 {
				do(changed)
			}
			// A wait is moved to another band, or to those that are not known.
			for from := range h.beside.Waits {
				for to := range from {
					changed := h
					waits := &changed.beside.Waits
					waits[from], waits[to] = waits[from]+by, waits[to]-by
					unknown := waits[0]
					if waits[0] = 0; waits[from] >= 0 && (to == 0 || waits[to] >= 0) && waited(h)-unknown <= arrived {
						do(changed)
					}
				}
			}
		}
	}
}

func TestWhatIsCountedBesideReferralsAndArrivalsKeepsFourValues(t *testing.T) {
	t.Parallel()
	exact := 0
	for seed := range uint64(20) {
		h := generated(1000+seed, 2)
		publish, _ := publishers(t)
		documents := h.documents(t)
		if documents[len(documents)-1].Figures[0].Shown == Exact {
			exact++
		}
		all := newSearch(publish, h, true)
		targets, changes := besideTargets()
		for _, of := range targets {
			if found := all.keeps(of, 4, changes); found < 4 {
				t.Errorf("%s of year %d keeps %d values: %v beside %v", of.name, 1000+seed, found, h.cells, h.beside)
			}
		}
	}
	if exact < 12 {
		t.Errorf("only %d years show anything beside the total", exact)
	}
}
