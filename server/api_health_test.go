package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/server/calendar"
	"aankomst/server/cohort"
	"aankomst/server/servertest"
	"aankomst/server/store"
)

// readiness is what /readyz tells.
type readiness struct {
	Ready            bool
	Causes, Warnings []string
}

// ready asks /readyz, as whoever watches the server does: without a token.
func (a *api) ready(t *testing.T) readiness {
	t.Helper()
	response, err := a.web.Get(a.HTTP + "/readyz")
	must(t, err)
	defer response.Body.Close()
	var state readiness
	must(t, json.NewDecoder(response.Body).Decode(&state))
	if want := map[bool]int{true: 200, false: 503}[state.Ready]; response.StatusCode != want || response.Header.Get("Content-Type") != "application/json" {
		t.Errorf("HTTP %d, %s, for %+v", response.StatusCode, response.Header.Get("Content-Type"), state)
	}
	return state
}

// health asks the health service of gRPC.
func (a *api) health(t *testing.T) grpc_health_v1.HealthCheckResponse_ServingStatus {
	t.Helper()
	got, err := grpc_health_v1.NewHealthClient(a.Connection).Check(t.Context(), new(grpc_health_v1.HealthCheckRequest))
	must(t, err)
	return got.GetStatus()
}

func TestAPIHealthy(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	if got := a.raw("", "GET", "/healthz", ""); got.http != 200 || strings.TrimSpace(got.body) != `{"alive":true}` {
		t.Errorf("%v: %s", got, got.body)
	}
	if state := a.ready(t); !state.Ready || len(state.Causes) > 0 {
		t.Errorf("%+v", state)
	}
	eventually(t, "it serves", func() bool { return a.health(t) == grpc_health_v1.HealthCheckResponse_SERVING })
}

func TestAPIWarnings(t *testing.T) {
	t.Parallel()
	december := time.Date(servertest.Year, time.December, 1, 0, 0, 0, 0, calendar.Brussels)
	july := calendar.ClosesFrom(servertest.Year)
	const escrow, noNext, none = "escrow copy", "cohort of 2027 is not open", "no cohort for 2026"
	const due = "the cohort of 2026 can be closed since 2027-07-01: aankomst cohort close 2026 --yes"
	for name, test := range map[string]struct {
		now time.Time
		// moved says that the escrow copies were moved, next that the next cohort was opened.
		noCohort, moved, next bool
		warnings              []string
	}{
		"all is well":                   {servertest.Noon, false, true, false, nil},
		"an escrow copy":                {servertest.Noon, false, false, false, []string{escrow}},
		"no cohort":                     {servertest.Noon, true, true, false, []string{none}},
		"the last moment of November":   {december.Add(-time.Nanosecond), false, true, false, nil},
		"December":                      {december, false, true, false, []string{noNext}},
		"December, with an escrow":      {december, false, false, false, []string{escrow, noNext}},
		"December, with the next":       {december, false, true, true, nil},
		"December, with its escrow":     {december, false, false, true, []string{escrow, escrow}},
		"the new year without":          {december.AddDate(0, 1, 0), false, true, false, []string{"no cohort for 2027"}},
		"the new year, with the cohort": {december.AddDate(0, 1, 0), false, true, true, nil},
		"the last moment of June":       {july.Add(-time.Nanosecond), false, true, true, nil},
		"July, before the closing":      {july, false, true, true, []string{due}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first := startAPI(t, servertest.Options{NoCohort: test.noCohort, Now: december})
			if test.next {
				first.OpenCohort(servertest.Year+1, 0)
			}
			first.Stop()
			if test.moved {
				copies, err := filepath.Glob(filepath.Join(first.Folder, "keys", "*.escrow.*"))
				must(t, err)
				for _, copied := range copies {
					must(t, os.Remove(copied))
				}
			}
			// A server that starts now looks at all of it anew.
			state := startAPI(t, servertest.Options{NoCohort: true, Folder: first.Folder, Now: test.now}).ready(t)
			if !state.Ready || len(state.Warnings) != len(test.warnings) {
				t.Fatalf("%+v, want the warnings %q", state, test.warnings)
			}
			for i, warning := range test.warnings {
				if !strings.Contains(state.Warnings[i], warning) {
					t.Errorf("warning %d is %q, want %q", i+1, state.Warnings[i], warning)
				}
			}
		})
	}
}

// A server goes on with the key that it has in memory when the file is gone, and could not start again: whoever
// looks after it has to hear of that while it still runs.
func TestAPIWarnsOfALostKeyFile(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	file := filepath.Join(a.Folder, "keys", cohort.KeyFile(servertest.Year))
	warns := func() bool {
		state := a.ready(t)
		if !state.Ready {
			t.Fatalf("it is not ready: %+v", state)
		}
		return slices.ContainsFunc(state.Warnings, func(warning string) bool {
			return strings.Contains(warning, "the key file of 2026 is missing") && strings.Contains(warning, "escrow copy")
		})
	}
	if warns() {
		t.Error("it warns of a file that is there")
	}
	must(t, os.Rename(file, file+".away"))
	a.Clock.Advance(cohort.BeatEvery)
	eventually(t, "it warns", warns)
	a.issue(servertest.Year, 1)
	must(t, os.Rename(file+".away", file))
	a.Clock.Advance(cohort.BeatEvery)
	eventually(t, "it warns no more", func() bool { return !warns() })
}

// strangeStore fails in the ways of a store, or in none.
type strangeStore struct {
	store.Store
	// pings and reads are what Ping and GetCentre return; a panic when reads is errPanic.
	pings, reads atomic.Pointer[error]
}

var errPanic = errors.New("to be thrown")

func (s *strangeStore) Ping(ctx context.Context) error {
	if err := s.pings.Load(); err != nil {
		return *err
	}
	return s.Store.Ping(ctx)
}

func (s *strangeStore) GetCentre(ctx context.Context, id string) (store.Centre, error) {
	if err := s.reads.Load(); err != nil {
		if errors.Is(*err, errPanic) {
			panic("the centre " + id)
		}
		return store.Centre{}, *err
	}
	return s.Store.GetCentre(ctx, id)
}

func TestAPINotReady(t *testing.T) {
	t.Parallel()
	strange, away := new(strangeStore), fmt.Errorf("%w: the disk is full", store.ErrUnavailable)
	strange.pings.Store(&away)
	a := startAPI(t, servertest.Options{Store: func(s store.Store) store.Store {
		strange.Store = s
		return strange
	}})
	eventually(t, "it serves no more", func() bool { return a.health(t) == grpc_health_v1.HealthCheckResponse_NOT_SERVING })
	state := a.ready(t)
	// The cause is for whoever watches; what exactly is wrong with the disk is for the operator.
	if state.Ready || !slices.Contains(state.Causes, "the store cannot be read or written") || strings.Contains(fmt.Sprint(state), "disk") {
		t.Errorf("%+v", state)
	}
	if got := a.raw("", "GET", "/healthz", ""); got.http != 200 {
		t.Errorf("not ready, it is dead as well: %v", got)
	}
	strange.pings.Store(nil)
	eventually(t, "it is ready again", func() bool { return a.ready(t).Ready })
	eventually(t, "it serves again", func() bool { return a.health(t) == grpc_health_v1.HealthCheckResponse_SERVING })
}

// What goes wrong in the store becomes an error that says what to do and nothing of the cause.
func TestAPIStoreErrors(t *testing.T) {
	t.Parallel()
	strange := new(strangeStore)
	a := startAPI(t, servertest.Options{Store: func(s store.Store) store.Store {
		strange.Store = s
		return strange
	}})
	bothWays(t, func(t *testing.T, call func(*api, string, proto.Message) answer) {
		for _, test := range []struct {
			err    error
			code   codes.Code
			reason string
			retry  time.Duration
		}{
			{errors.New("CAUSE"), codes.Internal, "INTERNAL", 0},
			{errPanic, codes.Internal, "INTERNAL", 0},
			{fmt.Errorf("CAUSE: %w", store.ErrUnavailable), codes.Unavailable, "STORE_UNAVAILABLE", 2 * time.Second},
			{fmt.Errorf("CAUSE: %w", store.ErrConflict), codes.Aborted, "CHANGED_MEANWHILE", 0},
		} {
			strange.reads.Store(&test.err)
			got := call(a, a.counsellor(), &aankomstv1.GetCentreRequest{Id: "cgg-a"})
			got.refused(t, test.code, test.reason)
			if got.retry != test.retry || strings.Contains(got.wire, "CAUSE") || strings.Contains(got.wire, "cgg-a") {
				t.Errorf("%v: %s", test.err, got.wire)
			}
			strange.reads.Store(nil)
			call(a, a.counsellor(), &aankomstv1.GetCentreRequest{Id: "cgg-a"}).worked(t)
		}
	})
}

// Every answer of REST carries the same headers, whatever it is.
func TestAPISecurityHeaders(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	a.pass(t, cutOff(1))
	a.publish(t, "")
	for _, ask := range []struct {
		verb, path, body string
		http             int
	}{
		{"GET", "/v1/cohorts", "", 200}, {"GET", "/healthz", "", 200}, {"GET", "/readyz", "", 200},
		{"GET", "/v1/releases/1:export?format=csv", "", 200}, {"GET", "/v1/releases/1:export?format=json", "", 200},
		{"GET", "/v1/centres", "", 403}, {"GET", "/nowhere", "", 404}, {"PUT", "/v1/centres", "", 405},
		{"POST", "/v1/releases", "{", 400}, {"POST", "/v1/releases", strings.Repeat("a", 1<<17), 413}, {"OPTIONS", "/v1/releases", "", 405},
	} {
		token := a.coordinator()
		if ask.http == 403 {
			ask.verb, ask.path, token = "POST", "/v1/centres", a.coordinator()
		}
		got := a.raw(token, ask.verb, ask.path, ask.body)
		if got.http != ask.http {
			t.Errorf("%s %s: %v, want HTTP %d", ask.verb, ask.path, got, ask.http)
		}
		for name, want := range map[string]string{
			"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
			"Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
			// Nothing is shared with other origins, and nothing is said of what runs here.
			"Access-Control-Allow-Origin": "", "Server": "", "Set-Cookie": "", "X-Powered-By": "",
		} {
			if header := got.header.Get(name); header != want {
				t.Errorf("%s %s: %s is %q, want %q", ask.verb, ask.path, name, header, want)
			}
		}
		for name := range got.header {
			if strings.HasPrefix(name, "Grpc-") {
				t.Errorf("%s %s: the header %s", ask.verb, ask.path, name)
			}
		}
	}
}
