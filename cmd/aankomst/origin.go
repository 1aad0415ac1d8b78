package main

import (
	"fmt"
	"net"
	"net/netip"

	"aankomst/server"
	"aankomst/server/access"
)

// LinkSettings say where links lead that commands print.
type LinkSettings struct {
	Origin string `help:"Where people find the pages; ${default} by default." env:"AANKOMST_ORIGIN" default:"http://localhost:8080" placeholder:"URL"`
}

// origin returns where people find the pages: what the settings say, or this machine's own address when
// nobody else can reach it.
func (c ServeSettings) origin(listeners server.Listeners) (string, error) {
	origin := c.Origin
	if origin == "" {
		if at, ok := listeners.HTTP.Addr().(*net.TCPAddr); !ok || !at.IP.IsLoopback() {
			return "", fmt.Errorf("%w: say --origin or AANKOMST_ORIGIN, where people find the pages, such as https://aankomst.example", errUsage)
		}
		origin = originHere(listeners)
	}
	return origin, access.CheckOrigin(origin)
}

// originHere returns where people on this machine find the pages. Browsers offer passkeys at localhost, and
// not at its address.
func originHere(listeners server.Listeners) string {
	scheme := "http"
	if listeners.TLS != nil {
		scheme = "https"
	}
	_, port, _ := net.SplitHostPort(listeners.HTTP.Addr().String())
	return scheme + "://localhost:" + port
}

// proxies returns whose word is taken for the address of a caller.
func (c ServeSettings) proxies() ([]netip.Prefix, error) {
	var proxies []netip.Prefix
	for _, text := range c.Proxies {
		network, err := netip.ParsePrefix(text)
		if at, failed := netip.ParseAddr(text); failed == nil {
			network, err = at.Unmap().Prefix(at.Unmap().BitLen())
		}
		if err != nil {
			return nil, fmt.Errorf("%w: --proxies are addresses or networks such as 10.0.0.0/24; not %q", errUsage, text)
		}
		proxies = append(proxies, network)
	}
	return proxies, nil
}
