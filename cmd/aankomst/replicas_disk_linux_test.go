package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"aankomst/server/store/postgres/pgtest"
)

// databaseOnDisk is a database whose disk can be full.
type databaseOnDisk struct {
	*pgtest.Cluster
	t *testing.T
	// limited says that its files are limited, for want of a disk of its own.
	limited bool
}

// newDatabaseOnDisk makes a database on a disk in memory. Only the administrator may mount one; everyone else
// gets a database whose files may not be written to.
func newDatabaseOnDisk(t *testing.T) databaseOnDisk {
	t.Helper()
	folder := t.TempDir()
	err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size=64k")
	if errors.Is(err, syscall.EPERM) {
		return databaseOnDisk{pgtest.NewCluster(t), t, true}
	}
	noError(t, errors.Join(err, syscall.Unmount(folder, 0)))
	return databaseOnDisk{pgtest.NewClusterOnDisk(t), t, false}
}

// fill leaves no room. A database whose files are limited cannot write its log either, and ends.
func (d databaseOnDisk) fill() {
	d.t.Helper()
	if !d.limited {
		d.FillDisk()
		return
	}
	content, err := os.ReadFile(filepath.Join(d.Data(), "postmaster.pid"))
	noError(d.t, err)
	first, _, _ := strings.Cut(string(content), "\n")
	noError(d.t, d.limit(first)) // and what it starts from now on
	children, err := os.ReadFile(fmt.Sprintf("/proc/%s/task/%s/children", first, first))
	noError(d.t, err)
	for _, process := range strings.Fields(string(children)) {
		_ = d.limit(process) // unless it has ended
	}
}

// limit lets a process of the database write nothing to files. Only whoever runs it may do that.
func (d databaseOnDisk) limit(process string) error {
	info, err := os.Stat(d.Data())
	noError(d.t, err)
	owner := info.Sys().(*syscall.Stat_t)
	command := exec.Command("prlimit", "--pid", process, "--fsize=0:")
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid, NoSetGroups: true}}
	return command.Run()
}

// clear makes room again; a database that has ended is started.
func (d databaseOnDisk) clear() {
	d.t.Helper()
	if !d.limited {
		d.ClearDisk()
		return
	}
	eventually(d.t, "the database is started", func() bool {
		d.Start()
		connection, err := pgx.Connect(d.t.Context(), d.DSN("aankomst"))
		return err == nil && connection.Close(d.t.Context()) == nil
	})
}

// The database's disk gets full. What finds no room is refused, and the operator is told why; when there is room
// again it is accepted.
func TestADatabaseWithAFullDiskLosesNothing(t *testing.T) {
	t.Parallel()
	database := newDatabaseOnDisk(t)
	r := newReplicas(t, database.DSN("aankomst"))
	r.storeFails = true
	end := r.begin()
	for range 2 {
		r.recovered()
		database.fill()
		for _, c := range r.servers {
			c.refuses(1)
		}
		database.clear()
		r.recovered()
		end()
		r.check("after the disk was full")
		end = r.begin()
	}
	end()
	r.end()
	for _, c := range r.servers {
		if said := c.stderr.String(); !database.limited && !strings.Contains(said, "the database's disk is full: make room") {
			t.Errorf("the operator is not told what is wrong: %s", said)
		}
	}
}
