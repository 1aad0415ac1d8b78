//go:build unix

package postgres

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgxpool"

	"aankomst/server/store"
	"aankomst/server/store/postgres/pgtest"
)

// A connection that is cut before the commit reaches the database is no error: nothing was changed, so it
// is repeated. One that is cut while the answer is on its way leaves the batch uncertain, and is said to.
func TestCommitsThatAreCut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		cut  func(*pgtest.Proxy) <-chan struct{}
	}{
		{"before it is carried out", func(p *pgtest.Proxy) <-chan struct{} { return p.CutBeforeCommit(1) }},
		{"after it was carried out", func(p *pgtest.Proxy) <-chan struct{} { return p.CutAfterCommit(1) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dsn := migrated.Database(t)
			direct := openAt(t, dsn)
			createCohort2026(t, direct)
			proxy := pgtest.NewProxy(t, dsn)
			s := openAt(t, proxy.DSN())
			n := nullifier()
			cut := c.cut(proxy)
			_, err := s.Record(t.Context(), []store.Entry{entryOf(store.Issue, store.Nullifier{}), entryOf(store.Arrive, n)})
			<-cut
			if !errors.Is(err, store.ErrUncertain) || !errors.Is(err, store.ErrUnavailable) {
				t.Fatalf("error %v, want uncertain", err)
			}
			counts := pool(t, direct)
			if counts.Issued != counts.Arrived || counts.Issued > 1 {
				t.Errorf("half a batch: %+v", counts)
			}
			outcomes, err := s.Record(t.Context(), []store.Entry{entryOf(store.Arrive, n)})
			ok(t, err)
			if want := []store.Outcome{store.Done, store.DoneBefore}[counts.Arrived]; outcomes[0] != want {
				t.Errorf("again: outcome %d, want %d", outcomes[0], want)
			}
			if after := pool(t, direct); after.Arrived != 1 {
				t.Errorf("%d arrived", after.Arrived)
			}
		})
	}
}

// What is lost before its commit is repeated until it goes through, and the caller does not notice.
func TestLostConnectionsAreRepeated(t *testing.T) {
	t.Parallel()
	dsn := migrated.Database(t)
	proxy := pgtest.NewProxy(t, dsn)
	s := openAt(t, proxy.DSN())
	createCohort2026(t, s)
	for i := range 20 {
		proxy.Cut() // all that wait in the pool
		if _, err := s.Record(t.Context(), []store.Entry{entryOf(store.Issue, store.Nullifier{})}); err != nil {
			t.Fatalf("%d: %v", i, err)
		}
	}
	if counts := pool(t, s); counts.Issued != 20 {
		t.Errorf("%d issued", counts.Issued)
	}

	proxy.Refuse()
	proxy.Cut()
	_, err := s.Record(t.Context(), []store.Entry{entryOf(store.Issue, store.Nullifier{})})
	if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrUncertain) {
		t.Errorf("while it is away: %v", err)
	}
	proxy.Accept()
	if counts := pool(t, s); counts.Issued != 20 {
		t.Errorf("%d issued", counts.Issued)
	}
}

// A server that ends the connection instead of answering a COMMIT may have carried it out, whatever reason
// it gives.
func TestACommitThatEndsTheConnectionIsUncertain(t *testing.T) {
	t.Parallel()
	dsn := migrated.Database(t)
	createCohort2026(t, openAt(t, dsn))
	for name, answer := range map[string]*pgproto3.ErrorResponse{
		"ended by hand":                       {Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: "57P01"},
		"ended after another process crashed": {Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: "57P02"},
		"idle for too long":                   {Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: "25P03"},
		"too long a transaction":              {Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: "25P04"},
		"no room for the log":                 {Severity: "PANIC", SeverityUnlocalized: "PANIC", Code: "53100"},
		"in another language":                 {Severity: "FATALE", SeverityUnlocalized: "FATAL", Code: "XX000"},
		"without a word":                      nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openAnswering(t, dsn, answer)
			_, err := s.Record(t.Context(), []store.Entry{entryOf(store.Arrive, nullifier())})
			if !errors.Is(err, store.ErrUncertain) {
				t.Errorf("error %v, want uncertain", err)
			}
		})
	}
}

// openAnswering opens a database to which no COMMIT gets through: it is answered, and the connection ended.
func openAnswering(t *testing.T, dsn string, answer *pgproto3.ErrorResponse) *Store {
	t.Helper()
	config, err := configure(dsn, Options{})
	ok(t, err)
	var message []byte
	if answer != nil {
		message, err = answer.Encode(nil)
		ok(t, err)
	}
	config.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		return &answering{Conn: conn, answer: message}, err
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	ok(t, err)
	t.Cleanup(pool.Close)
	return &Store{pool: pool}
}

type answering struct {
	net.Conn
	answer []byte
	last   io.Reader // what is read once COMMIT was written
}

func (c *answering) Write(b []byte) (int, error) {
	if c.last == nil && bytes.Contains(b, []byte("Q\x00\x00\x00\x0bcommit\x00")) {
		c.last = bytes.NewReader(c.answer)
		return len(b), nil
	}
	return c.Conn.Write(b)
}

func (c *answering) Read(b []byte) (int, error) {
	if c.last != nil {
		return c.last.Read(b)
	}
	return c.Conn.Read(b)
}

// What happens at the commit itself: a transaction that is refused has surely changed nothing, one whose
// connection is ended may have.
func TestOnlyACommitThatIsRefusedIsKnownNotToBe(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		does      string
		uncertain bool
	}{
		"refused":       {`RAISE EXCEPTION 'no room' USING ERRCODE = 'disk_full'`, false},
		"ended by hand": {`PERFORM pg_terminate_backend(pg_backend_pid())`, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openAt(t, migrated.Database(t))
			ok(t, s.write(t.Context(), func(tx tx) error {
				return tx.exec(`CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ` + c.does + `; RETURN NULL; END $$`)
			}))
			ok(t, s.write(t.Context(), func(tx tx) error {
				return tx.exec(`CREATE CONSTRAINT TRIGGER at_commit AFTER UPDATE ON probe DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION at_commit()`)
			}))
			err := s.write(t.Context(), func(tx tx) error { return tx.exec(`UPDATE probe SET flip = 1 - flip`) })
			if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrUncertain) != c.uncertain {
				t.Errorf("error %v; uncertain: want %v", err, c.uncertain)
			}
		})
	}
}

// A commit that waits for a standby that is gone is uncertain, whether its connection is ended or it has
// waited long enough, and is not repeated: that would wait as long again, and the caller with it.
func TestACommitThatWaitsInVainIsUncertain(t *testing.T) {
	t.Parallel()
	pair := pgtest.NewPair(t)
	_, err := Migrate(t.Context(), pair.DSN("aankomst"), Options{})
	ok(t, err)
	s := openAt(t, pair.DSN("aankomst"))
	createCohort2026(t, s)
	pair.Standby().Kill()

	ended := make(chan error)
	go func() {
		_, err := s.Record(t.Context(), []store.Entry{entryOf(store.Arrive, nullifier())})
		ended <- err
	}()
	admin, err := pgx.Connect(t.Context(), pair.Primary().AdminDSN("postgres"))
	ok(t, err)
	defer admin.Close(t.Context())
	for terminated := 0; terminated == 0; time.Sleep(10 * time.Millisecond) {
		ok(t, admin.QueryRow(t.Context(), `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'`).Scan(&terminated))
	}
	if err := <-ended; !errors.Is(err, store.ErrUncertain) {
		t.Errorf("ended while it waits: %v, want uncertain", err)
	}

	tries := 0
	err = s.repeat(t.Context(), func(tx tx) error {
		tries++
		return tx.exec(`UPDATE probe SET flip = 1 - flip`)
	})
	if !errors.Is(err, store.ErrUncertain) || tries != 1 {
		t.Errorf("tried %d times, and then: %v", tries, err)
	}
}
