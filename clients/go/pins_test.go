package client_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	client "aankomst/clients/go"
	"aankomst/refcode"
)

func TestPinsAreKeptAndNeverReplaced(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new", "folder", "pins.json")
	memory := new(client.MemoryPins)
	for name, pins := range map[string]struct{ first, later client.Pins }{
		"file":   {&client.FilePins{Path: path}, &client.FilePins{Path: path}},
		"memory": {memory, memory},
	} {
		if pin, found, err := pins.first.Pin(2026); err != nil || found {
			t.Errorf("%s: before the first: %v, %v, %v", name, pin, found, err)
		}
		for year, pin := range map[int]refcode.Fingerprint{2026: {1, 2, 3}, 2027: {4}} {
			if err := pins.first.SetPin(year, pin); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if err := pins.later.SetPin(2026, refcode.Fingerprint{1, 2, 3}); err != nil {
			t.Errorf("%s: the same again: %v", name, err)
		}
		if err := pins.later.SetPin(2026, refcode.Fingerprint{9}); !errors.Is(err, client.ErrFingerprint) {
			t.Errorf("%s: another: %v", name, err)
		}
		for year, want := range map[int]refcode.Fingerprint{2026: {1, 2, 3}, 2027: {4}} {
			if pin, found, err := pins.later.Pin(year); err != nil || !found || pin != want {
				t.Errorf("%s: %d: %v, %v, %v", name, year, pin, found, err)
			}
		}
		if _, found, err := pins.later.Pin(2028); err != nil || found {
			t.Errorf("%s: a year without a pin: %v, %v", name, found, err)
		}
	}
}

// Whoever can write the file can make a client accept a server that marks callers.
func TestAFileOfPinsIsItsOwnersAlone(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "aankomst")
	pins := &client.FilePins{Path: filepath.Join(folder, "pins.json")}
	for _, year := range []int{2026, 2027} {
		if err := pins.SetPin(year, refcode.Fingerprint{1}); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]fs.FileMode{folder: 0o700, pins.Path: 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v (%v), want %v", filepath.Base(path), info.Mode().Perm(), err, want)
		}
	}
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) != 1 {
		t.Errorf("beside the file lies what was only needed to write it: %v (%v)", entries, err)
	}
}

// A damaged file is no reason to pin anew: that is what an attacker would want.
func TestADamagedFileOfPinsIsLeftAlone(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"empty":       "",
		"cut short":   `{"2026": "00`,
		"null":        "null",
		"a list":      "[]",
		"a number":    `{"2026": 7}`,
		"no hex":      `{"2026": "` + strings.Repeat("zz", 32) + `"}`,
		"too short":   `{"2026": "` + strings.Repeat("00", 31) + `"}`,
		"too long":    `{"2026": "` + strings.Repeat("00", 33) + `"}`,
		"no hex here": `{"2026": ""}`,
	} {
		path := filepath.Join(t.TempDir(), "pins.json")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		pins := &client.FilePins{Path: path}
		if _, found, err := pins.Pin(2026); err == nil || found || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: read: %v, %v", name, found, err)
		}
		if err := pins.SetPin(2026, refcode.Fingerprint{1}); err == nil || errors.Is(err, client.ErrFingerprint) {
			t.Errorf("%s: written: %v", name, err)
		}
		if after, err := os.ReadFile(path); err != nil || string(after) != content {
			t.Errorf("%s: the file is %q now (%v)", name, after, err)
		}
	}
}

func TestPinsThatCannotBeKeptAreAnError(t *testing.T) {
	t.Parallel()
	// A file stands where the folder should be, which stops the owner of everything too.
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	pins := &client.FilePins{Path: filepath.Join(blocked, "pins.json")}
	if err := pins.SetPin(2026, refcode.Fingerprint{1}); err == nil {
		t.Error("nothing was kept, and nothing was said")
	}
	// A folder stands where the file should be.
	pins = &client.FilePins{Path: t.TempDir()}
	if _, _, err := pins.Pin(2026); err == nil {
		t.Error("a folder was read as pins")
	}
}

func TestPinsAreSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	pins := &client.FilePins{Path: filepath.Join(t.TempDir(), "pins.json")}
	var group sync.WaitGroup
	for year := range 20 {
		group.Go(func() {
			if err := pins.SetPin(2000+year, refcode.Fingerprint{byte(year)}); err != nil {
				t.Error(err)
			}
			if pin, found, err := pins.Pin(2000 + year); err != nil || !found || pin != (refcode.Fingerprint{byte(year)}) {
				t.Errorf("%d: %v, %v, %v", 2000+year, pin, found, err)
			}
		})
	}
	group.Wait()
	// Another process reads all of them.
	for year := range 20 {
		if _, found, err := (&client.FilePins{Path: pins.Path}).Pin(2000 + year); err != nil || !found {
			t.Errorf("%d: %v, %v", 2000+year, found, err)
		}
	}
}

// A server that shows one caller a list of its own could tell that caller's code by its pool. So the list may
// grow, as centres join during a year, and change in no other way.
func TestPoolsOnlyGrow(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pins.json")
	memory := new(client.MemoryPins)
	for name, pins := range map[string]struct{ first, later client.Pins }{
		"file":   {&client.FilePins{Path: path}, &client.FilePins{Path: path}},
		"memory": {memory, memory},
	} {
		for i, step := range []struct {
			seen map[string]uint32
			ok   bool
		}{
			{map[string]uint32{"a": 1, "b": 1, "c": 2}, true},
			{map[string]uint32{"a": 1, "b": 1, "c": 2}, true},
			{map[string]uint32{"a": 1, "b": 2, "c": 2}, false},
			{map[string]uint32{"a": 1, "c": 2}, false},
			{map[string]uint32{"a": 1, "b": 1, "c": 2, "d": 2}, true},
			// What came with a refused list was not taken over; what came with an accepted one was.
			{map[string]uint32{"a": 1, "b": 1, "c": 2}, false},
		} {
			use := pins.first
			if i > 0 {
				use = pins.later
			}
			if err := use.CheckPools(2026, step.seen); step.ok != (err == nil) || err != nil && !errors.Is(err, client.ErrPools) {
				t.Errorf("%s, step %d: %v", name, i, err)
			}
		}
		if err := pins.later.CheckPools(2027, map[string]uint32{"a": 2}); err != nil {
			t.Errorf("%s: another year: %v", name, err)
		}
	}
}
