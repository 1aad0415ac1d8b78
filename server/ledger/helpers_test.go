package ledger

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"aankomst/server/gather"
	"aankomst/server/store"
)

// maxWaiting bounds the calls that wait for a transaction.
const maxWaiting = gather.MaxWaiting

// tally is a store.Tally for tests: it keeps what each transaction recorded, and holds transactions up
// for as long as its gate is shut.
type tally struct {
	store.Tally // only Record is called

	// outcome says what becomes of an entry; nil: all are done.
	outcome func(store.Entry) store.Outcome

	mu      sync.Mutex
	gate    chan struct{}
	failure error
	keep    int // transactions that are certain, before
	lose    int // those whose commit nobody knows of
	batches [][]store.Entry
}

func (s *tally) Record(_ context.Context, entries []store.Entry) ([]store.Outcome, error) {
	s.mu.Lock()
	gate := s.gate
	s.mu.Unlock()
	if gate != nil {
		<-gate
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure != nil {
		return nil, s.failure
	}
	s.batches = append(s.batches, slices.Clone(entries))
	if s.keep > 0 {
		s.keep--
	} else if s.lose > 0 {
		s.lose--
		return nil, store.ErrUncertain
	}
	outcomes := make([]store.Outcome, len(entries))
	for i, entry := range entries {
		outcomes[i] = store.Done
		if s.outcome != nil {
			outcomes[i] = s.outcome(entry)
		}
	}
	return outcomes, nil
}

// shut holds transactions up until open is called. Shut again, it holds up the later ones until the
// later open is called.
func (s *tally) shut() (open func()) {
	gate := make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gate = gate
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		close(gate)
		if s.gate == gate {
			s.gate = nil
		}
	}
}

// fail makes transactions fail; nil makes them work again.
func (s *tally) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failure = err
}

// loseNext has transactions recorded and answered as uncertain; keepNext has some not be, before that.
func (s *tally) loseNext(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lose = n
}

func (s *tally) keepNext(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keep = n
}

// sizes returns how many entries each transaction had.
func (s *tally) sizes() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	var sizes []int
	for _, batch := range s.batches {
		sizes = append(sizes, len(batch))
	}
	return sizes
}

// times returns how often each pool's entry was recorded. Tests tell entries apart by their pools.
func (s *tally) times() map[uint32]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	times := map[uint32]int{}
	for _, batch := range s.batches {
		for _, entry := range batch {
			times[entry.Pool]++
		}
	}
	return times
}

// entry returns an issue of a pool.
func entry(pool uint32) store.Entry { return store.Entry{Kind: store.Issue, Year: 2027, Pool: pool} }

// answer is what a caller got.
type answer struct {
	outcome store.Outcome
	err     error
}

// inBubble runs a test with a ledger, on a clock of its own that moves only when everything waits. The
// test fails when it leaves a goroutine behind.
func inBubble(t *testing.T, test func(t *testing.T, l *Ledger, s *tally)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &tally{}
		l := New(s, time.Now)
		test(t, l, s)
		l.Close()
	})
}

// record calls Record in a goroutine, waits until it is handed in, and returns where its answer comes.
func record(ctx context.Context, l *Ledger, entry store.Entry) <-chan answer {
	return start(func() (store.Outcome, error) { return l.Record(ctx, entry) })
}

// issueFor is record for RecordIssue.
func issueFor(ctx context.Context, l *Ledger, entry store.Entry, element string) <-chan answer {
	return start(func() (store.Outcome, error) { return l.RecordIssue(ctx, entry, []byte(element)) })
}

func start(call func() (store.Outcome, error)) <-chan answer {
	answers := make(chan answer, 1)
	go func() {
		outcome, err := call()
		answers <- answer{outcome, err}
	}()
	synctest.Wait()
	return answers
}

// none fails when an answer came already.
func none(t *testing.T, answers <-chan answer) {
	t.Helper()
	select {
	case a := <-answers:
		t.Fatalf("answered %v before it was recorded", a)
	default:
	}
}

// done fails unless an answer is store.Done.
func done(t *testing.T, answers <-chan answer) {
	t.Helper()
	if a := <-answers; a.err != nil || a.outcome != store.Done {
		t.Fatalf("got outcome %d, error %v", a.outcome, a.err)
	}
}
