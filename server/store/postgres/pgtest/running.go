//go:build unix

package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

func (c *Cluster) logFile() string { return filepath.Join(c.folder, "log") }

// logEnd returns the last lines of the log.
func (c *Cluster) logEnd() string {
	log, err := os.ReadFile(c.logFile())
	if err != nil {
		return err.Error()
	}
	return "PostgreSQL's log ends:\n" + string(log[max(0, len(log)-3000):])
}

func (c *Cluster) running() bool {
	if c.gone == nil {
		return false
	}
	select {
	case <-c.gone:
		return false
	default:
		return true
	}
}

func (c *Cluster) start() error {
	if c.running() {
		return nil
	}
	log, err := os.OpenFile(c.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	// Every process of the server inherits one end of a pipe: when the other end reads the end of it,
	// the last is gone.
	alive, inherited, err := os.Pipe()
	if err != nil {
		return err
	}
	defer inherited.Close()
	cmd, err := command(context.Background(), c.folder, "postgres", "-D", "data")
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = log, log, []*os.File{inherited}
	if err := cmd.Start(); err != nil {
		return err
	}
	c.keeper.tell(fmt.Sprint(cmd.Process.Pid))
	gone := make(chan struct{})
	c.process, c.gone, c.killed = cmd.Process, gone, false
	go func() {
		defer close(gone)
		defer alive.Close()
		_ = cmd.Wait() // however it ended
		_, _ = io.Copy(io.Discard, alive)
		c.keeper.tell("")
	}()
	return c.ready()
}

// ready waits until the server answers.
func (c *Cluster) ready() error {
	return eventually("the server answers", func() (bool, error) {
		err := execute(c.AdminDSN("postgres"), "SELECT 1")
		if err != nil && !c.running() {
			return false, fmt.Errorf("pgtest: the server has ended: %s", c.logEnd())
		}
		return err == nil, nil
	})
}

func (c *Cluster) signal(signals ...syscall.Signal) error {
	for _, signal := range signals {
		if err := c.process.Signal(signal); err != nil {
			return err
		}
	}
	return nil
}

// wait waits until no process of the server is left.
func (c *Cluster) wait() error {
	select {
	case <-c.gone:
		return nil
	case <-time.After(patience):
		return fmt.Errorf("pgtest: the server does not end: %s", c.logEnd())
	}
}

func (c *Cluster) kill() error {
	if !c.running() {
		return nil
	}
	c.killed = true
	// While it is stopped it starts no process that would be missed.
	if err := c.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	processes, err := children(c.process.Pid)
	if err != nil {
		return err
	}
	for _, process := range append(processes, c.process.Pid) {
		if err := syscall.Kill(process, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	return c.wait()
}

// remove ends the server and leaves nothing of it.
func (c *Cluster) remove() error {
	if c.killed {
		// It left memory that its processes shared, which it gives back only when it starts again; if
		// it cannot, the next cluster will not mind.
		_ = c.start()
	}
	err := c.keeper.finish()
	if c.gone != nil {
		err = errors.Join(err, c.wait())
	}
	return err
}

// eventually waits until something is done, or fails.
func eventually(what string, done func() (bool, error)) error {
	for begun := time.Now(); time.Since(begun) < patience; time.Sleep(20 * time.Millisecond) {
		if ok, err := done(); ok || err != nil {
			return err
		}
	}
	return fmt.Errorf("pgtest: it never came about that %s", what)
}
