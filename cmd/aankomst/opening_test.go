package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"

	"aankomst/server/calendar"
	"aankomst/server/cohort"
)

// opening is a process that opens the cohort of an office for a recipient of its own.
type opening struct {
	*exec.Cmd
	identity *age.X25519Identity
	said     bytes.Buffer
}

func (o *office) opening() *opening {
	o.t.Helper()
	identity, err := age.GenerateX25519Identity()
	noError(o.t, err)
	p := &opening{identity: identity, Cmd: exec.Command(os.Args[0], "cohort", "open", strconv.Itoa(o.year), "--data", o.folder,
		"--escrow", identity.Recipient().String(), "--pool", "CGG:50:"+strings.Join(centresOfOffice, ","))}
	p.Env = append(os.Environ(), o.environment(), childVariable+"=1")
	p.Stdout, p.Stderr = &p.said, &p.said
	noError(o.t, p.Start())
	return p
}

// Two processes open a cohort at once, and now and then one of them is killed. There is one cohort, its key and one
// escrow copy, which is the one that the store describes, for the recipient of whoever opened it.
func TestTwoProcessesOpenACohortAtOnce(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(2026, 15))
	for round := range 12 {
		o := &office{t: t, folder: filepath.Join(t.TempDir(), "data"), year: calendar.Year(time.Now())}
		if round%2 == 1 {
			o.postgres = newDatabases.Database(t)
		}
		o.addCentres()
		one, other := o.opening(), o.opening()
		killed := round%3 == 2
		if killed {
			time.Sleep(time.Duration(random.IntN(250)) * time.Millisecond)
			_ = one.Process.Kill() // it may have ended
		}
		codes := map[int]int{}
		for _, p := range []*opening{one, other} {
			_ = p.Wait() // its exit code says how it ended
			codes[p.ProcessState.ExitCode()]++
		}
		if want := (map[int]int{exitDone: 1, exitRefused: 1}); !killed && fmt.Sprint(codes) != fmt.Sprint(want) {
			t.Fatalf("they end with %v, want %v\n%s\n%s", codes, want, &one.said, &other.said)
		}
		o.opened(one, other)
	}
}

// opened fails the test unless the key of the office's cohort, and one escrow copy of it, are those that the store
// describes, and one of the processes wrote them.
func (o *office) opened(by ...*opening) {
	o.t.Helper()
	noError(o.t, o.app().withStore(o.t.Context(), func(e *opened) error {
		stored, err := e.GetCohort(o.t.Context(), o.year)
		noError(o.t, err)
		sealed, err := os.ReadFile(o.escrowCopy())
		noError(o.t, err)
		if stored.EscrowDigest != sha256.Sum256(sealed) || filepath.Base(o.escrowCopy()) != cohort.EscrowFile(o.year, stored.EscrowDigest) {
			o.t.Errorf("the store describes another escrow copy than %s", o.escrowCopy())
		}
		key, err := e.folder.Load(o.year)
		noError(o.t, err)
		if !bytes.Equal(key.PublicKey(), stored.PublicKey) {
			o.t.Error("the store describes another key")
		}
		document, err := os.ReadFile(o.cohortKey())
		noError(o.t, err)
		for _, p := range by {
			if p.identity.Recipient().String() != stored.EscrowRecipients[0] {
				continue
			}
			plain, err := age.Decrypt(armor.NewReader(bytes.NewReader(sealed)), p.identity)
			noError(o.t, err)
			content, err := io.ReadAll(plain)
			noError(o.t, err)
			if !bytes.Equal(content, document) {
				o.t.Error("the escrow copy is of another key")
			}
			return nil
		}
		o.t.Error("the recipient is nobody's")
		return nil
	}))
}
