package sqlite

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"lukechampine.com/adiantum"

	"aankomst/server/store"
	"aankomst/server/store/storetest"
)

var (
	testKey  = [32]byte{0: 0xA5, 7: 0x3C, 15: 0x99, 31: 0xF1}
	otherKey = [32]byte{0: 0xA5, 7: 0x3C, 15: 0x99, 31: 0xF2}
)

// Some tests need a process that can be killed or limited: the test's own binary, told by childRole
// what to do with the database at childPath.
const (
	childRole = "AANKOMST_TEST_CHILD"
	childPath = "AANKOMST_TEST_PATH"
)

func TestMain(m *testing.M) {
	children := map[string]func(path string) error{
		"record":  childRecord,
		"limited": childLimited,
		"open":    childOpen,
	}
	if child, ok := children[os.Getenv(childRole)]; ok {
		if err := child(os.Getenv(childPath)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child starts a process in a role. What it prints is read line by line.
func child(t *testing.T, role, path string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), childRole+"="+role, childPath+"="+path)
	command.Stderr = os.Stderr
	output, err := command.StdoutPipe()
	ok(t, err)
	ok(t, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Kill() // it may be gone
		_ = command.Wait()
	})
	return command, bufio.NewScanner(output)
}

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		_, s := openNew(t)
		return s
	}, func(t *testing.T, s store.Store, by time.Duration) {
		_, err := s.(*Store).writer.ExecContext(t.Context(), `UPDATE holders SET seen_at = seen_at - ?`, int(by.Seconds()))
		ok(t, err)
	})
}

// openNew makes a database in a folder of its own and opens it for the time of the test.
func openNew(t *testing.T) (path string, s *Store) {
	t.Helper()
	path = migrated(t)
	return path, openAt(t, path, testKey)
}

func migrated(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "store.db")
	_, err := Migrate(t.Context(), path, testKey)
	ok(t, err)
	return path
}

func openAt(t *testing.T, path string, key [32]byte) *Store {
	t.Helper()
	s, err := Open(t.Context(), path, key)
	ok(t, err)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func is(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}

const year = 2026

// createCohort makes a cohort of one pool with one centre.
func createCohort(ctx context.Context, s *Store) error {
	err := s.CreateCentre(ctx, store.Centre{ID: "caw-1", Name: "Centrum aan de Leie"})
	if err != nil {
		return err
	}
	return s.CreateCohort(ctx, store.Cohort{
		Year: year, Layout: 1, PublicKey: make([]byte, 32),
		Pools: []store.Pool{{Number: 1, Name: "Westelijke groep", Centres: []string{"caw-1"}}},
	})
}

func arrive(n store.Nullifier) store.Entry {
	return store.Entry{Kind: store.Arrive, Year: year, Pool: 1, Nullifier: n}
}

// arrivals returns entries for n codes that nobody else uses.
func arrivals(n int) []store.Entry {
	entries := make([]store.Entry, n)
	for i := range entries {
		var nullifier store.Nullifier
		rand.Read(nullifier[:])
		entries[i] = arrive(nullifier)
	}
	return entries
}

func record(t *testing.T, s *Store, entries ...store.Entry) []store.Outcome {
	t.Helper()
	outcomes, err := s.Record(t.Context(), entries)
	ok(t, err)
	return outcomes
}

func arrivedIn(t *testing.T, s *Store) int {
	t.Helper()
	counts, err := s.Counts(t.Context(), year)
	ok(t, err)
	return counts.Pools[0].Arrived
}

// spentIn counts the rows of the spent codes.
func spentIn(t *testing.T, s *Store) (rows int) {
	t.Helper()
	ok(t, s.reader.QueryRowContext(t.Context(), `SELECT count(*) FROM spent`).Scan(&rows))
	return rows
}

// decrypted returns a file as SQLite sees it.
func decrypted(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	ok(t, err)
	cipher := adiantum.New(testKey[:])
	for offset := 0; offset < len(data); offset += 4096 {
		block := data[offset:min(offset+4096, len(data))]
		copy(block, cipher.Decrypt(slices.Clone(block), binary.LittleEndian.AppendUint64(nil, uint64(offset))))
	}
	return data
}
