package server

import (
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/server/store"
)

// records shows the record of administration.
type records struct {
	aankomstv1.UnimplementedRecordServiceServer
	store store.Store
}

// actPolicy is the act of the server when a policy of disclosure comes into use.
const actPolicy = "policy.use"

const (
	// defaultActs and maxActs are how many acts one call gives.
	defaultActs, maxActs = 100, 1000
)

func (r *records) ListActs(ctx context.Context, request *aankomstv1.ListActsRequest) (*aankomstv1.ListActsResponse, error) {
	most := int(request.GetPageSize())
	if most == 0 {
		most = defaultActs
	}
	acts, err := r.store.ListActs(ctx, int(request.GetAfter()), min(most, maxActs))
	if err != nil {
		return nil, err
	}
	response := new(aankomstv1.ListActsResponse)
	for _, act := range acts {
		response.Acts = append(response.Acts, &aankomstv1.Act{
			Number: uint32(act.Number), At: timestamppb.New(act.At), By: act.By, Action: act.Action, Target: act.Target,
			Detail: act.Detail, Previous: act.Previous[:], Line: act.Line(),
		})
	}
	return response, nil
}
