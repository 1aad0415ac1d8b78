package server_test

import (
	"encoding/hex"
	"errors"
	"net/url"
	"path/filepath"
	"sync"
	"testing"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/driver"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/refcode"
	"aankomst/server/servertest"
	"aankomst/server/store"
)

func (p *party) issueElement(element []byte) error {
	_, err := p.referrals.IssueReferral(as(p.t.Context(), p.counsellor), &aankomstv1.IssueReferralRequest{
		Cohort: servertest.Year, Pool: 1, BlindedElement: element,
	})
	return err
}

// A store that another process keeps locked for long is told to be so; afterwards the same server
// counts again, and nothing twice.
func TestFaultStoreLocked(t *testing.T) {
	t.Parallel()
	f, _ := startTidied(t, servertest.Options{})
	p := newParty(t, f)
	arrives, hangsUp := p.issue(1, false).Code, p.issue(1, false).Code
	blinding, err := refcode.Blind(p.directory, 1)
	must(t, err)
	unlock := lockStore(t, f.Folder)
	calls := []func() error{
		func() error { return p.confirm(arrives, 0) },
		func() error { return p.void(hangsUp, false) },
		func() error { return p.issueElement(blinding.Element) },
	}
	failures := make([]error, len(calls))
	var wait sync.WaitGroup
	for i, call := range calls {
		wait.Go(func() { failures[i] = call() })
	}
	wait.Wait()
	told := 0
	for _, err := range failures {
		// One that waits for the turn of another may run out of its own time first.
		if status.Code(err) != codes.DeadlineExceeded {
			unavailable(t, err)
			told++
		}
	}
	if told == 0 {
		t.Error("nobody was told that the store cannot be used")
	}
	isReady(t, f, false)
	sameCounts(t, "while the store is locked", f.Counts().Pools[0], store.PoolCounts{Issued: 2})

	unlock()
	isReady(t, f, true)
	for _, call := range calls {
		must(t, call())
		must(t, call())
	}
	want := store.PoolCounts{Issued: 3, Arrived: 1, Voided: 1}
	sameCounts(t, "when the store is free again", f.Counts().Pools[0], want)
	sameCounts(t, "after a new start", sound(t, f).Counts().Pools[0], want)
}

// lockStore takes the store's lock for writing on a connection of its own, as another process would.
func lockStore(t *testing.T, folder string) (unlock func()) {
	t.Helper()
	key := storeKey(t, folder)
	address := url.URL{Scheme: "file", OmitHost: true, Path: filepath.Join(folder, "aankomst.db"), RawQuery: "vfs=adiantum&mode=rw"}
	db, err := driver.Open(address.String(), func(c *sqlite3.Conn) error {
		return c.Exec(`PRAGMA hexkey = '` + hex.EncodeToString(key[:]) + `'; PRAGMA busy_timeout = 10000`)
	})
	must(t, err)
	db.SetMaxOpenConns(1)
	_, err = db.ExecContext(t.Context(), `BEGIN IMMEDIATE`)
	must(t, err)
	unlock = sync.OnceFunc(func() {
		_, err := db.Exec(`ROLLBACK`)
		must(t, errors.Join(err, db.Close()))
	})
	t.Cleanup(unlock)
	return unlock
}
