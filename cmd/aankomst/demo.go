package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"filippo.io/age"
	"google.golang.org/grpc"

	client "aankomst/clients/go"
	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/refcode"
	"aankomst/server"
	"aankomst/server/access"
	"aankomst/server/calendar"
	"aankomst/server/release"
	"aankomst/server/store"
)

type demoCmd struct {
	Exit bool   `help:"End after the table of releases."`
	GRPC string `name:"grpc" help:"Address for gRPC, on loopback; ${default} by default, or a free one when that is taken." default:"127.0.0.1:9090" placeholder:"HOST:PORT"`
	HTTP string `name:"http" help:"Address for REST, on loopback; ${default} by default, or a free one when that is taken." default:"127.0.0.1:8080" placeholder:"HOST:PORT"`
}

// Help is shown below the command's usage.
func (demoCmd) Help() string {
	return "Four years of referrals are issued blindly, confirmed, closed and published, and this year's are open. Everything\nis invented. It stays up until Ctrl-C, then removes its folder."
}

// demoYear is an invented year: referrals issued and arrived in each of the two pools, and how many of
// those who arrived did so outside the pool of their code. Totals and their split are illustrative; the
// 59 referrals and 47 arrivals of 2020 are what a public figure of 80 % comes to.
type demoYear struct {
	year, elsewhere int
	pools           [2]demoPool
}

type demoPool struct{ issued, arrived int }

var demoYears = []demoYear{
	{2017, 1, [2]demoPool{{18, 13}, {17, 13}}},
	{2018, 1, [2]demoPool{{25, 19}, {21, 16}}},
	{2019, 2, [2]demoPool{{30, 23}, {25, 20}}},
	{2020, 2, [2]demoPool{{33, 26}, {26, 21}}},
}

// demoWaits are the waiting bands that are told at confirmations, one after the other.
var demoWaits = []aankomstv1.WaitBand_Value{
	aankomstv1.WaitBand_UP_TO_2_WEEKS, aankomstv1.WaitBand_FROM_2_TO_6_WEEKS, aankomstv1.WaitBand_FROM_2_TO_6_WEEKS,
	aankomstv1.WaitBand_FROM_2_TO_6_WEEKS, aankomstv1.WaitBand_FROM_6_WEEKS_TO_3_MONTHS, aankomstv1.WaitBand_VALUE_UNSPECIFIED,
}

// demoThisYear is what has been issued and confirmed of the running year.
var demoThisYear = [2]demoPool{{9, 6}, {7, 4}}

// demoPools are the pools of every demo cohort; demoCentres are invented.
var (
	demoPools = []*aankomstv1.NewPool{
		{DisplayName: "CGG", ExpectedReferrals: 32, Centres: []string{"cgg-de-oever", "cgg-het-anker", "cgg-de-linde", "cgg-noorderlicht"}},
		{DisplayName: "CAW + UFC", ExpectedReferrals: 28, Centres: []string{"caw-de-brug", "caw-het-pad", "caw-zuiderpoort", "ufc-de-kade"}},
	}
	demoCentres = []*aankomstv1.Centre{
		{Id: "cgg-de-oever", DisplayName: "CGG De Oever", Type: aankomstv1.Centre_CGG, Town: "Waterdam", Region: "North"},
		{Id: "cgg-het-anker", DisplayName: "CGG Het Anker", Type: aankomstv1.Centre_CGG, Town: "Ankerstede", Region: "East"},
		{Id: "cgg-de-linde", DisplayName: "CGG De Linde", Type: aankomstv1.Centre_CGG, Town: "Lindeveld", Region: "South"},
		{Id: "cgg-noorderlicht", DisplayName: "CGG Noorderlicht", Type: aankomstv1.Centre_CGG, Town: "Noordwijke", Region: "North"},
		{Id: "caw-de-brug", DisplayName: "CAW De Brug", Type: aankomstv1.Centre_CAW, Town: "Brugveld", Region: "West"},
		{Id: "caw-het-pad", DisplayName: "CAW Het Pad", Type: aankomstv1.Centre_CAW, Town: "Padhoven", Region: "East"},
		{Id: "caw-zuiderpoort", DisplayName: "CAW Zuiderpoort", Type: aankomstv1.Centre_CAW, Town: "Zuidpoorte", Region: "South"},
		{Id: "ufc-de-kade", DisplayName: "UFC De Kade", Type: aankomstv1.Centre_UFC, Town: "Kadestad", Region: "West"},
	}
)

// demoClock is a clock that the demo sets; once released it runs with the world's.
type demoClock struct{ set atomic.Pointer[time.Time] }

func (c *demoClock) now() time.Time {
	if at := c.set.Load(); at != nil {
		return *at
	}
	return time.Now()
}

func (c *demoClock) setTo(at time.Time) { c.set.Store(&at) }
func (c *demoClock) release()           { c.set.Store(nil) }

// demo is a running demonstration.
type demo struct {
	*app
	store      *opened
	clock      *demoClock
	connection *grpc.ClientConn
	escrow     string
	pins       client.MemoryPins
	clients    map[string]*client.Client
	tokens     map[string]string
}

// Run shows everything at work.
func (c demoCmd) Run(ctx context.Context, a *app) (err error) {
	folder, err := os.MkdirTemp("", "aankomst-demo-")
	if err != nil {
		return fmt.Errorf("no temporary folder for the demo: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	a.Data, a.Keys, a.Postgres = folder, "", ""

	listeners, err := c.listen()
	if err != nil {
		return err
	}
	return a.withStore(ctx, func(e *opened) error {
		d := &demo{app: a, store: e, clock: new(demoClock)}
		d.clock.setTo(demoTime(demoYears[0].year, time.January, 2))
		e.clock = d.clock.now
		return d.serve(ctx, listeners, func(ctx context.Context) error {
			err := d.years(ctx)
			if ctx.Err() != nil {
				return nil // Ctrl-C ends it, however far it is.
			}
			if err != nil || c.Exit {
				return err
			}
			if err := d.invite(listeners, folder); err != nil {
				return err
			}
			<-ctx.Done()
			return nil
		})
	})
}

// listen takes the usual addresses, or any free ones when those are in use and were not asked for.
func (c demoCmd) listen() (server.Listeners, error) {
	var listeners server.Listeners
	for _, place := range []struct {
		address, usual string
		listener       *net.Listener
	}{
		{c.GRPC, "127.0.0.1:9090", &listeners.GRPC},
		{c.HTTP, "127.0.0.1:8080", &listeners.HTTP},
	} {
		listener, err := server.Listen(place.address, false)
		if err != nil && place.address == place.usual {
			listener, err = server.Listen("127.0.0.1:0", false)
		}
		if err != nil {
			return listeners, err
		}
		*place.listener = listener
	}
	return listeners, nil
}

// serve runs a server while show runs, and ends it after.
func (d *demo) serve(ctx context.Context, listeners server.Listeners, show func(context.Context) error) error {
	keeper, err := d.store.keeper()
	if err != nil {
		return err
	}
	// Only trouble is told: the demo's own words are what is to be read.
	log := slog.New(slog.NewJSONHandler(d.err, &slog.HandlerOptions{Level: slog.LevelError}))
	s, err := server.New(server.Deps{
		Store: d.store.Store, Keeper: keeper, Policy: release.Current, Limits: access.DefaultLimits, Clock: d.clock.now, Log: log,
	})
	if err != nil {
		return err
	}
	d.connection, err = client.Dial(listeners.GRPC.Addr().String(), nil)
	if err != nil {
		return err
	}
	defer d.connection.Close()
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- s.Run(serving, listeners) }()
	err = show(ctx)
	stop()
	return errors.Join(err, <-ended)
}

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

// demoTime is noon of a day.
func demoTime(year int, month time.Month, day int) time.Time {
	return time.Date(year, month, day, 12, 0, 0, 0, calendar.Brussels)
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
	secret, _, err := access.Create(ctx, d.store, request, d.clock.now())
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
	admin, coordinator := d.as("administrator"), d.as("coordinator")
	closed, err := admin.Directory.CloseCohort(admin.Authorized(ctx), &aankomstv1.CloseCohortRequest{
		Year: uint32(year.year), EscrowDestroyed: true,
	})
	if err != nil {
		return err
	}
	if len(closed.GetWaitsFor()) > 0 {
		return fmt.Errorf("closing waits for: %s", strings.Join(closed.GetWaitsFor(), "; "))
	}
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

func (d *demo) open(ctx context.Context, year int) error {
	admin := d.as("administrator")
	_, err := admin.Directory.OpenCohort(admin.Authorized(ctx), &aankomstv1.OpenCohortRequest{
		Year: uint32(year), Pools: demoPools, EscrowRecipients: []string{d.escrow},
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
		centres := demoPools[pool].GetCentres()
		if i < elsewhere {
			centres = demoPools[1-pool].GetCentres()
		}
		desk := d.as(centres[rand.IntN(len(centres))])
		if _, err := desk.Confirm(ctx, code, demoWaits[i%len(demoWaits)]); err != nil {
			return err
		}
	}
	// One in ten wants no code, or comes without.
	for range counts.issued / 10 {
		if err := errors.Join(
			counsellor.ReferWithoutCode(ctx, year, number), d.as(demoPools[pool].GetCentres()[0]).ArriveWithoutCode(ctx, year),
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

// invite prints a token for each role and lines to paste.
func (d *demo) invite(listeners server.Listeners, folder string) error {
	tokens := filepath.Join(folder, "tokens")
	if err := os.Mkdir(tokens, 0o700); err != nil {
		return fmt.Errorf("writing the demo's tokens: %w", err)
	}
	for _, who := range []string{"counsellor", "cgg-de-oever", "coordinator", "administrator"} {
		if err := os.WriteFile(filepath.Join(tokens, who), []byte(d.tokens[who]+"\n"), 0o600); err != nil {
			return fmt.Errorf("writing the demo's tokens: %w", err)
		}
	}
	rpc, web := listeners.GRPC.Addr(), listeners.HTTP.Addr()
	year := calendar.Year(d.clock.now())
	if d.JSON {
		return d.print(map[string]any{
			"cohort": year, "grpc": rpc.String(), "http": fmt.Sprintf("http://%s", web), "tokens": d.tokens,
		}, "")
	}
	_, err := fmt.Fprintf(d.out, `
The cohort of %[1]d is open. gRPC on %[2]s, REST on http://%[3]s

Tokens (also as files in %[4]s):
  counsellor     %[5]s
  intake         %[6]s  (cgg-de-oever)
  coordinator    %[7]s
  administrator  %[8]s

Issue a code, as a counsellor:
  AANKOMST_TOKEN=%[5]s go run ./cmd/aankomst issue --server %[2]s --pins %[4]s/pins.json --centre cgg-de-oever

Confirm it, as an intake worker (put the code in):
  curl -s -X POST http://%[3]s/v1/arrivals:confirm -H "Authorization: Bearer %[6]s" -d '{"code": "THE CODE"}'

Read a release, as a coordinator:
  curl -s http://%[3]s/v1/releases/4 -H "Authorization: Bearer %[7]s"
  curl -s "http://%[3]s/v1/releases/4:export?format=csv" -H "Authorization: Bearer %[7]s"

Ctrl-C ends it.
`, year, rpc, web, tokens, d.tokens["counsellor"], d.tokens["cgg-de-oever"], d.tokens["coordinator"], d.tokens["administrator"])
	return err
}
