package sqlite

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"aankomst/server/store"
)

const childBatch = 20

// batchOf returns the arrivals of a numbered batch, the same in every process.
func batchOf(number int) []store.Entry {
	entries := make([]store.Entry, childBatch)
	for i := range entries {
		var n store.Nullifier
		binary.BigEndian.PutUint64(n[:], uint64(number))
		binary.BigEndian.PutUint64(n[8:], uint64(i))
		entries[i] = arrive(n)
	}
	return entries
}

// childRecord records batch after batch, from the first that is not recorded yet, and says so after
// each, until it is killed.
func childRecord(path string) error {
	ctx := context.Background()
	s, err := Open(ctx, path, testKey)
	if err != nil {
		return err
	}
	for number := 0; ; number++ {
		outcomes, err := s.Record(ctx, batchOf(number))
		if err != nil {
			return err
		}
		if outcomes[0] == store.Done {
			fmt.Println(number)
		}
	}
}

func TestKilledWhileRecording(t *testing.T) {
	path, s := openNew(t)
	ok(t, createCohort(t.Context(), s))
	ok(t, s.Close())
	for range 5 {
		process, output := child(t, "record", path)
		acknowledged := -1
		for range 3 + rand.IntN(10) {
			if !output.Scan() {
				t.Fatal("the child ended by itself")
			}
			number, err := strconv.Atoi(output.Text())
			ok(t, err)
			acknowledged = number
		}
		ok(t, process.Process.Kill())
		for output.Scan() { // what it said before it died counts too
			number, err := strconv.Atoi(output.Text())
			ok(t, err)
			acknowledged = number
		}
		_ = process.Wait() // it was killed

		// A wrong key must not harm the log that it left.
		if info, err := os.Stat(path + "-wal"); err != nil || info.Size() == 0 {
			t.Fatalf("no log was left: %v", err)
		}
		for _, open := range openers(t, path) {
			is(t, open(otherKey), ErrKey)
		}

		s, err := Open(t.Context(), path, testKey)
		ok(t, err)
		arrived := arrivedIn(t, s)
		if rows := spentIn(t, s); rows != arrived {
			t.Fatalf("%d arrived and %d spent codes", arrived, rows)
		}
		// One batch more may be committed than was acknowledged, but no part of one.
		if batches := arrived / childBatch; arrived%childBatch != 0 || batches < acknowledged+1 || batches > acknowledged+2 {
			t.Fatalf("%d arrived after %d acknowledged batches of %d", arrived, acknowledged+1, childBatch)
		}
		for number := range acknowledged + 1 {
			for _, outcome := range record(t, s, batchOf(number)...) {
				if outcome != store.DoneBefore {
					t.Fatalf("an acknowledged batch is not all there: outcome %d", outcome)
				}
			}
		}
		ok(t, s.Close())
	}
	ok(t, Verify(t.Context(), path, testKey))
}

// A power cut can tear the database's first block while the log is moved into it. The log has it
// whole, and the key must still be told to be right.
func TestTornFirstBlock(t *testing.T) {
	path, s := openNew(t)
	ok(t, s.writer.QueryRowContext(t.Context(), `PRAGMA wal_autocheckpoint = 0`).Scan(new(int)))
	ok(t, createCohort(t.Context(), s))
	_, err := s.writer.ExecContext(t.Context(), `CREATE TABLE later (x INTEGER)`) // writes the first block
	ok(t, err)
	record(t, s, arrivals(30)...)

	torn := path + ".torn"
	for _, beside := range []string{"", "-wal"} {
		data, err := os.ReadFile(path + beside)
		ok(t, err)
		if beside == "" {
			clear(data[512:1024])
		}
		ok(t, os.WriteFile(torn+beside, data, 0o600))
	}
	if arrived := arrivedIn(t, openAt(t, torn, testKey)); arrived != 30 {
		t.Errorf("%d arrived, want 30", arrived)
	}
}
