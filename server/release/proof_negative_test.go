package release

import (
	"fmt"
	"strings"
	"testing"
)

// quarterly publishes the totals of each cut-off and its pools, as they are told.
func quarterly(pools bool, tell func(count int) string) publisher {
	return func(h history) (all []byte) {
		for k, row := range h.cells {
			total := h.totals(k)
			all = fmt.Appendln(all, "total", tell(total.n), tell(total.arrived))
			for i, c := range row {
				if pools {
					all = fmt.Appendln(all, i, tell(c.n), tell(c.arrived))
				}
			}
		}
		return all
	}
}

// The machinery that finds nothing in what this software publishes must find what other ways give away: otherwise
// it would prove nothing.
func TestWaysThatGivePeopleAwayAreFoundOut(t *testing.T) {
	t.Parallel()
	const years = 8
	for _, c := range []struct {
		name    string
		publish publisher
		// of is what is given away, and how many values of it are left at most.
		of   string
		left int
	}{
		{"exact counts from ten up", quarterly(true, func(count int) string {
			if count < 10 {
				return "-"
			}
			return fmt.Sprint(count)
		}), "pool", 1},
		{"hidden below eight and rounded to five", quarterly(true, func(count int) string {
			if count < 8 {
				return "-"
			}
			return fmt.Sprint((count + 2) / 5 * 5)
		}), "pool", 3},
		{"a live total", quarterly(false, func(count int) string { return fmt.Sprint(count) }), "from cut-off", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			found := 0
			for seed := range uint64(years) {
				h := generated(seed, 2)
				for lost := range given(c.publish, unpublished, h, Figure{}) {
					if strings.HasPrefix(lost.target, c.of) && lost.found <= c.left {
						found++
						break
					}
				}
			}
			if found < years*3/4 {
				t.Errorf("in %d of %d years only", found, years)
			}
		})
	}
}

// unpublished tells nothing.
func unpublished(history) []byte { return nil }
