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
	var source Source
	for _, picture := range []struct {
		name   string
		cutOff CutOff
		cells  []cell
	}{
		{"31 March", march, []cell{{8, 4, 1}, {6, 2, 0}}},
		{"30 June", june, []cell{{18, 12, 1}, {15, 10, 1}}},
		{"30 September", september, []cell{{27, 20, 2}, {22, 15, 1}}},
		{"31 December", yearEnd, []cell{{35, 25, 2}, {29, 21, 1}}},
		{"closed", closing, []cell{{35, 27, 2}, {29, 22, 1}}},
	} {
		source.Cohort, source.Counts = world(picture.cells...)
		source.Counts.ArrivedWithoutCode = 4
		document, err := Freeze(Current, source, picture.cutOff)
		if err != nil {
			t.Fatal(err)
		}
		source.Earlier = append(source.Earlier, document)
		total := cell{n: picture.cells[0].n + picture.cells[1].n, arrived: picture.cells[0].arrived + picture.cells[1].arrived}
		rows := []string{guideRow(picture.name, "total", total, document.Figures[0])}
		if picture.cutOff == closing {
			rows = append(rows, guideRow(picture.name, "pool CGG", picture.cells[0], document.Figures[1]),
				guideRow(picture.name, "pool CAW + UFC", picture.cells[1], document.Figures[2]),
				fmt.Sprintf("from %d to %d %%", document.Figures[3].Rate.Low, document.Figures[3].Rate.High))
		}
		for _, row := range rows {
			if !strings.Contains(string(guide), row) {
				t.Errorf("docs/disclosure.md does not hold %q", row)
			}
		}
	}
	if !strings.Contains(string(guide), "The policy, version "+Current.Version) {
		t.Errorf("docs/disclosure.md does not explain the policy %s", Current.Version)
	}
}

// guideRow is a figure as a row of the example.
func guideRow(picture, group string, c cell, figure Figure) string {
	row := fmt.Sprintf("| %s | %s | %d | %d | ", picture, group, c.n, c.arrived)
	switch figure.Shown {
	case Exact:
		row += fmt.Sprintf("%d %% of %d", figure.Rate.Low, figure.Referrals.Low)
	case Banded:
		row += fmt.Sprintf("%d-%d %% of %d-%d", figure.Rate.Low, figure.Rate.High, figure.Referrals.Low, figure.Referrals.High)
	default:
		return row + "Too early to show safely | |"
	}
	return row + fmt.Sprintf(" | %d-%d %% |", figure.Interval.Low, figure.Interval.High)
}
