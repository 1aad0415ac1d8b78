package main

import (
	"context"
	"fmt"
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

// centreFormat is the file of centres.
var centreFormat = csvFormat{
	thing:   "centre",
	columns: []string{"id", "name", "type", "region", "town", "phone", "email", "website", "languages"},
	needed:  []string{"id", "name", "type"},
}

// setCentre says how a cell becomes part of a centre.
var setCentre = map[string]func(*store.Centre, string){
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

// importPlan is what an import of centres does.
type importPlan struct {
	imported
	rows []importRow
}

// importRow is a centre to be added or changed.
type importRow struct {
	id     string
	change func(*store.Centre) error
	isNew  bool
}

// Run imports centres.
func (c centreImportCmd) Run(ctx context.Context, a *app) error {
	table, err := a.readCSV(c.File, centreFormat)
	if err != nil {
		return err
	}
	return a.withStore(ctx, func(e *opened) error {
		existing, err := e.ListCentres(ctx)
		if err != nil {
			return err
		}
		plan, err := planImport(table, existing)
		if err != nil {
			return err
		}
		if plan.DryRun = c.DryRun; plan.DryRun {
			return a.printImport(plan.imported)
		}
		for _, row := range plan.rows {
			if err := row.apply(ctx, e); err != nil {
				return fmt.Errorf("the centre %s: %w; the lines before it were imported, and importing again is safe", row.id, err)
			}
		}
		return a.printImport(plan.imported)
	})
}

// planImport checks every line and returns what is to be done, or all that is wrong.
func planImport(table csvTable, existing []store.Centre) (importPlan, error) {
	var plan importPlan
	err := table.each(func(cells map[string]string) error {
		change := func(centre *store.Centre) error {
			for name, text := range cells {
				setCentre[name](centre, text)
			}
			return server.CheckCentre(*centre)
		}
		id := cells["id"]
		at := slices.IndexFunc(existing, func(c store.Centre) bool { return c.ID == id })
		var before store.Centre
		if at >= 0 {
			before = existing[at]
		}
		after := before
		if err := change(&after); err != nil {
			return err
		}
		plan.add(importRow{id: id, change: change, isNew: at < 0}, same(before, after))
		return nil
	})
	return plan, err
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
		p.Added++
	case same:
		p.Unchanged++
		return
	default:
		p.Changed++
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
