package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"

	"aankomst/server/calendar"
	"aankomst/server/cohort"
	"aankomst/server/store"
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
	return newOfficeAt(t, "")
}

// newOfficeAt is newOffice with the address of a database.
func newOfficeAt(t *testing.T, postgres string) *office {
	t.Helper()
	identity, err := age.GenerateX25519Identity()
	noError(t, err)
	o := &office{t: t, folder: filepath.Join(t.TempDir(), "data"), postgres: postgres, year: calendar.Year(time.Now()), identity: identity}
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

// environment is for a process that works on the office's store.
func (o *office) environment() string { return "AANKOMST_POSTGRES=" + o.postgres }

// try is tool for what may fail.
func (o *office) try(args ...string) ([]byte, error) {
	o.t.Helper()
	var out, errOut bytes.Buffer
	args = append(args, "--data", o.folder, "--json")
	if o.postgres != "" {
		// The address holds a password, which is no argument; and variables are for the whole process.
		settings, err := json.Marshal(map[string]string{"postgres": o.postgres})
		noError(o.t, err)
		file := filepath.Join(o.t.TempDir(), "settings.json")
		noError(o.t, os.WriteFile(file, settings, 0o600))
		args = append(args, "--config", file)
	}
	err := run(o.t.Context(), args, strings.NewReader(""), &out, &errOut)
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

// escrowCopy returns where the one escrow copy of the cohort's key lies.
func (o *office) escrowCopy() string {
	o.t.Helper()
	copies, err := filepath.Glob(o.keyPath(fmt.Sprintf("cohort-%d.escrow.*", o.year)))
	noError(o.t, err)
	if len(copies) != 1 {
		o.t.Fatalf("there are the escrow copies %v", copies)
	}
	return copies[0]
}

// counts returns what is counted, after comparing it with the codes that are spent. No server may need an
// embedded store at the moment.
func (o *office) counts() (counts store.Counts) {
	o.t.Helper()
	noError(o.t, o.app().withStore(o.t.Context(), func(e *opened) error {
		return e.Snapshot(o.t.Context(), func(all store.Snapshot) error {
			var arrived, voided int
			for code, err := range all.Spent {
				noError(o.t, err)
				if code.Voided {
					voided++
				} else {
					arrived++
				}
			}
			counts = all.Counts[0]
			if pool := counts.Pools[0]; pool.Arrived != arrived || pool.Voided != voided {
				o.t.Errorf("the counts are %s, but %d codes are spent by arrival and %d by a void", show(pool), arrived, voided)
			}
			return nil
		})
	}))
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

// eventually waits until something is so.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for begun := time.Now(); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Since(begun) > patience {
			t.Fatalf("it never came about that %s", what)
		}
	}
}

// show writes counts for a person.
func show(c store.PoolCounts) string {
	return fmt.Sprintf("%d issued, %d voided, %d arrived", c.Issued, c.Voided, c.Arrived)
}
