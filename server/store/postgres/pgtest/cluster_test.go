//go:build unix

package pgtest

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

func TestAKilledServerKeepsWhatWasCommitted(t *testing.T) {
	t.Parallel()
	cluster := NewCluster(t, "max_connections = 17")
	dsn := cluster.DSN("aankomst")
	must(t, withTable(dsn))
	write(t, dsn, 1)
	tx, err := connect(t, dsn).Begin(t.Context())
	must(t, err)
	_, err = tx.Exec(t.Context(), "INSERT INTO written VALUES (2)")
	must(t, err)
	busy := make(chan error)
	go func() { busy <- execute(dsn, "DO 'BEGIN LOOP END LOOP; END'") }()
	processes := busyServer(t, cluster)

	cluster.Kill()
	if err := <-busy; err == nil {
		t.Error("a statement without end has ended")
	}
	for _, process := range processes {
		must(t, eventually("the process is gone", func() (bool, error) { return ended(process), nil }))
	}
	if err := tx.Commit(t.Context()); err == nil {
		t.Error("a killed server commits")
	}
	cluster.Start()
	has(t, dsn, 1)
	if !strings.Contains(cluster.Log(), "automatic recovery in progress") {
		t.Error("the log does not tell that the server was killed")
	}

	cluster.Stop()
	if err := execute(dsn, "SELECT"); err == nil {
		t.Error("a stopped server answers")
	}
	cluster.Start()
	has(t, cluster.SocketDSN("aankomst"), 1)
	var connections string
	must(t, execute(dsn, "SHOW max_connections", &connections))
	if connections != "17" {
		t.Errorf("max_connections is %s", connections)
	}
	if err := execute(dsn, "CREATE ROLE another"); code(err) != "42501" {
		t.Errorf("the role of the tests is a superuser: %v", err)
	}
}

// busyServer waits until a server works on a statement, and returns its processes.
func busyServer(t *testing.T, cluster *Cluster) []int {
	t.Helper()
	must(t, eventually("the server is busy", func() (busy bool, err error) {
		err = execute(cluster.AdminDSN("postgres"), "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'DO%')", &busy)
		return busy, err
	}))
	processes, err := children(cluster.process.Pid)
	must(t, err)
	if len(processes) < 5 {
		t.Fatalf("the server has the processes %v only", processes)
	}
	return append(processes, cluster.process.Pid)
}

// ended says whether a process is no more, or waits only for its parent to take notice.
func ended(process int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", process))
	return err != nil || strings.Contains(string(status), ") Z ")
}

func TestAKilledServerLeavesFilesThatTheProgramsRead(t *testing.T) {
	t.Parallel()
	cluster := NewCluster(t)
	must(t, withTable(cluster.DSN("aankomst")))
	var segment string
	must(t, execute(cluster.AdminDSN("postgres"), "SELECT pg_walfile_name(pg_current_wal_lsn())", &segment))
	write(t, cluster.DSN("aankomst"), 1)
	cluster.Kill()
	// It complains of where the log ends.
	output, _ := exec.Command(Bin(t, "pg_waldump"), cluster.Data()+"/pg_wal/"+segment).Output()
	if !strings.Contains(string(output), "desc: COMMIT") {
		t.Errorf("no commit is in %s", output)
	}
}

func TestAFullDiskRefusesWritesUntilThereIsRoom(t *testing.T) {
	t.Parallel()
	cluster, err := create(nil, true)
	if errors.Is(err, syscall.EPERM) {
		if !strings.Contains(err.Error(), "CAP_SYS_ADMIN") {
			t.Errorf("it is not told what it takes to mount a disk: %v", err)
		}
		return
	}
	cluster.attach(t, err)
	dsn := cluster.DSN("aankomst")
	must(t, withTable(dsn))
	write(t, dsn, 1)
	conn := connect(t, dsn)
	fill := func() (err error) {
		for n := 2; err == nil && n < 10000; n++ {
			_, err = conn.Exec(t.Context(), "INSERT INTO written VALUES ($1)", n)
		}
		return err
	}
	cluster.FillDisk()
	if err := fill(); code(err) != "53100" {
		t.Errorf("on a full disk writing gives %v", err)
	}
	cluster.ClearDisk()
	must(t, fill())
	must(t, execute(dsn, "DELETE FROM written WHERE n > 1"))
	cluster.Kill()
	cluster.Start()
	has(t, dsn, 1)
}

// childVariable is set in the process that a test starts to be killed.
const childVariable = "PGTEST_CHILD"

func TestAServerEndsWithTheTestsHoweverTheyEnd(t *testing.T) {
	t.Parallel()
	if os.Getenv(childVariable) != "" {
		cluster := NewCluster(t)
		fmt.Printf("\n%d %s\n", cluster.process.Pid, cluster.folder)
		select {}
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), childVariable+"=1")
	output, err := child.StdoutPipe()
	must(t, err)
	must(t, child.Start())
	var pid int
	var folder string
	for lines := bufio.NewScanner(output); lines.Scan(); {
		if n, _ := fmt.Sscanf(lines.Text(), "%d %s", &pid, &folder); n == 2 {
			break
		}
	}
	if folder == "" {
		t.Fatal("the child has made no server")
	}
	must(t, syscall.Kill(pid, 0))
	must(t, child.Process.Kill())
	_ = child.Wait() // it was killed
	must(t, eventually("the server and its folder are gone", func() (bool, error) {
		_, err := os.Stat(folder)
		return errors.Is(err, os.ErrNotExist) && ended(pid), nil
	}))
}
