package server

import (
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"aankomst/server/calendar"
)

// minCalls is how many calls a published gauge speaks of, at least: fewer would tell of one.
const minCalls = 50

// maxKept bounds the latencies that are kept until they are published; later ones replace earlier ones.
const maxKept = 10_000

// metrics holds gauges alone, and none that a single call moves: what calls did is gathered and set at
// a day's boundary, for all methods together. Collectors of the process, the runtime and grpc are left
// out for the same reason.
type metrics struct {
	registry  *prometheus.Registry
	ready     prometheus.Gauge
	warnings  prometheus.Gauge
	latency   *prometheus.GaugeVec
	failures  prometheus.Gauge
	publishes func() time.Time

	mu     sync.Mutex
	day    string
	kept   []time.Duration
	calls  int
	failed int
}

func newMetrics(clock func() time.Time) *metrics {
	m := &metrics{
		registry:  prometheus.NewRegistry(),
		publishes: clock,
		day:       calendar.Day(clock()),
		ready: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "aankomst_ready", Help: "1 when the server can answer: the store can be written and every key is held.",
		}),
		warnings: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "aankomst_warnings", Help: "How many warnings /readyz gives.",
		}),
		latency: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "aankomst_call_seconds",
			Help: "Latency of all calls together, by quantile, set at the end of a day over 50 calls or more.",
		}, []string{"quantile"}),
		failures: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "aankomst_call_failures_ratio",
			Help: "Share of calls that gave an error, in steps of 5 per cent, set at the end of a day over 50 calls or more.",
		}),
	}
	m.registry.MustRegister(m.ready, m.warnings, m.latency, m.failures)
	return m
}

// observe gathers one call.
func (m *metrics) observe(took time.Duration, failed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.kept) < maxKept {
		m.kept = append(m.kept, took)
	} else {
		m.kept[m.calls%maxKept] = took
	}
	m.calls++
	if failed {
		m.failed++
	}
}

// publish sets the gauges when a day has ended and enough calls were gathered; otherwise it goes on
// gathering.
func (m *metrics) publish() {
	m.mu.Lock()
	defer m.mu.Unlock()
	today := calendar.Day(m.publishes())
	if today == m.day {
		return
	}
	m.day = today
	if m.calls < minCalls {
		return
	}
	slices.Sort(m.kept)
	for label, quantile := range map[string]float64{"0.5": 0.5, "0.95": 0.95, "0.99": 0.99} {
		at := min(int(quantile*float64(len(m.kept))), len(m.kept)-1)
		m.latency.WithLabelValues(label).Set(m.kept[at].Round(time.Millisecond).Seconds())
	}
	m.failures.Set(float64(20*m.failed/m.calls) / 20)
	m.kept, m.calls, m.failed = nil, 0, 0
}
