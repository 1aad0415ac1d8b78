package server_test

import (
	"testing"
	"time"

	"aankomst/server/servertest"
)

// stores are the stores that a server can have, each with what makes an empty one.
var stores = map[string]func(t *testing.T) servertest.Options{
	"embedded": func(t *testing.T) servertest.Options {
		t.Helper()
		return servertest.Options{Folder: t.TempDir()}
	},
}

// onBothStores runs a test on each store. Fixtures that are started with the options it is given have one store
// in common, as several servers of an organisation do.
func onBothStores(t *testing.T, run func(t *testing.T, options servertest.Options)) {
	t.Helper()
	for name, empty := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, empty(t))
		})
	}
}

// servers are two servers on one store.
type servers struct{ one, other *api }

func startServers(t *testing.T, options servertest.Options) servers {
	t.Helper()
	one := startAPI(t, options)
	options.Now = one.Clock.Now()
	return servers{one, startAPI(t, options)}
}

// set sets the clocks of both.
func (p servers) set(at time.Time) {
	p.one.Clock.Set(at)
	p.other.Clock.Set(at)
}

// each runs a check at both.
func (p servers) each(check func(a *api)) {
	check(p.one)
	check(p.other)
}
