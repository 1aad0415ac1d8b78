package server_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/server/calendar"
	"aankomst/server/servertest"
)

// scrape returns what monitoring sees.
func (p *party) scrape() string {
	p.t.Helper()
	code, body := get(p.t, p.f.Metrics)
	if code != http.StatusOK {
		p.t.Fatalf("metrics give %d: %s", code, body)
	}
	return body
}

// watched is everything that may be asked about the server's health without signing in, in one text.
func (p *party) watched() string {
	p.t.Helper()
	all := p.scrape()
	for _, path := range []string{"/healthz", "/readyz"} {
		code, body := get(p.t, p.f.HTTP+path)
		all += fmt.Sprintln(path, code, body)
	}
	health := grpc_health_v1.NewHealthClient(p.f.Connection)
	answer, err := health.Check(p.t.Context(), new(grpc_health_v1.HealthCheckRequest))
	must(p.t, err)
	list, err := health.List(p.t.Context(), new(grpc_health_v1.HealthListRequest))
	must(p.t, err)
	for _, message := range []proto.Message{answer, list} {
		content, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
		must(p.t, err)
		all += fmt.Sprintf("%x\n", content)
	}
	return all
}

// endOfDay sets the clock to the next day.
func (p *party) endOfDay() { p.f.Clock.Set(calendar.NextDay(p.f.Clock.Now()).Add(time.Minute)) }

// Whoever reads the metrics, or asks for the server's health, again and again, sees nothing of any
// call: not one, and not a hundred, until the day is over.
func TestPrivacyMetricsWithinADay(t *testing.T) {
	t.Parallel()
	f := servertest.Start(t, servertest.Options{})
	p := newParty(t, f)
	watching, leave := context.WithCancel(t.Context())
	defer leave()
	watch, err := grpc_health_v1.NewHealthClient(f.Connection).Watch(watching, new(grpc_health_v1.HealthCheckRequest))
	must(t, err)
	eventually(t, "the server is ready", func() bool { return strings.Contains(p.scrape(), "\naankomst_ready 1\n") })
	before := p.watched()
	must(t, p.arriveWithoutCode())
	if after := p.watched(); after != before {
		t.Errorf("one arrival changes what is watched from\n%s\nto\n%s", before, after)
	}
	for range 4 {
		p.round()
	}
	if after := p.watched(); after != before {
		t.Errorf("calls change what is watched from\n%s\nto\n%s", before, after)
	}
	// Whoever watches is told that the server is up, and that it ends, and nothing between.
	go f.Stop()
	var told []grpc_health_v1.HealthCheckResponse_ServingStatus
	for !slices.Contains(told, grpc_health_v1.HealthCheckResponse_NOT_SERVING) {
		answer, err := watch.Recv()
		must(t, err)
		told = append(told, answer.GetStatus())
	}
	leave()
	want := []grpc_health_v1.HealthCheckResponse_ServingStatus{grpc_health_v1.HealthCheckResponse_SERVING, grpc_health_v1.HealthCheckResponse_NOT_SERVING}
	if !slices.Equal(told, want) {
		t.Errorf("a watcher is told %v, want %v", told, want)
	}
	f.Stop()
}

var gaugeLine = regexp.MustCompile(`(?m)^aankomst_call_\S+ .*$`)

// At a day's boundary the gauges of calls are set, and only when they speak of 50 calls or more.
func TestPrivacyMetricsOfADay(t *testing.T) {
	t.Parallel()
	f := servertest.Start(t, servertest.Options{})
	p := newParty(t, f)
	gauges := func() string { return strings.Join(gaugeLine.FindAllString(p.scrape(), -1), "\n") }
	succeed := func(calls int) {
		t.Helper()
		for range calls {
			must(t, p.arriveWithoutCode())
		}
	}
	const nothing = "aankomst_call_failures_ratio 0"
	succeed(30)
	for range 30 {
		p.watched() // questions about health are no calls, however many
	}
	p.endOfDay()
	p.beats()
	if got := gauges(); got != nothing {
		t.Errorf("after a day of 30 calls the gauges are\n%s", got)
	}
	// Fewer than 50 are kept for the next day, which therefore speaks of enough.
	succeed(30)
	p.beats()
	if got := gauges(); got != nothing {
		t.Errorf("within a day the gauges are\n%s", got)
	}
	p.endOfDay()
	set := regexp.MustCompile(`^aankomst_call_failures_ratio 0
aankomst_call_seconds\{quantile="0.5"\} [0-9.e-]+
aankomst_call_seconds\{quantile="0.95"\} [0-9.e-]+
aankomst_call_seconds\{quantile="0.99"\} [0-9.e-]+$`)
	eventually(t, "the gauges of two days of 60 calls are set", func() bool { return set.MatchString(gauges()) })
	first := gauges()

	// All of these fail, so that the share of failures would jump.
	revoked := p.revoked()
	fail := func(calls int) {
		t.Helper()
		for range calls {
			_, err := p.arrivals.ConfirmArrival(as(t.Context(), revoked), new(aankomstv1.ConfirmArrivalRequest))
			p.gives(err, codes.Unauthenticated)
		}
	}
	fail(40)
	p.endOfDay()
	p.beats()
	if got := gauges(); got != first {
		t.Errorf("after a day of 40 calls the gauges went from\n%s\nto\n%s", first, got)
	}
	fail(40)
	if got := gauges(); got != first {
		t.Errorf("within a day the gauges went from\n%s\nto\n%s", first, got)
	}
	p.endOfDay()
	eventually(t, "the gauges of 80 failed calls are set", func() bool {
		return strings.Contains(gauges(), "aankomst_call_failures_ratio 1\n")
	})
}

// Nothing is published but the gauges that are known here: collectors of the process, the runtime,
// gRPC or HTTP move with every call.
func TestPrivacyMetricsAreFew(t *testing.T) {
	t.Parallel()
	f := servertest.Start(t, servertest.Options{})
	p := newParty(t, f)
	for range 3 {
		p.round()
	}
	p.endOfDay()
	eventually(t, "the gauges are set", func() bool { return strings.Contains(p.scrape(), `quantile="0.99"`) })
	allowed := []*regexp.Regexp{
		regexp.MustCompile(`^# (HELP|TYPE) aankomst_(ready|warnings|call_seconds|call_failures_ratio) `),
		regexp.MustCompile(`^aankomst_(ready|warnings|call_failures_ratio) [0-9.]+$`),
		regexp.MustCompile(`^aankomst_call_seconds\{quantile="0\.(5|95|99)"\} [0-9.e-]+$`),
	}
	for line := range strings.Lines(p.scrape()) {
		line = strings.TrimSuffix(line, "\n")
		if !slices.ContainsFunc(allowed, func(r *regexp.Regexp) bool { return r.MatchString(line) }) {
			t.Errorf("the metrics hold %q", line)
		}
		if strings.HasPrefix(line, "# TYPE") && !strings.HasSuffix(line, " gauge") {
			t.Errorf("%q is no gauge", line)
		}
	}
	// Metrics are served on their own address alone, and no profile anywhere.
	for _, address := range []string{f.HTTP + "/metrics", f.HTTP + "/debug/pprof/", strings.TrimSuffix(f.Metrics, "/metrics") + "/debug/pprof/goroutine", f.HTTP + "/debug/vars"} {
		response, err := web.Get(address)
		must(t, err)
		body, err := io.ReadAll(response.Body)
		must(t, err)
		response.Body.Close()
		if strings.HasSuffix(address, "/metrics") && response.StatusCode == http.StatusOK ||
			regexp.MustCompile(`(?i)goroutine|memstats|# TYPE go_`).Match(body) {
			t.Errorf("%s gives %s: %s", address, response.Status, short(body))
		}
	}
}
