package main

import (
	"context"
	"fmt"
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

// centreType reads a type in either case.
func centreType(text string) store.CentreType { return store.CentreType(strings.ToUpper(text)) }

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
		ID: c.ID, Name: c.Name, Type: centreType(c.Type), Region: c.Region, Town: c.Town,
		Phone: c.Phone, Email: c.Email, Website: c.Website, Languages: c.Languages,
	}
	if err := server.CheckCentre(centre); err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	return a.withStore(ctx, func(e *opened) error {
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
	ID        string   `json:"id"`
	Name      string   `json:"name"`
	Type      string   `json:"type"`
	Town      string   `json:"town,omitempty"`
	Region    string   `json:"region,omitempty"`
	Phone     string   `json:"phone,omitempty"`
	Email     string   `json:"email,omitempty"`
	Website   string   `json:"website,omitempty"`
	Languages []string `json:"languages,omitempty"`
	Archived  bool     `json:"archived,omitempty"`
}

// Run lists the centres.
func (c centreListCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(e *opened) error {
		centres, err := e.ListCentres(ctx)
		if err != nil {
			return err
		}
		views, rows := []centreView{}, []string{}
		for _, centre := range centres {
			if centre.Archived && !c.Archived {
				continue
			}
			views = append(views, centreView{
				centre.ID, centre.Name, string(centre.Type), centre.Town, centre.Region,
				centre.Phone, centre.Email, centre.Website, centre.Languages, centre.Archived,
			})
			state := "active"
			if centre.Archived {
				state = "archived"
			}
			rows = append(rows, strings.Join([]string{centre.ID, string(centre.Type), state, centre.Name, centre.Town, centre.Region}, "\t"))
		}
		return a.table(views, "ID\tTYPE\tSTATE\tNAME\tTOWN\tREGION", rows, "There is no centre yet. Add one: aankomst centre add --help")
	})
}

type centreArchiveCmd struct {
	ID string `arg:"" help:"The centre's id."`
}

// Run archives a centre.
func (c centreArchiveCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(e *opened) error {
		_, err := e.UpdateCentre(ctx, c.ID, func(centre *store.Centre) error {
			centre.Archived = true
			return nil
		})
		if err != nil {
			return fmt.Errorf("the centre %s: %w", c.ID, err)
		}
		return a.print(map[string]string{"archived": c.ID}, "The centre %s is archived. It stays in the pools it is in, but cannot confirm: refer nobody to it.", c.ID)
	})
}
