package main

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	client "aankomst/clients/go"
	"aankomst/refcode"
	"aankomst/server/store"
)

// load is what callers do to servers that fail again and again, and what they know of it.
type load struct {
	*office
	arriving, hangingUp, mistaken errands
	// storeFails says that callers may be told that the store is away, and closing that their codes may be refused.
	storeFails bool
	closing    atomic.Bool

	mu      sync.Mutex
	servers []*child
	// issued: answered at least, at most one for each time that an element was sent to a living process.
	issuedLeast, issuedMost int
	// unanswered are issues to be repeated with the same element.
	unanswered []*refcode.Blinding
	secrets    []string
}

// newLoad returns the load of an office. Of those who arrive, every fourth turns out to be a mistake.
func newLoad(o *office) *load {
	l := &load{office: o, secrets: slices.Concat(o.intake, []string{o.counsellor})}
	l.arriving.then = func(one *errand) {
		if one.number%4 == 0 {
			l.mistaken.add(one.code)
		}
	}
	return l
}

// got notes an issued code and sends its bearer on an errand.
func (l *load) got(code refcode.Code) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.issuedLeast++
	l.secrets = append(l.secrets, code.Symbols(), code.Text())
	if l.issuedLeast%3 == 0 {
		l.hangingUp.add(code)
	} else {
		l.arriving.add(code)
	}
}

// thinking is how long callers pause: what is tested is what they ask for, not how much.
const thinking = 2 * time.Millisecond

// issuer issues as a counsellor's client does.
func (l *load) issuer(ctx context.Context) {
	api := l.client(l.counsellor)
	for ; ctx.Err() == nil; time.Sleep(thinking) {
		if code, err := api.Issue(ctx, l.year, 1, client.IssueOptions{}); err == nil {
			l.got(code)
		}
	}
}

// stubborn issues, and repeats what was not answered, also to servers that were started since.
func (l *load) stubborn(ctx context.Context) {
	api := l.client(l.counsellor)
	for ; ctx.Err() == nil; time.Sleep(thinking) {
		l.repeat(api)
		directory, err := api.Cohort(ctx, l.year)
		if err != nil {
			continue
		}
		blinding, err := refcode.Blind(directory, 1)
		if err != nil {
			l.t.Error(err)
			return
		}
		l.issueElement(api, blinding)
	}
}

// begin lets everyone call until end is called, which waits for what is under way.
func (l *load) begin() (end func()) {
	ctx, cancel := context.WithCancel(l.t.Context())
	var callers sync.WaitGroup
	callers.Go(func() { l.issuer(ctx) })
	callers.Go(func() { l.issuer(ctx) })
	callers.Go(func() { l.stubborn(ctx) })
	for _, token := range l.intake {
		callers.Go(func() { l.arriving.run(ctx, confirm(l.client(token))) })
	}
	callers.Go(func() { l.mistaken.run(ctx, undo(l.client(l.intake[0]))) })
	callers.Go(func() { l.hangingUp.run(ctx, void(l.client(l.counsellor))) })
	return func() {
		cancel()
		callers.Wait()
	}
}

// answers waits until so many more issues are answered.
func (l *load) answers(more int) {
	l.t.Helper()
	answered, _ := l.issued()
	eventually(l.t, "issues are answered", func() bool { now, _ := l.issued(); return now >= answered+more })
}

// issued returns how many must have been counted, and how many may have been.
func (l *load) issued() (least, most int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.issuedLeast, l.issuedMost
}

// arrived is issued for arrivals that were not undone.
func (l *load) arrived() (least, most int) {
	least, most = l.arriving.known()
	undoneLeast, undoneMost := l.mistaken.known()
	return least - undoneMost, most - undoneLeast
}

// check compares what is counted with what the callers know. None of them may be calling.
func (l *load) check(when string) store.PoolCounts {
	l.t.Helper()
	counts := l.counts()
	pool := counts.Pools[0]
	for what, known := range map[string]func() (least, most int){"issued": l.issued, "arrived": l.arrived, "voided": l.hangingUp.known} {
		n := map[string]int{"issued": pool.Issued, "arrived": pool.Arrived, "voided": pool.Voided}[what]
		if least, most := known(); n < least || n > most {
			l.t.Errorf("%s %d are counted as %s; by what callers know there are %d to %d", when, n, what, least, most)
		}
	}
	// What is counted together is written together, or not at all.
	if band := counts.Waits[store.WaitUpTo2Weeks]; band != pool.Arrived || pool.Elsewhere != 0 {
		l.t.Errorf("%s %d arrived, %d with a waiting time, %d elsewhere", when, pool.Arrived, band, pool.Elsewhere)
	}
	return pool
}

// settle repeats what was not answered until it is, and then everything, which changes nothing.
func (l *load) settle() {
	l.t.Helper()
	desk, helpline := l.client(l.intake[1]), l.client(l.counsellor)
	eventually(l.t, "all issues are answered", func() bool { l.repeat(helpline); return len(l.unanswered) == 0 })
	l.arriving.settle(confirm(desk))
	l.mistaken.settle(undo(desk))
	l.hangingUp.settle(void(helpline))
	for _, one := range l.arriving.all {
		if one.number%4 != 0 { // another would arrive again
			l.arriving.back(one, confirm(desk)(one.code))
		}
	}
	for _, one := range l.mistaken.all {
		l.mistaken.back(one, undo(desk)(one.code))
	}
	for _, one := range l.hangingUp.all {
		l.hangingUp.back(one, void(helpline)(one.code))
	}
}

// settled fails the test unless everything that was asked for is counted once, and much was.
func (l *load) settled() {
	l.t.Helper()
	pool := l.check("in the end")
	issued, most := l.issued()
	l.t.Logf("%s, of %d to %d issued, %d confirmed, %d of them taken back, and %d voided",
		show(pool), issued, most, len(l.arriving.all), len(l.mistaken.all), len(l.hangingUp.all))
	for what, e := range map[string]*errands{"confirmations": &l.arriving, "undos": &l.mistaken, "voids": &l.hangingUp} {
		if done, _ := e.known(); done != len(e.all) {
			l.t.Errorf("in the end %d of %d %s are answered", done, len(e.all), what)
		}
	}
	if arrived, voided := len(l.arriving.all)-len(l.mistaken.all), len(l.hangingUp.all); pool.Arrived != arrived || pool.Voided != voided {
		l.t.Errorf("in the end the counts are %s; want %d arrived and %d voided", show(pool), arrived, voided)
	}
	if len(l.mistaken.all) < 5 || len(l.hangingUp.all) < 10 {
		l.t.Errorf("with so few calls (%s) this tests little", show(pool))
	}
}
