package server

import (
	"context"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// watcher is somebody who watches and never goes away by itself.
type watcher struct {
	grpc_health_v1.Health_WatchServer
	ctx  context.Context
	seen chan grpc_health_v1.HealthCheckResponse_ServingStatus
}

func (w watcher) Context() context.Context { return w.ctx }

func (w watcher) Send(response *grpc_health_v1.HealthCheckResponse) error {
	w.seen <- response.GetStatus()
	return nil
}

// Who watches the health of a server is let go when it stops, or stopping would wait for them.
func TestWatchersAreLetGo(t *testing.T) {
	t.Parallel()
	stopping := make(chan struct{})
	service := endingHealth{health.NewServer(), stopping}
	w := watcher{ctx: t.Context(), seen: make(chan grpc_health_v1.HealthCheckResponse_ServingStatus, 10)}
	ended := make(chan error, 1)
	go func() { ended <- service.Watch(new(grpc_health_v1.HealthCheckRequest), w) }()
	if got := <-w.seen; got != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("got %s", got)
	}
	close(stopping)
	if err := <-ended; status.Code(err) != codes.Canceled {
		t.Errorf("got %v", err)
	}
}
