package cohort

import (
	"encoding/hex"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
)

// storeKeys is Folder.StoreKeys for folders that are in order.
func storeKeys(t *testing.T, folder *Folder) [][32]byte {
	t.Helper()
	keys, err := folder.StoreKeys()
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func nextStoreKey(t *testing.T, folder *Folder) [32]byte {
	t.Helper()
	key, err := folder.NextStoreKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newStoreKey(t *testing.T, folder *Folder) [32]byte {
	t.Helper()
	key, err := folder.NewStoreKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestAStoreHasOneKey(t *testing.T) {
	t.Parallel()
	folder := newFolder(t)
	if keys := storeKeys(t, folder); len(keys) != 0 {
		t.Errorf("a new folder has %d", len(keys))
	}
	key := newStoreKey(t, folder)
	if key == ([32]byte{}) || key == newStoreKey(t, newFolder(t)) {
		t.Error("it is not random")
	}
	if keys := storeKeys(t, folder); !slices.Equal(keys, [][32]byte{key}) {
		t.Errorf("%d keys, or another one", len(keys))
	}
	if _, err := folder.NewStoreKey(); !errors.Is(err, os.ErrExist) || !errors.Is(err, ErrKeyFolder) {
		t.Errorf("a second one: %v", err)
	}
	if keys := storeKeys(t, folder); !slices.Equal(keys, [][32]byte{key}) {
		t.Error("the second one took the place of the first")
	}
	if got := names(t, folder); !slices.Equal(got, []string{"store.key"}) {
		t.Errorf("there are %v", got)
	}
}

func TestChangingTheStoreKeyCanStopAnywhere(t *testing.T) {
	t.Parallel()
	folder := newFolder(t)
	old := newStoreKey(t, folder)
	next := nextStoreKey(t, folder)
	if next == old {
		t.Fatal("the next key is the old one")
	}
	// Stopped before or after the store was changed: it may be under either, and the next stays the same.
	for range 2 {
		if keys := storeKeys(t, folder); !slices.Equal(keys, [][32]byte{old, next}) {
			t.Fatalf("%d keys, or others", len(keys))
		}
		if again := nextStoreKey(t, folder); again != next {
			t.Fatal("the next key changed while the change was under way")
		}
	}
	// Stopped while it was settled: store.key is written, store.key.next is still there.
	write(t, folder, "store.key", read(t, folder, "store.key.next"), 0o600)
	if keys := storeKeys(t, folder); !slices.Equal(keys, [][32]byte{next, next}) {
		t.Fatalf("%d keys, or others", len(keys))
	}
	// A change that is asked for then is a new one.
	third := nextStoreKey(t, folder)
	if third == next {
		t.Error("the key would be changed to itself")
	}
	if keys := storeKeys(t, folder); !slices.Equal(keys, [][32]byte{next, third}) {
		t.Errorf("%d keys, or others", len(keys))
	}
	for range 2 { // settling may be repeated
		if err := folder.SettleStoreKey(third); err != nil {
			t.Fatal(err)
		}
		if keys := storeKeys(t, folder); !slices.Equal(keys, [][32]byte{third}) {
			t.Errorf("%d keys, or others", len(keys))
		}
	}
}

func TestAChangeOfTheStoreKeyCanBeGivenUp(t *testing.T) {
	t.Parallel()
	folder := newFolder(t)
	old := newStoreKey(t, folder)
	nextStoreKey(t, folder)
	if err := folder.SettleStoreKey(old); err != nil {
		t.Fatal(err)
	}
	if keys := storeKeys(t, folder); !slices.Equal(keys, [][32]byte{old}) {
		t.Errorf("%d keys, or others", len(keys))
	}
}

// An old key that lay about would open old copies of the store, with what was spent since destroyed.
func TestSettlingTheStoreKeyLeavesNoOther(t *testing.T) {
	t.Parallel()
	folder := newFolder(t)
	old := newStoreKey(t, folder)
	if _, err := folder.Create(keyNamed(t, "key", 2026)); err != nil {
		t.Fatal(err)
	}
	write(t, folder, "store.key.1234.tmp", storeKeyText(old), 0o600)
	write(t, folder, "store.key.next.99.tmp", storeKeyText(old), 0o600)
	if keys := storeKeys(t, folder); !slices.Equal(keys, [][32]byte{old}) {
		t.Errorf("with leftovers: %d keys, or others", len(keys))
	}
	next := nextStoreKey(t, folder)
	if err := folder.SettleStoreKey(next); err != nil {
		t.Fatal(err)
	}
	if got := names(t, folder); !slices.Equal(got, []string{"cohort-2026.key", "store.key"}) {
		t.Errorf("there are %v", got)
	}
	if strings.Contains(string(read(t, folder, "store.key")), hex.EncodeToString(old[:])) {
		t.Error("the old key is still there")
	}
}

func TestWhatIsNoStoreKey(t *testing.T) {
	t.Parallel()
	good := strings.Repeat("5a", 32)
	for _, file := range []string{"store.key", "store.key.next"} {
		for name, content := range map[string]string{
			"empty": "", "too short": good[2:], "too long": good + "5a", "an odd number": good[1:], "no hexadecimal": strings.Replace(good, "5", "x", 1),
		} {
			folder := newFolder(t)
			write(t, folder, file, []byte(content), 0o600)
			_, err := folder.StoreKeys()
			if !errors.Is(err, ErrKeyFolder) || !strings.Contains(err.Error(), file) {
				t.Errorf("%s, %s: %v", file, name, err)
			} else if strings.Contains(err.Error(), "5a5a") {
				t.Errorf("%s, %s: the error shows a secret: %v", file, name, err)
			}
			if _, err := folder.NextStoreKey(); !errors.Is(err, ErrKeyFolder) {
				t.Errorf("%s, %s: the next key: %v", file, name, err)
			}
			if got := read(t, folder, file); string(got) != content {
				t.Errorf("%s, %s: the file was changed", file, name)
			}
		}
		folder := newFolder(t)
		write(t, folder, file, []byte(good), 0o640)
		if _, err := folder.StoreKeys(); !errors.Is(err, ErrKeyFolder) || !strings.Contains(err.Error(), "chmod 600 "+folder.Path(file)) {
			t.Errorf("%s open to others: %v", file, err)
		}
	}
}
