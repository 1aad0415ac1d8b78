package access

import (
	"context"
	"errors"
	"path/filepath"
	"reflect"
	"sync"
	"testing"
	"time"

	"aankomst/server/store"
	"aankomst/server/store/sqlite"
)

// openStore opens an empty store in a temporary folder.
func openStore(t testing.TB) store.Store {
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

// authenticate goes through a door of its own, at a moment.
func authenticate(t *testing.T, tokens store.Tokens, secret string, now time.Time) (Principal, error) {
	t.Helper()
	door := NewDoor(tokens, func() time.Time { return now })
	defer door.Close()
	return door.Authenticate(t.Context(), Credentials{Bearer: secret}, "")
}

// isNobody reports whether a principal tells nothing.
func isNobody(p Principal) bool { return reflect.ValueOf(p).IsZero() }

// readable is a store.Limits whose counts can be read for an attempt, as a door reads them.
type readable interface {
	store.Limits
	WrongCodes(ctx context.Context, centre string) (store.WrongCodes, error)
}

// storedLimits are those of a store with a centre "a".
type storedLimits struct {
	store.Store
	hash [32]byte // of a token of that centre
}

func openLimits(t *testing.T) storedLimits {
	t.Helper()
	s := storedLimits{Store: openStore(t), hash: [32]byte{1}}
	err := errors.Join(
		s.CreateCentre(t.Context(), store.Centre{ID: "a", Name: "A", Type: store.TypeCAW}),
		s.CreateToken(t.Context(), store.Token{ID: "a", Hash: s.hash, Role: store.RoleIntake, Centre: "a", Kind: store.KindMachine}),
	)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s storedLimits) WrongCodes(ctx context.Context, _ string) (store.WrongCodes, error) {
	callers, err := s.Callers(ctx, [][32]byte{s.hash})
	if err != nil {
		return store.WrongCodes{}, err
	}
	return callers[0].Wrong, nil
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
