package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/rogpeppe/go-internal/testscript"

	"aankomst/refcode"
	"aankomst/server/calendar"
	"aankomst/server/store/postgres/pgtest"
)

// The scripts are written to be read: each shows a part of the command line to somebody who is new to it.
// They know, besides the commands of testscript:
//
//	exits CODE COMMAND...      the command ends with this exit code
//	json FILE PATH VALUE       the JSON in the file has this value at a path such as pools.0.name
//	keep NAME FILE PATH        puts a value of a file's JSON into an environment variable
//	serving FILE               waits for the addresses that a server in the background prints to the file
//	mishear FROM TO            writes a code with its last symbol changed
//	empty FOLDER               there is nothing in the folder
//	database NAME              puts the address of a new, empty PostgreSQL database into an environment variable
//
// the programs past-cohort, past-releases and past-pools, which make a data folder with the open cohort of a year
// that is over, with the releases of 2017 to 2019, or with that of a year that had three pools, and the variables YEAR, LAST_YEAR and FAR_YEAR (this year, the
// last, and one that is far ahead), RECIPIENT (whom an escrow copy is for) and HOME, which is a folder of the
// script's own.
func TestScripts(t *testing.T) {
	t.Parallel()
	identity, err := age.GenerateX25519Identity()
	noError(t, err)
	year := calendar.Year(time.Now())
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			home := filepath.Join(env.WorkDir, "home")
			for name, value := range map[string]string{
				"HOME": home, "GORACE": quickRace, "RECIPIENT": identity.Recipient().String(),
				"YEAR": strconv.Itoa(year), "LAST_YEAR": strconv.Itoa(year - 1), "FAR_YEAR": strconv.Itoa(year + 2),
			} {
				env.Setenv(name, value)
			}
			env.Values[scriptTest{}] = env.T()
			return os.Mkdir(home, 0o700)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exits, "json": checkJSON, "keep": keep, "serving": serving, "mishear": mishear, "empty": empty, "database": database,
		},
	})
}

// use ends a script that calls a command wrongly.
func use(ts *testscript.TestScript, right bool, usage string) {
	if !right {
		ts.Fatalf("usage: %s", usage)
	}
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	use(ts, !neg && len(args) >= 2, "exits CODE COMMAND...")
	err := ts.Exec(args[1], args[2:]...)
	var failed *exec.ExitError
	code := 0
	if errors.As(err, &failed) {
		code = failed.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

func checkJSON(ts *testscript.TestScript, neg bool, args []string) {
	use(ts, len(args) == 3, "[!] json FILE PATH VALUE")
	value, err := at(ts.ReadFile(args[0]), args[1])
	if neg && (err != nil || value != args[2]) {
		return
	}
	ts.Check(err)
	if neg || value != args[2] {
		ts.Fatalf("%s of %s is %q", args[1], args[0], value)
	}
}

func keep(ts *testscript.TestScript, neg bool, args []string) {
	use(ts, !neg && len(args) == 3, "keep NAME FILE PATH")
	value, err := at(ts.ReadFile(args[1]), args[2])
	ts.Check(err)
	ts.Setenv(args[0], value)
}

// at returns what is at a path in JSON, as text; the path "." is all of it. After the first value of a
// text comes nothing.
func at(text, path string) (string, error) {
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		return "", fmt.Errorf("%w in %q", err, text)
	}
	for step := range strings.SplitSeq(strings.TrimPrefix(path, "."), ".") {
		switch here := value.(type) {
		case map[string]any:
			value = here[step]
		case []any:
			i, err := strconv.Atoi(step)
			if step == "length" {
				value = float64(len(here))
			} else if err == nil && i < len(here) {
				value = here[i]
			} else {
				return "", fmt.Errorf("there is no %s in %s", path, text)
			}
		default:
			return "", fmt.Errorf("there is no %s in %s", path, text)
		}
	}
	return fmt.Sprint(value), nil
}

// serving waits for as long as the script may run.
func serving(ts *testscript.TestScript, neg bool, args []string) {
	use(ts, !neg && len(args) == 1, "serving FILE")
	for {
		var addresses struct{ GRPC string }
		content, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && json.Unmarshal(content, &addresses) == nil {
			ts.Setenv("AANKOMST_SERVER", addresses.GRPC)
			return
		}
		for _, command := range ts.BackgroundCmds() {
			if command.ProcessState != nil {
				ts.Fatalf("it has ended: %s", command.ProcessState)
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func mishear(ts *testscript.TestScript, neg bool, args []string) {
	use(ts, !neg && len(args) == 2, "mishear FROM TO")
	code := strings.TrimSpace(ts.ReadFile(args[0]))
	last := strings.IndexByte(refcode.Alphabet, code[len(code)-1])
	wrong := code[:len(code)-1] + string(refcode.Alphabet[(last+1)%len(refcode.Alphabet)])
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(wrong+"\n"), 0o600))
}

func empty(ts *testscript.TestScript, neg bool, args []string) {
	use(ts, !neg && len(args) == 1, "empty FOLDER")
	entries, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(entries) > 0 {
		ts.Fatalf("in %s there is %s", args[0], entries[0].Name())
	}
}

// scriptTest is the key of a script's own test.
type scriptTest struct{}

// newDatabases have no schema yet.
var newDatabases = pgtest.NewTemplate(nil)

func database(ts *testscript.TestScript, neg bool, args []string) {
	use(ts, !neg && len(args) == 1, "database NAME")
	ts.Setenv(args[0], newDatabases.Database(ts.Value(scriptTest{}).(testing.TB)))
}
