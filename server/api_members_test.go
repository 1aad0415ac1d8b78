package server_test

import (
	"fmt"
	"slices"
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

// Of two administrators who change one member at once, at two servers, one is told to look again.
func TestOneOfTwoWhoChangeAMemberAtOnceLooksAgain(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, options servertest.Options) {
		p := startServers(t, options)
		one, other := p.one.administrator(), p.one.Session(store.RoleAdministrator, "")
		for i := range 10 {
			member := p.one.Member(store.RoleIntake, servertest.PoolOne[0])
			requests := []proto.Message{
				updating(&aankomstv1.Member{Id: member, Label: fmt.Sprint("desk ", i)}, "label"),
				updating(&aankomstv1.Member{Id: member, Centre: servertest.PoolTwo[0]}, "centre"),
			}
			if i%2 == 1 {
				requests[0] = &aankomstv1.RemoveMemberRequest{Id: member, Revision: 1}
			}
			answers := atOnce(2, func(i int) answer {
				return []*api{p.one, p.other}[i].grpc([]string{one, other}[i], requests[i])
			})
			slices.SortFunc(answers, func(x, y answer) int { return int(x.code) - int(y.code) })
			answers[0].worked(t)
			answers[1].refused(t, codes.Aborted, "CHANGED_MEANWHILE")
			found, err := p.one.Store.GetMember(t.Context(), member)
			must(t, err)
			same(t, "revision", found.Revision, 2)
			if moved, called := found.Centre != servertest.PoolOne[0], found.Label != "test INTAKE" || found.Removed; moved == called {
				t.Errorf("both changes, or none, were made: %+v", found)
			}
		}
	})
}

// Of two administrators who remove each other at once, or step down at once, one stays.
func TestOfTwoAdministratorsOneStays(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, options servertest.Options) {
		p := startServers(t, options)
		type administrator struct {
			id, session string
			key         *authenticator
		}
		come := func() (a administrator) {
			a.id, a.key, a.session = p.one.seat(store.RoleAdministrator)
			return a
		}
		stays := come()
		for name, act := range map[string]func(of, by administrator) proto.Message{
			"removing": func(of, _ administrator) proto.Message {
				return &aankomstv1.RemoveMemberRequest{Id: of.id, Revision: 1}
			},
			"stepping down": func(_, by administrator) proto.Message {
				return updating(&aankomstv1.Member{Id: by.id, Role: aankomstv1.Access_COORDINATOR}, "role")
			},
			"taking passkeys away": func(of, _ administrator) proto.Message {
				return &aankomstv1.RemovePasskeyRequest{Member: of.id, Id: of.key.ID()}
			},
			"giving passkeys up": func(_, by administrator) proto.Message { return &aankomstv1.RemoveOwnPasskeyRequest{Id: by.key.ID()} },
		} {
			for range 3 {
				two := []administrator{stays, come()}
				answers := atOnce(2, func(i int) answer {
					return []*api{p.one, p.other}[i].grpc(two[i].session, act(two[1-i], two[i]))
				})
				worked := 0
				for _, got := range answers {
					switch got.reason {
					case "":
						worked++
					case "LAST_ADMINISTRATOR", "SIGNED_OUT":
					default:
						t.Errorf("%s: %v", name, got)
					}
				}
				if worked != 1 {
					t.Errorf("%s at once: %d worked: %v", name, worked, answers)
				}
				// Whoever is left can sign in and administer.
				stays = administrator{}
				for _, each := range two {
					if got := p.one.grpc("", p.one.finishing(each.key)); got.code == codes.OK && got.response.(*aankomstv1.Me).GetRole() == aankomstv1.Access_ADMINISTRATOR {
						stays = administrator{each.id, p.one.signIn(each.key), each.key}
					}
				}
				if stays.id == "" {
					t.Fatalf("after %s no administrator is left", name)
				}
				p.one.ok(stays.session, new(aankomstv1.ListMembersRequest))
				found, err := p.one.Store.GetMember(t.Context(), stays.id)
				must(t, err)
				same(t, "revision", found.Revision, 1)
				p.set(p.one.Clock.Now().Add(time.Minute))
			}
		}
	})
}

// The last administrator who can sign in stays, whoever wants it otherwise, and whoever cannot sign in does not count.
func TestTheLastAdministratorStays(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, options servertest.Options) {
		a := startAPI(t, options)
		last, key, session := a.seat(store.RoleAdministrator)
		a.Member(store.RoleAdministrator, "") // has no passkey
		_, copied, _ := a.seat(store.RoleAdministrator)
		twin := *copied
		a.signIn(copied)
		a.grpc("", a.finishing(&twin)).refused(t, codes.Unauthenticated, "PASSKEY_SUSPECTED")
		for name, request := range map[string]proto.Message{
			"removed":                   &aankomstv1.RemoveMemberRequest{Id: last, Revision: 1},
			"demoted":                   updating(&aankomstv1.Member{Id: last, Role: aankomstv1.Access_COUNSELLOR}, "role"),
			"sent to a centre":          updating(&aankomstv1.Member{Id: last, Role: aankomstv1.Access_INTAKE, Centre: servertest.PoolOne[0]}, "role", "centre"),
			"without a passkey":         &aankomstv1.RemovePasskeyRequest{Member: last, Id: key.ID()},
			"without a passkey, itself": &aankomstv1.RemoveOwnPasskeyRequest{Id: key.ID()},
		} {
			acts := a.acts()
			bothWays(t, func(t *testing.T, call func(*api, string, proto.Message) answer) {
				call(a, session, request).refused(t, codes.FailedPrecondition, "LAST_ADMINISTRATOR")
			})
			same(t, "acts when the last one would be "+name, a.acts()[len(acts):], []string{})
		}
		a.isOn(t, session, "of the last administrator")
		// With another passkey, of whomever, it can go.
		a.seat(store.RoleAdministrator)
		a.ok(session, &aankomstv1.RemoveOwnPasskeyRequest{Id: key.ID()})
	})
}

// A member of single sign-on has the role that the provider gives it, and comes in by it alone.
func TestAMemberOfSingleSignOnIsTheProviders(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, options servertest.Options) {
		a := startAPI(t, options)
		must(t, a.Store.CreateMember(t.Context(), store.Member{ID: "sso", Label: "Single sign-on", Role: store.RoleIntake, Centre: servertest.PoolOne[0], Subject: [32]byte{1}, Revision: 1}))
		session := a.SignIn("sso")
		a.administrator()
		acts := a.acts()
		for _, request := range []proto.Message{
			updating(&aankomstv1.Member{Id: "sso", Role: aankomstv1.Access_ADMINISTRATOR}, "role", "centre"),
			updating(&aankomstv1.Member{Id: "sso", Centre: servertest.PoolTwo[0]}, "centre"),
			&aankomstv1.InviteMemberRequest{Id: "sso"},
		} {
			a.grpc(a.administrator(), request).refused(t, codes.InvalidArgument, "REQUEST_REFUSED")
		}
		a.grpc(session, new(aankomstv1.BeginPasskeyRequest)).refused(t, codes.InvalidArgument, "REQUEST_REFUSED")
		same(t, "acts", a.acts()[len(acts):], []string{})
		a.isOn(t, session, "after what was refused")
		a.ok(a.administrator(), updating(&aankomstv1.Member{Id: "sso", Label: "the desk"}, "label"))
		a.isOn(t, session, "called otherwise")
		a.ok(a.administrator(), &aankomstv1.RemoveMemberRequest{Id: "sso", Revision: 2})
		a.isOver(t, session, "removed")
	})
}

// A member or token administers so much in a quarter of an hour and no more, right or wrong; the others go on, and a
// restart gives nothing.
func TestHowMuchOneAdministersIsLimited(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, options servertest.Options) {
		const most = 300
		a := startAPI(t, options)
		_, _, session := a.seat(store.RoleAdministrator)
		for i := range most {
			request, want := proto.Message(&aankomstv1.InviteMemberRequest{Id: "nobody"}), "NOT_FOUND"
			if i%100 == 0 {
				request, want = &aankomstv1.CreateMemberRequest{Label: "a desk", Role: aankomstv1.Access_COUNSELLOR}, ""
			}
			if got := a.grpc(session, request); got.reason != want {
				t.Fatalf("call %d: %v", i, got)
			}
		}
		acts := a.acts()
		limited := func(a *api, secret string) {
			t.Helper()
			got := a.grpc(secret, &aankomstv1.CreateMemberRequest{Label: "one more", Role: aankomstv1.Access_COUNSELLOR})
			got.refused(t, codes.ResourceExhausted, "TOO_MANY_ATTEMPTS")
			same(t, "time to wait", got.retry, 15*time.Minute)
		}
		limited(a, session)
		a.ok(session, new(aankomstv1.ListMembersRequest)) // looking is not limited
		same(t, "acts", a.acts()[len(acts):], []string{})
		a.Stop()

		options.Now = a.Clock.Now()
		again := startAPI(t, options)
		limited(again, session)
		again.ok(again.administrator(), &aankomstv1.CreateMemberRequest{Label: "another's", Role: aankomstv1.Access_COUNSELLOR})
		again.Clock.Advance(15 * time.Minute)
		again.changeSession(session, func(s *store.Session) { s.ProvedAt = again.Clock.Now() })
		again.ok(session, &aankomstv1.CreateMemberRequest{Label: "later", Role: aankomstv1.Access_COUNSELLOR})
	})
}

// What cannot be made is refused with the same care over both ways, and nothing is left of it.
func TestMembersThatCannotBeMade(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	gone := a.AddCentre("gone")
	a.ok(a.administrator(), &aankomstv1.ArchiveCentreRequest{Id: gone})
	member := a.Member(store.RoleCounsellor, "")
	before, acts := a.ok(a.administrator(), new(aankomstv1.ListMembersRequest)).wire, a.acts()
	long := strings.Repeat("x", access.MaxLabel+1)
	bothWays(t, func(t *testing.T, call func(*api, string, proto.Message) answer) {
		for name, request := range map[string]proto.Message{
			"no label":                 &aankomstv1.CreateMemberRequest{Role: aankomstv1.Access_COUNSELLOR},
			"a long label":             &aankomstv1.CreateMemberRequest{Label: long, Role: aankomstv1.Access_COUNSELLOR},
			"no role":                  &aankomstv1.CreateMemberRequest{Label: "x"},
			"no centre":                &aankomstv1.CreateMemberRequest{Label: "x", Role: aankomstv1.Access_INTAKE},
			"a centre without role":    &aankomstv1.CreateMemberRequest{Label: "x", Role: aankomstv1.Access_ADMINISTRATOR, Centre: servertest.PoolOne[0]},
			"an archived centre":       &aankomstv1.CreateMemberRequest{Label: "x", Role: aankomstv1.Access_INTAKE, Centre: gone},
			"an unknown centre":        &aankomstv1.CreateMemberRequest{Label: "x", Role: aankomstv1.Access_INTAKE, Centre: "nowhere"},
			"to an archived centre":    updating(&aankomstv1.Member{Id: member, Role: aankomstv1.Access_INTAKE, Centre: gone}, "role", "centre"),
			"to an unknown centre":     updating(&aankomstv1.Member{Id: member, Role: aankomstv1.Access_INTAKE, Centre: "nowhere"}, "role", "centre"),
			"to no role":               updating(&aankomstv1.Member{Id: member}, "role"),
			"to no label":              updating(&aankomstv1.Member{Id: member}, "label"),
			"to a centre alone":        updating(&aankomstv1.Member{Id: member, Centre: servertest.PoolOne[0]}, "centre"),
			"a token for no time":      &aankomstv1.CreateTokenRequest{Label: "x", Role: aankomstv1.Access_COUNSELLOR},
			"a token for too long":     &aankomstv1.CreateTokenRequest{Label: "x", Role: aankomstv1.Access_COUNSELLOR, Days: 401},
			"a device of no centre":    &aankomstv1.InviteDeviceRequest{Label: "x"},
			"a device that is nowhere": &aankomstv1.InviteDeviceRequest{Label: "x", Centre: gone},
		} {
			if got := call(a, a.administrator(), request); got.code != codes.InvalidArgument || got.reason != "REQUEST_REFUSED" {
				t.Errorf("%s: %v", name, got)
			}
		}
	})
	same(t, "members", a.ok(a.administrator(), new(aankomstv1.ListMembersRequest)).wire, before)
	same(t, "acts", a.acts()[len(acts):], []string{})
}
