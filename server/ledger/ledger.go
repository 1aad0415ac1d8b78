// Package ledger records referrals and arrivals durably. It gathers the calls that are under way into
// one transaction of the store, in random order, and answers each only when that is durable. A caller
// that goes away loses nothing and doubles nothing: what was handed in is recorded once.
package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"aankomst/server/gather"
	"aankomst/server/store"
)

// RetryWindow is how long a repeated issue is known to be one.
const RetryWindow = time.Minute

const (
	// maxBatch bounds a transaction.
	maxBatch = 256
	// maxRepeats bounds how often a batch is recorded again after a commit that nobody knows of, and
	// repeatTime for how long since it was first tried. A commit that is cut off is known to be soon, and
	// there is time to repeat it. One that waits for a standby that is gone would only wait again, and
	// the callers with it, who can repeat the call themselves.
	maxRepeats = 3
	repeatTime = 4 * time.Second
	// maxIssues bounds the memory of recent issues; past it a retry counts again.
	maxIssues = 1 << 16
)

var (
	// ErrStopped is returned once the ledger is closed; nothing was recorded.
	ErrStopped = gather.ErrStopped
	// ErrBusy is returned when too many calls wait; nothing was recorded.
	ErrBusy = gather.ErrBusy
)

// Ledger records entries. Make one with New; it is safe for concurrent use.
type Ledger struct {
	tally   store.Tally
	clock   func() time.Time
	entries *gather.Gatherer[store.Entry, reply]

	issuesMu sync.Mutex
	issues   map[issueKey]*issue
	recent   []dated // the keys of issues, oldest first
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
	l := &Ledger{tally: tally, clock: clock, issues: map[issueKey]*issue{}}
	l.entries = gather.New(maxBatch, l.flush)
	return l
}

// Close waits until everything handed in is recorded; later calls get ErrStopped.
func (l *Ledger) Close() { l.entries.Close() }

// Record records an entry and returns its outcome when it is durable. Errors are those of
// store.Tally.Record, ErrBusy, ErrStopped, a *gather.PanicError, or the context's: after the latter the
// entry is recorded nevertheless, unless the context had ended before Record was called.
func (l *Ledger) Record(ctx context.Context, entry store.Entry) (store.Outcome, error) {
	r, err := l.entries.Ask(ctx, entry)
	if err != nil {
		return 0, err
	}
	return r.outcome, r.err
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

// flush records a batch in random order and returns the replies in that of the batch.
func (l *Ledger) flush(batch []store.Entry) ([]reply, error) {
	order := shuffled(batch)
	mixed := make([]store.Entry, len(batch))
	for i, from := range order {
		mixed[i] = batch[from]
	}
	repeating, cancel := context.WithTimeout(context.Background(), repeatTime)
	defer cancel()
	recorded := l.record(context.Background(), repeating, mixed, maxRepeats)
	replies := make([]reply, len(batch))
	for i, from := range order {
		replies[from] = recorded[i]
	}
	return replies, nil
}

// record records entries. After a commit that may or may not have happened, those that may be recorded
// twice are, at most so many times and until repeating ends; who waits for the others, or for longer, is
// told that it is uncertain.
func (l *Ledger) record(ctx, repeating context.Context, entries []store.Entry, repeats int) []reply {
	replies := make([]reply, len(entries))
	outcomes, err := l.tally.Record(ctx, entries)
	if err == nil && len(outcomes) != len(entries) {
		err = errors.New("the store returned the wrong number of outcomes")
	}
	var again []store.Entry
	var places []int
	for i, entry := range entries {
		if err != nil {
			replies[i] = reply{err: err}
		} else {
			replies[i] = reply{outcome: outcomes[i]}
		}
		if entry.Kind.Repeatable() {
			again, places = append(again, entry), append(places, i)
		}
	}
	if errors.Is(err, store.ErrUncertain) && repeats > 0 && len(again) > 0 {
		for i, r := range l.record(repeating, repeating, again, repeats-1) {
			// That there was no time for it is no answer: what it was to make certain is still uncertain.
			if !errors.Is(r.err, context.DeadlineExceeded) {
				replies[places[i]] = r
			}
		}
	}
	return replies
}

// shuffled returns the places of a batch in random order, but for entries of the same code: those stay as
// they were handed in, so that an arrival that was interrupted and then taken back is taken back.
func shuffled(batch []store.Entry) []int {
	waiting := map[store.Nullifier][]int{}
	for i, entry := range batch {
		waiting[entry.Nullifier] = append(waiting[entry.Nullifier], i)
	}
	order := rand.Perm(len(batch))
	for i, from := range order {
		if code := batch[from].Nullifier; code != (store.Nullifier{}) {
			order[i], waiting[code] = waiting[code][0], waiting[code][1:]
		}
	}
	return order
}
