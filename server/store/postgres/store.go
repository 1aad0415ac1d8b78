// Package postgres keeps the store in a PostgreSQL database, for several servers at once or for a
// database that others look after.
//
// Any number of processes work on one database. A transaction that records takes advisory locks, which
// leave nothing on the disk: in common with others on each of its cohorts, so that closing a cohort
// waits for it, and alone on one shard of the counters, so that processes need not wait for each
// other's counts.
//
// What PostgreSQL would remember of when and in what order things were counted is refused when a
// connection is made (traces.go), or laid down anew by Rewrite and Settle (rewrite.go); and by Used what it
// would remember of who signed in (used.go).
package postgres

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"aankomst/migrations"
	"aankomst/server/store"
)

const (
	// maxConnections bounds the pool, unless the address says pool_max_conns. One connection records;
	// a few more serve reads. More make the database slower, not faster.
	maxConnections = 6
	// connectTime is how long one server may take to let us in, unless the address says so.
	connectTime = 3 * time.Second
	// attemptTime bounds one attempt at a transaction, waiting for locks and for the disk included.
	attemptTime = 10 * time.Second
	// copyTime bounds a transaction that reads or writes all there is.
	copyTime = time.Hour
	// tableTime is how long a table is waited for that another reads, as a backup does: calls wait behind.
	tableTime = "1s"
	// retryTime is how long an attempt that changed nothing is repeated while the database cannot be
	// reached: long enough for a restart or a promotion on the same network, short enough for a caller.
	retryTime = 4 * time.Second
)

// Options change how a store is opened. The zero value is the strictest.
type Options struct {
	// Accept names settings of the database that would be refused, because they keep traces, and are
	// knowingly accepted. Some cannot be: ErrTraces says which. So is AcceptUnchecked, of the connection.
	Accept []string
}

// Store is a store.Store in a PostgreSQL database.
type Store struct {
	pool    *pgxpool.Pool
	renewed atomic.Int64 // how often the pool's connections were given up

	mu     sync.Mutex // guards closed, and calls against being added to once it is waited for
	closed bool
	calls  sync.WaitGroup
}

var _ store.Store = (*Store)(nil)

// Open connects to the database at an address in one of the forms of libpq: a URL or key=value words.
// It may name several hosts: the one that can be written is found, also after another was promoted. The
// error wraps store.ErrNotFound when Migrate has made no schema there yet, store.ErrSchema when the schema
// is not one that this program can use, ErrTraces when the database keeps what it must not, and
// store.ErrUnavailable when it cannot be reached or used now.
func Open(ctx context.Context, address string, options Options) (*Store, error) {
	config, err := configure(address, options)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, plain(err)
	}
	s := &Store{pool: pool}
	if err := s.read(ctx, func(tx tx) error { return checkSchema(tx, migrations.Postgres) }); err != nil {
		pool.Close()
		return nil, err
	}
	return s, nil
}

// configure reads an address. Errors quote nothing of it, as it may hold a password.
func configure(address string, options Options) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(address)
	if err != nil {
		return nil, fmt.Errorf("%w: it must be a URL or key=value words as libpq reads them, such as postgres://aankomst@db.example/aankomst", ErrAddress)
	}
	if err := checkAccepted(options.Accept); err != nil {
		return nil, err
	}
	connection := config.ConnConfig
	if err := checkEncrypted(connection.Config, options.Accept); err != nil {
		return nil, err
	}
	for name, value := range sessionSettings {
		connection.RuntimeParams[name] = value
	}
	if connection.ConnectTimeout == 0 {
		connection.ConnectTimeout = connectTime
	}
	if connection.ValidateConnect == nil {
		// A standby would serve reads of the past and refuse to record.
		connection.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	if !strings.Contains(address, "pool_max_conns") {
		config.MaxConns = maxConnections
	}
	connection.OnNotice = func(c *pgconn.PgConn, notice *pgconn.Notice) {
		if notice.SeverityUnlocalized == "WARNING" {
			c.CustomData()[warned] = true
		}
	}
	config.AfterConnect = func(ctx context.Context, c *pgx.Conn) error { return checkTraces(ctx, c, options.Accept) }
	return config, nil
}

// warned is set on a connection whose server has given a warning.
const warned = "warned"

// sessionSettings hold on every connection.
var sessionSettings = map[string]string{
	"application_name": "aankomst",
	// Rows are always looked up by their keys: a plan must not depend on how few they were when it was
	// made.
	"enable_seqscan": "off",
	"jit":            "off",
	// A process that dies must not keep its locks for long.
	"idle_in_transaction_session_timeout": "30s",
	"tcp_keepalives_idle":                 "10",
	"tcp_keepalives_interval":             "5",
	"tcp_keepalives_count":                "3",
}

// Close waits for methods under way and closes the connections. Methods called later fail with
// store.ErrUnavailable.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.calls.Wait()
	s.pool.Close()
	return nil
}

// Ping writes one row durably and reads it.
func (s *Store) Ping(ctx context.Context) error {
	return s.repeat(ctx, func(tx tx) error {
		var flip int
		return tx.row(`UPDATE probe SET flip = 1 - flip RETURNING flip`).Scan(&flip)
	})
}
