package main

import (
	"math/rand/v2"
	"testing"
	"time"

	"aankomst/refcode"
	"aankomst/server/store"
	"aankomst/server/store/postgres/pgtest"
)

// overNetworks starts two servers of an office, each of which reaches the database over a network of its own.
func overNetworks(o *office) (*replicas, [2]*pgtest.Proxy) {
	o.t.Helper()
	networks := [2]*pgtest.Proxy{pgtest.NewProxy(o.t, o.postgres), pgtest.NewProxy(o.t, o.postgres)}
	r := replicasOf(o, [2]string{networks[0].DSN(), networks[1].DSN()})
	r.storeFails = true
	return r, networks
}

// Connections are cut at moments of chance, and now and then none is let in for a while.
func TestConnectionsThatAreCutLoseNothing(t *testing.T) {
	t.Parallel()
	r, networks := overNetworks(newOfficeAt(t, newDatabases.Database(t)))
	random := rand.New(rand.NewPCG(2026, 13))
	r.cut(func(round int) {
		network := networks[random.IntN(2)]
		r.answers(1 + random.IntN(3))
		time.Sleep(time.Duration(random.IntN(30)) * time.Millisecond)
		network.Cut()
		if round%6 == 0 {
			network.Refuse()
			time.Sleep(time.Duration(random.IntN(300)) * time.Millisecond)
			network.Accept()
		}
	})
}

// cut has a load cut again and again, and looks now and then whether all is well.
func (r *replicas) cut(cut func(round int)) {
	r.t.Helper()
	end := r.begin()
	for round := range 60 {
		cut(round)
		if round%20 == 19 {
			r.recovered()
			end()
			r.check("after cuts")
			end = r.begin()
		}
	}
	end()
	r.end()
}

// Connections are cut in the middle of a commit, before the database knows of it or after it has carried it out,
// whatever it is that is committed.
func TestCommitsThatAreCutLoseNothing(t *testing.T) {
	t.Parallel()
	r, networks := overNetworks(newOfficeAt(t, newDatabases.Database(t)))
	random := rand.New(rand.NewPCG(2026, 14))
	r.cut(func(round int) {
		network := networks[round%2]
		cut := network.CutBeforeCommit
		if round%4 >= 2 {
			cut = network.CutAfterCommit
		}
		<-cut(1 + random.IntN(4))
	})
}

// A call whose commit is cut: what spends a code does so once, whether or not the commit was carried out, and the
// caller notices nothing; what only counts is counted if it was, and the caller is told.
func TestACommitThatIsCutIsRepeatedWhereThatCountsOnce(t *testing.T) {
	t.Parallel()
	r, networks := overNetworks(newOfficeAt(t, newDatabases.Database(t)))
	r.servers = r.servers[:1]
	helpline, desk := r.client(r.counsellor), r.client(r.intake[0])
	issued := func(c store.Counts) int { return c.Pools[0].Issued }
	arrived := func(c store.Counts) int { return c.Pools[0].Arrived }
	voided := func(c store.Counts) int { return c.Pools[0].Voided }
	for when, network := range map[string]struct {
		cut     func(int) <-chan struct{}
		carried int
	}{"before": {networks[0].CutBeforeCommit, 0}, "after": {networks[0].CutAfterCommit, 1}} {
		arrives, hangsUp := r.issue(helpline), r.issue(helpline)
		for _, spends := range []struct {
			what string
			do   func(refcode.Code) error
			code refcode.Code
			of   func(store.Counts) int
			want int
		}{
			{"confirming", confirm(desk), arrives, arrived, 1},
			{"confirming again", confirm(desk), arrives, arrived, 0},
			{"undoing", undo(desk), arrives, arrived, -1},
			{"undoing again", undo(desk), arrives, arrived, 0},
			{"voiding", void(helpline), hangsUp, voided, 1},
			{"voiding again", void(helpline), hangsUp, voided, 0},
		} {
			before, cut := spends.of(r.counts()), network.cut(1)
			err := spends.do(spends.code)
			<-cut
			if counted := spends.of(r.counts()) - before; err != nil || counted != spends.want {
				t.Errorf("cut %s its commit, %s counts %d, want %d: %v", when, spends.what, counted, spends.want, err)
			}
		}
		for _, counts := range []struct {
			what string
			do   func() error
			of   func(store.Counts) int
		}{
			{"issuing", func() error { return r.issueOnce(helpline) }, issued},
			{"referring without code", func() error { return helpline.ReferWithoutCode(t.Context(), r.year, 1) }, func(c store.Counts) int { return c.Pools[0].ReferredWithoutCode }},
			{"arriving without code", func() error { return desk.ArriveWithoutCode(t.Context(), r.year) }, func(c store.Counts) int { return c.ArrivedWithoutCode }},
		} {
			before, answered := counts.of(r.counts()), 0
			// Now and then it is a commit of the server's own that is cut.
			for cut := network.cut(1); counts.do() == nil && answered < 20; cut = network.cut(1) {
				<-cut
				answered++
			}
			if counted := counts.of(r.counts()) - before; counted != answered+network.carried {
				t.Errorf("cut %s its commit, %s counts %d, want %d", when, counts.what, counted, answered+network.carried)
			}
		}
	}
}
