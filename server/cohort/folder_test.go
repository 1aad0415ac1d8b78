package cohort

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"aankomst/refcode"
)

func TestAKeyFolderIsItsOwnersAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "deep", "keys")
	for range 2 { // made, then found
		if _, err := OpenFolder(path); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o700 {
			t.Fatalf("mode %04o (%v)", info.Mode().Perm(), err)
		}
	}
	for _, mode := range []os.FileMode{0o755, 0o750, 0o710, 0o701, 0o720, 0o702, 0o777} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := OpenFolder(path)
		if !errors.Is(err, ErrKeyFolder) || !strings.Contains(err.Error(), "chmod 700 "+path) {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenFolder(file); !errors.Is(err, ErrKeyFolder) {
		t.Errorf("a file: %v", err)
	}
}

func TestAKeyFileIsItsOwnersAlone(t *testing.T) {
	t.Parallel()
	folder, key := newFolder(t), keyNamed(t, "key", 2026)
	if _, err := folder.Create(key); err != nil {
		t.Fatal(err)
	}
	if got := names(t, folder); !slices.Equal(got, []string{"cohort-2026.key"}) {
		t.Errorf("there are %v", got)
	}
	file := folder.Path(KeyFile(2026))
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644, 0o666} {
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		_, err := folder.Load(2026)
		if !errors.Is(err, ErrKeyFolder) || !strings.Contains(err.Error(), "chmod 600 "+file) {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
	for _, mode := range []os.FileMode{0o600, 0o700} {
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		loaded, err := folder.Load(2026)
		if err != nil {
			t.Fatalf("mode %04o: %v", mode, err)
		}
		sameKey(t, loaded, key)
	}
}

func TestAMissingKeyFileTellsHowToRestoreIt(t *testing.T) {
	t.Parallel()
	folder := newFolder(t)
	_, err := folder.Load(2026)
	if !errors.Is(err, ErrNoKey) || !strings.Contains(err.Error(), "age --decrypt") || !strings.Contains(err.Error(), folder.Path(KeyFile(2026))) {
		t.Errorf("got %v", err)
	}
	if _, err := folder.Read("nothing"); !errors.Is(err, os.ErrNotExist) || !errors.Is(err, ErrKeyFolder) {
		t.Errorf("Read: %v", err)
	}
}

// Whatever byte of a key file is damaged: it is noticed, or it makes no difference. A spent key with a
// wrong bit would let every code that is spent be spent again.
func TestDamageToAKeyFileIsNoticed(t *testing.T) {
	t.Parallel()
	folder, key := newFolder(t), keyNamed(t, "key", 2026)
	if _, err := folder.Create(key); err != nil {
		t.Fatal(err)
	}
	name := KeyFile(2026)
	good := read(t, folder, name)
	secrets := secretsOf(t, key)
	check := func(what string, content []byte) {
		write(t, folder, name, content, 0o600)
		loaded, err := folder.Load(2026)
		if err == nil {
			sameKey(t, loaded, key)
			return
		}
		if !errors.Is(err, ErrKeyFolder) || !strings.Contains(err.Error(), "restore it from the escrow copy") {
			t.Errorf("%s: %v", what, err)
		}
		for _, secret := range secrets {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: the error shows a secret: %v", what, err)
			}
		}
	}
	for at := range good {
		for _, bit := range []byte{0x01, 0x20} {
			damaged := slices.Clone(good)
			damaged[at] ^= bit
			check(fmt.Sprintf("byte %d", at), damaged)
		}
		if at%16 == 0 {
			check(fmt.Sprintf("cut at %d", at), good[:at])
		}
	}
	check("as it was", good)
}

func TestWhatIsNoKeyFile(t *testing.T) {
	t.Parallel()
	key := keyNamed(t, "key", 2026)
	good, err := key.marshal()
	if err != nil {
		t.Fatal(err)
	}
	changed := func(change func(*keyDocument)) []byte {
		var d keyDocument
		if err := json.Unmarshal(good, &d); err != nil {
			t.Fatal(err)
		}
		change(&d)
		d.Sum = d.sum() // somebody who knows what he does
		content, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	other := keyNamed(t, "other", 2026)
	for name, content := range map[string][]byte{
		"empty":                     {},
		"no JSON":                   []byte("AGE-SECRET-KEY-1QQPQQ"),
		"another kind of JSON":      []byte(`["key"]`),
		"null":                      []byte("null"),
		"half of it":                good[:len(good)/2],
		"another year's":            changed(func(d *keyDocument) { d.Year = 2025 }),
		"without year":              changed(func(d *keyDocument) { d.Year = 0 }),
		"a field nobody knows":      []byte(strings.Replace(string(good), `"note"`, `"novel"`, 1)),
		"a private key of zero":     changed(func(d *keyDocument) { d.POPRF = make([]byte, 32) }),
		"a private key not reduced": changed(func(d *keyDocument) { d.POPRF[31] = 0xff }),
		"a private key too short":   changed(func(d *keyDocument) { d.POPRF = d.POPRF[:31] }),
		"no private key":            changed(func(d *keyDocument) { d.POPRF = nil }),
		"a spent key too short":     changed(func(d *keyDocument) { d.Spent = d.Spent[:31] }),
		"a spent key too long":      changed(func(d *keyDocument) { d.Spent = append(d.Spent, 0) }),
		"no spent key":              changed(func(d *keyDocument) { d.Spent = nil }),
		"another public key":        changed(func(d *keyDocument) { d.Public = other.PublicKey() }),
		"no public key":             changed(func(d *keyDocument) { d.Public = nil }),
		"no checksum":               []byte(strings.Replace(string(good), `"sha256": "`, `"sha256": null, "note": "`, 1)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := newFolder(t)
			write(t, folder, KeyFile(2026), content, 0o600)
			_, err := folder.Load(2026)
			if !errors.Is(err, ErrKeyFolder) || !strings.Contains(err.Error(), "restore it from the escrow copy") {
				t.Fatalf("got %v", err)
			}
			tellsNothing(t, key, "the error", err.Error())
		})
	}
	t.Run("a folder", func(t *testing.T) {
		t.Parallel()
		folder := newFolder(t)
		obstruct(t, folder, KeyFile(2026))
		if _, err := folder.Load(2026); !errors.Is(err, ErrKeyFolder) {
			t.Errorf("got %v", err)
		}
	})
}

// A key file that belongs to another store or cohort is whole, so it is the ring that refuses it.
func TestAKeyFileOfAnotherStoreIsRefused(t *testing.T) {
	t.Parallel()
	folder := newFolder(t)
	mine, theirs := keyNamed(t, "mine", 2026), keyNamed(t, "theirs", 2026)
	if _, err := folder.Create(theirs); err != nil {
		t.Fatal(err)
	}
	loaded, err := folder.Load(2026)
	if err != nil {
		t.Fatal(err)
	}
	err = (&Keyring{}).Load(opened(mine, refcode.Short, 1), loaded)
	if !errors.Is(err, ErrKeyMismatch) || !strings.Contains(err.Error(), "cohort-2026.key") {
		t.Fatalf("got %v", err)
	}
	tellsNothing(t, theirs, "the error", err.Error())
}

func TestCreatingAKeyAgainKeepsTheFirst(t *testing.T) {
	t.Parallel()
	folder := newFolder(t)
	first := keyNamed(t, "first", 2026)
	for _, name := range []string{"first", "second", "third"} {
		kept, err := folder.Create(keyNamed(t, name, 2026))
		if err != nil {
			t.Fatal(err)
		}
		sameKey(t, kept, first)
	}
	// At the same time, too.
	var group sync.WaitGroup
	kept := make([]*Key, 8)
	for i := range kept {
		key := keyNamed(t, fmt.Sprint(i), 2027)
		group.Go(func() {
			var err error
			if kept[i], err = folder.Create(key); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	stored, err := folder.Load(2027)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range kept {
		sameKey(t, key, stored)
	}
	if got := names(t, folder); !slices.Equal(got, []string{"cohort-2026.key", "cohort-2027.key"}) {
		t.Errorf("there are %v", got)
	}
}

func TestAKeyThatWasDestroyedIsNotMadeAgain(t *testing.T) {
	t.Parallel()
	folder := newFolder(t)
	if err := folder.Destroy(2026); err != nil {
		t.Fatal(err)
	}
	_, err := folder.Create(keyNamed(t, "key", 2026))
	if !errors.Is(err, ErrKeyFolder) || !strings.Contains(err.Error(), "cannot be opened again") {
		t.Errorf("got %v", err)
	}
	if got := names(t, folder); slices.Contains(got, KeyFile(2026)) {
		t.Errorf("there are %v", got)
	}
	if _, err := folder.Create(keyNamed(t, "key", 2027)); err != nil {
		t.Errorf("another year: %v", err)
	}
}

// A folder may be called anything, and only a whole key file counts.
func TestWhetherThereIsAnyKey(t *testing.T) {
	t.Parallel()
	folder, err := OpenFolder(filepath.Join(t.TempDir(), "keys [a-b] *"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := folder.NewStoreKey(); err != nil {
		t.Fatal(err)
	}
	write(t, folder, "cohort-2026.key.1.tmp", nil, 0o600)
	if err := folder.Destroy(2025); err != nil {
		t.Fatal(err)
	}
	if folder.HasCohortKeys() {
		t.Errorf("%v are taken for the key of a cohort", names(t, folder))
	}
	if _, err := folder.Create(keyNamed(t, "key", 2026)); err != nil {
		t.Fatal(err)
	}
	if !folder.HasCohortKeys() {
		t.Error("the key of a cohort is not seen")
	}
	if err := folder.Destroy(2026); err != nil {
		t.Fatal(err)
	}
	if got := names(t, folder); folder.HasCohortKeys() || !slices.Equal(got, []string{"cohort-2025.destroyed", "cohort-2026.destroyed", "store.key"}) {
		t.Errorf("after it was destroyed there are %v", got)
	}
}
