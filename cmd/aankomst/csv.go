package main

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// maxImport is the largest file that is read, in bytes.
const maxImport = 1 << 20

// csvFormat says what a CSV file of things with an id is made of.
type csvFormat struct {
	// thing is what each line describes.
	thing string
	// columns may be there, and needed must be; both have id.
	columns, needed []string
}

// csvTable is a CSV file, of which the first line names the columns.
type csvTable struct {
	csvFormat
	header []string
	lines  []csvLine
}

// csvLine is a line of a file with its number.
type csvLine struct {
	number int
	cells  []string
}

// readCSV reads a file, or standard input when its name is a hyphen. What a line must say is checked by each.
func (a *app) readCSV(file string, format csvFormat) (csvTable, error) {
	name, source := "standard input", a.in
	if file != "-" {
		opened, err := os.Open(file)
		if err != nil {
			return csvTable{}, fmt.Errorf("%w: %w", errUsage, err)
		}
		defer opened.Close()
		name, source = file, opened
	}
	content, err := io.ReadAll(io.LimitReader(source, maxImport+1))
	switch {
	case err != nil:
		return csvTable{}, fmt.Errorf("%w: %s cannot be read: %w", errUsage, name, err)
	case len(content) > maxImport:
		return csvTable{}, fmt.Errorf("%w: %s has more than %d bytes", errUsage, name, maxImport)
	}
	lines, err := parseCSV(content)
	if err != nil {
		return csvTable{}, fmt.Errorf("%w: %s is not CSV: %w", errUsage, name, err)
	}
	if len(lines) < 2 {
		return csvTable{}, fmt.Errorf("%w: %s needs a line of column names and a line for each %s", errUsage, name, format.thing)
	}
	header, err := format.header(lines[0].cells)
	return csvTable{format, header, lines[1:]}, err
}

// parseCSV takes CSV as spreadsheets write it: with a byte order mark or without, and with semicolons
// where the comma is a decimal sign.
func parseCSV(content []byte) ([]csvLine, error) {
	content = bytes.TrimPrefix(content, []byte("\ufeff"))
	reader := csv.NewReader(bytes.NewReader(content))
	reader.TrimLeadingSpace = true
	// How many cells a line has is checked with the rest, so that every wrong line is named.
	reader.FieldsPerRecord = -1
	if first, _, _ := bytes.Cut(content, []byte("\n")); bytes.ContainsRune(first, ';') && !bytes.ContainsRune(first, ',') {
		reader.Comma = ';'
	}
	var lines []csvLine
	for {
		cells, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return nil, err
		}
		number, _ := reader.FieldPos(0)
		lines = append(lines, csvLine{number, cells})
	}
}

// header returns the names of the columns.
func (f csvFormat) header(cells []string) ([]string, error) {
	header := make([]string, len(cells))
	for i, cell := range cells {
		name := strings.ToLower(strings.TrimSpace(cell))
		if !slices.Contains(f.columns, name) {
			return nil, fmt.Errorf("%w: there is no column %q; the columns are %s", errUsage, cell, strings.Join(f.columns, ", "))
		}
		if slices.Contains(header, name) {
			return nil, fmt.Errorf("%w: the column %s is there twice", errUsage, name)
		}
		header[i] = name
	}
	for _, needed := range f.needed {
		if !slices.Contains(header, needed) {
			return nil, fmt.Errorf("%w: the column %s is missing", errUsage, needed)
		}
	}
	return header, nil
}

// each calls take with the cells of every line, by the names of their columns, and returns all that is wrong
// with the file.
func (t csvTable) each(take func(cells map[string]string) error) error {
	var wrong []error
	seen := map[string]bool{}
	for _, line := range t.lines {
		if len(line.cells) != len(t.header) {
			wrong = append(wrong, fmt.Errorf("line %d: it has %d cells, and there are %d columns", line.number, len(line.cells), len(t.header)))
			continue
		}
		cells := map[string]string{}
		for column, name := range t.header {
			cells[name] = strings.TrimSpace(line.cells[column])
		}
		err := take(cells)
		id := cells["id"]
		if seen[id] {
			err = errors.Join(err, fmt.Errorf("the %s %s stands in the file twice", t.thing, id))
		}
		if seen[id] = true; err != nil {
			wrong = append(wrong, fmt.Errorf("line %d: %w", line.number, err))
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%w: nothing was imported:\n%w", errUsage, errors.Join(wrong...))
	}
	return nil
}

// imported is what an import did or, after a dry run, would do.
type imported struct {
	Added     int  `json:"added"`
	Changed   int  `json:"changed"`
	Unchanged int  `json:"unchanged"`
	DryRun    bool `json:"dryRun"`
}

func (a *app) printImport(i imported) error {
	sentence := "Added: %d, changed: %d, the same as before: %d."
	if i.DryRun {
		sentence = "Nothing was done. Would be added: %d, changed: %d, the same as before: %d."
	}
	return a.print(i, sentence, i.Added, i.Changed, i.Unchanged)
}
