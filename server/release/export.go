package release

import (
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"

	"aankomst/server/store"
)

// Definition and Denominator say what an arrival rate is, in every export.
const (
	Definition  = "arrived at a treatment centre, at whichever centre, with a code of the cohort"
	Denominator = "referral codes issued in the cohort, less those voided; replacements and referrals without code are not counted"
)

// ProtectedText is what a protected cell reads, for every reason alike.
const ProtectedText = "Protected: too few referrals to show safely"

// TooEarlyText is what a running total reads that is not shown, for every reason alike.
const TooEarlyText = "Too early to show safely"

// csvHeader names the columns. Every row carries period, definition, denominator, policy and digest,
// so that no line can be quoted without them.
var csvHeader = []string{
	"release", "cohort", "status", "period_from", "period_to", "frozen_late", "group", "name", "shown",
	"rate_low_percent", "rate_high_percent", "referrals_low", "referrals_high",
	"interval_low_percent", "interval_high_percent", "note",
	"definition", "denominator", "policy", "digest_sha256",
}

// WriteCSV writes a release as CSV (RFC 4180), one row a figure. A cell that a spreadsheet would take
// for a formula begins with an apostrophe. The errors are those of Decode and w.
func WriteCSV(w io.Writer, release store.Release) error {
	document, err := Decode(release.Document)
	if err != nil {
		return err
	}
	out := csv.NewWriter(w)
	out.UseCRLF = true
	rows := [][]string{csvHeader}
	for _, figure := range document.Figures {
		row := []string{
			strconv.Itoa(document.Number), strconv.Itoa(document.Cohort), string(document.Status),
			fmt.Sprintf("%04d-01-01", document.Cohort), document.CutOff,
			strconv.FormatBool(document.FrozenLate), figure.Group, figure.Name, string(figure.Shown),
		}
		for _, r := range []*Range{figure.Rate, figure.Referrals, figure.Interval} {
			row = append(row, r.cells()...)
		}
		row = append(row, figure.note(),
			Definition, Denominator, document.Policy, hex.EncodeToString(release.Digest[:]))
		for i, cell := range row {
			row[i] = plainText(cell)
		}
		rows = append(rows, row)
	}
	if err := out.WriteAll(rows); err != nil {
		return fmt.Errorf("writing CSV: %w", err)
	}
	return nil
}

// plainText puts an apostrophe before a cell that a spreadsheet would take for a formula: pools are
// named by people. No number of a release begins that way.
func plainText(cell string) string {
	for _, start := range []string{"=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"} {
		if strings.HasPrefix(cell, start) {
			return "'" + cell
		}
	}
	return cell
}

func (r *Range) cells() []string {
	if r == nil {
		return []string{"", ""}
	}
	return []string{strconv.Itoa(r.Low), strconv.Itoa(r.High)}
}

// note says in words why a figure is not shown.
func (f Figure) note() string {
	switch f.Shown {
	case TooEarly:
		return TooEarlyText
	case Protected:
		return ProtectedText
	default:
		return ""
	}
}
