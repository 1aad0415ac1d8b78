package server_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"aankomst/server/servertest"
)

// frame returns an HTTP/2 frame.
func frame(kind, flags byte, stream uint32, payload string) string {
	head := binary.BigEndian.AppendUint32(nil, uint32(len(payload)))[1:]
	head = append(head, kind, flags)
	return string(binary.BigEndian.AppendUint32(head, stream)) + payload
}

const (
	frameHeaders, frameSettings = 1, 4
	flagEndStream, endHeaders   = 1, 4
	preface                     = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
)

// callWithoutBody is the beginning of a gRPC call: everything but its message.
func callWithoutBody(method string) string {
	var headers strings.Builder
	for _, header := range [][2]string{
		{":method", "POST"}, {":scheme", "http"}, {":path", method}, {":authority", "x"},
		{"content-type", "application/grpc"}, {"te", "trailers"},
	} {
		headers.WriteByte(0) // a literal that is not indexed, with its name
		for _, text := range header {
			headers.WriteByte(byte(len(text)))
			headers.WriteString(text)
		}
	}
	return preface + frame(frameSettings, 0, 0, "") + frame(frameHeaders, endHeaders, 1, headers.String())
}

// slow is a caller who sends the beginning of something and then nothing, or a byte now and then.
type slow struct {
	name     string
	grpc     bool
	count    int
	begins   string
	trickles bool
	// ends reads until the server has ended it; by default until it closes the connection.
	ends func(net.Conn) error
}

// dropped reads until the server closes the connection.
func dropped(conn net.Conn) error {
	_, err := io.Copy(io.Discard, conn)
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
		return fmt.Errorf("the server still holds the connection: %w", err)
	}
	return nil // closed, or reset
}

// callEnded reads until the server has ended the first call of a connection, which may go on.
func callEnded(conn net.Conn) error {
	head := make([]byte, 9)
	for {
		if _, err := io.ReadFull(conn, head); err != nil {
			return fmt.Errorf("the server does not end the call: %w", err)
		}
		length := int64(head[0])<<16 | int64(head[1])<<8 | int64(head[2])
		if _, err := io.CopyN(io.Discard, conn, length); err != nil {
			return err
		}
		if head[3] == frameHeaders && head[4]&flagEndStream != 0 {
			return nil
		}
	}
}

// Two thousand callers who begin and do not go on keep nobody from being answered, and are dropped
// within the server's own limits: 5 seconds to begin, 20 for a call.
func TestFaultSlowCallers(t *testing.T) {
	manyDescriptors(t, 6000) // both ends are in this process
	before := resourcesNow(t)
	t.Run("slow", func(t *testing.T) {
		f := servertest.Start(t, servertest.Options{})
		p := newParty(t, f)
		kinds := []slow{
			{name: "HTTP, silent", count: 400},
			{name: "HTTP, part of a header", count: 400, begins: "GET /v1/cohorts HTTP/1.1\r\nHost: x\r\nX-Long: "},
			{name: "HTTP, a byte now and then", count: 50, begins: "GET /v1/cohorts HTTP/1.1\r\nX-Long: ", trickles: true},
			{name: "HTTP, no body", count: 200, begins: "POST /v1/arrivals:confirm HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + p.intake +
				"\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"},
			{name: "gRPC, silent", grpc: true, count: 400},
			{name: "gRPC, part of the preface", grpc: true, count: 400, begins: preface[:10]},
			{name: "gRPC, a byte now and then", grpc: true, count: 50, begins: preface[:3], trickles: true},
			{name: "gRPC, no body", grpc: true, count: 100, begins: callWithoutBody("/aankomst.v1.ArrivalService/ConfirmArrival"), ends: callEnded},
		}
		var opened, ended sync.WaitGroup
		total := 0
		for _, kind := range kinds {
			address := strings.TrimPrefix(f.HTTP, "http://")
			if kind.grpc {
				address = f.GRPC
			}
			total += kind.count
			opened.Add(kind.count)
			for range kind.count {
				ended.Go(func() {
					conn, err := net.Dial("tcp", address)
					opened.Done()
					if err != nil {
						t.Errorf("%s: %v", kind.name, err)
						return
					}
					defer conn.Close()
					if err := kind.wait(conn); err != nil {
						t.Errorf("%s: %v", kind.name, err)
					}
				})
			}
		}
		if total != 2000 {
			t.Errorf("there are %d slow callers", total)
		}
		opened.Wait()

		// Meanwhile the others are served, over both.
		for range 20 {
			p.issueAndConfirm()
			p.rest(http.StatusOK, "/v1/referrals:recordWithoutCode", p.counsellor, map[string]int{"cohort": servertest.Year, "pool": 1})
		}
		if code, body := get(t, f.HTTP+"/readyz"); code != http.StatusOK {
			t.Errorf("/readyz gives %d: %s", code, body)
		}
		ended.Wait()
		p.issueAndConfirm()
		if counts := f.Counts().Pools[0]; counts.Issued != 21 || counts.Arrived != 21 || counts.ReferredWithoutCode != 20 {
			t.Errorf("the counts are %+v", counts)
		}
	})
	before.givenBack(t)
}

func (p *party) issueAndConfirm() {
	p.t.Helper()
	must(p.t, p.confirm(p.issue(1, false).Code, 0))
}

// wait is a slow caller's whole life.
func (s slow) wait(conn net.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := io.WriteString(conn, s.begins); err != nil {
		return err
	}
	if s.trickles {
		stop := make(chan struct{})
		defer close(stop)
		go func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(500 * time.Millisecond):
				}
				if _, err := conn.Write([]byte("x")); err != nil {
					return
				}
			}
		}()
	}
	if s.ends != nil {
		return s.ends(conn)
	}
	return dropped(conn)
}

// A server that is told to stop does not wait for slow callers longer than it allows itself.
func TestFaultStopWithSlowCallers(t *testing.T) {
	t.Parallel()
	f := servertest.Start(t, servertest.Options{})
	p := newParty(t, f)
	for begins, address := range map[string]string{
		preface[:10]: f.GRPC,
		callWithoutBody("/aankomst.v1.ArrivalService/ConfirmArrival"):                   f.GRPC,
		"GET /v1/cohorts HTTP/1.1\r\nX-Long: ":                                          f.HTTP,
		"POST /v1/arrivals:confirm HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{": f.HTTP,
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(address, "http://"))
		must(t, err)
		defer conn.Close()
		_, err = io.WriteString(conn, begins)
		must(t, err)
	}
	p.issueAndConfirm()
	f.Stop()
	if counts := f.Counts().Pools[0]; counts.Issued != 1 || counts.Arrived != 1 {
		t.Errorf("the counts are %+v", counts)
	}
}
