package server_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"aankomst/server/servertest"
	"aankomst/server/store"
)

// api calls the server of a fixture, over gRPC and over REST, with a token of any role.
type api struct {
	*servertest.Fixture
	t   *testing.T
	web *http.Client

	mu     sync.Mutex
	tokens map[string]madeToken
}

type madeToken struct {
	secret string
	at     time.Time
}

func startAPI(t *testing.T, options servertest.Options) *api {
	t.Helper()
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13},
		ForceAttemptHTTP2: true,
	}
	a := &api{
		Fixture: servertest.Start(t, options), t: t, tokens: map[string]madeToken{},
		// A redirect would be followed to a path that nobody asked for.
		web: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return a
}

// roles are all roles, with the centre of those that have one.
var roles = map[store.Role]string{
	store.RoleCounsellor: "", store.RoleIntake: servertest.PoolOne[0],
	store.RoleCoordinator: "", store.RoleAdministrator: "",
}

// token returns the secret with which a role calls: a token's, but an administrator is signed in and has a
// fresh proof. It is made once, and anew when a test has moved the clock past its end.
func (a *api) token(role store.Role, centre string) string {
	a.t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	made, known := a.tokens[string(role)+centre]
	makes, lasts := a.Token, 300*24*time.Hour
	if role == store.RoleAdministrator {
		makes, lasts = a.Session, time.Minute
	}
	if age := a.Clock.Now().Sub(made.at); !known || age < 0 || age > lasts {
		made = madeToken{makes(role, centre), a.Clock.Now()}
		a.tokens[string(role)+centre] = made
	}
	return made.secret
}

func (a *api) counsellor() string    { return a.token(store.RoleCounsellor, "") }
func (a *api) coordinator() string   { return a.token(store.RoleCoordinator, "") }
func (a *api) administrator() string { return a.token(store.RoleAdministrator, "") }

// intake returns the token of a centre; the first of the first pool when none is named.
func (a *api) intake(centre ...string) string {
	return a.token(store.RoleIntake, append(centre, servertest.PoolOne[0])[0])
}

// answer is what came back, whichever way the call went.
type answer struct {
	code codes.Code
	// http is zero over gRPC.
	http    int
	header  http.Header
	message string
	reason  string
	// field is the one that a BadRequest names.
	field    string
	metadata map[string]string
	retry    time.Duration
	// response is set when the code is OK.
	response proto.Message
	// body is that of a response of REST.
	body string
	// wire is everything that came back, as text.
	wire string
}

func (a answer) String() string {
	return fmt.Sprintf("%s %s (HTTP %d): %s", a.code, a.reason, a.http, a.message)
}

// ways are the ways in which a call can be made. A test that runs over both calls them by name.
var ways = map[string]func(a *api, token string, request proto.Message) answer{
	"grpc": (*api).grpc, "rest": (*api).rest,
}

// bothWays runs a test over gRPC and over REST.
func bothWays(t *testing.T, run func(t *testing.T, call func(a *api, token string, request proto.Message) answer)) {
	t.Helper()
	for _, way := range slices.Sorted(maps.Keys(ways)) {
		t.Run(way, func(t *testing.T) { run(t, ways[way]) })
	}
}

// grpc calls the method that takes the request.
func (a *api) grpc(token string, request proto.Message) answer {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return a.invoke(servertest.With(ctx, token), request)
}

func (a *api) invoke(ctx context.Context, request proto.Message) answer {
	a.t.Helper()
	method := methodOf(a.t, request)
	response := newMessage(a.t, method.Output())
	var header, trailer metadata.MD
	err := a.Connection.Invoke(ctx, fullMethod(method), request, response, grpc.Header(&header), grpc.Trailer(&trailer))
	answer := answerOf(a.t, status.Convert(err))
	// The status is in the answer already, and its bytes come in any order. By itself, metadata prints what is
	// secret as redacted.
	trailer.Delete("grpc-status-details-bin")
	answer.wire += fmt.Sprint(map[string][]string(header), map[string][]string(trailer))
	if err == nil {
		answer.response = response
		answer.wire += protojson.Format(response)
	}
	return answer
}

// ok calls over gRPC where that must work.
func (a *api) ok(token string, request proto.Message) answer {
	a.t.Helper()
	got := a.grpc(token, request)
	if got.code != codes.OK {
		a.t.Fatalf("%s: %v", methodOf(a.t, request).Name(), got)
	}
	return got
}

// methodOf returns the method that takes a request; each has a message of its own.
func methodOf(t testing.TB, request proto.Message) protoreflect.MethodDescriptor {
	t.Helper()
	for _, method := range allMethods() {
		if method.Input().FullName() == request.ProtoReflect().Descriptor().FullName() {
			return method
		}
	}
	t.Fatalf("no method takes a %s", request.ProtoReflect().Descriptor().FullName())
	return nil
}

// allMethods returns the methods of every service of the contract, as the generated code declares them,
// so that a new one is in the tests by itself.
func allMethods() []protoreflect.MethodDescriptor {
	var methods []protoreflect.MethodDescriptor
	protoregistry.GlobalFiles.RangeFilesByPackage("aankomst.v1", func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			for j := range service.Methods().Len() {
				methods = append(methods, service.Methods().Get(j))
			}
		}
		return true
	})
	slices.SortFunc(methods, func(x, y protoreflect.MethodDescriptor) int {
		return strings.Compare(string(x.FullName()), string(y.FullName()))
	})
	return methods
}

// fullMethod returns a method's name on the wire.
func fullMethod(method protoreflect.MethodDescriptor) string {
	return fmt.Sprintf("/%s/%s", method.Parent().FullName(), method.Name())
}

func newMessage(t testing.TB, descriptor protoreflect.MessageDescriptor) proto.Message {
	t.Helper()
	kind, err := protoregistry.GlobalTypes.FindMessageByName(descriptor.FullName())
	must(t, err)
	return kind.New().Interface()
}

// answerOf reads a status. Every error must name a reason, in the domain of this project: clients
// branch on it.
func answerOf(t testing.TB, s *status.Status) answer {
	t.Helper()
	a := answer{code: s.Code(), message: s.Message(), wire: protojson.Format(s.Proto())}
	for _, detail := range s.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			a.reason, a.metadata = detail.GetReason(), detail.GetMetadata()
			if detail.GetDomain() != "aankomst" {
				t.Errorf("an ErrorInfo of the domain %q", detail.GetDomain())
			}
		case *errdetails.BadRequest:
			for _, violation := range detail.GetFieldViolations() {
				a.field += violation.GetField()
			}
		case *errdetails.RetryInfo:
			a.retry = detail.GetRetryDelay().AsDuration()
		default:
			t.Errorf("an unexpected detail: %v", detail)
		}
	}
	if a.code != codes.OK && (a.reason == "" || a.message == "") {
		t.Errorf("an error without a reason or a message: %v", s)
	}
	return a
}

// httpOf says which HTTP status stands for which code, but for the reasons of httpOfReason.
var httpOf = map[codes.Code]int{
	codes.OK: 200, codes.InvalidArgument: 400, codes.FailedPrecondition: 400, codes.Unauthenticated: 401,
	codes.PermissionDenied: 403, codes.NotFound: 404, codes.AlreadyExists: 409, codes.Aborted: 409,
	codes.ResourceExhausted: 429, codes.Internal: 500, codes.Unavailable: 503, codes.DeadlineExceeded: 504,
}

var httpOfReason = map[string]int{"REQUEST_TOO_LARGE": 413, "HEADERS_TOO_LARGE": 431, "NO_SUCH_METHOD": 405}

// restAnswer reads a response of REST, and holds what must be true of every one.
func (a *api) restAnswer(response *http.Response) answer {
	a.t.Helper()
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	must(a.t, err)
	s := new(rpcstatus.Status)
	if response.StatusCode >= 300 {
		if err := protojson.Unmarshal(content, s); err != nil {
			a.t.Fatalf("HTTP %d, and the body is no status: %q", response.StatusCode, content)
		}
	}
	got := answerOf(a.t, status.FromProto(s))
	got.http, got.header, got.body = response.StatusCode, response.Header, string(content)
	if response.StatusCode >= 300 {
		want := httpOf[got.code]
		if special, ok := httpOfReason[got.reason]; ok {
			want = special
		}
		if got.http != want {
			a.t.Errorf("HTTP %d for %s, want %d", got.http, got, want)
		}
		if given, wanted := got.header.Get("WWW-Authenticate") != "", got.http == http.StatusUnauthorized; given != wanted {
			a.t.Errorf("HTTP %d with WWW-Authenticate %q", got.http, got.header.Get("WWW-Authenticate"))
		}
		if given, wanted := got.header.Get("Retry-After"), wholeSeconds(got.retry); given != wanted {
			a.t.Errorf("Retry-After is %q, want %q", given, wanted)
		}
	}
	var header bytes.Buffer
	must(a.t, response.Header.Write(&header))
	got.wire = header.String() + string(content)
	return got
}

// wholeSeconds is a duration as Retry-After has it, rounded up; empty for none.
func wholeSeconds(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return fmt.Sprint(int64((d + time.Second - 1) / time.Second))
}

// refused fails the test unless the answer is an error of a code and reason.
func (a answer) refused(t testing.TB, code codes.Code, reason string) {
	t.Helper()
	if a.code != code || a.reason != reason {
		t.Errorf("the answer is %v, want %s %s", a, code, reason)
	}
}

// worked fails the test unless the answer is no error.
func (a answer) worked(t testing.TB) {
	t.Helper()
	if a.code != codes.OK {
		t.Errorf("the answer is %v, want OK", a)
	}
}

// allCounts returns the counts of every cohort.
func (a *api) allCounts() map[int]store.Counts {
	a.t.Helper()
	cohorts, err := a.Store.ListCohorts(context.Background())
	must(a.t, err)
	counts := map[int]store.Counts{}
	for _, c := range cohorts {
		counts[c.Year], err = a.Store.Counts(context.Background(), c.Year)
		must(a.t, err)
	}
	return counts
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// same fails the test unless two values print the same.
func same(t testing.TB, what string, got, want any) {
	t.Helper()
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		t.Errorf("%s:\n got %s\nwant %s", what, g, w)
	}
}
