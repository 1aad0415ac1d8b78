//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package filelock

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// lockVariable names the file that a process of the test binary is to lock until it is killed.
const lockVariable = "FILELOCK_TEST_PATH"

func TestMain(m *testing.M) {
	path := os.Getenv(lockVariable)
	if path == "" {
		os.Exit(m.Run())
	}
	if _, err := Alone(path); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("locked")
	time.Sleep(time.Hour)
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// taken fails unless a lock is refused.
func taken(t *testing.T, lock func(string) (*Lock, error), path string) {
	t.Helper()
	if _, err := lock(path); !errors.Is(err, ErrTaken) {
		t.Errorf("the lock gives %v", err)
	}
}

func TestWhichLocksGoTogether(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	one, err := Shared(path)
	ok(t, err)
	info, err := os.Stat(path)
	ok(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the file has the mode %o", info.Mode().Perm())
	}
	two, err := Shared(path)
	ok(t, err)
	taken(t, Alone, path)
	if err := one.Alone(); !errors.Is(err, ErrTaken) {
		t.Errorf("having it alone gives %v", err)
	}
	ok(t, one.Release())
	ok(t, two.Alone())
	taken(t, Shared, path)
	ok(t, two.Release())
	three, err := Alone(path)
	ok(t, err)
	taken(t, Alone, path)
	ok(t, three.Release())
}

func TestALockEndsWithItsProcess(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), lockVariable+"="+path)
	out, err := child.StdoutPipe()
	ok(t, err)
	ok(t, child.Start())
	if !bufio.NewScanner(out).Scan() {
		t.Error("it did not lock the file")
	}
	taken(t, Alone, path)
	ok(t, child.Process.Kill())
	_ = child.Wait() // it was killed
	lock, err := Alone(path)
	ok(t, err)
	ok(t, lock.Release())
}

func TestWhatCannotBeLocked(t *testing.T) {
	t.Parallel()
	if _, err := Alone(filepath.Join(t.TempDir(), "nowhere", "lock")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("in a folder that is not there: %v", err)
	}
}
