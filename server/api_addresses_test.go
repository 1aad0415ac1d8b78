package server_test

import (
	"net/netip"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"aankomst/server/servertest"
)

// wrongPerMinute is how many wrong tokens of an address are told so in a minute.
const wrongPerMinute = 20

// forwarded comes with a token that nobody knows, as a proxy hands it on.
func (a *api) forwarded(lines ...string) answer {
	a.t.Helper()
	request := a.request("aankomst_unknown", "GET", "/v1/me", nil)
	request.Header["X-Forwarded-For"] = lines
	return a.send(request)
}

// tries comes with wrong tokens until an address has had its number of them, each of which must be looked at.
func (a *api) tries(t *testing.T, come func() answer) {
	t.Helper()
	for range wrongPerMinute {
		come().refused(t, codes.Unauthenticated, "TOKEN_UNKNOWN")
	}
	come().refused(t, codes.ResourceExhausted, "TOO_MANY_ATTEMPTS")
}

// Which calls come from one and the same network, as a chain of proxies tells it. What stands before the last
// hop that no proxy of the operator's is, anybody can write.
func TestAProxyIsBelievedAsFarAsTheOperatorSays(t *testing.T) {
	t.Parallel()
	behind := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	lines := func(all ...string) []string { return all }
	const one, other = true, false
	for name, c := range map[string]struct {
		proxies       []netip.Prefix
		first, second []string
		same          bool
	}{
		"one address":                         {behind, lines("192.0.2.1"), lines("192.0.2.1"), one},
		"two addresses":                       {behind, lines("192.0.2.1"), lines("192.0.2.2"), other},
		"the proxy itself":                    {behind, nil, lines(""), one},
		"the proxy itself, with commas":       {behind, nil, lines(" , ,"), one},
		"somebody and the proxy itself":       {behind, nil, lines("192.0.2.1"), other},
		"lies before the last hop":            {behind, lines("198.51.100.1, 192.0.2.1"), lines("198.51.100.2, 192.0.2.1"), one},
		"lies in a line of their own":         {behind, lines("198.51.100.1", "192.0.2.1"), lines("192.0.2.1"), one},
		"a proxy that somebody claims":        {behind, lines("10.0.0.1, 192.0.2.1"), lines("192.0.2.1"), one},
		"two behind a second proxy":           {behind, lines("192.0.2.1, 10.0.0.1"), lines("192.0.2.2, 10.0.0.1"), other},
		"one behind either of two":            {behind, lines("192.0.2.1, 10.0.0.1"), lines("192.0.2.1, 10.200.0.1"), one},
		"one behind two, with lies":           {behind, lines("198.51.100.1, 192.0.2.1, 10.0.0.1, fd00::1"), lines("192.0.2.1"), one},
		"one household of IPv6":               {behind, lines("2001:db8::1"), lines("2001:db8::ffff:1"), one},
		"two households of IPv6":              {behind, lines("2001:db8:0:1::1"), lines("2001:db8:0:2::1"), other},
		"IPv4 written as IPv6":                {behind, lines("::ffff:192.0.2.1"), lines("192.0.2.1"), one},
		"a zone":                              {behind, lines("fe80::1%one"), lines("fe80::1%two"), one},
		"ports":                               {behind, lines("192.0.2.1:1"), lines("192.0.2.1:2"), one},
		"ports of IPv6":                       {behind, lines("[2001:db8::1]:1"), lines("[2001:db8::2]:2"), one},
		"brackets":                            {behind, lines("[2001:db8::1]"), lines("2001:db8::1"), one},
		"what is no address":                  {behind, lines("unknown"), lines("hidden"), one},
		"what is no address, by a proxy":      {behind, lines("unknown"), nil, one},
		"what is no address, before one":      {behind, lines("unknown, 192.0.2.1"), lines("hidden, 192.0.2.1"), one},
		"what is no text":                     {behind, lines("\xff\xfe"), lines("é"), one},
		"nobody is named":                     {nil, lines("192.0.2.1"), lines("192.0.2.2"), one},
		"nobody is named, and the header not": {nil, nil, lines("127.0.0.1"), one},
		"somebody else is named":              {behind[1:], lines("192.0.2.1"), lines("192.0.2.2"), one},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := startAPI(t, servertest.Options{Proxies: c.proxies})
			a.tries(t, func() answer { return a.forwarded(c.first...) })
			got := a.forwarded(c.second...)
			if limited := got.reason == "TOO_MANY_ATTEMPTS"; limited != c.same || !limited && got.reason != "TOKEN_UNKNOWN" {
				t.Errorf("from %q after %q: %v", c.second, c.first, got)
			}
		})
	}
}

// Nobody can say of himself where he comes from, over gRPC and over REST.
func TestNobodyChoosesTheOwnAddress(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	address := 0
	next := func() string { address++; return netip.AddrFrom4([4]byte{192, 0, 2, byte(address)}).String() }
	for way, come := range map[string]func() answer{
		"gRPC": func() answer {
			at := next()
			return a.withMetadata(whoCalls, "authorization", "Bearer aankomst_unknown", "aankomst-address", at, "x-forwarded-for", at, "x-real-ip", at)
		},
		"REST": func() answer {
			request, at := a.request("aankomst_unknown", "GET", "/v1/me", nil), next()
			for _, name := range []string{"Aankomst-Address", "Grpc-Metadata-Aankomst-Address", "Grpcgateway-Aankomst-Address", "X-Forwarded-For", "X-Real-Ip", "Forwarded", "True-Client-Ip"} {
				request.Header.Set(name, at)
			}
			return a.send(request)
		},
	} {
		t.Run(way, func(t *testing.T) { a.tries(t, come) })
		a.Clock.Advance(time.Minute)
	}
	// Over both it is the same address.
	a.tries(t, func() answer { return a.grpc("aankomst_unknown", whoCalls) })
	a.rest("aankomst_unknown", whoCalls).refused(t, codes.ResourceExhausted, "TOO_MANY_ATTEMPTS")
}
