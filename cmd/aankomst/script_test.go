package main

import (
	"bytes"
	"context"
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
	"aankomst/server"
	"aankomst/server/calendar"
	"aankomst/server/cohort"
	"aankomst/server/release"
	"aankomst/server/store"
	"aankomst/server/store/sqlite"
)

// The scripts are written to be read: each shows a part of the command line to somebody who is new to it.
// They know, besides the commands of testscript:
//
//	exits CODE COMMAND...      the command ends with this exit code
//	json FILE PATH VALUE       the JSON in the file has this value at a path such as pools.0.name
//	keep NAME FILE PATH        puts a value of a file's JSON into an environment variable
//	serving FILE               waits for the addresses that a server in the background prints to the file
//	playing FILE RELEASES      the same for a demo, whose releases it writes to another file
//	mishear FROM TO            writes a code with its last symbol changed
//	empty FOLDER               there is nothing in the folder
//	past-cohort FOLDER YEAR    makes a data folder with the open cohort of a year that is over
//
// and the variables YEAR, LAST_YEAR and FAR_YEAR (this year, the last, and one that is far ahead),
// RECIPIENT (whom an escrow copy is for) and HOME, which is a folder of the script's own.
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
			return os.Mkdir(home, 0o700)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exits, "json": checkJSON, "keep": keep, "serving": serving, "playing": playing, "mishear": mishear, "empty": empty,
			"past-cohort": pastCohort,
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

// addresses are what a server or a demo prints of itself, among other things.
type addresses struct {
	GRPC, HTTP string
	Tokens     map[string]string
}

func serving(ts *testscript.TestScript, neg bool, args []string) {
	use(ts, !neg && len(args) == 1, "serving FILE")
	var printed addresses
	await(ts, args[0], &printed)
	ts.Setenv("AANKOMST_SERVER", printed.GRPC)
}

func playing(ts *testscript.TestScript, neg bool, args []string) {
	use(ts, !neg && len(args) == 2, "playing FILE RELEASES")
	var releases json.RawMessage
	var printed addresses
	await(ts, args[0], &releases, &printed)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), releases, 0o600))
	ts.Setenv("AANKOMST_SERVER", printed.GRPC)
	for name, who := range map[string]string{"COUNSELLOR": "counsellor", "INTAKE": "cgg-de-oever", "COORDINATOR": "coordinator"} {
		ts.Setenv(name, printed.Tokens[who])
	}
}

// await reads JSON values from a file that a command in the background is writing. It waits for as long as
// the script may run.
func await(ts *testscript.TestScript, name string, values ...any) {
	for {
		content, err := os.ReadFile(ts.MkAbs(name))
		decoder := json.NewDecoder(bytes.NewReader(content))
		for i := 0; i < len(values) && err == nil; i++ {
			err = decoder.Decode(values[i])
		}
		var other *json.UnmarshalTypeError
		if errors.As(err, &other) {
			ts.Check(err) // waiting does not make it what was expected
		}
		if err == nil {
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

// pastCohort does what the commands would have done in that year, since they know no other time than now.
func pastCohort(ts *testscript.TestScript, neg bool, args []string) {
	use(ts, !neg && len(args) == 2, "past-cohort FOLDER YEAR")
	year, err := strconv.Atoi(args[1])
	ts.Check(err)
	ctx, data := context.Background(), ts.MkAbs(args[0])
	then := time.Date(year, time.January, 2, 12, 0, 0, 0, calendar.Brussels)
	ts.Check(os.MkdirAll(data, 0o700))
	folder, err := cohort.OpenFolder(filepath.Join(data, "keys"))
	ts.Check(err)
	key, err := folder.NewStoreKey()
	ts.Check(err)
	path := filepath.Join(data, storeFile)
	_, err = sqlite.Migrate(ctx, path, key)
	ts.Check(err)
	opened, err := sqlite.Open(ctx, path, key)
	ts.Check(err)
	pool := cohort.PoolPlan{Name: "CGG", Expected: 30}
	for _, id := range []string{"cgg-a", "cgg-b", "cgg-c"} {
		ts.Check(opened.CreateCentre(ctx, store.Centre{ID: id, Name: "CGG " + id, Type: store.TypeCGG}))
		pool.Centres = append(pool.Centres, id)
	}
	keeper, err := server.NewKeeper(opened, folder, release.Current, func() time.Time { return then })
	ts.Check(err)
	_, err = keeper.Open(ctx, cohort.Plan{
		Year: year, Layout: refcode.Short, Pools: []cohort.PoolPlan{pool}, Recipients: []string{ts.Getenv("RECIPIENT")},
	})
	ts.Check(errors.Join(err, keeper.Leave(ctx), opened.Close()))
}
