package main

import (
	"context"
	"fmt"
	"strings"

	"aankomst/server"
	"aankomst/server/access"
	"aankomst/server/store"
)

type memberCmd struct {
	List    memberListCmd    `cmd:"" help:"List the members, removed ones included."`
	Invite  memberInviteCmd  `cmd:"" help:"Add a member, and print the link with which the first passkey is enrolled."`
	Recover memberRecoverCmd `cmd:"" help:"Print a link for an administrator, when none can sign in any more."`
	Remove  memberRemoveCmd  `cmd:"" help:"Remove a member for good, at once."`
}

// The states of a member.
const (
	// memberActive can sign in.
	memberActive = "active"
	// memberWaiting has no passkey that is accepted: an invitation is under way, or has ended.
	memberWaiting = "waiting"
	memberRemoved = "removed"
)

// memberView is a member for people and scripts.
type memberView struct {
	ID           string `json:"id"`
	Role         string `json:"role"`
	Centre       string `json:"centre,omitempty"`
	Label        string `json:"label"`
	Passkeys     int    `json:"passkeys"`
	Suspected    int    `json:"suspected,omitempty"`
	SingleSignOn bool   `json:"singleSignOn,omitempty"`
	State        string `json:"state"`
}

// viewMember shows a member with those of the passkeys that are the member's.
func viewMember(m store.Member, passkeys []store.Passkey) memberView {
	view := memberView{
		ID: m.ID, Role: string(m.Role), Centre: m.Centre, Label: m.Label, SingleSignOn: m.BySSO(), State: memberWaiting,
	}
	for _, passkey := range passkeys {
		if passkey.Member != m.ID {
			continue
		}
		view.Passkeys++
		if passkey.Suspected {
			view.Suspected++
		}
	}
	switch {
	case m.Removed:
		view.State = memberRemoved
	case view.SingleSignOn, view.Passkeys > view.Suspected:
		view.State = memberActive
	}
	return view
}

type memberListCmd struct{}

// Help is shown below the command's usage.
func (memberListCmd) Help() string {
	return "A member is active when it can sign in: it has a passkey that is accepted, or comes by single sign-on. Otherwise it\nwaits until its invitation is used. A passkey is suspected when it seems to have been copied; it is accepted no more."
}

// Run lists the members.
func (memberListCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(e *opened) error {
		members, err := e.ListMembers(ctx)
		if err != nil {
			return err
		}
		passkeys, err := e.ListPasskeys(ctx, "")
		if err != nil {
			return err
		}
		views, rows := []memberView{}, []string{}
		for _, member := range members {
			view := viewMember(member, passkeys)
			views = append(views, view)
			enrolled := fmt.Sprint(view.Passkeys)
			if view.Suspected > 0 {
				enrolled += fmt.Sprintf(", %d suspected", view.Suspected)
			}
			if view.SingleSignOn {
				enrolled = "single sign-on"
			}
			rows = append(rows, strings.Join([]string{view.ID, view.Role, view.Centre, view.Label, enrolled, view.State}, "\t"))
		}
		return a.table(views, "ID\tROLE\tCENTRE\tLABEL\tPASSKEYS\tSTATE", rows,
			"There is no member yet. The first start of the server makes an administrator; add others: aankomst member invite --help")
	})
}

type memberInviteCmd struct {
	LinkSettings
	Role   string `arg:"" help:"COUNSELLOR, INTAKE, COORDINATOR or ADMINISTRATOR."`
	Label  string `help:"What the organisation calls it: a desk or a function rather than a person's name." required:"" placeholder:"TEXT"`
	Centre string `help:"The centre of an intake worker." placeholder:"ID"`
}

// Help is shown below the command's usage.
func (memberInviteCmd) Help() string {
	return "The link works once, for 48 hours. Whoever has it becomes this member: hand it over outside the system. An administrator\nwho is signed in can do the same, and is recorded by name; this is recorded as done by the machine."
}

// Run adds a member.
func (c memberInviteCmd) Run(ctx context.Context, a *app) error {
	if err := access.CheckOrigin(c.Origin); err != nil {
		return err
	}
	request := access.SeatRequest{Label: c.Label, Role: store.Role(strings.ToUpper(c.Role)), Centre: c.Centre}
	return a.withStore(ctx, func(e *opened) error {
		secret, member, _, err := access.CreateMember(ctx, e, request, e.clock())
		if err != nil {
			return err
		}
		return a.printLink(member, server.InvitationLink(c.Origin, secret))
	})
}

// printLink prints a link, alone on standard output.
func (a *app) printLink(member store.Member, link string) error {
	a.progress("The link is shown only now. It works once, for 48 hours, and is for the member %s.", member.ID)
	return a.print(struct {
		ID    string `json:"id"`
		Role  string `json:"role"`
		Label string `json:"label"`
		Link  string `json:"link"`
	}{member.ID, string(member.Role), member.Label, link}, "%s", link)
}

type memberRecoverCmd struct {
	LinkSettings
	ID string `arg:"" optional:"" help:"The administrator's id, as aankomst member list shows it; a new administrator when left out."`
}

// Help is shown below the command's usage.
func (memberRecoverCmd) Help() string {
	return "The link works once, for 48 hours, and enrols a passkey beside those that there are. It is recorded as made by the machine.\nWhen the passkeys before were lost, remove them, or the member they belong to, once you have signed in."
}

// Run lets an administrator in.
func (c memberRecoverCmd) Run(ctx context.Context, a *app) error {
	if err := access.CheckOrigin(c.Origin); err != nil {
		return err
	}
	return a.withStore(ctx, func(e *opened) error {
		secret, member, err := access.Recover(ctx, e, c.ID, e.clock())
		if err != nil {
			return aboutMember(c.ID, err)
		}
		return a.printLink(member, server.InvitationLink(c.Origin, secret))
	})
}

type memberRemoveCmd struct {
	ID  string `arg:"" help:"The member's id, as aankomst member list shows it."`
	Yes bool   `help:"Remove it. Without this word only who it is is said."`
}

// Help is shown below the command's usage.
func (memberRemoveCmd) Help() string {
	return "It cannot sign in any more, from the next call on, its passkeys are forgotten, and its id stays in the record. The last\nadministrator who can sign in cannot be removed: invite another first."
}

// Run removes a member.
func (c memberRemoveCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(e *opened) error {
		member, err := e.GetMember(ctx, c.ID)
		if err != nil {
			return aboutMember(c.ID, err)
		}
		passkeys, err := e.ListPasskeys(ctx, c.ID)
		if err != nil {
			return err
		}
		view := viewMember(member, passkeys)
		if !c.Yes {
			return a.print(view, "Removing the member %s (%s, %s) cannot be undone; it has %d passkeys.\nNothing was done. Say --yes to remove it.",
				c.ID, view.Role, view.Label, view.Passkeys)
		}
		if !member.Removed {
			member, err = access.RemoveMember(ctx, e, c.ID, member.Revision)
			if err != nil {
				return aboutMember(c.ID, err)
			}
		}
		return a.print(viewMember(member, nil), "The member %s is removed.", c.ID)
	})
}

// aboutMember says of which member an error is.
func aboutMember(id string, err error) error {
	if id == "" {
		return err
	}
	return fmt.Errorf("the member %s: %w", id, err)
}
