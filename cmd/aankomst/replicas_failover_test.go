package main

import (
	"slices"
	"testing"
	"time"

	client "aankomst/clients/go"
	"aankomst/server/store/postgres/pgtest"
)

// The primary of two databases is killed ten times under load, and the standby takes its place; now and then it was
// away just before. Nothing that was acknowledged is lost, and the servers find the new primary by themselves.
func TestAFailoverLosesNothing(t *testing.T) {
	t.Parallel()
	const rounds = 10
	pair := pgtest.NewPair(t)
	r := newReplicas(t, pair.DSN("aankomst"))
	r.storeFails = true
	var outages []time.Duration
	for round := range rounds {
		end := r.begin()
		r.recovered()
		r.answers(10)
		if round%3 == 2 {
			pair.Standby().Kill()
			time.Sleep(100 * time.Millisecond) // commits wait for it
			pair.Standby().Start()
		}
		killed := time.Now()
		pair.Primary().Kill()
		answered := r.issueSoon()
		pair.Promote()
		outages = append(outages, (<-answered).Sub(killed))
		r.recovered()
		end()
		r.check("after a failover")
		if round < rounds-1 {
			pair.Rejoin()
		}
	}
	r.end()
	slices.Sort(outages)
	t.Logf("from the kill to the answer of a call made after it: %v at least, %v in the middle, %v at most",
		outages[0], outages[rounds/2], outages[rounds-1])
}

// issueSoon issues a code, as a counsellor's client does, and says when that was answered.
func (l *load) issueSoon() <-chan time.Time {
	answered := make(chan time.Time, 1)
	go func() {
		code, err := l.client(l.counsellor).Issue(l.t.Context(), l.year, 1, client.IssueOptions{})
		answered <- time.Now()
		if err != nil {
			l.t.Error(err)
			return
		}
		l.got(code)
	}()
	return answered
}
