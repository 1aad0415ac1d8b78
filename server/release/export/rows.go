// Package export writes releases as files for people and their spreadsheets, with the words of figures in four
// languages.
package export

import (
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"

	"aankomst/server/release"
	"aankomst/server/store"
)

// row is a figure with what it needs to be quoted alone.
type row struct {
	release.Figure
	document release.Document
	digest   string
	words    Words
}

// column is a column of an export.
type column struct {
	// name is what programs know it by; people read the words of it.
	name string
	// width is in characters.
	width float64
	// cell returns a string, a Status, a Shown, an int or a bool; nil when the cell is empty.
	cell func(row) any
}

// columns are those of every export of figures. Every row carries the period, the definition and the denominator of
// its own kind, the policy and the digest, so that no line can be quoted without them.
var columns = []column{
	{"release", 17, func(r row) any { return r.document.Number }},
	{"cohort", 10, func(r row) any { return r.document.Cohort }},
	{"status", 12, func(r row) any { return r.document.Status }},
	{"period_from", 11, func(r row) any { return begins(r.document) }},
	{"period_to", 11, func(r row) any { return r.document.CutOff }},
	{"frozen_late", 14, func(r row) any { return r.document.FrozenLate }},
	{"group", 34, func(r row) any { return r.Group }},
	{"name", 40, func(r row) any { return r.words.Name(r.Figure) }},
	{"shown", 12, func(r row) any { return r.Shown }},
	{"rate_low_percent", 12, low(func(f release.Figure) *release.Range { return f.Rate })},
	{"rate_high_percent", 12, high(func(f release.Figure) *release.Range { return f.Rate })},
	{"referrals_low", 21, low(func(f release.Figure) *release.Range { return f.Referrals })},
	{"referrals_high", 21, high(func(f release.Figure) *release.Range { return f.Referrals })},
	{"arrived_low", 15, low(func(f release.Figure) *release.Range { return f.Arrived })},
	{"arrived_high", 15, high(func(f release.Figure) *release.Range { return f.Arrived })},
	{"not_arrived_low", 15, low(func(f release.Figure) *release.Range { return f.NotArrived })},
	{"not_arrived_high", 15, high(func(f release.Figure) *release.Range { return f.NotArrived })},
	{"count_low", 10, low(func(f release.Figure) *release.Range { return f.Count })},
	{"count_high", 10, high(func(f release.Figure) *release.Range { return f.Count })},
	{"interval_low_percent", 12, low(func(f release.Figure) *release.Range { return f.Interval })},
	{"interval_high_percent", 12, high(func(f release.Figure) *release.Range { return f.Interval })},
	{"note", 60, func(r row) any {
		if note := r.words.Note(r.document, r.Figure); note != "" {
			return note
		}
		return nil
	}},
	{"definition", 60, func(r row) any { return r.words.Definition(r.Group) }},
	{"denominator", 60, func(r row) any { return r.words.Denominator(r.Group) }},
	{"policy", 24, func(r row) any { return r.document.Policy }},
	{"digest_sha256", 66, func(r row) any { return r.digest }},
}

func low(of func(release.Figure) *release.Range) func(row) any {
	return func(r row) any {
		if found := of(r.Figure); found != nil {
			return found.Low
		}
		return nil
	}
}

func high(of func(release.Figure) *release.Range) func(row) any {
	return func(r row) any {
		if found := of(r.Figure); found != nil {
			return found.High
		}
		return nil
	}
}

// begins is the first day that a document counts, YYYY-MM-DD.
func begins(d release.Document) string { return fmt.Sprintf("%04d-01-01", d.Cohort) }

// rowsOf reads the rows of a release. A figure of a kind that is not known here has no definition, and so is not
// exported. Errors wrap ErrDocument.
func rowsOf(published store.Release, words Words) (release.Document, []row, error) {
	document, err := release.Decode(published.Document)
	if err != nil {
		return release.Document{}, nil, err
	}
	var rows []row
	for _, figure := range document.Figures {
		if _, known := kindOf(figure.Group); !known {
			return release.Document{}, nil, fmt.Errorf("%w: figures of the group %q are not known", release.ErrDocument, figure.Group)
		}
		rows = append(rows, row{figure, document, hex.EncodeToString(published.Digest[:]), words})
	}
	return document, rows, nil
}

// WriteCSV writes a release as CSV (RFC 4180), one row a figure. The names of columns, groups and states are for
// programs and the same in every language. A cell that a spreadsheet would take for a formula begins with an
// apostrophe. Errors wrap ErrDocument or are those of w.
func WriteCSV(w io.Writer, published store.Release, words Words) error {
	_, rows, err := rowsOf(published, words)
	if err != nil {
		return err
	}
	out := csv.NewWriter(w)
	out.UseCRLF = true
	lines := [][]string{nil}
	for _, column := range columns {
		lines[0] = append(lines[0], column.name)
	}
	for _, row := range rows {
		var line []string
		for _, column := range columns {
			line = append(line, plain(column.cell(row)))
		}
		lines = append(lines, line)
	}
	if err := out.WriteAll(lines); err != nil {
		return fmt.Errorf("writing CSV: %w", err)
	}
	return nil
}

// plain is a cell of CSV.
func plain(cell any) string {
	switch value := cell.(type) {
	case nil:
		return ""
	case int:
		return strconv.Itoa(value)
	case bool:
		return strconv.FormatBool(value)
	default:
		return plainText(fmt.Sprint(value))
	}
}

// plainText puts an apostrophe before a cell that a spreadsheet would take for a formula: pools are
// named by people.
func plainText(cell string) string {
	for _, start := range []string{"=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"} {
		if strings.HasPrefix(cell, start) {
			return "'" + cell
		}
	}
	return cell
}
