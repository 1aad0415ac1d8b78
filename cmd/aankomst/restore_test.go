package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"filippo.io/age"

	client "aankomst/clients/go"
	"aankomst/clients/web"
	"aankomst/refcode"
	"aankomst/server"
	"aankomst/server/access"
	"aankomst/server/calendar"
	"aankomst/server/cohort"
	"aankomst/server/release"
	"aankomst/server/store"
	"aankomst/server/store/sqlite"
)

// lastYear makes an office with the open cohort of the year that is over. Two codes were issued in it, and
// the first was confirmed.
func lastYear(t *testing.T, postgres string) (o *office, codes [2]refcode.Code) {
	t.Helper()
	identity, err := age.GenerateX25519Identity()
	noError(t, err)
	o = &office{t: t, folder: filepath.Join(t.TempDir(), "data"), postgres: postgres, year: calendar.Year(time.Now()) - 1, identity: identity}
	o.addCentres()
	o.addTokens()
	noError(t, o.app().withStore(t.Context(), func(e *opened) error {
		e.clock = func() time.Time { return time.Date(o.year, time.January, 2, 12, 0, 0, 0, calendar.Brussels) }
		keeper, err := e.keeper()
		noError(t, err)
		_, err = keeper.Open(t.Context(), cohort.Plan{
			Year: o.year, Layout: refcode.Short, Recipients: []string{identity.Recipient().String()},
			Pools: []cohort.PoolPlan{{Name: "CGG", Expected: 30, Centres: centresOfOffice}},
		})
		noError(t, err)
		return o.serveInPast(e, keeper, func(address string) error {
			connection, err := client.Dial(address, nil)
			noError(t, err)
			defer connection.Close()
			for i := range codes {
				codes[i], err = clientOf(connection, o.counsellor).Issue(t.Context(), o.year, 1, client.IssueOptions{})
				noError(t, err)
			}
			_, err = clientOf(connection, o.intake[0]).Confirm(t.Context(), codes[0], 0)
			return err
		})
	}))
	return o, codes
}

// app returns the program with the office's settings.
func (o *office) app() *app {
	return &app{Settings: Settings{Data: o.folder, Postgres: o.postgres}, out: io.Discard, err: io.Discard}
}

// serveInPast runs a server, by the clock of the store, for as long as do runs.
func (o *office) serveInPast(e *opened, keeper *cohort.Keeper, do func(address string) error) error {
	o.t.Helper()
	s, err := server.New(server.Deps{
		Store: e.Store, Keeper: keeper, Policy: release.Current, Limits: access.DefaultLimits, Clock: e.clock, Log: o.app().logger(),
		Origin: "http://localhost", Pages: web.Pages,
	})
	noError(o.t, err)
	var listeners server.Listeners
	listeners.GRPC, err = server.Listen("127.0.0.1:0", false)
	noError(o.t, err)
	listeners.HTTP, err = server.Listen("127.0.0.1:0", false)
	noError(o.t, err)
	ctx, stop := context.WithCancel(o.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, listeners) }()
	err = do(listeners.GRPC.Addr().String())
	stop()
	return errors.Join(err, <-ended)
}

// kept returns the stage of the office's cohort, how many arrivals it counts and how many spent codes are
// kept of any.
func (o *office) kept() (stage store.Stage, arrived, spent int) {
	o.t.Helper()
	noError(o.t, o.app().withStore(o.t.Context(), func(e *opened) error {
		return e.Snapshot(o.t.Context(), func(all store.Snapshot) error {
			stage, arrived = all.Cohorts[0].Stage, all.Counts[0].Pools[0].Arrived
			for _, err := range all.Spent {
				noError(o.t, err)
				spent++
			}
			return nil
		})
	}))
	return stage, arrived, spent
}

// What closing destroyed does not come back with a backup of before it: not the cohort, not its spent codes,
// and not even the key, should somebody have kept a copy of that.
func TestARestoreBringsNoClosedCohortBack(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string]struct {
		database func(t *testing.T) string
		// anew has the office restore to where nothing is, or to where it may.
		anew func(o *office) (restore []string)
	}{
		"embedded": {
			func(*testing.T) string { return "" },
			func(*office) []string { return []string{"restore", "--replace"} },
		},
		"PostgreSQL": {
			func(t *testing.T) string { return newDatabases.Database(t) },
			func(o *office) []string {
				o.postgres = newDatabases.Database(o.t)
				return []string{"restore"}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, codes := lastYear(t, kind.database(t))
			backup := filepath.Join(t.TempDir(), "backup")
			o.tool("backup", backup)
			key, err := os.ReadFile(o.cohortKey())
			noError(t, err)
			o.close()

			o.tool(append(kind.anew(o), backup)...)
			noError(t, os.WriteFile(o.cohortKey(), key, 0o600))
			if stage, arrived, spent := o.kept(); stage != store.StageOpen || arrived != 1 || spent != 1 {
				t.Fatalf("what was restored is a cohort that is %s, with %d arrived and %d spent codes", stage, arrived, spent)
			}

			c := o.serve()
			c.ready()
			if _, err := os.Stat(o.cohortKey()); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the key is there again: %v", err)
			}
			desk := clientOf(c.dial(), o.intake[0])
			for _, code := range codes {
				if _, err := desk.Confirm(t.Context(), code, 0); exitCode(err) != exitRefused {
					t.Errorf("its code is not refused: %v", err)
				}
			}
			c.stop()
			if stage, arrived, spent := o.kept(); stage != store.StageClosed || arrived != 1 || spent != 0 {
				t.Errorf("the cohort is %s, with %d arrived and %d spent codes", stage, arrived, spent)
			}
			if acts := o.acts("cohort.close"); len(acts) == 0 || slices.ContainsFunc(acts, func(a store.Act) bool { return a.By != store.ByServer }) {
				t.Errorf("who closed it again is recorded as %+v", acts)
			}

			// By now the backup cannot be read any more, by anyone.
			_, err = o.try(append(kind.anew(o), backup)...)
			if exitCode(err) != exitFailed || !errors.Is(err, sqlite.ErrKey) {
				t.Errorf("the old backup can still be restored: %v", err)
			}
		})
	}
}

// acts returns what is recorded of an action.
func (o *office) acts(action string) (found []store.Act) {
	o.t.Helper()
	noError(o.t, o.app().withStore(o.t.Context(), func(e *opened) error {
		return store.EachAct(o.t.Context(), e, 0, func(act store.Act) error {
			if act.Action == action {
				found = append(found, act)
			}
			return nil
		})
	}))
	return found
}

func (o *office) close() {
	o.t.Helper()
	o.tool("cohort", "close", strconv.Itoa(o.year), "--yes", "--early", "--accept-withheld", "--escrow-destroyed")
}

// Servers of one database share the key folder. Whichever makes the first backup makes its key.
func TestBackupsAtOnceHaveOneKey(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	o := &office{t: t, folder: filepath.Join(folder, "data"), postgres: newDatabases.Database(t)}
	o.addCentres()
	backup := func(i int) string { return filepath.Join(folder, fmt.Sprint("backup", i)) }
	var wait sync.WaitGroup
	for i := range 4 {
		wait.Go(func() {
			if _, err := o.try("backup", backup(i)); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	for i := range 4 {
		o.postgres = newDatabases.Database(t)
		o.tool("restore", backup(i))
	}
}

// Where no backup was made yet, closing a cohort changes a key that is not there.
func TestTheFirstBackupAfterAClosingHasTheKeyThatIsKept(t *testing.T) {
	t.Parallel()
	o, _ := lastYear(t, newDatabases.Database(t))
	o.close()
	backup := filepath.Join(t.TempDir(), "backup")
	o.tool("backup", backup)
	o.storeKey()
	if _, err := os.Stat(o.keyPath("store.key")); err != nil {
		t.Error(err)
	}
	o.postgres = newDatabases.Database(t)
	o.tool("restore", backup)
	if stage, arrived, _ := o.kept(); stage != store.StageClosed || arrived != 1 {
		t.Errorf("the cohort is %s, with %d arrived", stage, arrived)
	}
}

// Commands on the database change the key that closing a cohort of the embedded store retired.
func TestTheEmbeddedStoreIsReadableAfterAMoveToADatabase(t *testing.T) {
	t.Parallel()
	o, _ := lastYear(t, "")
	o.close()
	o.postgres = newDatabases.Database(t)
	o.tool("centre", "list")
	o.postgres = ""
	if stage, arrived, _ := o.kept(); stage != store.StageClosed || arrived != 1 {
		t.Errorf("the cohort is %s, with %d arrived", stage, arrived)
	}
}
