package main

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"
)

// stretch returns a sample of a second with calls that took so many milliseconds each.
func stretch(millis ...int) sample {
	s := sample{inTime: len(millis), answered: len(millis), time: time.Second}
	for _, ms := range millis {
		s.latencies = append(s.latencies, time.Duration(ms)*time.Millisecond)
	}
	return s
}

// raws returns a sample of a second with so many calls.
func raws(calls int) sample { return stretch(make([]int, calls)...) }

// costing gives a sample the processor time of its calls, in microseconds each.
func costing(s sample, server, database, generator time.Duration) sample {
	of := func(micros time.Duration) spent {
		return spent{micros * time.Microsecond * time.Duration(s.answered), true}
	}
	s.cost = cost{of(server), of(database), of(generator)}
	return s
}

func near(a, b float64) bool { return math.Abs(a-b) < 1e-9 }

func TestFiguresCompareServedWithRaw(t *testing.T) {
	m := measurement{
		raw: []sample{costing(raws(8), 0, 0, 150_000), costing(raws(10), 0, 0, 150_000), costing(raws(4), 0, 0, 150_000)},
		small: []sample{
			costing(stretch(1, 2, 3, 4), 200_000, 100_000, 50_000),
			costing(stretch(5, 6), 200_000, 100_000, 50_000),
			costing(stretch(7, 8, 9, 10), 200_000, 100_000, 50_000),
		},
		half: stretch(1, 1, 1, 9), halfRate: 2,
	}
	f := newFigures(m, 2)
	if f.Full.Rate != 4 || f.Full.Calls != 10 || f.Raw.Rate != 8 || f.Raw.Least != 4 || f.Raw.Most != 10 {
		t.Errorf("served %v (%d calls), raw %+v", f.Full.Rate, f.Full.Calls, f.Raw)
	}
	if f.Full.P50 != 5 || f.Full.P95 != 10 || f.Half.P50 != 1 || f.Half.P99 != 9 {
		t.Errorf("latencies at full load %+v, at half load %+v", f.Full, f.Half)
	}
	if f.ToRaw != 0.5 {
		t.Errorf("served to raw is %v, want 0.5", f.ToRaw)
	}
	// Serving takes 0.3 s a call, of which the cryptography is 0.15.
	if *f.Raw.CPU != 150_000 || f.Cryptography == nil || !near(*f.Cryptography, 0.5) {
		t.Errorf("the cryptography is %v of the processor time, want 0.5", f.Cryptography)
	}
	// Four calls a second of 0.35 s are 0.7 of two cores.
	if f.CoresUsed == nil || !near(*f.CoresUsed, 0.7) {
		t.Errorf("the cores used are %v, want 0.7", f.CoresUsed)
	}
	if *f.Full.ServerCPU != 200_000 || *f.Full.DatabaseCPU != 100_000 || *f.Full.GeneratorCPU != 50_000 {
		t.Errorf("processor times of a call: %v, %v, %v", *f.Full.ServerCPU, *f.Full.DatabaseCPU, *f.Full.GeneratorCPU)
	}
	if f.Growth != nil {
		t.Error("growth is compared without a large store")
	}
	m.large = m.small[:1]
	if g := newFigures(m, 2).Growth; !near(*g.Small.CPU, 300_000) || !near(*g.Large.CPU, 300_000) {
		t.Errorf("server and database use %v on the small store and %v on the large one", *g.Small.CPU, *g.Large.CPU)
	}
}

func TestWhatIsNotKnownIsLeftOut(t *testing.T) {
	s := costing(stretch(1, 2), 100, 100, 100)
	s.cost.database.known = false
	f := newFigures(measurement{raw: []sample{costing(raws(4), 0, 0, 100)}, small: []sample{s}, half: stretch(1)}, 1)
	if f.Full.DatabaseCPU != nil || f.Full.ServerCPU == nil || f.Cryptography == nil {
		t.Errorf("the database's processor time is not known, and the others are: %+v", f.Full)
	}
	s.cost.server.known = false
	f = newFigures(measurement{raw: []sample{costing(raws(4), 0, 0, 100)}, small: []sample{s}, half: stretch(1)}, 1)
	if f.Full.ServerCPU != nil || f.Cryptography != nil || f.CoresUsed != nil {
		t.Errorf("something is made of a processor time that is not known: %+v", f)
	}
}

func TestGrowthComparesSlicesThatTookTurns(t *testing.T) {
	m := measurement{
		raw: []sample{raws(1)}, half: stretch(1),
		small:      []sample{stretch(1, 1, 1, 1), stretch(1, 1), stretch(1, 1, 1, 20)},
		large:      []sample{stretch(2, 2, 2), stretch(2, 2, 2), stretch(2, 30)},
		spentSmall: [2]int{10, 22}, spentLarge: [2]int{1000, 1010},
	}
	g := newFigures(m, 1).Growth
	if g.Small != (grown{10, 22, 4, 20, nil}) || g.Large != (grown{1000, 1010, 3, 30, nil}) {
		t.Errorf("small %+v, large %+v", g.Small, g.Large)
	}
	if !near(g.Slower, 0.25) || !near(g.Least, -0.5) || !near(g.Most, 0.5) {
		t.Errorf("slower by %v, by %v to %v in pairs of slices", g.Slower, g.Least, g.Most)
	}
}

func TestRatios(t *testing.T) {
	for _, c := range []struct{ got, want float64 }{
		{ratio(3, 4), 0.75}, {ratio(3, 0), 0}, {ratio(0, 4), 0},
		{slower(100, 90), 0.1}, {slower(100, 110), -0.1}, {slower(0, 5), 0},
		{median(nil), 0}, {median([]float64{5}), 5}, {median([]float64{9, 1}), 5}, {median([]float64{9, 1, 2}), 2},
		{perSecond(10, 2*time.Second), 5}, {perSecond(10, 0), 0},
	} {
		if !near(c.got, c.want) {
			t.Errorf("%v, want %v", c.got, c.want)
		}
	}
}

// invented is a report with everything in it.
func invented() *report {
	m := measurement{
		raw: []sample{costing(raws(7000), 0, 0, 270), costing(raws(7100), 0, 0, 270)}, half: costing(stretch(1, 2, 3), 400, 200, 50), halfRate: 3,
		small: []sample{costing(stretch(4, 5, 6, 7), 400, 200, 50)}, large: []sample{costing(stretch(5, 5, 6), 400, 200, 50)},
		spentSmall: [2]int{10_000, 20_000}, spentLarge: [2]int{1_000_000, 1_010_000},
	}
	r := &report{
		Store: "A <store> & more", TLS: true, Pairs: 4, Year: 2026, Cores: 2, Machine: "a machine", Concurrency: 8,
		Connections: 2, Centres: 12, DatabaseCosts: "its own", Took: "1s", Inserts: inserts{1500, 9000},
		Memory: []memory{{20_000, 40}, {1_010_000, 41}}, Counted: counted{10, 9},
	}
	r.add("issue", m)
	r.add("confirm", m)
	return r
}

func TestThePlotIsWellFormedAndShowsEveryBar(t *testing.T) {
	for name, change := range map[string]func(*report){
		"everything":       func(*report) {},
		"without growth":   func(r *report) { r.Issue.Growth, r.Confirm.Growth = nil, nil },
		"without costs":    func(r *report) { r.Issue.Full.ServerCPU, r.Issue.Full.DatabaseCPU = nil, nil },
		"nothing measured": func(r *report) { r.Issue, r.Confirm, r.Inserts = figures{}, figures{}, inserts{} },
	} {
		r := invented()
		change(r)
		var b strings.Builder
		if err := r.plot(&b); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var document element
		if err := xml.Unmarshal([]byte(b.String()), &document); err != nil {
			t.Fatalf("%s: the plot is no XML: %v", name, err)
		}
		if document.XMLName.Local != "svg" || document.XMLName.Space != "http://www.w3.org/2000/svg" {
			t.Errorf("%s: the plot is a %v", name, document.XMLName)
		}
		for _, drawn := range document.Children {
			for _, attribute := range drawn.Attributes {
				if strings.Contains(attribute.Value, "NaN") || strings.Contains(attribute.Value, "Inf") ||
					attribute.Name.Local == "height" && strings.HasPrefix(attribute.Value, "-") {
					t.Errorf("%s: a %s has %s=%q", name, drawn.XMLName.Local, attribute.Name.Local, attribute.Value)
				}
			}
		}
		if name != "everything" {
			continue
		}
		var words []string
		for _, drawn := range document.Children {
			words = append(words, strings.TrimSpace(drawn.Text))
		}
		all := strings.Join(words, "\n")
		for _, wanted := range []string{
			"A <store> & more, TLS", "7,050", "1,500", "9,000", "milliseconds", "microseconds", "a second", "10,000 spent codes", "1,000,000 spent codes",
			"issue, half", "confirm: 25.0 % slower", "400", "200",
		} {
			if !strings.Contains(all, wanted) {
				t.Errorf("the plot does not say %q", wanted)
			}
		}
	}
}

func TestTheTableSaysHowItsRatiosAreComputed(t *testing.T) {
	r := invented()
	var b strings.Builder
	if err := r.print(&b); err != nil {
		t.Fatal(err)
	}
	for _, wanted := range []string{
		"A <store> & more, with TLS", "4 pairs open: the cohort of 2026 with the practice pool and 3 others", "7,050",
		"Keyring.Evaluate", "Keyring.Recognise", "1,000,000 to 1,010,000", "25.0 %", "1,010,000 spent codes, after its calls: 41 MB",
		"10 issued and 9 confirmed",
	} {
		if !strings.Contains(b.String(), wanted) {
			t.Errorf("the table does not say %q:\n%s", wanted, b.String())
		}
	}
	if !strings.Contains(b.String(), "NOTE: a good part of the cores was not used") {
		t.Error("the table does not warn of cores that were idle")
	}
	used := 0.8
	r.Issue.CoresUsed, r.Confirm.CoresUsed = &used, &used
	r.Issue.Growth, r.TLS = nil, false
	b.Reset()
	if err := errors.Join(r.print(&b), r.print(io.Discard)); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "large store, spent codes") || strings.Contains(b.String(), "NOTE") || !strings.Contains(b.String(), "in plain text") {
		t.Errorf("what was not measured is shown:\n%s", b.String())
	}
}

func TestAnAxisHasAFewRoundSteps(t *testing.T) {
	for _, c := range []struct{ highest, want float64 }{
		{0, 1}, {9, 1}, {10, 2}, {40, 10}, {49, 10}, {25_352, 5_000}, {0.3, 0.05}, {1, 0.2},
	} {
		if got := niceStep(c.highest); !near(got, c.want) {
			t.Errorf("an axis to %v has steps of %v, want %v", c.highest, got, c.want)
		}
	}
}
