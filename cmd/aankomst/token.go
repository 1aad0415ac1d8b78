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
	List   tokenListCmd   `cmd:"" help:"List the tokens of machines and devices, without their secrets."`
	Rotate tokenRotateCmd `cmd:"" help:"Make a token in the place of another, which is accepted for some days more."`
	Revoke tokenRevokeCmd `cmd:"" help:"Revoke a token for good, at once."`
}

type tokenCreateCmd struct {
	Role   string `arg:"" help:"COUNSELLOR, INTAKE, COORDINATOR or ADMINISTRATOR."`
	Label  string `help:"What the organisation calls it: a desk or a machine, never a person's name." required:"" placeholder:"TEXT"`
	Centre string `help:"The centre of an INTAKE token." placeholder:"ID"`
	Days   uint32 `help:"For how many days it is valid." default:"365" placeholder:"N"`
}

// Help is shown below the command's usage.
func (tokenCreateCmd) Help() string {
	return "A token is for a machine; people are members: see aankomst member --help. The token is printed once and stored hashed. Give it to its user outside the system; clients read it from\nAANKOMST_TOKEN or a file. To see it nowhere: aankomst token create ROLE --label TEXT >FILE"
}

// Run makes a token.
func (c tokenCreateCmd) Run(ctx context.Context, a *app) error {
	request := access.Request{
		Label: c.Label, Role: store.Role(strings.ToUpper(c.Role)), Centre: c.Centre,
		Validity: access.Days(c.Days),
	}
	return a.withStore(ctx, func(e *opened) error {
		secret, token, err := access.CreateToken(ctx, e, request, e.clock())
		if err != nil {
			return err
		}
		return a.printToken(token, secret, e.clock())
	})
}

// printToken prints a new token, alone on standard output, so that this can be a file of it.
func (a *app) printToken(token store.Token, secret string, now time.Time) error {
	a.progress("The token is shown only now. Its id is %s; it is refused from %s on.", token.ID, token.ExpiresOn)
	return a.print(struct {
		tokenView
		Token string `json:"token"`
	}{viewToken(token, now), secret}, "%s", secret)
}

// tokenView is a token for people and scripts.
type tokenView struct {
	ID        string `json:"id"`
	Kind      string `json:"kind"`
	Label     string `json:"label"`
	Role      string `json:"role"`
	Centre    string `json:"centre,omitempty"`
	UsedOn    string `json:"usedOn,omitempty"`
	ExpiresOn string `json:"expiresOn"`
	State     string `json:"state"`
}

func viewToken(token store.Token, now time.Time) tokenView {
	view := tokenView{
		token.ID, string(token.Kind), token.Label, string(token.Role), token.Centre, token.UsedOn, token.ExpiresOn, "valid",
	}
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
			rows = append(rows, strings.Join([]string{
				view.ID, view.Kind, view.Role, view.Centre, view.Label, view.UsedOn, view.ExpiresOn, view.State,
			}, "\t"))
		}
		return a.table(views, "ID\tKIND\tROLE\tCENTRE\tLABEL\tLAST USED\tREFUSED FROM\tSTATE", rows, "There is no token yet. Make one: aankomst token create --help")
	})
}

type tokenRotateCmd struct {
	ID       string `arg:"" help:"The token's id, as aankomst token list shows it."`
	Days     uint32 `help:"For how many days the new one is valid." default:"365" placeholder:"N"`
	KeepDays uint32 `help:"For how many days more the old one is accepted, 0 to 30: until the machine has the new one. With 0 it is refused at once." default:"7" placeholder:"N"`
}

// Help is shown below the command's usage.
func (tokenRotateCmd) Help() string {
	return "The new token has the label, role and centre of the old one. Revoke the old one as soon as the machine has the new one;\none that somebody may have seen is revoked at once, and a new one made."
}

// Run rotates a token.
func (c tokenRotateCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(e *opened) error {
		secret, token, err := access.RotateToken(ctx, e, c.ID, access.Days(c.Days), access.Days(c.KeepDays), e.clock())
		if err != nil {
			return fmt.Errorf("the token %s: %w", c.ID, err)
		}
		return a.printToken(token, secret, e.clock())
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
