package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc"

	client "aankomst/clients/go"
	"aankomst/clients/web"
	"aankomst/server"
	"aankomst/server/access"
	"aankomst/server/calendar"
	"aankomst/server/cohort"
	"aankomst/server/release"
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

// demo is a running demonstration.
type demo struct {
	*app
	store      *opened
	keeper     *cohort.Keeper
	clock      *demoClock
	connection *grpc.ClientConn
	escrow     string
	pins       client.MemoryPins
	clients    map[string]*client.Client
	// tokens and links are by role, or by centre.
	tokens, links map[string]string
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
			if err := d.inviteMembers(ctx, originHere(listeners)); err != nil {
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
	var err error
	if d.keeper, err = d.store.keeper(); err != nil {
		return err
	}
	// Only trouble is told: the demo's own words are what is to be read.
	log := slog.New(slog.NewJSONHandler(d.err, &slog.HandlerOptions{Level: slog.LevelError}))
	s, err := server.New(server.Deps{
		Store: d.store.Store, Keeper: d.keeper, Policy: release.Current, Limits: access.DefaultLimits, Clock: d.clock.now, Log: log,
		Origin: originHere(listeners), Pages: web.Pages,
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

// invite prints a link to sign in and a token for each role, and lines to paste.
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
	rpc, rest := listeners.GRPC.Addr(), listeners.HTTP.Addr()
	year := calendar.Year(d.clock.now())
	if d.JSON {
		return d.print(map[string]any{
			"cohort": year, "grpc": rpc.String(), "http": fmt.Sprintf("http://%s", rest), "origin": originHere(listeners),
			"tokens": d.tokens, "links": d.links,
		}, "")
	}
	_, err := fmt.Fprintf(d.out, `
The cohort of %[1]d is open. gRPC on %[2]s, REST on http://%[3]s

Sign in, each in the browser that is to keep the passkey; a link works once:
  counsellor     %[9]s
  intake         %[10]s
  coordinator    %[11]s
  administrator  %[12]s
then, at any time: %[13]s

Tokens, for programs (also as files in %[4]s):
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
`, year, rpc, rest, tokens, d.tokens["counsellor"], d.tokens["cgg-de-oever"], d.tokens["coordinator"], d.tokens["administrator"],
		d.links["counsellor"], d.links["intake"], d.links["coordinator"], d.links["administrator"], originHere(listeners))
	return err
}
