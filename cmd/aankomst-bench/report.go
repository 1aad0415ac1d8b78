package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"
)

// report is what a run came to. Rates are a second, latencies in milliseconds, processor times in
// microseconds a call; a ratio of 0.6 is 60 %.
type report struct {
	Store       string        `json:"store"`
	TLS         bool          `json:"tls"`
	Pairs       int           `json:"pairs"`
	Year        int           `json:"year"`
	Cores       int           `json:"cores"`
	Machine     string        `json:"machine"`
	Concurrency int           `json:"concurrency"`
	Connections int           `json:"connections"`
	Centres     int           `json:"centres"`
	Phase       time.Duration `json:"-"`
	Slices      int           `json:"slices"`
	// DatabaseCosts says whose processor time is counted as the database's.
	DatabaseCosts string   `json:"databaseCosts"`
	Issue         figures  `json:"issue"`
	Confirm       figures  `json:"confirm"`
	Inserts       inserts  `json:"inserts"`
	Memory        []memory `json:"memory"`
	Counted       counted  `json:"counted"`
	Took          string   `json:"took"`
}

// figures are those of one kind of call.
type figures struct {
	Full latencies `json:"fullLoad"`
	Half latencies `json:"halfLoad"`
	// HalfOffered is the rate at which calls were sent at half load.
	HalfOffered float64 `json:"halfLoadOffered"`
	Raw         raw     `json:"raw"`
	// ToRaw is Full.Rate / Raw.Rate.
	ToRaw float64 `json:"servedToRaw"`
	// Cryptography is Raw.CPU / (Full.ServerCPU + Full.DatabaseCPU): the part of the processor time of
	// serving that the cryptography is. It is what ToRaw would be if the load generator had cores of its
	// own and nothing ever waited.
	// CoresUsed is the part of the cores' time that all three used at full load: much less than 1 says
	// that others used the machine, or that calls waited for the disk. Both are absent when the processor
	// times are not known.
	Cryptography *float64 `json:"cryptography,omitempty"`
	CoresUsed    *float64 `json:"coresUsed,omitempty"`
	// ToOneInsert and ToManyInserts are Full.Rate to the rates of single-row inserts.
	ToOneInsert   float64 `json:"servedToInsertsOneConnection"`
	ToManyInserts float64 `json:"servedToInsertsManyConnections"`
	Growth        *growth `json:"growth,omitempty"`
}

// latencies are those of a load, with its rate and its costs. The rate of full load is the median of its
// slices, so that a slice in which others used the machine does not count; latencies are those of all.
type latencies struct {
	Calls int     `json:"calls"`
	Rate  float64 `json:"rate"`
	P50   float64 `json:"p50"`
	P95   float64 `json:"p95"`
	P99   float64 `json:"p99"`
	// The processor time of a call; absent when it is not known.
	ServerCPU    *float64 `json:"serverCPU,omitempty"`
	DatabaseCPU  *float64 `json:"databaseCPU,omitempty"`
	GeneratorCPU *float64 `json:"generatorCPU,omitempty"`
}

// raw is the rate of the cryptography alone, on all cores: the median of the slices, with the lowest and the
// highest of them. CPU is its processor time a call; absent when it is not known.
type raw struct {
	Rate  float64  `json:"rate"`
	Least float64  `json:"least"`
	Most  float64  `json:"most"`
	CPU   *float64 `json:"cpu,omitempty"`
}

// inserts are rates of single-row durable inserts.
type inserts struct {
	OneConnection   float64 `json:"oneConnection"`
	ManyConnections float64 `json:"manyConnections"`
}

// growth compares the small and the large store at full load, slices of both taking turns.
type growth struct {
	Small grown `json:"small"`
	Large grown `json:"large"`
	// Slower is by what share the rate on the large store is lower; Least and Most are those of the pairs
	// of slices next to each other.
	Slower float64 `json:"slower"`
	Least  float64 `json:"slowerLeast"`
	Most   float64 `json:"slowerMost"`
}

// grown is one store of that comparison, with its spent codes before and after. CPU is the processor time
// of server and database a call, which others who use the machine hardly change; absent when not known.
type grown struct {
	SpentBefore int      `json:"spentBefore"`
	SpentAfter  int      `json:"spentAfter"`
	Rate        float64  `json:"rate"`
	P99         float64  `json:"p99"`
	CPU         *float64 `json:"cpu,omitempty"`
}

// memory is what a server holds when its store has so many spent codes.
type memory struct {
	SpentCodes int     `json:"spentCodes"`
	ResidentMB float64 `json:"residentMB"`
}

// counted is what the stores counted, exactly as many as calls were acknowledged.
type counted struct {
	Issued    int `json:"issued"`
	Confirmed int `json:"confirmed"`
}

// newReport returns the report of a run with what is known before it.
func newReport(b *bench) *report {
	return &report{
		Store: b.backend.title(), TLS: b.TLS, Pairs: b.small.pairs, Year: b.small.year, Cores: runtime.GOMAXPROCS(0),
		Machine:     fmt.Sprintf("%s/%s, %s", runtime.GOOS, runtime.GOARCH, runtime.Version()),
		Concurrency: b.Concurrency, Connections: b.Connections, Centres: b.Centres,
		Phase: b.Phase, Slices: b.Slices, DatabaseCosts: b.backend.costs(),
	}
}

// add puts in what one kind of call came to; the inserts must be in already.
func (r *report) add(name string, m measurement) {
	f := newFigures(m, r.Cores)
	f.ToOneInsert, f.ToManyInserts = ratio(f.Full.Rate, r.Inserts.OneConnection), ratio(f.Full.Rate, r.Inserts.ManyConnections)
	if name == "issue" {
		r.Issue = f
	} else {
		r.Confirm = f
	}
}

// newFigures computes the figures of one kind of call.
func newFigures(m measurement, cores int) figures {
	f := figures{
		Full: newLatencies(together(m.small), medianRate(m.small)), Half: newLatencies(m.half, m.half.rate()), HalfOffered: m.halfRate,
	}
	alone := together(m.raw)
	f.Raw = raw{medianRate(m.raw), slices.Min(rates(m.raw)), slices.Max(rates(m.raw)), alone.cost.generator.perCall(alone.answered)}
	f.ToRaw = ratio(f.Full.Rate, f.Raw.Rate)
	if serving := f.Full.serving(); serving != nil && f.Full.GeneratorCPU != nil && f.Raw.CPU != nil {
		cryptography := ratio(*f.Raw.CPU, *serving)
		used := (*serving + *f.Full.GeneratorCPU) * f.Full.Rate / (float64(cores) * 1e6)
		f.Cryptography, f.CoresUsed = &cryptography, &used
	}
	if len(m.large) > 0 {
		f.Growth = newGrowth(m)
	}
	return f
}

// newGrowth compares the two stores.
func newGrowth(m measurement) *growth {
	on := func(samples []sample, spent [2]int) grown {
		l := newLatencies(together(samples), medianRate(samples))
		return grown{spent[0], spent[1], l.Rate, l.P99, l.serving()}
	}
	g := &growth{Small: on(m.small, m.spentSmall), Large: on(m.large, m.spentLarge)}
	g.Slower = slower(g.Small.Rate, g.Large.Rate)
	var each []float64
	for i := range min(len(m.small), len(m.large)) {
		each = append(each, slower(m.small[i].rate(), m.large[i].rate()))
	}
	g.Least, g.Most = slices.Min(each), slices.Max(each)
	return g
}

// newLatencies computes what a sample came to, whose rate is given.
func newLatencies(s sample, rate float64) latencies {
	sorted := slices.Sorted(slices.Values(s.latencies))
	at := func(p float64) float64 { return float64(percentile(sorted, p)) / float64(time.Millisecond) }
	return latencies{
		Calls: s.inTime, Rate: rate, P50: at(0.50), P95: at(0.95), P99: at(0.99),
		ServerCPU: s.cost.server.perCall(s.answered), DatabaseCPU: s.cost.database.perCall(s.answered),
		GeneratorCPU: s.cost.generator.perCall(s.answered),
	}
}

// serving returns the processor time of server and database a call; nil when the server's is not known.
func (l latencies) serving() *float64 {
	if l.ServerCPU == nil || l.DatabaseCPU == nil {
		return l.ServerCPU
	}
	sum := *l.ServerCPU + *l.DatabaseCPU
	return &sum
}

// medianRate returns the median of the rates of samples.
func medianRate(samples []sample) float64 { return median(rates(samples)) }

func rates(samples []sample) []float64 {
	var each []float64
	for _, s := range samples {
		each = append(each, s.rate())
	}
	return each
}

// median returns the middle value, or the mean of the two in the middle; 0 of none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// ratio returns a / b; 0 when b is.
func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// slower returns by what share the second rate is lower than the first; less than 0 when it is higher.
func slower(first, second float64) float64 {
	if first == 0 {
		return 0
	}
	return 1 - second/first
}

// writeJSON writes the report to a file; none when it has no name.
func (r *report) writeJSON(path string) error {
	if path == "" {
		return nil
	}
	content, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(content, '\n'), 0o644)
}
