package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"aankomst/server/access"
	"aankomst/server/calendar"
	"aankomst/server/store"
)

type tokenCmd struct {
	Create tokenCreateCmd `cmd:"" help:"Make a token and show it once."`
	List   tokenListCmd   `cmd:"" help:"List the tokens, without their secrets."`
	Revoke tokenRevokeCmd `cmd:"" help:"Revoke a token for good, at once."`
}

type tokenCreateCmd struct {
	Role   string `arg:"" help:"COUNSELLOR, INTAKE, COORDINATOR or ADMINISTRATOR."`
	Label  string `help:"What the organisation calls it: a desk or a machine, never a person's name." required:"" placeholder:"TEXT"`
	Centre string `help:"The centre of an INTAKE token." placeholder:"ID"`
	Days   int    `help:"For how many days it is valid." default:"365" placeholder:"N"`
}

// Help is shown below the command's usage.
func (tokenCreateCmd) Help() string {
	return "The token is printed once and stored hashed. Give it to its user outside the system; clients read it from\nAANKOMST_TOKEN or a file. To see it nowhere: aankomst token create ROLE --label TEXT >FILE"
}

// Run makes a token.
func (c tokenCreateCmd) Run(ctx context.Context, a *app) error {
	request := access.Request{
		Label: c.Label, Role: store.Role(strings.ToUpper(c.Role)), Centre: c.Centre,
		Validity: time.Duration(min(c.Days, 100_000)) * 24 * time.Hour,
	}
	return a.withStore(ctx, func(e *opened) error {
		secret, token, err := access.Create(ctx, e, request, e.clock())
		if err != nil {
			return err
		}
		// The rest is not for standard output, so that this can be a file of the token.
		a.progress("The token is shown only now. Its id is %s; it is refused from %s on.", token.ID, token.ExpiresOn)
		return a.print(struct {
			tokenView
			Token string `json:"token"`
		}{viewToken(token, e.clock()), secret}, "%s", secret)
	})
}

// tokenView is a token for people and scripts.
type tokenView struct {
	ID        string `json:"id"`
	Label     string `json:"label"`
	Role      string `json:"role"`
	Centre    string `json:"centre,omitempty"`
	ExpiresOn string `json:"expiresOn"`
	State     string `json:"state"`
}

func viewToken(token store.Token, now time.Time) tokenView {
	view := tokenView{token.ID, token.Label, string(token.Role), token.Centre, token.ExpiresOn, "valid"}
	switch {
	case token.Revoked:
		view.State = "revoked"
	case calendar.Day(now) >= token.ExpiresOn:
		view.State = "expired"
	}
	return view
}

type tokenListCmd struct{}

// Run lists the tokens.
func (tokenListCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(e *opened) error {
		tokens, err := e.ListTokens(ctx)
		if err != nil {
			return err
		}
		views, rows := []tokenView{}, []string{}
		for _, token := range tokens {
			view := viewToken(token, e.clock())
			views = append(views, view)
			rows = append(rows, strings.Join([]string{view.ID, view.Role, view.Centre, view.Label, view.ExpiresOn, view.State}, "\t"))
		}
		return a.table(views, "ID\tROLE\tCENTRE\tLABEL\tREFUSED FROM\tSTATE", rows, "There is no token yet. Make one: aankomst token create --help")
	})
}

type tokenRevokeCmd struct {
	ID string `arg:"" help:"The token's id, as aankomst token list shows it."`
}

// Run revokes a token.
func (c tokenRevokeCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(e *opened) error {
		if err := e.RevokeToken(ctx, c.ID); err != nil {
			return fmt.Errorf("the token %s: %w", c.ID, err)
		}
		return a.print(map[string]string{"revoked": c.ID}, "The token %s is revoked.", c.ID)
	})
}
