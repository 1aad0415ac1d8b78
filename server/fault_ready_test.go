package server_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"aankomst/server/servertest"
	"aankomst/server/store"
)

// hesitant is a store whose Ping, when it is asked for by a caller over HTTP, waits until it is let go
// or its context ends.
type hesitant struct {
	store.Store
	armed   atomic.Bool
	entered chan struct{}
	let     chan struct{}
}

func (s *hesitant) Ping(ctx context.Context) error {
	if ctx.Value(http.ServerContextKey) == nil || !s.armed.CompareAndSwap(true, false) {
		return s.Store.Ping(ctx)
	}
	close(s.entered)
	select {
	case <-s.let:
		return s.Store.Ping(ctx)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Whoever asks whether the server is ready and hangs up before the answer must not make it unready for
// everybody else: anyone may ask, and the answer is kept for a while.
func TestFaultAskerHangsUp(t *testing.T) {
	t.Parallel()
	var slow *hesitant
	f := servertest.Start(t, servertest.Options{Store: func(s store.Store) store.Store {
		slow = &hesitant{Store: s, entered: make(chan struct{}), let: make(chan struct{})}
		return slow
	}})
	isReady(t, f, true)
	slow.armed.Store(true)
	var asking net.Conn
	eventually(t, "a caller makes the server look at its store", func() bool {
		var err error
		asking, err = net.Dial("tcp", strings.TrimPrefix(f.HTTP, "http://"))
		must(t, err)
		_, err = asking.Write([]byte("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"))
		must(t, err)
		select {
		case <-slow.entered:
			return true
		case <-time.After(100 * time.Millisecond):
			asking.Close()
			return false
		}
	})
	asking.Close()
	time.Sleep(300 * time.Millisecond) // for the server to notice; if it does not, the test proves less
	close(slow.let)
	if code, body := get(t, f.HTTP+"/readyz"); code != http.StatusOK {
		t.Errorf("after a caller hung up /readyz gives %d: %s", code, body)
	}
}
