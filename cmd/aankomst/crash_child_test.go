package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"

	client "aankomst/clients/go"
)

// child is a process that serves.
type child struct {
	t       *testing.T
	process *exec.Cmd
	stdout  io.ReadCloser
	stderr  bytes.Buffer
	wait    func() error
	// grpc and http are where it listens, once listening was called.
	grpc, http string

	// What follows is for a load.

	connection *grpc.ClientConn
	// leaving is set before the process is ended, and gone when it has.
	leaving, gone atomic.Bool
	// answered and refused count the calls that it answered, and those that it could not for want of the store.
	answered, refused atomic.Int64
}

// serve starts a process that serves on the office's folder, at ports of its own.
func (o *office) serve(environment ...string) *child {
	o.t.Helper()
	c := &child{t: o.t, process: exec.Command(os.Args[0], "serve", "--data", o.folder, "--json", "--log-level", "debug",
		"--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0")}
	// gRPC, too, is asked to log all it can.
	environment = append(environment, childVariable+"=1", "GRPC_GO_LOG_SEVERITY_LEVEL=info", "GRPC_GO_LOG_VERBOSITY_LEVEL=99")
	c.process.Env = append(append(os.Environ(), o.environment()), environment...)
	c.process.Stderr = &c.stderr
	var err error
	c.stdout, err = c.process.StdoutPipe()
	noError(o.t, err)
	noError(o.t, c.process.Start())
	c.wait = sync.OnceValue(c.process.Wait)
	o.t.Cleanup(func() {
		_ = c.process.Process.Kill() // it has ended, unless the test failed
		_ = c.wait()
	})
	return c
}

// listening waits until the process says where it listens; it returns false when it ended before.
func (c *child) listening() bool {
	var addresses struct{ GRPC, HTTP string }
	if json.NewDecoder(c.stdout).Decode(&addresses) != nil {
		return false
	}
	c.grpc, c.http = addresses.GRPC, addresses.HTTP
	return true
}

// ready waits until the server can answer.
func (c *child) ready() {
	c.t.Helper()
	if !c.listening() {
		c.t.Fatalf("the server does not start: %v\n%s", c.wait(), c.stderr.String())
	}
	c.becomes(http.StatusOK)
}

// becomes waits until the server says that it is ready, or by another status that it is not.
func (c *child) becomes(status int) {
	c.t.Helper()
	eventually(c.t, fmt.Sprintf("/readyz gives %d", status), func() bool {
		response, err := http.Get(c.http + "/readyz")
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == status
	})
}

// kill ends the process as a power cut would, without a word.
func (c *child) kill() {
	c.t.Helper()
	c.leaving.Store(true)
	noError(c.t, c.process.Process.Signal(syscall.SIGKILL))
	_ = c.wait() // it was killed
	c.gone.Store(true)
}

// stop ends the process as an operator does.
func (c *child) stop() {
	c.t.Helper()
	c.leaving.Store(true)
	noError(c.t, c.process.Process.Signal(syscall.SIGTERM))
	if err := c.wait(); err != nil {
		c.t.Fatalf("the server ended with %v\n%s", err, c.stderr.String())
	}
	c.gone.Store(true)
}

// exit waits until the process ends by itself and returns its exit code and what it said.
func (c *child) exit() (int, string) {
	c.t.Helper()
	// A server that starts after all would never end.
	timer := time.AfterFunc(patience, func() { _ = c.process.Process.Kill() })
	defer timer.Stop()
	c.listening()
	err := c.wait()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		c.t.Fatal(err)
	}
	return c.process.ProcessState.ExitCode(), c.stderr.String()
}

// dial connects to the server.
func (c *child) dial() *grpc.ClientConn {
	c.t.Helper()
	connection, err := client.Dial(c.grpc, nil)
	noError(c.t, err)
	return connection
}

// client returns a client with a token.
func clientOf(connection *grpc.ClientConn, token string) *client.Client {
	return client.New(connection, token, new(client.MemoryPins))
}

// saysNothing fails the test when a server's output holds something secret, an address of a caller, or
// the trace of a panic or a race.
func (c *child) saysNothing(secrets []string) {
	c.t.Helper()
	said := c.stderr.String()
	for _, secret := range append(secrets, "127.0.0.1", "DATA RACE", "panic", "goroutine ") {
		if strings.Contains(strings.ToLower(said), strings.ToLower(secret)) {
			c.t.Errorf("the server's log contains %q:\n%s", secret, said)
		}
	}
}
