package server

import (
	"context"
	"log/slog"
	"time"

	"aankomst/server/calendar"
	"aankomst/server/cohort"
)

const (
	// syncEvery is how soon a server follows what another process did: a cohort opened or closing.
	syncEvery = 2 * time.Second
	// rewriteHour is the hour of the night, Brussels time, from which the spent codes are rewritten.
	rewriteHour = 3
)

// jobs does what is due, again and again, until ctx ends.
func (s *Server) jobs(ctx context.Context) {
	ticker := time.NewTicker(syncEvery)
	defer ticker.Stop()
	var beaten, frozen, settled, tried time.Time
	// A server that is stopped every night rewrites when it starts.
	rewritten := ""
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
		if quarter := calendar.Quarter(now); !quarter.Equal(settled) {
			written := s.job(ctx, "writing when sessions and tokens were used", s.writeUses(ctx))
			if s.job(ctx, "emptying the store's log", s.deps.Store.Settle(ctx)) && written {
				settled = quarter
			}
		}
		day, night := calendar.Day(now), now.In(calendar.Brussels).Hour() >= rewriteHour
		again := now.Sub(tried) >= time.Minute || now.Before(tried)
		if again && day != rewritten && (night || rewritten == "") {
			tried = now
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

// writeUses writes when sessions and tokens were last used: by the clock and for all at once, so that
// neither place nor time of what is written tells who called when.
func (s *Server) writeUses(ctx context.Context) error {
	uses := s.door.Uses()
	err := s.deps.Store.Used(ctx, uses, s.deps.Clock())
	if err != nil {
		s.door.Remember(uses)
	}
	return err
}
