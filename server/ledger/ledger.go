// Package ledger records referrals and arrivals durably. It gathers the calls that are under way into
// one transaction of the store, in random order, and answers each only when that is durable. A caller
// that goes away loses nothing and doubles nothing: what was handed in is recorded once.
package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"aankomst/server/store"
)

// RetryWindow is how long a repeated issue is known to be one.
const RetryWindow = time.Minute

const (
	// maxBatch bounds a transaction, maxWaiting the calls that wait for one.
	maxBatch   = 256
	maxWaiting = 4096
	// maxIssues bounds the memory of recent issues; past it a retry counts again.
	maxIssues = 1 << 16
)

var (
	// ErrStopped is returned once the ledger is closed; nothing was recorded.
	ErrStopped = fmt.Errorf("the server is stopping: %w", store.ErrUnavailable)
	// ErrBusy is returned when too many calls wait; nothing was recorded.
	ErrBusy = fmt.Errorf("too many calls wait for the store: %w", store.ErrUnavailable)
)

// Ledger records entries. Make one with New; it is safe for concurrent use.
type Ledger struct {
	tally   store.Tally
	clock   func() time.Time
	waiting chan *call
	done    chan struct{}

	mu      sync.RWMutex // held for reading while a call is handed in, so that none comes after Close
	stopped bool

	issuesMu sync.Mutex
	issues   map[issueKey]*issue
	recent   []dated // the keys of issues, oldest first
}

// call is one entry on its way. The reply channel has room for its reply, so that nobody waits for a
// caller that has gone away.
type call struct {
	entry store.Entry
	reply chan reply
}

type reply struct {
	outcome store.Outcome
	err     error
}

type issueKey [sha256.Size]byte

// issue is an issue that is being recorded or was recorded less than RetryWindow ago.
type issue struct {
	settled chan struct{} // closed when reply is set
	reply   reply
	at      time.Time
}

// dated is the key of an issue with the moment at which it came.
type dated struct {
	key issueKey
	at  time.Time
}

// New returns a ledger that records in a tally. The clock tells how old a repeated issue is.
func New(tally store.Tally, clock func() time.Time) *Ledger {
	l := &Ledger{
		tally: tally, clock: clock,
		waiting: make(chan *call, maxWaiting), done: make(chan struct{}),
		issues: map[issueKey]*issue{},
	}
	go l.run()
	return l
}

// Close waits until everything handed in is recorded; later calls get ErrStopped.
func (l *Ledger) Close() {
	l.mu.Lock()
	if !l.stopped {
		l.stopped = true
		close(l.waiting)
	}
	l.mu.Unlock()
	<-l.done
}

// Record records an entry and returns its outcome when it is durable. Errors are those of
// store.Tally.Record, ErrBusy, ErrStopped, or the context's: after the latter the entry is recorded
// nevertheless, unless the context had ended before Record was called.
func (l *Ledger) Record(ctx context.Context, entry store.Entry) (store.Outcome, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	c := &call{entry: entry, reply: make(chan reply, 1)}
	if err := l.hand(c); err != nil {
		return 0, err
	}
	select {
	case r := <-c.reply:
		return r.outcome, r.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// hand puts a call in the queue, or says why it cannot.
func (l *Ledger) hand(c *call) error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.stopped {
		return ErrStopped
	}
	select {
	case l.waiting <- c:
		return nil
	default:
		return ErrBusy
	}
}

// RecordIssue is Record for an issued code. The same entry with the same blinded element within
// RetryWindow is recorded once, and every caller gets that one outcome. This is kept in memory only:
// after a restart, or on another process, a retry counts again.
func (l *Ledger) RecordIssue(ctx context.Context, entry store.Entry, element []byte) (store.Outcome, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	key := keyOf(entry, element)
	for {
		mine, first := l.claim(key)
		if first {
			// The outcome must be known to whoever retries, even when this caller goes away.
			go func() {
				outcome, err := l.Record(context.WithoutCancel(ctx), entry)
				l.settle(key, mine, reply{outcome, err})
			}()
		}
		select {
		case <-mine.settled:
			// An attempt that failed before this caller came is no answer to it.
			if mine.reply.err != nil && !first {
				continue
			}
			return mine.reply.outcome, mine.reply.err
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// claim returns the issue of that key; first says that the caller has to record it.
func (l *Ledger) claim(key issueKey) (i *issue, first bool) {
	l.issuesMu.Lock()
	defer l.issuesMu.Unlock()
	now := l.clock()
	if known, ok := l.issues[key]; ok && now.Sub(known.at) < RetryWindow {
		return known, false
	}
	l.forget(now)
	i = &issue{settled: make(chan struct{}), at: now}
	if len(l.recent) < maxIssues {
		l.issues[key] = i
		l.recent = append(l.recent, dated{key, now})
	}
	return i, true
}

// Forget drops what is kept of issues older than RetryWindow. It is to be called now and then, so that
// nothing of the last issue of a day stays in memory over night.
func (l *Ledger) Forget() {
	l.issuesMu.Lock()
	defer l.issuesMu.Unlock()
	l.forget(l.clock())
}

// forget is Forget for those who hold the lock.
func (l *Ledger) forget(now time.Time) {
	for len(l.recent) > 0 && now.Sub(l.recent[0].at) >= RetryWindow {
		oldest := l.recent[0]
		l.recent = l.recent[1:]
		// The same element may have come again since.
		if known, ok := l.issues[oldest.key]; ok && known.at.Equal(oldest.at) {
			delete(l.issues, oldest.key)
		}
	}
}

// settle answers all who wait for an issue. One that was not recorded is forgotten, so that a retry
// tries anew.
func (l *Ledger) settle(key issueKey, i *issue, r reply) {
	l.issuesMu.Lock()
	defer l.issuesMu.Unlock()
	i.reply = r
	if (r.err != nil || r.outcome != store.Done) && l.issues[key] == i {
		delete(l.issues, key)
	}
	close(i.settled)
}

// keyOf identifies an issue, without keeping the element itself.
func keyOf(entry store.Entry, element []byte) issueKey {
	head := binary.BigEndian.AppendUint32(nil, uint32(entry.Year))
	head = binary.BigEndian.AppendUint32(head, entry.Pool)
	head = append(head, byte(entry.Kind))
	return sha256.Sum256(append(head, element...))
}

// run records whatever waits, again and again: while one transaction is on its way to the disk, the
// next batch gathers.
func (l *Ledger) run() {
	defer close(l.done)
	for first := range l.waiting {
		batch := []*call{first}
	gather:
		for len(batch) < maxBatch {
			select {
			case c, ok := <-l.waiting:
				if !ok {
					break gather
				}
				batch = append(batch, c)
			default:
				break gather
			}
		}
		l.flush(batch)
	}
}

// flush records a batch in random order and answers its callers.
func (l *Ledger) flush(batch []*call) {
	batch = shuffled(batch)
	entries := make([]store.Entry, len(batch))
	for i, c := range batch {
		entries[i] = c.entry
	}
	outcomes, err := l.tally.Record(context.Background(), entries)
	if err == nil && len(outcomes) != len(entries) {
		err = errors.New("the store returned the wrong number of outcomes")
	}
	for i, c := range batch {
		if err != nil {
			c.reply <- reply{err: err}
			continue
		}
		c.reply <- reply{outcome: outcomes[i]}
	}
}

// shuffled returns a batch in random order, but for entries of the same code: those stay as they were
// handed in, so that an arrival that was interrupted and then taken back is taken back.
func shuffled(batch []*call) []*call {
	waiting := map[store.Nullifier][]*call{}
	for _, c := range batch {
		waiting[c.entry.Nullifier] = append(waiting[c.entry.Nullifier], c)
	}
	mixed := make([]*call, len(batch))
	for i, from := range rand.Perm(len(batch)) {
		mixed[i] = batch[from]
		if code := mixed[i].entry.Nullifier; code != (store.Nullifier{}) {
			mixed[i], waiting[code] = waiting[code][0], waiting[code][1:]
		}
	}
	return mixed
}
