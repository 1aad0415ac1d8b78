package main

import (
	"context"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	client "aankomst/clients/go"
	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/refcode"
)

// start has callers go to a process as the server of that number, once it listens.
func (l *load) start(number int, c *child) {
	l.t.Helper()
	if !c.listening() {
		l.t.Fatalf("the server does not start: %v\n%s", c.wait(), c.stderr.String())
	}
	l.join(number, c)
}

// join has callers go to a server that listens.
func (l *load) join(number int, c *child) {
	l.t.Helper()
	if c.connection == nil {
		c.connection = c.dial()
		l.t.Cleanup(func() { c.connection.Close() })
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if number == len(l.servers) {
		l.servers = append(l.servers, nil)
	}
	l.servers[number] = c
}

// line is a way to the servers: its calls go to each of them in turn, so that one that was not answered is
// repeated at the next.
type line struct {
	grpc.ClientConnInterface // only Invoke is called
	load                     *load
	calls                    atomic.Int64
}

// Invoke makes a call, and takes note of it.
func (n *line) Invoke(ctx context.Context, method string, request, response any, options ...grpc.CallOption) error {
	_, issues := request.(*aankomstv1.IssueReferralRequest)
	c := n.load.turn(int(n.calls.Add(1)), issues)
	err := c.connection.Invoke(ctx, method, request, response, options...)
	unavailable, reason := status.Code(err) == codes.Unavailable, client.Reason(err)
	switch {
	case err == nil:
		c.answered.Add(1)
	case ctx.Err() != nil: // the caller went away
	case unavailable && reason == "" && c.leaving.Load():
	case unavailable && reason == "STORE_UNAVAILABLE" && client.RetryAfter(err) > 0 && n.load.storeFails:
		c.refused.Add(1)
	case (reason == "CODE_NOT_ACCEPTED" || reason == "TOO_MANY_WRONG_CODES") && n.load.closing.Load():
	default:
		n.load.t.Errorf("a caller got %v (reason %q)", err, reason)
	}
	return err
}

// turn returns the server whose turn it is, for an issue or another call.
func (l *load) turn(call int, issues bool) *child {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.servers[call%len(l.servers)]
	if issues && !c.gone.Load() {
		l.issuedMost++
	}
	return c
}

// client returns a client of all servers.
func (l *load) client(token string) *client.Client {
	return client.New(&line{load: l}, token, new(client.MemoryPins))
}

// issueElement sends one element, for the first time or again. What is not answered is left for repeat.
func (l *load) issueElement(api *client.Client, blinding *refcode.Blinding) {
	answer, err := api.Referrals.IssueReferral(api.Authorized(context.Background()), &aankomstv1.IssueReferralRequest{
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

// repeat sends once more what was not answered.
func (l *load) repeat(api *client.Client) {
	l.mu.Lock()
	left := l.unanswered
	l.unanswered = nil
	l.mu.Unlock()
	for _, blinding := range left {
		l.issueElement(api, blinding)
	}
}

// The calls of confirm, undo and void are made once, without the client, which would repeat them; and to their
// end, so that none is carried out after a later one was answered.

func confirm(desk *client.Client) func(refcode.Code) error {
	return func(code refcode.Code) error {
		_, err := desk.Arrivals.ConfirmArrival(desk.Authorized(context.Background()), &aankomstv1.ConfirmArrivalRequest{
			Code: code.Symbols(), WaitBand: aankomstv1.WaitBand_UP_TO_2_WEEKS,
		})
		return err
	}
}

func undo(desk *client.Client) func(refcode.Code) error {
	return func(code refcode.Code) error {
		_, err := desk.Arrivals.UndoArrival(desk.Authorized(context.Background()), &aankomstv1.UndoArrivalRequest{
			Code: code.Symbols(), WaitBand: aankomstv1.WaitBand_UP_TO_2_WEEKS,
		})
		return err
	}
}

func void(helpline *client.Client) func(refcode.Code) error {
	return func(code refcode.Code) error {
		_, err := helpline.Referrals.VoidReferral(helpline.Authorized(context.Background()), &aankomstv1.VoidReferralRequest{Code: code.Symbols()})
		return err
	}
}

// issue issues a code as a counsellor's client does.
func (l *load) issue(helpline *client.Client) refcode.Code {
	l.t.Helper()
	code, err := helpline.Issue(l.t.Context(), l.year, 1, client.IssueOptions{})
	noError(l.t, err)
	return code
}

// issueOnce issues a code that nobody gets, and repeats nothing.
func (l *load) issueOnce(helpline *client.Client) error {
	l.t.Helper()
	directory, err := helpline.Cohort(l.t.Context(), l.year)
	noError(l.t, err)
	blinding, err := refcode.Blind(directory, 1)
	noError(l.t, err)
	_, err = helpline.Referrals.IssueReferral(helpline.Authorized(l.t.Context()), &aankomstv1.IssueReferralRequest{
		Cohort: uint32(l.year), Pool: 1, BlindedElement: blinding.Element,
	})
	return err
}
