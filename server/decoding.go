package server

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
)

// strictRegistrar registers services so that a request that cannot be decoded gets a clear error: by
// itself, grpc answers it as an internal one. The server needs strictCodec for it. (A request that is too
// large is grpc's to refuse, before it is read.)
type strictRegistrar struct{ *grpc.Server }

// RegisterService registers a service; it is called by generated code.
func (r strictRegistrar) RegisterService(service *grpc.ServiceDesc, implementation any) {
	strict := *service
	strict.Methods = make([]grpc.MethodDesc, len(service.Methods))
	for i, method := range service.Methods {
		handler := method.Handler
		method.Handler = func(server any, ctx context.Context, decode func(any) error, chain grpc.UnaryServerInterceptor) (any, error) {
			return handler(server, ctx, func(request any) error {
				e := envelope{request: request}
				if err := decode(&e); err != nil {
					return err
				}
				if e.err != nil {
					return errMalformed.status().Err()
				}
				return nil
			}, chain)
		}
		strict.Methods[i] = method
	}
	r.Server.RegisterService(&strict, implementation)
}

// envelope is a request on its way to being decoded, and what was wrong with it.
type envelope struct {
	request any
	err     error
}

// strictCodec keeps the error of decoding in the envelope: grpc would answer it before anyone else can.
type strictCodec struct{ encoding.CodecV2 }

// Unmarshal is called by grpc for each request.
func (c strictCodec) Unmarshal(data mem.BufferSlice, value any) error {
	e, ok := value.(*envelope)
	if !ok {
		return c.CodecV2.Unmarshal(data, value)
	}
	e.err = c.CodecV2.Unmarshal(data, e.request)
	return nil
}
