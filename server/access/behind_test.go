package access

import (
	"errors"
	"testing"
	"time"

	"aankomst/server/store"
)

// What follows is about counts that were read a while before the attempt that they came for.

// The counts that came with a caller may be behind those that the process knows: they must never take it
// back, nor count what is known twice.
func TestCountsThatAreBehindTellNothing(t *testing.T) {
	t.Parallel()
	const yesterday, today, tomorrow = "2026-05-03", "2026-05-04", "2026-05-05"
	at := at(t, start)
	quarter := func(n int) time.Time { return at.Add(time.Duration(n) * 15 * time.Minute) }
	known := store.WrongCodes{Day: today, InDay: 8, Quarter: quarter(0), InQuarter: 5}
	for _, c := range []struct {
		name  string
		came  store.WrongCodes
		after time.Duration // since the quarter of those known
		want  store.WrongCodes
		fresh int // how many are taken to have come just now
	}{
		{"the same", known, 0, known, 0},
		{"none", store.WrongCodes{}, 0, known, 0},
		{"fewer in the quarter", store.WrongCodes{Day: today, InDay: 7, Quarter: quarter(0), InQuarter: 4}, 0, known, 0},
		{"an older quarter", store.WrongCodes{Day: today, InDay: 3, Quarter: quarter(-1), InQuarter: 9}, 0, known, 0},
		{"an older day", store.WrongCodes{Day: yesterday, InDay: 200, Quarter: quarter(-50), InQuarter: 9}, 0, known, 0},
		{"an older day that had more", store.WrongCodes{Day: yesterday, InDay: 200, Quarter: quarter(0), InQuarter: 5}, 0, known, 0},
		{
			"more in the quarter", store.WrongCodes{Day: today, InDay: 10, Quarter: quarter(0), InQuarter: 7}, 0,
			store.WrongCodes{Day: today, InDay: 10, Quarter: quarter(0), InQuarter: 7}, 2,
		},
		{
			"the next quarter", store.WrongCodes{Day: today, InDay: 11, Quarter: quarter(1), InQuarter: 3}, 16 * time.Minute,
			store.WrongCodes{Day: today, InDay: 11, Quarter: quarter(1), InQuarter: 3}, 3,
		},
		{
			"the next quarter, which is over for a minute", store.WrongCodes{Day: today, InDay: 11, Quarter: quarter(1), InQuarter: 3}, 31 * time.Minute,
			store.WrongCodes{Day: today, InDay: 11, Quarter: quarter(1), InQuarter: 3}, 0,
		},
		{
			"the next day", store.WrongCodes{Day: tomorrow, InDay: 1, Quarter: quarter(48), InQuarter: 1}, 12 * time.Hour,
			store.WrongCodes{Day: tomorrow, InDay: 1, Quarter: quarter(48), InQuarter: 1}, 1,
		},
		{
			"the next day, begun by a clock that is ahead", store.WrongCodes{Day: tomorrow, InDay: 1, Quarter: quarter(0), InQuarter: 6}, 0,
			store.WrongCodes{Day: tomorrow, InDay: 1, Quarter: quarter(0), InQuarter: 6}, 1,
		},
	} {
		desk := &desk{known: known}
		for range 2 { // the second time, all of it is known
			desk.catchUp(c.came, at.Add(c.after))
			if desk.known != c.want || len(desk.recent) != c.fresh {
				t.Errorf("%s: known are %+v and %d of just now, want %+v and %d", c.name, desk.known, len(desk.recent), c.want, c.fresh)
			}
		}
	}
}

// Whoever sends many codes at once has all of them read before the first is looked at.
func TestReadingAheadOpensNothing(t *testing.T) {
	t.Parallel()
	for name, limits := range map[string]Limits{"the minute": {PerMinute: 10, PerDay: 200}, "the day": {PerMinute: 10, PerDay: 7}} {
		clock, counts := clockAt(t, start), newCounts()
		guesses := NewGuesses(counts, limits, clock.time)
		attempt := func(try func() (bool, error)) error {
			return guesses.Attempt(t.Context(), "a", store.WrongCodes{}, try)
		}
		most := min(limits.PerMinute, limits.PerDay)
		wrong(t, attempt, most)
		for range 20 {
			if guess(t, attempt, true) == nil {
				t.Fatalf("%s: a code too many was looked at", name)
			}
		}
		if got := counts.centres["a"].InDay; got != most {
			t.Errorf("%s: %d were counted", name, got)
		}
	}
}

// What other processes counted after the read is learned with a process's next wrong code, so that each
// passes the limit by one at most, however many attempts were waiting.
func TestEachProcessPassesTheLimitByOneAtMost(t *testing.T) {
	t.Parallel()
	const processes = 4
	clock, counts := clockAt(t, start), newCounts()
	looked := 0
	var all []*Guesses
	for range processes {
		all = append(all, NewGuesses(counts, DefaultLimits, clock.time))
	}
	for range 30 {
		for _, guesses := range all {
			err := guesses.Attempt(t.Context(), "a", store.WrongCodes{}, func() (bool, error) {
				looked++
				return true, nil
			})
			var limit *LimitError
			if err != nil && !errors.As(err, &limit) {
				t.Fatal(err)
			}
		}
	}
	if most := DefaultLimits.PerMinute + processes - 1; looked < DefaultLimits.PerMinute || looked > most {
		t.Errorf("%d wrong codes were looked at, want %d to %d", looked, DefaultLimits.PerMinute, most)
	}
}
