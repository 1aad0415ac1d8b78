package server_test

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/refcode"
	"aankomst/server/servertest"
	"aankomst/server/store"
)

// tally is what callers know of their calls of one kind.
type tally struct {
	mu                  sync.Mutex
	attempted, answered int
}

// call makes one call and takes note of it, before and after.
func (y *tally) call(do func() error) error {
	y.mu.Lock()
	y.attempted++
	y.mu.Unlock()
	err := do()
	if err == nil {
		y.mu.Lock()
		y.answered++
		y.mu.Unlock()
	}
	return err
}

// bounds fails the test unless every answered call was counted, and none more than was attempted.
func (y *tally) bounds(t *testing.T, what string, counted int) {
	t.Helper()
	if counted < y.answered || counted > y.attempted {
		t.Errorf("%s: %d are counted; %d calls were made and %d answered", what, counted, y.attempted, y.answered)
	}
}

// crowd is many callers at once, whose calls may be cut short. Everything is of pool 1.
type crowd struct {
	*party
	issues, confirms, voids, referredWithout, arrivedWithout tally
	// arriving and hangingUp are codes that are confirmed and voided, again and again.
	arriving, hangingUp []refcode.Code

	mu sync.Mutex
	// unanswered are the elements of issues that were cut short.
	unanswered [][]byte
}

func newCrowd(p *party, codes int) *crowd {
	c := &crowd{party: p}
	for range codes {
		c.arriving = append(c.arriving, p.issue(1, false).Code)
		c.hangingUp = append(c.hangingUp, p.issue(1, false).Code)
	}
	c.issues.attempted, c.issues.answered = 2*codes, 2*codes
	return c
}

// calls makes one call of each kind, and returns the last error. Contexts come from next, which may cut
// them short.
func (c *crowd) calls(number int, next func() (context.Context, context.CancelFunc)) (last error) {
	arrives, hangsUp := c.arriving[number%len(c.arriving)].Symbols(), c.hangingUp[number%len(c.hangingUp)].Symbols()
	blinding, err := refcode.Blind(c.directory, 1)
	if err != nil {
		return err
	}
	for _, call := range []struct {
		of    *tally
		token string
		do    func(context.Context) error
	}{
		{&c.issues, c.counsellor, func(ctx context.Context) error {
			_, err := c.referrals.IssueReferral(ctx, &aankomstv1.IssueReferralRequest{
				Cohort: servertest.Year, Pool: 1, BlindedElement: blinding.Element,
			})
			if err != nil {
				c.mu.Lock()
				defer c.mu.Unlock()
				c.unanswered = append(c.unanswered, blinding.Element)
			}
			return err
		}},
		{&c.confirms, c.intake, func(ctx context.Context) error {
			_, err := c.arrivals.ConfirmArrival(ctx, &aankomstv1.ConfirmArrivalRequest{Code: arrives})
			return err
		}},
		{&c.voids, c.counsellor, func(ctx context.Context) error {
			_, err := c.referrals.VoidReferral(ctx, &aankomstv1.VoidReferralRequest{Code: hangsUp})
			return err
		}},
		{&c.referredWithout, c.counsellor, func(ctx context.Context) error {
			_, err := c.referrals.RecordReferralWithoutCode(ctx, &aankomstv1.RecordReferralWithoutCodeRequest{Cohort: servertest.Year, Pool: 1})
			return err
		}},
		{&c.arrivedWithout, c.intake, func(ctx context.Context) error {
			_, err := c.arrivals.RecordArrivalWithoutCode(ctx, &aankomstv1.RecordArrivalWithoutCodeRequest{Cohort: servertest.Year})
			return err
		}},
	} {
		ctx, cancel := next()
		if err := call.of.call(func() error { return call.do(as(ctx, call.token)) }); err != nil {
			last = err
		}
		cancel()
	}
	return last
}

// check compares what is counted with what the callers know.
func (c *crowd) check(counts store.Counts) {
	c.t.Helper()
	pool := counts.Pools[0]
	c.issues.bounds(c.t, "issued", pool.Issued)
	c.referredWithout.bounds(c.t, "referred without code", pool.ReferredWithoutCode)
	c.arrivedWithout.bounds(c.t, "arrived without code", counts.ArrivedWithoutCode)
	if pool.Arrived > len(c.arriving) || pool.Voided > len(c.hangingUp) {
		c.t.Errorf("%d arrived and %d voided, of %d codes each", pool.Arrived, pool.Voided, len(c.arriving))
	}
}

// settle repeats every confirmation and void, after which they are counted exactly once, and every
// issue that was not answered: the server that it was sent to does not count it again.
func (c *crowd) settle(f *servertest.Fixture) {
	c.t.Helper()
	for _, element := range c.unanswered {
		must(c.t, c.issueElement(element))
	}
	c.issues.answered += len(c.unanswered)
	for i := range c.arriving {
		must(c.t, c.confirm(c.arriving[i], 0))
		must(c.t, c.void(c.hangingUp[i], false))
	}
	c.check(f.Counts())
	if pool := f.Counts().Pools[0]; pool.Arrived != len(c.arriving) || pool.Voided != len(c.hangingUp) || pool.Elsewhere != 0 {
		c.t.Errorf("%d arrived (%d elsewhere) and %d voided, of %d codes each", pool.Arrived, pool.Elsewhere, pool.Voided, len(c.arriving))
	}
}

// Callers who go away in masses, at any moment, lose nothing and double nothing.
func TestFaultCallersGoAway(t *testing.T) {
	t.Parallel()
	const callers, each = 12, 25
	f := servertest.Start(t, servertest.Options{})
	c := newCrowd(newParty(t, f), 40)
	var wait sync.WaitGroup
	for caller := range callers {
		wait.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(caller)))
			for i := range each {
				err := c.calls(caller*each+i, func() (context.Context, context.CancelFunc) {
					if random.IntN(4) == 0 {
						return context.WithCancel(t.Context()) // one who stays
					}
					// From before it is sent to after it is answered.
					return context.WithTimeout(t.Context(), time.Duration(random.IntN(12_000))*time.Microsecond)
				})
				if code := status.Code(err); code != codes.OK && code != codes.DeadlineExceeded && code != codes.Canceled {
					t.Errorf("a caller who went away left %v", err)
				}
			}
		})
	}
	wait.Wait()
	if c.issues.answered == c.issues.attempted || c.confirms.answered == 0 {
		t.Fatalf("of %d calls %d were answered: this tests nothing", c.confirms.attempted, c.confirms.answered)
	}
	c.settle(f)
	f.Stop() // what was still on its way is counted now
	c.check(f.Counts())
}

// A server that is told to stop under load answers what it began, counts what it answered, and leaves
// nothing behind; the next one finds it all.
func TestFaultStopUnderLoad(t *testing.T) {
	before := resourcesNow(t)
	t.Run("stop", func(t *testing.T) {
		f := servertest.Start(t, servertest.Options{})
		c := newCrowd(newParty(t, f), 20)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var wait sync.WaitGroup
		for caller := range 8 {
			wait.Go(func() {
				for i := 0; ctx.Err() == nil; i++ {
					err := c.calls(caller*1000+i, func() (context.Context, context.CancelFunc) { return context.WithCancel(ctx) })
					// The fixture's connection waits for a server to come back; none does.
					if code := status.Code(err); err != nil && code != codes.Canceled && code != codes.Unavailable {
						t.Errorf("a server that stops answers %v", err)
					}
				}
			})
		}
		wait.Go(func() {
			for ctx.Err() == nil {
				if response, err := web.Get(f.HTTP + "/v1/cohorts"); err == nil {
					if response.Body.Close(); response.StatusCode != http.StatusOK && response.StatusCode != http.StatusServiceUnavailable {
						t.Errorf("a server that stops answers %s", response.Status)
					}
				}
			}
		})
		eventually(t, "the load is on", func() bool {
			c.arrivedWithout.mu.Lock()
			defer c.arrivedWithout.mu.Unlock()
			return c.arrivedWithout.answered > 40
		})
		f.Stop()
		cancel()
		wait.Wait()
		c.check(f.Counts())
		next := sound(t, f)
		c.check(next.Counts())
		c.party = newParty(t, next)
		c.issues.attempted += len(c.unanswered) // a new process does not know them
		c.settle(next)
	})
	before.givenBack(t)
}
