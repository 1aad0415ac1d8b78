package access

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"aankomst/server/store"
	"aankomst/server/store/sqlite"
)

// openStore opens an empty store in a temporary folder.
func openStore(t *testing.T) store.Store {
	t.Helper()
	path, key := filepath.Join(t.TempDir(), "aankomst.db"), [32]byte{1}
	if _, err := sqlite.Migrate(t.Context(), path, key); err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(t.Context(), path, key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// clock tells a time that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

// clockAt returns a clock that stands at a moment, written as RFC 3339.
func clockAt(t *testing.T, moment string) *clock {
	t.Helper()
	return &clock{now: at(t, moment)}
}

func (c *clock) time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(by)
}

func (c *clock) set(t *testing.T, moment string) {
	t.Helper()
	now := at(t, moment)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}

func at(t *testing.T, text string) time.Time {
	t.Helper()
	moment, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return moment
}

// counts is a store.Limits in memory, for tests that need no more of a store.
type counts struct {
	mu      sync.Mutex
	centres map[string]store.WrongCodes
	failure error
	// onAdd is called before a wrong code is counted.
	onAdd func(context.Context)
}

func newCounts() *counts { return &counts{centres: map[string]store.WrongCodes{}} }

func (c *counts) WrongCodes(ctx context.Context, centre string) (store.WrongCodes, error) {
	if err := ctx.Err(); err != nil {
		return store.WrongCodes{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.centres[centre], c.failure
}

func (c *counts) AddWrongCode(ctx context.Context, centre, day string, quarter time.Time) (store.WrongCodes, error) {
	if c.onAdd != nil {
		c.onAdd(ctx)
	}
	if err := ctx.Err(); err != nil {
		return store.WrongCodes{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failure != nil {
		return store.WrongCodes{}, c.failure
	}
	wrong := c.centres[centre]
	if day > wrong.Day {
		wrong.Day, wrong.InDay = day, 0
	}
	if quarter.After(wrong.Quarter) {
		wrong.Quarter, wrong.InQuarter = quarter, 0
	}
	wrong.InDay++
	wrong.InQuarter++
	c.centres[centre] = wrong
	return wrong, nil
}
