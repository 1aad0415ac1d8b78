package sqlite

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"aankomst/server/store"
)

func TestMigrate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	applied, err := Migrate(t.Context(), path, testKey)
	ok(t, err)
	if applied == 0 {
		t.Error("nothing was applied to a new file")
	}
	info, err := os.Stat(path)
	ok(t, err)
	if info.Mode() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode())
	}

	// Again, and while it is open: there is nothing to do, so nobody is in the way.
	s := openAt(t, path, testKey)
	ok(t, createCohort(t.Context(), s))
	applied, err = Migrate(t.Context(), path, testKey)
	ok(t, err)
	if applied != 0 {
		t.Errorf("%d migrations were applied again", applied)
	}

	_, err = Migrate(t.Context(), path, otherKey)
	is(t, err, ErrKey)
	_, err = Migrate(t.Context(), filepath.Join(t.TempDir(), "no", "store.db"), testKey)
	is(t, err, store.ErrUnavailable)
}

func TestMigrateTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			_, err := Migrate(t.Context(), path, testKey)
			if err != nil && !errors.Is(err, store.ErrUnavailable) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	// All may have been in each other's way; one alone is not.
	_, err := Migrate(t.Context(), path, testKey)
	ok(t, err)
	ok(t, openAt(t, path, testKey).Ping(t.Context()))
}

// What is being made nobody may use yet.
func TestMigrateNotWhileOpen(t *testing.T) {
	path, s := openNew(t)
	setVersion(t, s, 0)
	_, err := Migrate(t.Context(), path, testKey)
	is(t, err, store.ErrUnavailable)
	if !strings.Contains(err.Error(), "in use") {
		t.Errorf("%v", err)
	}
}

// setVersion makes the database say that it is at another schema version.
func setVersion(t *testing.T, s *Store, version int) {
	t.Helper()
	_, err := s.writer.ExecContext(t.Context(), `UPDATE goose_db_version SET version_id = ?`, version)
	ok(t, err)
	_, err = s.writer.ExecContext(t.Context(), `UPDATE compatibility SET oldest = ?`, version)
	ok(t, err)
}

func TestOpenOtherSchema(t *testing.T) {
	for version, words := range map[int]string{0: "`aankomst migrate`", 9999: "newer"} {
		path, s := openNew(t)
		setVersion(t, s, version)
		ok(t, s.Close())

		_, err := Open(t.Context(), path, testKey)
		is(t, err, store.ErrSchema)
		if !strings.Contains(err.Error(), words) {
			t.Errorf("%v does not say %q", err, words)
		}
		is(t, Verify(t.Context(), path, testKey), store.ErrSchema)
	}
	path, s := openNew(t)
	setVersion(t, s, 9999)
	ok(t, s.Close())
	_, err := Migrate(t.Context(), path, testKey)
	is(t, err, store.ErrSchema)

	empty := filepath.Join(t.TempDir(), "empty.db")
	ok(t, os.WriteFile(empty, nil, 0o600))
	_, err = Open(t.Context(), empty, testKey)
	is(t, err, store.ErrSchema)
}

func TestOpenMissing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	for _, open := range openers(t, path) {
		is(t, open(testKey), store.ErrNotFound)
	}
	if files := folder(t, path); len(files) != 0 {
		t.Errorf("left %v", files)
	}
}

func TestOpenGarbage(t *testing.T) {
	for _, size := range []int{1, 100, 4095, 4096, 20_000} {
		path := filepath.Join(t.TempDir(), "store.db")
		garbage := make([]byte, size)
		rand.Read(garbage)
		ok(t, os.WriteFile(path, garbage, 0o600))
		for _, open := range openers(t, path) {
			is(t, open(testKey), ErrKey)
		}
		after, err := os.ReadFile(path)
		ok(t, err)
		if string(after) != string(garbage) {
			t.Error("the file was changed")
		}
	}
	for _, open := range openers(t, t.TempDir()) {
		is(t, open(testKey), ErrKey) // a folder is no database either
	}
}

func TestOpenUnencrypted(t *testing.T) {
	path, s := openNew(t)
	ok(t, s.Close())
	ok(t, os.WriteFile(path, decrypted(t, path), 0o600))
	for _, open := range openers(t, path) {
		is(t, open(testKey), ErrKey)
	}
}

func TestOpenWrongKey(t *testing.T) {
	path, s := openNew(t)
	ok(t, createCohort(t.Context(), s))
	codes := arrivals(10)
	record(t, s, codes...)
	// While the right one has it open, and after. Rekey does not even look while it is open.
	for _, open := range openers(t, path)[:2] {
		is(t, open(otherKey), ErrKey)
	}
	record(t, s, arrivals(5)...)
	ok(t, s.Close())
	for _, open := range openers(t, path) {
		is(t, open(otherKey), ErrKey)
	}
	if arrived := arrivedIn(t, openAt(t, path, testKey)); arrived != 15 {
		t.Errorf("%d arrived, want 15", arrived)
	}
}

// openers are the functions that look at a file which must be there.
func openers(t *testing.T, path string) []func(key [32]byte) error {
	return []func([32]byte) error{
		func(key [32]byte) error {
			s, err := Open(t.Context(), path, key)
			if err == nil {
				return s.Close()
			}
			return err
		},
		func(key [32]byte) error { return Verify(t.Context(), path, key) },
		func(key [32]byte) error { return Rekey(t.Context(), path, key, key) },
	}
}

// folder lists the files beside a path.
func folder(t *testing.T, path string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	ok(t, err)
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func TestOpenOddNames(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b%41?c=d#é&vfs=x")
	ok(t, os.Mkdir(dir, 0o700))
	path := filepath.Join(dir, "store %00?mode=memory.db")
	_, err := Migrate(t.Context(), path, testKey)
	ok(t, err)
	s := openAt(t, path, testKey)
	ok(t, createCohort(t.Context(), s))
	ok(t, s.Backup(t.Context(), filepath.Join(dir, "copy?hexkey=00.db")))
	for _, name := range folder(t, path) {
		if !strings.HasPrefix(name, "store %00?mode=memory.db") && name != "copy?hexkey=00.db" {
			t.Errorf("unexpected file %q", name)
		}
	}
}

// One database under two names is one database: the lock must see that.
func TestOpenSymlink(t *testing.T) {
	path, s := openNew(t)
	ok(t, createCohort(t.Context(), s))
	link := filepath.Join(t.TempDir(), "link.db")
	ok(t, os.Symlink(path, link))
	is(t, Rekey(t.Context(), link, testKey, otherKey), store.ErrUnavailable)
	second := openAt(t, link, testKey)
	record(t, s, arrivals(1)...)
	record(t, second, arrivals(1)...)
	if arrived := arrivedIn(t, second); arrived != 2 {
		t.Errorf("%d arrived, want 2", arrived)
	}
}

func TestModes(t *testing.T) {
	path, s := openNew(t)
	ok(t, createCohort(t.Context(), s))
	for _, name := range folder(t, path) {
		info, err := os.Stat(filepath.Join(filepath.Dir(path), name))
		ok(t, err)
		if info.Mode() != 0o600 {
			t.Errorf("%s has mode %v, want 0600", name, info.Mode())
		}
	}
	if names := folder(t, path); len(names) != 4 {
		t.Errorf("beside the database lie %v, want its lock, log and index", names)
	}
	ok(t, s.Close())
	for _, beside := range []string{"-wal", "-shm"} {
		if _, err := os.Stat(path + beside); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left after closing: %v", beside, err)
		}
	}
}

func TestSettings(t *testing.T) {
	_, s := openNew(t)
	for pragma, want := range map[string]string{
		"journal_mode": "wal", "synchronous": "2", "secure_delete": "1", "foreign_keys": "1", "temp_store": "2",
	} {
		var got string
		ok(t, s.writer.QueryRowContext(t.Context(), `PRAGMA `+pragma).Scan(&got))
		if got != want {
			t.Errorf("%s is %s, want %s", pragma, got, want)
		}
	}
	if _, err := s.reader.ExecContext(t.Context(), `UPDATE probe SET flip = 0`); err == nil {
		t.Error("a connection for reading can write")
	}
}

func TestTwoHandles(t *testing.T) {
	path, first := openNew(t)
	second := openAt(t, path, testKey)
	ok(t, createCohort(t.Context(), first))

	const rounds = 15
	shared := arrivals(rounds)
	var all sync.WaitGroup
	var mu sync.Mutex
	done := 0
	for _, s := range []*Store{first, second, first, second} {
		all.Go(func() {
			for _, e := range shared {
				outcomes, err := s.Record(t.Context(), append(arrivals(2), e))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for _, outcome := range outcomes {
					if outcome == store.Done {
						done++
					}
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	want := rounds + 4*2*rounds
	for _, s := range []*Store{first, second} {
		if arrived := arrivedIn(t, s); arrived != want || done != want {
			t.Errorf("%d arrived and %d done, want %d", arrived, done, want)
		}
		if rows := spentIn(t, s); rows != want {
			t.Errorf("%d spent codes, want %d", rows, want)
		}
	}

	// What one handle closes, the other refuses.
	ok(t, first.AdvanceCohort(t.Context(), year, store.StageOpen, store.StageClosing))
	if outcome := record(t, second, arrivals(1)...)[0]; outcome != store.NotOpen {
		t.Errorf("outcome %d, want not open", outcome)
	}
	ok(t, first.Rewrite(t.Context()))
	ok(t, second.Ping(t.Context()))
}
