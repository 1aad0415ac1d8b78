package cohort

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"aankomst/server/calendar"
	"aankomst/server/store"
)

// GoneAfter is how long a process that holds a key may be silent before it is taken to be gone, and its
// copy of the key with it. A process that lives says so every BeatEvery.
const (
	GoneAfter = 10 * time.Minute
	BeatEvery = time.Minute
)

// CloseOptions are the explicit words that closing asks for.
type CloseOptions struct {
	// Early closes before ClosesFrom: codes that are still out can never be confirmed.
	Early bool
	// AcceptWithheld goes on although the final release shows nothing.
	AcceptWithheld bool
	// EscrowDestroyed says that the escrow copy has been destroyed, everywhere.
	EscrowDestroyed bool
}

// Destroys says, before anything is done, what closing a cohort destroys; plain lines for a person.
func Destroys(cohort store.Cohort) []string {
	return []string{
		fmt.Sprintf("the key of %d: codes of that year that are still out can never be confirmed, nor voided", cohort.Year),
		"the escrow copy of the key, which you destroy yourself",
		"the list of spent codes: nobody can tell any more whether a given code was confirmed",
		"the way back: a closed cohort cannot be opened again, and a restored backup is closed again",
	}
}

// CloseWarning says in words that a cohort which is still open is due to be closed; it is empty when it
// is not.
func CloseWarning(cohort store.Cohort, now time.Time) string {
	from := calendar.ClosesFrom(cohort.Year)
	if cohort.Stage != store.StageOpen || now.Before(from) {
		return ""
	}
	return fmt.Sprintf("the cohort of %d can be closed since %s: aankomst cohort close %d --yes", cohort.Year, calendar.Day(from), cohort.Year)
}

// Close takes a cohort as far towards closed as it can be taken now, and returns the cohort and what
// it waits for: plain lines, none when the cohort is closed. It goes on where an earlier call stopped,
// whatever stopped it, and where another process that closes it at the same time is. Errors wrap
// ErrTooSoon, ErrKeyFolder or are the store's.
func (k *Keeper) Close(ctx context.Context, year int, options CloseOptions) (store.Cohort, []string, error) {
	k.turn.Lock()
	defer k.turn.Unlock()
	var outrun store.Stage // which another process was faster to leave
	alone := false
	for {
		cohort, err := k.Store.GetCohort(ctx, year)
		if err != nil {
			return store.Cohort{}, nil, err
		}
		if cohort.Stage == store.StageClosed {
			return cohort, nil, nil
		}
		if !alone && !before(cohort.Stage, store.StageAcknowledged) {
			// From here on files change. Another process may have changed them before it was our turn.
			endTurn, err := k.Folder.takeTurn(ctx)
			if err != nil {
				return cohort, nil, err
			}
			defer endTurn()
			alone = true
			continue
		}
		waitsFor, err := k.closeStep(ctx, cohort, options)
		if err != nil || waitsFor != "" {
			return cohort, nonEmpty(waitsFor), err
		}
		err = k.Store.AdvanceCohort(ctx, year, cohort.Stage, cohort.Stage.Next())
		switch {
		case errors.Is(err, store.ErrConflict) && cohort.Stage != outrun:
			outrun = cohort.Stage
		case errors.Is(err, store.ErrConflict):
			return cohort, nil, fmt.Errorf("the cohort of %d: %w; look at it again and repeat the closing, which goes on where it stopped", year, err)
		case err != nil:
			return cohort, nil, err
		}
	}
}

// closeStep does what a cohort needs before it may leave its stage, or says what that waits for. It
// may be repeated.
func (k *Keeper) closeStep(ctx context.Context, cohort store.Cohort, options CloseOptions) (waitsFor string, err error) {
	switch cohort.Stage {
	case store.StageOpen:
		now := k.Clock()
		if calendar.Year(now) <= cohort.Year {
			return "", fmt.Errorf("%w: the year %d is not over; close it from %s on", ErrTooSoon, cohort.Year, calendar.Day(calendar.ClosesFrom(cohort.Year)))
		}
		if !options.Early && now.Before(calendar.ClosesFrom(cohort.Year)) {
			return "", fmt.Errorf("%w: codes of %d are confirmed until %s; close it from %s on, or say that you mean to close it early",
				ErrTooSoon, cohort.Year, calendar.Day(calendar.ClosesFrom(cohort.Year).AddDate(0, 0, -1)), calendar.Day(calendar.ClosesFrom(cohort.Year)))
		}
	case store.StageClosing:
		withheld, err := k.Freeze(ctx, cohort)
		if err != nil {
			return "", err
		}
		if withheld && !options.AcceptWithheld {
			return "the final release shows nothing, and can never be made again: say that you accept that", nil
		}
	case store.StageReleased:
		return k.acknowledged(ctx, cohort.Year)
	case store.StageAcknowledged:
		return "", k.Folder.Destroy(cohort.Year)
	case store.StageKeyDestroyed:
		if !options.EscrowDestroyed {
			return "the escrow copy has to be destroyed, everywhere: do that, and say so", nil
		}
	case store.StageEscrowDestroyed:
		if err := k.RetireStoreKey(); err != nil {
			return "", err
		}
		return "", k.Folder.markClosed(cohort.Year)
	}
	return "", nil
}

// acknowledged drops this process's own copy of the key and looks for others. One that has been silent
// for long is taken to be gone.
func (k *Keeper) acknowledged(ctx context.Context, year int) (waitsFor string, err error) {
	k.Ring.Drop(year)
	if err := k.Store.Beat(ctx, k.Holder, k.Ring.Years()); err != nil {
		return "", err
	}
	holders, err := k.Store.Holders(ctx, year)
	if err != nil {
		return "", err
	}
	for _, holder := range holders {
		if holder.SilentFor < GoneAfter {
			return fmt.Sprintf("another server process (%s) still holds the key; it lets go within a minute, or is taken to be gone after %.0f minutes of silence",
				holder.Name, GoneAfter.Minutes()), nil
		}
	}
	return "", nil
}

// Reclose closes again every cohort that was closed here but which a restored backup shows otherwise:
// what was closed stays closed. One whose key was destroyed here, but whose closing was not over, is
// taken to where its key is destroyed, for Close to go on with. A key that was put back after it was
// destroyed, from a copy that should not have been, is destroyed again. It is to be called before the
// first Sync.
func (k *Keeper) Reclose(ctx context.Context) error {
	k.turn.Lock()
	defer k.turn.Unlock()
	cohorts, err := k.Store.ListCohorts(ctx)
	if err != nil {
		return err
	}
	for _, cohort := range cohorts {
		if err := k.reclose(ctx, cohort); err != nil {
			return err
		}
	}
	return nil
}

func (k *Keeper) reclose(ctx context.Context, cohort store.Cohort) error {
	closed, until := k.Folder.closed(cohort.Year), store.StageKeyDestroyed
	if closed {
		until = store.StageClosed
	}
	if !closed && !k.Folder.Destroyed(cohort.Year) && before(cohort.Stage, store.StageKeyDestroyed) {
		return nil
	}
	// A key that was put back goes again, and one that a crash left between the two.
	unfinished := before(cohort.Stage, until)
	if unfinished || k.Folder.hasKey(cohort.Year) || k.Folder.HasEscrow(cohort.Year) {
		endTurn, err := k.Folder.takeTurn(ctx)
		if err != nil {
			return err
		}
		err = k.Folder.Destroy(cohort.Year)
		endTurn()
		if err != nil {
			return err
		}
	}
	if !unfinished {
		return nil
	}
	if closed {
		if err := k.RetireStoreKey(); err != nil {
			return err
		}
	}
	for stage := cohort.Stage; before(stage, until); stage = stage.Next() {
		if err := k.Store.AdvanceCohort(ctx, cohort.Year, stage, stage.Next()); err != nil {
			return err
		}
	}
	return nil
}

// before reports whether a stage comes before another.
func before(a, b store.Stage) bool {
	return slices.Index(store.Stages, a) < slices.Index(store.Stages, b)
}

func nonEmpty(line string) []string {
	if line == "" {
		return nil
	}
	return []string{line}
}
