package client_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	client "aankomst/clients/go"
	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/server/servertest"
)

// A token that crosses a network in plain text is anyone's.
func TestDialRefusesPlainTextToOtherMachines(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"192.0.2.1:9090", "10.0.0.1:9090", "0.0.0.0:9090", ":9090", "", "[::]:9090", "[2001:db8::1]:9090", "[::ffff:192.0.2.1]:9090",
	} {
		if _, err := client.Dial(address, nil); !errors.Is(err, client.ErrPlain) {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, address := range []string{"127.0.0.1", "127.0.0.1:port", "127.0.0.1:99999", "http://127.0.0.1:8080", "unix:/run/socket"} {
		if _, err := client.Dial(address, nil); err == nil || errors.Is(err, client.ErrPlain) {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// What was looked up once is what is used: a name could stand for another machine a moment later.
func TestDialUsesTheAddressThatItChecked(t *testing.T) {
	t.Parallel()
	f := servertest.Start(t, servertest.Options{})
	_, port, err := net.SplitHostPort(f.GRPC)
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "localhost"} {
		connection, err := client.Dial(net.JoinHostPort(host, port), nil)
		if err != nil {
			t.Fatalf("%s: %v", host, err)
		}
		defer connection.Close()
		if strings.Contains(connection.Target(), "localhost") {
			t.Errorf("%s: the connection is to %s", host, connection.Target())
		}
		if _, err := client.New(connection, "", new(client.MemoryPins)).Cohort(t.Context(), servertest.Year); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestDialWithTLSTrustsItsAuthorityAlone(t *testing.T) {
	t.Parallel()
	ours, pool := selfSigned(t)
	f := servertest.Start(t, servertest.Options{TLS: &tls.Config{Certificates: []tls.Certificate{ours}, MinVersion: tls.VersionTLS13}})
	_, others := selfSigned(t)
	for _, c := range []struct {
		name  string
		roots *x509.CertPool
		want  codes.Code
	}{{"its own", pool, codes.OK}, {"another", others, codes.Unavailable}} {
		connection, err := client.Dial(f.GRPC, &tls.Config{RootCAs: c.roots, MinVersion: tls.VersionTLS13})
		if err != nil {
			t.Fatal(err)
		}
		defer connection.Close()
		// The generated client, since a call by Client would be repeated.
		_, err = client.New(connection, "", new(client.MemoryPins)).Directory.ListCohorts(t.Context(), &aankomstv1.ListCohortsRequest{})
		if status.Code(err) != c.want {
			t.Errorf("%s authority: %v", c.name, err)
		}
	}
}

// selfSigned makes a certificate for 127.0.0.1 that is its own authority.
func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(signed)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(certificate)
	return tls.Certificate{Certificate: [][]byte{signed}, PrivateKey: key}, pool
}
