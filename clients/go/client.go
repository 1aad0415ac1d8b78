// Package client is the Go client of aankomst, and the reference for how a client keeps its promises:
// it draws and blinds the nonce, checks the server's proof against a pinned fingerprint, and repeats a
// call only where that is safe.
//
// A Client speaks for one token. It asks the server for no centre by name: a counsellor's choice of a
// centre becomes a pool on this side.
package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/refcode"
)

var (
	// ErrFingerprint is wrapped when a cohort's directory is not the one that was pinned. Do not issue:
	// the server may be marking callers. Tell the operator, outside the system.
	ErrFingerprint = errors.New("the cohort's fingerprint is not the one this client has pinned")
	// ErrPools is wrapped when the list of which centre is in which pool is not one that only grew. Do not
	// issue: the server may be marking callers by their pool. Tell the operator, outside the system.
	ErrPools = errors.New("the list of centres and pools is not the one this client has pinned")
	// ErrPlain is returned by Dial when a connection to another machine would not be encrypted.
	ErrPlain = errors.New("the connection to another machine must be encrypted: give the certificate authority")
	// ErrCentre is wrapped when no pool of the cohort has the centre.
	ErrCentre = errors.New("the centre is in no pool of this cohort")
)

const (
	// tryTimeout bounds one attempt; a repeated call makes attempts for repeatFor at most, which is
	// shorter than the time for which a server knows a repeated issue.
	tryTimeout = 10 * time.Second
	repeatFor  = 40 * time.Second
	firstPause = 100 * time.Millisecond
	maxPause   = 3 * time.Second
)

// Dial connects to a server's gRPC address, HOST:PORT. With a nil config the connection is plain text, and
// Dial returns ErrPlain unless the address is on loopback. A name is then looked up once, and the address
// that was found is the one that is used: a name that stands for another machine later cannot draw the
// token out.
func Dial(address string, config *tls.Config) (*grpc.ClientConn, error) {
	if config != nil {
		return grpc.NewClient(address, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	}
	resolved, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("the address %q cannot be used: %w", address, err)
	}
	if !resolved.IP.IsLoopback() {
		return nil, ErrPlain
	}
	return grpc.NewClient("passthrough:///"+resolved.String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
}

// Client calls a server. It is safe for concurrent use.
type Client struct {
	// Directory, Releases and the others are the generated clients, for the calls that need no care.
	// They take the context that Authorized returns.
	Directory  aankomstv1.DirectoryServiceClient
	Referrals  aankomstv1.ReferralServiceClient
	Arrivals   aankomstv1.ArrivalServiceClient
	Releases   aankomstv1.ReleaseServiceClient
	Statements aankomstv1.StatementServiceClient

	token string
	pins  Pins

	mu          sync.Mutex
	directories map[int]refcode.Directory
}

// New returns a client on a connection, speaking for a bearer token (empty: public calls only) and
// keeping fingerprints in pins.
func New(connection grpc.ClientConnInterface, token string, pins Pins) *Client {
	return &Client{
		Directory:  aankomstv1.NewDirectoryServiceClient(connection),
		Referrals:  aankomstv1.NewReferralServiceClient(connection),
		Arrivals:   aankomstv1.NewArrivalServiceClient(connection),
		Releases:   aankomstv1.NewReleaseServiceClient(connection),
		Statements: aankomstv1.NewStatementServiceClient(connection),
		token:      token, pins: pins, directories: map[int]refcode.Directory{},
	}
}

// Authorized returns a context that carries the client's token.
func (c *Client) Authorized(ctx context.Context) context.Context {
	if c.token == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+c.token)
}

// Cohort returns the directory of a year's cohort, after comparing its fingerprint with the pinned one.
// The first directory that is seen is pinned. The error wraps ErrFingerprint when it has changed.
func (c *Client) Cohort(ctx context.Context, year int) (refcode.Directory, error) {
	c.mu.Lock()
	known, ok := c.directories[year]
	c.mu.Unlock()
	if ok {
		return known, nil
	}
	var answer *aankomstv1.Cohort
	err := repeat(ctx, func(ctx context.Context) (err error) {
		// Without the token: whoever asks for the directory must look like everybody else.
		answer, err = c.Directory.GetCohort(ctx, &aankomstv1.GetCohortRequest{Year: uint32(year)})
		return err
	})
	if err != nil {
		return refcode.Directory{}, err
	}
	directory := refcode.Directory{
		Year: uint16(answer.GetYear()), Layout: refcode.Layout(answer.GetLayout()), PublicKey: answer.GetPublicKey(),
	}
	for _, pool := range answer.GetPools() {
		directory.Pools = append(directory.Pools, pool.GetNumber())
	}
	if err := directory.Check(); err != nil || answer.GetYear() != uint32(directory.Year) || int(directory.Year) != year {
		return refcode.Directory{}, fmt.Errorf("the server's cohort of %d cannot be used: %w", year, errors.Join(err, ErrFingerprint))
	}
	// The fingerprint that the server sends is for people; only the one computed here counts.
	if err := c.comparePin(year, directory.Fingerprint()); err != nil {
		return refcode.Directory{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.directories[year] = directory
	return directory, nil
}

func (c *Client) comparePin(year int, seen refcode.Fingerprint) error {
	pinned, found, err := c.pins.Pin(year)
	if err != nil {
		return err
	}
	if !found {
		return c.pins.SetPin(year, seen)
	}
	return samePin(pinned, seen)
}

// PoolOf returns the number of the pool that a centre is in. It loads the whole list and asks for no
// centre. The list is pinned: the error wraps ErrPools when a centre that was seen before has moved or is
// gone, and ErrCentre when the centre is in no pool.
func (c *Client) PoolOf(ctx context.Context, year int, centre string) (uint32, error) {
	var answer *aankomstv1.Cohort
	err := repeat(ctx, func(ctx context.Context) (err error) {
		answer, err = c.Directory.GetCohort(ctx, &aankomstv1.GetCohortRequest{Year: uint32(year)})
		return err
	})
	if err != nil {
		return 0, err
	}
	seen := map[string]uint32{}
	for _, pool := range answer.GetPools() {
		for _, member := range pool.GetCentres() {
			if _, twice := seen[member]; twice {
				return 0, fmt.Errorf("%w: %s is in two pools", ErrPools, member)
			}
			seen[member] = pool.GetNumber()
		}
	}
	if err := c.pins.CheckPools(year, seen); err != nil {
		return 0, err
	}
	pool, found := seen[centre]
	if !found {
		return 0, fmt.Errorf("%w: %s", ErrCentre, centre)
	}
	return pool, nil
}

// IssueOptions change what is issued.
type IssueOptions struct {
	// Replacement issues a code in place of a lost one.
	Replacement bool
}

// Issue issues a code for a pool of a year's cohort. Interrupted, it repeats the call with the same
// blinded nonce, which a server that still runs does not count again. Errors are the server's, or wrap
// ErrFingerprint, refcode.ErrPool or refcode.ErrProof; after the last, do not use this server.
func (c *Client) Issue(ctx context.Context, year int, pool uint32, options IssueOptions) (refcode.Code, error) {
	directory, err := c.Cohort(ctx, year)
	if err != nil {
		return refcode.Code{}, err
	}
	blinding, err := refcode.Blind(directory, pool)
	if err != nil {
		return refcode.Code{}, err
	}
	var answer *aankomstv1.IssueReferralResponse
	err = repeat(ctx, func(ctx context.Context) (err error) {
		answer, err = c.Referrals.IssueReferral(c.Authorized(ctx), &aankomstv1.IssueReferralRequest{
			Cohort: uint32(year), Pool: pool, BlindedElement: blinding.Element, Replacement: options.Replacement,
		})
		return err
	})
	if err != nil {
		return refcode.Code{}, err
	}
	code, err := blinding.Finalize(answer.GetEvaluatedElement(), answer.GetProof())
	if errors.Is(err, refcode.ErrElement) {
		err = fmt.Errorf("%w: %w", refcode.ErrProof, err)
	}
	return code, err
}

// Void voids a code; replacement says that it was issued as one. It is repeated until it is answered.
func (c *Client) Void(ctx context.Context, code refcode.Code, replacement bool) error {
	return repeat(ctx, func(ctx context.Context) error {
		_, err := c.Referrals.VoidReferral(c.Authorized(ctx), &aankomstv1.VoidReferralRequest{
			Code: code.Symbols(), Replacement: replacement,
		})
		return err
	})
}

// Confirm confirms the arrival of a code's bearer, with the expected waiting time when it is known. It
// is repeated until it is answered. Practice says that it was a practice code, which counts nothing.
func (c *Client) Confirm(ctx context.Context, code refcode.Code, wait aankomstv1.WaitBand_Value) (practice bool, err error) {
	var answer *aankomstv1.ConfirmArrivalResponse
	err = repeat(ctx, func(ctx context.Context) (err error) {
		answer, err = c.Arrivals.ConfirmArrival(c.Authorized(ctx), &aankomstv1.ConfirmArrivalRequest{
			Code: code.Symbols(), WaitBand: wait,
		})
		return err
	})
	return answer.GetOutcome() == aankomstv1.ConfirmArrivalResponse_PRACTICE, err
}

// Undo takes a mistaken confirmation back; wait is what was given with it. It is repeated until it is
// answered.
func (c *Client) Undo(ctx context.Context, code refcode.Code, wait aankomstv1.WaitBand_Value) error {
	return repeat(ctx, func(ctx context.Context) error {
		_, err := c.Arrivals.UndoArrival(c.Authorized(ctx), &aankomstv1.UndoArrivalRequest{
			Code: code.Symbols(), WaitBand: wait,
		})
		return err
	})
}

// ReferWithoutCode counts one person who was referred and wanted no code. It is never repeated, since
// it would count again: after an error, look whether the server is there and decide.
func (c *Client) ReferWithoutCode(ctx context.Context, year int, pool uint32) error {
	_, err := c.Referrals.RecordReferralWithoutCode(c.Authorized(ctx), &aankomstv1.RecordReferralWithoutCodeRequest{
		Cohort: uint32(year), Pool: pool,
	})
	return err
}

// ArriveWithoutCode counts one person who arrived, was sent by the helpline and has no code. It is never
// repeated, as ReferWithoutCode.
func (c *Client) ArriveWithoutCode(ctx context.Context, year int) error {
	_, err := c.Arrivals.RecordArrivalWithoutCode(c.Authorized(ctx), &aankomstv1.RecordArrivalWithoutCodeRequest{Cohort: uint32(year)})
	return err
}

// repeat makes attempts, with growing pauses, until one is answered, the caller's context ends, or
// repeatFor is over. A pause is as long as the server asks for, if that is longer. It must only be given
// calls that are safe to repeat.
func repeat(ctx context.Context, attempt func(context.Context) error) error {
	giveUp := time.Now().Add(repeatFor)
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		try, cancel := context.WithTimeout(ctx, tryTimeout)
		err := attempt(try)
		cancel()
		code := status.Code(err)
		again := code == codes.Unavailable || code == codes.DeadlineExceeded
		wait := max(pause, RetryAfter(err))
		if !again || time.Now().Add(wait).After(giveUp) {
			return err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return err
		}
	}
}
