package main

import (
	"net/http"
	"testing"

	"aankomst/server/store/postgres/pgtest"
)

// The database is stopped and killed again and again, now and then for so long that callers are told. Whenever it
// is back the servers go on, and need no hand.
func TestADatabaseThatGoesAwayLosesNothing(t *testing.T) {
	t.Parallel()
	cluster := pgtest.NewCluster(t)
	r := newReplicas(t, cluster.DSN("aankomst"))
	r.storeFails = true
	end := r.begin()
	for round, away := range []func(){cluster.Stop, cluster.Kill, cluster.Kill, cluster.Stop, cluster.Kill, cluster.Stop} {
		r.answers(10)
		long := round == 1 || round == 3
		away()
		if long {
			for _, c := range r.servers {
				c.refuses(1)
				c.becomes(http.StatusServiceUnavailable)
			}
		}
		cluster.Start()
		r.recovered()
		if long {
			end()
			r.check("after the database was away")
			end = r.begin()
		}
	}
	end()
	r.end()
}
