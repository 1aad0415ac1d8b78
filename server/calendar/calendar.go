// Package calendar knows when years change, cut-offs fall and days end: in Europe/Brussels. Moments
// are handed in; it reads no clock.
package calendar

import (
	"time"
	// A bare machine may have no time zone files.
	_ "time/tzdata"
)

// Brussels is the time zone in which years change and cut-offs fall.
var Brussels = func() *time.Location {
	location, err := time.LoadLocation("Europe/Brussels")
	if err != nil {
		panic("the embedded time zone data has no Europe/Brussels: " + err.Error())
	}
	return location
}()

// dayFormat is how days are written everywhere.
const dayFormat = "2006-01-02"

// Year returns the cohort year of a moment.
func Year(now time.Time) int { return now.In(Brussels).Year() }

// Day returns the day of a moment as YYYY-MM-DD.
func Day(now time.Time) string { return now.In(Brussels).Format(dayFormat) }

// Quarter returns the beginning of the quarter of an hour of a moment, in UTC: the finest time that
// is kept of anything a person did.
func Quarter(now time.Time) time.Time { return now.UTC().Truncate(15 * time.Minute) }

// NextDay returns when the day after that of a moment begins.
func NextDay(now time.Time) time.Time {
	local := now.In(Brussels)
	return time.Date(local.Year(), local.Month(), local.Day()+1, 0, 0, 0, 0, Brussels)
}

// OpensFrom returns the first moment at which the cohort of a year can be opened: 1 December of the
// year before.
func OpensFrom(year int) time.Time {
	return time.Date(year-1, time.December, 1, 0, 0, 0, 0, Brussels)
}

// ClosesFrom returns the first moment at which the cohort of a year can be closed without haste: its
// codes are confirmed until 30 June of the year after.
func ClosesFrom(year int) time.Time {
	return time.Date(year+1, time.July, 1, 0, 0, 0, 0, Brussels)
}

// CutOff is a day after which a cohort's running total is frozen.
type CutOff struct {
	// Day is the last day that is counted, YYYY-MM-DD.
	Day string
	// At is when that day is over.
	At time.Time
}

// CutOffs returns the cut-offs of a cohort, in their order.
func CutOffs(year int) []CutOff {
	var cutOffs []CutOff
	for _, month := range []time.Month{time.March, time.June, time.September, time.December} {
		last := time.Date(year, month+1, 0, 0, 0, 0, 0, Brussels)
		cutOffs = append(cutOffs, CutOff{
			Day: last.Format(dayFormat), At: last.AddDate(0, 0, 1),
		})
	}
	return cutOffs
}
