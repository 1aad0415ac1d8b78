// Package servertest runs a real server for tests: the embedded store in a temporary folder or a store in
// a PostgreSQL database, real listeners on loopback, a clock that the test sets, and the logs kept for it to
// read.
package servertest

import (
	"bytes"
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	client "aankomst/clients/go"
	"aankomst/clients/web"
	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/refcode"
	"aankomst/server"
	"aankomst/server/access"
	"aankomst/server/calendar"
	"aankomst/server/cohort"
	"aankomst/server/release"
	"aankomst/server/store"
	"aankomst/server/store/postgres"
	"aankomst/server/store/sqlite"
)

// Year is the cohort that a fixture opens, and Noon the moment at which its clock stands.
const Year = 2026

// Noon is a moment in the middle of Year.
var Noon = time.Date(Year, time.May, 4, 12, 0, 0, 0, calendar.Brussels)

// The centres of a fixture: three in each of its two pools.
var (
	PoolOne = []string{"cgg-a", "cgg-b", "cgg-c"}
	PoolTwo = []string{"caw-a", "caw-b", "ufc-a"}
)

// Options change a fixture. The zero value is the usual one.
type Options struct {
	// Store wraps the store that the server is given, to make it fail or to watch it.
	Store func(store.Store) store.Store
	// Postgres is the address of a PostgreSQL database in which the store is kept; its schema is made
	// when it has none. By default the store is embedded, in Folder.
	Postgres string
	// Layout is that of the cohort; short by default.
	Layout refcode.Layout
	// Limits are those of wrong codes; the default ones by default.
	Limits access.Limits
	// TLS makes the server serve TLS.
	TLS *tls.Config
	// NoCohort opens no cohort.
	NoCohort bool
	// Folder is where store and keys lie; a new one by default. A fixture on a folder that was used
	// before finds what is there.
	Folder string
	// Now is where the clock stands at first; Noon by default.
	Now time.Time
	// SSO is the provider of single sign-on; none by default.
	SSO access.SSOSettings
	// Proxies are believed in what they say of the address of a caller; none by default.
	Proxies []netip.Prefix
}

// Fixture is a running server.
type Fixture struct {
	// Store is the store itself, whatever wraps it for the server.
	Store  store.Store
	Keeper *cohort.Keeper
	// Pulse is what the server is given.
	Pulse *Pulse
	// Folder holds the keys, in its folder keys, and the store's file when the store is embedded.
	Folder  string
	Clock   *Clock
	Logs    *Buffer
	GRPC    string
	HTTP    string
	Metrics string
	// Origin is where browsers find the pages: HTTP, by the name of localhost.
	Origin string
	// Identity opens escrow copies.
	Identity   *age.X25519Identity
	Connection *grpc.ClientConn

	t    testing.TB
	stop func()
}

// Clock is a clock that a test sets.
type Clock struct {
	mu sync.Mutex
	at time.Time
}

// Now returns the moment at which the clock stands.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// Set sets the clock.
func (c *Clock) Set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
}

// Advance moves the clock on.
func (c *Clock) Advance(by time.Duration) { c.Set(c.Now().Add(by)) }

// Buffer is a log that can be read while it is written.
type Buffer struct {
	mu      sync.Mutex
	content bytes.Buffer
}

// Write appends to the log.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.content.Write(p)
}

// String returns what was logged so far.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.content.String()
}

// Start runs a server until the test ends, logging at the most verbose level.
func Start(t testing.TB, options Options) *Fixture {
	t.Helper()
	f := &Fixture{t: t, Folder: options.Folder, Clock: &Clock{at: Noon}, Logs: new(Buffer)}
	if !options.Now.IsZero() {
		f.Clock.Set(options.Now)
	}
	if f.Folder == "" {
		f.Folder = t.TempDir()
	}
	f.openStore(options.Postgres)
	serving := f.Store
	if options.Store != nil {
		serving = options.Store(serving)
	}
	f.Pulse = &Pulse{Store: serving, Clock: f.Clock}
	folder, err := cohort.OpenFolder(filepath.Join(f.Folder, "keys"))
	f.must(err)
	f.Keeper, err = server.NewKeeper(f.Pulse, folder, release.Current, f.Clock.Now)
	f.must(err)
	f.Identity, err = age.GenerateX25519Identity()
	f.must(err)
	f.addCentres()
	if !options.NoCohort {
		f.OpenCohort(Year, options.Layout)
	}
	f.serve(options)
	return f
}

func (f *Fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// openStore opens the store, in a database or else in a file.
func (f *Fixture) openStore(database string) {
	f.t.Helper()
	if database == "" {
		f.openFile()
	} else {
		ctx := context.Background()
		_, err := postgres.Migrate(ctx, database, postgres.Options{})
		f.must(err)
		f.Store, err = postgres.Open(ctx, database, postgres.Options{})
		f.must(err)
	}
	f.t.Cleanup(func() { _ = f.Store.Close() }) // a test may have taken its file away
}

// openFile opens the embedded store, under a key that is in the key folder only.
func (f *Fixture) openFile() {
	f.t.Helper()
	ctx := context.Background()
	folder, err := cohort.OpenFolder(filepath.Join(f.Folder, "keys"))
	f.must(err)
	keys, err := folder.StoreKeys()
	f.must(err)
	if len(keys) == 0 {
		key, err := folder.NewStoreKey()
		f.must(err)
		keys = append(keys, key)
	}
	path := filepath.Join(f.Folder, "aankomst.db")
	_, err = sqlite.Migrate(ctx, path, keys[0])
	f.must(err)
	f.Store, err = sqlite.Open(ctx, path, keys[0])
	f.must(err)
}

func (f *Fixture) addCentres() {
	f.t.Helper()
	ctx := context.Background()
	known, err := f.Store.ListCentres(ctx)
	f.must(err)
	if len(known) > 0 {
		return
	}
	for id, kind := range map[string]store.CentreType{
		"cgg-a": store.TypeCGG, "cgg-b": store.TypeCGG, "cgg-c": store.TypeCGG,
		"caw-a": store.TypeCAW, "caw-b": store.TypeCAW, "ufc-a": store.TypeUFC,
	} {
		f.must(f.Store.CreateCentre(ctx, store.Centre{ID: id, Name: "Centre " + id, Type: kind}))
	}
}

// AddCentre adds a centre that is in no pool, and returns its id.
func (f *Fixture) AddCentre(id string) string {
	f.t.Helper()
	f.must(f.Store.CreateCentre(context.Background(), store.Centre{ID: id, Name: "Centre " + id, Type: store.TypeOther}))
	return id
}

// OpenCohort opens the cohort of a year with the two pools, unless it exists. A zero layout is short.
func (f *Fixture) OpenCohort(year int, layout refcode.Layout) {
	f.t.Helper()
	ctx := context.Background()
	if _, err := f.Store.GetCohort(ctx, year); err == nil {
		return
	}
	if layout == 0 {
		layout = refcode.Short
	}
	_, err := f.Keeper.Open(ctx, cohort.Plan{
		Year: year, Layout: layout, Recipients: []string{f.Identity.Recipient().String()},
		Pools: []cohort.PoolPlan{
			{Name: "CGG", Centres: PoolOne, Expected: 30}, {Name: "CAW + UFC", Centres: PoolTwo, Expected: 30},
		},
	})
	f.must(err)
}

// serve runs the server and waits until it is ready.
func (f *Fixture) serve(options Options) {
	f.t.Helper()
	limits := options.Limits
	if limits == (access.Limits{}) {
		limits = access.DefaultLimits
	}
	listeners := server.Listeners{GRPC: f.listen(), HTTP: f.listen(), Metrics: f.listen(), TLS: options.TLS}
	_, port, err := net.SplitHostPort(listeners.HTTP.Addr().String())
	f.must(err)
	f.Origin = "http://localhost:" + port
	if options.TLS != nil {
		f.Origin = "https://localhost:" + port
	}
	s, err := server.New(server.Deps{
		Store: f.Pulse, Keeper: f.Keeper, Policy: release.Current, Limits: limits, Clock: f.Clock.Now,
		Log:    slog.New(slog.NewJSONHandler(f.Logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Origin: f.Origin, Pages: web.Pages, SSO: options.SSO, Proxies: options.Proxies,
	})
	f.must(err)
	f.GRPC = listeners.GRPC.Addr().String()
	f.Metrics = "http://" + listeners.Metrics.Addr().String() + "/metrics"
	f.HTTP = "http://" + listeners.HTTP.Addr().String()
	transport := insecure.NewCredentials()
	if options.TLS != nil {
		f.HTTP = "https://" + listeners.HTTP.Addr().String()
		transport = credentials.NewTLS(&tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})
	}
	f.Connection, err = grpc.NewClient(f.GRPC, grpc.WithTransportCredentials(transport), grpc.WithDefaultCallOptions(grpc.WaitForReady(true)))
	f.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, listeners) }()
	f.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			f.t.Errorf("the server ended with: %v", err)
		}
	})
	f.t.Cleanup(func() {
		f.Stop()
		f.Connection.Close()
	})
	// The first answer says that the server is up.
	_, err = aankomstv1.NewDirectoryServiceClient(f.Connection).ListCohorts(ctx, &aankomstv1.ListCohortsRequest{})
	f.must(err)
}

func (f *Fixture) listen() net.Listener {
	f.t.Helper()
	listener, err := server.Listen("127.0.0.1:0", false)
	f.must(err)
	return listener
}

// Stop stops the server and waits until it has; the store stays open.
func (f *Fixture) Stop() { f.stop() }

// Token makes a token of a role, valid for a year of the fixture's clock, and returns its secret.
// Centre is for store.RoleIntake alone.
func (f *Fixture) Token(role store.Role, centre string) string {
	f.t.Helper()
	secret, _, err := access.CreateToken(context.Background(), f.Store, access.Request{
		Label: "test " + string(role), Role: role, Centre: centre, Validity: 365 * 24 * time.Hour,
	}, f.Clock.Now())
	f.must(err)
	return secret
}

// Member makes a member of a role and returns its ID. Centre is for store.RoleIntake alone.
func (f *Fixture) Member(role store.Role, centre string) string {
	f.t.Helper()
	_, member, _, err := access.CreateMember(context.Background(), f.Store, access.SeatRequest{
		Label: "test " + string(role), Role: role, Centre: centre,
	}, f.Clock.Now())
	f.must(err)
	return member.ID
}

// Session makes a member of a role who is signed in, with a fresh proof, and returns the secret of the
// session. Centre is for store.RoleIntake alone.
func (f *Fixture) Session(role store.Role, centre string) string {
	f.t.Helper()
	return f.SignIn(f.Member(role, centre))
}

// SignIn signs a member in, as if with a passkey, and returns the secret of the session.
func (f *Fixture) SignIn(member string) string {
	f.t.Helper()
	found, err := f.Store.GetMember(context.Background(), member)
	f.must(err)
	secret, session := access.NewSession(found, f.Clock.Now())
	f.must(f.Store.StartSession(context.Background(), session, store.PasskeyUse{}))
	return secret
}

// Device enrols a device of a centre and returns its secret.
func (f *Fixture) Device(centre string) string {
	f.t.Helper()
	ctx := context.Background()
	invitation, _, _, err := access.InviteDevice(ctx, f.Store, "test device", centre, f.Clock.Now())
	f.must(err)
	signIns, err := access.NewSignIns(f.Store, access.NewAttempts(f.Store, f.Clock.Now), f.Origin, access.SSOSettings{}, f.Clock.Now)
	f.must(err)
	secret, _, err := signIns.EnrolDevice(ctx, "", invitation)
	f.must(err)
	return secret
}

// Client returns a client of a role, with pins of its own. Centre is for store.RoleIntake alone.
func (f *Fixture) Client(role store.Role, centre string) *client.Client {
	f.t.Helper()
	return client.New(f.Connection, f.Token(role, centre), new(client.MemoryPins))
}

// Issue issues a code of Year.
func (f *Fixture) Issue(pool uint32) refcode.Code {
	f.t.Helper()
	code, err := f.Client(store.RoleCounsellor, "").Issue(context.Background(), Year, pool, client.IssueOptions{})
	f.must(err)
	return code
}

// Counts returns the exact counts of Year.
func (f *Fixture) Counts() store.Counts {
	f.t.Helper()
	counts, err := f.Store.Counts(context.Background(), Year)
	f.must(err)
	return counts
}
