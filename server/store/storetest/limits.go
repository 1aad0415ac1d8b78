package storetest

import (
	"errors"
	"testing"
	"time"

	"aankomst/server/store"
)

var limitTests = []test{
	{"wrong codes are counted by day and quarter", wrongCodes},
	{"a clock set back starts no new count", clockBack},
	{"wrong codes at once are all counted", wrongCodesAtOnce},
}

func quarter(n int) time.Time {
	return time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC).Add(time.Duration(n) * 15 * time.Minute)
}

// add counts a wrong code and compares what is returned, and then kept, with what is wanted.
func add(t *testing.T, s store.Store, centre, day string, begin time.Time, want store.WrongCodes) {
	t.Helper()
	got, err := s.AddWrongCode(t.Context(), centre, day, begin)
	is(t, err, nil)
	for _, w := range []store.WrongCodes{got, kept(t, s, centre)} {
		w.Quarter = w.Quarter.UTC()
		equal(t, w, want)
	}
}

// kept returns the wrong codes of a centre as they come with its callers.
func kept(t *testing.T, s store.Store, centre string) store.WrongCodes {
	t.Helper()
	of := token("of "+centre, centre[0])
	of.Centre = centre
	if err := s.CreateToken(t.Context(), of); !errors.Is(err, store.ErrExists) {
		is(t, err, nil)
	}
	return callers(t, s, of.Hash)[0].Wrong
}

func wrongCodes(t *testing.T, s store.Store) {
	withCohort(t, s)
	equal(t, kept(t, s, "a"), store.WrongCodes{})

	add(t, s, "a", "2026-03-01", quarter(0), store.WrongCodes{Day: "2026-03-01", InDay: 1, Quarter: quarter(0), InQuarter: 1})
	add(t, s, "a", "2026-03-01", quarter(0), store.WrongCodes{Day: "2026-03-01", InDay: 2, Quarter: quarter(0), InQuarter: 2})
	add(t, s, "a", "2026-03-01", quarter(1), store.WrongCodes{Day: "2026-03-01", InDay: 3, Quarter: quarter(1), InQuarter: 1})
	add(t, s, "b", "2026-03-01", quarter(1), store.WrongCodes{Day: "2026-03-01", InDay: 1, Quarter: quarter(1), InQuarter: 1})
	add(t, s, "a", "2026-03-02", quarter(90), store.WrongCodes{Day: "2026-03-02", InDay: 1, Quarter: quarter(90), InQuarter: 1})

	// The same moment told in another time zone is the same quarter.
	brussels := time.FixedZone("CET", 3600)
	add(t, s, "a", "2026-03-02", quarter(90).In(brussels), store.WrongCodes{Day: "2026-03-02", InDay: 2, Quarter: quarter(90), InQuarter: 2})
}

func clockBack(t *testing.T, s store.Store) {
	withCohort(t, s)
	add(t, s, "a", "2026-03-02", quarter(9), store.WrongCodes{Day: "2026-03-02", InDay: 1, Quarter: quarter(9), InQuarter: 1})
	add(t, s, "a", "2026-03-01", quarter(3), store.WrongCodes{Day: "2026-03-02", InDay: 2, Quarter: quarter(9), InQuarter: 2})
	add(t, s, "a", "2025-12-31", quarter(10), store.WrongCodes{Day: "2026-03-02", InDay: 3, Quarter: quarter(10), InQuarter: 1})
	add(t, s, "a", "2026-03-03", quarter(9), store.WrongCodes{Day: "2026-03-03", InDay: 1, Quarter: quarter(10), InQuarter: 2})
}

func wrongCodesAtOnce(t *testing.T, s store.Store) {
	withCohort(t, s)
	const n = 12
	errs := together(n, func(int) error {
		_, err := s.AddWrongCode(t.Context(), "a", "2026-03-01", quarter(0))
		return err
	})
	is(t, errors.Join(errs...), nil)
	add(t, s, "a", "2026-03-01", quarter(0), store.WrongCodes{Day: "2026-03-01", InDay: n + 1, Quarter: quarter(0), InQuarter: n + 1})
}
