package main

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	client "aankomst/clients/go"
	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/refcode"
	"aankomst/server/store"
	"aankomst/server/store/sqlite"
)

// errand is a code on its way to be confirmed, or to be voided, until that is answered.
type errand struct {
	code             refcode.Code
	tried, completed bool
}

// errands are those of one kind. Many callers take and bring back at once.
type errands struct {
	mu      sync.Mutex
	all     []*errand
	waiting []*errand
}

func (e *errands) add(code refcode.Code) {
	e.mu.Lock()
	defer e.mu.Unlock()
	one := &errand{code: code}
	e.all, e.waiting = append(e.all, one), append(e.waiting, one)
}

// take returns one that is to be done; nil when there is none.
func (e *errands) take() *errand {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.waiting) == 0 {
		return nil
	}
	one := e.waiting[0]
	e.waiting = e.waiting[1:]
	one.tried = true
	return one
}

// back notes what became of one; one that was not answered waits again.
func (e *errands) back(one *errand, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err == nil {
		one.completed = true
		return
	}
	e.waiting = append(e.waiting, one)
}

// known returns how many must have been counted, and how many may have been.
func (e *errands) known() (least, most int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, one := range e.all {
		if one.completed {
			least++
		}
		if one.tried {
			most++
		}
	}
	return least, most
}

// load is what callers do to a server that is killed again and again, and what they know of it.
type load struct {
	*office
	arriving, hangingUp errands

	mu sync.Mutex
	// issued: answered at least, at most one for each element and process it was sent to.
	issuedLeast, issuedMost int
	// unanswered are issues to be repeated with the same element.
	unanswered []*refcode.Blinding
	number     int
	secrets    []string
}

// attempt notes that an element is sent to a process for the first time.
func (l *load) attempt() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.issuedMost++
}

// got notes an issued code and sends its bearer on an errand.
func (l *load) got(code refcode.Code) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.issuedLeast++
	l.number++
	l.secrets = append(l.secrets, code.Symbols(), code.Text())
	if l.number%3 == 0 {
		l.hangingUp.add(code)
	} else {
		l.arriving.add(code)
	}
}

// issuer issues as a counsellor's client does.
func (l *load) issuer(ctx context.Context, api *client.Client) {
	for ctx.Err() == nil {
		l.attempt()
		if code, err := api.Issue(ctx, l.year, 1, client.IssueOptions{}); err == nil {
			l.got(code)
		}
	}
}

// issueElement sends one element, for the first time or again. What is not answered is left for repeat.
func (l *load) issueElement(ctx context.Context, api *client.Client, blinding *refcode.Blinding) {
	l.attempt()
	answer, err := api.Referrals.IssueReferral(api.Authorized(ctx), &aankomstv1.IssueReferralRequest{
		Cohort: uint32(l.year), Pool: 1, BlindedElement: blinding.Element,
	})
	if err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.unanswered = append(l.unanswered, blinding)
		return
	}
	code, err := blinding.Finalize(answer.GetEvaluatedElement(), answer.GetProof())
	if err != nil {
		l.t.Error(err)
		return
	}
	l.got(code)
}

// repeat sends once more what earlier processes did not answer.
func (l *load) repeat(ctx context.Context, api *client.Client) {
	l.mu.Lock()
	left := l.unanswered
	l.unanswered = nil
	l.mu.Unlock()
	for _, blinding := range left {
		l.issueElement(ctx, api, blinding)
	}
}

// stubborn issues, and repeats across crashes what was not answered.
func (l *load) stubborn(ctx context.Context, api *client.Client) {
	directory, err := api.Cohort(ctx, l.year)
	if err != nil {
		return // killed already
	}
	l.repeat(ctx, api)
	for ctx.Err() == nil {
		blinding, err := refcode.Blind(directory, 1)
		if err != nil {
			l.t.Error(err)
			return
		}
		l.issueElement(ctx, api, blinding)
	}
}

// answered returns how many issues were answered so far.
func (l *load) answered() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.issuedLeast
}

// answers waits until so many issues are answered.
func (l *load) answers(wanted int) {
	l.t.Helper()
	for begun := time.Now(); l.answered() < wanted; time.Sleep(time.Millisecond) {
		if time.Since(begun) > patience {
			l.t.Fatalf("%d issues are answered, want %d", l.answered(), wanted)
		}
	}
}

// run does errands until the context ends.
func (e *errands) run(ctx context.Context, do func(context.Context, refcode.Code) error) {
	for ctx.Err() == nil {
		one := e.take()
		if one == nil {
			time.Sleep(time.Millisecond)
			continue
		}
		e.back(one, do(ctx, one.code))
	}
}

// until lets everyone call a server until the context ends.
func (l *load) until(ctx context.Context, c *child) {
	connection := c.dial()
	defer connection.Close()
	var callers sync.WaitGroup
	helpline := clientOf(connection, l.counsellor)
	callers.Go(func() { l.issuer(ctx, helpline) })
	callers.Go(func() { l.issuer(ctx, clientOf(connection, l.counsellor)) })
	callers.Go(func() { l.stubborn(ctx, clientOf(connection, l.counsellor)) })
	for _, token := range l.intake {
		desk := clientOf(connection, token)
		callers.Go(func() {
			l.arriving.run(ctx, func(ctx context.Context, code refcode.Code) error {
				_, err := desk.Confirm(ctx, code, aankomstv1.WaitBand_UP_TO_2_WEEKS)
				return err
			})
		})
	}
	callers.Go(func() {
		l.hangingUp.run(ctx, func(ctx context.Context, code refcode.Code) error {
			// Without the client, which would repeat it.
			_, err := helpline.Referrals.VoidReferral(helpline.Authorized(ctx), &aankomstv1.VoidReferralRequest{Code: code.Symbols()})
			return err
		})
	})
	callers.Wait()
}

// check compares what is counted with what the callers know.
func (l *load) check(when string) {
	l.t.Helper()
	counts := l.counts()
	pool := counts.Pools[0]
	arrivedLeast, arrivedMost := l.arriving.known()
	voidedLeast, voidedMost := l.hangingUp.known()
	for what, n := range map[string][3]int{
		"issued": {l.issuedLeast, pool.Issued, l.issuedMost}, "arrived": {arrivedLeast, pool.Arrived, arrivedMost}, "voided": {voidedLeast, pool.Voided, voidedMost},
	} {
		if n[1] < n[0] || n[1] > n[2] {
			l.t.Errorf("%s %d are counted as %s: %d were answered and %d asked for", when, n[1], what, n[0], n[2])
		}
	}
	// What is counted together is written together, or not at all.
	if band := counts.Waits[store.WaitUpTo2Weeks]; band != pool.Arrived || pool.Elsewhere != 0 {
		l.t.Errorf("%s %d arrived, %d with a waiting time, %d elsewhere", when, pool.Arrived, band, pool.Elsewhere)
	}
}

// A server is killed twenty times at moments of chance, with a load on it. Whatever it acknowledged is
// counted once, for good; what it did not is counted once at most; and repeating settles it.
func TestCrashLosesNothing(t *testing.T) {
	t.Parallel()
	const rounds = 20
	l := &load{office: newOffice(t)}
	random := rand.New(rand.NewPCG(2026, 11))
	for round := range rounds {
		c := l.serve()
		if round%5 == 4 {
			time.Sleep(time.Duration(random.IntN(400)) * time.Millisecond) // while it starts
			c.kill()
			continue
		}
		if !c.listening() {
			t.Fatalf("round %d: the server does not start: %v\n%s", round, c.wait(), c.stderr.String())
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			l.until(ctx, c)
		}()
		// However slow the machine is, there is something to lose.
		l.answers(l.answered() + random.IntN(12))
		time.Sleep(time.Duration(random.IntN(300)) * time.Millisecond)
		c.kill()
		cancel()
		<-done
		c.saysNothing(append(l.secrets, append(l.intake, l.counsellor)...))
		if round%4 == 0 { // mostly it is the next server that has to bring the log home
			l.check("after a crash")
		}
	}

	c := l.serve()
	c.ready()
	connection := c.dial()
	helpline, desk := clientOf(connection, l.counsellor), clientOf(connection, l.intake[0])
	for len(l.unanswered) > 0 {
		l.repeat(t.Context(), helpline)
	}
	for range 2 { // the second time changes nothing
		for _, one := range l.arriving.all {
			one.tried = true
			_, err := desk.Confirm(t.Context(), one.code, aankomstv1.WaitBand_UP_TO_2_WEEKS)
			l.arriving.back(one, err)
		}
		for _, one := range l.hangingUp.all {
			one.tried = true
			l.hangingUp.back(one, helpline.Void(t.Context(), one.code, false))
		}
	}
	noError(t, connection.Close())
	c.stop()
	l.check("in the end")
	arrived, mayArrive := l.arriving.known()
	voided, mayVoid := l.hangingUp.known()
	pool := l.counts().Pools[0]
	t.Logf("%s, of %d to %d issued, %d to be confirmed and %d to be voided", show(pool), l.issuedLeast, l.issuedMost, mayArrive, mayVoid)
	if arrived != mayArrive || voided != mayVoid || pool.Arrived != arrived || pool.Voided != voided {
		t.Errorf("in the end %d of %d confirmations and %d of %d voids are answered; counted: %s", arrived, mayArrive, voided, mayVoid, show(pool))
	}
	if arrived < rounds || voided < rounds/2 {
		t.Errorf("with so few calls (%s) this tests little", show(pool))
	}
	noError(t, sqlite.Verify(t.Context(), filepath.Join(l.folder, storeFile), l.storeKey()))
}
