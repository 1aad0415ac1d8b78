package server_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	client "aankomst/clients/go"
	"aankomst/server/servertest"
	"aankomst/server/store"
	"aankomst/server/store/sqlite"
)

// unavailable fails the test unless an error is the one that a caller gets while the store cannot be
// used: with a reason to branch on, a time to wait and a sentence that says what to do.
func unavailable(t *testing.T, err error) {
	t.Helper()
	if status.Code(err) != codes.Unavailable || client.Reason(err) != "STORE_UNAVAILABLE" || client.RetryAfter(err) <= 0 ||
		!strings.Contains(status.Convert(err).Message(), "try again") {
		t.Errorf("the error is %v, reason %q", err, client.Reason(err))
	}
}

// isReady waits until the server says everywhere that it is ready, or that it is not and why.
func isReady(t *testing.T, f *servertest.Fixture, ready bool) {
	t.Helper()
	want, serving := http.StatusServiceUnavailable, grpc_health_v1.HealthCheckResponse_NOT_SERVING
	if ready {
		want, serving = http.StatusOK, grpc_health_v1.HealthCheckResponse_SERVING
	}
	var code int
	var body string
	eventually(t, fmt.Sprintf("readiness is %t", ready), func() bool {
		code, body = get(t, f.HTTP+"/readyz")
		return code == want
	})
	if ready == strings.Contains(body, "the store cannot be") {
		t.Errorf("/readyz gives %d: %s", code, body)
	}
	eventually(t, fmt.Sprintf("gRPC health is %s", serving), func() bool {
		answer, err := grpc_health_v1.NewHealthClient(f.Connection).Check(t.Context(), new(grpc_health_v1.HealthCheckRequest))
		must(t, err)
		return answer.GetStatus() == serving
	})
	eventually(t, "the gauge follows", func() bool {
		_, metrics := get(t, f.Metrics)
		return strings.Contains(metrics, "\naankomst_ready 1\n") == ready
	})
	// Alive it is all the while: nobody must restart it for this.
	if code, _ := get(t, f.HTTP+"/healthz"); code != http.StatusOK {
		t.Errorf("/healthz gives %d", code)
	}
}

// sound ends a fixture, checks its store's file, and starts another server on it.
func sound(t *testing.T, f *servertest.Fixture) *servertest.Fixture {
	t.Helper()
	f.Stop()
	must(t, f.Store.Close())
	must(t, sqlite.Verify(t.Context(), filepath.Join(f.Folder, "aankomst.db"), storeKey(t, f.Folder)))
	return servertest.Start(t, servertest.Options{Folder: f.Folder})
}

// sameCounts fails the test unless a pool's counts are what was acknowledged.
func sameCounts(t *testing.T, when string, got, want store.PoolCounts) {
	t.Helper()
	want.Number = got.Number
	if got != want {
		t.Errorf("%s the counts are %+v, want %+v", when, got, want)
	}
}

// resources are what a server must give back when it ends.
type resources struct{ goroutines, descriptors int }

func resourcesNow(t *testing.T) resources {
	t.Helper()
	descriptors, err := os.ReadDir("/proc/self/fd")
	if errors.Is(err, os.ErrNotExist) {
		descriptors, err = os.ReadDir("/dev/fd")
	}
	must(t, err)
	return resources{runtime.NumGoroutine(), len(descriptors)}
}

// givenBack waits until no more is in use than was before.
func (before resources) givenBack(t *testing.T) {
	t.Helper()
	var now resources
	defer func() {
		if t.Failed() {
			stacks := make([]byte, 1<<20)
			t.Logf("before %+v, now %+v\n%s", before, now, stacks[:runtime.Stack(stacks, true)])
		}
	}()
	eventually(t, "goroutines and descriptors are given back", func() bool {
		web.CloseIdleConnections()
		now = resourcesNow(t)
		return now.goroutines <= before.goroutines && now.descriptors <= before.descriptors
	})
}

// manyDescriptors lets this process open so many files.
func manyDescriptors(t *testing.T, wanted uint64) {
	t.Helper()
	var limit syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	if limit.Cur >= wanted {
		return
	}
	old := limit
	limit.Cur, limit.Max = wanted, max(limit.Max, wanted)
	must(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
	t.Cleanup(func() { must(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old)) })
}
