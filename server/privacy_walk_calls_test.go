package server_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/refcode"
	"aankomst/server/calendar"
	"aankomst/server/servertest"
	"aankomst/server/store"
)

// walker asks everything that can be asked of a world's server, and notes the answers to the byte.
type walker struct {
	*api
	from    *origin
	answers map[string]string
	// worked holds the methods of which a call worked.
	worked map[protoreflect.FullName]bool
	// hidden are values that are drawn at random whatever was counted, each followed by what stands for it.
	hidden []string
}

// requests are asked in this order, each by everyone. Every method needs one here that works for somebody. None is
// about a code to which something happened: that would make what happened undone, or happen everywhere.
func (w *walker) requests() []proto.Message {
	const open, closed, next, none = servertest.Year, closedBefore, servertest.Year + 1, 2200
	of := func(code refcode.Code) string { return code.Text() }
	centre := &aankomstv1.Centre{Id: "walk", DisplayName: "A centre", Type: aankomstv1.Centre_OTHER}
	statement := &aankomstv1.Statement{Id: "walk", FromYear: 2019, ToYear: 2020, Definition: "signed up", Referrals: 61, Source: "a report"}
	return []proto.Message{
		&aankomstv1.VoidReferralRequest{Code: of(w.from.voided)}, &aankomstv1.VoidReferralRequest{Code: of(w.from.strange)},
		&aankomstv1.VoidReferralRequest{Code: of(w.from.practice), Replacement: true},
		&aankomstv1.ConfirmArrivalRequest{Code: of(w.from.arrived), WaitBand: aankomstv1.WaitBand_OVER_6_MONTHS},
		&aankomstv1.ConfirmArrivalRequest{Code: of(w.from.returned)}, &aankomstv1.ConfirmArrivalRequest{Code: of(w.from.practice)},
		&aankomstv1.ConfirmArrivalRequest{Code: of(w.from.voided)}, &aankomstv1.ConfirmArrivalRequest{Code: of(w.from.strange)},
		&aankomstv1.UndoArrivalRequest{Code: of(w.from.returned)}, &aankomstv1.UndoArrivalRequest{Code: of(w.from.practice)},
		&aankomstv1.UndoArrivalRequest{Code: of(w.from.old)},
		&aankomstv1.VoidReferralRequest{Code: of(w.from.arrived)},
		&aankomstv1.RecordArrivalWithoutCodeRequest{Cohort: open}, &aankomstv1.RecordArrivalWithoutCodeRequest{Cohort: closed},
		&aankomstv1.RecordReferralWithoutCodeRequest{Cohort: open, Pool: 2}, &aankomstv1.RecordReferralWithoutCodeRequest{Cohort: none, Pool: 1},
		&aankomstv1.IssueReferralRequest{Cohort: open, Pool: 1, BlindedElement: w.from.element},
		&aankomstv1.IssueReferralRequest{Cohort: open, Pool: 0, BlindedElement: w.from.element},
		&aankomstv1.IssueReferralRequest{Cohort: open, Pool: 9, BlindedElement: w.from.element},
		&aankomstv1.IssueReferralRequest{Cohort: closed, Pool: 1, BlindedElement: w.from.element},
		&aankomstv1.IssueReferralRequest{Cohort: open, Pool: 1, BlindedElement: make([]byte, 32)},

		&aankomstv1.CreateCentreRequest{Centre: centre},
		&aankomstv1.UpdateCentreRequest{
			Centre: &aankomstv1.Centre{Id: "walk", Town: "Ghent"}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"town"}},
		},
		&aankomstv1.AddCentreToPoolRequest{Year: open, Pool: 1, Centre: "walk"},
		&aankomstv1.AddCentreToPoolRequest{Year: closed, Pool: 1, Centre: "walk"},
		&aankomstv1.ArchiveCentreRequest{Id: "walk"},
		&aankomstv1.SetCapacityRequest{Id: servertest.PoolOne[0], Capacity: &aankomstv1.Capacity{Intake: aankomstv1.Capacity_OPEN}},
		new(aankomstv1.ListCentresRequest), &aankomstv1.ListCentresRequest{ShowArchived: true},
		&aankomstv1.GetCentreRequest{Id: servertest.PoolOne[0]}, &aankomstv1.GetCentreRequest{Id: "walk"},
		new(aankomstv1.ListCohortsRequest), &aankomstv1.GetCohortRequest{Year: open},
		&aankomstv1.GetCohortRequest{Year: closed}, &aankomstv1.GetCohortRequest{Year: next},
		&aankomstv1.OpenCohortRequest{Year: next, ExpectedReferrals: 60, EscrowRecipients: []string{w.from.recipient}},
		&aankomstv1.OpenCohortRequest{Year: open, ExpectedReferrals: 60, EscrowRecipients: []string{w.from.recipient}},
		&aankomstv1.OpenCohortRequest{Year: next + 1, ExpectedReferrals: 9},
		&aankomstv1.CloseCohortRequest{Year: open, DryRun: true}, &aankomstv1.CloseCohortRequest{Year: open, Early: true, AcceptWithheld: true},
		&aankomstv1.CloseCohortRequest{Year: closed}, &aankomstv1.CloseCohortRequest{Year: none},
		new(aankomstv1.PlanPoolsRequest),

		&aankomstv1.PublishReleaseRequest{Cohort: open}, &aankomstv1.PublishReleaseRequest{Cohort: open, CutOff: cutOff(1).Day},
		&aankomstv1.PublishReleaseRequest{Cohort: open, CutOff: store.CutOffFinal}, &aankomstv1.PublishReleaseRequest{Cohort: closed},
		new(aankomstv1.ListReleasesRequest), &aankomstv1.ListReleasesRequest{PageSize: 1, PageToken: "1"}, &aankomstv1.ListReleasesRequest{PageSize: -1},
		&aankomstv1.GetReleaseRequest{Number: 1}, &aankomstv1.GetReleaseRequest{Number: 2}, &aankomstv1.GetReleaseRequest{Number: 99},
		new(aankomstv1.GetAuditRequest),

		&aankomstv1.ImportStatementsRequest{Statements: []*aankomstv1.Statement{statement}, DryRun: true},
		&aankomstv1.ImportStatementsRequest{Statements: []*aankomstv1.Statement{statement}},
		new(aankomstv1.ListStatementsRequest), &aankomstv1.RemoveStatementRequest{Id: "walk"},

		new(aankomstv1.BeginSignInRequest), new(aankomstv1.GetMeRequest), new(aankomstv1.BeginProofRequest), new(aankomstv1.BeginPasskeyRequest),
		&aankomstv1.BeginEnrolmentRequest{Invitation: walkInvitation}, &aankomstv1.BeginEnrolmentRequest{Invitation: walkDevice},
		&aankomstv1.EnrolDeviceRequest{Invitation: walkDevice},
		new(aankomstv1.ListMembersRequest), &aankomstv1.GetMemberRequest{Id: "walk"}, &aankomstv1.GetMemberRequest{Id: "none"},
		&aankomstv1.CreateMemberRequest{Label: "A desk", Role: aankomstv1.Access_COUNSELLOR},
		&aankomstv1.UpdateMemberRequest{
			Member: &aankomstv1.Member{Id: "walk", Label: "A desk", Revision: 1}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"label"}},
		},
		&aankomstv1.RemovePasskeyRequest{Member: "walk", Id: "d2Fsaw"}, &aankomstv1.SignOutMemberRequest{Id: "walk"},
		&aankomstv1.InviteMemberRequest{Id: "walk"}, &aankomstv1.RemoveMemberRequest{Id: "walk", Revision: 2},
		new(aankomstv1.ListTokensRequest), &aankomstv1.InviteDeviceRequest{Label: "A desk", Centre: servertest.PoolOne[0]},
		&aankomstv1.CreateTokenRequest{Label: "A script", Role: aankomstv1.Access_COORDINATOR, Days: 30},
		&aankomstv1.RotateTokenRequest{Id: "walk", Days: 30, KeepDays: 3}, &aankomstv1.RevokeTokenRequest{Id: "walk"},
		&aankomstv1.ListActsRequest{PageSize: 1000},
	}
}

// The secrets of an invitation of a member and of a device, which are there in every world.
const walkInvitation, walkDevice = "the invitation of a member", "the invitation of a device"

// withoutWalk are the methods that ask for an authenticator, a provider of single sign-on, or the end of the
// session: they are walked in with a request that is refused, or at the end.
var withoutWalk = []protoreflect.Name{
	"FinishSignIn", "FinishEnrolment", "FinishProof", "FinishPasskey", "RemoveOwnPasskey", "BeginSingleSignOn", "FinishSingleSignOn", "SignOut",
}

// invite puts members, tokens and invitations into an origin that requests can name.
func (o *origin) invite(a *api) {
	a.t.Helper()
	ctx, s := context.Background(), a.Store
	must(a.t, s.CreateMember(ctx, store.Member{ID: "walk", Label: "A desk to be", Role: store.RoleCoordinator, Revision: 1}))
	must(a.t, s.AddPasskey(ctx, store.Passkey{ID: []byte("walk"), Member: "walk", Name: "A key", PublicKey: []byte{1}, AddedOn: "2026-01-01"}))
	for _, token := range []store.Token{
		{ID: "walk", Hash: [32]byte{1}, Label: "A script", Role: store.RoleCoordinator, Kind: store.KindMachine, ExpiresOn: "2099-01-01"},
		{ID: "walk-device", Hash: [32]byte{2}, Label: "A desk", Role: store.RoleIntake, Centre: servertest.PoolOne[0], Kind: store.KindInvited, ExpiresOn: "2099-01-01"},
	} {
		must(a.t, s.CreateToken(ctx, token))
	}
	ends := calendar.Quarter(o.now).Add(48 * time.Hour)
	must(a.t, s.PutInvitation(ctx, store.Invitation{Hash: sha256.Sum256([]byte(walkInvitation)), Member: "walk", EndsAt: ends}))
	must(a.t, s.PutInvitation(ctx, store.Invitation{Hash: sha256.Sum256([]byte(walkDevice)), Device: "walk-device", EndsAt: ends}))
}

// odd returns a request in which every field holds what nobody would send.
func odd(t testing.TB, descriptor protoreflect.MessageDescriptor) proto.Message {
	t.Helper()
	message := newMessage(t, descriptor)
	for i := range descriptor.Fields().Len() {
		field := descriptor.Fields().Get(i)
		var value protoreflect.Value
		switch field.Kind() {
		case protoreflect.BoolKind:
			value = protoreflect.ValueOfBool(true)
		case protoreflect.EnumKind:
			value = protoreflect.ValueOfEnum(99)
		case protoreflect.Int32Kind:
			value = protoreflect.ValueOfInt32(-1 << 31)
		case protoreflect.Uint32Kind:
			value = protoreflect.ValueOfUint32(1<<32 - 1)
		case protoreflect.StringKind:
			value = protoreflect.ValueOfString("' OR 1=1; -- ☃")
		case protoreflect.BytesKind:
			value = protoreflect.ValueOfBytes([]byte{0, 1, 0xff})
		case protoreflect.MessageKind:
			value = protoreflect.ValueOfMessage(odd(t, field.Message()).ProtoReflect())
		default:
			t.Fatalf("nothing odd is known for %s", field.FullName())
		}
		if field.IsList() {
			message.ProtoReflect().Mutable(field).List().Append(value)
		} else {
			message.ProtoReflect().Set(field, value)
		}
	}
	return message
}

// theLog and theHealth are where these are among the answers.
const theLog, theHealth = "the log", "the health"

// walk asks everything, and all requests that are not odd again of the server that has seen everything.
func (w *walker) walk() {
	w.t.Helper()
	requests := w.requests()
	for i, request := range requests {
		w.ask(fmt.Sprint("first, ", i), request)
	}
	for _, method := range allMethods() {
		if method.Name() == "SignOut" {
			continue // or the administrator would be nobody from here on
		}
		w.ask("empty", newMessage(w.t, method.Input()))
		w.ask("odd", odd(w.t, method.Input()))
	}
	paths := w.paths()
	for _, caller := range w.from.callers {
		for _, path := range paths {
			w.note(w.raw(caller.token, http.MethodGet, path, ""), "GET %s as %s", path, caller.name)
		}
		for _, body := range []string{"", "null", "[]", `{"count":true}`, "\x00"} {
			w.note(w.raw(caller.token, http.MethodPost, confirmPath, body), "confirm %q as %s", body, caller.name)
			w.note(w.raw(caller.token, http.MethodPut, "/v1/cohorts", body), "PUT %q as %s", body, caller.name)
		}
	}
	w.Clock.Advance(time.Minute) // or the wrong codes of a minute would be too many
	for i, request := range requests {
		w.ask(fmt.Sprint("again, ", i), request)
	}
}

// ask makes a call as everyone, in every way.
func (w *walker) ask(when string, request proto.Message) {
	w.t.Helper()
	what := fmt.Sprintf("%s{%s}", request.ProtoReflect().Descriptor().Name(), prototext.MarshalOptions{}.Format(request))
	for _, caller := range w.from.callers {
		for _, way := range slices.Sorted(maps.Keys(ways)) {
			got := ways[way](w.api, caller.token, request)
			w.learn(request, got)
			w.note(got, "%s: %s as %s over %s", when, what, caller.name, way)
		}
	}
}

// end looks at what anybody may ask of the server's health, asks to do what happened to codes in some world, which
// is answered alike where it happened before, and looks at the log.
func (w *walker) end() {
	w.t.Helper()
	w.answers[theHealth] = w.settled(&party{t: w.t, f: w.Fixture})
	for i, code := range append(w.from.many[:2:2], w.from.arrives, w.from.elsewhere) {
		w.ask(fmt.Sprint("last, ", i), confirming(code))
	}
	w.ask("last", voiding(w.from.hangsUp))
	w.ask("last", &aankomstv1.SignOutRequest{Everywhere: true})
	w.Stop()
	w.answers[theLog] = logTime.ReplaceAllString(w.Logs.String(), "")
}

var logTime = regexp.MustCompile(`"time":"[^"]*",`)

// settled returns what may be asked of the server's health without signing in, once it has heard of everything that
// the walk changed: what it found is kept for some seconds.
func (w *walker) settled(p *party) string {
	w.t.Helper()
	eventually(w.t, "health tells of the cohort that was opened", func() bool {
		code, body := get(w.t, w.HTTP+"/readyz")
		var ready struct{ Warnings []string }
		must(w.t, json.Unmarshal([]byte(body), &ready))
		return code == http.StatusOK && !strings.Contains(body, "is not open yet") &&
			strings.Contains(p.scrape(), fmt.Sprintf("\naankomst_warnings %d\n", len(ready.Warnings)))
	})
	return p.watched()
}

// exportFormat is where the server names a format of exports.
var exportFormat = regexp.MustCompile(`format=([a-z]+)`)

// paths are those of files, which are no methods of the contract, in every format that the server names; and
// where there should be nothing.
func (w *walker) paths() []string {
	w.t.Helper()
	paths := []string{"/", "/enrol", "/account", "/v1/acts:export", "/v1", "/v1/", "/v1/counts", "/v1/arrivals", "/v1/referrals", "/v1/pools", "/v1/cohorts/2026/counts", "/metrics", "/healthz", "/favicon.ico", "/debug/pprof/"}
	refusal := w.raw(w.coordinator(), "GET", "/v1/releases/1:export?format=unheard-of", "")
	formats := exportFormat.FindAllStringSubmatch(refusal.message, -1)
	if len(formats) < 2 {
		w.t.Fatalf("the formats of exports are not told: %v", refusal)
	}
	for _, format := range append(formats, []string{"", "xls"}, []string{"", ""}) {
		for _, number := range []string{"1", "2", "3", "99", "0", "x"} {
			paths = append(paths, fmt.Sprintf("/v1/releases/%s:export?format=%s", number, format[1]))
		}
	}
	return paths
}

// learn notes that a call worked, and what of its answer is random.
func (w *walker) learn(request proto.Message, got answer) {
	w.t.Helper()
	if got.code != codes.OK {
		return
	}
	w.worked[methodOf(w.t, request).FullName()] = true
	w.hide(got.response)
	if unknown := got.response.ProtoReflect().GetUnknown(); len(unknown) > 0 {
		w.t.Errorf("the answer to %T holds fields that the contract does not know: %x", request, unknown)
	}
}

// note keeps what came back, without what is random whatever was counted.
func (w *walker) note(got answer, format string, args ...any) {
	w.t.Helper()
	asked := fmt.Sprintf(format, args...)
	if _, twice := w.answers[asked]; twice {
		w.t.Fatalf("%s is asked twice", asked)
	}
	wire := moment.ReplaceAllString(got.wire, "")
	wire = actLine.ReplaceAllStringFunc(wire, func(line string) string {
		decoded, err := base64.StdEncoding.DecodeString(actLine.FindStringSubmatch(line)[1])
		must(w.t, err)
		return string(decoded)
	})
	wire = strings.ReplaceAll(drawn.ReplaceAllString(wire, "(drawn)"), w.Origin, "(here)")
	if inDrawnOrder.MatchString(asked) {
		wire = byTheClock.ReplaceAllString(wire, "")
		parts := strings.FieldsFunc(wire, func(c rune) bool { return c == '{' || c == '}' })
		slices.Sort(parts)
		wire = strings.Join(parts, "")
	}
	w.answers[asked] = fmt.Sprintln(got.code, got.http, strings.NewReplacer(w.hidden...).Replace(wire))
}

// drawn are secrets, IDs, challenges and the digests that hang on them; inDrawnOrder are answers whose order
// does.
var (
	drawn = regexp.MustCompile(`[a-z2-7]{52}|\b[a-z2-7]{16}\b|challenge\\*":\\*"[A-Za-z0-9_-]{43}|"previous":\s*"([0-9a-f]{64}|[A-Za-z0-9+/]{43}=)"`)
	// actLine is an act as it is chained, in the answer that lists it.
	actLine = regexp.MustCompile(`"line":\s*"([A-Za-z0-9+/=]+)"`)
	// byTheClock is what a job writes in the middle of the walk, or after it: everybody has asked who they are by
	// then. What is noted of whom is held by TestTheLastUseOfACentresTokenTellsOfNoArrival.
	byTheClock   = regexp.MustCompile(`,?\s*"usedOn":\s*"[^"]*"|Content-Length: \d+`)
	inDrawnOrder = regexp.MustCompile(`List(Members|Tokens)Request`)
)

// hide notes what a response holds that was drawn at random, after it has been measured.
func (w *walker) hide(response proto.Message) {
	w.t.Helper()
	of := func(what string, size, want int, texts ...string) {
		if size != want {
			w.t.Errorf("%s has %d bytes, want %d", what, size, want)
		}
		for _, text := range texts {
			w.hidden = append(w.hidden, text, "("+what+")")
		}
	}
	switch response := response.(type) {
	case *aankomstv1.IssueReferralResponse:
		of("a proof", len(response.GetProof()), 64, base64.StdEncoding.EncodeToString(response.GetProof()))
	case *aankomstv1.OpenCohortResponse:
		opened, escrow := response.GetCohort(), response.GetEscrowFile()
		of("a public key", len(opened.GetPublicKey()), 32, base64.StdEncoding.EncodeToString(opened.GetPublicKey()))
		of("a fingerprint", len(opened.GetFingerprint()), 32, base64.StdEncoding.EncodeToString(opened.GetFingerprint()))
		of("a fingerprint for people", len(opened.GetFingerprintText()), 39, opened.GetFingerprintText())
		of("the name of an escrow copy", len(escrow), len("cohort-2027.escrow.0123456789abcdef.age"), escrow)
	}
}

// askedEverything fails the test unless every method has requests that are its own and worked for somebody: a
// refusal has little to tell.
func (w *walker) askedEverything(t *testing.T) {
	t.Helper()
	own := map[protoreflect.FullName]bool{}
	for _, request := range w.requests() {
		own[methodOf(t, request).FullName()] = true
	}
	for _, method := range allMethods() {
		if slices.Contains(withoutWalk, method.Name()) {
			continue
		}
		if name := method.FullName(); !own[name] || !w.worked[name] {
			t.Errorf("%s is not in the walk, or works for nobody there: give it requests in walker.requests", name)
		}
	}
}
