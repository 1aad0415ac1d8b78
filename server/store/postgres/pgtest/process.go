//go:build unix

package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// Bin returns the path of one of PostgreSQL's programs, such as pg_waldump.
func Bin(tb testing.TB, name string) string {
	tb.Helper()
	folder, err := binaries()
	if err != nil {
		tb.Fatal(err)
	}
	return filepath.Join(folder, name)
}

// binaries finds the folder with PostgreSQL's programs: the one that pg_config names, the one on the
// path, or the newest of those that Debian keeps beside each other.
var binaries = sync.OnceValues(func() (string, error) {
	var folders []string
	if output, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		folders = append(folders, strings.TrimSpace(string(output)))
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			folders = append(folders, filepath.Dir(path))
		}
	}
	for version := 99; version >= 15; version-- {
		folders = append(folders, fmt.Sprintf("/usr/lib/postgresql/%d/bin", version))
	}
	for _, folder := range folders {
		if _, err := os.Stat(filepath.Join(folder, "initdb")); err == nil {
			return folder, nil
		}
	}
	return "", errors.New("pgtest: PostgreSQL is not installed: apt-get install postgresql")
})

// account is who runs the programs: nil for whoever runs the tests. PostgreSQL refuses to run as root.
var account = sync.OnceValues(func() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	found, err := user.Lookup("postgres")
	if err != nil {
		if found, err = user.Lookup("nobody"); err != nil {
			return nil, fmt.Errorf("pgtest: PostgreSQL does not run as root, and there is no other user: %w", err)
		}
	}
	uid, errUID := strconv.ParseUint(found.Uid, 10, 32)
	gid, errGID := strconv.ParseUint(found.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(errUID, errGID)
})

// own gives a file to whoever runs the programs.
func own(path string) error {
	who, err := account()
	if who == nil {
		return err
	}
	return os.Chown(path, int(who.Uid), int(who.Gid))
}

// newFolder makes a folder that whoever runs the programs can reach, and in which the path of a socket
// is short enough for the system.
func newFolder() (string, error) {
	parent := os.TempDir()
	if len(parent) > 50 || !reachable(parent) {
		parent = "/tmp"
	}
	folder, err := os.MkdirTemp(parent, "pgtest")
	if err != nil {
		return "", err
	}
	return folder, own(folder)
}

// reachable says whether everybody may pass through a folder and those above it.
func reachable(folder string) bool {
	for ; ; folder = filepath.Dir(folder) {
		if info, err := os.Stat(folder); err != nil || info.Mode().Perm()&1 == 0 {
			return false
		}
		if folder == filepath.Dir(folder) {
			return true
		}
	}
}

// command prepares one of PostgreSQL's programs to run in a folder, in a process group of its own: a
// terminal's interrupt is for the tests, and what they started ends after them.
func command(ctx context.Context, folder, name string, args ...string) (*exec.Cmd, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	who, err := account()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(bin, name), args...)
	cmd.Dir = folder
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who, Setpgid: true}
	for _, variable := range os.Environ() {
		// What the programs would take from the environment is not what the tests mean.
		if !strings.HasPrefix(variable, "PG") {
			cmd.Env = append(cmd.Env, variable)
		}
	}
	cmd.Env = append(cmd.Env, "LC_ALL=C", "PGPASSWORD="+password)
	return cmd, nil
}

// run runs one of PostgreSQL's programs to its end.
func run(folder, name string, args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd, err := command(ctx, folder, name, args...)
	if err != nil {
		return err
	}
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("pgtest: %s: %w\n%s", name, err, output)
	}
	return nil
}

// keeperScript reads which process runs on a folder, until the tests end or close the pipe. Then it
// ends that process, so that it gives its shared memory back, and removes the folder.
const keeperScript = `
while read -r line; do running=$line; done
if [ -n "$running" ]; then
	kill -QUIT "$running"
	tries=0
	while [ -e "$1/data/postmaster.pid" ] && [ $tries -lt 200 ]; do
		sleep 0.05
		tries=$((tries + 1))
	done
	kill -KILL "$running"
fi 2>/dev/null
umount "$1/data" 2>/dev/null
rm -rf "$1"
`

// keeper is a process that outlives the tests, however they end, to clear up after them.
type keeper struct {
	cmd  *exec.Cmd
	pipe io.WriteCloser
}

func newKeeper(folder string) (*keeper, error) {
	cmd := exec.Command("/bin/sh", "-c", keeperScript, "keeper", folder)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	return &keeper{cmd, pipe}, cmd.Start()
}

// tell says which process runs now; an empty text when none does. A keeper that has ended needs to know
// nothing.
func (k *keeper) tell(pid string) { _, _ = fmt.Fprintln(k.pipe, pid) }

// finish has everything cleared up.
func (k *keeper) finish() error {
	return errors.Join(k.pipe.Close(), k.cmd.Wait())
}
