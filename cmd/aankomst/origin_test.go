package main

import (
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"reflect"
	"testing"

	"aankomst/server"
	"aankomst/server/access"
	"aankomst/server/store"
)

// Links lead somewhere: a server that others reach is not guessed to be at the name of this machine.
func TestTheOriginIsSaidUnlessItIsThisMachine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		address, set string
		encrypted    bool
		want         func(port string) string
		refused      error
	}{
		{address: "127.0.0.1:0", want: func(port string) string { return "http://localhost:" + port }},
		{address: "127.0.0.1:0", encrypted: true, want: func(port string) string { return "https://localhost:" + port }},
		{address: "127.0.0.1:0", set: "https://aankomst.example", want: func(string) string { return "https://aankomst.example" }},
		{address: ":0", encrypted: true, set: "https://aankomst.example", want: func(string) string { return "https://aankomst.example" }},
		{address: ":0", encrypted: true, refused: errUsage},
		{address: "127.0.0.1:0", set: "http://aankomst.example", refused: access.ErrOrigin},
	} {
		listener, err := server.Listen(c.address, c.encrypted)
		noError(t, err)
		defer listener.Close()
		listeners := server.Listeners{HTTP: listener}
		if c.encrypted {
			listeners.TLS = new(tls.Config)
		}
		got, err := ServeSettings{Origin: c.set}.origin(listeners)
		if c.refused != nil {
			if !errors.Is(err, c.refused) || exitCode(err) != exitUsage {
				t.Errorf("%s at %q: %v", c.address, c.set, err)
			}
			continue
		}
		_, port, _ := net.SplitHostPort(listener.Addr().String())
		if want := c.want(port); err != nil || got != want {
			t.Errorf("%s at %q: %q, %v; want %q", c.address, c.set, got, err, want)
		}
	}
}

func TestProxiesAreAddressesAndNetworks(t *testing.T) {
	t.Parallel()
	proxies, err := ServeSettings{Proxies: []string{"127.0.0.1", "10.0.0.0/24", "::1", "::ffff:192.0.2.1"}}.proxies()
	want := []netip.Prefix{
		netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("10.0.0.0/24"),
		netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("192.0.2.1/32"),
	}
	if err != nil || !reflect.DeepEqual(proxies, want) {
		t.Errorf("got %v, %v; want %v", proxies, err, want)
	}
}

// Groups of a directory are often distinguished names, which hold = themselves.
func TestRolesOfSingleSignOnAreReadFromTheSettings(t *testing.T) {
	t.Setenv(secretVariable, " hunter2\n")
	got, err := SSOSettings{
		Issuer: "https://id.example.org", ClientID: "aankomst", SecretFile: "/nowhere", RoleClaim: "groups", CentreClaim: "centre",
		Roles: []string{"helpline=COUNSELLOR", "cn=board,dc=example=administrator"},
	}.settings()
	want := access.SSOSettings{
		Issuer: "https://id.example.org", ClientID: "aankomst", ClientSecret: "hunter2", RoleClaim: "groups", CentreClaim: "centre",
		Roles: map[string]store.Role{"helpline": store.RoleCounsellor, "cn=board,dc=example": store.RoleAdministrator},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}
