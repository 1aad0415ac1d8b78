package server_test

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/server/servertest"
	"aankomst/server/store"
)

// updating returns the request that changes a member of the first revision.
func updating(member *aankomstv1.Member, paths ...string) proto.Message {
	member.Revision = 1
	return &aankomstv1.UpdateMemberRequest{Member: member, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths}}
}

// What an administrator does to a member at one server holds for the member's next call at every server.
func TestWhatBecomesOfAMemberHoldsFromTheNextCall(t *testing.T) {
	t.Parallel()
	intake, counsellor := store.RoleIntake, aankomstv1.Access_COUNSELLOR
	onBothStores(t, func(t *testing.T, options servertest.Options) {
		p := startServers(t, options)
		p.one.seat(store.RoleAdministrator) // or there would be a last one
		for name, c := range map[string]struct {
			act  func(member string, key *authenticator) proto.Message
			ends bool
		}{
			"it is removed": {func(id string, _ *authenticator) proto.Message {
				return &aankomstv1.RemoveMemberRequest{Id: id, Revision: 1}
			}, true},
			"its role is changed": {func(id string, _ *authenticator) proto.Message {
				return updating(&aankomstv1.Member{Id: id, Role: counsellor}, "role", "centre")
			}, true},
			"its centre is changed": {func(id string, _ *authenticator) proto.Message {
				return updating(&aankomstv1.Member{Id: id, Centre: servertest.PoolTwo[0]}, "centre")
			}, true},
			"its passkey is removed": {func(id string, key *authenticator) proto.Message {
				return &aankomstv1.RemovePasskeyRequest{Member: id, Id: key.ID()}
			}, true},
			"it is signed out": {func(id string, _ *authenticator) proto.Message {
				return &aankomstv1.SignOutMemberRequest{Id: id}
			}, true},
			"it is called otherwise": {func(id string, _ *authenticator) proto.Message {
				return updating(&aankomstv1.Member{Id: id, Label: "another desk"}, "label")
			}, false},
			"it is invited again": {func(id string, _ *authenticator) proto.Message {
				return &aankomstv1.InviteMemberRequest{Id: id}
			}, false},
			"its label is what it was": {func(id string, _ *authenticator) proto.Message {
				return updating(&aankomstv1.Member{Id: id, Label: "a desk", Role: aankomstv1.Access_INTAKE, Centre: roles[intake]}, "label", "role", "centre")
			}, false},
		} {
			member, key, session := p.one.seat(intake)
			bystander := p.one.Session(intake, roles[intake])
			p.each(func(a *api) { a.isOn(t, session, "before "+name) })
			p.one.ok(p.one.administrator(), c.act(member, key))
			p.each(func(a *api) {
				if c.ends {
					a.isOver(t, session, name)
				} else {
					a.isOn(t, session, name)
				}
				a.isOn(t, bystander, "of another member, when "+name)
			})
			p.set(p.one.Clock.Now().Add(time.Minute))
		}
	})
}

// Who takes a passkey of the own away stays here and is signed out everywhere else.
func TestAPasskeyOfTheOwnIsRemoved(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, options servertest.Options) {
		p := startServers(t, options)
		_, key, here := p.one.seat(store.RoleCounsellor)
		there := p.one.signIn(key)
		p.one.ok(here, &aankomstv1.RemoveOwnPasskeyRequest{Id: key.ID()})
		p.each(func(a *api) {
			a.isOn(t, here, "where it was removed")
			a.isOver(t, there, "elsewhere")
		})
		p.one.grpc("", p.one.finishing(key)).refused(t, codes.Unauthenticated, "PROOF_NOT_ACCEPTED")
	})
}

// When a copy of a passkey shows, everybody who is signed in with it is out, and neither it nor the copy is
// accepted again.
func TestACopiedPasskeyLetsNobodyIn(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, options servertest.Options) {
		p := startServers(t, options)
		_, key, session := p.one.seat(store.RoleCoordinator)
		copied := *key
		other := p.one.signIn(key)
		p.one.grpc("", p.one.finishing(&copied)).refused(t, codes.Unauthenticated, "PASSKEY_SUSPECTED")
		p.each(func(a *api) {
			a.isOver(t, session, "begun before the copy")
			a.isOver(t, other, "begun with what was copied")
		})
		for _, each := range []*authenticator{key, &copied} {
			p.one.grpc("", p.one.finishing(each)).refused(t, codes.Unauthenticated, "PASSKEY_SUSPECTED")
		}
	})
}

// A centre that is archived confirms nothing from its next call on, however it calls and whichever server it asks.
func TestAnArchivedCentreConfirmsNothing(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, options servertest.Options) {
		p := startServers(t, options)
		centre := servertest.PoolOne[0]
		code := p.one.issue(servertest.Year, 1)
		callers := map[string]string{
			"a token": p.one.intake(), "a member": p.one.Session(store.RoleIntake, centre), "a device": p.one.Device(centre),
		}
		counts := p.one.allCounts()
		p.one.ok(p.one.administrator(), &aankomstv1.ArchiveCentreRequest{Id: centre})
		for name, secret := range callers {
			for _, request := range []proto.Message{confirming(code), undoing(code), &aankomstv1.RecordArrivalWithoutCodeRequest{Cohort: servertest.Year}} {
				p.each(func(a *api) {
					for way, call := range ways {
						if got := call(a, secret, request); got.reason != "CENTRE_ARCHIVED" {
							t.Errorf("%s over %s: %v", name, way, got)
						}
					}
				})
			}
		}
		same(t, "counts", p.one.allCounts(), counts)
		p.one.isOn(t, callers["a member"], "at an archived centre, to look at the own account")
	})
}

// A token and a device that are revoked are so for their next call.
func TestARevokedTokenIsRefusedEverywhere(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, options servertest.Options) {
		p := startServers(t, options)
		for name, secret := range map[string]string{"a token": p.one.coordinator(), "a device": p.one.Device(servertest.PoolOne[0])} {
			id := p.other.ok(secret, whoCalls).response.(*aankomstv1.Me).GetId()
			p.one.ok(p.one.administrator(), &aankomstv1.RevokeTokenRequest{Id: id})
			p.each(func(a *api) {
				for way, call := range ways {
					if got := call(a, secret, whoCalls); got.reason != "TOKEN_REVOKED" {
						t.Errorf("%s over %s: %v", name, way, got)
					}
				}
			})
		}
	})
}

// A fresh proof gives the session another secret, at every server: whoever has stolen the one before is out.
func TestAFreshProofEndsAStolenSession(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, options servertest.Options) {
		p := startServers(t, options)
		_, key, session := p.one.seat(store.RoleAdministrator)
		for way := range ways {
			stolen := session
			p.set(p.one.Clock.Now().Add(20 * time.Minute))
			p.each(func(a *api) { a.isOn(t, stolen, "before the proof") })
			asked := p.one.ok(session, new(aankomstv1.BeginProofRequest)).response.(*aankomstv1.BeginProofResponse)
			session = p.one.handed(way, session, &aankomstv1.FinishProofRequest{Ceremony: asked.GetCeremony(), Credential: key.assert(asked.GetOptions())})
			p.each(func(a *api) {
				a.isOver(t, stolen, "stolen before the proof")
				a.isOn(t, session, "after the proof")
			})
			p.other.ok(session, &aankomstv1.CreateMemberRequest{Label: "a desk", Role: aankomstv1.Access_COUNSELLOR})
		}
		// Another member's proof is none, and changes nothing.
		_, other, _ := p.one.seat(store.RoleAdministrator)
		asked := p.one.ok(session, new(aankomstv1.BeginProofRequest)).response.(*aankomstv1.BeginProofResponse)
		p.one.grpc(session, &aankomstv1.FinishProofRequest{Ceremony: asked.GetCeremony(), Credential: other.assert(asked.GetOptions())}).
			refused(t, codes.Unauthenticated, "PROOF_NOT_ACCEPTED")
		p.each(func(a *api) { a.isOn(t, session, "after another's proof") })
	})
}
