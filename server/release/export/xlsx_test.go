package export

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"aankomst/server/release"
	"aankomst/server/store"
)

// exportedXLSX writes a release as a workbook.
func exportedXLSX(t *testing.T, release store.Release, language string) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := WriteXLSX(&out, release, wordsIn(t, language)); err != nil {
		t.Fatalf("writing XLSX: %v", err)
	}
	return out.Bytes()
}

// opened reads a workbook back.
func opened(t *testing.T, file []byte) *excelize.File {
	t.Helper()
	book, err := excelize.OpenReader(bytes.NewReader(file))
	if err != nil {
		t.Fatalf("reading XLSX back: %v", err)
	}
	t.Cleanup(func() { book.Close() })
	return book
}

func cellAt(t *testing.T, book *excelize.File, sheet string, column, row int) (value string, of excelize.CellType) {
	t.Helper()
	name, err := excelize.CoordinatesToCellName(column, row)
	if err != nil {
		t.Fatal(err)
	}
	value, err = book.GetCellValue(sheet, name, excelize.Options{RawCellValue: true})
	if err != nil {
		t.Fatal(err)
	}
	if of, err = book.GetCellType(sheet, name); err != nil {
		t.Fatal(err)
	}
	if formula, err := book.GetCellFormula(sheet, name); err != nil || formula != "" {
		t.Errorf("%s holds the formula %q: %v", name, formula, err)
	}
	return value, of
}

// Cell by cell, a workbook holds what CSV holds: numbers as numbers, states in words.
func TestXLSXHoldsWhatCSVHolds(t *testing.T) {
	t.Parallel()
	document := closedYear(t)
	document.Figures[1].Name = `=HYPERLINK("http://example.org","x")`
	document.Figures[2].Name = "+ 3 "
	late := frozen(t, june, cell{n: 10, arrived: 3}, cell{n: 10, arrived: 3})
	states := map[string]map[string]string{
		"en": {"true": "yes", "false": "no", "final": "final", "provisional": "provisional", "exact": "exact", "band": "in a range", "too_early": "too early", "protected": "protected"},
		"nl": {"true": "ja", "false": "nee", "final": "definitief", "provisional": "voorlopig", "exact": "precies", "band": "als bereik", "too_early": "te vroeg", "protected": "beschermd"},
		"fr": {"true": "oui", "false": "non", "final": "définitif", "provisional": "provisoire", "exact": "précis", "band": "en fourchette", "too_early": "trop tôt", "protected": "protégé"},
		"de": {"true": "ja", "false": "nein", "final": "endgültig", "provisional": "vorläufig", "exact": "genau", "band": "als Bereich", "too_early": "zu früh", "protected": "geschützt"},
	}
	headings := map[string]string{"en": "Name", "nl": "Naam", "fr": "Nom", "de": "Name"}
	for language, state := range states {
		for _, document := range []release.Document{document, late} {
			release := publishedAs(t, document)
			_, rows := exportedCSV(t, release, language)
			book := opened(t, exportedXLSX(t, release, language))
			sheet := book.GetSheetList()[0]
			for i, column := range columns {
				if heading, _ := cellAt(t, book, sheet, i+1, 1); heading == "" || column.name == "name" && heading != headings[language] {
					t.Errorf("%s: the column %s is headed %q", language, column.name, heading)
				}
				for j, row := range rows {
					want := row[column.name]
					got, of := cellAt(t, book, sheet, i+1, j+2)
					wanted := excelize.CellTypeSharedString
					switch _, err := strconv.Atoi(want); {
					case column.name == "status" || column.name == "shown" || column.name == "frozen_late":
						want = state[want]
					case column.name == "name":
						want = strings.TrimPrefix(want, "'")
					case err == nil || want == "":
						// Numbers, and cells without anything.
						wanted = excelize.CellTypeUnset
					}
					if got != want || of != wanted {
						t.Errorf("%s, row %d: %s is %q (type %d), want %q (type %d)", language, j+2, column.name, got, of, want, wanted)
					}
				}
			}
			if beyond, err := book.GetRows(sheet); err != nil || len(beyond) != len(rows)+1 {
				t.Errorf("%d rows for %d figures: %v", len(beyond), len(rows), err)
			}
			if panes, err := book.GetPanes(sheet); err != nil || !panes.Freeze || panes.YSplit != 1 || panes.XSplit != 0 {
				t.Errorf("the headings do not stay in sight: %+v, %v", panes, err)
			}
		}
	}
}

func TestXLSXSaysWhatItsFiguresAre(t *testing.T) {
	t.Parallel()
	release := publishedAs(t, closedYear(t))
	for language, want := range map[string][]string{
		"en": {"Figures", "About", "final", "The server froze the figures after the period, so that later counts may be in them."},
		"nl": {"Cijfers", "Toelichting", "definitief", "De server heeft de cijfers pas na de periode vastgelegd; er kunnen latere tellingen in zitten."},
		"fr": {"Chiffres", "À propos", "définitif", "Le serveur n'a arrêté les chiffres qu'après la période\u00a0; ils peuvent contenir des données plus tardives."},
		"de": {"Zahlen", "Erläuterung", "endgültig", "Der Server hat die Zahlen erst nach dem Zeitraum festgehalten; spätere Zählungen können enthalten sein."},
	} {
		book := opened(t, exportedXLSX(t, release, language))
		if got := book.GetSheetList(); !slices.Equal(got, want[:2]) {
			t.Fatalf("%s: the sheets are %q", language, got)
		}
		lines, err := book.GetRows(want[1])
		if err != nil {
			t.Fatal(err)
		}
		text, words := "", wordsIn(t, language)
		for _, line := range lines {
			text += strings.Join(line, "\t") + "\n"
		}
		for _, part := range append(want[2:], "\t1\n", "\t2026\n", "\t2026-01-01\n", "\t2027-06-30\n", "\t2027-07-15\n", "\t2026-2\n", fmt.Sprintf("\t%x\n", release.Digest)) {
			if !strings.Contains(text, part) {
				t.Errorf("%s: the sheet does not say %q:\n%s", language, part, text)
			}
		}
		for _, figure := range closedYear(t).Figures {
			definition := "\t" + words.Definition(figure.Group) + "\t" + words.Denominator(figure.Group) + "\n"
			if strings.Count(text, definition) != 1 {
				t.Errorf("%s: %s is not defined once:\n%s", language, figure.Group, text)
			}
		}
	}
}

// The same release gives the same bytes, and they name neither a person nor a program's clock.
func TestXLSXIsTheSameEachTimeAndNamesNobody(t *testing.T) {
	t.Parallel()
	release := publishedAs(t, closedYear(t))
	first := exportedXLSX(t, release, "nl")
	for range 10 {
		if !bytes.Equal(exportedXLSX(t, release, "nl"), first) {
			t.Fatal("two workbooks of the same release differ")
		}
	}
	properties, err := opened(t, first).GetDocProps()
	if err != nil {
		t.Fatal(err)
	}
	if want := (excelize.DocProperties{Created: "2027-07-15T00:00:00Z", Modified: "2027-07-15T00:00:00Z"}); *properties != want {
		t.Errorf("the properties are %+v", *properties)
	}
	parts, err := zip.NewReader(bytes.NewReader(first), int64(len(first)))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range parts.File {
		if part.Modified.Year() > 1980 {
			t.Errorf("%s is of %s", part.Name, part.Modified)
		}
		content, err := part.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(content)
		if err != nil {
			t.Fatal(err)
		}
		if lower := bytes.ToLower(text); bytes.Contains(lower, []byte("xuri")) || bytes.Contains(lower, []byte("excelize")) {
			t.Errorf("%s names who made the library", part.Name)
		}
	}
}
