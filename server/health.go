package server

import (
	"context"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"aankomst/server/cohort"
	"aankomst/server/store"
)

// readyFor is how long an answer about readiness holds, so that asking costs no write each time.
const readyFor = 5 * time.Second

// readiness is what /readyz tells.
type readiness struct {
	Ready bool `json:"ready"`
	// Causes says why it is not ready.
	Causes []string `json:"causes,omitempty"`
	// Warnings are for the administrator; calls are answered all the same.
	Warnings []string `json:"warnings,omitempty"`

	at time.Time
}

// readiness says whether calls can be answered now. What it found holds for readyFor, for everyone who
// asks; so it does not end with the one who asked, who may hang up.
func (s *Server) readiness(ctx context.Context) readiness {
	s.readyMu.Lock()
	defer s.readyMu.Unlock()
	if time.Since(s.ready.at) < readyFor {
		return s.ready
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	state := readiness{Ready: true}
	cohorts, err := s.deps.Store.ListCohorts(ctx)
	var centres []store.Centre
	if err == nil {
		centres, err = s.deps.Store.ListCentres(ctx)
	}
	if err == nil {
		err = s.deps.Store.Ping(ctx)
	}
	if err != nil {
		state.Ready = false
		state.Causes = append(state.Causes, "the store cannot be read or written")
	}
	held := s.deps.Keeper.Ring.Years()
	for _, c := range cohorts {
		if stage := cohort.StateAt(c, s.deps.Clock()); stage == cohort.Closing || stage == cohort.Closed {
			continue
		}
		if !slices.Contains(held, c.Year) {
			state.Ready = false
			state.Causes = append(state.Causes, "a cohort's key is not held")
		}
		if err == nil {
			state.Warnings = append(state.Warnings, cohort.ThinPools(c, centres)...)
		}
		if warning := cohort.CloseWarning(c, s.deps.Clock()); warning != "" {
			state.Warnings = append(state.Warnings, warning)
		}
		if s.deps.Keeper.Folder.HasEscrow(c.Year) {
			state.Warnings = append(state.Warnings, "an escrow copy still lies in the key folder: move it to where only its recipients have it")
		}
	}
	if warning := cohort.OpenWarning(cohorts, s.deps.Clock()); warning != "" && err == nil {
		state.Warnings = append(state.Warnings, warning)
	}
	state.Warnings = append(state.Warnings, s.deps.Keeper.KeyWarnings()...)
	// From now on, and not from when it was asked: a look at a locked store takes as long as its answer
	// holds, and the next in line would look again.
	state.at = time.Now()
	s.ready = state
	return state
}

// report tells gRPC health and the gauges.
func (s *Server) report(state readiness) {
	serving, ready := grpc_health_v1.HealthCheckResponse_NOT_SERVING, 0.0
	if state.Ready {
		serving, ready = grpc_health_v1.HealthCheckResponse_SERVING, 1
	}
	s.health.SetServingStatus("", serving)
	s.metrics.ready.Set(ready)
	s.metrics.warnings.Set(float64(len(state.Warnings)))
}

// endingHealth is the health service of grpc, but that those who watch it are let go when the server
// stops: otherwise each stop would wait for them as long as it may.
type endingHealth struct {
	*health.Server
	stopping <-chan struct{}
}

// Watch is called by grpc for each who watches.
func (h endingHealth) Watch(request *grpc_health_v1.HealthCheckRequest, stream grpc_health_v1.Health_WatchServer) error {
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	go func() {
		select {
		case <-h.stopping:
			cancel()
		case <-ctx.Done():
		}
	}()
	return h.Server.Watch(request, endingStream{stream, ctx})
}

// endingStream is a stream whose context ends earlier.
type endingStream struct {
	grpc.ServerStreamingServer[grpc_health_v1.HealthCheckResponse]
	ctx context.Context
}

// Context returns the context that ends earlier.
func (s endingStream) Context() context.Context { return s.ctx }
