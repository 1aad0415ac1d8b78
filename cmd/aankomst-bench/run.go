package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"time"

	"aankomst/server/store"
)

const (
	// stockTime bounds how long codes are issued to be confirmed.
	stockTime = 5 * time.Minute
	// tidyTime is how long after its start a server has laid its spent codes down anew, which it does once
	// when it starts and then every night. There must be few of them yet, or it would be measured.
	tidyTime = 4 * time.Second
	// spare is by how much more calls are prepared than the warm-up makes one expect: a load that runs out
	// of calls ends early.
	spare = 1.4
	// manyConnections is how many connections insert at once, beside the one alone.
	manyConnections = 16
	// fillBatch is how many codes are spent in one transaction when a store is filled.
	fillBatch = 5_000
)

// bench is one run.
type bench struct {
	options
	folder      string
	backend     backend
	certificate *certificate
	// small and large are the two stores; large is nil when growth is left out.
	small, large *office

	progress io.Writer
	begun    time.Time
}

// say tells whoever waits what is going on.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.progress, "%4.0fs  %s\n", time.Since(b.begun).Seconds(), fmt.Sprintf(format, args...))
}

// measure makes a run and removes whatever it made.
func measure(ctx context.Context, o options, progress io.Writer) (r *report, err error) {
	b := &bench{options: o, progress: progress, begun: time.Now()}
	if b.folder, err = os.MkdirTemp(o.Folder, "aankomst-bench-"); err != nil {
		return nil, err
	}
	defer func() {
		b.say("stopping the servers and removing what was made")
		err = errors.Join(err, b.close())
	}()
	if o.TLS {
		if b.certificate, err = newCertificate(b.folder); err != nil {
			return nil, err
		}
	}
	if err := b.openBackend(ctx); err != nil {
		return nil, err
	}
	return b.run(ctx)
}

// openBackend opens the store that was asked for.
func (b *bench) openBackend(ctx context.Context) error {
	var opened backend
	var err error
	switch {
	case b.PrivatePostgres:
		b.say("making a PostgreSQL cluster for this run")
		opened, err = startCluster(ctx, b.Folder)
	case b.Postgres != "":
		opened, err = openDatabase(ctx, b.Postgres, b.PostgresAccept)
	default:
		opened, err = newEmbedded(ctx)
	}
	if err == nil {
		b.backend = opened
	}
	return err
}

// close stops and removes everything.
func (b *bench) close() error {
	var errs []error
	for _, o := range b.offices() {
		errs = append(errs, o.close())
	}
	if b.backend != nil {
		errs = append(errs, b.backend.close())
	}
	return errors.Join(append(errs, os.RemoveAll(b.folder))...)
}

// offices are those that are open.
func (b *bench) offices() []*office {
	var open []*office
	for _, o := range []*office{b.small, b.large} {
		if o != nil {
			open = append(open, o)
		}
	}
	return open
}

// run measures everything, one thing after the other.
func (b *bench) run(ctx context.Context) (_ *report, err error) {
	b.say("setting up an organisation with %d centres on %s", b.Centres, b.backend.title())
	if b.small, err = b.openOffice(ctx, "small"); err != nil {
		return nil, err
	}
	if b.Large > 0 {
		b.say("setting up another, whose store will be large")
		if b.large, err = b.openOffice(ctx, "large"); err != nil {
			return nil, err
		}
		if err := b.fill(ctx, b.large, b.Large); err != nil {
			return nil, err
		}
	}
	if err := b.fill(ctx, b.small, b.Small); err != nil {
		return nil, err
	}
	r := newReport(b)
	if r.Inserts, err = b.insertRates(ctx); err != nil {
		return nil, err
	}
	for _, k := range []kind{b.issue(), b.confirm()} {
		measured, err := b.measureKind(ctx, k)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k.name, err)
		}
		r.add(k.name, measured)
	}
	r.Memory = b.memory()
	b.say("comparing what is counted with what was acknowledged")
	if r.Counted, err = b.counted(ctx); err != nil {
		return nil, err
	}
	r.Took = time.Since(b.begun).Round(time.Second).String()
	return r, nil
}

// fill spends codes that were never issued, as if they had been confirmed.
func (b *bench) fill(ctx context.Context, o *office, codes int) error {
	select {
	case <-time.After(time.Until(o.server.begun.Add(tidyTime))):
	case <-ctx.Done():
		return ctx.Err()
	}
	said := time.Now()
	for o.filled < codes {
		entries := make([]store.Entry, min(fillBatch, codes-o.filled))
		for i := range entries {
			entries[i] = store.Entry{Kind: store.Arrive, Year: o.year, Pool: o.directory.Pools[i%len(o.directory.Pools)]}
			copy(entries[i].Nullifier[:], randomNullifier())
		}
		outcomes, err := o.store.Record(ctx, entries)
		if err != nil {
			return err
		}
		for _, outcome := range outcomes {
			if outcome != store.Done {
				return fmt.Errorf("a code could not be spent: outcome %d", outcome)
			}
		}
		o.filled += len(entries)
		if time.Since(said) > 5*time.Second || o.filled == codes {
			said = time.Now()
			b.say("filling the %s store: %d of %d spent codes", o.name, o.filled, codes)
		}
	}
	return o.place.rest(ctx)
}

func randomNullifier() []byte {
	nullifier := make([]byte, store.NullifierBytes)
	for i := range nullifier {
		nullifier[i] = byte(rand.Uint32())
	}
	return nullifier
}

// spent returns how many codes are spent in an office's store.
func (o *office) spent() int {
	if o == nil {
		return 0
	}
	return o.filled + o.confirmed
}

// memory returns what the servers hold after all calls.
func (b *bench) memory() []memory {
	var all []memory
	for _, o := range b.offices() {
		all = append(all, memory{SpentCodes: o.spent(), ResidentMB: float64(resident(o.server.pid())) / (1 << 20)})
	}
	return all
}

// counted compares the counts in the stores with the calls that were acknowledged. They must be the same:
// otherwise failures were measured, or something was lost.
func (b *bench) counted(ctx context.Context) (counted, error) {
	var all counted
	for _, o := range b.offices() {
		counts, err := o.store.Counts(ctx, o.year)
		if err != nil {
			return all, err
		}
		issued, arrived := 0, 0
		for _, pool := range counts.Pools {
			issued += pool.Issued
			arrived += pool.Arrived
		}
		if issued != o.issued || arrived != o.spent() {
			return all, fmt.Errorf("the %s store counts %d issued and %d arrived, but %d and %d were acknowledged: the figures mean nothing",
				o.name, issued, arrived, o.issued, o.spent())
		}
		all.Issued += o.issued
		all.Confirmed += o.confirmed
	}
	return all, nil
}
