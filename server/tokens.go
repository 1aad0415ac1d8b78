package server

import (
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/server/access"
)

func (s *seats) ListTokens(ctx context.Context, _ *aankomstv1.ListTokensRequest) (*aankomstv1.ListTokensResponse, error) {
	all, err := s.store.ListTokens(ctx)
	if err != nil {
		return nil, err
	}
	response := new(aankomstv1.ListTokensResponse)
	for _, token := range all {
		response.Tokens = append(response.Tokens, tokenMessage(token))
	}
	return response, nil
}

func (s *seats) CreateToken(ctx context.Context, request *aankomstv1.CreateTokenRequest) (*aankomstv1.NewToken, error) {
	secret, token, err := access.CreateToken(ctx, s.store, access.Request{
		Label: request.GetLabel(), Role: roleOf(request.GetRole()), Centre: request.GetCentre(), Validity: access.Days(request.GetDays()),
	}, s.clock())
	if err != nil {
		return nil, err
	}
	return &aankomstv1.NewToken{Token: tokenMessage(token), Secret: secret}, nil
}

func (s *seats) RotateToken(ctx context.Context, request *aankomstv1.RotateTokenRequest) (*aankomstv1.NewToken, error) {
	secret, token, err := access.RotateToken(ctx, s.store, request.GetId(), access.Days(request.GetDays()), access.Days(request.GetKeepDays()), s.clock())
	if err != nil {
		return nil, err
	}
	return &aankomstv1.NewToken{Token: tokenMessage(token), Secret: secret}, nil
}

func (s *seats) RevokeToken(ctx context.Context, request *aankomstv1.RevokeTokenRequest) (*aankomstv1.Token, error) {
	if err := s.store.RevokeToken(ctx, request.GetId()); err != nil {
		return nil, err
	}
	token, err := access.FindToken(ctx, s.store, request.GetId())
	if err != nil {
		return nil, err
	}
	return tokenMessage(token), nil
}

func (s *seats) InviteDevice(ctx context.Context, request *aankomstv1.InviteDeviceRequest) (*aankomstv1.Invitation, error) {
	secret, device, invitation, err := access.InviteDevice(ctx, s.store, request.GetLabel(), request.GetCentre(), s.clock())
	if err != nil {
		return nil, err
	}
	return &aankomstv1.Invitation{
		Device: tokenMessage(device), Link: InvitationLink(s.origin, secret), EndsAt: timestamppb.New(invitation.EndsAt),
	}, nil
}
