package server_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/server/servertest"
)

// rawCodec sends bytes as they are.
type rawCodec struct{}

func (rawCodec) Name() string                      { return "proto" }
func (rawCodec) Marshal(value any) ([]byte, error) { return value.([]byte), nil }
func (rawCodec) Unmarshal(data []byte, value any) error {
	*value.(*[]byte) = bytes.Clone(data)
	return nil
}

// sendGRPC calls a method by name with bytes for a request.
func (a *api) sendGRPC(token, method string, request []byte) (response []byte, err error) {
	ctx := metadata.AppendToOutgoingContext(context.Background(), "authorization", "Bearer "+token)
	err = a.Connection.Invoke(ctx, method, request, &response, grpc.ForceCodec(rawCodec{}))
	return response, err
}

// rawGRPC is sendGRPC where the answer must be one of this project.
func (a *api) rawGRPC(token, method string, request []byte) answer {
	a.t.Helper()
	_, err := a.sendGRPC(token, method, request)
	return answerOf(a.t, status.Convert(err))
}

func TestAPIBadMessages(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	code := a.issue(servertest.Year, 1).Symbols()
	before := a.allCounts()
	field := func(number protowire.Number, text string) []byte {
		return protowire.AppendString(protowire.AppendTag(nil, number, protowire.BytesType), text)
	}
	genuine := field(1, code)
	for name, request := range map[string][]byte{
		"bytes that are no UTF-8":         field(1, code[:8]+"\xff"+code[8:]),
		"half a character":                field(1, code+"\xc3"),
		"UTF-8 of a surrogate":            field(1, code+"\xed\xa0\x80"),
		"an over-long encoding":           field(1, code+"\xc0\xaf"),
		"cut short":                       genuine[:len(genuine)-1],
		"a length past the end":           append([]byte{0x0a, 0x7f}, code...),
		"a tag without a value":           append(bytes.Clone(genuine), 0x0a),
		"a tag that is none":              append(bytes.Clone(genuine), 0x07),
		"field number 0":                  append(bytes.Clone(genuine), 0x02, 0x00),
		"a number that does not end":      append(bytes.Clone(genuine), bytes.Repeat([]byte{0xff}, 11)...),
		"a group that does not end":       append(bytes.Clone(genuine), 0x1b),
		"JSON":                            []byte(`{"code":"` + code + `"}`),
		"a good one, then half a message": append(bytes.Clone(genuine), 0x10),
	} {
		got := a.rawGRPC(a.intake(), aankomstv1.ArrivalService_ConfirmArrival_FullMethodName, request)
		if got.code != codes.InvalidArgument || got.reason != "MALFORMED_REQUEST" {
			t.Errorf("%s: %v", name, got)
		}
		got.keepsQuiet(t, code)
	}
	// A code in a field of another type is no code.
	wrongType := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 1)
	if got := a.rawGRPC(a.intake(), aankomstv1.ArrivalService_ConfirmArrival_FullMethodName, wrongType); got.reason != "CODE_MALFORMED" {
		t.Errorf("a code as a number: %v", got)
	}
	same(t, "counts", a.allCounts(), before)
}

func TestAPIUnknownGRPCMethods(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	code := a.issue(servertest.Year, 1).Symbols()
	for _, method := range []string{
		"/aankomst.v1.ArrivalService/Steal", "/aankomst.v1.ArrivalService/" + code, "/aankomst.v1.Nothing/Steal",
		"/aankomst.v2.ArrivalService/ConfirmArrival", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
		"/grpc.health.v1.Health/Steal", "/x/" + code,
	} {
		got := a.rawGRPC(a.intake(), method, nil)
		if got.code != codes.Unimplemented || got.reason != "NO_SUCH_METHOD" {
			t.Errorf("%s: %v", method, got)
		}
		got.keepsQuiet(t, code)
	}
	// The health service has its own way to say that it does not know a service, which is an error too.
	_, err := grpc_health_v1.NewHealthClient(a.Connection).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: "aankomst.v1.Nothing"})
	answerOf(t, status.Convert(err)).refused(t, codes.NotFound, "NOT_FOUND")
}

func TestAPILargeMessages(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	code := a.issue(servertest.Year, 1).Symbols()
	const limit = 64 << 10
	// A request of n bytes: the code, a tag, three bytes of length, and the rest.
	sized := func(n int) []byte {
		request := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), code)
		rest := n - len(request) - 1 - 3
		request = protowire.AppendTag(request, 15, protowire.BytesType)
		return protowire.AppendString(request, strings.Repeat("a", rest))
	}
	if len(sized(limit)) != limit {
		t.Fatalf("%d bytes, not %d", len(sized(limit)), limit)
	}
	for _, size := range []int{limit + 1, 10 << 20} {
		request := append(sized(limit), make([]byte, size-limit)...)
		_, got := a.sendGRPC(a.intake(), aankomstv1.ArrivalService_ConfirmArrival_FullMethodName, request)
		// The library refuses it before anything of this project sees it, so there is no reason with it.
		if status.Code(got) != codes.ResourceExhausted || strings.Contains(got.Error(), code[:4]) {
			t.Errorf("%d bytes: %v", size, got)
		}
	}
	if got := a.Counts().Pools[0].Arrived; got != 0 {
		t.Errorf("%d arrived", got)
	}
	a.rawGRPC(a.intake(), aankomstv1.ArrivalService_ConfirmArrival_FullMethodName, sized(limit)).worked(t)
	if got := a.Counts().Pools[0].Arrived; got != 1 {
		t.Errorf("%d arrived", got)
	}
	// The library refuses to send headers that the server has said it will not take; the connection lives on.
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-large", strings.Repeat("a", 64<<10))
	if _, err := aankomstv1.NewDirectoryServiceClient(a.Connection).ListCohorts(ctx, new(aankomstv1.ListCohortsRequest)); err == nil {
		t.Error("64 kB of headers were taken")
	}
	a.grpc("", new(aankomstv1.ListCohortsRequest)).worked(t)
}
