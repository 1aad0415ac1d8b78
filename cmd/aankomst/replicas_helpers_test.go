package main

import (
	"net/http"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// replicas are two servers on one database, with one key folder and a load on both.
type replicas struct {
	*load
	addresses   [2]string
	environment []string
	former      []*child
}

// newReplicas makes an office in a database, and two servers.
func newReplicas(t *testing.T, postgres string, environment ...string) *replicas {
	t.Helper()
	return replicasOf(newOfficeAt(t, postgres), [2]string{postgres, postgres}, environment...)
}

// replicasOf starts two servers of an office, each of which reaches the database at an address of its own.
func replicasOf(o *office, addresses [2]string, environment ...string) *replicas {
	o.t.Helper()
	r := &replicas{load: newLoad(o), addresses: addresses, environment: environment}
	config, err := pgconn.ParseConfig(o.postgres)
	noError(o.t, err)
	if config.Password != "" {
		r.secrets = append(r.secrets, config.Password)
	}
	for i := range r.addresses {
		r.run(i)
	}
	return r
}

// run starts a server, anew if it ran before.
func (r *replicas) run(i int) {
	r.t.Helper()
	if i < len(r.servers) {
		r.former = append(r.former, r.servers[i])
	}
	o := *r.office
	o.postgres = r.addresses[i]
	r.start(i, o.serve(r.environment...))
}

// answers waits until a server has answered so many more calls.
func (c *child) answers(more int64) {
	c.t.Helper()
	wanted := c.answered.Load() + more
	eventually(c.t, "a server answers calls", func() bool { return c.answered.Load() >= wanted })
}

// refuses waits until a server has said so many times more that the store is away.
func (c *child) refuses(more int64) {
	c.t.Helper()
	wanted := c.refused.Load() + more
	eventually(c.t, "a server says that the store is away", func() bool { return c.refused.Load() >= wanted })
}

// recovered waits until both servers answer calls again, by themselves.
func (r *replicas) recovered() {
	r.t.Helper()
	for _, c := range r.servers {
		c.answers(5)
	}
}

// end has everything settled and stops the servers, which are ready to the last. None that ran has said anything
// it should not.
func (r *replicas) end() {
	r.t.Helper()
	r.settle()
	for _, c := range r.servers {
		c.becomes(http.StatusOK)
		c.stop()
	}
	for _, c := range append(r.former, r.servers...) {
		c.saysNothing(r.secrets)
	}
	r.settled()
}
