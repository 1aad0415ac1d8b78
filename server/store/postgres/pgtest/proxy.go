//go:build unix

package pgtest

import (
	"bufio"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// Proxy is a network between clients and a server that can be broken. It is safe for concurrent use.
type Proxy struct {
	dsn             string
	network, server string
	listener        net.Listener
	running         sync.WaitGroup

	mu       sync.Mutex
	refusing bool
	links    map[*link]struct{}
	passing  int // commits that pass before the one that is cut
	answered bool
	cut      chan struct{} // closed when it is; nil when none is to be
}

// NewProxy puts a proxy, at an address of 127.0.0.1, in front of the server of a DSN, the first when it
// names several. Connections through it are not encrypted. It ends with the test.
func NewProxy(tb testing.TB, dsn string) *Proxy {
	tb.Helper()
	config, err := pgconn.ParseConfig(dsn)
	if err != nil {
		tb.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &Proxy{dsn: dsn, listener: listener, links: map[*link]struct{}{}}
	p.network, p.server = pgconn.NetworkAddress(config.Host, config.Port)
	p.running.Go(p.accept)
	tb.Cleanup(func() {
		p.Refuse()
		listener.Close()
		p.running.Wait()
	})
	return p
}

// Address returns the host and port of the proxy.
func (p *Proxy) Address() string { return p.listener.Addr().String() }

// DSN returns the address that NewProxy was given, by way of the proxy.
func (p *Proxy) DSN() string {
	host, port, _ := net.SplitHostPort(p.Address())
	return with(p.dsn, "host", host, "port", port, "sslmode", "disable")
}

// Cut cuts all connections, both ways and without a farewell. New ones are let in.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for link := range p.links {
		link.cut()
	}
}

// Refuse cuts all connections, and new ones as soon as they are made, until Accept.
func (p *Proxy) Refuse() {
	p.mu.Lock()
	p.refusing = true
	p.mu.Unlock()
	p.Cut()
}

// Accept lets new connections in again.
func (p *Proxy) Accept() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refusing = false
}

// CutBeforeCommit cuts the connection on which the n-th COMMIT from now is sent, 1 being the next, so
// that the server never gets it. The channel is closed when it is cut. COMMIT must be a statement of its
// own or in a text of several; a statement outside of a transaction is none. A later call of this or of
// CutAfterCommit takes its place.
func (p *Proxy) CutBeforeCommit(n int) <-chan struct{} { return p.cutAt(n, false) }

// CutAfterCommit is CutBeforeCommit, but the server gets the COMMIT and has carried it out, or refused
// it, when the connection is cut; the client does not get the answer.
func (p *Proxy) CutAfterCommit(n int) <-chan struct{} { return p.cutAt(n, true) }

func (p *Proxy) cutAt(n int, answered bool) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.passing, p.answered, p.cut = n-1, answered, make(chan struct{})
	return p.cut
}

// commit counts a COMMIT. When it is the one at which to cut, it returns the channel that says so.
func (p *Proxy) commit() (cut chan struct{}, answered bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut == nil {
		return nil, false
	}
	if p.passing > 0 {
		p.passing--
		return nil, false
	}
	cut, p.cut = p.cut, nil
	return cut, p.answered
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.running.Go(func() { p.serve(client) })
	}
}

// serve carries a connection until one side closes it or it is cut.
func (p *Proxy) serve(client net.Conn) {
	l := &link{proxy: p, client: client}
	if !p.add(l) {
		l.cut()
		return
	}
	defer p.drop(l)
	server, err := net.Dial(p.network, p.server)
	if err != nil || !l.connect(server) {
		l.cut()
		return
	}
	var back sync.WaitGroup
	back.Go(l.back)
	l.forth()
	back.Wait()
	if l.committed != nil {
		close(l.committed)
	}
}

// add lets a connection in, or does not.
func (p *Proxy) add(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.refusing {
		p.links[l] = struct{}{}
	}
	return !p.refusing
}

func (p *Proxy) drop(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
}

// link is one connection through a proxy.
type link struct {
	proxy  *Proxy
	client net.Conn
	// committed is closed when the link has ended, if it ends for a COMMIT that it carried.
	committed chan struct{}
	// mute says that the client gets nothing more, and that the link ends once the server has said what
	// became of the COMMIT.
	mute atomic.Bool

	mu     sync.Mutex
	server net.Conn // nil until it is connected
	closed bool
}

// connect sets the server's side, unless the link was cut meanwhile.
func (l *link) connect(server net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		_ = server.Close()
		return false
	}
	l.server = server
	return true
}

// forth carries what the client sends.
func (l *link) forth() {
	defer l.close()
	in, out := newRequests(l.client), bufio.NewWriter(l.server)
	message, err := in.first(func() error { _, err := l.client.Write([]byte{'N'}); return err })
	for err == nil {
		if err = pass(message, in.Reader, out); err != nil {
			return
		}
		var commit bool
		if message, commit, err = in.next(); err != nil || !commit {
			continue
		}
		cut, answered := l.proxy.commit()
		if cut == nil {
			continue
		}
		l.committed = cut
		if !answered {
			l.cut()
			return
		}
		l.mute.Store(true)
	}
}

// back carries what the server sends.
func (l *link) back() {
	defer l.close()
	in, out := bufio.NewReader(l.server), bufio.NewWriter(l.client)
	for {
		message, err := readMessage(in, true)
		switch {
		case err != nil:
			return
		case !l.mute.Load():
			err = pass(message, in, out)
		case settles(message):
			l.cut()
		}
		if err != nil {
			return
		}
	}
}

// pass hands a message on, at once unless another has come in already.
func pass(message []byte, in *bufio.Reader, out *bufio.Writer) error {
	if _, err := out.Write(message); err != nil || in.Buffered() > 0 {
		return err
	}
	return out.Flush()
}

// cut closes both sides at once; what is under way is lost.
func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, side := range []net.Conn{l.client, l.server} {
		if side, ok := side.(*net.TCPConn); ok && !l.closed {
			_ = side.SetLinger(0) // it fails when the other side was faster
		}
	}
	l.shut()
}

// close closes both sides.
func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shut()
}

func (l *link) shut() {
	if l.closed {
		return
	}
	l.closed = true
	_ = l.client.Close()
	if l.server != nil {
		_ = l.server.Close()
	}
}
