//go:build unix

package pgtest

import (
	"testing"
)

func TestAPairTakesTurnsAndLosesNothing(t *testing.T) {
	t.Parallel()
	pair := NewPair(t)
	dsn := pair.DSN("aankomst")
	must(t, withTable(dsn))
	var want []int
	add := func() {
		want = append(want, len(want)+1)
		write(t, dsn, len(want))
	}
	for range 2 {
		add()
		pair.Promote()
		has(t, dsn, want...)
		add() // it waits for nobody
		pair.Rejoin()
		add()
		has(t, pair.Primary().DSN("aankomst"), want...)
		if err := withTable(pair.Standby().DSN("aankomst")); code(err) != "25006" {
			t.Errorf("the standby can be written: %v", err)
		}
	}
}

func TestACommitWaitsForTheStandby(t *testing.T) {
	t.Parallel()
	pair := NewPair(t)
	dsn := pair.DSN("aankomst")
	must(t, withTable(dsn))
	pair.Standby().Kill()
	conn := connect(t, dsn)
	committed := make(chan error, 1)
	go func() {
		_, err := conn.Exec(t.Context(), "INSERT INTO written VALUES (1)")
		committed <- err
	}()
	must(t, eventually("the commit waits", func() (waits bool, err error) {
		err = execute(pair.Primary().AdminDSN("postgres"), "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep')", &waits)
		return waits, err
	}))
	select {
	case err := <-committed:
		t.Fatalf("a commit did not wait: %v", err)
	default:
	}
	pair.Standby().Start()
	must(t, <-committed)
	pair.Promote()
	has(t, dsn, 1)
}
