package server

import (
	"context"
	"encoding/base64"
	"time"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/server/access"
	"aankomst/server/store"
)

// seats is AccessService: how people come in and out (signins.go), which members there are (members.go), and
// which tokens of machines and devices (tokens.go).
type seats struct {
	aankomstv1.UnimplementedAccessServiceServer
	store   store.Store
	signIns *access.SignIns
	origin  string
	clock   func() time.Time
}

// enrolPath is the page that an invitation's link leads to.
const enrolPath = "/enrol"

// InvitationLink returns the link of an invitation. Its secret comes after the #, which browsers do not send.
func InvitationLink(origin, secret string) string { return origin + enrolPath + "#" + secret }

// member returns a member as a message, with the passkeys.
func (s *seats) member(ctx context.Context, member store.Member) (*aankomstv1.Member, error) {
	passkeys, err := s.store.ListPasskeys(ctx, member.ID)
	if err != nil {
		return nil, err
	}
	return memberMessage(member, passkeys), nil
}

// memberMessage returns a member as a message, with those of the passkeys that are the member's.
func memberMessage(m store.Member, passkeys []store.Passkey) *aankomstv1.Member {
	message := &aankomstv1.Member{
		Id: m.ID, Label: m.Label, Role: roleMessage(m.Role), Centre: m.Centre, Removed: m.Removed,
		Revision: uint32(m.Revision), SingleSignOn: m.BySSO(),
	}
	for _, passkey := range passkeys {
		if passkey.Member == m.ID {
			message.Passkeys = append(message.Passkeys, passkeyMessage(passkey))
		}
	}
	return message
}

func passkeyMessage(p store.Passkey) *aankomstv1.Passkey {
	return &aankomstv1.Passkey{
		Id: base64.RawURLEncoding.EncodeToString(p.ID), Name: p.Name, AddedOn: p.AddedOn,
		Synced: p.BackupEligible, Suspected: p.Suspected,
	}
}

// passkeyID reads the ID of a passkey.
func passkeyID(id string) ([]byte, error) {
	decoded, err := base64.RawURLEncoding.DecodeString(id)
	if err != nil || len(decoded) == 0 {
		return nil, invalid("id", "the id of a passkey is as the list of passkeys has it")
	}
	return decoded, nil
}

var tokenKinds = map[store.TokenKind]aankomstv1.Token_Kind{
	store.KindMachine: aankomstv1.Token_MACHINE, store.KindInvited: aankomstv1.Token_INVITED_DEVICE,
	store.KindDevice: aankomstv1.Token_DEVICE,
}

func tokenMessage(t store.Token) *aankomstv1.Token {
	return &aankomstv1.Token{
		Id: t.ID, Label: t.Label, Role: roleMessage(t.Role), Centre: t.Centre, Kind: tokenKinds[t.Kind],
		ExpiresOn: t.ExpiresOn, UsedOn: t.UsedOn, Revoked: t.Revoked,
	}
}

// The names of the roles are the same in the proto and in the store.

func roleMessage(role store.Role) aankomstv1.Access_Role {
	return aankomstv1.Access_Role(aankomstv1.Access_Role_value[string(role)])
}

func roleOf(role aankomstv1.Access_Role) store.Role { return store.Role(role.String()) }
