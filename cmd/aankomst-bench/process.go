package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

const (
	// startTime is how long a process may take until it answers, stopTime until it ends.
	startTime = 30 * time.Second
	stopTime  = 20 * time.Second
)

// process is a child that runs until it is told to stop.
type process struct {
	name    string
	command *exec.Cmd
	// said is its standard error, to be read when it has ended.
	said bytes.Buffer
	// ended is closed when it has ended, with the outcome in err.
	ended chan struct{}
	err   error
	stop  func() error

	// begun, grpc and http are a server's: when it started and where it listens.
	begun      time.Time
	grpc, http string
}

// start starts a child. It is stopped by a signal, and by force when it does not end.
func start(name string, command *exec.Cmd, signal syscall.Signal) (*process, error) {
	p := &process{name: name, command: command, ended: make(chan struct{}), begun: time.Now()}
	ownGroup(command)
	command.Stderr = &p.said
	// Its own children may keep standard error open.
	command.WaitDelay = time.Second
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	go func() {
		p.err = command.Wait()
		close(p.ended)
	}()
	p.stop = sync.OnceValue(func() error {
		select {
		case <-p.ended:
			return p.failure("has ended")
		default:
		}
		_ = command.Process.Signal(signal) // it may end at this moment
		select {
		case <-p.ended:
		case <-time.After(stopTime):
			_ = command.Process.Kill() // likewise
			<-p.ended
			return p.failure("did not stop")
		}
		if p.err != nil {
			return p.failure("ended badly")
		}
		return nil
	})
	return p, nil
}

// failure says what became of a process that has ended, in its own words.
func (p *process) failure(how string) error {
	return fmt.Errorf("%s %s (%w): %s", p.name, how, errors.Join(p.err), bytes.TrimSpace(p.said.Bytes()))
}

func (p *process) pid() int { return p.command.Process.Pid }

// serve starts the office's server and waits until it is ready.
func (o *office) serve(ctx context.Context, c *certificate) (_ *process, err error) {
	args := []string{"serve", "--data", o.data(), "--json", "--log-level", "warn", "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"}
	command := exec.Command(o.Binary, append(args, c.flags()...)...)
	command.Env = o.environment()
	reader, writer := io.Pipe()
	command.Stdout = writer
	p, err := start("the server of the "+o.name+" store", command, syscall.SIGTERM)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.stop())
		}
	}()
	go func() {
		<-p.ended
		_ = writer.Close() // a pipe in memory
	}()
	var addresses struct{ GRPC, HTTP string }
	if err := json.NewDecoder(reader).Decode(&addresses); err != nil {
		return nil, fmt.Errorf("%s does not say where it listens: %w", p.name, err)
	}
	go func() { _, _ = io.Copy(io.Discard, reader) }() // it says nothing more
	p.grpc, p.http = addresses.GRPC, addresses.HTTP
	return p, p.ready(ctx, c)
}

// ready waits until a server can answer.
func (p *process) ready(ctx context.Context, c *certificate) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	transport := &http.Transport{TLSClientConfig: c.trusted()}
	defer transport.CloseIdleConnections()
	caller := http.Client{Transport: transport}
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.http+"/readyz", nil)
		if err != nil {
			return err
		}
		response, err := caller.Do(request)
		if err == nil {
			if err := response.Body.Close(); err == nil && response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-p.ended:
			return fmt.Errorf("%s ended", p.name)
		case <-ctx.Done():
			return fmt.Errorf("%s does not get ready: %w", p.name, ctx.Err())
		}
	}
}
