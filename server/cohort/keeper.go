package cohort

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"aankomst/server/store"
)

// Keeper opens cohorts, closes them, and sees to it that this process holds the keys of the open ones
// and of no other.
type Keeper struct {
	Store  store.Store
	Folder *Folder
	Ring   *Keyring
	Clock  func() time.Time
	// Freeze makes the draft of a closed cohort's final release and reports whether it is withheld.
	// It may be called again after it succeeded.
	Freeze func(ctx context.Context, cohort store.Cohort) (withheld bool, err error)
	// RetireStoreKey marks that the store's own key is to be changed, so that old copies of the store,
	// which still hold the spent codes, cannot be read. It may be called again after it succeeded.
	RetireStoreKey func() error
	// Holder names this process to the others that use the store.
	Holder string
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
// others. It says so in the store when beat is set, or when what is held changed. An error is one of
// the store's, or wraps ErrNoKey, ErrKeyMismatch or ErrKeyFolder; keys that can be loaded are loaded
// all the same.
func (k *Keeper) Sync(ctx context.Context, beat bool) error {
	cohorts, err := k.Store.ListCohorts(ctx)
	if err != nil {
		return err
	}
	held := k.Ring.Years()
	var open []int
	var failed []error
	for _, cohort := range cohorts {
		if cohort.Stage != store.StageOpen {
			continue
		}
		open = append(open, cohort.Year)
		if slices.Contains(held, cohort.Year) {
			continue
		}
		key, err := k.Folder.Load(cohort.Year)
		if err == nil {
			err = k.Ring.Load(cohort, key)
		}
		failed = append(failed, err)
	}
	for _, year := range held {
		if !slices.Contains(open, year) {
			k.Ring.Drop(year)
		}
	}
	if now := k.Ring.Years(); beat || !slices.Equal(held, now) {
		failed = append(failed, k.Store.Beat(ctx, k.Holder, now, k.Clock()))
	}
	return errors.Join(failed...)
}

// Leave drops every key and says so in the store.
func (k *Keeper) Leave(ctx context.Context) error {
	for _, year := range k.Ring.Years() {
		k.Ring.Drop(year)
	}
	return k.Store.Beat(ctx, k.Holder, nil, k.Clock())
}
