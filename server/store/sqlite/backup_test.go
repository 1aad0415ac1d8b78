package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"aankomst/server/store"
)

func TestBackupWhileWriting(t *testing.T) {
	path, s := openNew(t)
	ok(t, createCohort(t.Context(), s))
	var acknowledged atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	for range 2 {
		writing.Go(func() {
			for ctx.Err() == nil {
				if _, err := s.Record(t.Context(), arrivals(3)); err != nil {
					t.Error(err)
					return
				}
				acknowledged.Add(3)
			}
		})
	}
	defer func() {
		stop()
		writing.Wait()
	}()

	for i := range 3 {
		copied := filepath.Join(filepath.Dir(path), fmt.Sprintf("copy%d.db", i))
		before := acknowledged.Load()
		ok(t, s.Backup(t.Context(), copied))
		after := acknowledged.Load() + 2*3 // what is committed and not yet counted here

		info, err := os.Stat(copied)
		ok(t, err)
		if info.Mode() != 0o600 {
			t.Errorf("mode %v, want 0600", info.Mode())
		}
		ok(t, Verify(t.Context(), copied, testKey))
		for _, beside := range []string{"-wal", "-shm", "-journal", ".lock"} {
			if _, err := os.Stat(copied + beside); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s lies beside the copy: %v", beside, err)
			}
		}
		restored := openAt(t, copied, testKey)
		arrived := arrivedIn(t, restored)
		if rows := spentIn(t, restored); rows != arrived {
			t.Errorf("%d arrived and %d spent codes", arrived, rows)
		}
		if int64(arrived) < before || int64(arrived) > after {
			t.Errorf("%d arrived, want %d to %d", arrived, before, after)
		}
		record(t, restored, arrivals(1)...)
	}
}

func TestBackupRefusesToOverwrite(t *testing.T) {
	path, s := openNew(t)
	target := filepath.Join(t.TempDir(), "copy.db")
	ok(t, os.WriteFile(target, []byte("dear"), 0o600))
	is(t, s.Backup(t.Context(), target), store.ErrExists)
	is(t, s.Backup(t.Context(), path), store.ErrExists)
	kept, err := os.ReadFile(target)
	ok(t, err)
	if string(kept) != "dear" {
		t.Error("the file was overwritten")
	}
	ok(t, s.Ping(t.Context()))
}

func TestBackupFails(t *testing.T) {
	_, s := openNew(t)
	target := filepath.Join(t.TempDir(), "no", "copy.db")
	is(t, s.Backup(t.Context(), target), store.ErrUnavailable)

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	target = filepath.Join(t.TempDir(), "copy.db")
	is(t, s.Backup(cancelled, target), context.Canceled)
	if files := folder(t, target); len(files) != 0 {
		t.Errorf("left %v", files)
	}
	ok(t, s.Close())
	is(t, s.Backup(t.Context(), target), store.ErrUnavailable)
}

func TestVerifyFindsDamage(t *testing.T) {
	path, s := openNew(t)
	ok(t, createCohort(t.Context(), s))
	record(t, s, arrivals(500)...)
	sound := filepath.Join(filepath.Dir(path), "copy.db")
	ok(t, s.Backup(t.Context(), sound))
	data, err := os.ReadFile(sound)
	ok(t, err)

	damaged := filepath.Join(t.TempDir(), "damaged.db")
	for offset := 4096; offset < len(data); offset += 4096 {
		data[offset+1000] ^= 1
		ok(t, os.WriteFile(damaged, data, 0o600))
		if err := Verify(t.Context(), damaged, testKey); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("one wrong bit in block %d: error %v", offset/4096, err)
		}
		data[offset+1000] ^= 1
	}
	data[50] ^= 1
	ok(t, os.WriteFile(damaged, data, 0o600))
	is(t, Verify(t.Context(), damaged, testKey), ErrKey)
	data[50] ^= 1
	ok(t, os.WriteFile(damaged, data[:len(data)/2], 0o600))
	is(t, Verify(t.Context(), damaged, testKey), store.ErrUnavailable)
	ok(t, Verify(t.Context(), sound, testKey))
	ok(t, Verify(t.Context(), path, testKey)) // one that is open
}

func TestRekey(t *testing.T) {
	path, s := openNew(t)
	ok(t, createCohort(t.Context(), s))
	codes := arrivals(50)
	record(t, s, codes...)

	err := Rekey(t.Context(), path, testKey, otherKey)
	is(t, err, store.ErrUnavailable)
	if !strings.Contains(err.Error(), "in use") {
		t.Errorf("%v", err)
	}
	ok(t, s.Close())
	is(t, Rekey(t.Context(), path, otherKey, testKey), ErrKey)
	// What an attempt left that was killed is in nobody's way.
	ok(t, os.WriteFile(path+".new", []byte("half"), 0o600))
	old, err := os.ReadFile(path)
	ok(t, err)

	ok(t, Rekey(t.Context(), path, testKey, otherKey))

	_, err = Open(t.Context(), path, testKey)
	is(t, err, ErrKey)
	ok(t, Verify(t.Context(), path, otherKey))
	if names := folder(t, path); len(names) != 2 {
		t.Errorf("left %v, want the database and its lock", names)
	}
	info, err := os.Stat(path)
	ok(t, err)
	if info.Mode() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode())
	}
	again := openAt(t, path, otherKey)
	for _, outcome := range record(t, again, codes...) {
		if outcome != store.DoneBefore {
			t.Fatalf("outcome %d, want done before", outcome)
		}
	}
	if arrived := arrivedIn(t, again); arrived != 50 {
		t.Errorf("%d arrived, want 50", arrived)
	}

	// A log under the old key that a crash left beside the new file is no log of it.
	ok(t, again.Close())
	ok(t, os.WriteFile(path+"-wal", old, 0o600))
	if arrived := arrivedIn(t, openAt(t, path, otherKey)); arrived != 50 {
		t.Errorf("%d arrived, want 50", arrived)
	}
}

func TestRekeyRefusedByAnotherProcess(t *testing.T) {
	path, s := openNew(t)
	ok(t, s.Close())
	process, output := child(t, "open", path)
	if !output.Scan() {
		t.Fatal("the child did not open the database")
	}
	is(t, Rekey(t.Context(), path, testKey, otherKey), store.ErrUnavailable)
	ok(t, process.Process.Kill())
	_ = process.Wait() // it was killed
	ok(t, Rekey(t.Context(), path, testKey, otherKey))
}

// childOpen has the database open until it is killed.
func childOpen(path string) error {
	_, err := Open(context.Background(), path, testKey)
	if err != nil {
		return err
	}
	fmt.Println("open")
	time.Sleep(time.Hour)
	return nil
}

func TestOpenRefusedWhileRekeying(t *testing.T) {
	path, s := openNew(t)
	ok(t, s.Close())
	lock, err := lockAlone(path)
	ok(t, err)
	_, err = Open(t.Context(), path, testKey)
	is(t, err, store.ErrUnavailable)
	is(t, Rekey(t.Context(), path, testKey, otherKey), store.ErrUnavailable)
	ok(t, lock.release())
	ok(t, openAt(t, path, testKey).Ping(t.Context()))
}

func TestRestore(t *testing.T) {
	path, s := openNew(t)
	ok(t, createCohort(t.Context(), s))
	early, late := arrivals(20), arrivals(30)
	record(t, s, early...)
	backup := filepath.Join(t.TempDir(), "backup.db")
	ok(t, s.Backup(t.Context(), backup))
	record(t, s, late...)
	is(t, Restore(t.Context(), backup, path, testKey), store.ErrUnavailable) // it is open
	is(t, Restore(t.Context(), backup, path, otherKey), ErrKey)

	// A log that a crash left is set aside with its database. It must not be taken for the copy's,
	// although its key is the same.
	log, err := os.ReadFile(path + "-wal")
	ok(t, err)
	main, err := os.ReadFile(path)
	ok(t, err)
	ok(t, s.Close())
	for i, aside := range []string{".replaced", ".replaced.2"} {
		ok(t, os.WriteFile(path, main, 0o600))
		ok(t, os.WriteFile(path+"-wal", log, 0o600))
		ok(t, Restore(t.Context(), backup, path, testKey))
		if arrived := arrivedAt(t, path); arrived != 20 {
			t.Errorf("%d arrived in what was restored, want 20", arrived)
		}
		if arrived := arrivedAt(t, path+aside); arrived != 50 {
			t.Errorf("%d arrived in what was set aside, want 50", arrived)
		}
		if i == 0 {
			ok(t, Restore(t.Context(), path, filepath.Join(t.TempDir(), "new.db"), testKey)) // where none was
		}
	}

	// What is no sound backup touches nothing.
	data, err := os.ReadFile(backup)
	ok(t, err)
	data[len(data)-100] ^= 1
	damaged := filepath.Join(t.TempDir(), "damaged.db")
	ok(t, os.WriteFile(damaged, data, 0o600))
	before := folder(t, path)
	is(t, Restore(t.Context(), damaged, path, testKey), store.ErrUnavailable)
	is(t, Restore(t.Context(), filepath.Join(t.TempDir(), "no.db"), path, testKey), store.ErrNotFound)
	if after := folder(t, path); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("files before %v, after %v", before, after)
	}
	if arrived := arrivedAt(t, path); arrived != 20 {
		t.Errorf("%d arrived, want 20", arrived)
	}
}

// arrivedAt opens a database, counts and closes it.
func arrivedAt(t *testing.T, path string) int {
	t.Helper()
	s, err := Open(t.Context(), path, testKey)
	ok(t, err)
	arrived := arrivedIn(t, s)
	ok(t, s.Close())
	return arrived
}
