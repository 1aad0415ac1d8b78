package server_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	client "aankomst/clients/go"
	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/server/servertest"
	"aankomst/server/store"
)

// asked is a store that notes what it is asked for by hash, and how often it has to write that somebody was wrong.
type asked struct {
	store.Store
	counts atomic.Int64

	mu     sync.Mutex
	hashes map[[32]byte]bool
}

func (s *asked) note(hashes ...[32]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, hash := range hashes {
		s.hashes[hash] = true
	}
}

func (s *asked) Callers(ctx context.Context, hashes [][32]byte) ([]store.Caller, error) {
	s.note(hashes...)
	return s.Store.Callers(ctx, hashes)
}

func (s *asked) GetInvitation(ctx context.Context, hash [32]byte) (store.Invitation, error) {
	s.note(hash)
	return s.Store.GetInvitation(ctx, hash)
}

func (s *asked) EndCeremony(ctx context.Context, hash [32]byte) (store.Ceremony, error) {
	s.note(hash)
	return s.Store.EndCeremony(ctx, hash)
}

func (s *asked) CountAttempt(ctx context.Context, kind store.AttemptKind, who string, quarter time.Time) (int, error) {
	s.counts.Add(1)
	return s.Store.CountAttempt(ctx, kind, who, quarter)
}

// startAsked starts a server on a store that notes what it is asked.
func startAsked(t *testing.T, options servertest.Options) (*api, *asked) {
	t.Helper()
	s := &asked{hashes: map[[32]byte]bool{}}
	options.Store = func(inner store.Store) store.Store {
		s.Store = inner
		return s
	}
	return startAPI(t, options), s
}

// wrongWay is a way to be wrong: what is sent with a secret that nobody drew, and what that is told.
type wrongWay struct {
	prefix, reason string
	request        func(secret string) proto.Message // nil when the secret says who calls
}

var guesses = []wrongWay{
	{"aankomst_", "TOKEN_UNKNOWN", nil},
	{"aankomst_session_", "SIGNED_OUT", nil},
	{"aankomst_device_", "TOKEN_UNKNOWN", nil},
	{"aankomst_invitation_", "INVITATION_NOT_ACCEPTED", func(s string) proto.Message {
		return &aankomstv1.FinishEnrolmentRequest{Invitation: s, Name: "a key"}
	}},
	{"aankomst_invitation_", "INVITATION_NOT_ACCEPTED", func(s string) proto.Message { return &aankomstv1.EnrolDeviceRequest{Invitation: s} }},
	{"aankomst_ceremony_", "PROOF_NOT_ACCEPTED", func(s string) proto.Message {
		return &aankomstv1.FinishSignInRequest{Ceremony: s, Credential: "{}"}
	}},
}

// guess is wrong once, over a connection, and returns what it is told.
func (a *api) guess(connection *grpc.ClientConn, n int) (reason, secret string) {
	each := guesses[n%len(guesses)]
	secret = fmt.Sprintf("%s%052d", each.prefix, n)
	request, ctx := proto.Message(whoCalls), servertest.With(context.Background(), secret)
	if each.request != nil {
		request, ctx = each.request(secret), context.Background()
	}
	method := methodOf(a.t, request)
	err := connection.Invoke(ctx, fullMethod(method), request, newMessage(a.t, method.Output()))
	return client.Reason(err), secret
}

// Ten thousand wrong secrets at once from one address: a few are told that they are wrong, the others to wait;
// whoever is right comes in meanwhile, from the same address; the store is asked for hashes of what was sent, and
// writes next to nothing.
func TestTenThousandGuessesKeepNobodyOut(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, options servertest.Options) {
		const all, connections, each = 10_000, 10, 20
		a, s := startAsked(t, options)
		_, key, session := a.seat(store.RoleAdministrator)
		_, invitation := a.invited(store.RoleCoordinator)
		device, token, never := a.Device(servertest.PoolTwo[0]), a.counsellor(), a.Token(store.RoleCoordinator, "")
		code := a.issue(servertest.Year, 1)
		before := s.counts.Load()

		told := make([]map[string]int, connections*each)
		sent := make([]string, all)
		var guessing sync.WaitGroup
		for i := range connections {
			connection, err := grpc.NewClient(a.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
			must(t, err)
			defer connection.Close()
			for j := range each {
				guessing.Go(func() {
					worker := i*each + j
					told[worker] = map[string]int{}
					for n := worker; n < all; n += connections * each {
						reason, secret := a.guess(connection, n)
						told[worker][reason]++
						sent[n] = secret
					}
				})
			}
		}
		for range 40 { // more ceremonies than this could begin in a minute
			a.isOn(t, session, "known before")
			a.isOn(t, never, "a token that never came before")
			a.isOn(t, a.signIn(key), "just begun")
			a.ok("", &aankomstv1.BeginEnrolmentRequest{Invitation: invitation}).worked(t)
			a.ok(token, new(aankomstv1.ListCentresRequest))
			isConfirmed(t, a.ok(device, confirming(code)))
			a.ok(device, undoing(code))
		}
		guessing.Wait()

		reasons := map[string]int{}
		for _, some := range told {
			for reason, n := range some {
				reasons[reason] += n
			}
		}
		// Those who ask at the same moment may all learn it.
		limit := 2 * (wrongPerMinute + connections*each)
		learned := all - reasons["TOO_MANY_ATTEMPTS"]
		if learned > limit || learned < wrongPerMinute {
			t.Errorf("of %d, %d learned that they are wrong: %v", all, learned, reasons)
		}
		for reason := range reasons {
			if reason != "TOO_MANY_ATTEMPTS" && !slices.ContainsFunc(guesses, func(w wrongWay) bool { return w.reason == reason }) {
				t.Errorf("somebody is told %q", reason)
			}
		}
		if written := s.counts.Load() - before; written > int64(limit) {
			t.Errorf("%d wrong ones are written to the store", written)
		}
		for _, secret := range sent {
			if !s.hashes[sha256.Sum256([]byte(secret))] {
				t.Fatalf("the store was never asked for the hash of %s", secret)
			}
		}
		if others := len(s.hashes) - len(sent); others > 400 { // of those who are right
			t.Errorf("the store was asked for %d other hashes", others)
		}
	})
}

// At the total limit nobody learns anything, also from an address that was never seen, and after a restart; who is
// right comes in as before. The next quarter of an hour begins anew.
func TestTheTotalLimitKeepsOutWhoIsWrongOnly(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, options servertest.Options) {
		const wrongInTotal = 1000
		options.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
		a, s := startAsked(t, options)
		_, key, _ := a.seat(store.RoleCounsellor)
		address := netip.MustParseAddr("192.0.2.0")
		come := func(a *api, request proto.Message) answer {
			address = address.Next()
			sent := a.request("", ruleOf(t, methodOf(t, request)).verb, ruleOf(t, methodOf(t, request)).path, strings.NewReader(asJSON(t, request)))
			sent.Header.Set("X-Forwarded-For", address.String())
			return a.send(sent)
		}
		proof := &aankomstv1.FinishSignInRequest{Ceremony: "aankomst_ceremony_unknown", Credential: "{}"}
		before := s.counts.Load()
		for range wrongInTotal {
			come(a, proof).refused(t, codes.Unauthenticated, "PROOF_NOT_ACCEPTED")
		}
		for range 50 {
			come(a, proof).refused(t, codes.ResourceExhausted, "TOO_MANY_ATTEMPTS")
		}
		same(t, "writes", s.counts.Load()-before, wrongInTotal)
		come(a, a.finishing(key)).worked(t)
		// Invitations are counted apart.
		come(a, &aankomstv1.EnrolDeviceRequest{Invitation: "aankomst_invitation_unknown"}).refused(t, codes.NotFound, "INVITATION_NOT_ACCEPTED")
		for _, v := range dumpOf(t, options) {
			for _, part := range []string{"192.0.2.", "127.0.0.1"} {
				if strings.Contains(fmt.Sprintf("%s", v.value), part) {
					t.Errorf("%s.%s holds an address: %v", v.table, v.column, v.value)
				}
			}
		}
		a.Stop()

		options.Now = a.Clock.Now()
		again := startAPI(t, options)
		come(again, proof).refused(t, codes.ResourceExhausted, "TOO_MANY_ATTEMPTS")
		key.origin = again.Origin
		come(again, again.finishing(key)).worked(t)
		again.Clock.Set(servertest.Noon.Add(15*time.Minute - time.Nanosecond))
		if got := come(again, proof); got.retry != time.Nanosecond {
			t.Errorf("it says to try again in %s: %v", got.retry, got)
		}
		again.Clock.Set(servertest.Noon.Add(15 * time.Minute))
		come(again, proof).refused(t, codes.Unauthenticated, "PROOF_NOT_ACCEPTED")
	})
}
