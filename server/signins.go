package server

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/timestamppb"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/server/access"
	"aankomst/server/calendar"
)

func (s *seats) BeginSignIn(ctx context.Context, _ *aankomstv1.BeginSignInRequest) (*aankomstv1.BeginSignInResponse, error) {
	asked, err := s.signIns.BeginSignIn(ctx, addressOf(ctx))
	if err != nil {
		return nil, err
	}
	return &aankomstv1.BeginSignInResponse{
		Ceremony: asked.Ceremony, Options: string(asked.Options), SingleSignOn: s.signIns.HasSSO(),
	}, nil
}

func (s *seats) FinishSignIn(ctx context.Context, request *aankomstv1.FinishSignInRequest) (*aankomstv1.Me, error) {
	started, err := s.signIns.FinishSignIn(ctx, addressOf(ctx), request.GetCeremony(), request.GetCredential())
	if err != nil {
		return nil, err
	}
	return s.begun(ctx, started)
}

func (s *seats) BeginSingleSignOn(ctx context.Context, request *aankomstv1.BeginSingleSignOnRequest) (*aankomstv1.BeginSingleSignOnResponse, error) {
	url, ceremony, err := s.signIns.BeginSSO(ctx, addressOf(ctx), request.GetFresh())
	if err != nil {
		return nil, err
	}
	return &aankomstv1.BeginSingleSignOnResponse{Url: url}, hand(ctx, ceremonyKey, ceremony)
}

func (s *seats) FinishSingleSignOn(ctx context.Context, request *aankomstv1.FinishSingleSignOnRequest) (*aankomstv1.Me, error) {
	started, err := s.signIns.FinishSSO(ctx, addressOf(ctx), only(ctx, ceremonyKey), request.GetCode(), request.GetState())
	if err != nil {
		return nil, err
	}
	if err := hand(ctx, ceremonyKey, ""); err != nil {
		return nil, err
	}
	return s.begun(ctx, started)
}

func (s *seats) BeginEnrolment(ctx context.Context, request *aankomstv1.BeginEnrolmentRequest) (*aankomstv1.BeginEnrolmentResponse, error) {
	invited, err := s.signIns.BeginEnrolment(ctx, addressOf(ctx), request.GetInvitation())
	if err != nil {
		return nil, err
	}
	if invited.Device != "" {
		device, err := access.FindToken(ctx, s.store, invited.Device)
		if err != nil {
			return nil, err
		}
		return &aankomstv1.BeginEnrolmentResponse{
			Label: device.Label, Role: roleMessage(device.Role), Centre: device.Centre, Device: true,
		}, nil
	}
	return &aankomstv1.BeginEnrolmentResponse{
		Label: invited.Member.Label, Role: roleMessage(invited.Member.Role), Centre: invited.Member.Centre,
		Ceremony: invited.Asked.Ceremony, Options: string(invited.Asked.Options),
	}, nil
}

func (s *seats) FinishEnrolment(ctx context.Context, request *aankomstv1.FinishEnrolmentRequest) (*aankomstv1.Me, error) {
	started, err := s.signIns.FinishEnrolment(ctx, addressOf(ctx), request.GetInvitation(), request.GetCeremony(), request.GetCredential(), request.GetName())
	if err != nil {
		return nil, err
	}
	return s.begun(ctx, started)
}

func (s *seats) EnrolDevice(ctx context.Context, request *aankomstv1.EnrolDeviceRequest) (*aankomstv1.Me, error) {
	secret, device, err := s.signIns.EnrolDevice(ctx, addressOf(ctx), request.GetInvitation())
	if err != nil {
		return nil, err
	}
	me := access.Principal{Kind: access.Device, ID: device.ID, Label: device.Label, Role: device.Role, Centre: device.Centre}
	if err := hand(ctx, deviceKey, secret); err != nil {
		return nil, err
	}
	return s.me(ctx, me)
}

func (s *seats) GetMe(ctx context.Context, _ *aankomstv1.GetMeRequest) (*aankomstv1.Me, error) {
	return s.me(ctx, principal(ctx))
}

func (s *seats) SignOut(ctx context.Context, request *aankomstv1.SignOutRequest) (*aankomstv1.SignOutResponse, error) {
	seat := principal(ctx)
	if err := s.store.EndSession(ctx, seat.Session.Hash); err != nil {
		return nil, err
	}
	if request.GetEverywhere() {
		if err := s.store.EndSessions(ctx, seat.ID, [32]byte{}); err != nil {
			return nil, err
		}
	}
	return new(aankomstv1.SignOutResponse), hand(ctx, sessionKey, "")
}

func (s *seats) BeginProof(ctx context.Context, _ *aankomstv1.BeginProofRequest) (*aankomstv1.BeginProofResponse, error) {
	asked, err := s.signIns.BeginProof(ctx, addressOf(ctx), principal(ctx))
	if err != nil {
		return nil, err
	}
	return &aankomstv1.BeginProofResponse{Ceremony: asked.Ceremony, Options: string(asked.Options)}, nil
}

func (s *seats) FinishProof(ctx context.Context, request *aankomstv1.FinishProofRequest) (*aankomstv1.Me, error) {
	seat := principal(ctx)
	started, err := s.signIns.FinishProof(ctx, addressOf(ctx), seat, request.GetCeremony(), request.GetCredential())
	if err != nil {
		return nil, err
	}
	seat.Session = started.Session
	if err := hand(ctx, sessionKey, started.Secret); err != nil {
		return nil, err
	}
	return s.me(ctx, seat)
}

func (s *seats) BeginPasskey(ctx context.Context, _ *aankomstv1.BeginPasskeyRequest) (*aankomstv1.BeginPasskeyResponse, error) {
	asked, err := s.signIns.BeginPasskey(ctx, addressOf(ctx), principal(ctx))
	if err != nil {
		return nil, err
	}
	return &aankomstv1.BeginPasskeyResponse{Ceremony: asked.Ceremony, Options: string(asked.Options)}, nil
}

func (s *seats) FinishPasskey(ctx context.Context, request *aankomstv1.FinishPasskeyRequest) (*aankomstv1.Me, error) {
	seat := principal(ctx)
	if err := s.signIns.FinishPasskey(ctx, seat, request.GetCeremony(), request.GetCredential(), request.GetName()); err != nil {
		return nil, err
	}
	return s.me(ctx, seat)
}

func (s *seats) RemoveOwnPasskey(ctx context.Context, request *aankomstv1.RemoveOwnPasskeyRequest) (*aankomstv1.Me, error) {
	seat := principal(ctx)
	id, err := passkeyID(request.GetId())
	if err != nil {
		return nil, err
	}
	if err := s.store.RemovePasskey(ctx, seat.ID, id, seat.Session.Hash); err != nil {
		return nil, err
	}
	return s.me(ctx, seat)
}

// begun hands a session that has begun to the browser, and ends the one that it had.
func (s *seats) begun(ctx context.Context, started access.Started) (*aankomstv1.Me, error) {
	if before := only(ctx, sessionKey); before != "" {
		if err := s.signIns.Leave(ctx, before); err != nil {
			return nil, err
		}
	}
	if err := hand(ctx, sessionKey, started.Secret); err != nil {
		return nil, err
	}
	member := started.Member
	return s.me(ctx, access.Principal{
		Kind: access.Seat, ID: member.ID, Label: member.Label, Role: member.Role, Centre: member.Centre, Session: started.Session,
	})
}

var meKinds = map[access.Kind]aankomstv1.Me_Kind{
	access.Seat: aankomstv1.Me_SEAT, access.Machine: aankomstv1.Me_TOKEN, access.Device: aankomstv1.Me_DEVICE,
}

// me tells a principal who they are.
func (s *seats) me(ctx context.Context, p access.Principal) (*aankomstv1.Me, error) {
	me := &aankomstv1.Me{Kind: meKinds[p.Kind], Id: p.ID, Label: p.Label, Role: roleMessage(p.Role), Centre: p.Centre}
	if p.Kind != access.Seat {
		ends, err := s.expiry(ctx, p.ID)
		if err != nil {
			return nil, err
		}
		me.EndsAt = ends
		return me, nil
	}
	member, err := s.store.GetMember(ctx, p.ID)
	if err != nil {
		return nil, err
	}
	with, err := s.member(ctx, member)
	if err != nil {
		return nil, err
	}
	me.Passkeys, me.SingleSignOn = with.GetPasskeys(), with.GetSingleSignOn()
	sessions, err := s.store.ListSessions(ctx, p.ID)
	if err != nil {
		return nil, err
	}
	for _, session := range sessions {
		if !access.HasEnded(session, p.Role, s.clock()) {
			me.Sessions++
		}
	}
	me.EndsAt, me.FreshUntil = timestamppb.New(p.Session.EndsAt), timestamppb.New(p.FreshUntil())
	me.IdleMinutes = uint32(access.Lifetimes[p.Role].Idle.Minutes())
	return me, nil
}

// expiry returns when a token, of a machine or a device, expires.
func (s *seats) expiry(ctx context.Context, id string) (*timestamppb.Timestamp, error) {
	token, err := access.FindToken(ctx, s.store, id)
	if err != nil {
		return nil, err
	}
	at, err := time.ParseInLocation(time.DateOnly, token.ExpiresOn, calendar.Brussels)
	if err != nil {
		return nil, fmt.Errorf("reading when a token expires: %w", err)
	}
	return timestamppb.New(at), nil
}

// hand gives the browser a secret, or takes one from it that is empty: see cookies.
func hand(ctx context.Context, key, secret string) error {
	return grpc.SetHeader(ctx, metadata.Pairs(key, secret))
}
