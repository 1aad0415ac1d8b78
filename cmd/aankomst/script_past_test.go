package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"aankomst/refcode"
	"aankomst/server"
	"aankomst/server/calendar"
	"aankomst/server/cohort"
	"aankomst/server/release"
	"aankomst/server/store"
	"aankomst/server/store/sqlite"
)

// past is an embedded store at a moment of the past. What scripts need of it is made here, since the
// commands know no other time than now. Scripts run it as a process of its own, like the commands.
type past struct {
	store  *sqlite.Store
	keeper *cohort.Keeper
	now    time.Time
}

// must ends the process when something failed.
func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "making the past:", err)
		os.Exit(1)
	}
}

func openPast(data string) *past {
	p := new(past)
	must(os.MkdirAll(data, 0o700))
	folder, err := cohort.OpenFolder(filepath.Join(data, "keys"))
	must(err)
	key, err := folder.NewStoreKey()
	must(err)
	path := filepath.Join(data, storeFile)
	_, err = sqlite.Migrate(context.Background(), path, key)
	must(err)
	p.store, err = sqlite.Open(context.Background(), path, key)
	must(err)
	for _, id := range []string{"cgg-a", "cgg-b", "cgg-c"} {
		must(p.store.CreateCentre(context.Background(), store.Centre{ID: id, Name: "CGG " + id, Type: store.TypeCGG}))
	}
	p.keeper, err = server.NewKeeper(p.store, folder, release.Current, func() time.Time { return p.now })
	must(err)
	return p
}

func (p *past) at(year int, month time.Month, day int) {
	p.now = time.Date(year, month, day, 12, 0, 0, 0, calendar.Brussels)
}

// onePool is the pool of a small helpline.
var onePool = cohort.PoolPlan{Name: "CGG", Expected: 30, Centres: []string{"cgg-a", "cgg-b", "cgg-c"}}

// open opens the cohort of a year, on its second day.
func (p *past) open(year int, pools ...cohort.PoolPlan) {
	p.at(year, time.January, 2)
	_, err := p.keeper.Open(context.Background(), cohort.Plan{
		Year: year, Layout: refcode.Short, Recipients: []string{os.Getenv("RECIPIENT")}, Pools: pools,
	})
	must(err)
}

// count counts referrals and arrivals of a pool, as if codes had been issued and confirmed.
func (p *past) count(year int, pool uint32, issued, arrived int) {
	var entries []store.Entry
	for range issued {
		entries = append(entries, store.Entry{Kind: store.Issue, Year: year, Pool: pool})
	}
	for i := range arrived {
		entries = append(entries, store.Entry{Kind: store.Arrive, Year: year, Pool: pool, Nullifier: store.Nullifier{byte(i), byte(pool)}})
	}
	_, err := p.store.Record(context.Background(), entries)
	must(err)
}

// publish closes the cohort of a year when it can be closed, and publishes its final release after last.
func (p *past) publish(year int, last *store.Release) *store.Release {
	p.at(year+1, time.July, 1)
	_, waitsFor, err := p.keeper.Close(context.Background(), year, cohort.CloseOptions{EscrowDestroyed: true})
	must(err)
	if len(waitsFor) > 0 {
		must(fmt.Errorf("closing %d waits for %q", year, waitsFor))
	}
	drafts, err := p.store.ListDrafts(context.Background(), year)
	must(err)
	for _, draft := range drafts {
		if draft.CutOff == store.CutOffFinal {
			next, err := release.Publish(draft, last, calendar.Day(p.now))
			must(errors.Join(err, p.store.AppendRelease(context.Background(), next)))
			return &next
		}
	}
	must(fmt.Errorf("there is no final draft of %d", year))
	return nil
}

func (p *past) close() {
	must(errors.Join(p.keeper.Leave(context.Background()), p.store.Close()))
}

// pastCohort makes a data folder with the open cohort of a year.
func pastCohort() {
	year, err := strconv.Atoi(os.Args[2])
	must(err)
	p := openPast(os.Args[1])
	p.open(year, onePool)
	p.close()
}

// pastReleases makes a data folder with the releases of three years.
func pastReleases() {
	p := openPast(os.Args[1])
	var last *store.Release
	for _, year := range []struct{ year, issued, arrived int }{{2017, 35, 26}, {2018, 46, 35}, {2019, 55, 43}} {
		p.open(year.year, onePool)
		p.count(year.year, 1, year.issued, year.arrived)
		last = p.publish(year.year, last)
	}
	p.close()
}

// pastPools makes a data folder with the final release of a year that had a large pool, a small one and one
// that is too small to be shown.
func pastPools() {
	year, err := strconv.Atoi(os.Args[2])
	must(err)
	p := openPast(os.Args[1])
	pools := []cohort.PoolPlan{onePool, {Name: "CAW", Expected: 40}, {Name: "UFC", Expected: 25}}
	for _, centre := range []struct {
		id   string
		kind store.CentreType
		pool int
	}{
		{"cgg-d", store.TypeCGG, 0}, {"cgg-e", store.TypeCGG, 0}, {"cgg-f", store.TypeCGG, 0},
		{"caw-a", store.TypeCAW, 1}, {"caw-b", store.TypeCAW, 1}, {"caw-c", store.TypeCAW, 1},
		{"ufc-a", store.TypeUFC, 2}, {"ufc-b", store.TypeUFC, 2}, {"ufc-c", store.TypeUFC, 2},
	} {
		must(p.store.CreateCentre(context.Background(), store.Centre{ID: centre.id, Name: centre.id, Type: centre.kind}))
		pools[centre.pool].Centres = append(pools[centre.pool].Centres, centre.id)
	}
	p.open(year, pools...)
	p.count(year, 1, 70, 50)
	p.count(year, 2, 40, 25)
	p.count(year, 3, 12, 8)
	p.publish(year, nil)
	p.close()
}
