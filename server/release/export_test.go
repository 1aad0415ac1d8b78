package release

import (
	"bytes"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"aankomst/server/store"
)

// exported writes a release of a document as CSV and reads it back.
func exported(tb rapid.TB, draft store.Draft) (release store.Release, text string, rows [][]string) {
	tb.Helper()
	release, err := Publish(draft, nil, "2027-07-15")
	if err != nil {
		tb.Fatalf("publishing: %v", err)
	}
	var out bytes.Buffer
	if err := WriteCSV(&out, release); err != nil {
		tb.Fatalf("writing CSV: %v", err)
	}
	reader := csv.NewReader(strings.NewReader(out.String()))
	rows, err = reader.ReadAll()
	if err != nil {
		tb.Fatalf("reading CSV back: %v", err)
	}
	return release, out.String(), rows
}

func TestCSVOfAClosedYear(t *testing.T) {
	t.Parallel()
	release, text, rows := exported(t, draftOf(t, knownYear(t), closed))
	if release.Digest == [32]byte{} {
		t.Fatal("there is no digest")
	}
	every := []string{
		"arrived at a treatment centre, at whichever centre, with a code of the cohort",
		"referral codes issued in the cohort, less those voided; replacements and referrals without code are not counted",
		"2026-1", hex.EncodeToString(release.Digest[:]),
	}
	hidden := "Protected: too few referrals to show safely"
	want := [][]string{
		{
			"release", "cohort", "status", "period_from", "period_to", "frozen_late", "group", "name", "shown",
			"rate_low_percent", "rate_high_percent", "referrals_low", "referrals_high",
			"interval_low_percent", "interval_high_percent", "note",
			"definition", "denominator", "policy", "digest_sha256",
		},
		append([]string{"1", "2026", "final", "2026-01-01", "2027-06-30", "false", "total", "", "exact", "80", "80", "59", "59", "68", "88", ""}, every...),
		append([]string{"1", "2026", "final", "2026-01-01", "2027-06-30", "false", "pool:1", `CAW <Noord> & "Zuid"`, "protected", "", "", "", "", "", "", hidden}, every...),
		append([]string{"1", "2026", "final", "2026-01-01", "2027-06-30", "false", "pool:2", "CGG Limbürg", "protected", "", "", "", "", "", "", hidden}, every...),
	}
	if len(rows) != len(want) {
		t.Fatalf("%d rows, want %d", len(rows), len(want))
	}
	for i := range want {
		if !slices.Equal(rows[i], want[i]) {
			t.Errorf("row %d is %q,\nwant %q", i, rows[i], want[i])
		}
	}
	if strings.Count(text, "\r\n") != 4 || strings.Count(text, "\n") != 4 || !strings.HasSuffix(text, "\r\n") {
		t.Errorf("lines do not all end in CR LF: %q", text)
	}
	if !strings.Contains(text, `,"CAW <Noord> & ""Zuid""",`) {
		t.Errorf("quotes are not doubled: %q", text)
	}
}

func TestCSVOfHiddenAndBandedTotals(t *testing.T) {
	t.Parallel()
	late := june
	late.Late = true
	for _, c := range []struct {
		cutOff CutOff
		n      int
		want   []string
	}{
		{june, 59, []string{"provisional", "2026-01-01", "2026-06-30", "false", "total", "", "too_early", "", "", "", "", "", "", "Too early to show safely"}},
		{late, 24, []string{"provisional", "2026-01-01", "2026-06-30", "true", "total", "", "too_early", "", "", "", "", "", "", "Too early to show safely"}},
		{closed, 24, []string{"final", "2026-01-01", "2027-06-30", "false", "total", "", "protected", "", "", "", "", "", "", "Protected: too few referrals to show safely"}},
		{closed, 25, []string{"final", "2026-01-01", "2027-06-30", "false", "total", "", "band", "80", "100", "25", "29", "61", "100", ""}},
	} {
		_, _, rows := exported(t, draftOf(t, frozen(t, c.cutOff, cell{n: c.n, arrived: c.n}), c.cutOff))
		if got := rows[1][2:16]; !slices.Equal(got, c.want) {
			t.Errorf("%d referrals at %s: %q, want %q", c.n, c.cutOff.Key, got, c.want)
		}
	}
}

// Any name can be read back, and none is taken for a formula.
func TestCSVNames(t *testing.T) {
	t.Parallel()
	export := func(tb rapid.TB, name string) string {
		tb.Helper()
		document := knownYear(tb)
		document.Figures[1].Name = name
		_, text, rows := exported(tb, draftOf(tb, document, closed))
		if len(rows) != 4 || rows[3][7] != "CGG Limbürg" {
			tb.Fatalf("%q breaks the rows: %q", name, text)
		}
		return rows[2][7]
	}
	for _, c := range []struct{ name, want string }{
		{`CGG "Noord", Antwerpen`, `CGG "Noord", Antwerpen`},
		{"CGG\nNoord", "CGG\nNoord"},
		{"CGG\r\nNoord", "CGG\nNoord"},
		{"CGG;Noord", "CGG;Noord"},
		{" CGG ", " CGG "},
		{`"`, `"`},
		{",", ","},
		{"CAW-Oost = 3 + 4", "CAW-Oost = 3 + 4"},
		{"'s-Gravenvoeren", "'s-Gravenvoeren"},
		{"", ""},
		{`=HYPERLINK("http://example.org","x")`, `'=HYPERLINK("http://example.org","x")`},
		{"+32 2 000 00 00", "'+32 2 000 00 00"},
		{"-Oost", "'-Oost"},
		{"@Oost", "'@Oost"},
		{"\t=1", "'\t=1"},
		{"\n=1", "'\n=1"},
		{"＝1", "'＝1"},
	} {
		if got := export(t, c.name); got != c.want {
			t.Errorf("%q is read back as %q, want %q", c.name, got, c.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(rapid.String(), rapid.StringMatching(`[-=+@ \r\n\t",;']{1,3}.*`)).Draw(t, "name")
		got := export(t, name)
		// CSV has one line end, and the writer keeps no other.
		plain := strings.NewReplacer("\r\n", "\n", "\r", "").Replace(name)
		if got != plain && got != "'"+plain {
			t.Fatalf("%q is read back as %q", name, got)
		}
		if got != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", []rune(got)[0]) {
			t.Fatalf("%q begins like a formula: %q", name, got)
		}
	})
}

func TestCSVErrors(t *testing.T) {
	t.Parallel()
	if err := WriteCSV(io.Discard, store.Release{Document: []byte(`{}`)}); !errors.Is(err, ErrDocument) {
		t.Errorf("no document: %v", err)
	}
	full := errors.New("disk full")
	reader, writer := io.Pipe()
	reader.CloseWithError(full)
	release, err := Publish(draftOf(t, knownYear(t), closed), nil, "2027-07-15")
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteCSV(writer, release); !errors.Is(err, full) {
		t.Errorf("nowhere to write: %v", err)
	}
}
