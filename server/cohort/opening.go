package cohort

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"aankomst/refcode"
	"aankomst/server/calendar"
	"aankomst/server/store"
)

var (
	// ErrPlan is wrapped when a cohort cannot be opened as asked; the message says what to change.
	ErrPlan = errors.New("the cohort cannot be opened like this")
	// ErrTooSoon is wrapped when a cohort cannot be opened or closed yet; the message says from when.
	ErrTooSoon = errors.New("too soon")
)

// Plan is a cohort to be opened.
type Plan struct {
	Year   int
	Layout refcode.Layout
	// Pools are numbered as listed, from 1. Empty: DefaultPools.
	Pools []PoolPlan
	// Expected is how many referrals the year is expected to have. Used when Pools is empty.
	Expected int
	// Recipients can open the escrow copy.
	Recipients []string
}

// PoolPlan is a pool to be frozen with a cohort.
type PoolPlan struct {
	Name    string
	Centres []string
	// Expected is how many referrals the pool is expected to have in the year.
	Expected int
}

// Open opens a cohort: it makes the key, writes the escrow copy, freezes the pools and takes the key
// into use. Cut short by a crash, it can be called again. Of several that open one at once, on whatever
// machines, one does, and the others leave nothing behind. Errors wrap ErrPlan, ErrTooSoon, ErrStated,
// ErrRecipient, ErrKeyFolder, store.ErrExists or are others of the store's.
func (k *Keeper) Open(ctx context.Context, plan Plan) (store.Cohort, error) {
	k.turn.Lock()
	defer k.turn.Unlock()
	now := k.Clock()
	switch {
	case plan.Year < calendar.Year(now):
		return store.Cohort{}, fmt.Errorf("%w: the year %d is over; open %d", ErrPlan, plan.Year, calendar.Year(now))
	case plan.Year > 9999:
		return store.Cohort{}, fmt.Errorf("%w: %d is no year", ErrPlan, plan.Year)
	case now.Before(calendar.OpensFrom(plan.Year)):
		return store.Cohort{}, fmt.Errorf("%w: the cohort of %d can be opened from %s", ErrTooSoon, plan.Year, calendar.Day(calendar.OpensFrom(plan.Year)))
	case !plan.Layout.Valid():
		return store.Cohort{}, fmt.Errorf("%w: choose the short or the long layout", ErrPlan)
	case len(plan.Recipients) == 0:
		return store.Cohort{}, fmt.Errorf("%w: name at least one escrow recipient; without the escrow copy a lost key file loses every outstanding code", ErrPlan)
	}
	// Known first, so that a year that has its cohort, or may have none, touches no key file.
	if err := k.unopened(ctx, plan.Year); err != nil {
		return store.Cohort{}, err
	}
	if err := k.unstated(ctx, plan.Year); err != nil {
		return store.Cohort{}, err
	}
	centres, err := k.Store.ListCentres(ctx)
	if err != nil {
		return store.Cohort{}, err
	}
	if len(plan.Pools) == 0 {
		plan.Pools = DefaultPools(centres, plan.Expected)
	}
	if err := checkPools(plan.Pools, centres); err != nil {
		return store.Cohort{}, err
	}
	// Known before there is a key, so that a plan that is refused leaves none behind.
	if _, err := parseRecipients(plan.Recipients); err != nil {
		return store.Cohort{}, err
	}
	return k.open(ctx, plan, calendar.Day(now))
}

// open opens a cohort as planned, unless another process does so first.
func (k *Keeper) open(ctx context.Context, plan Plan, day string) (store.Cohort, error) {
	endTurn, err := k.Folder.takeTurn(ctx)
	if err != nil {
		return store.Cohort{}, err
	}
	defer endTurn()
	if err := k.unopened(ctx, plan.Year); err != nil {
		return store.Cohort{}, err
	}
	drawn, err := GenerateKey(plan.Year)
	if err != nil {
		return store.Cohort{}, err
	}
	key, err := k.Folder.Create(drawn)
	if err != nil {
		return store.Cohort{}, err
	}
	digest, err := k.Folder.WriteEscrow(key, plan.Recipients)
	if err != nil {
		return store.Cohort{}, err
	}
	cohort := store.Cohort{
		Year: plan.Year, Layout: uint8(plan.Layout), PublicKey: key.PublicKey(), Stage: store.StageOpen,
		OpenedOn:         day,
		EscrowRecipients: plan.Recipients, EscrowDigest: digest,
	}
	for i, pool := range plan.Pools {
		centres := slices.Clone(pool.Centres)
		slices.Sort(centres)
		cohort.Pools = append(cohort.Pools, store.Pool{Number: uint32(i + 1), Name: pool.Name, Centres: centres})
	}
	if err := k.Store.CreateCohort(ctx, cohort); err != nil {
		return store.Cohort{}, errors.Join(err, k.withdraw(ctx, cohort, err, key == drawn))
	}
	return cohort, errors.Join(k.Folder.keepEscrow(cohort.Year, digest), k.sync(ctx, true))
}

// unopened returns an error that wraps store.ErrExists when a year has its cohort, so that its key file is not
// touched. What openings that were cut short before left behind is removed then.
func (k *Keeper) unopened(ctx context.Context, year int) error {
	cohort, err := k.Store.GetCohort(ctx, year)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil:
		return err
	default:
		return errors.Join(fmt.Errorf("the cohort of %d %w", year, store.ErrExists), k.Folder.keepEscrow(year, cohort.EscrowDigest))
	}
}

// withdraw removes what was written for a cohort that the store refused: the escrow copy, and the key that was
// drawn for it when the cohort was opened with another, in a folder of another machine. A key for which there is
// no cohort stays, as another opening may have found it and be about to store it; and so does all of what may have
// been stored after all.
func (k *Keeper) withdraw(ctx context.Context, cohort store.Cohort, refused error, drawn bool) error {
	if errors.Is(refused, store.ErrUnavailable) {
		return nil
	}
	if err := k.Folder.remove(EscrowFile(cohort.Year, cohort.EscrowDigest)); err != nil {
		return err
	}
	if !drawn || !errors.Is(refused, store.ErrExists) {
		return nil
	}
	stored, err := k.Store.GetCohort(ctx, cohort.Year)
	if err != nil || bytes.Equal(stored.PublicKey, cohort.PublicKey) {
		return err
	}
	return k.Folder.remove(KeyFile(cohort.Year))
}

// AddCentre adds a centre that joined during the year to a pool of an open cohort. Errors wrap ErrPlan for
// an archived centre, or are those of store.Cohorts.AddToPool.
func (k *Keeper) AddCentre(ctx context.Context, year int, pool uint32, id string) error {
	centre, err := k.Store.GetCentre(ctx, id)
	if err != nil {
		return err
	}
	if centre.Archived {
		return fmt.Errorf("%w: the centre %q is archived", ErrPlan, id)
	}
	return k.Store.AddToPool(ctx, year, pool, id)
}

// OpenWarning says in words that the next cohort has yet to be opened, from 1 December on, or that the
// running year has none; it is empty when all is well.
func OpenWarning(cohorts []store.Cohort, now time.Time) string {
	has := func(year int) bool {
		return slices.ContainsFunc(cohorts, func(c store.Cohort) bool { return c.Year == year })
	}
	year := calendar.Year(now)
	switch {
	case !has(year):
		return fmt.Sprintf("there is no cohort for %d, so no code can be issued: open it", year)
	case !now.Before(calendar.OpensFrom(year+1)) && !has(year+1):
		return fmt.Sprintf("the cohort of %d is not open yet: open it before the new year", year+1)
	default:
		return ""
	}
}
