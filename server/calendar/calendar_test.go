package calendar

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// at reads a moment as RFC 3339 with its offset.
func at(t *testing.T, text string) time.Time {
	t.Helper()
	moment, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return moment
}

// utc writes a moment so that two of the same are written alike.
func utc(moment time.Time) string { return moment.UTC().Format(time.RFC3339Nano) }

func TestDaysAndYearsChangeAtMidnightInBrussels(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, moment, day string
		year              int
	}{
		{"last moment of a year, one hour before UTC's", "2026-12-31T22:59:59.999999999Z", "2026-12-31", 2026},
		{"first moment of a year", "2026-12-31T23:00:00Z", "2027-01-01", 2027},
		{"UTC's own new year", "2027-01-01T00:00:00Z", "2027-01-01", 2027},
		{"new year far to the east", "2027-01-01T00:30:00+14:00", "2026-12-31", 2026},
		{"old year far to the west", "2026-12-31T13:30:00-10:00", "2027-01-01", 2027},
		{"before midnight in summer time", "2026-07-14T21:59:59Z", "2026-07-14", 2026},
		{"midnight in summer time", "2026-07-14T22:00:00Z", "2026-07-15", 2026},
		{"29 February", "2028-02-28T23:30:00Z", "2028-02-29", 2028},
		{"the day on which the clock goes forward", "2026-03-29T01:00:00Z", "2026-03-29", 2026},
		{"the day on which the clock goes back", "2026-10-25T22:59:59Z", "2026-10-25", 2026},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := Day(at(t, c.moment)); got != c.day {
				t.Errorf("Day: got %s, want %s", got, c.day)
			}
			if got := Year(at(t, c.moment)); got != c.year {
				t.Errorf("Year: got %d, want %d", got, c.year)
			}
		})
	}
}

func TestTheNextDayBeginsAtMidnight(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, now, next string }{
		{"an ordinary day", "2026-05-04T12:00:00+02:00", "2026-05-05T00:00:00+02:00"},
		{"the very moment of midnight", "2026-05-04T00:00:00+02:00", "2026-05-05T00:00:00+02:00"},
		{"the last moment of a day", "2026-05-04T23:59:59.999999999+02:00", "2026-05-05T00:00:00+02:00"},
		{"a day of 23 hours", "2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00"},
		{"a day of 25 hours", "2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00"},
		{"the hour that comes twice", "2026-10-25T02:30:00+01:00", "2026-10-26T00:00:00+01:00"},
		{"the end of a month", "2026-02-28T10:00:00+01:00", "2026-03-01T00:00:00+01:00"},
		{"the end of a year", "2026-12-31T10:00:00+01:00", "2027-01-01T00:00:00+01:00"},
		{"a moment that is tomorrow elsewhere", "2026-05-05T07:00:00+14:00", "2026-05-05T00:00:00+02:00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := NextDay(at(t, c.now)); !got.Equal(at(t, c.next)) {
				t.Errorf("got %s, want %s", utc(got), utc(at(t, c.next)))
			}
		})
	}
}

func TestDaysFollowEachOther(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		// 1990 to 2100, to the nanosecond.
		now := time.Unix(rapid.Int64Range(631152000, 4102444800).Draw(t, "seconds"), rapid.Int64Range(0, 999999999).Draw(t, "nanoseconds"))
		next := NextDay(now)
		if !next.After(now) || next.Sub(now) > 25*time.Hour {
			t.Fatalf("the day after %s begins at %s", utc(now), utc(next))
		}
		if Day(now) >= Day(next) {
			t.Fatalf("%s is followed by %s", Day(now), Day(next))
		}
		if last := next.Add(-time.Nanosecond); Day(last) != Day(now) {
			t.Fatalf("%s lies between %s and the next day, but is %s", utc(last), utc(now), Day(last))
		}
	})
}

func TestQuartersAreCoarse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, now, quarter string }{
		{"in the middle", "2026-05-04T12:07:31.5Z", "2026-05-04T12:00:00Z"},
		{"at its beginning", "2026-05-04T12:15:00Z", "2026-05-04T12:15:00Z"},
		{"at its end", "2026-05-04T12:29:59.999999999Z", "2026-05-04T12:15:00Z"},
		{"before midnight", "2026-05-04T23:59:00Z", "2026-05-04T23:45:00Z"},
		{"in another zone", "2026-05-04T12:07:00+05:30", "2026-05-04T06:30:00Z"},
		{"the first pass of the hour that comes twice", "2026-10-25T02:20:00+02:00", "2026-10-25T00:15:00Z"},
		{"the second pass of it", "2026-10-25T02:20:00+01:00", "2026-10-25T01:15:00Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := Quarter(at(t, c.now))
			if utc(got) != c.quarter {
				t.Errorf("got %s, want %s", utc(got), c.quarter)
			}
			if got.Location() != time.UTC {
				t.Errorf("it is in %s", got.Location())
			}
		})
	}
}

func TestCohortsOpenInDecemberAndCloseInJuly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		year         int
		opens, shuts string
	}{
		{2026, "2025-12-01T00:00:00+01:00", "2027-07-01T00:00:00+02:00"},
		{2028, "2027-12-01T00:00:00+01:00", "2029-07-01T00:00:00+02:00"},
	} {
		if got := OpensFrom(c.year); !got.Equal(at(t, c.opens)) {
			t.Errorf("%d opens from %s, want %s", c.year, utc(got), c.opens)
		}
		if got := ClosesFrom(c.year); !got.Equal(at(t, c.shuts)) {
			t.Errorf("%d closes from %s, want %s", c.year, utc(got), c.shuts)
		}
	}
}

func TestCutOffsFallAtTheEndOfEachQuarter(t *testing.T) {
	t.Parallel()
	want := []struct{ day, at string }{
		{"2028-03-31", "2028-04-01T00:00:00+02:00"},
		{"2028-06-30", "2028-07-01T00:00:00+02:00"},
		{"2028-09-30", "2028-10-01T00:00:00+02:00"},
		{"2028-12-31", "2029-01-01T00:00:00+01:00"},
	}
	got := CutOffs(2028)
	if len(got) != len(want) {
		t.Fatalf("got %d cut-offs, want %d", len(got), len(want))
	}
	for i, w := range want {
		if got[i].Day != w.day || !got[i].At.Equal(at(t, w.at)) {
			t.Errorf("cut-off %d: got %+v, want %+v", i+1, got[i], w)
		}
	}
}

// What is counted until a cut-off is what happened on its day or before.
func TestTheDayOfACutOffIsTheLastThatIsCounted(t *testing.T) {
	t.Parallel()
	for year := 2024; year <= 2040; year++ {
		for _, cutOff := range CutOffs(year) {
			if Day(cutOff.At) <= cutOff.Day || Day(cutOff.At.Add(-time.Nanosecond)) != cutOff.Day {
				t.Errorf("%s is over at %s", cutOff.Day, utc(cutOff.At))
			}
		}
	}
}
