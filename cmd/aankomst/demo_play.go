package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"filippo.io/age"

	client "aankomst/clients/go"
	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/refcode"
	"aankomst/server"
	"aankomst/server/access"
	"aankomst/server/calendar"
	"aankomst/server/cohort"
	"aankomst/server/store"
)

// years plays the closed years and the running one.
func (d *demo) years(ctx context.Context) error {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return fmt.Errorf("making an escrow recipient: %w", err)
	}
	d.escrow = identity.Recipient().String()
	if err := d.signIn(ctx); err != nil {
		return err
	}
	for _, centre := range demoCentres {
		if _, err := d.as("administrator").Directory.CreateCentre(d.as("administrator").Authorized(ctx), &aankomstv1.CreateCentreRequest{Centre: centre}); err != nil {
			return err
		}
	}
	if err := d.signInCentres(ctx); err != nil {
		return err
	}
	for _, year := range demoYears {
		if err := d.closedYear(ctx, year); err != nil {
			return fmt.Errorf("the year %d: %w", year.year, err)
		}
	}
	d.clock.release()
	if err := d.runningYear(ctx); err != nil {
		return err
	}
	return d.showReleases(ctx)
}

// inviteMembers makes a member of each role, who signs in by a link of the origin.
func (d *demo) inviteMembers(ctx context.Context, origin string) error {
	d.links = map[string]string{}
	for _, invited := range demoSeats {
		secret, _, _, err := access.CreateMember(d.acting(ctx), d.store, invited.seat, d.clock.now())
		if err != nil {
			return err
		}
		d.links[invited.who] = server.InvitationLink(origin, secret)
	}
	return nil
}

// demoTime is noon of a day.
func demoTime(year int, month time.Month, day int) time.Time {
	return time.Date(year, month, day, 12, 0, 0, 0, calendar.Brussels)
}

// acting returns a context in which what is done is recorded as done at the machine, now.
func (d *demo) acting(ctx context.Context) context.Context {
	return store.As(ctx, store.ByMachine, d.clock.now())
}

// as returns the client of a role, or of a centre.
func (d *demo) as(who string) *client.Client { return d.clients[who] }

// signIn makes fresh tokens for the roles; they last for about a year of the demo's time.
func (d *demo) signIn(ctx context.Context) error {
	d.clients, d.tokens = map[string]*client.Client{}, map[string]string{}
	for who, role := range map[string]store.Role{
		"counsellor": store.RoleCounsellor, "coordinator": store.RoleCoordinator, "administrator": store.RoleAdministrator,
	} {
		if err := d.token(ctx, who, access.Request{Label: "demo " + who, Role: role}); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) signInCentres(ctx context.Context) error {
	for _, centre := range demoCentres {
		request := access.Request{Label: "demo desk", Role: store.RoleIntake, Centre: centre.GetId()}
		if err := d.token(ctx, centre.GetId(), request); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) token(ctx context.Context, who string, request access.Request) error {
	request.Validity = access.MaxValidity
	secret, _, err := access.CreateToken(d.acting(ctx), d.store, request, d.clock.now())
	if err != nil {
		return err
	}
	d.tokens[who], d.clients[who] = secret, client.New(d.connection, secret, &d.pins)
	return nil
}

// closedYear opens a cohort, issues and confirms its codes, closes it, and publishes its final release.
func (d *demo) closedYear(ctx context.Context, year demoYear) error {
	d.clock.setTo(demoTime(year.year, time.January, 2))
	if err := errors.Join(d.signIn(ctx), d.signInCentres(ctx)); err != nil {
		return err
	}
	d.progress("%d: referrals are issued blindly, arrivals confirmed...", year.year)
	if err := d.open(ctx, year.year); err != nil {
		return err
	}
	elsewhere := year.elsewhere
	d.clock.setTo(demoTime(year.year, time.November, 15))
	for pool, counts := range year.pools {
		if err := d.play(ctx, year.year, pool, counts, elsewhere); err != nil {
			return err
		}
		elsewhere = 0
	}
	d.clock.setTo(demoTime(year.year+1, time.July, 1))
	if err := errors.Join(d.signIn(ctx), d.signInCentres(ctx)); err != nil {
		return err
	}
	_, waitsFor, err := d.keeper.Close(d.acting(ctx), year.year, cohort.CloseOptions{EscrowDestroyed: true})
	if err != nil {
		return err
	}
	if len(waitsFor) > 0 {
		return fmt.Errorf("closing waits for: %s", strings.Join(waitsFor, "; "))
	}
	coordinator := d.as("coordinator")
	_, err = coordinator.Releases.PublishRelease(coordinator.Authorized(ctx), &aankomstv1.PublishReleaseRequest{Cohort: uint32(year.year)})
	return err
}

func (d *demo) runningYear(ctx context.Context) error {
	if err := errors.Join(d.signIn(ctx), d.signInCentres(ctx)); err != nil {
		return err
	}
	year := calendar.Year(d.clock.now())
	if err := d.open(ctx, year); err != nil {
		return err
	}
	for pool, counts := range demoThisYear {
		if err := d.play(ctx, year, pool, counts, 0); err != nil {
			return err
		}
	}
	return nil
}

// open opens a cohort. Like closing it, this is done at the machine: over the API it asks for a passkey.
func (d *demo) open(ctx context.Context, year int) error {
	_, err := d.keeper.Open(d.acting(ctx), cohort.Plan{
		Year: year, Layout: refcode.Short, Pools: demoPools, Recipients: []string{d.escrow},
	})
	return err
}

// play issues the codes of a pool and confirms some of them, each at a centre of its pool but for those
// that arrive elsewhere. It voids one code more, issued to a caller who hung up.
func (d *demo) play(ctx context.Context, year, pool int, counts demoPool, elsewhere int) error {
	number := uint32(pool + 1)
	counsellor := d.as("counsellor")
	var codes []refcode.Code
	for range counts.issued + 1 {
		code, err := counsellor.Issue(ctx, year, number, client.IssueOptions{})
		if err != nil {
			return err
		}
		codes = append(codes, code)
	}
	if err := counsellor.Void(ctx, codes[counts.issued], false); err != nil {
		return err
	}
	for i, code := range codes[:counts.arrived] {
		centres := demoPools[pool].Centres
		if i < elsewhere {
			centres = demoPools[1-pool].Centres
		}
		desk := d.as(centres[rand.IntN(len(centres))])
		if _, err := desk.Confirm(ctx, code, demoWaits[i%len(demoWaits)]); err != nil {
			return err
		}
	}
	// One in ten wants no code, or comes without.
	for range counts.issued / 10 {
		if err := errors.Join(
			counsellor.ReferWithoutCode(ctx, year, number), d.as(demoPools[pool].Centres[0]).ArriveWithoutCode(ctx, year),
		); err != nil {
			return err
		}
	}
	return nil
}

// showReleases prints what a coordinator sees.
func (d *demo) showReleases(ctx context.Context) error {
	all, err := allReleases(ctx, d.as("coordinator"))
	if err != nil {
		return err
	}
	rows, documents := []string{}, []json.RawMessage{}
	for _, r := range all {
		rows = append(rows, releaseRow(r))
		for _, figure := range r.GetFigures() {
			if strings.HasPrefix(figure.GetGroup(), "pool:") {
				rows = append(rows, fmt.Sprintf("\t\t%s\t\t%s", figure.GetDisplayName(), figureCells(figure)))
			}
		}
		documents = append(documents, r.GetDocument())
	}
	if !d.JSON {
		fmt.Fprintln(d.out, "Arrival rates as published. Invented, illustrative figures.")
	}
	return d.table(documents, releaseHeader, rows, "")
}
