// Command aankomst is the one binary: the server, the tools that keep its store, and a client for the
// terminal. Run it with --help, or with demo to see everything at work.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"aankomst/server/store"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "aankomst:", sentence(err))
	}
	os.Exit(exitCode(err))
}

// app is the command line. Its flags are the settings, and their help is where they are explained.
type app struct {
	Settings

	Serve     serveCmd     `cmd:"" group:"server" help:"Run the server."`
	Demo      demoCmd      `cmd:"" group:"server" help:"Show everything at work on an invented organisation, in a temporary folder."`
	Migrate   migrateCmd   `cmd:"" group:"store" help:"Make the store, or bring its schema up to date after an upgrade."`
	Backup    backupCmd    `cmd:"" group:"store" help:"Copy the store, encrypted, while it is in use."`
	Restore   restoreCmd   `cmd:"" group:"store" help:"Put a backup in the place of the store."`
	Cohort    cohortCmd    `cmd:"" group:"store" help:"Open, list and close cohorts."`
	Centre    centreCmd    `cmd:"" group:"store" help:"Add, list, archive and import treatment centres."`
	Member    memberCmd    `cmd:"" group:"store" help:"List, invite and remove members, and let an administrator in who cannot sign in any more."`
	Token     tokenCmd     `cmd:"" group:"store" help:"Make, list, rotate and revoke the tokens by which machines are known."`
	Record    recordCmd    `cmd:"" group:"store" help:"List, export and verify the record of administration."`
	Statement statementCmd `cmd:"" group:"store" help:"Import, list and remove statements from elsewhere, of years before this system."`

	Issue   issueCmd   `cmd:"" group:"client" help:"Issue a referral code."`
	Void    voidCmd    `cmd:"" group:"client" help:"Void a code whose caller hung up before noting it."`
	Confirm confirmCmd `cmd:"" group:"client" help:"Confirm an arrival with its code."`
	Undo    undoCmd    `cmd:"" group:"client" help:"Take a mistaken confirmation back, with its code."`
	Release releaseCmd `cmd:"" group:"client" help:"Publish, list, show, export and verify releases."`

	Version kong.VersionFlag `help:"Print the version and end."`

	in       io.Reader
	out, err io.Writer
}

const description = `Counts how many people who were referred by an anonymous helpline arrived at a treatment centre,
without ever tying an arrival to a conversation.

Settings come from flags, from environment variables (named beside the flag: AANKOMST_DATA) and from a JSON file named
by --config, in this order; flags without a variable are for one call only. Codes, tokens and passwords are never given
as arguments, which others can see: codes are read from standard input, a token from AANKOMST_TOKEN or --token-file.

Commands that open the store are recorded in the name of the machine: see aankomst record --help.

Exit codes: 0 done; 1 failed; 2 wrong usage or input; 3 refused (a code is not accepted, too soon, not found, exists
already, a fingerprint has changed, nobody could administer any more); 4 try again later; 5 not signed in or not allowed.`

var groups = []kong.Group{
	{Key: "server", Title: "Server"},
	{Key: "store", Title: "Tools that open the store"},
	{Key: "client", Title: "Client, which calls a server"},
}

// exited is thrown when the parser wants to end the program: after --help.
type exited struct{ code int }

// run parses the arguments and runs the command they name. Errors may be shown to a person; exitCode
// gives their exit code.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) (err error) {
	defer func() {
		if thrown := recover(); thrown != nil {
			end, ok := thrown.(exited)
			if !ok {
				panic(thrown)
			}
			if err = nil; end.code != 0 {
				err = errUsage
			}
		}
	}()
	ctx = store.As(ctx, store.ByMachine, time.Now())
	a := &app{in: in, out: out, err: errOut}
	parser, err := kong.New(a,
		kong.Name("aankomst"), kong.Description(description), kong.ExplicitGroups(groups),
		kong.Resolvers(new(configFile)), defaults(), kong.Vars{"version": version()},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 110}),
		kong.Writers(out, errOut), kong.Exit(func(code int) { panic(exited{code}) }),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(a),
	)
	if err != nil {
		return fmt.Errorf("the command line is broken: %w", err)
	}
	if err := knownEnvironment(parser.Model, os.Environ()); err != nil {
		return err
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	chosen, err := parser.Parse(args)
	if err != nil {
		return unparsed(err)
	}
	if err := checkArguments(chosen.Path); err != nil {
		return err
	}
	return chosen.Run()
}

// version is that of the module, as the build recorded it; (devel) where it did not.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return "(devel)"
}

// unparsed says what is wrong with the arguments. One that is too many may be a code, given the wrong way:
// it is not said back, where a log might keep it.
func unparsed(err error) error {
	help := "aankomst --help"
	var parse *kong.ParseError
	if errors.As(err, &parse) && parse.Context != nil && parse.Context.Selected() != nil {
		command := parse.Context.Selected()
		help = "aankomst " + command.Path() + " --help"
		if len(command.Children) == 0 && strings.HasPrefix(err.Error(), "unexpected argument") {
			return fmt.Errorf("%w: there is an argument too many; codes and tokens are never given as arguments; see %s", errUsage, help)
		}
	}
	return fmt.Errorf("%w: %w; see %s", errUsage, err, help)
}
