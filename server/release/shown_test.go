package release

import (
	"fmt"
	"os"
	"testing"

	"aankomst/server/release/rivals"
	"aankomst/server/store"
)

// released is what the server makes of a synthetic year: four running totals, and the closed cohort.
func released(tb testing.TB, year rivals.Year) []Document {
	tb.Helper()
	var cells []cell
	for _, pool := range year.Pools {
		cells = append(cells, cell{n: pool.Referred, arrived: pool.Arrived})
	}
	cohort, counts := world(cells...)
	source := Source{Cohort: cohort}
	for i, cutOff := range cutOffs {
		source.Counts = counts
		if i < len(year.Quarter) {
			// Only the total is shown of a year that runs: how it is spread over pools does not matter.
			source.Counts.Pools = make([]store.PoolCounts, len(counts.Pools))
			for j := range source.Counts.Pools {
				source.Counts.Pools[j].Number = counts.Pools[j].Number
			}
			source.Counts.Pools[0].Issued, source.Counts.Pools[0].Arrived = year.Quarter[i].Referred, year.Quarter[i].Arrived
		}
		document, err := Freeze(Current, source, cutOff)
		if err != nil {
			tb.Fatal(err)
		}
		source.Earlier = append(source.Earlier, document)
	}
	return source.Earlier
}

// thisPolicy publishes a synthetic year as the server would.
func thisPolicy(tb testing.TB) rivals.Method {
	return func(year rivals.Year) rivals.Shown {
		tb.Helper()
		documents := released(tb, year)
		var shown rivals.Shown
		for _, document := range documents[:len(year.Quarter)] {
			shown.Running = append(shown.Running, cellOf(document.Figures[0]))
		}
		final := documents[len(year.Quarter)].Figures
		shown.Whole, shown.Total, shown.Exact = cellOf(final[0]), rateOf(final[0]), final[0].Shown == Exact
		for _, figure := range final[1 : 1+len(year.Pools)] {
			shown.Pools = append(shown.Pools, rateOf(figure))
			shown.Parts = append(shown.Parts, cellOf(figure))
		}
		return shown
	}
}

func rateOf(figure Figure) *rivals.Interval {
	if figure.Rate == nil {
		return nil
	}
	return &rivals.Interval{Low: float64(figure.Rate.Low), High: float64(figure.Rate.High)}
}

// cellOf returns what a figure tells of counts.
func cellOf(figure Figure) rivals.Cell {
	if figure.Referrals == nil {
		return rivals.Cell{}
	}
	told := rivals.Cell{Least: figure.Referrals.Low}
	for n := figure.Referrals.Low; n <= figure.Referrals.High; n++ {
		arrived := arrivedAt(*figure.Rate, n)
		switch {
		case figure.Arrived != nil:
			arrived = Range{Low: figure.Arrived.Low, High: min(n, figure.Arrived.High)}
		case figure.NotArrived != nil:
			arrived = Range{Low: max(0, n-figure.NotArrived.High), High: n - figure.NotArrived.Low}
		}
		told.Arrived = append(told.Arrived, rivals.Range(arrived))
	}
	return told
}

// What the policy shows of synthetic years is what docs/disclosure.md and docs/benchmarks.md say: nearly every
// total to the person at rates up to 85 %, many times the pool rates of the simple tree, and no pool or increment
// with fewer than four values.
func TestThePolicyShowsMoreThanTheTreeAndGivesNobodyAway(t *testing.T) {
	t.Parallel()
	for _, pools := range []int{2, 3, 5} {
		for _, referrals := range []int{60, 90, 150} {
			for _, rate := range []float64{60, 80, 85} {
				years := rivals.Years(1, referrals, pools, rate, 100)
				own, tree := rivals.Measure(thisPolicy(t), years), rivals.Measure(rivals.SimpleTree, years)
				name := fmt.Sprintf("%d pools, %d referrals at %v %%", pools, referrals, rate)
				if own.Exact.Value() < 90 {
					t.Errorf("%s: %v %% of totals are exact", name, own.Exact)
				}
				if own.Pools.Value() > 0 || own.Insider.Value() > 0 || own.Steps.Value() > 0 {
					t.Errorf("%s: gives away %v %% of pools, %v %% to insiders, %v %% of increments", name, own.Pools, own.Insider, own.Steps)
				}
				if own.Shown.Cases() > 0 && own.Shown.Value() < 2*tree.Shown.Value() {
					t.Errorf("%s: shows %v %% of pools, and the simple tree %v %%", name, own.Shown, tree.Shown)
				}
			}
		}
	}
}

// BenchmarkShown writes the tables of docs/benchmarks.md: this policy and its rivals on synthetic years.
func BenchmarkShown(b *testing.B) {
	for b.Loop() {
		for _, pools := range []int{2, 3, 5} {
			fmt.Printf("\n%d pools\n\n", pools)
			methods := rivals.Methods()
			methods["This policy"] = thisPolicy(b)
			if err := rivals.Table(os.Stdout, methods, rivals.Grid(1, pools)); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkAudit audits eight years of five pools with all their releases, as publication does.
func BenchmarkAudit(b *testing.B) {
	for _, referrals := range []int{150, 300, 2000} {
		b.Run(fmt.Sprint(referrals), func(b *testing.B) {
			var documents []Document
			for i, year := range rivals.Years(1, referrals, 5, 75, 8) {
				for _, document := range released(b, year) {
					document.Cohort += i
					documents = append(documents, document)
				}
			}
			for b.Loop() {
				if _, err := Audit([]Policy{Current}, documents, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
