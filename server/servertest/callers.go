package servertest

import (
	"context"
	"net/http"
	"strings"

	"google.golang.org/grpc/metadata"
)

// Whether a secret is a session's, or a device's, shows in how it begins.
const (
	sessionBegins = "aankomst_session_"
	deviceBegins  = "aankomst_device_"
)

// With returns a context for a call of gRPC by whoever has a secret: of a session, a device or a token.
// Without a secret it is nobody's.
func With(ctx context.Context, secret string) context.Context {
	switch {
	case secret == "":
		return ctx
	case strings.HasPrefix(secret, sessionBegins):
		return metadata.AppendToOutgoingContext(ctx, "aankomst-session", secret)
	case strings.HasPrefix(secret, deviceBegins):
		return metadata.AppendToOutgoingContext(ctx, "aankomst-device", secret)
	default:
		return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+secret)
	}
}

// Sign makes a request of REST that of whoever has a secret, as a browser on a page of the server would, or
// a program.
func Sign(request *http.Request, secret string) {
	cookie := func(name string) {
		request.AddCookie(&http.Cookie{Name: name, Value: secret})
		request.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	switch {
	case secret == "":
	case strings.HasPrefix(secret, sessionBegins):
		cookie("__Host-aankomst-session")
	case strings.HasPrefix(secret, deviceBegins):
		cookie("__Host-aankomst-device")
	default:
		request.Header.Set("Authorization", "Bearer "+secret)
	}
}
