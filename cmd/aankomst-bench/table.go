package main

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
)

// print prints the report for a person.
func (r *report) print(out io.Writer) error {
	encrypted := "in plain text"
	if r.TLS {
		encrypted = "with TLS"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s, gRPC on loopback.\n", r.Store, encrypted)
	fmt.Fprintf(&b, "%d pairs open: the cohort of %d with the practice pool and %d others. %d cores, %s.\n", r.Pairs, r.Year, r.Pairs-1, r.Cores, r.Machine)
	fmt.Fprintf(&b, "Full load: %d calls under way over %d connections, %s in %d slices. Server, database and load generator share the cores.\n\n",
		r.Concurrency, r.Connections, r.Phase, r.Slices)

	columns := tabwriter.NewWriter(&b, 0, 4, 3, ' ', tabwriter.AlignRight)
	row := func(label string, value func(figures) string) {
		fmt.Fprintf(columns, "%s\t%s\t%s\t\n", label, value(r.Issue), value(r.Confirm))
	}
	fmt.Fprintf(columns, "\tISSUE\tCONFIRM\t\n")
	row("full load, calls/s", func(f figures) string { return number(f.Full.Rate) })
	row("latency p50, ms", func(f figures) string { return millis(f.Full.P50) })
	row("p95, ms", func(f figures) string { return millis(f.Full.P95) })
	row("p99, ms", func(f figures) string { return millis(f.Full.P99) })
	row("half load, calls/s", func(f figures) string { return number(f.Half.Rate) })
	row("latency p50, ms", func(f figures) string { return millis(f.Half.P50) })
	row("p95, ms", func(f figures) string { return millis(f.Half.P95) })
	row("p99, ms", func(f figures) string { return millis(f.Half.P99) })
	row("CPU a call at full load: server, us", func(f figures) string { return optional(f.Full.ServerCPU) })
	row("database, us", func(f figures) string { return optional(f.Full.DatabaseCPU) })
	row("load generator, us", func(f figures) string { return optional(f.Full.GeneratorCPU) })
	row("share of the cores these used", func(f figures) string { return optionalShare(f.CoresUsed) })
	row("raw cryptography, calls/s", func(f figures) string { return number(f.Raw.Rate) })
	row("CPU a call, us", func(f figures) string { return optional(f.Raw.CPU) })
	row("slices", func(f figures) string { return number(f.Raw.Least) + " to " + number(f.Raw.Most) })
	row("SERVED TO RAW [1]", func(f figures) string { return percent(f.ToRaw) })
	row("by processor time of server and database [2]", func(f figures) string { return optionalShare(f.Cryptography) })
	row(fmt.Sprintf("to single-row inserts, 1 connection: %s/s [3]", number(r.Inserts.OneConnection)), func(f figures) string { return percent(f.ToOneInsert) })
	row(fmt.Sprintf("%d connections: %s/s", manyConnections, number(r.Inserts.ManyConnections)), func(f figures) string { return percent(f.ToManyInserts) })
	if r.Issue.Growth != nil && r.Confirm.Growth != nil {
		r.growthRows(row)
	}
	if err := columns.Flush(); err != nil {
		return err
	}
	b.WriteByte('\n')
	for _, m := range r.Memory {
		fmt.Fprintf(&b, "Resident memory of the server with %s spent codes, after its calls: %.0f MB.\n", whole(m.SpentCodes), m.ResidentMB)
	}
	fmt.Fprintf(&b, "Counted in the stores: %s issued and %s confirmed, exactly as many as were acknowledged; every proof was checked.\n",
		whole(r.Counted.Issued), whole(r.Counted.Confirmed))
	fmt.Fprintf(&b, "Processor time of the database: %s. The run took %s.\n", r.DatabaseCosts, r.Took)
	if idle(r.Issue) || idle(r.Confirm) {
		b.WriteString("NOTE: a good part of the cores was not used. If others used the machine, only processor times can be compared.\n")
	}
	b.WriteString(footnotes)
	_, err := io.WriteString(out, b.String())
	return err
}

// idle reports that a good part of the cores was not used at full load.
func idle(f figures) bool { return f.CoresUsed != nil && *f.CoresUsed < busy }

// growthRows compares the small and the large store.
func (r *report) growthRows(row func(string, func(figures) string)) {
	spent := func(g grown) string {
		return whole(g.SpentBefore) + " to " + whole(g.SpentAfter)
	}
	row("small store, spent codes", func(f figures) string { return spent(f.Growth.Small) })
	row("calls/s", func(f figures) string { return number(f.Growth.Small.Rate) })
	row("p99, ms", func(f figures) string { return millis(f.Growth.Small.P99) })
	row("CPU a call, us", func(f figures) string { return optional(f.Growth.Small.CPU) })
	row("large store, spent codes", func(f figures) string { return spent(f.Growth.Large) })
	row("calls/s", func(f figures) string { return number(f.Growth.Large.Rate) })
	row("p99, ms", func(f figures) string { return millis(f.Growth.Large.P99) })
	row("CPU a call, us", func(f figures) string { return optional(f.Growth.Large.CPU) })
	row("SLOWER WHEN LARGE [4]", func(f figures) string { return percent(f.Growth.Slower) })
	row("pairs of slices", func(f figures) string { return percent(f.Growth.Least) + " to " + percent(f.Growth.Most) })
}

// busy is the part of the cores that a run on a machine of its own uses at the least.
const busy = 0.75

const footnotes = `
Rates in slices are the median of the slices; latencies and processor times are those of all slices.
[1] Calls answered a second at full load, to calls a second of Keyring.Evaluate (issue) or Keyring.Recognise
    (confirm) alone, with the same key and pairs, on all cores at once, in slices between those of the load.
[2] Processor time of that cryptography alone, to the processor time that server and database take for a call: what
    [1] would be if the load generator had cores of its own and nothing waited.
[3] Calls answered a second at full load, to transactions a second of one row like a spent code into the same
    kind of database on the same disk.
[4] Full load on both stores in slices that take turns; the rate on the large store to that on the small one.
    Half load is paced, and its latency counts from the moment at which a call was due.
`

// number writes a number with its thousands apart, and a small one with a decimal.
func number(n float64) string {
	if n < 100 {
		return fmt.Sprintf("%.1f", n)
	}
	return whole(int(math.Round(n)))
}

// whole writes a whole number with its thousands apart.
func whole(n int) string {
	digits := strconv.Itoa(n)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

func millis(ms float64) string { return fmt.Sprintf("%.2f", ms) }

func percent(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }

func optional(micros *float64) string {
	if micros == nil {
		return "-"
	}
	return number(*micros)
}

func optionalShare(share *float64) string {
	if share == nil {
		return "-"
	}
	return percent(*share)
}
