package release

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// reshaped returns a document with figures of its own that can be changed.
func reshaped(document Document, change func(*Document)) Document {
	document.Figures = slices.Clone(document.Figures)
	change(&document)
	return document
}

// What counts leave possible is in the tests of what the policy promises; these are about the form.
func TestAuditRefusesWhatIsNotOfItsForm(t *testing.T) {
	t.Parallel()
	running := frozen(t, june, thirds(60, 40)...)
	final := frozen(t, closing, thirds(150, 110)...)
	hidden := frozen(t, closing, thirds(24, 12)...)
	single := frozen(t, closing, cell{n: 60, arrived: 40})
	for _, c := range []struct {
		name   string
		of     Document
		change func(*Document)
		reason string
	}{
		{"no figures", final, func(d *Document) { d.Figures = nil }, "cohort 2026 at 2027-06-30: it does not begin with the total"},
		{"no total", final, func(d *Document) { d.Figures = d.Figures[1:] }, "it does not begin with the total"},
		{"a pool before the total", final, func(d *Document) { d.Figures[0], d.Figures[1] = d.Figures[1], d.Figures[0] }, "it does not begin with the total"},
		{"pools in another order", final, func(d *Document) { d.Figures[1], d.Figures[2] = d.Figures[2], d.Figures[1] }, "pool"},
		{"hidden pools before others", hidden, func(d *Document) { d.Figures[3], d.Figures[4] = d.Figures[4], d.Figures[3] },
			"total_with_arrived_without_code is not what its policy shows"},
		{"shares in another order", final, func(d *Document) { d.Figures[5], d.Figures[6] = d.Figures[6], d.Figures[5] }, "replacements is not what its policy shows"},
		{"a figure is missing", final, func(d *Document) { d.Figures = d.Figures[:14] }, "wait:over_6_months is missing"},
		{"a hidden figure is missing", hidden, func(d *Document) { d.Figures = d.Figures[:14] }, "it holds 14 figures, and its policy shows 15"},
		{"a figure too many", final, func(d *Document) { d.Figures = append(d.Figures, Figure{Group: "region:north", Shown: Protected}) },
			"it holds 16 figures, and its policy shows 15"},
		{"a running total with company", running, func(d *Document) { d.Figures = append(d.Figures, Figure{Group: "pool:1", Shown: Protected}) },
			"a running total stands alone"},

		{"a running total to the person", running, func(d *Document) { d.Figures[0] = final.Figures[0] }, "the total must be in a class and a band"},
		{"a running total without size", running, func(d *Document) { d.Figures[0].Referrals = nil }, "the total must be in a class and a band"},
		{"a single pool to the person", single, func(d *Document) { d.Figures[0] = final.Figures[0] }, "the total must be in a class and a band"},
		{"no size class", running, func(d *Document) { d.Figures[0] = band(Range{61, 70}, Range{60, 70}) }, "shown with 61 to 70 referrals"},
		{"a narrower size class", running, func(d *Document) { d.Figures[0] = band(Range{60, 68}, Range{60, 70}) }, "shown with 60 to 68 referrals"},
		{"too small a class", running, func(d *Document) { d.Figures[0] = band(Range{20, 24}, Range{60, 80}) }, "shown with 20 to 24 referrals"},
		{"a narrower band", running, func(d *Document) { d.Figures[0] = band(Range{60, 69}, Range{65, 70}) }, "shown with 65 to 70 per cent"},
		{"a band beyond the hundred", running, func(d *Document) { d.Figures[0] = band(Range{60, 69}, Range{95, 105}) }, "shown with 95 to 105 per cent"},
		{"no rate band", running, func(d *Document) { d.Figures[0] = band(Range{60, 69}, Range{63, 73}) }, "not what its policy shows"},
		{"another interval", running, func(d *Document) { d.Figures[0].Interval = &Range{60, 70} }, "the total is not what its policy shows"},
		{"a small year on 31 December", running, func(d *Document) { d.CutOff = "2026-12-31" }, "shown with 60 to 69 referrals"},

		{"a closed total without arrivals", final, func(d *Document) { d.Figures[0].Arrived = nil }, "its referrals and a range of arrivals"},
		{"a closed total in a class", final, func(d *Document) { d.Figures[0].Referrals = &Range{150, 159} }, "its referrals and a range of arrivals"},
		{"a closed total with another rate", final, func(d *Document) { d.Figures[0].Rate = &Range{74, 74} }, "the total is not what its policy shows"},
		{"a closed total that should be in a range", final, func(d *Document) { d.Figures[0].Arrived = &Range{147, 147} }, "the total is not what its policy shows"},
		{"pools beside a hidden total", final, func(d *Document) { d.Figures[0] = hidden.Figures[0] }, "pool:1 is not what its policy shows"},
		{"a pool that is no part", final, func(d *Document) { d.Figures[1].NotArrived = &Range{0, 50} }, "pool:1 is shown as 0 to 50, which is no part that its policy makes"},
		{"a pool without size", final, func(d *Document) { d.Figures[1].Referrals = nil }, "which is no part that its policy makes"},
		{"a pool without sides", final, func(d *Document) { d.Figures[1].NotArrived = nil }, "pool:1 is not shown"},
		{"a pool with another rate", final, func(d *Document) { d.Figures[1].Rate = &Range{60, 90} }, "pool:1 is not what its policy shows"},
		{"a share that is no step", final, func(d *Document) { d.Figures[5].Count = &Range{1, 8} }, "voided is not shown in steps of 8"},
		{"a share that is half a step", final, func(d *Document) { d.Figures[5].Count = &Range{0, 3} }, "voided is not shown in steps of 8"},
		{"a share below zero", final, func(d *Document) { d.Figures[5].Count = &Range{-8, -1} }, "voided is not shown in steps of 8"},
		{"a share without count", final, func(d *Document) { d.Figures[5].Count = nil }, "voided is not shown in steps of 8"},
		{"a type that is not there", final, func(d *Document) {
			d.Figures = slices.Insert(d.Figures, 4, Figure{Group: "type:CGG", Pools: []int{1, 2}, Shown: Protected})
		}, "type:CGG is not what its policy shows"},

		{"an unknown policy in a running year", running, func(d *Document) { d.Policy = "2031-1" }, `total is shown by the policy "2031-1", which is not known here`},
		{"an unknown policy with pools", final, func(d *Document) { d.Policy = "2031-1" }, `pool:1 is shown by the policy "2031-1", which is not known here`},
	} {
		if _, err := Audit([]Policy{Current}, []Document{c.of}, nil); err != nil {
			t.Fatalf("%s: before the change, %v", c.name, err)
		}
		document := reshaped(c.of, c.change)
		if _, err := Audit([]Policy{Current}, []Document{document}, nil); !errors.Is(err, ErrAudit) || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%s: %v, want a refusal with %q", c.name, err, c.reason)
		}
	}
}

func TestAuditRefusesADocumentThatWasMadeWithoutAnEarlierOne(t *testing.T) {
	t.Parallel()
	running, alone := frozen(t, june, thirds(60, 30)...), frozen(t, closing, thirds(150, 110)...)
	if _, err := Audit([]Policy{Current}, []Document{running, alone}, nil); !errors.Is(err, ErrAudit) || !strings.Contains(err.Error(), "without the running total of 2026-06-30") {
		t.Errorf("a closed cohort that does not know of June: %v", err)
	}
	alone.Cohort = 2027
	if _, err := Audit([]Policy{Current}, []Document{running, alone}, nil); err != nil {
		t.Errorf("a closed cohort of another year: %v", err)
	}
}

func TestAuditAcceptsOfAnUnknownPolicyNoMoreThanAClosedTotal(t *testing.T) {
	t.Parallel()
	for _, document := range []Document{
		frozen(t, march, thirds(60, 40)...),
		frozen(t, closing, thirds(150, 110)...),
		frozen(t, closing, thirds(60, 58)...),
		frozen(t, closing, thirds(24, 12)...),
	} {
		document.Policy = "2031-1"
		for i := range document.Figures {
			if i > 0 || document.Status == Provisional {
				document.Figures[i] = Figure{Group: document.Figures[i].Group, Shown: Protected}
			}
		}
		if findings, err := Audit([]Policy{Current}, []Document{document}, nil); err != nil || len(findings) > 0 {
			t.Errorf("%s: %+v, %v", encoded(t, document), findings, err)
		}
	}
}

func TestAuditTakesDocumentsInAnyOrderAndSaysHowFarItIs(t *testing.T) {
	t.Parallel()
	var source Source
	var documents []Document
	for _, year := range []int{2026, 2025} {
		source.Earlier = nil
		for i, cutOff := range []CutOff{june, september, closing} {
			source.Cohort, source.Counts = world(thirds(40+30*i, 24+24*i)...)
			source.Cohort.Year, source.Counts.Year = year, year
			document, err := Freeze(Current, source, cutOff)
			if err != nil {
				t.Fatal(err)
			}
			source.Earlier = append(source.Earlier, document)
		}
		documents = append(documents, source.Earlier...)
	}
	var done []int
	want, err := Audit([]Policy{Current}, documents, func(i int) { done = append(done, i) })
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(done, []int{1, 2, 3, 4, 5, 6}) {
		t.Errorf("it was done with %v", done)
	}
	var of []string
	for _, finding := range want[:4] {
		of = append(of, finding.CutOff+" "+finding.Group)
	}
	if text := strings.Join(of, ", "); text != "2026-06-30 total, 2026-09-30 total, 2027-06-30 since the running totals, 2027-06-30 pool:1" || want[0].Cohort != 2025 {
		t.Errorf("it begins in %d with %s", want[0].Cohort, text)
	}
	slices.Reverse(documents)
	if got, err := Audit([]Policy{Current}, documents, nil); err != nil || !slices.Equal(got, want) {
		t.Errorf("in another order it finds %+v, not %+v: %v", got, want, err)
	}
	if findings, err := Audit([]Policy{Current}, nil, nil); err != nil || len(findings) > 0 {
		t.Errorf("of nothing it finds %+v: %v", findings, err)
	}
}
