package sqlite

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ncruces/go-sqlite3"

	"aankomst/server/store"
)

func TestResultsInPlainWords(t *testing.T) {
	for code, words := range map[error]string{
		sqlite3.FULL:                wordsFull,
		sqlite3.READONLY:            wordsReadOnly,
		sqlite3.READONLY_DBMOVED:    wordsReadOnly,
		sqlite3.CANTOPEN:            wordsOpen,
		sqlite3.CANTOPEN_ISDIR:      wordsOpen,
		sqlite3.PERM:                wordsOpen,
		sqlite3.BUSY:                wordsBusy,
		sqlite3.BUSY_SNAPSHOT:       wordsBusy,
		sqlite3.LOCKED:              wordsBusy,
		sqlite3.IOERR:               wordsDisk,
		sqlite3.IOERR_FSYNC:         wordsDisk,
		sqlite3.CORRUPT:             wordsDamaged,
		sqlite3.NOTADB:              wordsDamaged,
		sqlite3.INTERRUPT:           "try again",
		failed("x", syscall.EROFS):  wordsReadOnly,
		failed("x", syscall.EDQUOT): wordsFull,
	} {
		err := plain(fmt.Errorf("while committing: %w", code))
		if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), words) {
			t.Errorf("%v became %v, want %q", code, err, words)
		}
	}
	for code, want := range map[error]error{
		sqlite3.CONSTRAINT_UNIQUE:     store.ErrExists,
		sqlite3.CONSTRAINT_PRIMARYKEY: store.ErrExists,
		sqlite3.CONSTRAINT_FOREIGNKEY: store.ErrNotFound,
	} {
		is(t, plain(code), want)
	}
	for _, code := range []error{sqlite3.CONSTRAINT_CHECK, sqlite3.CONSTRAINT_TRIGGER, sqlite3.ERROR, sqlite3.MISUSE} {
		err := plain(code)
		for _, sentinel := range []error{store.ErrExists, store.ErrNotFound, store.ErrConflict, store.ErrUnavailable} {
			if errors.Is(err, sentinel) {
				t.Errorf("%v became %v", code, err)
			}
		}
	}
}

func TestFull(t *testing.T) {
	_, s := openNew(t)
	ok(t, createCohort(t.Context(), s))
	var pages int
	ok(t, s.writer.QueryRowContext(t.Context(), `PRAGMA page_count`).Scan(&pages))
	limit := func(pages int) {
		ok(t, s.writer.QueryRowContext(t.Context(), fmt.Sprintf(`PRAGMA max_page_count = %d`, pages)).Scan(new(int)))
	}
	limit(pages + 2)
	arrived := 0
	for {
		_, err := s.Record(t.Context(), arrivals(50))
		if err != nil {
			is(t, err, store.ErrUnavailable)
			if !strings.Contains(err.Error(), "the disk is full") {
				t.Errorf("%v", err)
			}
			break
		}
		arrived += 50
	}
	if got := arrivedIn(t, s); got != arrived || spentIn(t, s) != arrived {
		t.Errorf("%d arrived and %d spent codes, want %d", got, spentIn(t, s), arrived)
	}
	limit(1_000_000)
	record(t, s, arrivals(50)...)
}

// childLimited records until a file may grow no more, as on a full disk, and checks that it then
// reads, fails plainly, and goes on when there is room.
func childLimited(path string) error {
	signal.Ignore(syscall.SIGXFSZ)
	ctx := context.Background()
	s, err := Open(ctx, path, testKey)
	if err != nil {
		return err
	}
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		return err
	}
	limited := old
	limited.Cur = 400_000
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limited); err != nil {
		return err
	}
	arrived := 0
	for {
		if _, err = s.Record(ctx, arrivals(50)); err != nil {
			break
		}
		arrived += 50
	}
	if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "full: make room") {
		return fmt.Errorf("the error is %w", err)
	}
	for err = nil; err == nil; { // there may be room for a few more small writes
		err = s.Ping(ctx)
	}
	if !errors.Is(err, store.ErrUnavailable) {
		return fmt.Errorf("ping does not fail as a call would: %w", err)
	}
	counts, err := s.Counts(ctx, year)
	if err != nil || counts.Pools[0].Arrived != arrived {
		return fmt.Errorf("%d arrived, want %d: %w", counts.Pools[0].Arrived, arrived, err)
	}

	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		return err
	}
	if err := s.Ping(ctx); err != nil {
		return err
	}
	if _, err := s.Record(ctx, arrivals(50)); err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		return err
	}
	fmt.Println(arrived + 50)
	return nil
}

func TestFullDisk(t *testing.T) {
	path, s := openNew(t)
	ok(t, createCohort(t.Context(), s))
	ok(t, s.Close())
	process, output := child(t, "limited", path)
	if !output.Scan() {
		t.Fatal("the child failed")
	}
	ok(t, process.Wait())
	ok(t, Verify(t.Context(), path, testKey))
	if arrived := fmt.Sprint(arrivedIn(t, openAt(t, path, testKey))); arrived != output.Text() {
		t.Errorf("%s arrived, want %s", arrived, output.Text())
	}
}

func TestNoFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	ok(t, os.WriteFile(file, nil, 0o600))
	path := filepath.Join(file, "store.db")
	_, err := Migrate(t.Context(), path, testKey)
	is(t, err, store.ErrUnavailable)
	_, err = Open(t.Context(), path, testKey)
	is(t, err, store.ErrUnavailable)
}

func TestBusy(t *testing.T) {
	path, s := openNew(t)
	ok(t, createCohort(t.Context(), s))
	// Shorter than the five seconds that people are given.
	_, err := s.writer.ExecContext(t.Context(), `PRAGMA busy_timeout = 10`)
	ok(t, err)
	second := openAt(t, path, testKey)
	held, err := second.writer.BeginTx(t.Context(), nil)
	ok(t, err)
	_, err = s.Record(t.Context(), arrivals(1))
	is(t, err, store.ErrUnavailable)
	if !strings.Contains(err.Error(), "another process") {
		t.Errorf("%v", err)
	}
	if got := arrivedIn(t, s); got != 0 { // reading goes on
		t.Errorf("%d arrived, want none", got)
	}
	ok(t, held.Rollback())
	record(t, s, arrivals(1)...)
}

// A closed cohort's codes are dropped in the transaction; only emptying the log can fail after it.
func TestClosedWhileAnotherReads(t *testing.T) {
	path, s := openNew(t)
	ok(t, createCohort(t.Context(), s))
	record(t, s, arrivals(10)...)
	for i, stage := range store.Stages[1 : len(store.Stages)-1] {
		ok(t, s.AdvanceCohort(t.Context(), year, store.Stages[i], stage))
	}
	_, err := s.writer.ExecContext(t.Context(), `PRAGMA busy_timeout = 10`)
	ok(t, err)
	second := openAt(t, path, testKey)
	reading, err := second.reader.BeginTx(t.Context(), nil)
	ok(t, err)
	var before int
	ok(t, reading.QueryRowContext(t.Context(), `SELECT count(*) FROM spent`).Scan(&before))

	is(t, s.AdvanceCohort(t.Context(), year, store.StageEscrowDestroyed, store.StageClosed), store.ErrUnavailable)

	cohort, err := s.GetCohort(t.Context(), year)
	ok(t, err)
	if rows := spentIn(t, s); cohort.Stage != store.StageClosed || rows != 0 {
		t.Errorf("stage %s with %d spent codes", cohort.Stage, rows)
	}
	ok(t, reading.Rollback())
	ok(t, s.Rewrite(t.Context())) // makes good for it
	if info, err := os.Stat(path + "-wal"); err != nil || info.Size() != 0 {
		t.Errorf("the log is not empty: %v", err)
	}
}

// Errors must not quote the key, which SQLite's own do when it stands in a file's address.
func TestErrorsKeepTheKey(t *testing.T) {
	path, s := openNew(t)
	secret := hex.EncodeToString(testKey[:])
	target := filepath.Join(t.TempDir(), "no", "copy.db")
	_, quoted := s.writer.ExecContext(t.Context(), `VACUUM INTO ?`, address(target, "hexkey", secret))
	if quoted == nil {
		t.Fatal("a copy was made in no folder")
	}
	errs := []error{
		vacuumInto(t.Context(), s.writer, target, testKey),
		vacuumInto(t.Context(), s.writer, path, testKey),
		s.Backup(t.Context(), target),
		s.Backup(t.Context(), path),
		Rekey(t.Context(), path, testKey, testKey),
		connect(target, "rw", testKey, 1).PingContext(t.Context()),
	}
	for _, err := range errs {
		if err == nil || strings.Contains(strings.ToLower(fmt.Sprintf("%+v %#v", err, err)), secret) {
			t.Errorf("%v", err)
		}
	}
}

// A file that is removed or replaced while it is open could still be written to, and everything that is
// acknowledged then would be lost. Put back, it serves again.
func TestFileTakenAway(t *testing.T) {
	path, s := openNew(t)
	ok(t, createCohort(t.Context(), s))
	record(t, s, arrivals(1)...)

	ok(t, os.Rename(path, path+".away"))
	_, err := s.Record(t.Context(), arrivals(2))
	is(t, err, store.ErrUnavailable)
	is(t, s.Ping(t.Context()), store.ErrUnavailable)

	ok(t, os.WriteFile(path, nil, 0o600))
	_, err = s.Record(t.Context(), arrivals(2))
	is(t, err, store.ErrUnavailable)

	ok(t, os.Rename(path+".away", path))
	record(t, s, arrivals(1)...)
	if got := arrivedIn(t, s); got != 2 {
		t.Errorf("%d arrivals are left", got)
	}
}
