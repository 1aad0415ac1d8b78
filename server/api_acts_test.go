package server_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/server/access"
	"aankomst/server/servertest"
	"aankomst/server/store"
)

// acts returns the record of administration, each as who did what to what, in which quarter of an hour.
func (a *api) acts() []string {
	a.t.Helper()
	found, err := a.Store.ListActs(context.Background(), 0, 1000)
	must(a.t, err)
	all := []string{}
	for _, act := range found {
		all = append(all, strings.TrimSpace(fmt.Sprintf("%s %s %s %s %s", act.At.Format("15:04"), act.By, act.Action, act.Target, act.Detail)))
	}
	return all
}

// Each method that administers records what it did, once, in the name of the seat that did it and the quarter of an
// hour; and nothing when it is refused or changes nothing.
func TestWhatIsAdministeredIsRecorded(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, options servertest.Options) {
		options.Now = servertest.Noon.Add(29*time.Minute + 59*time.Second)
		a := startAPI(t, options)
		_, _, session := a.seat(store.RoleAdministrator)
		me := a.ok(session, whoCalls).response.(*aankomstv1.Me).GetId()
		member, key, _ := a.seat(store.RoleCoordinator)
		a.signIn(key)
		centre := a.AddCentre("centre")
		var made string // the ID of what the call before made
		reading := func(request proto.Message) func() proto.Message { return func() proto.Message { return request } }
		done := map[string]bool{}
		for _, step := range []struct {
			request func() proto.Message
			want    []string // ID stands for what was made
		}{
			{reading(&aankomstv1.CreateMemberRequest{Label: "Jan", Role: aankomstv1.Access_INTAKE, Centre: centre}),
				[]string{"member.create ID role=INTAKE centre=centre", "member.invite ID"}},
			{func() proto.Message { return &aankomstv1.InviteMemberRequest{Id: made} }, []string{"member.invite ID"}},
			{func() proto.Message { return updating(&aankomstv1.Member{Id: made, Label: "Piet"}, "label") }, []string{"member.update ID fields=label"}},
			{func() proto.Message {
				return &aankomstv1.UpdateMemberRequest{
					Member:     &aankomstv1.Member{Id: made, Role: aankomstv1.Access_COUNSELLOR, Revision: 2},
					UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"role", "centre"}},
				}
			}, []string{"member.update ID role=COUNSELLOR"}},
			{func() proto.Message {
				return &aankomstv1.UpdateMemberRequest{
					Member:     &aankomstv1.Member{Id: made, Label: "Piet", Revision: 3},
					UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"label"}},
				}
			}, nil},
			{func() proto.Message { return &aankomstv1.RemoveMemberRequest{Id: made, Revision: 3} }, []string{"member.remove ID"}},
			{reading(&aankomstv1.SignOutMemberRequest{Id: member}), []string{"member.sign_out " + member}},
			{reading(&aankomstv1.SignOutMemberRequest{Id: member}), nil}, // nobody is signed in
			{reading(&aankomstv1.RemovePasskeyRequest{Member: member, Id: key.ID()}), []string{"passkey.remove " + member + " passkey=" + nameOf(t, key)}},
			{reading(&aankomstv1.CreateTokenRequest{Label: "Kim", Role: aankomstv1.Access_COUNSELLOR, Days: 1}), []string{"token.create ID role=COUNSELLOR until=2026-05-06"}},
			{func() proto.Message { return &aankomstv1.RotateTokenRequest{Id: made, Days: 2, KeepDays: 0} },
				[]string{"token.rotate OLD replacement=ID until=2026-05-04"}},
			{func() proto.Message { return &aankomstv1.RevokeTokenRequest{Id: made} }, []string{"token.revoke ID"}},
			{func() proto.Message { return &aankomstv1.RevokeTokenRequest{Id: made} }, nil},
			{reading(&aankomstv1.InviteDeviceRequest{Label: "Lee", Centre: centre}), []string{"device.create ID role=INTAKE centre=centre until=2026-05-07", "device.invite ID"}},
			{func() proto.Message { return &aankomstv1.RevokeTokenRequest{Id: made} }, []string{"device.revoke ID"}},
		} {
			request, old := step.request(), made
			done[string(methodOf(t, request).Name())] = true
			// In nobody's name, or that of who may not, nothing is done and nothing recorded.
			for _, secret := range []string{"", a.coordinator(), a.Token(store.RoleAdministrator, "")} {
				recorded := len(a.acts())
				if a.grpc(secret, request).response != nil {
					t.Fatalf("%s is open to all", methodOf(t, request).Name())
				}
				same(t, "acts of a refused call", a.acts()[recorded:], []string{})
			}
			before := a.acts()
			response := a.ok(session, request).response
			switch r := response.(type) {
			case *aankomstv1.Invitation:
				made = r.GetMember().GetId() + r.GetDevice().GetId()
			case *aankomstv1.NewToken:
				made = r.GetToken().GetId()
			}
			want := []string{}
			for _, act := range step.want {
				act = strings.NewReplacer("ID", made, "OLD", old).Replace(act)
				want = append(want, "10:15 seat:"+me+" "+act)
			}
			same(t, fmt.Sprintf("acts of %s", methodOf(t, request).Name()), a.acts()[len(before):], want)
		}
		for _, label := range []string{"Jan", "Piet", "Kim", "Lee"} {
			if strings.Contains(strings.Join(a.acts(), "\n"), label) {
				t.Errorf("the record holds the label %s", label)
			}
		}
		for _, method := range allMethods() {
			if name := string(method.Name()); method.Parent().Name() == "AccessService" && accessOf(method).GetLogged() && !done[name] {
				t.Errorf("%s is not in this test", name)
			}
		}
	})
}

// nameOf returns how the record names a passkey.
func nameOf(t *testing.T, key *authenticator) string {
	t.Helper()
	id, err := base64.RawURLEncoding.DecodeString(key.ID())
	must(t, err)
	_, name, _ := strings.Cut(store.ActPasskeyRemoved("m", id).Detail, "=")
	return name
}

// What people do with their own account is recorded in their own name; that they come and go is not.
func TestWhatPeopleDoWithTheirOwnAccountIsRecorded(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, options servertest.Options) {
		a := startAPI(t, options)
		member, invitation := a.invited(store.RoleCounsellor)
		before := a.acts()
		key, session := a.enrol("grpc", "", invitation)
		other := newAuthenticator(t, a.Origin)
		asked := a.ok(session, new(aankomstv1.BeginPasskeyRequest)).response.(*aankomstv1.BeginPasskeyResponse)
		a.ok(session, &aankomstv1.FinishPasskeyRequest{Ceremony: asked.GetCeremony(), Credential: other.attest(asked.GetOptions()), Name: "Jan's"})
		a.ok(session, &aankomstv1.RemoveOwnPasskeyRequest{Id: key.ID()})
		copied := *other
		in := a.signIn(other)
		a.ok(in, whoCalls)
		a.ok(in, new(aankomstv1.SignOutRequest))
		a.ok(a.signIn(other), &aankomstv1.SignOutRequest{Everywhere: true})
		a.grpc("", a.finishing(&copied))
		secret, device, _, err := access.InviteDevice(t.Context(), a.Store, "a desk", servertest.PoolOne[0], a.Clock.Now())
		must(t, err)
		a.ok("", &aankomstv1.EnrolDeviceRequest{Invitation: secret})
		got := slices.DeleteFunc(a.acts()[len(before):], func(act string) bool {
			return strings.Contains(act, "device.create") || strings.Contains(act, "device.invite")
		})
		same(t, "acts", got, []string{
			"10:00 seat:" + member + " passkey.add " + member + " passkey=" + nameOf(t, key),
			"10:00 seat:" + member + " passkey.add " + member + " passkey=" + nameOf(t, other),
			"10:00 seat:" + member + " passkey.remove " + member + " passkey=" + nameOf(t, key),
			"10:00 server passkey.suspect " + member + " passkey=" + nameOf(t, other),
			"10:00 token:" + device.ID + " device.enrol " + device.ID + " centre=" + servertest.PoolOne[0] + " until=2027-05-05",
		})
	})
}

// A record of conversations and arrivals would be a diary: nothing that is done with a code is in it, nor what is
// looked at, by whomever.
func TestNoConversationAndNoArrivalIsRecorded(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, options servertest.Options) {
		a := startAPI(t, options)
		counsellor, device, seat := a.Session(store.RoleCounsellor, ""), a.Device(servertest.PoolOne[0]), a.Session(store.RoleIntake, servertest.PoolOne[1])
		a.administrator()
		a.counsellor()
		before := a.acts()
		codes := []string{counsellor, device, seat}
		code, voided := a.issue(servertest.Year, 1), a.issue(servertest.Year, 2)
		for _, secret := range codes {
			for _, request := range []proto.Message{
				confirming(code), undoing(code), confirming(code), voiding(voided), &aankomstv1.RecordArrivalWithoutCodeRequest{Cohort: servertest.Year},
				&aankomstv1.RecordReferralWithoutCodeRequest{Cohort: servertest.Year, Pool: 1}, confirming(voided),
				&aankomstv1.SetCapacityRequest{Id: servertest.PoolOne[1], Capacity: &aankomstv1.Capacity{Intake: aankomstv1.Capacity_STOP}},
			} {
				a.grpc(secret, request)
			}
		}
		for _, method := range allMethods() {
			service := method.Parent().Name()
			looks := strings.HasPrefix(string(method.Name()), "Get") || strings.HasPrefix(string(method.Name()), "List")
			if service == "ReferralService" || service == "ArrivalService" || looks {
				for _, secret := range append(codes, a.administrator()) {
					a.grpc(secret, newMessage(t, method.Input()))
				}
			}
		}
		same(t, "acts", a.acts()[len(before):], []string{})
		if counts := a.Counts(); counts.Pools[0].Arrived == 0 || counts.Pools[1].Voided == 0 {
			t.Errorf("nothing was done that could have been recorded: %+v", counts)
		}
	})
}

// The record as it is exported is whole, however many act at once, and a change of any line shows.
func TestTheExportedRecordIsWhole(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, options servertest.Options) {
		p := startServers(t, options)
		sessions := []string{p.one.administrator(), p.other.administrator()}
		for _, got := range atOnce(60, func(i int) answer {
			return []*api{p.one, p.other}[i%2].grpc(sessions[i%2], &aankomstv1.CreateMemberRequest{Label: "a desk", Role: aankomstv1.Access_COUNSELLOR})
		}) {
			got.worked(t)
		}
		exported := p.one.send(p.one.request(sessions[0], "GET", "/v1/acts:export", nil)).body
		same(t, "export of the other", p.other.send(p.other.request(sessions[1], "GET", "/v1/acts:export", nil)).body, exported)
		found, err := store.VerifyActs(strings.NewReader(exported))
		must(t, err)
		same(t, "acts", found.Last.Number, len(p.one.acts()))
		lines := strings.SplitAfter(strings.TrimSuffix(exported, "\n"), "\n")
		for name, changed := range map[string][]string{
			"a line is gone":         slices.Delete(slices.Clone(lines), 5, 6),
			"a line comes twice":     slices.Insert(slices.Clone(lines), 5, lines[5]),
			"two are swapped":        append(append(slices.Clone(lines[:5]), lines[6], lines[5]), lines[7:]...),
			"somebody else did it":   append(append(slices.Clone(lines[:5]), strings.Replace(lines[5], `"by":"`, `"by":"x`, 1)), lines[6:]...),
			"the beginning is gone":  lines[1:],
			"a line is spelt anew":   append(append(slices.Clone(lines[:5]), " "+lines[5]), lines[6:]...),
			"something is not known": append(append(slices.Clone(lines[:5]), strings.Replace(lines[5], `{`, `{"x":1,`, 1)), lines[6:]...),
		} {
			if _, err := store.VerifyActs(strings.NewReader(strings.Join(changed, ""))); err == nil {
				t.Errorf("it does not show when %s", name)
			}
		}
	})
}
