package server

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"google.golang.org/grpc/health/grpc_health_v1"

	"aankomst/server/calendar"
	"aankomst/server/cohort"
)

const (
	// syncEvery is how soon a server follows what another process did: a cohort opened or closing.
	syncEvery = 2 * time.Second
	// readyFor is how long an answer about readiness holds, so that asking costs no write each time.
	readyFor = 5 * time.Second
	// rewriteHour is the hour of the night, Brussels time, from which the spent codes are rewritten.
	rewriteHour = 3
)

// readiness is what /readyz tells.
type readiness struct {
	Ready bool `json:"ready"`
	// Causes says why it is not ready.
	Causes []string `json:"causes,omitempty"`
	// Warnings are for the administrator; calls are answered all the same.
	Warnings []string `json:"warnings,omitempty"`

	at time.Time
}

// jobs does what is due, again and again, until ctx ends.
func (s *Server) jobs(ctx context.Context) {
	ticker := time.NewTicker(syncEvery)
	defer ticker.Stop()
	var beaten, frozen time.Time
	rewritten := calendar.Day(s.deps.Clock())
	for {
		s.report(s.readiness(ctx))
		s.faults.flush(false)
		s.metrics.publish()
		s.ledger.Forget()
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := s.deps.Clock()
		beat := now.Sub(beaten) >= cohort.BeatEvery || now.Before(beaten)
		if s.job(ctx, "taking keys into use", s.deps.Keeper.Sync(ctx, beat)) && beat {
			beaten = now
		}
		if now.Sub(frozen) >= time.Minute || now.Before(frozen) {
			if s.job(ctx, "freezing figures", s.freezer.FreezeDue(ctx)) {
				frozen = now
			}
		}
		if day := calendar.Day(now); day != rewritten && now.In(calendar.Brussels).Hour() >= rewriteHour {
			if s.job(ctx, "rewriting the spent codes", s.deps.Store.Rewrite(ctx)) {
				rewritten = day
			}
		}
	}
}

// job logs the failure of a job when it begins or changes, and its end; not each attempt between. Jobs
// run by the clock, so that says nothing of any call.
func (s *Server) job(ctx context.Context, what string, err error) bool {
	if ctx.Err() != nil {
		return err == nil
	}
	cause, before := "", s.jobCauses[what]
	if err != nil {
		cause = err.Error()
	}
	s.jobCauses[what] = cause
	switch cause {
	case before:
	case "":
		s.log.Info("a job succeeds again", slog.String("job", what))
	default:
		s.log.Error("a job failed; it is tried again until it succeeds", slog.String("job", what), slog.String("cause", cause))
	}
	return err == nil
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
		if s.deps.Keeper.Folder.HasEscrow(c.Year) {
			state.Warnings = append(state.Warnings, "an escrow copy still lies in the key folder: move it to where only its recipients have it")
		}
	}
	if warning := cohort.OpenWarning(cohorts, s.deps.Clock()); warning != "" && err == nil {
		state.Warnings = append(state.Warnings, warning)
	}
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
