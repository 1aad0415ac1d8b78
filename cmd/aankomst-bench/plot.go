package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"os"
)

// writePlot writes a chart of the report to a file; none when it has no name.
func (r *report) writePlot(path string) error {
	if path == "" {
		return nil
	}
	var chart bytes.Buffer
	if err := r.plot(&chart); err != nil {
		return err
	}
	return os.WriteFile(path, chart.Bytes(), 0o644)
}

// plot writes the chart: rates, latencies, processor time and growth.
func (r *report) plot(out io.Writer) error {
	const width, height, margin, head = 1120.0, 900.0, 24.0, 84.0
	encrypted := "plain text"
	if r.TLS {
		encrypted = "TLS"
	}
	document := node("svg", "xmlns", "http://www.w3.org/2000/svg", "viewBox", fmt.Sprintf("0 0 %g %g", width, height),
		"width", width, "height", height, "font-family", "sans-serif")
	document.Children = []element{
		node("rect", "width", width, "height", height, "fill", "#ffffff"),
		text(margin, 34, 21, "start", ink, "aankomst under load: "+r.Store+", "+encrypted),
		text(margin, 56, 13, "start", faint, fmt.Sprintf("%d open pairs, %d calls under way over %d connections; %d cores shared by server, database and load generator; %s",
			r.Pairs, r.Concurrency, r.Connections, r.Cores, r.Machine)),
	}
	panels := []panel{r.ratesPanel(), r.latencyPanel(), r.costPanel()}
	if r.Issue.Growth != nil && r.Confirm.Growth != nil {
		panels = append(panels, r.growthPanel())
	}
	for i, p := range panels {
		column, row := float64(i%2), float64(i/2)
		wide, high := (width-3*margin)/2, (height-head-2*margin)/2
		document.Children = append(document.Children, p.draw(margin+column*(wide+margin), head+row*(high+margin), wide, high)...)
	}
	if _, err := io.WriteString(out, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(out)
	encoder.Indent("", " ")
	return encoder.Encode(document)
}

func (r *report) ratesPanel() panel {
	rate := func(series int, value float64) bar { return bar{value, number(value), series} }
	of := func(name string, f figures) group {
		return group{fmt.Sprintf("%s: served is %s of raw", name, percent(f.ToRaw)), []bar{
			rate(0, f.Full.Rate), rate(1, f.Raw.Rate), rate(2, r.Inserts.OneConnection), rate(3, r.Inserts.ManyConnections),
		}}
	}
	return panel{
		title: "Rate at full load, and what it can be compared with", unit: "a second",
		series: []string{"served", "raw cryptography", "inserts, 1 connection", fmt.Sprintf("inserts, %d connections", manyConnections)},
		groups: []group{of("issue", r.Issue), of("confirm", r.Confirm)},
	}
}

func (r *report) latencyPanel() panel {
	of := func(name string, l latencies) group {
		return group{name, []bar{{l.P50, millis(l.P50), 0}, {l.P95, millis(l.P95), 1}, {l.P99, millis(l.P99), 2}}}
	}
	return panel{
		title: "Latency", unit: "milliseconds", series: []string{"p50", "p95", "p99"},
		groups: []group{
			of("issue, full", r.Issue.Full), of("issue, half", r.Issue.Half),
			of("confirm, full", r.Confirm.Full), of("confirm, half", r.Confirm.Half),
		},
	}
}

func (r *report) costPanel() panel {
	of := func(name string, f figures) group {
		g := group{name: name}
		for series, micros := range []*float64{f.Full.ServerCPU, f.Raw.CPU, f.Full.DatabaseCPU, f.Full.GeneratorCPU} {
			if micros != nil {
				g.bars = append(g.bars, bar{*micros, number(*micros), series})
			}
		}
		return g
	}
	return panel{
		title: "Processor time a call, at full load", unit: "microseconds",
		series: []string{"server", "cryptography alone", "database", "load generator"},
		groups: []group{of("issue", r.Issue), of("confirm", r.Confirm)},
	}
}

func (r *report) growthPanel() panel {
	of := func(name string, g *growth) group {
		than := percent(g.Slower) + " slower"
		if g.Slower < 0 {
			than = percent(-g.Slower) + " faster"
		}
		return group{name + ": " + than, []bar{
			{g.Small.Rate, number(g.Small.Rate), 0}, {g.Large.Rate, number(g.Large.Rate), 1},
		}}
	}
	codes := func(g grown) string { return whole(g.SpentBefore) + " spent codes" }
	return panel{
		title: "Rate at full load as spent codes grow", unit: "a second",
		series: []string{codes(r.Issue.Growth.Small), codes(r.Issue.Growth.Large)},
		groups: []group{of("issue", r.Issue.Growth), of("confirm", r.Confirm.Growth)},
	}
}
