package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"

	"aankomst/server"
	"aankomst/server/store"
)

type centreImportCmd struct {
	File   string `arg:"" help:"The CSV file; - is standard input."`
	DryRun bool   `help:"Only check the file and say what would be done."`
}

// Help is shown below the command's usage.
func (centreImportCmd) Help() string {
	return strings.TrimSpace(`
The first line names the columns: id, name and type must be there; region, town, phone, email, website and languages
(separated by spaces) may be. Commas or semicolons separate them. A centre that exists is changed in the columns that
the file has. The whole file is checked first: when a line is wrong nothing is done, and every wrong line is named.`)
}

// importColumns say how a cell becomes part of a centre.
var importColumns = map[string]func(*store.Centre, string){
	"id":      func(c *store.Centre, text string) { c.ID = text },
	"name":    func(c *store.Centre, text string) { c.Name = text },
	"type":    func(c *store.Centre, text string) { c.Type = centreType(text) },
	"region":  func(c *store.Centre, text string) { c.Region = text },
	"town":    func(c *store.Centre, text string) { c.Town = text },
	"phone":   func(c *store.Centre, text string) { c.Phone = text },
	"email":   func(c *store.Centre, text string) { c.Email = text },
	"website": func(c *store.Centre, text string) { c.Website = text },
	"languages": func(c *store.Centre, text string) {
		c.Languages = strings.Fields(text)
	},
}

// maxImport is the largest file that is read, in bytes.
const maxImport = 1 << 20

// importPlan is what an import does, line by line.
type importPlan struct {
	rows                      []importRow
	added, changed, unchanged int
}

// importRow is a centre to be added or changed.
type importRow struct {
	id     string
	change func(*store.Centre) error
	isNew  bool
}

// Run imports centres.
func (c centreImportCmd) Run(ctx context.Context, a *app) error {
	lines, err := c.read(a)
	if err != nil {
		return err
	}
	return a.withStore(ctx, func(e *opened) error {
		existing, err := e.ListCentres(ctx)
		if err != nil {
			return err
		}
		plan, err := planImport(lines, existing)
		if err != nil {
			return err
		}
		result := map[string]any{
			"added": plan.added, "changed": plan.changed, "unchanged": plan.unchanged, "dryRun": c.DryRun,
		}
		if c.DryRun {
			return a.print(result, "Nothing was done. Would be added: %d, changed: %d, the same as before: %d.",
				plan.added, plan.changed, plan.unchanged)
		}
		for _, row := range plan.rows {
			if err := row.apply(ctx, e); err != nil {
				return fmt.Errorf("the centre %s: %w; the lines before it were imported, and importing again is safe", row.id, err)
			}
		}
		return a.print(result, "Added: %d, changed: %d, the same as before: %d.", plan.added, plan.changed, plan.unchanged)
	})
}

// importLine is a line of the file with its number.
type importLine struct {
	number int
	cells  []string
}

// read reads the lines of the file, the one of column names first.
func (c centreImportCmd) read(a *app) ([]importLine, error) {
	name, source := "standard input", a.in
	if c.File != "-" {
		file, err := os.Open(c.File)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errUsage, err)
		}
		defer file.Close()
		name, source = c.File, file
	}
	content, err := io.ReadAll(io.LimitReader(source, maxImport+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %s cannot be read: %w", errUsage, name, err)
	case len(content) > maxImport:
		return nil, fmt.Errorf("%w: %s has more than %d bytes", errUsage, name, maxImport)
	}
	lines, err := parseImport(content)
	if err != nil {
		return nil, fmt.Errorf("%w: %s is not CSV: %w", errUsage, name, err)
	}
	if len(lines) < 2 {
		return nil, fmt.Errorf("%w: %s needs a line of column names and a line for each centre", errUsage, name)
	}
	return lines, nil
}

// parseImport takes CSV as spreadsheets write it: with a byte order mark or without, and with semicolons
// where the comma is a decimal sign.
func parseImport(content []byte) ([]importLine, error) {
	content = bytes.TrimPrefix(content, []byte("\ufeff"))
	reader := csv.NewReader(bytes.NewReader(content))
	reader.TrimLeadingSpace = true
	// How many cells a line has is checked with the rest, so that every wrong line is named.
	reader.FieldsPerRecord = -1
	if first, _, _ := bytes.Cut(content, []byte("\n")); bytes.ContainsRune(first, ';') && !bytes.ContainsRune(first, ',') {
		reader.Comma = ';'
	}
	var lines []importLine
	for {
		cells, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return nil, err
		}
		number, _ := reader.FieldPos(0)
		lines = append(lines, importLine{number, cells})
	}
}

// planImport checks every line and returns what is to be done, or all that is wrong.
func planImport(lines []importLine, existing []store.Centre) (importPlan, error) {
	header, err := importHeader(lines[0].cells)
	if err != nil {
		return importPlan{}, err
	}
	var plan importPlan
	var wrong []error
	seen := map[string]bool{}
	for _, line := range lines[1:] {
		if len(line.cells) != len(header) {
			wrong = append(wrong, fmt.Errorf("line %d: it has %d cells, and there are %d columns", line.number, len(line.cells), len(header)))
			continue
		}
		change := func(centre *store.Centre) error {
			for column, name := range header {
				importColumns[name](centre, strings.TrimSpace(line.cells[column]))
			}
			return server.CheckCentre(*centre)
		}
		id := strings.TrimSpace(line.cells[slices.Index(header, "id")])
		at := slices.IndexFunc(existing, func(c store.Centre) bool { return c.ID == id })
		var before store.Centre
		if at >= 0 {
			before = existing[at]
		}
		after := before
		err := change(&after)
		if seen[id] {
			err = errors.Join(err, fmt.Errorf("the centre %s stands in the file twice", id))
		}
		if seen[id] = true; err != nil {
			wrong = append(wrong, fmt.Errorf("line %d: %w", line.number, err))
			continue
		}
		plan.add(importRow{id: id, change: change, isNew: at < 0}, same(before, after))
	}
	if len(wrong) > 0 {
		return importPlan{}, fmt.Errorf("%w: nothing was imported:\n%w", errUsage, errors.Join(wrong...))
	}
	return plan, nil
}

// importHeader returns the names of the columns.
func importHeader(cells []string) ([]string, error) {
	header := make([]string, len(cells))
	for i, cell := range cells {
		name := strings.ToLower(strings.TrimSpace(cell))
		if importColumns[name] == nil {
			return nil, fmt.Errorf("%w: there is no column %q; the columns are id, name, type, region, town, phone, email, website, languages", errUsage, cell)
		}
		if slices.Contains(header, name) {
			return nil, fmt.Errorf("%w: the column %s is there twice", errUsage, name)
		}
		header[i] = name
	}
	for _, needed := range []string{"id", "name", "type"} {
		if !slices.Contains(header, needed) {
			return nil, fmt.Errorf("%w: the column %s is missing", errUsage, needed)
		}
	}
	return header, nil
}

// same reports whether an import leaves a centre as it was.
func same(before, after store.Centre) bool {
	languages := slices.Equal(before.Languages, after.Languages)
	before.Languages, after.Languages = nil, nil
	return languages && reflect.DeepEqual(before, after)
}

// add notes what is to be done of a line.
func (p *importPlan) add(row importRow, same bool) {
	switch {
	case row.isNew:
		p.added++
	case same:
		p.unchanged++
		return
	default:
		p.changed++
	}
	p.rows = append(p.rows, row)
}

func (r importRow) apply(ctx context.Context, e *opened) error {
	if !r.isNew {
		_, err := e.UpdateCentre(ctx, r.id, r.change)
		return err
	}
	var centre store.Centre
	if err := r.change(&centre); err != nil {
		return err
	}
	return e.CreateCentre(ctx, centre)
}
