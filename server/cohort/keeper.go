package cohort

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"aankomst/server/store"
)

// Keeper opens cohorts, closes them, and sees to it that this process holds the keys of the open ones
// and of no other. It is safe for concurrent use.
type Keeper struct {
	Store  store.Store
	Folder *Folder
	Ring   *Keyring
	Clock  func() time.Time
	// Freeze makes the draft of a closed cohort's final release and reports whether it is withheld.
	// It may be called again after it succeeded. It must not call the Keeper.
	Freeze func(ctx context.Context, cohort store.Cohort) (withheld bool, err error)
	// RetireStoreKey marks that the store's own key is to be changed, so that old copies of the store,
	// which still hold the spent codes, cannot be read. It may be called again after it succeeded. It
	// must not call the Keeper.
	RetireStoreKey func() error
	// Holder names this process to the others that use the store.
	Holder string

	// Methods take turns: a Sync that began before a cohort was closed must not load its key again after.
	turn sync.Mutex
	// warnings are what the latest Sync with a beat said of key files.
	warnings atomic.Pointer[[]string]
}

// NewHolder returns a random name for a process.
func NewHolder() (string, error) {
	name := make([]byte, 8)
	if _, err := rand.Read(name); err != nil {
		return "", fmt.Errorf("drawing a process name: %w", err)
	}
	return hex.EncodeToString(name), nil
}

// Sync brings the keys held in line with the store: it loads those of open cohorts and drops all
// others. It says so in the store when beat is set, or when what is held changed. When beat is set it also
// sees whether the files of the keys held are still there, for KeyWarnings. An error is one of the
// store's, or wraps ErrNoKey, ErrKeyMismatch or ErrKeyFolder; keys that can be loaded are loaded all the
// same.
func (k *Keeper) Sync(ctx context.Context, beat bool) error {
	k.turn.Lock()
	defer k.turn.Unlock()
	return k.sync(ctx, beat)
}

// sync is Sync for those whose turn it is.
func (k *Keeper) sync(ctx context.Context, beat bool) error {
	cohorts, err := k.openCohorts(ctx)
	if err != nil {
		return err
	}
	held := k.Ring.Years()
	said := held
	isHeld := func(cohort store.Cohort) bool { return slices.Contains(held, cohort.Year) }
	if missing := slices.DeleteFunc(slices.Clone(cohorts), isHeld); len(missing) > 0 {
		// What is going to be held is said before, and the cohorts are looked at again after: otherwise
		// another process could see nobody hold the key, and destroy it, between the look and the loading.
		said = slices.Clone(held)
		for _, cohort := range missing {
			said = append(said, cohort.Year)
		}
		slices.Sort(said)
		if err := k.Store.Beat(ctx, k.Holder, said); err != nil {
			return err
		}
		if cohorts, err = k.openCohorts(ctx); err != nil {
			return err
		}
	}
	var failed []error
	for _, cohort := range cohorts {
		// One that was opened between the two looks has to wait for the next Sync.
		if isHeld(cohort) || !slices.Contains(said, cohort.Year) {
			continue
		}
		key, err := k.Folder.Load(cohort.Year)
		if err == nil {
			err = k.Ring.Load(cohort, key)
		}
		failed = append(failed, err)
	}
	for _, year := range held {
		if !slices.ContainsFunc(cohorts, func(cohort store.Cohort) bool { return cohort.Year == year }) {
			k.Ring.Drop(year)
		}
	}
	now := k.Ring.Years()
	if beat {
		k.lookAtFiles(slices.DeleteFunc(cohorts, func(cohort store.Cohort) bool { return !slices.Contains(now, cohort.Year) }))
	}
	if beat || !slices.Equal(said, now) {
		failed = append(failed, k.Store.Beat(ctx, k.Holder, now))
	}
	return errors.Join(failed...)
}

// lookAtFiles sees whether this process, which holds the keys of these cohorts, could start again. Nobody
// destroys the file of one meanwhile: closing waits until it is not held any more.
func (k *Keeper) lookAtFiles(cohorts []store.Cohort) {
	var warnings []string
	for _, cohort := range cohorts {
		key, err := k.Folder.Load(cohort.Year)
		if err == nil {
			err = key.matches(cohort)
			key.wipe()
		}
		if err == nil {
			continue
		}
		wrong := "is not the right one, is damaged or can be read by others"
		if errors.Is(err, ErrNoKey) {
			wrong = "is missing"
		}
		warnings = append(warnings, fmt.Sprintf("the key file of %d %s: put it right, from its escrow copy if need be, while this server runs, which could not start again (docs/operations.md, Restoring a key)",
			cohort.Year, wrong))
	}
	k.warnings.Store(&warnings)
}

// KeyWarnings says in words which key files the latest Sync with a beat found missing, or not to be those
// of the keys held: the process goes on with what it has in memory, but could not start again.
func (k *Keeper) KeyWarnings() []string {
	if warnings := k.warnings.Load(); warnings != nil {
		return *warnings
	}
	return nil
}

// openCohorts returns the cohorts whose keys this process should hold.
func (k *Keeper) openCohorts(ctx context.Context) ([]store.Cohort, error) {
	cohorts, err := k.Store.ListCohorts(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(cohorts, func(cohort store.Cohort) bool { return cohort.Stage != store.StageOpen }), nil
}

// Leave drops every key and says so in the store.
func (k *Keeper) Leave(ctx context.Context) error {
	k.turn.Lock()
	defer k.turn.Unlock()
	for _, year := range k.Ring.Years() {
		k.Ring.Drop(year)
	}
	return k.Store.Beat(ctx, k.Holder, nil)
}
