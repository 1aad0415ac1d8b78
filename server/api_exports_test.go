package server_test

import (
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"
	"google.golang.org/grpc/codes"

	"aankomst/server/servertest"
)

// A release is the same in every format, for whoever may read it.
func TestAPIExport(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	for _, published := range a.history(t) {
		digest := hex.EncodeToString(published.GetDigest())
		for _, token := range []string{a.coordinator(), a.intake()} {
			export := func(format, contentType string) string {
				t.Helper()
				got := a.raw(token, "GET", fmt.Sprintf("/v1/releases/%d:export?format=%s", published.GetNumber(), format), "")
				kept := fmt.Sprintf(`attachment; filename="aankomst-release-%d.%s"`, published.GetNumber(), format)
				if got.http != 200 || got.header.Get("Content-Type") != contentType || got.header.Get("Content-Disposition") != kept {
					t.Errorf("%s: %v, %v", format, got, got.header)
				}
				return got.body
			}
			document := export("json", "application/json")
			same(t, "document", document, string(published.GetDocument()))
			same(t, "digest", fmt.Sprintf("%x", sha256.Sum256([]byte(document))), digest)

			rows, err := csv.NewReader(strings.NewReader(export("csv", "text/csv; charset=utf-8"))).ReadAll()
			must(t, err)
			book, err := excelize.OpenReader(strings.NewReader(export("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")))
			must(t, err)
			lines, err := book.GetRows("Figures")
			must(t, err)
			must(t, book.Close())
			if want := len(published.GetFigures()) + 1; len(rows) != want || len(lines) != want {
				t.Fatalf("%d figures are %d rows of CSV and %d of XLSX, with their headings", want-1, len(rows), len(lines))
			}
			for i, figure := range published.GetFigures() {
				row, line := rows[i+1], lines[i+1]
				if row[len(row)-1] != digest || line[len(row)-1] != digest || row[6] != figure.GetGroup() || line[6] != figure.GetGroup() {
					t.Errorf("%s is the row %q of CSV and %q of XLSX", figure.GetGroup(), row, line)
				}
			}
		}
	}
}

func TestAPIExportInALanguage(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	a.fill(t, 10, 5)
	a.pass(t, cutOff(1))
	document := a.publish(t, "").GetDocument()
	for language, want := range map[string][2]string{
		"":             {"Too early to show safely", "Figures"},
		"&language=":   {"Too early to show safely", "Figures"},
		"&language=en": {"Too early to show safely", "Figures"},
		"&language=nl": {"Te vroeg om veilig te tonen", "Cijfers"},
		"&language=fr": {"Trop tôt pour une publication sans risque", "Chiffres"},
		"&language=de": {"Zu früh für eine sichere Veröffentlichung", "Zahlen"},
	} {
		if table := a.raw(a.intake(), "GET", "/v1/releases/1:export?format=csv"+language, ""); !strings.Contains(table.body, ","+want[0]+",") {
			t.Errorf("%q: CSV does not say %q: %s", language, want[0], table.body)
		}
		book, err := excelize.OpenReader(strings.NewReader(a.raw(a.intake(), "GET", "/v1/releases/1:export?format=xlsx"+language, "").body))
		must(t, err)
		same(t, "sheet", book.GetSheetName(0), want[1])
		must(t, book.Close())
		same(t, "JSON", a.raw(a.intake(), "GET", "/v1/releases/1:export?format=json"+language, "").body, string(document))
	}
}

func TestAPIExportRefusals(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	a.fill(t, 10, 5)
	a.pass(t, cutOff(1))
	a.publish(t, "")
	for path, want := range map[string]struct {
		code            codes.Code
		reason, message string
	}{
		"1:export":                            {codes.InvalidArgument, "FIELD_INVALID", "choose format=csv, format=xlsx or format=json"},
		"1:export?format=":                    {codes.InvalidArgument, "FIELD_INVALID", "choose format=csv"},
		"1:export?format=xml":                 {codes.InvalidArgument, "FIELD_INVALID", "choose format=csv"},
		"1:export?format=CSV":                 {codes.InvalidArgument, "FIELD_INVALID", "choose format=csv"},
		"1:export?format=csv&language=es":     {codes.InvalidArgument, "FIELD_INVALID", "choose language=en, nl, fr or de"},
		"1:export?format=xlsx&language=nl-BE": {codes.InvalidArgument, "FIELD_INVALID", "choose language=en, nl, fr or de"},
		"1:export?format=json&language=Dutch": {codes.InvalidArgument, "FIELD_INVALID", "choose language=en, nl, fr or de"},
		"9:export?format=csv":                 {codes.NotFound, "NOT_FOUND", ""},
		"0:export?format=json":                {codes.NotFound, "NOT_FOUND", ""},
		"x:export?format=csv":                 {codes.InvalidArgument, "FIELD_INVALID", "whole number"},
		"-1:export?format=csv":                {codes.InvalidArgument, "FIELD_INVALID", "whole number"},
		"4294967296:export?format=csv":        {codes.InvalidArgument, "FIELD_INVALID", "whole number"},
		"1:exports?format=csv":                {codes.InvalidArgument, "MALFORMED_REQUEST", ""},
	} {
		got := a.raw(a.coordinator(), "GET", "/v1/releases/"+path, "")
		if got.code != want.code || got.reason != want.reason || !strings.Contains(got.message, want.message) {
			t.Errorf("%s: %v: %s", path, got, got.message)
		}
	}
	for _, format := range []string{"csv", "xlsx", "json"} {
		a.raw(a.counsellor(), "GET", "/v1/releases/1:export?format="+format, "").refused(t, codes.PermissionDenied, "ROLE_NOT_ALLOWED")
		a.raw("", "GET", "/v1/releases/1:export?format="+format, "").refused(t, codes.Unauthenticated, "NOT_SIGNED_IN")
	}
}
