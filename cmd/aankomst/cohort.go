package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"aankomst/refcode"
	"aankomst/server"
	"aankomst/server/cohort"
	"aankomst/server/release"
	"aankomst/server/store"
)

type cohortCmd struct {
	Plan      cohortPlanCmd      `cmd:"" help:"Advise which pools to keep, merge and split in the next cohort."`
	Open      cohortOpenCmd      `cmd:"" help:"Open the cohort of a year: make its key and freeze its pools."`
	List      cohortListCmd      `cmd:"" help:"List the cohorts with their fingerprints."`
	AddCentre cohortAddCentreCmd `cmd:"" help:"Add a centre that joined during the year to a pool."`
	Close     cohortCloseCmd     `cmd:"" help:"Close a cohort for good, and destroy its key."`
}

type cohortPlanCmd struct{}

// Help is shown below the command's usage.
func (cohortPlanCmd) Help() string {
	return strings.TrimSpace(`
It reads the latest final release that is published and the list of centres, and nothing else, so that it tells nothing
that everybody cannot know. What each pool expects is for you to say when the cohort is opened.`)
}

// adviceView is a piece of advice for scripts.
type adviceView struct {
	Verdict string        `json:"verdict"`
	Pools   []uint32      `json:"pools"`
	Into    []plannedView `json:"into,omitempty"`
	Reason  string        `json:"reason"`
}

type plannedView struct {
	Name    string   `json:"name"`
	Centres []string `json:"centres"`
}

// Run advises about pools.
func (cohortPlanCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(e *opened) error {
		last, all, err := server.PlanPools(ctx, e, release.Current)
		if errors.Is(err, release.ErrNoFinal) {
			return fmt.Errorf("%w: %w", errRefused, err)
		}
		if err != nil {
			return err
		}
		result := struct {
			Cohort  int          `json:"cohort"`
			Release int          `json:"release"`
			Advice  []adviceView `json:"advice"`
		}{Cohort: last.Cohort, Release: last.Number}
		var rows []string
		for _, advice := range all {
			view := adviceView{Verdict: string(advice.Verdict), Pools: advice.Pools, Reason: advice.Reason}
			var numbers, into []string
			for _, number := range advice.Pools {
				numbers = append(numbers, fmt.Sprint(number))
			}
			for _, pool := range advice.Into {
				view.Into = append(view.Into, plannedView(pool))
				into = append(into, fmt.Sprintf("%s (%s)", pool.Name, strings.Join(pool.Centres, ", ")))
			}
			result.Advice = append(result.Advice, view)
			rows = append(rows, strings.Join([]string{view.Verdict, strings.Join(numbers, ", "), strings.Join(into, "; "), view.Reason}, "\t"))
		}
		if !a.JSON {
			fmt.Fprintf(a.out, "By release %d, the final one of %d:\n", last.Number, last.Cohort)
		}
		return a.table(result, "ADVICE\tPOOLS\tNEW POOLS\tWHY", rows, "")
	})
}

type cohortOpenCmd struct {
	Year     int      `arg:"" help:"The calendar year."`
	Escrow   []string `help:"Who can open the one escrow copy of the key: an age recipient (age1...). Repeat for more." placeholder:"RECIPIENT" required:""`
	Expected int      `help:"How many referrals the year is expected to have, for the default pools: 25 for each." placeholder:"N"`
	Pool     []string `help:"A pool: NAME:EXPECTED:CENTRE,CENTRE,CENTRE. Repeat for more. By default: one for each type that has three centres, the rest together." placeholder:"POOL" sep:"none"`
	Long     bool     `help:"Codes of 20 symbols, for more than 10,000 a year and pool."`
}

// Help is shown below the command's usage.
func (cohortOpenCmd) Help() string {
	return strings.TrimSpace(`
The codes of a pool hide each other, so a pool has at least three centres and expects at least 25 referrals. Pools are
frozen: a centre can be added later, none moves. The next year's cohort can be opened from 1 December.

The escrow copy is written to the key folder, encrypted to its recipients (make one with age-keygen). Move it to where
only they have it: without it, a lost key file loses every code that is out; it must be destroyed when the cohort is
closed. Read the fingerprint that is printed to the people who issue codes, outside the system.`)
}

// Run opens a cohort.
func (c cohortOpenCmd) Run(ctx context.Context, a *app) error {
	plan := cohort.Plan{Year: c.Year, Layout: refcode.Short, Expected: c.Expected, Recipients: c.Escrow}
	if c.Long {
		plan.Layout = refcode.Long
	}
	if len(c.Pool) == 0 && c.Expected == 0 {
		return fmt.Errorf("%w: say --expected, how many referrals the year is expected to have, or name each --pool", errUsage)
	}
	for _, text := range c.Pool {
		parts := strings.SplitN(text, ":", 3)
		if len(parts) != 3 {
			return fmt.Errorf("%w: a pool is NAME:EXPECTED:CENTRE,CENTRE,CENTRE; not %q", errUsage, text)
		}
		expected, err := strconv.Atoi(strings.TrimSpace(parts[1]))
		if err != nil {
			return fmt.Errorf("%w: %q is not a number of expected referrals", errUsage, parts[1])
		}
		pool := cohort.PoolPlan{Name: strings.TrimSpace(parts[0]), Expected: expected}
		for centre := range strings.SplitSeq(parts[2], ",") {
			pool.Centres = append(pool.Centres, strings.TrimSpace(centre))
		}
		plan.Pools = append(plan.Pools, pool)
	}
	return a.withKeeper(ctx, func(keeper *cohort.Keeper) error {
		opened, err := keeper.Open(ctx, plan)
		if err != nil {
			return err
		}
		escrow := keeper.Folder.Path(cohort.EscrowFile(c.Year, opened.EscrowDigest))
		view := viewCohort(opened, time.Now())
		view.EscrowFile = escrow
		return a.print(view, "The cohort of %d is open. Pools: %d.\nFingerprint:  %s\nEscrow copy:  %s\nMove the escrow copy to where only its recipients have it.",
			c.Year, len(opened.Pools), view.Fingerprint, escrow)
	})
}

// withKeeper runs a command with a keeper of the store's cohorts, which lets go of every key
// when it is done.
func (a *app) withKeeper(ctx context.Context, command func(*cohort.Keeper) error) error {
	return a.withStore(ctx, func(e *opened) error {
		keeper, err := e.keeper()
		if err != nil {
			return err
		}
		return errors.Join(command(keeper), keeper.Leave(context.WithoutCancel(ctx)))
	})
}

// cohortView is a cohort for people and scripts.
type cohortView struct {
	Year        int        `json:"year"`
	State       string     `json:"state"`
	Symbols     int        `json:"symbols"`
	Fingerprint string     `json:"fingerprint"`
	Pools       []poolView `json:"pools"`
	EscrowFile  string     `json:"escrowFile,omitempty"`
}

type poolView struct {
	Number  uint32   `json:"number"`
	Name    string   `json:"name"`
	Centres []string `json:"centres"`
}

func viewCohort(c store.Cohort, now time.Time) cohortView {
	directory := cohort.DirectoryOf(c)
	view := cohortView{
		Year: c.Year, State: cohort.StateAt(c, now).String(), Symbols: directory.Layout.Symbols(),
		Fingerprint: directory.Fingerprint().Text(),
	}
	for _, pool := range c.Pools {
		view.Pools = append(view.Pools, poolView{pool.Number, pool.Name, pool.Centres})
	}
	return view
}

type cohortListCmd struct{}

// Run lists the cohorts.
func (cohortListCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(e *opened) error {
		cohorts, err := e.ListCohorts(ctx)
		if err != nil {
			return err
		}
		views, rows := []cohortView{}, []string{}
		for _, c := range cohorts {
			view := viewCohort(c, e.clock())
			var pools []string
			for _, pool := range view.Pools {
				pools = append(pools, fmt.Sprintf("%d %s (%s)", pool.Number, pool.Name, strings.Join(pool.Centres, ", ")))
			}
			views = append(views, view)
			rows = append(rows, fmt.Sprintf("%d\t%s\t%s\t%s", view.Year, view.State, view.Fingerprint, strings.Join(pools, "; ")))
		}
		return a.table(views, "YEAR\tSTATE\tFINGERPRINT\tPOOLS", rows, "There is no cohort yet. Open one: aankomst cohort open --help")
	})
}

type cohortAddCentreCmd struct {
	Year   int    `arg:"" help:"The cohort's year." json:"year"`
	Pool   uint32 `arg:"" help:"The pool's number." json:"pool"`
	Centre string `arg:"" help:"The centre's id." json:"centre"`
}

// Run adds a centre to a pool.
func (c cohortAddCentreCmd) Run(ctx context.Context, a *app) error {
	return a.withKeeper(ctx, func(keeper *cohort.Keeper) error {
		err := keeper.AddCentre(ctx, c.Year, c.Pool, c.Centre)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return fmt.Errorf("%w: there is no such centre, or no such pool of a cohort of %d; see aankomst cohort list", err, c.Year)
		case errors.Is(err, store.ErrExists):
			return fmt.Errorf("%s is in a pool of %d already, and none moves: %w", c.Centre, c.Year, err)
		case errors.Is(err, store.ErrConflict):
			return fmt.Errorf("%w: the cohort of %d is closed", errRefused, c.Year)
		case err != nil:
			return err
		}
		return a.print(c, "%s is in pool %d of %d now.", c.Centre, c.Pool, c.Year)
	})
}

type cohortCloseCmd struct {
	Year            int  `arg:"" help:"The cohort's year."`
	DryRun          bool `help:"Only say what would be destroyed."`
	Yes             bool `help:"Close it. Without this word only what would be destroyed is said."`
	Early           bool `help:"Close before 1 July of the year after, although codes that are out can then never be confirmed."`
	AcceptWithheld  bool `help:"Go on although the final release shows nothing."`
	EscrowDestroyed bool `help:"The escrow copy has been destroyed, everywhere."`
}

// Help is shown below the command's usage.
func (cohortCloseCmd) Help() string {
	return "Closing cannot be undone. It can be interrupted at any point and goes on when it is called again; it says what it\nwaits for. The counts stay, and the final release can be published afterwards."
}

// Run closes a cohort as far as it can be closed now.
func (c cohortCloseCmd) Run(ctx context.Context, a *app) error {
	return a.withKeeper(ctx, func(keeper *cohort.Keeper) error {
		found, err := keeper.Store.GetCohort(ctx, c.Year)
		if err != nil {
			return fmt.Errorf("the cohort of %d: %w", c.Year, err)
		}
		result := struct {
			Cohort   cohortView `json:"cohort"`
			Destroys []string   `json:"destroys"`
			WaitsFor []string   `json:"waitsFor,omitempty"`
		}{Destroys: cohort.Destroys(found)}
		if c.DryRun || !c.Yes {
			result.Cohort = viewCohort(found, keeper.Clock())
			return a.print(result, "Closing the cohort of %d destroys:\n- %s\nNothing was done. Say --yes to close it.",
				c.Year, strings.Join(result.Destroys, "\n- "))
		}
		a.progress("Closing the cohort of %d...", c.Year)
		found, result.WaitsFor, err = keeper.Close(ctx, c.Year, cohort.CloseOptions{
			Early: c.Early, AcceptWithheld: c.AcceptWithheld, EscrowDestroyed: c.EscrowDestroyed,
		})
		if err != nil {
			return err
		}
		result.Cohort = viewCohort(found, keeper.Clock())
		if len(result.WaitsFor) > 0 {
			return errors.Join(
				a.print(result, "The cohort of %d is being closed. It waits:\n- %s", c.Year, strings.Join(result.WaitsFor, "\n- ")),
				fmt.Errorf("%w: call it again when that is done, saying --accept-withheld or --escrow-destroyed where it asks for your word", errRefused))
		}
		return a.print(result, "The cohort of %d is closed for good. The store's own key changes when the server starts next.", c.Year)
	})
}
