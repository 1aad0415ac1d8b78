package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"aankomst/server/store/postgres/pgtest"
)

// quickRace lets a process under the race detector end at once: it would wait for a second first, and the
// tests start hundreds.
const quickRace = "atexit_sleep_ms=0"

// TestMain lets this test binary be the program itself: for tests that kill it, and for scripts, where
// "exec aankomst" runs it.
func TestMain(m *testing.M) {
	crashChild()
	os.Setenv("GORACE", quickRace)
	testscript.Main(withDatabases{m}, map[string]func(){
		"aankomst": main, "past-cohort": pastCohort, "past-releases": pastReleases, "past-pools": pastPools,
	})
}

// withDatabases are the tests, with the databases that they share.
type withDatabases struct{ *testing.M }

// Run runs the tests, and clears up after the databases.
func (m withDatabases) Run() int { return pgtest.Main(m.M) }
