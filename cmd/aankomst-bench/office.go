package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"filippo.io/age"
	"google.golang.org/grpc"

	client "aankomst/clients/go"
	"aankomst/refcode"
	"aankomst/server/calendar"
	"aankomst/server/cohort"
	"aankomst/server/store"
)

// office is an organisation of its own: a store, a server on it, and everything that calls need. It was
// set up with the program's commands.
type office struct {
	options
	name   string
	folder string
	place  place
	server *process
	// store is the server's, opened beside it: to fill it, and to see what was counted.
	store store.Store

	year      int
	directory refcode.Directory
	// ring holds the cohort's key for the raw rates; pairs is how many it evaluates to recognise a code.
	ring  *cohort.Keyring
	pairs int

	connections []*grpc.ClientConn
	counsellor  string
	// intake holds a token for each centre.
	intake []string

	// blinded are issues to be made, answered those whose codes are still to be made, codes those that
	// are to be confirmed. known are all codes that were made.
	blinded  []*issuing
	answered []*issuing
	codes    []refcode.Code
	known    map[refcode.Code]bool
	// issued and confirmed count acknowledged calls, filled the codes spent without a call.
	issued, confirmed, filled int
}

// openOffice sets an office up and starts its server.
func (b *bench) openOffice(ctx context.Context, name string) (_ *office, err error) {
	o := &office{
		options: b.options, name: name, folder: filepath.Join(b.folder, name),
		year: calendar.Year(time.Now()), known: map[refcode.Code]bool{},
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, o.close())
		}
	}()
	if err := os.Mkdir(o.folder, 0o700); err != nil {
		return nil, err
	}
	if o.place, err = b.backend.place(ctx, name, o.data()); err != nil {
		return nil, err
	}
	if err := o.setUp(ctx); err != nil {
		return nil, err
	}
	if o.server, err = o.serve(ctx, b.certificate); err != nil {
		return nil, err
	}
	if o.store, err = o.place.open(ctx); err != nil {
		return nil, err
	}
	if err := o.loadKey(ctx); err != nil {
		return nil, err
	}
	for range o.Connections {
		connection, err := client.Dial(o.server.grpc, b.certificate.trusted())
		if err != nil {
			return nil, err
		}
		o.connections = append(o.connections, connection)
	}
	return o, nil
}

// data is the server's data folder.
func (o *office) data() string { return filepath.Join(o.folder, "data") }

// close stops the server and lets go of everything.
func (o *office) close() error {
	var errs []error
	for _, connection := range o.connections {
		errs = append(errs, connection.Close())
	}
	if o.server != nil {
		errs = append(errs, o.server.stop())
	}
	if o.store != nil {
		errs = append(errs, o.store.Close())
	}
	if o.place != nil {
		errs = append(errs, o.place.drop())
	}
	return errors.Join(errs...)
}

// setUp makes the centres, the cohort and the tokens.
func (o *office) setUp(ctx context.Context) error {
	var centres []string
	for i := range o.Centres {
		centres = append(centres, fmt.Sprintf("centre-%03d", i+1))
	}
	if _, err := o.tool(ctx, "migrate"); err != nil {
		return err
	}
	list, err := o.centreList(centres)
	if err != nil {
		return err
	}
	if _, err := o.tool(ctx, "centre", "import", list); err != nil {
		return err
	}
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return err
	}
	// Long codes, since a short one serves ten thousand a year and pool.
	open := []string{"cohort", "open", strconv.Itoa(o.year), "--long", "--escrow", identity.Recipient().String()}
	pools := make([][]string, o.Pairs-1)
	for i, centre := range centres {
		pools[i%len(pools)] = append(pools[i%len(pools)], centre)
	}
	for i, pool := range pools {
		open = append(open, "--pool", fmt.Sprintf("Pool %d:1000:%s", i+1, strings.Join(pool, ",")))
	}
	if _, err := o.tool(ctx, open...); err != nil {
		return err
	}
	if o.counsellor, err = o.token(ctx, "COUNSELLOR"); err != nil {
		return err
	}
	o.intake = make([]string, len(centres))
	return parallel(ctx, 4, len(centres), func(i int) (err error) {
		o.intake[i], err = o.token(ctx, "INTAKE", "--centre", centres[i])
		return err
	})
}

// centreList writes the centres to a file that can be imported.
func (o *office) centreList(ids []string) (string, error) {
	var list bytes.Buffer
	lines := csv.NewWriter(&list)
	rows := [][]string{{"id", "name", "type"}}
	for _, id := range ids {
		rows = append(rows, []string{id, "Invented " + id, "CGG"})
	}
	if err := lines.WriteAll(rows); err != nil {
		return "", err
	}
	path := filepath.Join(o.folder, "centres.csv")
	return path, os.WriteFile(path, list.Bytes(), 0o600)
}

// token makes a token.
func (o *office) token(ctx context.Context, role string, more ...string) (string, error) {
	printed, err := o.tool(ctx, append([]string{"token", "create", role, "--label", "bench"}, more...)...)
	if err != nil {
		return "", err
	}
	var made struct{ Token string }
	if err := json.Unmarshal(printed, &made); err != nil {
		return "", fmt.Errorf("aankomst token create does not print JSON: %w", err)
	}
	return made.Token, nil
}

// tool runs one of the program's commands on the office's store and returns what it prints.
func (o *office) tool(ctx context.Context, args ...string) ([]byte, error) {
	command := exec.CommandContext(ctx, o.Binary, append(args, "--data", o.data(), "--json")...)
	ownGroup(command)
	command.Env = o.environment()
	var said bytes.Buffer
	command.Stderr = &said
	printed, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("aankomst %s: %w: %s", strings.Join(args[:min(2, len(args))], " "), err, bytes.TrimSpace(said.Bytes()))
	}
	return printed, nil
}

// environment is this process's, without any setting of aankomst: none of what is set for a real server
// may reach these.
func (o *office) environment() []string {
	var environment []string
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "AANKOMST_") {
			environment = append(environment, entry)
		}
	}
	return append(environment, o.place.settings()...)
}

// loadKey takes the cohort's key into use in this process too.
func (o *office) loadKey(ctx context.Context) error {
	opened, err := o.store.GetCohort(ctx, o.year)
	if err != nil {
		return err
	}
	folder, err := cohort.OpenFolder(filepath.Join(o.data(), "keys"))
	if err != nil {
		return err
	}
	key, err := folder.Load(o.year)
	if err != nil {
		return err
	}
	o.directory, o.ring = cohort.DirectoryOf(opened), new(cohort.Keyring)
	if err := o.ring.Load(opened, key); err != nil {
		return err
	}
	o.pairs = o.ring.Recognise(refcode.Code{}).Pairs
	return nil
}
