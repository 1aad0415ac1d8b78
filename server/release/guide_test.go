package release

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// The example year of docs/disclosure.md is what the code makes of it.
func TestExampleYearOfTheGuide(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../../docs/disclosure.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, picture := range []struct {
		name   string
		cutOff CutOff
		cells  []cell
	}{
		{"31 March", march, []cell{{6, 3, 0}, {5, 2, 0}, {3, 1, 0}}},
		{"30 June", june, []cell{{14, 10, 1}, {11, 7, 0}, {8, 5, 1}}},
		{"30 September", september, []cell{{21, 16, 1}, {16, 11, 1}, {12, 8, 1}}},
		{"31 December", yearEnd, []cell{{27, 20, 2}, {21, 15, 1}, {16, 11, 1}}},
		{"closed", closed, []cell{{27, 21, 2}, {21, 16, 1}, {16, 12, 1}}},
	} {
		n, arrived := 0, 0
		for _, c := range picture.cells {
			n, arrived = n+c.n, arrived+c.arrived
		}
		figure := frozen(t, picture.cutOff, picture.cells...).Figures[0]
		shown, interval := TooEarlyText, ""
		if figure.Shown == Exact {
			shown = fmt.Sprintf("%d %% of %d", figure.Rate.Low, figure.Referrals.Low)
			interval = fmt.Sprintf("%d-%d %% ", figure.Interval.Low, figure.Interval.High)
		}
		row := fmt.Sprintf("| %s | %d | %d | %s | %s|\n", picture.name, n, arrived, shown, interval)
		if !strings.Contains(string(guide), row) {
			t.Errorf("docs/disclosure.md does not hold %q", row)
		}
	}
	if !strings.Contains(string(guide), ProtectedText) {
		t.Errorf("docs/disclosure.md does not hold %q", ProtectedText)
	}
}
