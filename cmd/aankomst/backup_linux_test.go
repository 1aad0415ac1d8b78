package main

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// A folder that nobody may look into is not said to be missing.
func TestABackupToAFolderThatCannotBeEntered(t *testing.T) {
	t.Parallel()
	locked := filepath.Join(t.TempDir(), "locked")
	noError(t, os.MkdirAll(filepath.Join(locked, "backups"), 0o700))
	noError(t, os.Chmod(locked, 0))
	t.Cleanup(func() { noError(t, os.Chmod(locked, 0o700)) })
	said := make(chan error)
	go func() {
		if os.Geteuid() == 0 { // whom no mode binds; the thread ends with its goroutine
			runtime.LockOSThread()
			const nobody = 65534
			syscall.RawSyscall(syscall.SYS_SETFSUID, nobody, 0, 0) // it fails for none but others
		}
		var out bytes.Buffer
		said <- run(t.Context(), []string{"backup", filepath.Join(locked, "backups", "copy.backup")}, strings.NewReader(""), &out, &out)
	}()
	if err := <-said; exitCode(err) != exitUsage || !strings.Contains(sentence(err), "cannot be entered: check owner and mode") {
		t.Errorf("exit code %d: %s", exitCode(err), sentence(err))
	}
}
