package cohort

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cloudflare/circl/oprf"
	"pgregory.net/rapid"

	"aankomst/refcode"
	"aankomst/server/store"
)

// keyNamed returns the key of a year that a name stands for: the same one each time.
func keyNamed(tb rapid.TB, name string, year int) *Key {
	tb.Helper()
	seed := sha256.Sum256([]byte(name))
	private, err := oprf.DeriveKey(refcode.Suite, oprf.PartialObliviousMode, seed[:], nil)
	if err != nil {
		tb.Fatal(err)
	}
	encoded, err := private.MarshalBinary()
	if err != nil {
		tb.Fatal(err)
	}
	spent := sha256.Sum256([]byte("spent " + name))
	key, err := newKey(year, encoded, spent[:])
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

// opened returns an open cohort with a key, its layout and the numbers of its pools.
func opened(key *Key, layout refcode.Layout, pools ...uint32) store.Cohort {
	cohort := store.Cohort{Year: key.year, Layout: uint8(layout), PublicKey: key.PublicKey(), Stage: store.StageOpen}
	for _, number := range pools {
		cohort.Pools = append(cohort.Pools, store.Pool{Number: number, Name: fmt.Sprintf("Pool %d", number)})
	}
	return cohort
}

// load takes a key into use that must be good.
func load(tb rapid.TB, ring *Keyring, cohort store.Cohort, key *Key) {
	tb.Helper()
	if err := ring.Load(cohort, key); err != nil {
		tb.Fatalf("loading %d: %v", cohort.Year, err)
	}
}

// issueCode has a code issued for a pool, the way a client does it.
func issueCode(tb rapid.TB, ring *Keyring, directory refcode.Directory, pool uint32) refcode.Code {
	tb.Helper()
	blinding, err := refcode.Blind(directory, pool)
	if err != nil {
		tb.Fatalf("blinding for pool %d: %v", pool, err)
	}
	evaluated, proof, err := ring.Evaluate(int(directory.Year), pool, blinding.Element)
	if err != nil {
		tb.Fatalf("evaluating for pool %d: %v", pool, err)
	}
	code, err := blinding.Finalize(evaluated, proof)
	if err != nil {
		tb.Fatalf("finalizing for pool %d: %v", pool, err)
	}
	return code
}

// withSymbol returns the well-formed code that has the next symbol of the alphabet at a place, check
// symbols apart, and is otherwise the same.
func withSymbol(tb rapid.TB, code refcode.Code, place int) refcode.Code {
	tb.Helper()
	symbols := []byte(code.Symbols())
	for i := range refcode.Alphabet {
		if refcode.Alphabet[i] == symbols[place] {
			symbols[place] = refcode.Alphabet[(i+1)%len(refcode.Alphabet)]
			break
		}
	}
	body := string(symbols[:len(symbols)-2])
	for _, a := range refcode.Alphabet {
		for _, b := range refcode.Alphabet {
			if changed, err := refcode.Decode(body + string(a) + string(b)); err == nil {
				return changed
			}
		}
	}
	tb.Fatal("no check symbols fit")
	return refcode.Code{}
}

// unhex reads hexadecimal that the test itself wrote.
func unhex(tb rapid.TB, text string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// newFolder opens an empty key folder.
func newFolder(t *testing.T) *Folder {
	t.Helper()
	folder, err := OpenFolder(filepath.Join(t.TempDir(), "keys"))
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// names returns which files lie in a folder, in order, and fails when one can be read by others.
func names(t *testing.T, folder *Folder) []string {
	t.Helper()
	entries, err := os.ReadDir(folder.path)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().IsRegular() && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %04o", entry.Name(), info.Mode().Perm())
		}
		names = append(names, entry.Name())
	}
	return names
}

// escrowCopy returns the name of the one escrow copy of a year's key that lies in a folder.
func escrowCopy(t *testing.T, folder *Folder, year int) string {
	t.Helper()
	copies := slices.DeleteFunc(names(t, folder), func(name string) bool {
		return !strings.HasPrefix(name, fmt.Sprintf("cohort-%d.escrow.", year))
	})
	if len(copies) != 1 {
		t.Fatalf("there are the escrow copies %v", copies)
	}
	return copies[0]
}

// read returns what is in a file of a folder.
func read(t *testing.T, folder *Folder, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(folder.Path(name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// write puts a file into a folder, with a mode.
func write(t *testing.T, folder *Folder, name string, content []byte, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(folder.Path(name), content, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(folder.Path(name), mode); err != nil {
		t.Fatal(err)
	}
}

// obstruct puts a folder where a file belongs, which nobody can write, remove as a file or replace; it
// returns what takes it away again.
func obstruct(t *testing.T, folder *Folder, name string) (takeAway func()) {
	t.Helper()
	if err := os.Mkdir(folder.Path(name), 0o700); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := os.Remove(folder.Path(name)); err != nil {
			t.Fatal(err)
		}
	}
}

// sameKey fails unless two keys are the same one.
func sameKey(t *testing.T, got, want *Key) {
	t.Helper()
	if got.year != want.year || !bytes.Equal(got.public, want.public) || !bytes.Equal(got.secret().spent, want.secret().spent) {
		t.Error("it is another key")
	}
}
