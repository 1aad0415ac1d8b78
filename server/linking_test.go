package server_test

import (
	"testing"
)

// backings are the stores that are looked at.
var backings = []backing{embedded}

// days are those on which nothing happens but the steps, and those on which others work meanwhile.
var days = map[string]bool{"quiet": false, "busy": true}

// attacked returns the verdict on one history, as far as it is shown.
func (h history) attacked(hides func(section, field string) bool) verdict {
	return attack(trailsOf(h.issues, hides), trailsOf(h.confirms, hides), h.answer)
}

func trailsOf(all []map[string]difference, hides func(section, field string) bool) []*trail {
	trails := make([]*trail, len(all))
	for i, d := range all {
		trails[i] = trailOf(shown(d, hides))
	}
	return trails
}

// Somebody who holds everything that is stored before and after each of 200 issues and each of their 200
// confirmations tells no better than by chance which belong together; not by the rows of the tables and
// their hidden columns, the files, the write-ahead log, the server's own log, or what monitoring is told.
//
// No better means that p is not below 0.01. Where nothing can be known it is, by chance, once in a hundred
// times at most; then all is done again, with other codes in another order, and it must not be so again.
// So the test fails by chance once in ten thousand times. What can be known shows both times: ten right pairs of 200
// by what lies in one place, or a rank correlation of 0.4, are enough.
//
// What is copied in a form that looks different each time, such as an encrypted one, is not found so. That
// there is no such column is what TestPrivacyWhatOneCallChanges shows.
func TestNobodyCanTellWhichIssueAConfirmationBelongsTo(t *testing.T) {
	t.Parallel()
	for _, on := range backings {
		for day, busy := range days {
			t.Run(on.name+", "+day, func(t *testing.T) {
				t.Parallel()
				first := newWorld(t, on, 1, 200, busy).play(leak{}).attacked(nil)
				t.Log(first)
				if first.p >= 0.01 {
					return
				}
				second := newWorld(t, on, 2, 200, busy).play(leak{}).attacked(nil)
				t.Log(second)
				if second.p < 0.01 {
					t.Errorf("it can be told which issue a confirmation belongs to: %v; and again: %v", first, second)
				}
			})
		}
	}
}

// The same attackers succeed wherever there is something to be found, when it is hardest: on a busy day. A
// few codes are enough for that.
func TestWhoeverHoldsEverythingFindsWhatLeaks(t *testing.T) {
	t.Parallel()
	for _, on := range backings {
		for _, l := range leaks {
			if l.plant == nil && on.name != embedded.name {
				continue // it is outside the store
			}
			t.Run(on.name+", "+l.name, func(t *testing.T) {
				t.Parallel()
				found := newWorld(t, on, 3, 60, true).play(l).attacked(l.hides)
				t.Log(found)
				if found.p >= 1e-6 {
					t.Errorf("it is not found: %v", found)
				}
			})
		}
	}
}
