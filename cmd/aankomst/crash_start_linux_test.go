package main

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"
	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/driver"

	client "aankomst/clients/go"
	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/refcode"
)

// startFault is something wrong with what a server finds when it starts.
type startFault struct {
	name string
	// makes returns what makes it right again: what the error says is to be done.
	makes func(o *office) (repair func())
	code  int
	// says is what the error has to say, among other things.
	says []string
	// environment and arguments are for the process alone.
	environment []string
}

// rename moves a file away and returns what brings it back.
func rename(o *office, path string) func() {
	o.t.Helper()
	noError(o.t, os.Rename(path, path+".away"))
	return func() { noError(o.t, os.Rename(path+".away", path)) }
}

// overwrite changes a file and returns what writes it as it was.
func overwrite(o *office, path string, change func([]byte) []byte) func() {
	o.t.Helper()
	content, err := os.ReadFile(path)
	noError(o.t, err)
	noError(o.t, os.WriteFile(path, change(bytes.Clone(content)), 0o600))
	return func() { noError(o.t, os.WriteFile(path, content, 0o600)) }
}

// mode gives a file another mode and returns what gives it back.
func mode(o *office, path string, mode, right os.FileMode) func() {
	o.t.Helper()
	noError(o.t, os.Chmod(path, mode))
	return func() { noError(o.t, os.Chmod(path, right)) }
}

// fromEscrow opens the escrow copy, as age --decrypt does, and puts what is in it where the key was.
func fromEscrow(o *office) {
	o.t.Helper()
	sealed, err := os.Open(o.escrowCopy())
	noError(o.t, err)
	defer sealed.Close()
	opened, err := age.Decrypt(armor.NewReader(sealed), o.identity)
	noError(o.t, err)
	content, err := io.ReadAll(opened)
	noError(o.t, err)
	noError(o.t, os.WriteFile(o.cohortKey(), content, 0o600))
}

// readOnly makes the data folder one that cannot be written.
func readOnly(o *office) func() {
	o.t.Helper()
	err := syscall.Mount(o.folder, o.folder, "", syscall.MS_BIND, "")
	if errors.Is(err, syscall.EPERM) { // whom the modes of files bind
		return mode(o, o.folder, 0o500, 0o700)
	}
	noError(o.t, err)
	noError(o.t, syscall.Mount("", o.folder, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	unmount := sync.OnceFunc(func() { noError(o.t, syscall.Unmount(o.folder, 0)) })
	o.t.Cleanup(unmount)
	return unmount
}

// locked takes the store's lock for writing, as another process would, and keeps it.
func locked(o *office) func() {
	o.t.Helper()
	key := o.storeKey()
	address := url.URL{Scheme: "file", OmitHost: true, Path: filepath.Join(o.folder, storeFile), RawQuery: "vfs=adiantum&mode=rw"}
	db, err := driver.Open(address.String(), func(c *sqlite3.Conn) error {
		return c.Exec(`PRAGMA hexkey = '` + hex.EncodeToString(key[:]) + `'`)
	})
	noError(o.t, err)
	db.SetMaxOpenConns(1)
	_, err = db.ExecContext(o.t.Context(), `BEGIN IMMEDIATE`)
	noError(o.t, err)
	unlock := sync.OnceFunc(func() {
		_, err := db.Exec(`ROLLBACK`)
		noError(o.t, errors.Join(err, db.Close()))
	})
	o.t.Cleanup(unlock)
	return unlock
}

// withoutStore takes the store away; a backup that was made before is put in its place again.
func withoutStore(o *office) func() {
	o.t.Helper()
	backup := filepath.Join(o.t.TempDir(), "backup.db")
	o.tool("backup", backup)
	for _, beside := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(filepath.Join(o.folder, storeFile+beside)); err != nil && !errors.Is(err, os.ErrNotExist) {
			o.t.Fatal(err)
		}
	}
	return func() {
		if _, err := os.Stat(filepath.Join(o.folder, storeFile)); !errors.Is(err, os.ErrNotExist) {
			o.t.Errorf("a server that refused to start made a store: %v", err)
		}
		o.tool("restore", backup)
	}
}

func startFaults(other *office) []startFault {
	flip := func(content []byte) []byte {
		at := bytes.Index(content, []byte(`"spentKey": "`)) + len(`"spentKey": "`) + 3
		if content[at] == 'A' {
			content[at] = 'B'
		} else {
			content[at] = 'A'
		}
		return content
	}
	return []startFault{
		{name: "missing key", code: exitFailed, says: []string{"the key file is missing", "age --decrypt"}, makes: func(o *office) func() {
			noError(o.t, os.Remove(o.cohortKey()))
			return func() { fromEscrow(o) }
		}},
		{name: "another office's key", code: exitFailed, says: []string{"does not belong to this cohort", "put back the right file"}, makes: func(o *office) func() {
			content, err := os.ReadFile(other.cohortKey())
			noError(o.t, err)
			return overwrite(o, o.cohortKey(), func([]byte) []byte { return content })
		}},
		{name: "damaged key", code: exitFailed, says: []string{"is damaged", "restore it from the escrow copy"}, makes: func(o *office) func() {
			overwrite(o, o.cohortKey(), flip)
			return func() { fromEscrow(o) }
		}},
		{name: "empty key", code: exitFailed, says: []string{"is not the key file", "restore it from the escrow copy"}, makes: func(o *office) func() {
			return overwrite(o, o.cohortKey(), func([]byte) []byte { return nil })
		}},
		{name: "key that others can read", code: exitFailed, says: []string{"open to others", "chmod 600"}, makes: func(o *office) func() {
			return mode(o, o.cohortKey(), 0o640, 0o600)
		}},
		{name: "key folder open to others", code: exitFailed, says: []string{"open to others", "chmod 700"}, makes: func(o *office) func() {
			return mode(o, o.keyPath(""), 0o750, 0o700)
		}},
		{name: "missing store key", code: exitFailed, says: []string{"store.key is not; put it back"}, makes: func(o *office) func() {
			return rename(o, o.keyPath("store.key"))
		}},
		{name: "another store's key", code: exitFailed, says: []string{"cannot be read with this key", "put back the store key"}, makes: func(o *office) func() {
			content, err := os.ReadFile(other.keyPath("store.key"))
			noError(o.t, err)
			return overwrite(o, o.keyPath("store.key"), func([]byte) []byte { return content })
		}},
		{name: "damaged store key", code: exitFailed, says: []string{"does not hold a store key", "restore the file"}, makes: func(o *office) func() {
			return overwrite(o, o.keyPath("store.key"), func(content []byte) []byte { return content[:40] })
		}},
		{name: "missing store", code: exitFailed, says: []string{"is missing", "restore a backup with aankomst restore"}, makes: withoutStore},
		{name: "read-only folder", code: exitLater, says: []string{"not available", "check owner, mode"}, makes: readOnly},
		{name: "locked store", code: exitLater, says: []string{"not available", "another process has kept the database locked", "stop that process"}, makes: locked},
		{name: "full disk", code: exitLater, says: []string{"not available", "full: make room"}, environment: []string{limitVariable + "=100"}},
	}
}

// A server that finds something wrong says in a sentence what to do and ends with an exit code that
// scripts can use. Nothing is lost by the attempt: done what was said, it starts and goes on counting.
func TestCrashStartFaults(t *testing.T) {
	t.Parallel()
	o, other := newOffice(t), newOffice(t)
	code := o.arrival()
	want := show(o.counts().Pools[0])
	for _, fault := range startFaults(other) {
		t.Run(strings.ReplaceAll(fault.name, " ", "-"), func(t *testing.T) {
			o := *o
			o.t = t
			repair := func() {}
			if fault.makes != nil {
				repair = fault.makes(&o)
			}
			c := o.serve(fault.environment...)
			exit, said := c.exit()
			repair()
			if c.grpc != "" {
				t.Error("it said that it serves")
			}
			if exit != fault.code {
				t.Errorf("the exit code is %d, want %d", exit, fault.code)
			}
			lines := strings.Split(strings.TrimSpace(said), "\n")
			last := lines[len(lines)-1]
			if !strings.HasPrefix(last, "aankomst: ") {
				t.Errorf("the last that is said is no sentence to a person: %s", said)
			}
			for _, words := range fault.says {
				if !strings.Contains(last, words) {
					t.Errorf("it does not say %q: %s", words, last)
				}
			}
			o.quotesNoKey(said)

			// The same code again, which counts nothing new, and only a server with the right keys knows.
			o.confirm(code)
			if got := show(o.counts().Pools[0]); got != want {
				t.Errorf("afterwards the counts are %s, want %s", got, want)
			}
		})
	}
}

// arrival issues a code and confirms it, with a server of its own.
func (o *office) arrival() refcode.Code {
	o.t.Helper()
	c := o.serve()
	c.ready()
	connection := c.dial()
	code, err := clientOf(connection, o.counsellor).Issue(o.t.Context(), o.year, 1, client.IssueOptions{})
	noError(o.t, errors.Join(err, connection.Close()))
	c.stop()
	o.confirm(code)
	return code
}

// confirm confirms a code, with a server of its own.
func (o *office) confirm(code refcode.Code) {
	o.t.Helper()
	c := o.serve()
	c.ready()
	connection := c.dial()
	_, err := clientOf(connection, o.intake[0]).Confirm(o.t.Context(), code, aankomstv1.WaitBand_UP_TO_2_WEEKS)
	noError(o.t, errors.Join(err, connection.Close()))
	c.stop()
}

// quotesNoKey fails the test when something that was said holds a key.
func (o *office) quotesNoKey(said string) {
	o.t.Helper()
	key := o.storeKey()
	content, err := os.ReadFile(o.cohortKey())
	noError(o.t, err)
	secrets := []string{hex.EncodeToString(key[:])}
	for line := range strings.Lines(string(content)) {
		if name, value, ok := strings.Cut(strings.Trim(line, " ,\n"), ": "); ok && strings.Contains(name, "Key") && name != `"publicKey"` {
			secrets = append(secrets, strings.Trim(value, `"`))
		}
	}
	if len(secrets) != 3 {
		o.t.Fatalf("%d secrets are looked for, want 3", len(secrets))
	}
	for _, secret := range secrets {
		if strings.Contains(said, secret) {
			o.t.Errorf("a key is quoted: %s", said)
		}
	}
}

// An address that is taken is found before the store is touched.
func TestCrashAddressTaken(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	noError(t, err)
	defer listener.Close()
	folder := filepath.Join(t.TempDir(), "data")
	var out, errOut bytes.Buffer
	err = run(t.Context(), []string{"serve", "--data", folder, "--grpc", listener.Addr().String(), "--http", "127.0.0.1:0"}, strings.NewReader(""), &out, &errOut)
	if exitCode(err) != exitFailed || !strings.Contains(sentence(err), "address already in use") {
		t.Errorf("exit code %d: %s", exitCode(err), sentence(err))
	}
	if _, err := os.Stat(folder); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the data folder was made: %v", err)
	}
}
