package client_test

import (
	"context"
	"crypto/rand"
	"net"
	"path"
	"slices"
	"sync"
	"testing"

	"github.com/cloudflare/circl/group"
	"github.com/cloudflare/circl/oprf"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	client "aankomst/clients/go"
	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/refcode"
	"aankomst/server/servertest"
	"aankomst/server/store"
)

// noWait is a confirmation without a band of waiting time.
const noWait = aankomstv1.WaitBand_VALUE_UNSPECIFIED

// fault is what a line does to one call.
type fault func(ctx context.Context, forward func() error) error

// notSent fails without the call having reached the server.
func notSent(context.Context, func() error) error {
	return status.Error(codes.Unavailable, "the line was cut before the call")
}

// answerLost lets the call be served and loses the answer.
func answerLost(_ context.Context, forward func() error) error {
	if err := forward(); err != nil {
		return err
	}
	return status.Error(codes.Unavailable, "the line was cut before the answer")
}

// failing fails with a status, without the call having reached the server.
func failing(code codes.Code) fault {
	return func(context.Context, func() error) error { return status.Error(code, "made up by the test") }
}

// line is what lies between a client and its server: it notes every call and meets the calls of a method
// with faults, in order, until there are no more.
type line struct {
	mu     sync.Mutex
	calls  []call
	faults map[string][]fault
}

type call struct {
	method  string
	request proto.Message
}

// meet queues faults for the calls of a method, such as "IssueReferral".
func (l *line) meet(method string, faults ...fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.faults == nil {
		l.faults = map[string][]fault{}
	}
	l.faults[method] = append(l.faults[method], faults...)
}

// requests returns what was sent to a method so far.
func (l *line) requests(method string) []proto.Message {
	l.mu.Lock()
	defer l.mu.Unlock()
	var requests []proto.Message
	for _, c := range l.calls {
		if c.method == method {
			requests = append(requests, c.request)
		}
	}
	return requests
}

// methods returns the methods that were called, in order.
func (l *line) methods() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var methods []string
	for _, c := range l.calls {
		methods = append(methods, c.method)
	}
	return methods
}

// note notes a call and returns the fault that meets it, if any.
func (l *line) note(method string, request proto.Message) fault {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, call{method, proto.Clone(request)})
	if len(l.faults[method]) == 0 {
		return nil
	}
	first := l.faults[method][0]
	l.faults[method] = l.faults[method][1:]
	return first
}

func (l *line) intercept(ctx context.Context, method string, request, reply any, connection *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	forward := func() error { return invoke(ctx, method, request, reply, connection, options...) }
	if meet := l.note(path.Base(method), request.(proto.Message)); meet != nil {
		return meet(ctx, forward)
	}
	return forward()
}

// through returns a connection to an address by way of a line.
func through(t *testing.T, l *line, address string) *grpc.ClientConn {
	t.Helper()
	connection, err := grpc.NewClient(address,
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithUnaryInterceptor(l.intercept))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	return connection
}

// onLine returns a client of a role that calls a fixture by way of a line.
func onLine(t *testing.T, f *servertest.Fixture, l *line, role store.Role, centre string) *client.Client {
	t.Helper()
	return client.New(through(t, l, f.GRPC), f.Token(role, centre), new(client.MemoryPins))
}

// pool returns the counts of a pool.
func pool(t *testing.T, f *servertest.Fixture, number uint32) store.PoolCounts {
	t.Helper()
	counts := f.Counts().Pools
	at := slices.IndexFunc(counts, func(p store.PoolCounts) bool { return p.Number == number })
	if at < 0 {
		t.Fatalf("there are no counts of pool %d", number)
	}
	return counts[at]
}

// issued is an answer to a call of IssueReferral; a lie makes another of it.
type issued = aankomstv1.IssueReferralResponse
type lie func(blinded []byte, answer *issued) *issued

// liar is a server that answers as a test tells it. By itself it answers rightly, with a key of its own.
type liar struct {
	aankomstv1.UnimplementedDirectoryServiceServer
	aankomstv1.UnimplementedReferralServiceServer
	address string
	private *oprf.PrivateKey
	// directory changes an answer before it is sent; issued makes another of it.
	directory func(*aankomstv1.Cohort)
	issued    lie
}

func startLiar(t *testing.T) *liar {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &liar{address: listener.Addr().String(), private: newKey(t)}
	server := grpc.NewServer()
	aankomstv1.RegisterDirectoryServiceServer(server, l)
	aankomstv1.RegisterReferralServiceServer(server, l)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		server.Serve(listener)
	}()
	t.Cleanup(func() {
		server.Stop()
		<-ended
	})
	return l
}

func newKey(t *testing.T) *oprf.PrivateKey {
	t.Helper()
	key, err := oprf.GenerateKey(refcode.Suite, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	// circl computes the public half when it is first asked for, not safely for concurrent use.
	key.Public()
	return key
}

// publicKey returns the encoding of the public half of a key.
func publicKey(key *oprf.PrivateKey) []byte {
	encoded, err := key.Public().MarshalBinary()
	if err != nil {
		panic(err)
	}
	return encoded
}

// trueDirectory is what the liar serves when it does not lie.
func (l *liar) trueDirectory() refcode.Directory {
	return refcode.Directory{Year: servertest.Year, Layout: refcode.Short, PublicKey: publicKey(l.private), Pools: []uint32{1, 2}}
}

// GetCohort serves a cohort, whatever the year that was asked for.
func (l *liar) GetCohort(context.Context, *aankomstv1.GetCohortRequest) (*aankomstv1.Cohort, error) {
	directory := l.trueDirectory()
	fingerprint := directory.Fingerprint()
	answer := &aankomstv1.Cohort{
		Year: uint32(directory.Year), State: aankomstv1.Cohort_OPEN, Layout: aankomstv1.Cohort_SHORT, PublicKey: directory.PublicKey,
		Fingerprint: fingerprint[:], FingerprintText: fingerprint.Text(),
		Pools: []*aankomstv1.Pool{{Number: 1, Centres: servertest.PoolOne}, {Number: 2, Centres: servertest.PoolTwo}},
	}
	if l.directory != nil {
		l.directory(answer)
	}
	return answer, nil
}

// IssueReferral evaluates, as a server that counts would.
func (l *liar) IssueReferral(_ context.Context, request *aankomstv1.IssueReferralRequest) (*aankomstv1.IssueReferralResponse, error) {
	answer := evaluate(l.private, request.GetBlindedElement(), uint16(request.GetCohort()), request.GetPool())
	if l.issued != nil {
		answer = l.issued(request.GetBlindedElement(), answer)
	}
	return answer, nil
}

// evaluate answers a blinded element with any key, for any year and pool.
func evaluate(key *oprf.PrivateKey, blinded []byte, year uint16, pool uint32) *issued {
	element, err := refcode.ParseElement(blinded)
	if err != nil {
		panic(err)
	}
	server := oprf.NewPartialObliviousServer(refcode.Suite, key)
	evaluation, err := server.Evaluate(&oprf.EvaluationRequest{Elements: []oprf.Blinded{element}}, refcode.Info(year, pool))
	if err != nil {
		panic(err)
	}
	evaluated, err := evaluation.Elements[0].MarshalBinaryCompress()
	if err != nil {
		panic(err)
	}
	proof, err := evaluation.Proof.MarshalBinary()
	if err != nil {
		panic(err)
	}
	return &issued{EvaluatedElement: evaluated, Proof: proof}
}

// randomElement is an element that answers nothing.
func randomElement() []byte {
	encoded, err := group.Ristretto255.RandomElement(rand.Reader).MarshalBinaryCompress()
	if err != nil {
		panic(err)
	}
	return encoded
}
