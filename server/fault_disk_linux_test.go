package server_test

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/refcode"
	"aankomst/server/servertest"
	"aankomst/server/store"
)

// disk is a place for a store that can be full.
type disk struct {
	folder string
	// fill leaves no room, and clear makes room again.
	fill, clear func()
}

// limitedChild is set in the process that a test started anew with the files it writes limited.
const limitedChild = "FAULT_TEST_LIMITED_CHILD"

// smallDisk returns a disk in memory of its own. Only the administrator may mount one; everyone else
// gets a folder in which files may not grow, which is as good and needs a process of its own: then the
// test runs there, and smallDisk returns nil.
func smallDisk(t *testing.T) *disk {
	t.Helper()
	folder := t.TempDir()
	if os.Getenv(limitedChild) != "" {
		return limitedFolder(t, folder)
	}
	err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size=8m,mode=0700")
	if err != nil {
		if !errors.Is(err, syscall.EPERM) {
			t.Fatalf("no small disk can be made: %v", err)
		}
		inLimitedProcess(t)
		return nil
	}
	t.Cleanup(func() { must(t, syscall.Unmount(folder, 0)) })
	ballast := filepath.Join(folder, "ballast")
	return &disk{
		folder: folder,
		fill: func() {
			file, err := os.Create(ballast)
			must(t, err)
			defer file.Close()
			for err == nil {
				_, err = file.Write(make([]byte, 512))
			}
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("the disk does not get full: %v", err)
			}
		},
		clear: func() { must(t, os.Remove(ballast)) },
	}
}

// inLimitedProcess runs the test that calls it in a process of its own.
func inLimitedProcess(t *testing.T) {
	t.Helper()
	again := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	again.Env = append(os.Environ(), limitedChild+"=1")
	output, err := again.CombinedOutput()
	if err != nil || !strings.Contains(string(output), "--- PASS: "+t.Name()) {
		t.Fatalf("with limited files: %v\n%s", err, output)
	}
}

func limitedFolder(t *testing.T, folder string) *disk {
	signal.Ignore(syscall.SIGXFSZ)
	var old syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old))
	return &disk{
		folder: folder,
		fill:   func() { must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 4096, Max: old.Max})) },
		clear:  func() { must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old)) },
	}
}

// On a full disk every call that would write fails with a clear error and counts nothing; what only
// reads goes on. When there is room again the same server counts again.
func TestFaultDiskFull(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t)
	if disk == nil {
		return
	}
	// Emptying the log makes a little room, so that must be over before the disk is filled.
	f, _ := startTidied(t, servertest.Options{Folder: disk.folder})
	p := newParty(t, f)
	var want store.PoolCounts
	var codes []refcode.Code
	for range 150 {
		codes = append(codes, p.issue(1, false).Code)
	}
	want.Issued = len(codes)
	next := func() refcode.Code {
		t.Helper()
		if len(codes) == 0 {
			t.Fatal("the disk does not get full")
		}
		code := codes[0]
		codes = codes[1:]
		return code
	}
	confirmed := next()
	must(t, p.confirm(confirmed, 0))
	want.Arrived++

	disk.fill()
	var refused []refcode.Code
	// Every kind of call, each until there is no room for it: a few small writes may still fit.
	until := func(call func() error, counted *int) {
		t.Helper()
		for range 1000 {
			if err := call(); err != nil {
				unavailable(t, err)
				return
			}
			*counted++
		}
		t.Fatal("the disk does not get full")
	}
	until(func() error {
		refused = append(refused, next())
		return p.confirm(refused[len(refused)-1], 0)
	}, &want.Arrived)
	var voided refcode.Code
	until(func() error { voided = next(); return p.void(voided, false) }, &want.Voided)
	until(func() error { return p.referWithoutCode(1) }, &want.ReferredWithoutCode)
	blinding, err := refcode.Blind(p.directory, 1)
	must(t, err)
	until(func() error { return p.issueElement(blinding.Element) }, new(int)) // the same element: counted once at most
	withoutCode := 0
	until(p.arriveWithoutCode, &withoutCode)
	unavailable(t, p.undo(confirmed, 0))
	_, err = p.arrivals.ConfirmArrival(as(t.Context(), p.guesser), &aankomstv1.ConfirmArrivalRequest{Code: unissued(t, refcode.Short).Text()})
	unavailable(t, err) // a guess that cannot be counted is not answered
	sameCounts(t, "while the disk is full", f.Counts().Pools[0], want)
	isReady(t, f, false)
	_, err = aankomstv1.NewDirectoryServiceClient(f.Connection).ListCohorts(t.Context(), new(aankomstv1.ListCohortsRequest))
	must(t, err)

	disk.clear()
	isReady(t, f, true)
	// Everything that was refused is accepted now, and counts once.
	must(t, p.confirm(refused[len(refused)-1], 0))
	must(t, p.void(voided, false))
	must(t, p.issueElement(blinding.Element))
	must(t, p.undo(confirmed, 0))
	want.Issued++
	want.Voided++
	sameCounts(t, "when there is room again", f.Counts().Pools[0], want)
	if got := f.Counts().ArrivedWithoutCode; got != withoutCode {
		t.Errorf("%d arrived without code, want %d", got, withoutCode)
	}
	sameCounts(t, "after a new start", sound(t, f).Counts().Pools[0], want)
}
