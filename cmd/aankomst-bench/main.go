// Command aankomst-bench measures how much a server can do, and compares it in the same run with what the
// machine's cores and the database could do at most. It starts servers of its own in a temporary folder,
// calls them over the public API on loopback, and leaves nothing behind. Run it with --help.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("interrupted: %w", err)
	}
	stop()
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "aankomst-bench:", err)
	if errors.Is(err, errUsage) {
		os.Exit(2)
	}
	os.Exit(1)
}

// options are the command line.
type options struct {
	Binary          string        `help:"The server's program; by default the aankomst beside this one, or else on PATH." placeholder:"FILE"`
	Postgres        string        `help:"Measure on this PostgreSQL database, which must be empty and is left empty. Two schemas are made in it, and dropped." placeholder:"DSN" xor:"store"`
	PostgresAccept  []string      `help:"Settings of that database that aankomst would refuse, as for aankomst serve." placeholder:"NAME,..."`
	PrivatePostgres bool          `help:"Measure on a PostgreSQL cluster that is made for this run, with PostgreSQL's own defaults, and removed." xor:"store"`
	Folder          string        `help:"Where the temporary folder is made; put it on the kind of disk that is to be measured." default:"${folder}" placeholder:"FOLDER"`
	TLS             bool          `name:"tls" help:"Use TLS, with a certificate made for this run." default:"true" negatable:""`
	Pairs           int           `help:"Pairs of a cohort and a pool that are open: one cohort with the practice pool and this many less one others." default:"4" placeholder:"N"`
	Centres         int           `help:"Centres. One confirmation of a centre is under way at a time, so this bounds how many are." default:"256" placeholder:"N"`
	Concurrency     int           `help:"Calls under way at full load." default:"192" placeholder:"N"`
	Connections     int           `help:"Connections over which they go." default:"4" placeholder:"N"`
	Phase           time.Duration `help:"How long each thing is measured: full load on each store, half load, raw rate, inserts." default:"12s" placeholder:"TIME"`
	WarmUp          time.Duration `help:"How long each load runs before it is measured." default:"1500ms" placeholder:"TIME"`
	Slices          int           `help:"Full load is measured in this many slices that take turns: raw rate, small store, large store." default:"8" placeholder:"N"`
	Small           int           `help:"Spent codes in the small store, on which all but growth is measured." default:"10000" placeholder:"N"`
	Large           int           `help:"Spent codes in the large store; 0 leaves growth out." default:"1000000" placeholder:"N"`
	Quick           bool          `help:"Only see whether it works: times and sizes are so short and small that the figures mean little."`
	JSON            string        `name:"json" help:"Write the report to this file as JSON too." placeholder:"FILE"`
	Plot            string        `help:"Write a chart of the report to this file, as SVG." placeholder:"FILE"`
}

const description = `Measures a server under load: issued and confirmed codes a second, latency at full and at half load, processor
time a call, beside the raw rate of the same cryptography on the same cores and beside single-row inserts into the same
database; and how much slower it is with many spent codes. All of it in one run, since machines differ and are noisy.

It measures the embedded store, unless PostgreSQL is asked for. A whole run takes about three minutes.`

// errUsage is wrapped by errors of usage.
var errUsage = errors.New("wrong usage")

// exited is thrown when the parser wants to end the program: after --help.
type exited struct{}

// run parses the arguments, measures, and prints the report.
func run(ctx context.Context, args []string, out, progress io.Writer) (err error) {
	defer func() {
		if thrown := recover(); thrown != nil {
			if _, ok := thrown.(exited); !ok {
				panic(thrown)
			}
		}
	}()
	var o options
	parser, err := kong.New(&o, kong.Name("aankomst-bench"), kong.Description(description),
		kong.Vars{"folder": os.TempDir()}, kong.ConfigureHelp(kong.HelpOptions{WrapUpperBound: 110}),
		kong.Writers(out, progress), kong.Exit(func(int) { panic(exited{}) }))
	if err != nil {
		return fmt.Errorf("the command line is broken: %w", err)
	}
	if _, err := parser.Parse(args); err != nil {
		return fmt.Errorf("%w: %w; see aankomst-bench --help", errUsage, err)
	}
	if o.Quick {
		o.quick()
	}
	if err := o.check(); err != nil {
		return err
	}
	if o.Binary, err = findBinary(o.Binary); err != nil {
		return err
	}
	report, err := measure(ctx, o, progress)
	if err != nil {
		return err
	}
	return errors.Join(report.print(out), report.writeJSON(o.JSON), report.writePlot(o.Plot))
}

// quick shortens everything.
func (o *options) quick() {
	o.Phase, o.WarmUp, o.Slices = time.Second, 200*time.Millisecond, 2
	o.Centres, o.Concurrency = max(16, 3*(o.Pairs-1)), 16
	o.Small, o.Large = min(o.Small, 1_000), min(o.Large, 20_000)
}

// check refuses what cannot be measured; its errors wrap errUsage.
func (o *options) check() error {
	switch {
	case o.Pairs < 2 || o.Centres < 3*(o.Pairs-1):
		return fmt.Errorf("%w: there are two pairs or more, and three centres for each but one", errUsage)
	case o.Concurrency < 1 || o.Concurrency > o.Centres:
		return fmt.Errorf("%w: the concurrency is 1 to the number of centres, %d", errUsage, o.Centres)
	case o.Connections < 1 || o.Slices < 1:
		return fmt.Errorf("%w: there is one connection or more, and one slice", errUsage)
	case o.Phase <= 0 || o.WarmUp <= 0:
		return fmt.Errorf("%w: times are longer than nothing", errUsage)
	case o.Small < 0 || o.Large < 0 || o.Large > 0 && o.Large <= o.Small:
		return fmt.Errorf("%w: the large store has more spent codes than the small one, or is left out with 0", errUsage)
	}
	return nil
}

// findBinary returns where the server's program is.
func findBinary(named string) (string, error) {
	if named != "" {
		return filepath.Abs(named)
	}
	name := "aankomst"
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	if own, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(own), name)
		if info, err := os.Stat(beside); err == nil && info.Mode().IsRegular() {
			return beside, nil
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%w: there is no aankomst beside this program or on PATH: build it, or name it with --binary", errUsage)
	}
	return filepath.Abs(path)
}
