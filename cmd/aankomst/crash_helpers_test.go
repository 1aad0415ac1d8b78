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
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"
	"google.golang.org/grpc"

	client "aankomst/clients/go"
	"aankomst/server/calendar"
	"aankomst/server/cohort"
	"aankomst/server/store"
	"aankomst/server/store/sqlite"
)

const (
	// childVariable is set in a process of the test binary that is to be the program itself, and
	// limitVariable to how many bytes long a file may get there: a disk that is full.
	childVariable = "CRASH_TEST_CHILD"
	limitVariable = "CRASH_TEST_FILE_LIMIT"
)

// patience is how long a test waits for what a server does by itself; to wait so long is to fail.
const patience = 90 * time.Second

// crashChild makes this process the program itself, if a test asked for that.
func crashChild() {
	if os.Getenv(childVariable) == "" {
		return
	}
	if limit, err := strconv.ParseUint(os.Getenv(limitVariable), 10, 64); err == nil {
		signal.Ignore(syscall.SIGXFSZ) // as on a full disk, where nobody sends a signal
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
			panic(err)
		}
	}
	main()
}

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// office is an organisation that was set up with the program's own commands: three centres in one
// pool, this year's cohort, and a token for each desk.
type office struct {
	t      *testing.T
	folder string
	// postgres is the address of the database; empty for the embedded store.
	postgres string
	year     int
	identity *age.X25519Identity
	// counsellor and intake are tokens; one of the latter for each centre.
	counsellor string
	intake     []string
}

var centresOfOffice = []string{"cgg-a", "cgg-b", "cgg-c"}

func newOffice(t *testing.T) *office {
	t.Helper()
	identity, err := age.GenerateX25519Identity()
	noError(t, err)
	o := &office{t: t, folder: filepath.Join(t.TempDir(), "data"), year: calendar.Year(time.Now()), identity: identity}
	o.addCentres()
	o.tool("cohort", "open", strconv.Itoa(o.year), "--escrow", identity.Recipient().String(), "--pool", "CGG:50:"+strings.Join(centresOfOffice, ","))
	o.addTokens()
	return o
}

func (o *office) addCentres() {
	o.t.Helper()
	for _, id := range centresOfOffice {
		o.tool("centre", "add", id, "--name", "Centre "+id, "--type", "CGG")
	}
}

func (o *office) addTokens() {
	o.t.Helper()
	o.counsellor = o.token("COUNSELLOR")
	for _, id := range centresOfOffice {
		o.intake = append(o.intake, o.token("INTAKE", "--centre", id))
	}
}

// tool runs one of the program's commands in this process and returns what it prints.
func (o *office) tool(args ...string) []byte {
	o.t.Helper()
	out, err := o.try(args...)
	if err != nil {
		o.t.Fatalf("aankomst %s: %v", strings.Join(args, " "), err)
	}
	return out
}

// try is tool for what may fail.
func (o *office) try(args ...string) ([]byte, error) {
	o.t.Helper()
	var out, errOut bytes.Buffer
	err := run(o.t.Context(), append(args, "--data", o.folder, "--postgres", o.postgres, "--json"), strings.NewReader(""), &out, &errOut)
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, errOut.String())
	}
	return out.Bytes(), err
}

func (o *office) token(role string, more ...string) string {
	o.t.Helper()
	var made struct{ Token string }
	noError(o.t, json.Unmarshal(o.tool(append([]string{"token", "create", role, "--label", "desk"}, more...)...), &made))
	return made.Token
}

// keyPath returns where a file of the key folder lies.
func (o *office) keyPath(name string) string { return filepath.Join(o.folder, "keys", name) }

// cohortKey returns where the key of the cohort lies.
func (o *office) cohortKey() string { return o.keyPath(cohort.KeyFile(o.year)) }

// counts opens the store, which no server may need at the moment, and returns what is counted.
func (o *office) counts() store.Counts {
	o.t.Helper()
	opened, err := sqlite.Open(o.t.Context(), filepath.Join(o.folder, storeFile), o.storeKey())
	noError(o.t, err)
	counts, err := opened.Counts(o.t.Context(), o.year)
	noError(o.t, errors.Join(err, opened.Close()))
	return counts
}

func (o *office) storeKey() [32]byte {
	o.t.Helper()
	folder, err := cohort.OpenFolder(filepath.Join(o.folder, "keys"))
	noError(o.t, err)
	keys, err := folder.StoreKeys()
	noError(o.t, err)
	if len(keys) != 1 {
		o.t.Fatalf("there are %d store keys", len(keys))
	}
	return keys[0]
}

// child is a process that serves.
type child struct {
	t       *testing.T
	process *exec.Cmd
	stdout  io.ReadCloser
	stderr  bytes.Buffer
	wait    func() error
	// grpc and http are where it listens, once listening was called.
	grpc, http string
}

// serve starts a process that serves on the office's folder, at ports of its own.
func (o *office) serve(environment ...string) *child {
	o.t.Helper()
	c := &child{t: o.t, process: exec.Command(os.Args[0], "serve", "--data", o.folder, "--postgres", o.postgres, "--json", "--log-level", "debug",
		"--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0")}
	// gRPC, too, is asked to log all it can.
	environment = append(environment, childVariable+"=1", "GRPC_GO_LOG_SEVERITY_LEVEL=info", "GRPC_GO_LOG_VERBOSITY_LEVEL=99")
	c.process.Env = append(os.Environ(), environment...)
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
	for begun := time.Now(); time.Since(begun) < patience; time.Sleep(20 * time.Millisecond) {
		response, err := http.Get(c.http + "/readyz")
		if err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return
			}
		}
	}
	c.t.Fatalf("the server does not get ready\n%s", c.stderr.String())
}

// kill ends the process as a power cut would, without a word.
func (c *child) kill() {
	c.t.Helper()
	noError(c.t, c.process.Process.Signal(syscall.SIGKILL))
	_ = c.wait() // it was killed
}

// stop ends the process as an operator does.
func (c *child) stop() {
	c.t.Helper()
	noError(c.t, c.process.Process.Signal(syscall.SIGTERM))
	if err := c.wait(); err != nil {
		c.t.Fatalf("the server ended with %v\n%s", err, c.stderr.String())
	}
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

// show writes counts for a person.
func show(c store.PoolCounts) string {
	return fmt.Sprintf("%d issued, %d voided, %d arrived", c.Issued, c.Voided, c.Arrived)
}
