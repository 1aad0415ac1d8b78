package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"aankomst/server"
	"aankomst/server/store"
)

type centreCmd struct {
	Add     centreAddCmd     `cmd:"" help:"Add a treatment centre."`
	List    centreListCmd    `cmd:"" help:"List the treatment centres."`
	Archive centreArchiveCmd `cmd:"" help:"Archive a centre: it is shown no more and cannot confirm."`
	Import  centreImportCmd  `cmd:"" help:"Add or change centres from a CSV file."`
}

type centreAddCmd struct {
	ID        string   `arg:"" help:"1 to 40 of a-z, 0-9 and hyphen, such as cgg-gent. It can never be changed."`
	Name      string   `help:"The name shown to people." required:""`
	Type      string   `help:"CAW, CGG, UFC or OTHER." required:"" placeholder:"TYPE"`
	Region    string   `help:"The region it serves."`
	Town      string   `help:"Where it is."`
	Phone     string   `help:"Public telephone number."`
	Email     string   `help:"Public e-mail address."`
	Website   string   `help:"Public website, https://..."`
	Languages []string `help:"Languages spoken, as tags: nl,fr."`
}

// Run adds a centre.
func (c centreAddCmd) Run(ctx context.Context, a *app) error {
	centre := store.Centre{
		ID: c.ID, Name: c.Name, Type: store.CentreType(c.Type), Region: c.Region, Town: c.Town,
		Phone: c.Phone, Email: c.Email, Website: c.Website, Languages: c.Languages,
	}
	if err := server.CheckCentre(centre); err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	return a.withStore(ctx, func(e *embedded) error {
		if err := e.CreateCentre(ctx, centre); err != nil {
			return fmt.Errorf("the centre %s: %w", c.ID, err)
		}
		return a.print(map[string]string{"id": c.ID}, "The centre %s is added.", c.ID)
	})
}

type centreListCmd struct {
	Archived bool `help:"List archived centres too."`
}

// centreView is a centre for scripts.
type centreView struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Type     string `json:"type"`
	Town     string `json:"town,omitempty"`
	Region   string `json:"region,omitempty"`
	Archived bool   `json:"archived,omitempty"`
}

// Run lists the centres.
func (c centreListCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(e *embedded) error {
		centres, err := e.ListCentres(ctx)
		if err != nil {
			return err
		}
		views, rows := []centreView{}, []string{}
		for _, centre := range centres {
			if centre.Archived && !c.Archived {
				continue
			}
			views = append(views, centreView{centre.ID, centre.Name, string(centre.Type), centre.Town, centre.Region, centre.Archived})
			rows = append(rows, strings.Join([]string{centre.ID, string(centre.Type), centre.Name, centre.Town, centre.Region}, "\t"))
		}
		return a.table(views, "ID\tTYPE\tNAME\tTOWN\tREGION", rows, "There is no centre yet. Add one: aankomst centre add --help")
	})
}

type centreArchiveCmd struct {
	ID string `arg:"" help:"The centre's id."`
}

// Run archives a centre.
func (c centreArchiveCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(e *embedded) error {
		_, err := e.UpdateCentre(ctx, c.ID, func(centre *store.Centre) error {
			centre.Archived = true
			return nil
		})
		if err != nil {
			return fmt.Errorf("the centre %s: %w", c.ID, err)
		}
		return a.print(map[string]string{"archived": c.ID}, "The centre %s is archived.", c.ID)
	})
}

type centreImportCmd struct {
	File   string `arg:"" help:"The CSV file; - is standard input."`
	DryRun bool   `help:"Only check the file and say what would be done."`
}

// Help is shown below the command's usage.
func (centreImportCmd) Help() string {
	return strings.TrimSpace(`
The first line names the columns: id, name and type must be there; region, town, phone, email, website and languages
(separated by spaces) may be. A centre that exists is changed in the columns that the file has. The whole file is
checked first: when a line is wrong nothing is done, and every wrong line is named.`)
}

// importColumns say how a cell becomes part of a centre.
var importColumns = map[string]func(*store.Centre, string){
	"id":      func(c *store.Centre, text string) { c.ID = text },
	"name":    func(c *store.Centre, text string) { c.Name = text },
	"type":    func(c *store.Centre, text string) { c.Type = store.CentreType(strings.ToUpper(text)) },
	"region":  func(c *store.Centre, text string) { c.Region = text },
	"town":    func(c *store.Centre, text string) { c.Town = text },
	"phone":   func(c *store.Centre, text string) { c.Phone = text },
	"email":   func(c *store.Centre, text string) { c.Email = text },
	"website": func(c *store.Centre, text string) { c.Website = text },
	"languages": func(c *store.Centre, text string) {
		c.Languages = strings.Fields(text)
	},
}

// importRow is a centre to be added or changed.
type importRow struct {
	id     string
	change func(*store.Centre) error
	isNew  bool
}

// Run imports centres.
func (c centreImportCmd) Run(ctx context.Context, a *app) error {
	content, err := c.read(a)
	if err != nil {
		return err
	}
	return a.withStore(ctx, func(e *embedded) error {
		existing, err := e.ListCentres(ctx)
		if err != nil {
			return err
		}
		rows, err := planImport(content, existing)
		if err != nil {
			return err
		}
		added, changed := 0, 0
		for _, row := range rows {
			if row.isNew {
				added++
			} else {
				changed++
			}
			if c.DryRun {
				continue
			}
			if err := applyImport(ctx, e, row); err != nil {
				return fmt.Errorf("the centre %s: %w; the lines before it were imported, and importing again is safe", row.id, err)
			}
		}
		result := map[string]any{"added": added, "changed": changed, "dryRun": c.DryRun}
		if c.DryRun {
			return a.print(result, "%d centres would be added, %d changed. Nothing was done.", added, changed)
		}
		return a.print(result, "%d centres were added, %d changed.", added, changed)
	})
}

func (c centreImportCmd) read(a *app) ([][]string, error) {
	source := a.in
	if c.File != "-" {
		file, err := os.Open(c.File)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errUsage, err)
		}
		defer file.Close()
		source = file
	}
	reader := csv.NewReader(io.LimitReader(source, 1<<20))
	reader.TrimLeadingSpace = true
	lines, err := reader.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%w: %s is not CSV: %w", errUsage, c.File, err)
	}
	if len(lines) < 2 {
		return nil, fmt.Errorf("%w: %s needs a line of column names and a line for each centre", errUsage, c.File)
	}
	return lines, nil
}

// planImport checks every line and returns what is to be done, or all that is wrong.
func planImport(lines [][]string, existing []store.Centre) ([]importRow, error) {
	header := lines[0]
	for i, name := range header {
		header[i] = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(name, "\ufeff")))
		if importColumns[header[i]] == nil {
			return nil, fmt.Errorf("%w: there is no column %q; the columns are id, name, type, region, town, phone, email, website, languages", errUsage, name)
		}
	}
	for _, needed := range []string{"id", "name", "type"} {
		if !slices.Contains(header, needed) {
			return nil, fmt.Errorf("%w: the column %s is missing", errUsage, needed)
		}
	}
	var rows []importRow
	var wrong []error
	seen := map[string]bool{}
	for i, cells := range lines[1:] {
		change := func(centre *store.Centre) error {
			for column, name := range header {
				importColumns[name](centre, strings.TrimSpace(cells[column]))
			}
			return server.CheckCentre(*centre)
		}
		id := strings.TrimSpace(cells[slices.Index(header, "id")])
		at := slices.IndexFunc(existing, func(c store.Centre) bool { return c.ID == id })
		var trial store.Centre
		if at >= 0 {
			trial = existing[at]
		}
		err := change(&trial)
		if seen[id] {
			err = errors.Join(err, fmt.Errorf("the centre %s stands in the file twice", id))
		}
		if seen[id] = true; err != nil {
			wrong = append(wrong, fmt.Errorf("line %d: %w", i+2, err))
		}
		rows = append(rows, importRow{id: id, change: change, isNew: at < 0})
	}
	if len(wrong) > 0 {
		return nil, fmt.Errorf("%w: nothing was imported:\n%w", errUsage, errors.Join(wrong...))
	}
	return rows, nil
}

func applyImport(ctx context.Context, e *embedded, row importRow) error {
	if !row.isNew {
		_, err := e.UpdateCentre(ctx, row.id, row.change)
		return err
	}
	var centre store.Centre
	if err := row.change(&centre); err != nil {
		return err
	}
	return e.CreateCentre(ctx, centre)
}
