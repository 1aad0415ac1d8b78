//go:build unix

package pgtest

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Pair is a primary and a standby that confirms every commit before it is acknowledged. Its methods are
// for the test's own goroutine, but for DSN.
type Pair struct {
	tb               testing.TB
	nodes            [2]*Cluster // in the order of DSN
	primary, standby *Cluster
}

// NewPair makes a pair with PostgreSQL's default settings but for those given, which are lines of
// postgresql.conf for both.
func NewPair(tb testing.TB, settings ...string) *Pair {
	tb.Helper()
	settings = append([]string{
		// A standby that was away finds what it missed.
		"wal_keep_size = '512MB'",
		// One whose primary is gone may notice that it is to take its place only when it tries again.
		"wal_retrieve_retry_interval = '100ms'",
	}, settings...)
	primary := NewCluster(tb, settings...)
	standby, err := newNode(settings, func(c *Cluster) error {
		if err := c.copy(primary); err != nil {
			return err
		}
		return c.boot()
	})
	p := &Pair{tb: tb, primary: primary, standby: standby.attach(tb, err)}
	p.nodes = [2]*Cluster{p.primary, p.standby}
	p.primary.must(p.synchronise())
	return p
}

// DSN is Cluster.DSN for whichever of both can be written.
func (p *Pair) DSN(database string) string {
	hosts := p.nodes[0].host() + "," + p.nodes[1].host()
	return with(address(owner, hosts, database), "target_session_attrs", "read-write", "connect_timeout", "2")
}

// Primary returns the one of both that can be written, or could before it went down.
func (p *Pair) Primary() *Cluster { return p.primary }

// Standby returns the other one.
func (p *Pair) Standby() *Cluster { return p.standby }

// Promote kills the primary, unless it is down already, and makes the standby the primary: it can be
// written when Promote returns, and waits for no standby until Rejoin. Everything that was acknowledged
// before is there.
func (p *Pair) Promote() {
	p.tb.Helper()
	p.primary.Kill()
	p.primary, p.standby = p.standby, p.primary
	var promoted bool
	p.primary.must(execute(p.primary.AdminDSN("postgres"), fmt.Sprintf("SELECT pg_promote(true, %d)", int(patience.Seconds())), &promoted))
	if !promoted {
		p.tb.Fatal("pgtest: the standby was not promoted:", p.primary.logEnd())
	}
}

// Rejoin makes the node that is not the primary a standby, with a new copy of everything, and returns
// when all that was ever acknowledged is on both, and nothing more is until it is.
func (p *Pair) Rejoin() {
	p.tb.Helper()
	p.standby.Kill()
	p.standby.must(p.standby.copy(p.primary))
	p.standby.must(p.standby.configure())
	p.standby.Start()
	p.primary.must(p.synchronise())
}

// copy makes a server that does not run a standby of another, with a copy of its data.
func (c *Cluster) copy(primary *Cluster) error {
	// The folder itself stays: by it PostgreSQL knows the shared memory that a killed server left.
	entries, err := os.ReadDir(c.Data())
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	for _, entry := range entries {
		if err := os.RemoveAll(filepath.Join(c.Data(), entry.Name())); err != nil {
			return err
		}
	}
	if err := run(c.folder, "pg_basebackup", "--pgdata=data", "--checkpoint=fast",
		"--host=127.0.0.1", fmt.Sprintf("--port=%d", primary.port), "--username=postgres"); err != nil {
		return err
	}
	c.role = []string{fmt.Sprintf("primary_conninfo = 'host=127.0.0.1 port=%d user=postgres password=%s'", primary.port, password)}
	return os.WriteFile(filepath.Join(c.Data(), "standby.signal"), nil, 0o644)
}

// synchronise has the primary wait for the standby from now on, and waits until the standby has what
// was acknowledged before.
func (p *Pair) synchronise() error {
	p.primary.role = []string{"synchronous_standby_names = '*'"}
	if err := p.primary.configure(); err != nil {
		return err
	}
	if err := p.primary.signal(syscall.SIGHUP); err != nil {
		return err
	}
	admin := p.primary.AdminDSN("postgres")
	standby := func(what, condition string) error {
		return eventually(what, func() (there bool, err error) {
			err = execute(admin, "SELECT EXISTS (SELECT FROM pg_stat_replication WHERE sync_state = 'sync' AND "+condition+")", &there)
			return there, err
		})
	}
	if err := standby("the standby is synchronous", "state = 'streaming'"); err != nil {
		return err
	}
	// The process that makes checkpoints is the one by whose word commits wait. It reads its settings
	// before it does anything else, so they wait once it has made one.
	if err := execute(admin, "CHECKPOINT"); err != nil {
		return err
	}
	var end string
	if err := execute(admin, "SELECT pg_current_wal_flush_lsn()::text", &end); err != nil {
		return err
	}
	return standby("the standby has everything", "flush_lsn >= '"+end+"'")
}
