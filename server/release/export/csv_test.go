package export

import (
	"bytes"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"aankomst/server/release"
	"aankomst/server/store"
)

var update = flag.Bool("update", false, "write the exports in testdata anew; read what changed before keeping it")

// closedYear is a published final release with every figure there is. The numbers are invented, and stand in a
// document without having been frozen, so that an export does not change with the policy.
func closedYear(tb rapid.TB) release.Document {
	tb.Helper()
	rate := func(group string, shown release.Shown, rate, referrals, interval release.Range) release.Figure {
		return release.Figure{Group: group, Shown: shown, Rate: &rate, Referrals: &referrals, Interval: &interval}
	}
	total := rate(release.GroupTotal, release.Exact, release.Range{Low: 78, High: 78}, release.Range{Low: 145, High: 145}, release.Range{Low: 71, High: 84})
	total.Arrived = &release.Range{Low: 113, High: 113}
	first := rate("pool:1", release.Banded, release.Range{Low: 70, High: 85}, release.Range{Low: 60, High: 69}, release.Range{Low: 58, High: 93})
	first.Name, first.NotArrived = `CAW <Noord> & "Zuid"`, &release.Range{Low: 10, High: 17}
	second := rate("pool:2", release.Banded, release.Range{Low: 65, High: 85}, release.Range{Low: 40, High: 49}, release.Range{Low: 49, High: 94})
	second.NotArrived = &release.Range{Low: 7, High: 13}
	kind := rate("type:CAW", release.Banded, release.Range{Low: 70, High: 82}, release.Range{Low: 105, High: 115}, release.Range{Low: 61, High: 89})
	kind.Pools, kind.Arrived = []int{1, 2}, &release.Range{Low: 81, High: 87}
	figures := []release.Figure{
		total, first, second, {Group: "pool:3", Name: "CGG Limbürg", Shown: release.Protected},
		{Group: "pool:4", Name: "UFC + andere", Shown: release.Protected}, kind,
		{Group: "type:OTHER", Pools: []int{3, 4}, Shown: release.Protected},
		{Group: release.GroupWithArrivedWithoutCode, Shown: release.Banded, Rate: &release.Range{Low: 78, High: 84}},
	}
	for i, group := range others(tb)[1:] {
		base := 145
		if strings.HasPrefix(group, "wait:") {
			base = 113
		}
		figure := release.Figure{Group: group, Shown: release.Protected}
		if group != release.GroupElsewhere {
			count := release.Range{Low: 2 * i, High: 2*i + 7}
			figure.Shown, figure.Count = release.Banded, &count
			figure.Rate = &release.Range{Low: 100 * count.Low / base, High: (100*count.High + base - 1) / base}
		}
		figures = append(figures, figure)
	}
	return release.Document{
		Schema: release.Schema, Policy: "2026-2", Cohort: 2026, Status: release.Final, CutOff: "2027-06-30", FrozenLate: true, Figures: figures,
	}
}

// publishedAs is a release of a document that no other was published before.
func publishedAs(tb rapid.TB, document release.Document) store.Release {
	tb.Helper()
	draft := store.Draft{Year: document.Cohort, CutOff: document.CutOff, Body: []byte(encoded(tb, document))}
	if document.Status == release.Final {
		draft.CutOff = store.CutOffFinal
	}
	published, err := release.Publish(draft, nil, "2027-07-15")
	if err != nil {
		tb.Fatalf("publishing: %v", err)
	}
	return published
}

func wordsIn(tb rapid.TB, language string) Words {
	tb.Helper()
	words, err := WordsIn(language)
	if err != nil {
		tb.Fatal(err)
	}
	return words
}

// exportedCSV writes a release as CSV, and reads it back: its rows by the names of the columns.
func exportedCSV(tb rapid.TB, release store.Release, language string) (text string, rows []map[string]string) {
	tb.Helper()
	var out bytes.Buffer
	if err := WriteCSV(&out, release, wordsIn(tb, language)); err != nil {
		tb.Fatalf("writing CSV: %v", err)
	}
	lines, err := csv.NewReader(strings.NewReader(out.String())).ReadAll()
	if err != nil {
		tb.Fatalf("reading CSV back: %v", err)
	}
	for _, line := range lines[1:] {
		row := map[string]string{}
		for i, name := range lines[0] {
			row[name] = line[i]
		}
		rows = append(rows, row)
	}
	return out.String(), rows
}

func TestCSVOfAClosedYearInEveryLanguage(t *testing.T) {
	t.Parallel()
	release := publishedAs(t, closedYear(t))
	for _, language := range Languages {
		text, _ := exportedCSV(t, release, language)
		path := filepath.Join("testdata", "closed-"+language+".csv")
		if *update {
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		got, kept := strings.SplitAfter(text, "\n"), strings.SplitAfter(string(want), "\n")
		for i := range max(len(got), len(kept)) {
			if i >= len(got) || i >= len(kept) || got[i] != kept[i] {
				t.Errorf("%s differs from line %d on; all of it is\n%s", path, i+1, text)
				break
			}
		}
		if strings.Count(text, "\r\n") != 1+len(closedYear(t).Figures) || strings.Count(text, "\n") != strings.Count(text, "\r\n") {
			t.Errorf("%s: lines do not all end in CR LF, one for each figure", language)
		}
	}
}

// Whatever was counted, a row can be quoted alone, and one that is not shown holds no number and says why.
func TestCSVRowsOfAnythingThatIsFrozen(t *testing.T) {
	t.Parallel()
	hidden := map[string][]string{
		"en": {"Protected: too few referrals to show safely", "Too early to show safely"},
		"nl": {"Beschermd: te weinig doorverwijzingen om veilig te tonen", "Te vroeg om veilig te tonen"},
		"fr": {"Protégé\u00a0: trop peu d'orientations pour une publication sans risque", "Trop tôt pour une publication sans risque"},
		"de": {"Geschützt: zu wenige Weitervermittlungen für eine sichere Veröffentlichung", "Zu früh für eine sichere Veröffentlichung"},
	}
	rapid.Check(t, func(t *rapid.T) {
		document := frozen(t, rapid.SampledFrom([]release.CutOff{june, closing}).Draw(t, "cut-off"), anyCells.Draw(t, "cells")...)
		published := publishedAs(t, document)
		language := rapid.SampledFrom(Languages).Draw(t, "language")
		_, rows := exportedCSV(t, published, language)
		for i, row := range rows {
			for _, name := range []string{"release", "cohort", "period_from", "period_to", "name", "definition", "denominator", "policy"} {
				if row[name] == "" {
					t.Fatalf("%s of %s is empty: %v", name, row["group"], row)
				}
			}
			if row["digest_sha256"] != hex.EncodeToString(published.Digest[:]) {
				t.Fatalf("%s carries the digest %s", row["group"], row["digest_sha256"])
			}
			numbers := ""
			for _, column := range columns[slices.IndexFunc(columns, func(c column) bool { return c.name == "rate_low_percent" }):] {
				if column.name == "note" {
					break
				}
				numbers += row[column.name]
			}
			switch shown := document.Figures[i].Shown; shown {
			case release.Protected, release.TooEarly:
				why := hidden[language][map[release.Shown]int{release.Protected: 0, release.TooEarly: 1}[shown]]
				if numbers != "" || !strings.HasPrefix(row["note"], why) || row["shown"] != string(shown) {
					t.Fatalf("a figure that is %s: %v", shown, row)
				}
			default:
				if numbers == "" {
					t.Fatalf("a figure that is shown has no numbers: %v", row)
				}
			}
		}
	})
}

// Any name can be read back, and none is taken for a formula.
func TestCSVNamesAreNoFormulas(t *testing.T) {
	t.Parallel()
	export := func(tb rapid.TB, name string) string {
		tb.Helper()
		document := closedYear(t)
		document.Figures[1].Name = name
		text, rows := exportedCSV(tb, publishedAs(tb, document), "nl")
		if len(rows) != len(document.Figures) || rows[3]["name"] != "CGG Limbürg" {
			tb.Fatalf("%q breaks the rows: %q", name, text)
		}
		return rows[1]["name"]
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
		{"", "Telgroep 1"},
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
		name := rapid.OneOf(rapid.StringN(1, -1, -1), rapid.StringMatching(`[-=+@ \r\n\t",;']{1,3}.*`)).Draw(t, "name")
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

func TestExportsRefuseWhatTheyCannotDefine(t *testing.T) {
	t.Parallel()
	foreign := closedYear(t)
	foreign.Figures[4].Group = "region:north"
	full := errors.New("disk full")
	reader, nowhere := io.Pipe()
	reader.CloseWithError(full)
	for name, write := range map[string]func(io.Writer, store.Release, Words) error{"CSV": WriteCSV, "XLSX": WriteXLSX} {
		if err := write(io.Discard, store.Release{Document: []byte(`{}`)}, Words{}); !errors.Is(err, release.ErrDocument) {
			t.Errorf("%s of no document: %v", name, err)
		}
		var out bytes.Buffer
		if err := write(&out, publishedAs(t, foreign), Words{}); !errors.Is(err, release.ErrDocument) || out.Len() > 0 {
			t.Errorf("%s of an unknown group: %v, after %d bytes", name, err, out.Len())
		}
		if err := write(nowhere, publishedAs(t, closedYear(t)), Words{}); !errors.Is(err, full) {
			t.Errorf("%s to nowhere: %v", name, err)
		}
	}
}

// Documents of the form before have a total, and pools that are protected.
func TestExportsOfTheFormBefore(t *testing.T) {
	t.Parallel()
	document := release.Document{
		Schema: "aankomst/release/v1", Policy: "2026-1", Cohort: 2024, Status: release.Final, CutOff: "2025-07-01",
		Figures: []release.Figure{
			{Group: release.GroupTotal, Shown: release.Banded, Rate: &release.Range{Low: 60, High: 70}, Referrals: &release.Range{Low: 50, High: 59}, Interval: &release.Range{Low: 46, High: 81}},
			{Group: "pool:1", Name: "CGG", Shown: release.Protected},
		},
	}
	_, rows := exportedCSV(t, publishedAs(t, document), "en")
	for i, want := range []string{
		"A rate equal to the upper per cent belongs to the band above, but for 100 %",
		"Protected: too few referrals to show safely. See the total.",
	} {
		if rows[i]["note"] != want || rows[i]["definition"] == "" {
			t.Errorf("row %d: %v, want the note %q", i, rows[i], want)
		}
	}
	if got := rows[0]["rate_low_percent"] + strconv.Itoa(len(rows)); got != "602" {
		t.Errorf("rows: %v", rows)
	}
}
