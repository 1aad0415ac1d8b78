package sqlite

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"aankomst/server/store"
)

// unprivileged runs do on a thread that has no more rights on files than the modes give to anyone,
// even when the tests run as root. The thread ends with its goroutine.
func unprivileged(do func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if os.Geteuid() == 0 {
			runtime.LockOSThread()
			const nobody = 65534
			syscall.RawSyscall(syscall.SYS_SETFSUID, nobody, 0, 0) // it fails for none but others
		}
		do()
	}()
	<-done
}

func TestReadOnly(t *testing.T) {
	const readFile, readFolder = 0o444, 0o555
	for _, test := range []struct {
		name         string
		file, folder os.FileMode
	}{
		{"folder", 0o666, readFolder},
		{"file", readFile, 0o777},
		{"both", readFile, readFolder},
	} {
		t.Run(test.name, func(t *testing.T) {
			path, s := openNew(t)
			ok(t, s.Close())
			folder := filepath.Dir(path)
			ok(t, os.Chmod(filepath.Dir(folder), 0o755))
			ok(t, os.Remove(path+".lock"))
			ok(t, os.Chmod(path, test.file))
			ok(t, os.Chmod(folder, test.folder))
			t.Cleanup(func() { ok(t, os.Chmod(folder, 0o700)) })

			unprivileged(func() {
				opened, err := Open(t.Context(), path, testKey)
				if err == nil {
					err = opened.Ping(t.Context())
					_ = opened.Close()
				}
				if err == nil || !strings.Contains(err.Error(), "check owner") {
					t.Errorf("error %v", err)
				}
				if !strings.HasPrefix(err.Error(), store.ErrUnavailable.Error()) {
					t.Errorf("error %v is not that the store is not available", err)
				}
				if test.folder == readFolder {
					_, err = Migrate(t.Context(), filepath.Join(folder, "new.db"), testKey)
					if err == nil || !strings.Contains(err.Error(), "check owner") {
						t.Errorf("error %v", err)
					}
				}
			})
		})
	}
}

// A backup on a read-only medium can be verified, and nothing is written beside it.
func TestVerifyReadOnly(t *testing.T) {
	_, s := openNew(t)
	ok(t, createCohort(t.Context(), s))
	folder := t.TempDir()
	ok(t, os.Chmod(filepath.Dir(folder), 0o755))
	copied := filepath.Join(folder, "copy.db")
	ok(t, s.Backup(t.Context(), copied))
	ok(t, os.Chmod(copied, 0o444))
	ok(t, os.Chmod(folder, 0o555))
	t.Cleanup(func() { ok(t, os.Chmod(folder, 0o700)) })
	unprivileged(func() {
		if err := Verify(t.Context(), copied, testKey); err != nil {
			t.Error(err)
		}
	})
}

// Who has no right to write where the copy is to be is told of that folder, and of nothing wrong with the store.
func TestACopyToAFolderThatCannotBeWritten(t *testing.T) {
	_, s := openNew(t)
	folder := t.TempDir()
	ok(t, os.Chmod(filepath.Dir(folder), 0o755))
	ok(t, os.Chmod(folder, 0o555))
	t.Cleanup(func() { ok(t, os.Chmod(folder, 0o700)) })
	target := filepath.Join(folder, "copy.db")
	unprivileged(func() {
		for name, err := range map[string]error{
			"backup": s.Backup(t.Context(), target),
			"export": Export(t.Context(), s, target, testKey),
		} {
			is(t, err, store.ErrUnavailable)
			if !strings.Contains(err.Error(), "cannot be written to the folder "+folder+": check its owner") || strings.Contains(err.Error(), store.ErrUnavailable.Error()) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
