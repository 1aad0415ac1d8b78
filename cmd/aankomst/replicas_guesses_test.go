package main

import (
	"crypto/rand"
	"sync"
	"testing"
	"time"

	client "aankomst/clients/go"
	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/refcode"
	"aankomst/server/calendar"
)

// unissued returns a code that is well-formed and that no server issued.
func unissued() refcode.Code {
	for {
		symbols := rand.Text()[:refcode.Short.Symbols()-2]
		for _, p := range refcode.Alphabet {
			for _, q := range refcode.Alphabet {
				if code, err := refcode.Decode(symbols + string(p) + string(q)); err == nil {
					return code
				}
			}
		}
	}
}

// guess has a server look at a wrong code, and returns whether it did. A server that does not says until when.
func (c *child) guess(token string) (looked bool) {
	desk := clientOf(c.connection, token)
	_, err := desk.Arrivals.ConfirmArrival(desk.Authorized(c.t.Context()), &aankomstv1.ConfirmArrivalRequest{Code: unissued().Symbols()})
	switch reason := client.Reason(err); {
	case reason == "CODE_NOT_ACCEPTED":
		return true
	case reason == "TOO_MANY_WRONG_CODES" && client.RetryAfter(err) > 0:
	default:
		c.t.Errorf("a wrong code gives %v", err)
	}
	return false
}

// guesses has both servers look at wrong codes in turn, and returns at how many they did.
func (r *replicas) guesses(token string) (looked int) {
	for i := range 10 {
		if r.servers[i%2].guess(token) {
			looked++
		}
	}
	return looked
}

// A centre is allowed no more wrong codes by going to and fro between servers, nor by their being started anew.
func TestTheLimitOfWrongCodesHoldsForReplicasTogether(t *testing.T) {
	t.Parallel()
	// A quarter of an hour that ends before the servers are started anew takes what they do not know with it.
	if left := time.Until(calendar.Quarter(time.Now()).Add(15 * time.Minute)); left < 30*time.Second {
		time.Sleep(left)
	}
	for _, limit := range []string{"AANKOMST_WRONG_PER_MINUTE", "AANKOMST_WRONG_PER_DAY"} {
		t.Run(limit, func(t *testing.T) {
			t.Parallel()
			r := newReplicas(t, newDatabases.Database(t), limit+"=6")
			code := r.issue(r.client(r.counsellor))
			for _, c := range r.servers {
				if !c.guess(r.intake[0]) {
					t.Error("the first wrong code is not looked at")
				}
			}
			anew := func() {
				r.servers[0].kill()
				r.servers[1].stop()
				r.run(0)
				r.run(1)
			}
			anew()
			if looked := r.guesses(r.intake[0]); looked != 4 {
				t.Errorf("%d more wrong codes are looked at, want 4 after 2 of 6", looked)
			}
			anew()
			if looked := r.guesses(r.intake[0]); looked != 0 {
				t.Errorf("%d wrong codes are looked at past the limit", looked)
			}

			// All at once, each server may look at one more before it hears of the other's last.
			var wait sync.WaitGroup
			looked := make(chan bool, 40)
			for i := range cap(looked) {
				wait.Go(func() { looked <- r.servers[i%2].guess(r.intake[1]) })
			}
			wait.Wait()
			close(looked)
			n := 0
			for one := range looked {
				if one {
					n++
				}
			}
			if n < 6 || n > 7 {
				t.Errorf("%d wrong codes are looked at at once, with a limit of 6 and two servers", n)
			}

			// Another centre minds none of this.
			for _, c := range r.servers {
				noError(t, confirm(clientOf(c.connection, r.intake[2]))(code))
			}
		})
	}
}
