package main

import (
	"math/rand/v2"
	"testing"
	"time"
)

// One of two servers is killed twenty times, each in its turn. The other goes on at once, and nobody notices but
// those whose calls were under way.
func TestAKilledReplicaLosesNothing(t *testing.T) {
	t.Parallel()
	const rounds = 20
	r := newReplicas(t, newDatabases.Database(t))
	random := rand.New(rand.NewPCG(2026, 12))
	end := r.begin()
	for round := range rounds {
		killed, other := round%2, r.servers[1-round%2]
		r.answers(random.IntN(12))
		time.Sleep(time.Duration(random.IntN(50)) * time.Millisecond)
		r.servers[killed].kill()
		other.answers(5)
		if round%5 == 0 {
			end()
			r.check("after a kill")
			end = r.begin()
		}
		if round%5 == 4 {
			c := r.serve()
			time.Sleep(time.Duration(random.IntN(400)) * time.Millisecond) // while it starts
			c.kill()
			other.answers(5)
		}
		r.run(killed)
	}
	end()
	r.end()
}

// Servers are stopped and started anew, one after the other, as for an upgrade. Nobody is told anything but that
// a server is leaving.
func TestReplicasThatAreStartedAnewInTurnLoseNothing(t *testing.T) {
	t.Parallel()
	r := newReplicas(t, newDatabases.Database(t))
	end := r.begin()
	for round := range 6 {
		r.answers(5)
		r.servers[round%2].stop()
		r.servers[1-round%2].answers(5)
		r.run(round % 2)
		r.recovered()
	}
	end()
	r.end()
}
