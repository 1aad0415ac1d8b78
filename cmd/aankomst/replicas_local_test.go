package main

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"aankomst/clients/web"
	"aankomst/server"
	"aankomst/server/access"
	"aankomst/server/release"
	"aankomst/server/servertest"
)

// local is a server in this process, by a clock that the test sets.
type local struct {
	*child
	clock *servertest.Clock
	pulse *servertest.Pulse
	logs  *servertest.Buffer
	// stop stops it.
	stop func()
}

// serveAt starts a server in this process, whose clock stands at a moment.
func (o *office) serveAt(at time.Time, limits access.Limits) *local {
	o.t.Helper()
	s := &local{child: &child{t: o.t}, clock: new(servertest.Clock), logs: new(servertest.Buffer)}
	s.clock.Set(at)
	e, err := o.app().openStore(o.t.Context())
	noError(o.t, err)
	s.pulse = &servertest.Pulse{Store: e.Store, Clock: s.clock}
	e.Store, e.clock = s.pulse, s.clock.Now
	keeper, err := e.keeper()
	noError(o.t, err)
	serving, err := server.New(server.Deps{
		Store: e.Store, Keeper: keeper, Policy: release.Current, Limits: limits, Clock: s.clock.Now,
		Log:    slog.New(slog.NewJSONHandler(s.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Origin: "http://localhost", Pages: web.Pages,
	})
	noError(o.t, err)
	var listeners server.Listeners
	listeners.GRPC, err = server.Listen("127.0.0.1:0", false)
	noError(o.t, err)
	listeners.HTTP, err = server.Listen("127.0.0.1:0", false)
	noError(o.t, err)
	s.grpc, s.http = listeners.GRPC.Addr().String(), "http://"+listeners.HTTP.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- serving.Run(ctx, listeners) }()
	s.stop = func() {
		s.leaving.Store(true)
		stop()
		if err := <-ended; err != nil {
			o.t.Error(err)
		}
		if err := e.Close(); err != nil {
			o.t.Error(err)
		}
	}
	s.becomes(http.StatusOK)
	s.connection = s.dial()
	o.t.Cleanup(func() { s.connection.Close() })
	return s
}
