package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"aankomst/clients/web"
	"aankomst/server"
	"aankomst/server/access"
	"aankomst/server/release"
	"aankomst/server/store"
)

// ServeSettings are what a server can be told.
type ServeSettings struct {
	GRPC           string      `name:"grpc" help:"Address for gRPC; ${default} by default. Port 0 takes a free one." env:"AANKOMST_GRPC" default:"127.0.0.1:9090" placeholder:"HOST:PORT"`
	HTTP           string      `name:"http" help:"Address for REST; ${default} by default. Port 0 takes a free one." env:"AANKOMST_HTTP" default:"127.0.0.1:8080" placeholder:"HOST:PORT"`
	Origin         string      `help:"Where people find the pages, as their browser shows it: https://HOST. By default this machine's own, http://localhost:PORT; needed when --http is not on loopback. Passkeys belong to its HOST: they are void at another." env:"AANKOMST_ORIGIN" placeholder:"URL"`
	Proxies        []string    `help:"Addresses or networks of proxies, whose X-Forwarded-For is believed; attempts to sign in are limited by address." env:"AANKOMST_PROXIES" placeholder:"NETWORK"`
	Metrics        string      `help:"Address for /metrics, on loopback. Off when empty." env:"AANKOMST_METRICS" placeholder:"HOST:PORT"`
	TLSCert        string      `name:"tls-cert" help:"Certificate, with its chain (PEM). Needed on any address but loopback." env:"AANKOMST_TLS_CERT" placeholder:"FILE"`
	TLSKey         string      `name:"tls-key" help:"Private key of the certificate (PEM)." env:"AANKOMST_TLS_KEY" placeholder:"FILE"`
	WrongPerMinute int         `help:"Wrong codes of a centre that are looked at in a minute; ${default} by default, and it can only be lowered." env:"AANKOMST_WRONG_PER_MINUTE" default:"${per_minute}" placeholder:"N"`
	WrongPerDay    int         `help:"Wrong codes of a centre that are looked at in a day; ${default} by default, and it can only be lowered." env:"AANKOMST_WRONG_PER_DAY" default:"${per_day}" placeholder:"N"`
	SSO            SSOSettings `embed:"" prefix:"sso-"`
}

type serveCmd struct{ ServeSettings }

// Help is shown below the command's usage.
func (serveCmd) Help() string {
	return "The first start makes the store, its key and the first administrator, whose link it prints: whoever has the link can\nadminister, so use it at once. Then open a cohort: see aankomst cohort open --help. It stops on Ctrl-C, after the calls\nunder way have ended."
}

// Run serves until ctx ends.
func (c serveCmd) Run(ctx context.Context, a *app) error {
	if err := noCoreFiles(); err != nil {
		return fmt.Errorf("core files, which would hold the keys, cannot be turned off: %w", err)
	}
	if strings.Contains(os.Getenv("GODEBUG"), "http2debug") {
		return fmt.Errorf("%w: GODEBUG=http2debug prints every call with its time and its token: unset it", errUsage)
	}
	sso, err := c.SSO.settings()
	if err != nil {
		return err
	}
	proxies, err := c.proxies()
	if err != nil {
		return err
	}
	listeners, origin, err := c.listen()
	if err != nil {
		return err
	}
	err = a.withStore(ctx, func(e *opened) error {
		keeper, err := e.keeper()
		if err != nil {
			return err
		}
		// What it does while it starts is recorded as done by the server, not by whoever starts it.
		ctx := store.As(ctx, store.ByServer, e.clock())
		s, err := server.New(server.Deps{
			Store: e.Store, Keeper: keeper, Policy: release.Current, Clock: e.clock, Log: a.logger(),
			Limits: access.Limits{PerMinute: c.WrongPerMinute, PerDay: c.WrongPerDay},
			Origin: origin, Pages: web.Pages, SSO: sso, Proxies: proxies,
			Ready: func() error { return a.greet(ctx, e, listeners, origin) },
		})
		if err != nil {
			return err
		}
		return s.Run(ctx, listeners)
	})
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil // Ctrl-C while it starts is no failure either.
	}
	return err
}

// listen checks the addresses before the store is touched, and returns the origin with the listeners.
func (c ServeSettings) listen() (listeners server.Listeners, origin string, err error) {
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return listeners, "", fmt.Errorf("%w: --tls-cert and --tls-key go together", errUsage)
	}
	if c.TLSCert != "" {
		pair, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
		if err != nil {
			return listeners, "", fmt.Errorf("%w: the certificate cannot be used: %w", errUsage, err)
		}
		listeners.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13}
	}
	var opened []net.Listener
	listen := func(address string, encrypted bool) net.Listener {
		listener, failed := server.Listen(address, encrypted)
		if failed != nil {
			err = errors.Join(err, failed)
			return nil
		}
		opened = append(opened, listener)
		return listener
	}
	listeners.GRPC = listen(c.GRPC, listeners.TLS != nil)
	listeners.HTTP = listen(c.HTTP, listeners.TLS != nil)
	if c.Metrics != "" {
		if listeners.Metrics = listen(c.Metrics, false); errors.Is(err, server.ErrPlain) && listeners.TLS != nil {
			err = fmt.Errorf("%w: /metrics is served on loopback only, in plain text: %s is not", errUsage, c.Metrics)
		}
	}
	if err == nil {
		origin, err = c.origin(listeners)
	}
	if err != nil {
		for _, listener := range opened {
			err = errors.Join(err, listener.Close())
		}
	}
	return listeners, origin, err
}
