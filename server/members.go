package server

import (
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/server/access"
)

func (s *seats) ListMembers(ctx context.Context, _ *aankomstv1.ListMembersRequest) (*aankomstv1.ListMembersResponse, error) {
	all, err := s.store.ListMembers(ctx)
	if err != nil {
		return nil, err
	}
	passkeys, err := s.store.ListPasskeys(ctx, "")
	if err != nil {
		return nil, err
	}
	response := new(aankomstv1.ListMembersResponse)
	for _, member := range all {
		response.Members = append(response.Members, memberMessage(member, passkeys))
	}
	return response, nil
}

func (s *seats) GetMember(ctx context.Context, request *aankomstv1.GetMemberRequest) (*aankomstv1.Member, error) {
	member, err := s.store.GetMember(ctx, request.GetId())
	if err != nil {
		return nil, err
	}
	return s.member(ctx, member)
}

func (s *seats) CreateMember(ctx context.Context, request *aankomstv1.CreateMemberRequest) (*aankomstv1.Invitation, error) {
	secret, member, invitation, err := access.CreateMember(ctx, s.store, access.SeatRequest{
		Label: request.GetLabel(), Role: roleOf(request.GetRole()), Centre: request.GetCentre(),
	}, s.clock())
	if err != nil {
		return nil, err
	}
	return &aankomstv1.Invitation{
		Member: memberMessage(member, nil), Link: InvitationLink(s.origin, secret), EndsAt: timestamppb.New(invitation.EndsAt),
	}, nil
}

func (s *seats) UpdateMember(ctx context.Context, request *aankomstv1.UpdateMemberRequest) (*aankomstv1.Member, error) {
	given := request.GetMember()
	var set []func(*access.SeatRequest)
	for _, path := range request.GetUpdateMask().GetPaths() {
		switch path {
		case "id", "revision": // the gateway names every field of the body
		case "label":
			set = append(set, func(r *access.SeatRequest) { r.Label = given.GetLabel() })
		case "role":
			set = append(set, func(r *access.SeatRequest) { r.Role = roleOf(given.GetRole()) })
		case "centre":
			set = append(set, func(r *access.SeatRequest) { r.Centre = given.GetCentre() })
		default:
			return nil, invalid("update_mask", "%q cannot be changed here", clip(path))
		}
	}
	if len(set) == 0 {
		return nil, invalid("update_mask", "name the fields to change: label, role, centre")
	}
	member, err := access.UpdateMember(ctx, s.store, given.GetId(), int(given.GetRevision()), func(r *access.SeatRequest) error {
		for _, each := range set {
			each(r)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s.member(ctx, member)
}

func (s *seats) RemoveMember(ctx context.Context, request *aankomstv1.RemoveMemberRequest) (*aankomstv1.Member, error) {
	member, err := access.RemoveMember(ctx, s.store, request.GetId(), int(request.GetRevision()))
	if err != nil {
		return nil, err
	}
	return memberMessage(member, nil), nil
}

func (s *seats) InviteMember(ctx context.Context, request *aankomstv1.InviteMemberRequest) (*aankomstv1.Invitation, error) {
	secret, invitation, err := access.InviteMember(ctx, s.store, request.GetId(), s.clock())
	if err != nil {
		return nil, err
	}
	member, err := s.store.GetMember(ctx, request.GetId())
	if err != nil {
		return nil, err
	}
	message, err := s.member(ctx, member)
	if err != nil {
		return nil, err
	}
	return &aankomstv1.Invitation{Member: message, Link: InvitationLink(s.origin, secret), EndsAt: timestamppb.New(invitation.EndsAt)}, nil
}

func (s *seats) RemovePasskey(ctx context.Context, request *aankomstv1.RemovePasskeyRequest) (*aankomstv1.Member, error) {
	id, err := passkeyID(request.GetId())
	if err != nil {
		return nil, err
	}
	if err := s.store.RemovePasskey(ctx, request.GetMember(), id, [32]byte{}); err != nil {
		return nil, err
	}
	return s.GetMember(ctx, &aankomstv1.GetMemberRequest{Id: request.GetMember()})
}

func (s *seats) SignOutMember(ctx context.Context, request *aankomstv1.SignOutMemberRequest) (*aankomstv1.Member, error) {
	member, err := s.store.GetMember(ctx, request.GetId())
	if err != nil {
		return nil, err
	}
	if err := s.store.EndSessions(ctx, member.ID, [32]byte{}); err != nil {
		return nil, err
	}
	return s.member(ctx, member)
}
