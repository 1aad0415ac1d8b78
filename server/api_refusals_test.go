package server_test

import (
	"crypto/sha256"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/server/access"
	"aankomst/server/servertest"
	"aankomst/server/store"
)

// Why a session is none is told to nobody: who found one cannot tell whether it ever was.
func TestNobodyLearnsWhyASessionIsNone(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, options servertest.Options) {
		a := startAPI(t, options)
		left, removed := a.Session(store.RoleAdministrator, ""), a.Member(store.RoleAdministrator, "")
		ofRemoved := a.SignIn(removed)
		a.ok(left, new(aankomstv1.SignOutRequest))
		a.ok(a.administrator(), &aankomstv1.RemoveMemberRequest{Id: removed, Revision: 1})
		idle, over := a.Session(store.RoleAdministrator, ""), a.Session(store.RoleAdministrator, "")
		a.changeSession(idle, func(s *store.Session) { s.StartedAt = s.StartedAt.Add(-time.Hour); s.UsedAt = s.StartedAt })
		a.changeSession(over, func(s *store.Session) { s.EndsAt = s.StartedAt })
		bothWays(t, func(t *testing.T, call func(*api, string, proto.Message) answer) {
			var answers []answer
			for _, session := range []string{left, ofRemoved, idle, over, "aankomst_session_" + strings.Repeat("a", 52), "aankomst_session_", a.Session(store.RoleIntake, servertest.PoolOne[0]) + "a"} {
				answers = append(answers, call(a, session, whoCalls))
			}
			answers[0].refused(t, codes.Unauthenticated, "SIGNED_OUT")
			alike(t, answers...)
		})
	})
}

// Why an invitation is not accepted is told to nobody either, wherever it is shown.
func TestNobodyLearnsWhyAnInvitationIsNotAccepted(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, options servertest.Options) {
		a := startAPI(t, options)
		ctx, now := t.Context(), a.Clock.Now()
		_, used := a.invited(store.RoleCounsellor)
		a.enrol("grpc", "", used)
		member, replaced := a.invited(store.RoleCounsellor)
		a.ok(a.administrator(), &aankomstv1.InviteMemberRequest{Id: member})
		gone, ofRemoved := a.invited(store.RoleCounsellor)
		a.ok(a.administrator(), &aankomstv1.RemoveMemberRequest{Id: gone, Revision: 1})
		late, _ := a.invited(store.RoleCounsellor)
		expired, _, err := access.InviteMember(ctx, a.Store, late, now.Add(-48*time.Hour))
		must(t, err)
		device := func() (secret, id string) {
			secret, made, _, err := access.InviteDevice(ctx, a.Store, "a desk", servertest.PoolOne[0], now)
			must(t, err)
			return secret, made.ID
		}
		usedByDevice, _ := device()
		a.ok("", &aankomstv1.EnrolDeviceRequest{Invitation: usedByDevice})
		ofRevoked, revoked := device()
		a.ok(a.administrator(), &aankomstv1.RevokeTokenRequest{Id: revoked})
		_, ofMember := a.invited(store.RoleCounsellor)
		ofDevice, _ := device()

		worthless := []string{"", "aankomst_invitation_" + strings.Repeat("a", 52), used, replaced, ofRemoved, expired, usedByDevice, ofRevoked}
		for name, show := range map[string]struct {
			request func(secret string) proto.Message
			other   string // an invitation that is good elsewhere
		}{
			"to begin":            {func(s string) proto.Message { return &aankomstv1.BeginEnrolmentRequest{Invitation: s} }, ""},
			"to end an enrolment": {func(s string) proto.Message { return &aankomstv1.FinishEnrolmentRequest{Invitation: s, Name: "a key"} }, ofDevice},
			"to enrol a device":   {func(s string) proto.Message { return &aankomstv1.EnrolDeviceRequest{Invitation: s} }, ofMember},
		} {
			t.Run(name, func(t *testing.T) {
				bothWays(t, func(t *testing.T, call func(*api, string, proto.Message) answer) {
					var answers []answer
					for _, secret := range append(worthless, show.other) {
						answers = append(answers, call(a, "", show.request(secret)))
					}
					answers[0].refused(t, codes.NotFound, "INVITATION_NOT_ACCEPTED")
					alike(t, answers...)
				})
			})
			a.Clock.Advance(time.Minute)
		}
		// What was shown in the wrong place is not used up.
		a.enrol("rest", "", ofMember)
		a.ok("", &aankomstv1.EnrolDeviceRequest{Invitation: ofDevice})
	})
}

// Nor what was wrong with a proof.
func TestNobodyLearnsWhatWasWrongWithAProof(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, options servertest.Options) {
		a := startAPI(t, options)
		_, key, session := a.seat(store.RoleCounsellor)
		removed, gone, _ := a.seat(store.RoleCounsellor)
		a.ok(a.administrator(), &aankomstv1.RemoveMemberRequest{Id: removed, Revision: 1})
		stranger, elsewhere, wrongHand := newAuthenticator(t, a.Origin), *key, *key
		stranger.handle, elsewhere.origin = key.handle, "https://evil.example"
		other := newAuthenticator(t, a.Origin)
		wrongHand.key = other.key
		expired := a.finishing(key)
		hash := sha256.Sum256([]byte(expired.GetCeremony()))
		ceremony, err := a.Store.EndCeremony(t.Context(), hash)
		must(t, err)
		ceremony.EndsAt = ceremony.EndsAt.Add(-time.Hour)
		must(t, a.Store.BeginCeremony(t.Context(), ceremony))
		used := a.finishing(key)
		a.ok("", used)
		ofProof := func() *aankomstv1.FinishSignInRequest {
			asked := a.ok(session, new(aankomstv1.BeginProofRequest)).response.(*aankomstv1.BeginProofResponse)
			return &aankomstv1.FinishSignInRequest{Ceremony: asked.GetCeremony(), Credential: key.assert(asked.GetOptions())}
		}
		swapped := func() *aankomstv1.FinishSignInRequest {
			one, two := a.finishing(key), a.finishing(key)
			one.Credential = two.Credential
			return one
		}
		bothWays(t, func(t *testing.T, call func(*api, string, proto.Message) answer) {
			var answers []answer
			for _, proof := range []*aankomstv1.FinishSignInRequest{
				{}, {Ceremony: "aankomst_ceremony_unknown", Credential: "{}"}, expired, used, ofProof(), swapped(),
				{Ceremony: a.finishing(key).GetCeremony(), Credential: "{}"}, {Ceremony: a.finishing(key).GetCeremony()},
				a.finishing(stranger), a.finishing(&elsewhere), a.finishing(&wrongHand), a.finishing(gone), a.finishing(other),
			} {
				answers = append(answers, call(a, "", proof))
			}
			answers[0].refused(t, codes.Unauthenticated, "PROOF_NOT_ACCEPTED")
			alike(t, answers...)
			a.Clock.Advance(time.Minute)
			key.count += 100 // authenticators count on, whatever becomes of a proof
			call(a, "", a.finishing(key)).worked(t)
		})
	})
}
