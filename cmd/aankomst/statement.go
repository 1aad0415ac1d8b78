package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"aankomst/server"
	"aankomst/server/store"
)

type statementCmd struct {
	Import statementImportCmd `cmd:"" help:"Add or change statements from a CSV file."`
	List   statementListCmd   `cmd:"" help:"List the statements."`
	Remove statementRemoveCmd `cmd:"" help:"Remove a statement that was a mistake."`
}

// Help is shown below the command's usage.
func (statementCmd) Help() string {
	return strings.TrimSpace(`
A statement is what somebody else says of arrivals in years before this system: in an annual report, say. It was not
counted here and is in no release. Everyone is taken to know it, and could combine it with what is counted here: so no
year has both a statement and a cohort.`)
}

type statementImportCmd struct {
	File   string `arg:"" help:"The CSV file; - is standard input."`
	DryRun bool   `help:"Only check the file and say what would be done."`
}

// Help is shown below the command's usage.
func (statementImportCmd) Help() string {
	return strings.TrimSpace(`
The first line names the columns: id, from_year and to_year (whole calendar years), definition (what was counted) and
source (who states it, and where) must be there; referrals, arrived_percent (both whole numbers) and denominator (of
what the per cent is taken) may be. A statement gives referrals, a per cent or both. Commas or semicolons separate the
columns. A line takes the place of the statement with its id. The whole file is checked first: when a line is wrong
nothing is done, and every wrong line is named.`)
}

// statementFormat is the file of statements.
var statementFormat = csvFormat{
	thing:   "statement",
	columns: []string{"id", "from_year", "to_year", "definition", "referrals", "arrived_percent", "denominator", "source"},
	needed:  []string{"id", "from_year", "to_year", "definition", "source"},
}

// Run imports statements.
func (c statementImportCmd) Run(ctx context.Context, a *app) error {
	table, err := a.readCSV(c.File, statementFormat)
	if err != nil {
		return err
	}
	return a.withStore(ctx, func(e *opened) error {
		cohorts, err := e.ListCohorts(ctx)
		if err != nil {
			return err
		}
		var given []store.Statement
		err = table.each(func(cells map[string]string) error {
			statement, err := parseStatement(cells)
			if err != nil {
				return err
			}
			given = append(given, statement)
			return server.CheckStatement(statement, cohorts)
		})
		if err != nil {
			return err
		}
		kept, err := e.ListStatements(ctx)
		if err != nil {
			return err
		}
		plan, err := server.PlanStatements(given, kept, cohorts)
		if err != nil {
			return fmt.Errorf("%w: nothing was imported: %w", errUsage, err)
		}
		if !c.DryRun {
			if err := e.PutStatements(ctx, plan.Put); err != nil {
				return fmt.Errorf("nothing was imported: %w", err)
			}
		}
		return a.printImport(imported{len(plan.Added), len(plan.Changed), len(plan.Unchanged), c.DryRun})
	})
}

// parseStatement reads a line of the file.
func parseStatement(cells map[string]string) (store.Statement, error) {
	statement := store.Statement{
		ID: cells["id"], Definition: cells["definition"], Denominator: cells["denominator"], Source: cells["source"],
	}
	var wrong []error
	number := func(column string, empty int) int {
		if cells[column] == "" {
			return empty
		}
		n, err := strconv.ParseUint(cells[column], 10, 31)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%q in the column %s is no whole number", cells[column], column))
		}
		return int(n)
	}
	statement.FromYear, statement.ToYear = number("from_year", 0), number("to_year", 0)
	statement.Referrals, statement.ArrivedPercent = number("referrals", 0), number("arrived_percent", store.NotStated)
	return statement, errors.Join(wrong...)
}

type statementListCmd struct{}

// statementView is a statement for scripts.
type statementView struct {
	ID             string `json:"id"`
	FromYear       int    `json:"fromYear"`
	ToYear         int    `json:"toYear"`
	Definition     string `json:"definition"`
	Referrals      int    `json:"referrals,omitempty"`
	ArrivedPercent *int   `json:"arrivedPercent,omitempty"`
	Denominator    string `json:"denominator,omitempty"`
	// Source marks it: figures that were counted here have none.
	Source string `json:"source"`
}

// Run lists the statements.
func (statementListCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(e *opened) error {
		statements, err := e.ListStatements(ctx)
		if err != nil {
			return err
		}
		views, rows := []statementView{}, []string{}
		for _, s := range statements {
			view := statementView{s.ID, s.FromYear, s.ToYear, s.Definition, s.Referrals, nil, s.Denominator, s.Source}
			years, referrals, percent := strconv.Itoa(s.FromYear), "", ""
			if s.ToYear > s.FromYear {
				years += "-" + strconv.Itoa(s.ToYear)
			}
			if s.Referrals > 0 {
				referrals = strconv.Itoa(s.Referrals)
			}
			if s.ArrivedPercent != store.NotStated {
				view.ArrivedPercent = &s.ArrivedPercent
				percent = fmt.Sprintf("%d %% of %s", s.ArrivedPercent, s.Denominator)
			}
			views = append(views, view)
			rows = append(rows, strings.Join([]string{s.ID, years, s.Definition, referrals, percent, s.Source}, "\t"))
		}
		if len(rows) > 0 && !a.JSON {
			fmt.Fprintln(a.out, "From elsewhere: stated by others, not counted here.")
		}
		return a.table(views, "ID\tYEARS\tWHAT WAS COUNTED\tREFERRALS\tARRIVED\tSTATED BY", rows,
			"There is no statement from elsewhere. Import some: aankomst statement import --help")
	})
}

type statementRemoveCmd struct {
	ID string `arg:"" help:"The statement's id."`
}

// Help is shown below the command's usage.
func (statementRemoveCmd) Help() string {
	return "Only for a mistake: what others say stays known, whether it is kept here or not, and could still be combined with a\ncohort of its years."
}

// Run removes a statement.
func (c statementRemoveCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(e *opened) error {
		if err := e.RemoveStatement(ctx, c.ID); err != nil {
			return fmt.Errorf("the statement %s: %w", c.ID, err)
		}
		return a.print(map[string]string{"removed": c.ID}, "The statement %s is removed.", c.ID)
	})
}
