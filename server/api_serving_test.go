package server_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/server"
	"aankomst/server/access"
	"aankomst/server/release"
	"aankomst/server/servertest"
	"aankomst/server/store"
)

// certificate makes a certificate for loopback.
func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	return tls.Certificate{Certificate: [][]byte{signed}, PrivateKey: key}
}

func TestAPIOverTLS(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{TLS: &tls.Config{Certificates: []tls.Certificate{certificate(t)}, MinVersion: tls.VersionTLS13}})
	code := a.issue(servertest.Year, 1)
	bothWays(t, func(t *testing.T, call func(*api, string, proto.Message) answer) {
		isConfirmed(t, call(a, a.intake(), confirming(code)))
		call(a, "", confirming(code)).refused(t, codes.Unauthenticated, "NOT_SIGNED_IN")
	})
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
		transport := &http.Transport{TLSClientConfig: a.web.Transport.(*http.Transport).TLSClientConfig.Clone(), Protocols: new(http.Protocols)}
		transport.TLSClientConfig.NextProtos = nil
		transport.Protocols.SetHTTP1(protocol == "HTTP/1.1")
		transport.Protocols.SetHTTP2(protocol == "HTTP/2.0")
		response, err := (&http.Client{Transport: transport}).Get(a.HTTP + "/v1/cohorts")
		must(t, err)
		response.Body.Close()
		if response.Proto != protocol || response.StatusCode != http.StatusOK {
			t.Errorf("asked over %s: %s, HTTP %d", protocol, response.Proto, response.StatusCode)
		}
		transport.CloseIdleConnections()
	}
	// Plain text is answered with nothing that was asked for.
	if response, err := http.Get(strings.Replace(a.HTTP, "https://", "http://", 1) + "/v1/cohorts"); err == nil {
		response.Body.Close()
		if response.StatusCode < 400 {
			t.Errorf("plain HTTP: %d", response.StatusCode)
		}
	}
	plain, err := grpc.NewClient(a.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(t, err)
	defer plain.Close()
	if _, err := aankomstv1.NewDirectoryServiceClient(plain).ListCohorts(t.Context(), new(aankomstv1.ListCohortsRequest)); status.Code(err) != codes.Unavailable {
		t.Errorf("plain gRPC: %v", err)
	}
	old := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12}
	for _, address := range []string{a.GRPC, strings.TrimPrefix(a.HTTP, "https://")} {
		if connection, err := tls.Dial("tcp", address, old); err == nil {
			connection.Close()
			t.Errorf("%s took TLS 1.2", address)
		}
	}
}

// Plain text is for loopback alone.
func TestAPIListen(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]struct{ plain, encrypted bool }{
		"127.0.0.1:0": {true, true}, "localhost:0": {true, true}, "127.8.9.10:0": {true, true},
		":0": {false, true}, "": {false, true}, "0.0.0.0:0": {false, true}, "[::]:0": {false, true},
		"127.0.0.1": {}, "127.0.0.1:99999": {}, "127.0.0.1:x": {}, "nowhere.invalid:0": {},
	} {
		for encrypted, works := range map[bool]bool{false: want.plain, true: want.encrypted} {
			listener, err := server.Listen(address, encrypted)
			if err == nil {
				listener.Close()
			}
			if (err == nil) != works {
				t.Errorf("%q, encrypted: %t: %v", address, encrypted, err)
			}
			if refused := !encrypted && want.encrypted && !want.plain; errors.Is(err, server.ErrPlain) != refused {
				t.Errorf("%q, encrypted: %t: %v", address, encrypted, err)
			}
		}
	}
}

// A policy or limits that are too weak end a start, whoever asked for them.
func TestAPIWeakSettings(t *testing.T) {
	t.Parallel()
	good := func() server.Deps {
		return server.Deps{
			Policy: release.Current, Limits: access.DefaultLimits, Clock: time.Now, Log: slog.New(slog.DiscardHandler),
			Origin: "https://aankomst.example",
		}
	}
	if _, err := server.New(good()); err != nil {
		t.Fatal(err)
	}
	for name, weaken := range map[string]func(*server.Deps){
		"no limits":       func(d *server.Deps) { d.Limits = access.Limits{} },
		"a wide minute":   func(d *server.Deps) { d.Limits.PerMinute++ },
		"a wide day":      func(d *server.Deps) { d.Limits.PerDay++ },
		"no policy":       func(d *server.Deps) { d.Policy = release.Policy{} },
		"too small cells": func(d *server.Deps) { d.Policy.MinReferrals-- },
		"plain pages":     func(d *server.Deps) { d.Origin = "http://aankomst.example" },
		"no origin":       func(d *server.Deps) { d.Origin = "" },
		"an IP address":   func(d *server.Deps) { d.Origin = "http://127.0.0.1:8080" },
		"no client":       func(d *server.Deps) { d.SSO.Issuer = "https://id.example" },
	} {
		weak := good()
		weaken(&weak)
		_, err := server.New(weak)
		if !slices.ContainsFunc([]error{access.ErrLimits, release.ErrPolicy, access.ErrOrigin, access.ErrSSO}, func(want error) bool { return errors.Is(err, want) }) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// slowStore holds every Record until it is let go.
type slowStore struct {
	store.Store
	entered chan struct{}
	letGo   chan struct{}
}

func (s *slowStore) Record(ctx context.Context, entries []store.Entry) ([]store.Outcome, error) {
	select {
	case s.entered <- struct{}{}:
	default:
	}
	<-s.letGo
	return s.Store.Record(ctx, entries)
}

// A server that stops lets a call under way end, records what it was handed, and takes no others.
func TestAPIGracefulShutdown(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, call func(*api, string, proto.Message) answer) {
		slow := &slowStore{entered: make(chan struct{}, 1), letGo: make(chan struct{})}
		a := startAPI(t, servertest.Options{Store: func(s store.Store) store.Store {
			slow.Store = s
			return slow
		}})
		counsellor, answered := a.counsellor(), make(chan answer, 1)
		go func() {
			answered <- call(a, counsellor, &aankomstv1.RecordReferralWithoutCodeRequest{Cohort: servertest.Year, Pool: 1})
		}()
		<-slow.entered
		var stopped sync.WaitGroup
		stopped.Go(a.Stop)
		refuses := func(address string) bool {
			connection, err := net.Dial("tcp", address)
			if err == nil {
				connection.Close()
			}
			return err != nil
		}
		eventually(t, "it takes no new connections", func() bool { return refuses(strings.TrimPrefix(a.HTTP, "http://")) })
		select {
		case got := <-answered:
			t.Errorf("the call was answered before it was recorded: %v", got)
		default:
		}
		close(slow.letGo)
		got := <-answered
		got.worked(t)
		stopped.Wait()
		same(t, "counted", a.Counts().Pools[0].ReferredWithoutCode, 1)
		if !refuses(a.GRPC) {
			t.Error("gRPC still takes connections")
		}
	})
}

// What a caller handed in before it went away is recorded before the server has stopped.
func TestAPIShutdownRecordsWhatWasHandedIn(t *testing.T) {
	t.Parallel()
	slow := &slowStore{entered: make(chan struct{}, 1), letGo: make(chan struct{})}
	a := startAPI(t, servertest.Options{Store: func(s store.Store) store.Store {
		slow.Store = s
		return slow
	}})
	ctx, goAway := context.WithCancel(metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+a.counsellor()))
	var gone sync.WaitGroup
	gone.Go(func() {
		_, err := aankomstv1.NewReferralServiceClient(a.Connection).RecordReferralWithoutCode(ctx,
			&aankomstv1.RecordReferralWithoutCodeRequest{Cohort: servertest.Year, Pool: 1})
		if status.Code(err) != codes.Canceled {
			t.Errorf("the caller who went away got %v", err)
		}
	})
	<-slow.entered
	goAway()
	gone.Wait()
	var stopped sync.WaitGroup
	stopped.Go(a.Stop)
	close(slow.letGo)
	stopped.Wait()
	same(t, "counted", a.Counts().Pools[0].ReferredWithoutCode, 1)
}
