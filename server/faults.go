package server

import (
	"errors"
	"log/slog"
	"sync"
	"time"

	"aankomst/server/calendar"
	"aankomst/server/store"
)

// faultLog tells the operator what went wrong, but not when: a line at the moment of a failed call
// would say that there was a call. The first fault of a quarter of an hour is written when the quarter
// is over. What is wrong right now is told by /readyz and by the heartbeat, which do not depend on
// calls.
type faultLog struct {
	log   *slog.Logger
	clock func() time.Time

	mu      sync.Mutex
	quarter time.Time
	cause   string
}

// note keeps the cause of a fault until the quarter is over.
func (f *faultLog) note(err error) {
	cause := err.Error()
	if errors.Is(err, store.ErrUnavailable) {
		cause = "the store could not serve: " + cause
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cause == "" {
		f.quarter, f.cause = calendar.Quarter(f.clock()), cause
	}
}

// flush writes what was noted in quarters that are over, or anything noted when all is set.
func (f *faultLog) flush(all bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cause == "" || !all && !calendar.Quarter(f.clock()).After(f.quarter) {
		return
	}
	f.log.Error("calls failed", slog.String("cause", f.cause))
	f.cause = ""
}
