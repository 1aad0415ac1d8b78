package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/server/servertest"
	"aankomst/server/store"
)

// A log that is written in these tests is written at the most verbose level. No call about a
// conversation or an arrival adds a line, changes one or takes one away.
func TestPrivacyLogsTellNoCalls(t *testing.T) {
	t.Parallel()
	f := servertest.Start(t, servertest.Options{})
	p := newParty(t, f)
	before := f.Logs.String()
	for range 5 {
		p.round()
	}
	same := func(when string) {
		t.Helper()
		if after := f.Logs.String(); after != before {
			t.Errorf("%s the log is\n%s\nand was before\n%s", when, after, before)
		}
	}
	same("after the calls")
	// What is held back until a quarter of an hour is over, or the day, comes out now.
	f.Clock.Advance(24 * time.Hour)
	p.beats()
	same("a day later")
	f.Stop()
	same("after the end")
}

// Calls of administration are logged with their method and their outcome, and with nothing else: not
// who called, from where, or about what.
func TestPrivacyLogsOfAdministration(t *testing.T) {
	t.Parallel()
	f := servertest.Start(t, servertest.Options{})
	p := newParty(t, f)
	tokens := []string{p.counsellor, p.intake, f.Token(store.RoleCoordinator, ""), f.Session(store.RoleAdministrator, ""), p.revoked(), ""}
	for _, token := range tokens[2:4] {
		p.keepToken(token)
	}
	lines := 0
	for _, name := range []protoreflect.FullName{"DirectoryService", "ReferralService", "ArrivalService", "ReleaseService", "StatementService", "AccessService", "RecordService"} {
		found, err := protoregistry.GlobalFiles.FindDescriptorByName("aankomst.v1." + name)
		must(t, err)
		methods := found.(protoreflect.ServiceDescriptor).Methods()
		for i := range methods.Len() {
			method := methods.Get(i)
			full := fmt.Sprintf("/%s/%s", found.FullName(), method.Name())
			for _, token := range tokens {
				before := f.Logs.String()
				// What becomes of an empty request does not matter here; it says as much as a full one.
				outcome := f.Connection.Invoke(as(t.Context(), token), full, dynamicpb.NewMessage(method.Input()), dynamicpb.NewMessage(method.Output()))
				line := strings.TrimPrefix(f.Logs.String(), before)
				if !isLogged(method) || status.Code(outcome) == codes.Unauthenticated {
					if line != "" {
						t.Errorf("%s adds to the log: %s", full, line)
					}
					continue
				}
				lines++
				checkLine(t, line, full, outcome)
			}
		}
	}
	if lines == 0 {
		t.Error("no method is logged")
	}
	// With a full request, of which nothing may be quoted.
	administrator := aankomstv1.NewDirectoryServiceClient(f.Connection)
	_, err := administrator.SetCapacity(as(t.Context(), p.intake), &aankomstv1.SetCapacityRequest{
		Id: servertest.PoolOne[0], Capacity: &aankomstv1.Capacity{Intake: aankomstv1.Capacity_STOP},
	})
	must(t, err)
	report(t, search(formsOf(p.needles), haystack{name: "the log", content: []byte(f.Logs.String())}))
	_, port, _ := strings.Cut(f.GRPC, ":")
	for _, word := range append([]string{"127.0.0.1", ":" + port, "STOP", "Bearer"}, append(servertest.PoolOne, servertest.PoolTwo...)...) {
		if strings.Contains(f.Logs.String(), word) {
			t.Errorf("the log contains %q:\n%s", word, f.Logs.String())
		}
	}
}

// isLogged reads from the contract whether a method is one of administration. Those that may never be
// are named here, so that a slip of the pen in the contract is found.
func isLogged(method protoreflect.MethodDescriptor) bool {
	switch method.Parent().Name() {
	case "ReferralService", "ArrivalService":
		return false
	}
	// Who signs in, at a centre, is about to confirm; and a passkey is added or removed where somebody works.
	coming := []string{"Begin", "Finish", "Enrol", "SignOut", "RemoveOwn"}
	if method.Parent().Name() == "AccessService" && method.Name() != "SignOutMember" && slices.ContainsFunc(coming, func(how string) bool {
		return strings.HasPrefix(string(method.Name()), how)
	}) {
		return false
	}
	// An intake worker sets the capacity of a centre: a line of it would say when somebody was at work there.
	return method.Name() != "SetCapacity" && !slices.ContainsFunc([]string{"Get", "List", "Plan"}, func(reading string) bool {
		return strings.HasPrefix(string(method.Name()), reading)
	})
}

func checkLine(t *testing.T, line, method string, outcome error) {
	t.Helper()
	var entry map[string]string
	if err := json.Unmarshal([]byte(line), &entry); err != nil {
		t.Errorf("%s logs no single line of text values: %v: %s", method, err, line)
		return
	}
	if _, err := time.Parse(time.RFC3339Nano, entry["time"]); err != nil {
		t.Errorf("%s: %v", line, err)
	}
	delete(entry, "time")
	want := map[string]string{"level": "INFO", "msg": "administration", "method": method, "outcome": status.Code(outcome).String()}
	if fmt.Sprint(entry) != fmt.Sprint(want) {
		t.Errorf("the log says %v, want %v", entry, want)
	}
}

// failing is a store whose writing and reading can be made to fail, or to panic with something that
// must not be told.
type failing struct {
	store.Store
	fails, panics atomic.Bool
}

const panicValue = "THE VALUE OF A PANIC"

func (s *failing) Record(ctx context.Context, entries []store.Entry) ([]store.Outcome, error) {
	if s.fails.Load() {
		return nil, fmt.Errorf("%w: the disk is full: make room", store.ErrUnavailable)
	}
	return s.Store.Record(ctx, entries)
}

func (s *failing) Callers(ctx context.Context, hashes [][32]byte) ([]store.Caller, error) {
	if s.panics.Load() {
		panic(panicValue)
	}
	return s.Store.Callers(ctx, hashes)
}

// A fault is told once its quarter of an hour is over, in one line, however many calls met it: a line
// at the moment of a failed call would say that there was a call.
func TestPrivacyLogsOfFaults(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	logs := map[string][]string{}
	t.Run("faults", func(t *testing.T) {
		for _, test := range []struct {
			name, cause string
			calls       int
		}{{"full", "make room", 1}, {"full", "make room", 30}, {"panic", ".go:", 3}} {
			t.Run(fmt.Sprint(test.name, test.calls), func(t *testing.T) {
				t.Parallel()
				logged := faultLog(t, test.name, test.calls, test.cause)
				mu.Lock()
				defer mu.Unlock()
				logs[test.name] = append(logs[test.name], logged)
			})
		}
	})
	if of := logs["full"]; len(of) != 2 || of[0] != of[1] {
		t.Errorf("the log tells one failed call from thirty:\n%s", strings.Join(of, "\n"))
	}
}

// faultLog lets calls fail and returns what is logged of it, without the times.
func faultLog(t *testing.T, name string, calls int, cause string) string {
	t.Helper()
	var broken *failing
	f := servertest.Start(t, servertest.Options{Store: func(s store.Store) store.Store {
		broken = &failing{Store: s}
		return broken
	}})
	p := newParty(t, f)
	code := p.issue(1, false)
	before := f.Logs.String()
	broken.fails.Store(name == "full")
	broken.panics.Store(name == "panic")
	for range calls {
		err := p.confirm(code.Code, 0)
		p.gives(err, codes.Unavailable, codes.Internal)
		if strings.Contains(fmt.Sprint(err), panicValue) || strings.Contains(fmt.Sprint(err), ".go:") {
			t.Errorf("the caller is told %v", err)
		}
	}
	p.beats()
	if after := f.Logs.String(); after != before {
		t.Errorf("a failed call is logged within its quarter: %s", after)
	}
	broken.panics.Store(false)
	f.Clock.Advance(15 * time.Minute)
	eventually(t, "the fault is logged", func() bool { return f.Logs.String() != before })
	f.Stop()
	content := strings.TrimPrefix(f.Logs.String(), before)
	report(t, search(formsOf(p.needles), haystack{name: "the log", content: []byte(content)}))
	if strings.Contains(content, panicValue) || !strings.Contains(content, cause) || strings.Count(content, "\n") != 1 {
		t.Errorf("of the fault is logged: %s", content)
	}
	var entry map[string]string
	must(t, json.Unmarshal([]byte(content), &entry))
	delete(entry, "time")
	return fmt.Sprint(entry)
}
