package release

import (
	"fmt"
	"testing"
)

// A total that is hidden must not tell by being hidden. A reader who knows every pool's referrals, and takes it that
// nobody arrived elsewhere, knows of some sizes which totals can be hidden for the way in which arrivals are spread.
func TestATotalIsNotToldByBeingHidden(t *testing.T) {
	t.Parallel()
	for _, sizes := range [][]int{{14, 10, 9}, {16, 16, 16}, {15, 14}, {17, 12}, {20, 5, 5}, {14, 14, 2, 2}} {
		t.Run(fmt.Sprint(sizes), func(t *testing.T) {
			t.Parallel()
			referrals := 0
			for _, n := range sizes {
				referrals += n
			}
			totals, pools := map[int]bool{}, make([]map[int]bool, len(sizes))
			for i := range pools {
				pools[i] = map[int]bool{}
			}
			for arrived := range referrals + 1 {
				arrivals(sizes, arrived, func(cells []cell) {
					if frozen(t, closing, cells...).Figures[0].Shown != Protected {
						return
					}
					totals[arrived] = true
					for i, c := range cells {
						pools[i][c.arrived] = true
					}
				})
			}
			if len(totals) < 4 {
				t.Errorf("a hidden total is one of %v", totals)
			}
			for i, n := range sizes {
				if len(pools[i]) < min(4, n+1) {
					t.Errorf("beside a hidden total, %v of %d arrived in pool %d", pools[i], n, i+1)
				}
			}
		})
	}
}
