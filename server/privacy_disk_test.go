package server_test

import (
	"encoding/binary"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lukechampine.com/adiantum"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/server/calendar"
	"aankomst/server/servertest"
	"aankomst/server/store"
	"aankomst/server/store/sqlite"
)

// filesOf reads everything below a folder but the key folder, and fails on a file that it does not know.
func filesOf(t *testing.T, folder string) map[string][]byte {
	t.Helper()
	known := []string{"aankomst.db", "aankomst.db-wal", "aankomst.db-shm", "aankomst.db.lock", "backup.db"}
	files := map[string][]byte{}
	must(t, filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && entry.Name() == "keys":
			return fs.SkipDir
		case entry.IsDir():
			return nil
		case !slices.Contains(known, entry.Name()):
			t.Errorf("there is a file %s, of which nothing is known", entry.Name())
		}
		files[entry.Name()], err = os.ReadFile(path)
		return err
	}))
	return files
}

// blockSize is that of the store's encryption, which every file of SQLite's passes.
const blockSize = 4096

// plainText decrypts a file of the store as it lies on the disk: free pages and everything else that
// no query would show are in it.
func plainText(key [32]byte, content []byte) []byte {
	cipher, plain := adiantum.New(key[:]), slices.Clone(content)
	for at := 0; at < len(plain); at += blockSize {
		block := plain[at:min(at+blockSize, len(plain))]
		copy(block, cipher.Decrypt(slices.Clone(block), binary.LittleEndian.AppendUint64(nil, uint64(at))))
	}
	return plain
}

// season is a time of everything: calls of all kinds, a cut-off, a release, a night's rewriting, a
// backup.
func (p *party) season() {
	t := p.t
	t.Helper()
	p.round()
	p.f.Clock.Set(time.Date(servertest.Year, time.July, 1, 10, 0, 0, 0, calendar.Brussels))
	coordinator := p.f.Token(store.RoleCoordinator, "")
	p.keepToken(coordinator)
	releases := aankomstv1.NewReleaseServiceClient(p.f.Connection)
	eventually(t, "a release can be published", func() bool {
		_, err := releases.PublishRelease(as(t.Context(), coordinator), &aankomstv1.PublishReleaseRequest{Cohort: servertest.Year})
		return err == nil
	})
	p.round()
	must(t, p.f.Store.(*sqlite.Store).Backup(t.Context(), filepath.Join(p.f.Folder, "backup.db")))
}

// Whoever has a copy of the disk without the key folder learns nothing at all, and with the store's key
// nothing but what docs/data-model.md lists.
func TestPrivacyDisk(t *testing.T) {
	t.Parallel()
	f := servertest.Start(t, servertest.Options{})
	p := newParty(t, f)
	p.season()
	key := storeKey(t, f.Folder)
	patterns := formsOf(p.needles)
	searchWorks(t, patterns)

	moments := map[string]map[string][]byte{"running": filesOf(t, f.Folder)}
	must(t, f.Store.Rewrite(t.Context()))
	moments["rewritten"] = filesOf(t, f.Folder)
	f.Stop()
	must(t, f.Store.Close())
	moments["stopped"] = filesOf(t, f.Folder)

	for moment, files := range moments {
		if len(files["aankomst.db"]) == 0 || len(files["backup.db"]) == 0 || moment == "running" && len(files["aankomst.db-wal"]) == 0 {
			t.Fatalf("%s: the store's files are not where they are looked for", moment)
		}
		for name, content := range files {
			report(t, search(patterns, haystack{name: name + ", " + moment, content: content, encrypted: true}))
			plain := plainText(key, content)
			report(t, search(patterns, haystack{name: name + ", " + moment + ", decrypted", content: plain, decrypted: true}))
			if name == "aankomst.db" && !strings.HasPrefix(string(plain), "SQLite format 3\x00") {
				t.Errorf("%s, %s, is not decrypted: its search says nothing", name, moment)
			}
		}
	}
	report(t, search(patterns, haystack{name: "the log", content: []byte(f.Logs.String())}))
	for _, word := range []string{"cgg-", "caw-", "127.0.0.1", "CGG"} {
		if strings.Contains(f.Logs.String(), word) {
			t.Errorf("the log contains %q", word)
		}
	}

	// What the store has to hold is found in it: the decrypting is right, and so is the search.
	kept := 0
	everything := string(plainText(key, moments["stopped"]["aankomst.db"]))
	for _, pattern := range patterns {
		if pattern.stored && strings.Contains(everything, string(pattern.bytes)) {
			kept++
		}
	}
	if kept == 0 {
		t.Error("not one nullifier or token hash is found in the decrypted store")
	}
}

func report(t *testing.T, found []string) {
	t.Helper()
	for _, what := range found {
		t.Error(what)
	}
}
