// Package server answers over gRPC and REST. A handler reads top to bottom: parse, one call of the
// domain or one method of the store, convert. errors.go alone maps errors to status codes, and
// interceptors.go says what every call passes through.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/encoding"
	protocodec "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/grpclog"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/server/access"
	"aankomst/server/cohort"
	"aankomst/server/ledger"
	"aankomst/server/release"
	"aankomst/server/store"
)

const (
	// maxRequest bounds a request; the largest honest one, a cohort with its pools, is far smaller.
	maxRequest = 64 << 10
	// maxHeaders bounds the headers of a request.
	maxHeaders = 16 << 10
	// maxStreams bounds the calls under way on one connection.
	maxStreams = 256
	// drainTime is how long calls under way may take to end when the server stops.
	drainTime = 10 * time.Second
	// firstByteTime is how long a caller may take to begin: handshake, then headers.
	firstByteTime = 5 * time.Second
)

// What grpc and its gateway log by themselves is written at the moment of a call and may quote its
// headers, so it goes nowhere. This must come before anything of grpc is used.
func init() { grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, io.Discard)) }

// Deps is what a server needs. All fields must be set but SSO, Proxies and Ready.
type Deps struct {
	Store  store.Store
	Keeper *cohort.Keeper
	Policy release.Policy
	Limits access.Limits
	Clock  func() time.Time
	Log    *slog.Logger
	// Origin is where people find the pages, such as https://aankomst.example: see access.CheckOrigin.
	Origin string
	// Pages are the pages and their assets.
	Pages fs.FS
	// SSO is the provider of single sign-on, if there is one.
	SSO access.SSOSettings
	// Proxies are whose word is taken for the address of a caller.
	Proxies []netip.Prefix
	// Ready is called once, when the keys are in use and calls are about to be answered. An error ends the
	// server.
	Ready func() error
}

// Server answers calls. Make one with New and run it once.
type Server struct {
	deps     Deps
	log      *slog.Logger
	door     *access.Door
	ledger   *ledger.Ledger
	attempts *access.Attempts
	signIns  *access.SignIns
	freezer  *Freezer
	metrics  *metrics
	faults   *faultLog
	health   *health.Server
	// stopping is closed when the server stops taking calls.
	stopping chan struct{}
	rules    map[string]rule
	// jobCauses says why a job failed last; empty when it succeeded. Only jobs uses it.
	jobCauses map[string]string

	readyMu sync.Mutex
	ready   readiness
}

// New returns a server. It refuses a policy or limits that are too weak, and an origin or settings of single
// sign-on at which nobody could sign in.
func New(deps Deps) (*Server, error) {
	if err := errors.Join(deps.Policy.Check(), deps.Limits.Check(), access.CheckOrigin(deps.Origin)); err != nil {
		return nil, err
	}
	attempts := access.NewAttempts(deps.Store, deps.Clock)
	signIns, err := access.NewSignIns(deps.Store, attempts, deps.Origin, deps.SSO, deps.Clock)
	if err != nil {
		return nil, err
	}
	return &Server{
		deps: deps, log: deps.Log, attempts: attempts, signIns: signIns,
		freezer: &Freezer{Store: deps.Store, Policy: deps.Policy, Clock: deps.Clock},
		metrics: newMetrics(deps.Clock),
		faults:  &faultLog{log: deps.Log, clock: deps.Clock},
		health:  health.NewServer(), stopping: make(chan struct{}), jobCauses: map[string]string{},
	}, nil
}

// Listeners are where a server listens. HTTP and GRPC must be set; Metrics may be nil.
type Listeners struct {
	GRPC, HTTP, Metrics net.Listener
	// TLS is used on GRPC and HTTP; nil is plain text, which only loopback should hear: see Listen.
	TLS *tls.Config
}

// ErrPlain is returned by Listen for an address that would be served in plain text to other machines.
var ErrPlain = errors.New("plain text is served on loopback only: give a certificate and its key, or listen on 127.0.0.1")

// Listen listens on a TCP address. Without TLS it returns ErrPlain for anything but loopback.
func Listen(address string, encrypted bool) (net.Listener, error) {
	resolved, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("the address %q cannot be used: %w", address, err)
	}
	if !encrypted && !resolved.IP.IsLoopback() {
		return nil, fmt.Errorf("listening on %s: %w", address, ErrPlain)
	}
	listener, err := net.ListenTCP("tcp", resolved)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", address, err)
	}
	return listener, nil
}

// Run takes the keys into use and serves until ctx ends; then it lets calls under way end and returns.
// An error of start-up is one of cohort.Keeper.Sync or of the store. The listeners are closed.
func (s *Server) Run(ctx context.Context, listeners Listeners) error {
	defer closeAll(listeners)
	if err := s.start(ctx); err != nil {
		return err
	}
	s.door = access.NewDoor(s.deps.Store, s.deps.Clock)
	s.ledger = ledger.New(s.deps.Store, s.deps.Clock)
	defer s.stop(context.WithoutCancel(ctx))

	rpc, err := s.grpcServer(listeners.TLS)
	if err != nil {
		return err
	}
	gateway, err := s.newGateway(rpc)
	if err != nil {
		return err
	}
	defer gateway.close()
	web := httpServer(gateway.handler)
	serveWeb := web.Serve
	if listeners.TLS != nil {
		web.TLSConfig = listeners.TLS.Clone()
		serveWeb = func(listener net.Listener) error { return web.ServeTLS(listener, "", "") }
	}
	monitoring := httpServer(promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{}))

	if s.deps.Ready != nil {
		if err := s.deps.Ready(); err != nil {
			return err
		}
	}
	failed := make(chan error, 4)
	go func() { failed <- rpc.Serve(listeners.GRPC) }()
	go func() { failed <- rpc.Serve(gateway.inProcess) }()
	go func() { failed <- serveWeb(listeners.HTTP) }()
	if listeners.Metrics != nil {
		go func() { failed <- monitoring.Serve(listeners.Metrics) }()
	}
	jobsDone := make(chan struct{})
	jobsCtx, stopJobs := context.WithCancel(ctx)
	go func() {
		defer close(jobsDone)
		s.jobs(jobsCtx)
	}()

	select {
	case err = <-failed:
	case <-ctx.Done():
		err = nil
	}
	stopJobs()
	<-jobsDone
	s.drain(rpc, web, monitoring)
	return err
}

// start does what must hold before the first call: closed cohorts stay closed, every key is held, and
// what was missed while the server was away is frozen.
func (s *Server) start(ctx context.Context) error {
	if err := s.deps.Keeper.Reclose(ctx); err != nil {
		return err
	}
	if err := s.deps.Keeper.Sync(ctx, true); err != nil {
		return err
	}
	if err := s.notePolicy(ctx); err != nil {
		return err
	}
	return s.freezer.FreezeDue(ctx)
}

// notePolicy records that another policy of disclosure is in use than the last one recorded.
func (s *Server) notePolicy(ctx context.Context) error {
	last := ""
	err := store.EachAct(ctx, s.deps.Store, 0, func(act store.Act) error {
		if act.Action == actPolicy {
			last = act.Target
		}
		return nil
	})
	if err != nil {
		return err
	}
	if last == s.deps.Policy.Version {
		return nil
	}
	return s.deps.Store.Note(store.As(ctx, store.ByServer, s.deps.Clock()), store.Act{Action: actPolicy, Target: s.deps.Policy.Version})
}

// drain stops taking calls and lets those under way end.
func (s *Server) drain(rpc *grpc.Server, web, monitoring *http.Server) {
	s.health.Shutdown()
	close(s.stopping)
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	if web.Shutdown(ctx) != nil {
		web.Close()
	}
	monitoring.Close()
	ended := make(chan struct{})
	go func() {
		rpc.GracefulStop()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		rpc.Stop()
		<-ended
	}
}

// stop records what is still waiting and lets go of the keys.
func (s *Server) stop(ctx context.Context) {
	s.door.Close()
	s.ledger.Close()
	if err := s.writeUses(ctx); err != nil {
		s.log.Warn("when sessions and tokens were last used could not be written", slog.String("cause", err.Error()))
	}
	s.faults.flush(true)
	ctx, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	if err := s.deps.Keeper.Leave(ctx); err != nil {
		s.log.Warn("the store could not be told that this process has let go of its keys", slog.String("cause", err.Error()))
	}
}

func (s *Server) grpcServer(config *tls.Config) (*grpc.Server, error) {
	options := []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(s.interceptors()...),
		grpc.InTapHandle(onTap),
		grpc.ForceServerCodecV2(strictCodec{encoding.GetCodecV2(protocodec.Name)}),
		grpc.UnknownServiceHandler(func(any, grpc.ServerStream) error { return errNoMethod.status().Err() }),
		grpc.MaxRecvMsgSize(maxRequest),
		grpc.MaxHeaderListSize(maxHeaders),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.ConnectionTimeout(firstByteTime),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionIdle: 5 * time.Minute, MaxConnectionAge: 30 * time.Minute,
			MaxConnectionAgeGrace: time.Minute, Time: time.Minute, Timeout: 20 * time.Second,
		}),
	}
	if config != nil {
		options = append(options, grpc.Creds(optionalTLS{credentials.NewTLS(config)}))
	}
	rpc := grpc.NewServer(options...)
	strict := strictRegistrar{rpc}
	aankomstv1.RegisterDirectoryServiceServer(strict, &directory{
		store: s.deps.Store, keeper: s.deps.Keeper, policy: s.deps.Policy, clock: s.deps.Clock,
	})
	cohorts := cohorts{store: s.deps.Store, ring: s.deps.Keeper.Ring, clock: s.deps.Clock}
	aankomstv1.RegisterReferralServiceServer(strict, &referrals{
		cohorts: cohorts, ring: s.deps.Keeper.Ring, ledger: s.ledger,
		guesses: access.NewStrangers(s.deps.Limits, s.deps.Clock),
	})
	aankomstv1.RegisterArrivalServiceServer(strict, &arrivals{
		cohorts: cohorts, ring: s.deps.Keeper.Ring, ledger: s.ledger,
		guesses: access.NewGuesses(s.deps.Store, s.deps.Limits, s.deps.Clock),
	})
	aankomstv1.RegisterReleaseServiceServer(strict, &releases{store: s.deps.Store, policy: s.deps.Policy, clock: s.deps.Clock})
	aankomstv1.RegisterStatementServiceServer(strict, &statements{store: s.deps.Store})
	aankomstv1.RegisterAccessServiceServer(strict, &seats{
		store: s.deps.Store, signIns: s.signIns, origin: s.deps.Origin, clock: s.deps.Clock,
	})
	aankomstv1.RegisterRecordServiceServer(strict, &records{store: s.deps.Store})
	grpc_health_v1.RegisterHealthServer(rpc, endingHealth{s.health, s.stopping})
	rules, err := rulesOf(rpc.GetServiceInfo())
	if err != nil {
		return nil, err
	}
	s.rules = rules
	return rpc, nil
}

func httpServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: firstByteTime, ReadTimeout: 2 * firstByteTime,
		WriteTimeout: callTimeout + firstByteTime, IdleTimeout: time.Minute, MaxHeaderBytes: maxHeaders,
		// What it would log is addresses of callers.
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
}

func closeAll(l Listeners) {
	for _, listener := range []net.Listener{l.GRPC, l.HTTP, l.Metrics} {
		if listener != nil {
			listener.Close()
		}
	}
}
