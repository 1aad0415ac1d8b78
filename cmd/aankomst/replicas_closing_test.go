package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	client "aankomst/clients/go"
	"aankomst/server/access"
	"aankomst/server/calendar"
	"aankomst/server/store"
)

// A cohort is closed while two servers hold its key and callers confirm its codes. Closing waits for both to let
// go, also for one that does not hear of it. What was acknowledged before is counted; nothing is after.
func TestClosingACohortWaitsForBothReplicas(t *testing.T) {
	t.Parallel()
	o, codes := lastYear(t, newDatabases.Database(t))
	r, networks := overNetworks(o)
	past := o.serveAt(time.Date(o.year, time.March, 3, 12, 0, 0, 0, calendar.Brussels), access.DefaultLimits)
	for range 80 {
		r.arriving.add(r.issue(clientOf(past.connection, o.counsellor)))
	}
	past.stop()
	r.arriving.then = nil
	ctx, stop := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	for _, token := range r.intake[:2] {
		callers.Go(func() { r.arriving.run(ctx, confirm(r.client(token))) })
	}
	r.recovered()

	networks[1].Refuse()
	r.closing.Store(true)
	closing := []string{"cohort", "close", strconv.Itoa(o.year), "--yes", "--early", "--accept-withheld", "--escrow-destroyed"}
	for alone := false; !alone; {
		alone = o.holders() == 1
		if out, err := o.try(closing...); exitCode(err) != exitRefused || !strings.Contains(string(out), "still holds the key") {
			t.Fatalf("closing does not wait: %v\n%s", err, out)
		}
	}
	if _, err := os.Stat(o.cohortKey()); err != nil {
		t.Errorf("the key is not there any more: %v", err)
	}
	networks[1].Accept()
	eventually(t, "the cohort is closed", func() bool {
		_, err := o.try(closing...)
		return err == nil
	})
	stop()
	callers.Wait()

	if _, err := os.Stat(o.cohortKey()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the key is still there: %v", err)
	}
	desk := o.intake[2] // of which no wrong code is known yet
	for _, c := range r.servers {
		for _, code := range codes {
			if err := confirm(clientOf(c.connection, desk))(code); client.Reason(err) != "CODE_NOT_ACCEPTED" {
				t.Errorf("a code of a closed cohort gives %v", err)
			}
		}
		c.stop()
		c.saysNothing(r.secrets)
	}
	least, most := r.arriving.known()
	if stage, arrived, spent := o.kept(); stage != store.StageClosed || arrived <= least || arrived > most+1 || spent != 0 {
		t.Errorf("the cohort is %s, with %d spent codes and %d arrivals, of 1 and %d to %d", stage, spent, arrived, least, most)
	}
	if least == 80 {
		t.Error("all codes were confirmed before the cohort was closed: this tests little")
	}
}

// holders returns how many servers say that they hold the cohort's key.
func (o *office) holders() (n int) {
	o.t.Helper()
	noError(o.t, o.app().withStore(o.t.Context(), func(e *opened) error {
		holders, err := e.Holders(o.t.Context(), o.year)
		n = len(holders)
		return err
	}))
	return n
}
