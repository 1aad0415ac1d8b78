package cohort

import (
	"fmt"
	"time"

	"aankomst/server/calendar"
	"aankomst/server/store"
)

// State is what can be done with a cohort's codes.
type State uint8

// The states.
const (
	// Ahead: opened before its year; only practice codes are issued.
	Ahead State = iota + 1
	// Open: codes are issued and confirmed.
	Open
	// Maturing: the year is over; codes are still confirmed.
	Maturing
	// Closing: nothing is issued or confirmed.
	Closing
	// Closed for good.
	Closed
)

// String returns the state's name in lower case.
func (s State) String() string {
	names := []string{"ahead", "open", "maturing", "closing", "closed"}
	if s < Ahead || s > Closed {
		return fmt.Sprintf("State(%d)", uint8(s))
	}
	return names[s-1]
}

// StateAt returns the state of a cohort at a moment.
func StateAt(cohort store.Cohort, now time.Time) State {
	switch year := calendar.Year(now); {
	case cohort.Stage == store.StageClosed:
		return Closed
	case cohort.Stage != store.StageOpen:
		return Closing
	case year < cohort.Year:
		return Ahead
	case year == cohort.Year:
		return Open
	default:
		return Maturing
	}
}
