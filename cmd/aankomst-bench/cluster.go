package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// cluster is a PostgreSQL server that was made for this run, with PostgreSQL's own defaults. It listens on
// a unix socket in its folder and nowhere else.
type cluster struct {
	folder string
	server *process
}

// startCluster makes a cluster in a folder of its own below parent, and returns its one, empty database.
func startCluster(ctx context.Context, parent string) (_ *database, err error) {
	c := new(cluster)
	if c.folder, err = os.MkdirTemp(parent, "aankomst-bench-postgres-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.remove())
		}
	}()
	become, err := unprivileged(c.folder)
	if err != nil {
		return nil, err
	}
	command := func(ctx context.Context, program string, args ...string) (*exec.Cmd, error) {
		path, err := findPostgres(program)
		if err != nil {
			return nil, err
		}
		command := exec.CommandContext(ctx, path, args...)
		command.Dir = c.folder
		become(command)
		ownGroup(command)
		return command, nil
	}
	data := filepath.Join(c.folder, "data")
	create, err := command(ctx, "initdb", "--pgdata="+data, "--username=bench", "--auth=trust", "--encoding=UTF8", "--no-locale")
	if err != nil {
		return nil, err
	}
	if said, err := create.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, bytes.TrimSpace(said))
	}
	serve, err := command(context.WithoutCancel(ctx), "postgres", "-D", data, "-k", c.folder, "-c", "listen_addresses=")
	if err != nil {
		return nil, err
	}
	// An interrupt ends it at once but in order.
	if c.server, err = start("PostgreSQL", serve, syscall.SIGINT); err != nil {
		return nil, err
	}
	address := fmt.Sprintf("host=%s user=bench dbname=postgres", c.folder)
	if err := c.ready(ctx, address); err != nil {
		return nil, err
	}
	d, err := openDatabase(ctx, address, nil)
	if err != nil {
		return nil, err
	}
	d.cluster, d.postmaster = c, c.server.pid()
	return d, nil
}

// ready waits until the server lets somebody in.
func (c *cluster) ready(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, address)
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-c.server.ended:
			return errors.New("PostgreSQL does not start")
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL does not answer: %w", err)
		}
	}
}

// remove stops the server and leaves nothing of it.
func (c *cluster) remove() error {
	var stopped error
	if c.server != nil {
		stopped = c.server.stop()
	}
	return errors.Join(stopped, os.RemoveAll(c.folder))
}

// findPostgres returns where a program of PostgreSQL is: on PATH, or where Debian keeps them.
func findPostgres(program string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	}
	kept, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + program)
	if err != nil || len(kept) == 0 {
		return "", fmt.Errorf("%w: there is no %s on PATH; a private cluster takes an installed PostgreSQL", errUsage, program)
	}
	return slices.Max(kept), nil
}
