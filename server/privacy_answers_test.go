package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/refcode"
	"aankomst/server/calendar"
	"aankomst/server/servertest"
	"aankomst/server/store"
)

// reader walks everything that can be read, as everyone who can sign in, and notes the answers to the
// byte.
type reader struct {
	*party
	tokens map[string]string
	paths  []string
}

func newReader(p *party) *reader {
	r := &reader{party: p, tokens: map[string]string{
		"nobody": "", "an unknown token": "aankomst_x", "a counsellor": p.counsellor,
		"intake of the pool": p.intake, "intake of another pool": p.f.Token(store.RoleIntake, servertest.PoolTwo[0]),
		"a coordinator": p.f.Token(store.RoleCoordinator, ""), "an administrator": p.f.Token(store.RoleAdministrator, ""),
	}}
	r.paths = []string{
		"/healthz", "/readyz", "/metrics", "/", "/v1", "/v1/arrivals", "/v1/referrals", "/v1/counts",
		"/v1/releases/1:export?format=csv", "/v1/releases/1:export?format=json", "/v1/releases/1:export",
	}
	// The routes are read from the documentation that is generated with them, so that none is forgotten.
	content, err := os.ReadFile("../docs/openapi.swagger.json")
	must(p.t, err)
	var document struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	must(p.t, json.Unmarshal(content, &document))
	fill := strings.NewReplacer("{id}", servertest.PoolOne[0], "{year}", fmt.Sprint(servertest.Year), "{number}", "1")
	for path, methods := range document.Paths {
		if methods["get"] != nil {
			r.paths = append(r.paths, fill.Replace(path))
		}
	}
	if len(document.Paths) == 0 || strings.ContainsAny(strings.Join(r.paths, ""), "{}") {
		p.t.Fatalf("the routes are not all known: %v", r.paths)
	}
	return r
}

// requests of methods whose empty request would show little.
func fullRequests() []proto.Message {
	return []proto.Message{
		&aankomstv1.GetCentreRequest{Id: servertest.PoolOne[0]}, &aankomstv1.ListCentresRequest{ShowArchived: true},
		&aankomstv1.GetCohortRequest{Year: servertest.Year}, &aankomstv1.GetReleaseRequest{Number: 1},
		&aankomstv1.ListReleasesRequest{PageSize: 1}, &aankomstv1.ListReleasesRequest{PageToken: "1"},
		// These change nothing when they are asked like this.
		&aankomstv1.CloseCohortRequest{Year: servertest.Year, DryRun: true},
		&aankomstv1.CloseCohortRequest{Year: servertest.Year},
		&aankomstv1.PublishReleaseRequest{Cohort: servertest.Year},
		&aankomstv1.PublishReleaseRequest{Cohort: servertest.Year, CutOff: "final"},
		&aankomstv1.OpenCohortRequest{Year: servertest.Year},
		&aankomstv1.AddCentreToPoolRequest{Year: servertest.Year, Pool: 1, Centre: servertest.PoolTwo[0]},
	}
}

// read returns every answer, by what was asked and by whom.
func (r *reader) read() map[string]string {
	r.t.Helper()
	answers := map[string]string{}
	for who, token := range r.tokens {
		for _, path := range r.paths {
			answers["GET "+path+" as "+who] = r.overHTTP(path, token)
		}
		for _, name := range []protoreflect.FullName{"aankomst.v1.DirectoryService", "aankomst.v1.ReleaseService", "grpc.health.v1.Health"} {
			found, err := protoregistry.GlobalFiles.FindDescriptorByName(name)
			must(r.t, err)
			methods := found.(protoreflect.ServiceDescriptor).Methods()
			for i := range methods.Len() {
				method := methods.Get(i)
				if method.IsStreamingServer() {
					continue // health's Watch, of which TestPrivacyMetricsWithinADay says more
				}
				for n, request := range append(fullRequests(), dynamicpb.NewMessage(method.Input())) {
					if request.ProtoReflect().Descriptor().FullName() == method.Input().FullName() {
						answers[fmt.Sprintf("%s %d as %s", method.FullName(), n, who)] = r.overGRPC(method, request, token)
					}
				}
			}
		}
	}
	return answers
}

func (r *reader) overHTTP(path, token string) string {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, r.f.HTTP+path, http.NoBody)
	must(r.t, err)
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := web.Do(request)
	must(r.t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	must(r.t, err)
	response.Header.Del("Date") // the clock's
	return fmt.Sprintln(response.Status, response.Header, string(body))
}

func (r *reader) overGRPC(method protoreflect.MethodDescriptor, request proto.Message, token string) string {
	r.t.Helper()
	var header, trailer metadata.MD
	answer := dynamicpb.NewMessage(method.Output())
	err := r.f.Connection.Invoke(as(r.t.Context(), token), fmt.Sprintf("/%s/%s", method.Parent().FullName(), method.Name()),
		request, answer, grpc.Header(&header), grpc.Trailer(&trailer))
	content, marshalling := proto.MarshalOptions{Deterministic: true}.Marshal(answer)
	must(r.t, marshalling)
	problem, marshalling := proto.MarshalOptions{Deterministic: true}.Marshal(status.Convert(err).Proto())
	must(r.t, marshalling)
	return fmt.Sprintf("%x %x %v %v", content, problem, header, trailer)
}

// No answer depends on how many were referred or arrived, whoever asks and whatever for: everything is
// read before and after one arrival and one referral, and after many.
func TestPrivacyAnswersGiveNoLiveCount(t *testing.T) {
	t.Parallel()
	f := servertest.Start(t, servertest.Options{})
	p := newParty(t, f)
	arrives, more := p.issue(1, false), []issued{}
	for range 40 {
		more = append(more, p.issue(1, false))
	}
	// A release, so that there is something to read.
	f.Clock.Set(time.Date(servertest.Year, time.July, 1, 10, 0, 0, 0, calendar.Brussels))
	coordinator := as(t.Context(), f.Token(store.RoleCoordinator, ""))
	releases := aankomstv1.NewReleaseServiceClient(f.Connection)
	eventually(t, "a release can be published", func() bool {
		_, err := releases.PublishRelease(coordinator, &aankomstv1.PublishReleaseRequest{Cohort: servertest.Year})
		return err == nil
	})
	r := newReader(p)
	eventually(t, "the server is ready", func() bool {
		code, _ := get(t, f.HTTP+"/readyz")
		return code == http.StatusOK
	})
	before := r.read()
	if n := len(before); n < len(r.tokens)*(len(r.paths)+8) {
		t.Fatalf("only %d answers were read", n)
	}
	same := func(after string) {
		t.Helper()
		now := r.read()
		for asked, answer := range before {
			if now[asked] != answer {
				t.Errorf("after %s the answer to %s went from\n%s\nto\n%s", after, asked, answer, now[asked])
			}
		}
	}
	must(t, p.confirm(arrives.Code, aankomstv1.WaitBand_UP_TO_2_WEEKS))
	same("one arrival")
	p.issue(2, false)
	same("one referral")
	must(t, p.undo(arrives.Code, 0))
	for _, code := range slices.Concat(more, []issued{arrives}) {
		must(t, p.confirm(code.Code, aankomstv1.WaitBand_UP_TO_2_WEEKS))
	}
	p.round()
	same("many arrivals")
}

// The answer to a call about a code is the same to the byte whatever happened before with that code, or
// with others.
func TestPrivacyAnswersAboutOneCode(t *testing.T) {
	t.Parallel()
	f := servertest.Start(t, servertest.Options{})
	p := newParty(t, f)
	var answers []string
	note := func(answer proto.Message, err error) {
		t.Helper()
		must(t, err)
		content, err := proto.Marshal(answer)
		must(t, err)
		answers = append(answers, fmt.Sprintf("%T %x", answer, content))
	}
	intake, counsellor := as(t.Context(), p.intake), as(t.Context(), p.counsellor)
	fresh, arrived, undone := p.issue(1, false).Code, p.issue(2, false).Code, p.issue(1, false).Code
	must(t, p.confirm(arrived, 0))
	must(t, p.confirm(undone, 0))
	must(t, p.undo(undone, 0))
	for _, code := range []string{fresh.Text(), arrived.Text(), undone.Text()} {
		note(p.arrivals.ConfirmArrival(intake, &aankomstv1.ConfirmArrivalRequest{Code: code}))
		note(p.arrivals.UndoArrival(intake, &aankomstv1.UndoArrivalRequest{Code: code}))
		note(p.referrals.VoidReferral(counsellor, &aankomstv1.VoidReferralRequest{Code: code}))
		note(p.referrals.VoidReferral(counsellor, &aankomstv1.VoidReferralRequest{Code: code}))
	}
	if n := len(answers) / 3; !slices.Equal(answers[:n], answers[n:2*n]) || !slices.Equal(answers[:n], answers[2*n:]) {
		t.Errorf("the answers tell what became of a code:\n%s", strings.Join(answers, "\n"))
	}
	// Refused: never issued, voided, undone after it was voided.
	var refusals []string
	for _, code := range []string{unissued(t, refcode.Short).Text(), fresh.Text(), arrived.Text(), undone.Text()} {
		_, err := p.arrivals.ConfirmArrival(intake, &aankomstv1.ConfirmArrivalRequest{Code: code})
		content, marshalling := proto.MarshalOptions{Deterministic: true}.Marshal(status.Convert(err).Proto())
		must(t, marshalling)
		refusals = append(refusals, fmt.Sprintf("%x", content))
	}
	if len(slices.Compact(refusals)) != 1 {
		t.Errorf("the refusals tell an unknown code from a voided one:\n%s", strings.Join(refusals, "\n"))
	}
}
