package main

import (
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"aankomst/server/store/sqlite"
)

// A server is killed twenty times at moments of chance, with a load on it. Whatever it acknowledged is
// counted once, for good; what it did not is counted once at most; and repeating settles it.
func TestCrashLosesNothing(t *testing.T) {
	t.Parallel()
	const rounds = 20
	l := newLoad(newOffice(t))
	random := rand.New(rand.NewPCG(2026, 11))
	for round := range rounds {
		if round%5 == 4 {
			c := l.serve()
			time.Sleep(time.Duration(random.IntN(400)) * time.Millisecond) // while it starts
			c.kill()
			continue
		}
		l.start(0, l.serve())
		end := l.begin()
		// However slow the machine is, there is something to lose.
		l.answers(random.IntN(12))
		time.Sleep(time.Duration(random.IntN(300)) * time.Millisecond)
		l.servers[0].kill()
		end()
		l.servers[0].saysNothing(l.secrets)
		if round%4 == 0 { // mostly it is the next server that has to bring the log home
			l.check("after a crash")
		}
	}
	l.start(0, l.serve())
	l.settle()
	l.servers[0].stop()
	l.settled()
	noError(t, sqlite.Verify(t.Context(), filepath.Join(l.folder, storeFile), l.storeKey()))
}
