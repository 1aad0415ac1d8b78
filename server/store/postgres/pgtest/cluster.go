//go:build unix

package pgtest

import (
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// owner is the role that owns databases, and the name of the one that every cluster begins with.
const owner = "aankomst"

// password is that of every role of every cluster of this process.
var password = rand.Text()

// Cluster is a PostgreSQL server of a test's own. A method that cannot do what it promises fails the
// test at once, so that all are for the test's own goroutine, but for DSN, AdminDSN, SocketDSN and Data.
type Cluster struct {
	tb       testing.TB // nil for the one behind Template
	folder   string     // holds the data folder, the socket, the log and node.conf
	port     int
	settings []string // lines of node.conf: the test's, and those of the part it plays in a pair
	role     []string
	keeper   *keeper

	process *os.Process
	gone    chan struct{} // closed when no process of the server is left; nil before the first start
	killed  bool
}

// NewCluster makes a server with PostgreSQL's default settings but for those given, which are lines of
// postgresql.conf, and starts it. It listens on 127.0.0.1 and on a unix socket, and is removed when the
// test ends; the end of its log is shown when the test has failed. Text is sorted as Dutch is, not by
// bytes: where the order matters, statements must say which they mean.
func NewCluster(tb testing.TB, settings ...string) *Cluster {
	tb.Helper()
	c, err := create(settings, false)
	return c.attach(tb, err)
}

// NewClusterOnDisk is NewCluster on a disk of its own, in memory, that FillDisk makes full. It fails
// the test where that cannot be had: it takes Linux, and root with the right to mount.
func NewClusterOnDisk(tb testing.TB, settings ...string) *Cluster {
	tb.Helper()
	c, err := create(settings, true)
	return c.attach(tb, err)
}

// attach makes a cluster the test's own.
func (c *Cluster) attach(tb testing.TB, err error) *Cluster {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
	c.tb = tb
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Log(c.logEnd())
		}
		if err := c.remove(); err != nil {
			tb.Error(err)
		}
	})
	return c
}

// DSN returns the address of a database over TCP, for the role aankomst, which may create databases and
// is no superuser. Every cluster begins with one database that it owns, aankomst, which is empty.
func (c *Cluster) DSN(database string) string {
	return address(owner, c.host(), database)
}

// AdminDSN is DSN for the superuser.
func (c *Cluster) AdminDSN(database string) string { return address("postgres", c.host(), database) }

// SocketDSN is DSN over the unix socket.
func (c *Cluster) SocketDSN(database string) string { return with(c.DSN(database), "host", c.folder) }

func (c *Cluster) host() string { return fmt.Sprintf("127.0.0.1:%d", c.port) }

// address returns the address of a database, for a role, on one of some hosts.
func address(role, hosts, database string) string {
	return fmt.Sprintf("postgres://%s:%s@%s/%s?sslmode=disable", role, password, hosts, url.PathEscape(database))
}

// Data returns the path of the data folder.
func (c *Cluster) Data() string { return filepath.Join(c.folder, "data") }

// Log returns everything that the server has logged.
func (c *Cluster) Log() string {
	c.tb.Helper()
	log, err := os.ReadFile(c.logFile())
	c.must(err)
	return string(log)
}

// Start starts a server that was stopped or killed, at the same addresses, and returns when it answers.
func (c *Cluster) Start() {
	c.tb.Helper()
	c.must(c.start())
}

// Stop stops the server in order, cutting its connections. Nothing is done when it does not run.
func (c *Cluster) Stop() {
	c.tb.Helper()
	if c.running() {
		c.must(c.signal(syscall.SIGINT))
		c.must(c.wait())
	}
}

// Kill ends every process of the server at once, as a power cut would, and returns when they are gone.
// Nothing is done when it does not run.
func (c *Cluster) Kill() {
	c.tb.Helper()
	c.must(c.kill())
}

// FillDisk leaves no room on the disk of NewClusterOnDisk. What is there can be written over.
func (c *Cluster) FillDisk() {
	c.tb.Helper()
	c.must(fillDisk(c.Data()))
}

// ClearDisk makes room again.
func (c *Cluster) ClearDisk() {
	c.tb.Helper()
	c.must(clearDisk(c.Data()))
}

func (c *Cluster) must(err error) {
	c.tb.Helper()
	if err != nil {
		c.tb.Fatal(err)
	}
}

// create makes a cluster and starts it.
func create(settings []string, ownDisk bool) (*Cluster, error) {
	return newNode(settings, func(c *Cluster) error {
		if ownDisk {
			if err := c.mountDisk(); err != nil {
				return err
			}
		}
		secret := filepath.Join(c.folder, "password")
		if err := errors.Join(os.WriteFile(secret, []byte(password), 0o600), own(secret)); err != nil {
			return err
		}
		if err := run(c.folder, "initdb", "--pgdata=data", "--username=postgres", "--pwfile=password", "--auth=scram-sha-256",
			"--encoding=UTF8", "--no-locale", "--locale-provider=icu", "--icu-locale=nl-BE"); err != nil {
			return err
		}
		config, err := os.OpenFile(filepath.Join(c.Data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		// What is this node's alone stands outside the data folder, of which a standby has a copy.
		_, err = config.WriteString("include '../node.conf'\n")
		if err = errors.Join(err, config.Close()); err != nil {
			return err
		}
		if err := c.boot(); err != nil {
			return err
		}
		admin := c.AdminDSN("postgres")
		if err := execute(admin, "CREATE ROLE "+owner+" LOGIN CREATEDB PASSWORD '"+password+"'"); err != nil {
			return err
		}
		return execute(admin, "CREATE DATABASE "+owner+" OWNER "+owner)
	})
}

// newNode makes the folder of a server, with a keeper, and has it filled. When that fails nothing is
// left.
func newNode(settings []string, fill func(*Cluster) error) (*Cluster, error) {
	folder, err := newFolder()
	if err != nil {
		return nil, err
	}
	c := &Cluster{folder: folder, settings: settings}
	if c.keeper, err = newKeeper(folder); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	if err := fill(c); err != nil {
		return nil, errors.Join(err, c.remove())
	}
	return c, nil
}

// configure writes this node's settings.
func (c *Cluster) configure() error {
	lines := append([]string{
		"listen_addresses = '127.0.0.1'",
		fmt.Sprintf("port = %d", c.port),
		fmt.Sprintf("unix_socket_directories = '%s'", c.folder),
	}, c.settings...)
	lines = append(lines, c.role...)
	return os.WriteFile(filepath.Join(c.folder, "node.conf"), []byte(strings.Join(lines, "\n")+"\n"), 0o644)
}

// boot starts a server for the first time, at a port that is free. It lies below those that systems
// give to outgoing connections: a server that was killed must find its port free, and a client that
// tries it meanwhile must not be connected to itself.
func (c *Cluster) boot() error {
	for tries := 1; ; tries++ {
		c.port = 20000 + mathrand.IntN(10000)
		if probe, err := net.Listen("tcp", c.host()); err != nil {
			if tries == 100 {
				return err
			}
			continue
		} else if err := probe.Close(); err != nil {
			return err
		}
		if err := c.configure(); err != nil {
			return err
		}
		err := c.start()
		if err == nil || tries == 100 || !strings.Contains(err.Error(), "Address already in use") {
			return err
		}
	}
}
