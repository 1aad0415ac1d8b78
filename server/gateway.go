package server

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/encoding/protojson"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/server/release/export"
	"aankomst/server/store"
)

// gateway answers REST by calling the gRPC server over an in-process connection, so that REST passes
// the same checks.
type gateway struct {
	inProcess  *bufconn.Listener
	connection *grpc.ClientConn
	handler    http.Handler
}

// inProcessNetwork names the in-process connection; see optionalTLS.
const inProcessNetwork = "bufconn"

func (s *Server) newGateway(rpc *grpc.Server) (*gateway, error) {
	g := &gateway{inProcess: bufconn.Listen(maxRequest)}
	var err error
	g.connection, err = grpc.NewClient("passthrough:"+inProcessNetwork,
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return g.inProcess.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, fmt.Errorf("connecting REST to gRPC: %w", err)
	}
	mux := runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, strictJSON{&runtime.JSONPb{
			MarshalOptions:   protojson.MarshalOptions{EmitUnpopulated: true},
			UnmarshalOptions: protojson.UnmarshalOptions{DiscardUnknown: false},
		}}),
		runtime.WithErrorHandler(writeError),
		// The gateway hands on Authorization by itself; named here as well, it would come twice.
		runtime.WithIncomingHeaderMatcher(func(string) (string, bool) { return "", false }),
		runtime.WithOutgoingHeaderMatcher(func(string) (string, bool) { return "", false }),
		runtime.WithMetadata(s.ofBrowser),
		runtime.WithForwardResponseOption(toBrowser),
		runtime.WithDisablePathLengthFallback(),
	)
	ctx := context.Background()
	err = errors.Join(
		aankomstv1.RegisterDirectoryServiceHandler(ctx, mux, g.connection),
		aankomstv1.RegisterReferralServiceHandler(ctx, mux, g.connection),
		aankomstv1.RegisterArrivalServiceHandler(ctx, mux, g.connection),
		aankomstv1.RegisterReleaseServiceHandler(ctx, mux, g.connection),
		aankomstv1.RegisterStatementServiceHandler(ctx, mux, g.connection),
		aankomstv1.RegisterAccessServiceHandler(ctx, mux, g.connection),
		aankomstv1.RegisterRecordServiceHandler(ctx, mux, g.connection),
		mux.HandlePath(http.MethodGet, "/v1/acts:export", g.exportActs(mux)),
		mux.HandlePath(http.MethodGet, "/v1/releases/{number}:export", g.export(mux)),
		mux.HandlePath(http.MethodGet, "/healthz", func(w http.ResponseWriter, _ *http.Request, _ map[string]string) {
			writeJSON(w, http.StatusOK, map[string]bool{"alive": true})
		}),
		mux.HandlePath(http.MethodGet, "/readyz", func(w http.ResponseWriter, r *http.Request, _ map[string]string) {
			state := s.readiness(r.Context())
			code := http.StatusOK
			if !state.Ready {
				code = http.StatusServiceUnavailable
			}
			writeJSON(w, code, state)
		}),
	)
	if err != nil {
		return nil, fmt.Errorf("registering REST: %w", err)
	}
	g.handler = s.guarded(s.ownPages(withPages(s.deps.Pages, mux)))
	return g, nil
}

func (g *gateway) close() {
	g.connection.Close()
	g.inProcess.Close()
}

// strictJSON refuses a body that goes on after its value: by itself, the gateway would act on the first
// value and pass over the rest.
type strictJSON struct{ *runtime.JSONPb }

// NewDecoder is called by the gateway for each body.
func (j strictJSON) NewDecoder(body io.Reader) runtime.Decoder {
	decoder := runtime.DecoderWrapper{Decoder: json.NewDecoder(body), UnmarshalOptions: j.UnmarshalOptions}
	return runtime.DecoderFunc(func(value any) error {
		if err := decoder.Decode(value); err != nil {
			return err
		}
		_, err := decoder.Token()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		default:
			return errors.New("the body goes on after its value")
		}
	})
}

// guarded bounds the body and sets the headers that every answer carries.
func (s *Server) guarded(next http.Handler) http.Handler {
	encrypted := strings.HasPrefix(s.deps.Origin, "https:")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Cache-Control", "no-store")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), publickey-credentials-create=(self), publickey-credentials-get=(self)")
		if encrypted {
			header.Set("Strict-Transport-Security", "max-age=63072000; includeSubDomains")
		}
		if r.ContentLength > maxRequest {
			// The rest of the body will not be read, so the connection cannot be used again.
			header.Set("Connection", "close")
			tooLarge := errTooLarge.status()
			writeStatus(w, httpStatus(tooLarge), tooLarge)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
		next.ServeHTTP(w, r)
	})
}

// writeError writes an error as JSON. Errors of the gateway itself may quote the request, so they are
// replaced; errors of the server are written as they are.
func writeError(_ context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, _ *http.Request, err error) {
	s := status.Convert(err)
	if len(s.Details()) == 0 {
		s = ofGateway(s).status()
	}
	if s.Code() == codes.Unauthenticated {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	writeStatus(w, httpStatus(s), s)
}

// ofGateway returns what stands for an error of the gateway or of its connection to the server.
func ofGateway(s *status.Status) *problem {
	switch {
	case strings.Contains(s.Message(), "request body too large"):
		return errTooLarge
	case strings.Contains(s.Message(), "header list size"):
		return errHeaders
	}
	switch s.Code() {
	case codes.InvalidArgument:
		return errMalformed
	case codes.NotFound:
		return &problem{code: codes.NotFound, reason: "NO_SUCH_PATH", message: "there is nothing at this path; the paths are in docs/openapi.swagger.json"}
	case codes.Unimplemented:
		return errNoMethod
	case codes.Unavailable:
		return errUnavailable
	case codes.Canceled:
		return errCanceled
	case codes.DeadlineExceeded:
		return errTimeout
	default:
		return errInternal
	}
}

// httpStatus returns the HTTP status of an error: that of its code, but where HTTP has one that says it
// better.
func httpStatus(s *status.Status) int {
	for _, detail := range s.Details() {
		info, ok := detail.(*errdetails.ErrorInfo)
		if !ok {
			continue
		}
		switch info.GetReason() {
		case errTooLarge.reason:
			return http.StatusRequestEntityTooLarge
		case errHeaders.reason:
			return http.StatusRequestHeaderFieldsTooLarge
		case errNoMethod.reason:
			return http.StatusMethodNotAllowed
		}
	}
	return runtime.HTTPStatusFromCode(s.Code())
}

func writeStatus(w http.ResponseWriter, code int, s *status.Status) {
	body, err := protojson.Marshal(s.Proto())
	if err != nil {
		body = []byte(`{"code":13}`)
	}
	if wait := retryAfter(s); wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	w.Write(body)
}

func writeJSON(w http.ResponseWriter, code int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(value)
}

// exporters write a release as a file, by format.
var exporters = map[string]struct {
	contentType string
	write       func(io.Writer, store.Release, export.Words) error
}{
	"csv":  {"text/csv; charset=utf-8", export.WriteCSV},
	"xlsx": {"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", export.WriteXLSX},
	"json": {"application/json", func(w io.Writer, r store.Release, _ export.Words) error {
		_, err := w.Write(r.Document)
		return err
	}},
}

// export serves a release as a file. It is a plain handler, since the gateway cannot send files without
// a copied proto; asking for the release by gRPC first makes it pass the same checks.
func (g *gateway) export(mux *runtime.ServeMux) runtime.HandlerFunc {
	client := aankomstv1.NewReleaseServiceClient(g.connection)
	return func(w http.ResponseWriter, r *http.Request, path map[string]string) {
		fail := func(err error) { writeError(r.Context(), mux, nil, w, r, err) }
		number, err := strconv.ParseUint(path["number"], 10, 32)
		if err != nil {
			fail(invalid("number", "the number of a release is a whole number").status().Err())
			return
		}
		ctx, err := runtime.AnnotateContext(r.Context(), mux, r, aankomstv1.ReleaseService_GetRelease_FullMethodName)
		if err != nil {
			fail(err)
			return
		}
		found, err := client.GetRelease(ctx, &aankomstv1.GetReleaseRequest{Number: uint32(number)})
		if err != nil {
			fail(err)
			return
		}
		format := r.URL.Query().Get("format")
		exporter, known := exporters[format]
		if !known {
			fail(invalid("format", "choose format=csv, format=xlsx or format=json").status().Err())
			return
		}
		words, err := export.WordsIn(cmp.Or(r.URL.Query().Get("language"), export.Languages[0]))
		if err != nil {
			fail(invalid("language", "choose language=en, nl, fr or de").status().Err())
			return
		}
		var file bytes.Buffer
		if err := exporter.write(&file, store.Release{Document: found.GetDocument(), Digest: [32]byte(found.GetDigest())}, words); err != nil {
			fail(err)
			return
		}
		w.Header().Set("Content-Type", exporter.contentType)
		w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=\"aankomst-release-%d.%s\"", number, format))
		file.WriteTo(w)
	}
}

// exportActs serves the whole record of administration, one act a line, as it is chained. It is a plain
// handler, as export is.
func (g *gateway) exportActs(mux *runtime.ServeMux) runtime.HandlerFunc {
	client := aankomstv1.NewRecordServiceClient(g.connection)
	return func(w http.ResponseWriter, r *http.Request, _ map[string]string) {
		fail := func(err error) { writeError(r.Context(), mux, nil, w, r, err) }
		ctx, err := runtime.AnnotateContext(r.Context(), mux, r, aankomstv1.RecordService_ListActs_FullMethodName)
		if err != nil {
			fail(err)
			return
		}
		var file bytes.Buffer
		for after := uint32(0); ; {
			page, err := client.ListActs(ctx, &aankomstv1.ListActsRequest{After: after, PageSize: maxActs})
			if err != nil {
				fail(err)
				return
			}
			for _, act := range page.GetActs() {
				file.Write(append(act.GetLine(), '\n'))
				after = act.GetNumber()
			}
			if len(page.GetActs()) < maxActs {
				break
			}
		}
		w.Header().Set("Content-Type", "application/jsonl")
		w.Header().Set("Content-Disposition", `attachment; filename="aankomst-acts.jsonl"`)
		file.WriteTo(w)
	}
}

// optionalTLS asks for TLS on the network and not on the in-process connection.
type optionalTLS struct {
	credentials.TransportCredentials
}

// ServerHandshake is called by grpc for each new connection.
func (c optionalTLS) ServerHandshake(connection net.Conn) (net.Conn, credentials.AuthInfo, error) {
	if connection.LocalAddr().Network() == inProcessNetwork {
		return insecure.NewCredentials().ServerHandshake(connection)
	}
	return c.TransportCredentials.ServerHandshake(connection)
}

// Clone is called by grpc.
func (c optionalTLS) Clone() credentials.TransportCredentials {
	return optionalTLS{c.TransportCredentials.Clone()}
}
