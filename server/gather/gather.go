// Package gather serves many callers with one call of a function: while one is under way, those who come
// meanwhile gather, and the next serves them all. The busier it gets, the less each of them costs.
package gather

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"aankomst/server/store"
)

// MaxWaiting bounds the calls that wait.
const MaxWaiting = 4096

// When at least busyFrom were served together, more are on their way: letting them come for a moment
// spreads what serving costs over more of them, and costs nobody else anything.
const (
	busyFrom = 6
	moment   = time.Millisecond
)

var (
	// ErrStopped is returned once a gatherer is closed; nothing was served.
	ErrStopped = fmt.Errorf("the server is stopping: %w", store.ErrUnavailable)
	// ErrBusy is returned when too many callers wait; nothing was served.
	ErrBusy = fmt.Errorf("too many calls wait for the store: %w", store.ErrUnavailable)
)

// PanicError says that serving ended in a panic. It quotes nothing of its value, which may be data.
type PanicError struct {
	// Stack is where it was, as debug.Stack writes it.
	Stack []byte
}

// Error says only that there was a panic.
func (e *PanicError) Error() string { return "a panic while serving what was gathered" }

// Gatherer serves callers together. Make one with New; it is safe for concurrent use.
type Gatherer[Q, A any] struct {
	most    int
	serve   func([]Q) ([]A, error)
	waiting chan *call[Q, A]
	done    chan struct{}

	mu      sync.RWMutex // held for reading while a call is handed in, so that none comes after Close
	stopped bool
}

// call is one question on its way. The reply channel has room for its reply, so that nobody waits for a
// caller that has gone away.
type call[Q, A any] struct {
	question Q
	reply    chan reply[A]
}

type reply[A any] struct {
	answer A
	err    error
}

// New returns a gatherer that has serve answer the questions of up to most callers, one answer each, in
// their order. It calls serve from one goroutine, until Close.
func New[Q, A any](most int, serve func([]Q) ([]A, error)) *Gatherer[Q, A] {
	g := &Gatherer[Q, A]{most: most, serve: serve, waiting: make(chan *call[Q, A], MaxWaiting), done: make(chan struct{})}
	go g.run()
	return g
}

// Close waits until everything handed in is served; later calls get ErrStopped.
func (g *Gatherer[Q, A]) Close() {
	g.mu.Lock()
	if !g.stopped {
		g.stopped = true
		close(g.waiting)
	}
	g.mu.Unlock()
	<-g.done
}

// Ask hands in a question and returns its answer; serve is called after that and not before. Errors are
// those of serve, which all who were served together get; a *PanicError; ErrBusy; ErrStopped; or the
// context's: after the latter the question is served nevertheless, unless the context had ended before
// Ask was called.
func (g *Gatherer[Q, A]) Ask(ctx context.Context, question Q) (answer A, err error) {
	if err := ctx.Err(); err != nil {
		return answer, err
	}
	c := &call[Q, A]{question: question, reply: make(chan reply[A], 1)}
	if err := g.hand(c); err != nil {
		return answer, err
	}
	select {
	case r := <-c.reply:
		return r.answer, r.err
	case <-ctx.Done():
		return answer, ctx.Err()
	}
}

// hand puts a call in the queue, or says why it cannot.
func (g *Gatherer[Q, A]) hand(c *call[Q, A]) error {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.stopped {
		return ErrStopped
	}
	select {
	case g.waiting <- c:
		return nil
	default:
		return ErrBusy
	}
}

// run serves whatever waits, again and again.
func (g *Gatherer[Q, A]) run() {
	defer close(g.done)
	busy := false
	for first := range g.waiting {
		batch := []*call[Q, A]{first}
		if busy {
			time.Sleep(moment)
		}
	gather:
		for len(batch) < g.most {
			select {
			case c, ok := <-g.waiting:
				if !ok {
					break gather
				}
				batch = append(batch, c)
			default:
				break gather
			}
		}
		g.answer(batch)
		busy = len(batch) >= busyFrom
	}
}

// answer serves a batch and tells its callers.
func (g *Gatherer[Q, A]) answer(batch []*call[Q, A]) {
	questions := make([]Q, len(batch))
	for i, c := range batch {
		questions[i] = c.question
	}
	answers, err := g.guarded(questions)
	if err == nil && len(answers) != len(questions) {
		err = errors.New("the wrong number of answers")
	}
	for i, c := range batch {
		if err != nil {
			c.reply <- reply[A]{err: err}
			continue
		}
		c.reply <- reply[A]{answer: answers[i]}
	}
}

// guarded is serve, but for a panic: one that a call's own goroutine would have survived must not end the
// process because it came in this one.
func (g *Gatherer[Q, A]) guarded(questions []Q) (answers []A, err error) {
	defer func() {
		if recover() != nil {
			err = &PanicError{debug.Stack()}
		}
	}()
	return g.serve(questions)
}
