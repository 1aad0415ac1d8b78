package server

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"aankomst/server/access"
)

// The metadata that says who calls, besides Authorization. Over REST they are cookies; a caller of gRPC sends
// them as they were handed out. The address is taken from the gateway alone.
const (
	sessionKey  = "aankomst-session"
	deviceKey   = "aankomst-device"
	ceremonyKey = "aankomst-ceremony"
	addressKey  = "aankomst-address"
)

// credentialsOf returns what a call brings to say who calls. A header that comes more than once counts as
// none: two readers could take it for two callers.
func credentialsOf(ctx context.Context) access.Credentials {
	return access.Credentials{Bearer: bearer(ctx), Session: only(ctx, sessionKey), Device: only(ctx, deviceKey)}
}

// bearer returns the bearer token of a call; empty when there is none, or more than one.
func bearer(ctx context.Context) string {
	scheme, token, _ := strings.Cut(only(ctx, "authorization"), " ")
	if !strings.EqualFold(scheme, "bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// only returns the value of a header that comes once; empty otherwise.
func only(ctx context.Context, key string) string {
	values := metadata.ValueFromIncomingContext(ctx, key)
	if len(values) != 1 {
		return ""
	}
	return values[0]
}

// addressOf returns the network from which a call comes, for counting alone.
func addressOf(ctx context.Context) string {
	from, ok := peer.FromContext(ctx)
	if !ok {
		return ""
	}
	if from.Addr.Network() == inProcessNetwork {
		return only(ctx, addressKey)
	}
	return networkOf(hostOf(from.Addr.String()))
}

// clientAddress returns the network from which a request comes. The word of a proxy that the operator names
// is taken for it, when it is an address: what the last of them put last into X-Forwarded-For.
func clientAddress(r *http.Request, proxies []netip.Prefix) string {
	host := hostOf(r.RemoteAddr)
	forwarded := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(forwarded) {
		at, err := netip.ParseAddr(host)
		isProxy := err == nil && slices.ContainsFunc(proxies, func(p netip.Prefix) bool { return p.Contains(at.Unmap()) })
		// Some proxies write a port, too, which is another one each time.
		hop = strings.Trim(hostOf(strings.TrimSpace(hop)), "[]")
		if _, err := netip.ParseAddr(hop); err != nil || !isProxy {
			break
		}
		host = hop
	}
	return networkOf(host)
}

func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}

// networkOf returns the network of an address: itself, but for IPv6 its first 64 bits, which are what one
// household has.
func networkOf(host string) string {
	at, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if at = at.Unmap().WithZone(""); at.Is4() {
		return at.String()
	}
	network, err := at.Prefix(64)
	if err != nil {
		return at.String()
	}
	return network.String()
}
