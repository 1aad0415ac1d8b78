package export

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/xuri/excelize/v2"

	"aankomst/server/release"
	"aankomst/server/store"
)

// WriteXLSX writes a release as a workbook for spreadsheets: a sheet of figures with the columns of WriteCSV, and
// one that says what they are. Everything in it is a number or a text, never a formula. The same
// release gives the same bytes: the workbook names no author and no time but the day of publication. Errors wrap
// ErrDocument or are those of w.
func WriteXLSX(w io.Writer, published store.Release, words Words) (err error) {
	document, rows, err := rowsOf(published, words)
	if err != nil {
		return err
	}
	book := excelize.NewFile()
	defer func() { err = errors.Join(err, book.Close()) }()
	day := document.PublishedOn + "T00:00:00Z"
	figures, about := words.text("sheet:figures"), words.text("sheet:about")
	_, added := book.NewSheet(about)
	if err := errors.Join(
		book.SetDocProps(&excelize.DocProperties{Created: day, Modified: day}),
		book.SetAppProps(&excelize.AppProperties{Application: "aankomst"}),
		book.SetSheetName("Sheet1", figures), added,
		writeFigures(book, figures, rows, words),
		writeAbout(book, about, document, hex.EncodeToString(published.Digest[:]), words),
	); err != nil {
		return fmt.Errorf("making a workbook: %w", err)
	}
	if err := book.Write(w); err != nil {
		return fmt.Errorf("writing a workbook: %w", err)
	}
	return nil
}

// headingHeight is in points: headings take up to three lines.
const headingHeight = 45

// writeFigures writes a row for each figure, below headings that stay in sight.
func writeFigures(book *excelize.File, sheet string, rows []row, words Words) error {
	headings := make([]any, len(columns))
	for i, column := range columns {
		headings[i] = words.text("column:" + column.name)
		letters, err := excelize.ColumnNumberToName(i + 1)
		if err := errors.Join(err, book.SetColWidth(sheet, letters, letters, column.width)); err != nil {
			return err
		}
	}
	lines := [][]any{headings}
	for _, row := range rows {
		line := make([]any, len(columns))
		for i, column := range columns {
			switch value := column.cell(row).(type) {
			case release.Status:
				line[i] = words.Status(value)
			case release.Shown:
				line[i] = words.Shown(value)
			case bool:
				// Some spreadsheets show a truth value as a number.
				line[i] = words.text(map[bool]string{true: "yes", false: "no"}[value])
			default:
				line[i] = value
			}
		}
		lines = append(lines, line)
	}
	heading, err := book.NewStyle(&excelize.Style{
		Font: &excelize.Font{Bold: true}, Alignment: &excelize.Alignment{WrapText: true, Vertical: "top"},
	})
	return errors.Join(err, writeLines(book, sheet, lines), book.SetRowStyle(sheet, 1, 1, heading), book.SetRowHeight(sheet, 1, headingHeight),
		book.SetPanes(sheet, &excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"}))
}

// writeAbout writes what holds for all figures, how to read them, and each definition once.
func writeAbout(book *excelize.File, sheet string, document release.Document, digest string, words Words) error {
	column := func(name string) string { return words.text("column:" + name) }
	lines := [][]any{
		{column("release"), document.Number},
		{column("cohort"), document.Cohort},
		{column("status"), words.Status(document.Status)},
		{column("period_from"), begins(document)},
		{column("period_to"), document.CutOff},
		{words.text("about:published_on"), document.PublishedOn},
		{column("policy"), document.Policy},
		{column("digest_sha256"), digest},
		nil,
	}
	if document.FrozenLate {
		lines = append(lines, []any{words.text("about:late") + "."})
	}
	for _, text := range []string{"about:ranges", "about:interval", "about:protected"} {
		lines = append(lines, []any{words.text(text) + "."})
	}
	lines = append(lines, nil, []any{nil, column("definition"), column("denominator")})
	told := map[kind]bool{}
	for _, figure := range document.Figures {
		of, _ := kindOf(figure.Group)
		if !told[of] {
			lines = append(lines, []any{words.text("name:" + of.definition), words.Definition(figure.Group), words.Denominator(figure.Group)})
		}
		told[of] = true
	}
	wrapped, err := book.NewStyle(&excelize.Style{Alignment: &excelize.Alignment{
		WrapText: true, Vertical: "top", Horizontal: "left",
	}})
	return errors.Join(err,
		book.SetColWidth(sheet, "A", "A", 40), book.SetColWidth(sheet, "B", "C", 80),
		book.SetColStyle(sheet, "B:C", wrapped), writeLines(book, sheet, lines))
}

// writeLines writes cells from the first row on. Texts are written as such, whatever they begin with.
func writeLines(book *excelize.File, sheet string, lines [][]any) error {
	for i, line := range lines {
		if err := book.SetSheetRow(sheet, fmt.Sprintf("A%d", i+1), &line); err != nil {
			return err
		}
	}
	return nil
}
