package gather

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"aankomst/server/store"
)

const most = 10

// server answers a number with its double, and holds everyone up for as long as its gate is shut.
type server struct {
	mu      sync.Mutex
	gate    chan struct{}
	serve   func([]int) ([]int, error) // instead of doubling
	batches [][]int
}

func (s *server) double(questions []int) ([]int, error) {
	s.mu.Lock()
	gate := s.gate
	s.batches = append(s.batches, slices.Clone(questions))
	serve := s.serve
	s.mu.Unlock()
	if gate != nil {
		<-gate
	}
	if serve != nil {
		return serve(questions)
	}
	answers := make([]int, len(questions))
	for i, question := range questions {
		answers[i] = 2 * question
	}
	return answers, nil
}

// shut holds up what is served from now on until open is called.
func (s *server) shut() (open func()) {
	gate := make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gate = gate
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		close(gate)
		s.gate = nil
	}
}

// serves replaces doubling; nil doubles again.
func (s *server) serves(serve func([]int) ([]int, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serve = serve
}

// inBubble runs a test with a gatherer, on a clock that moves only when everything waits. The test fails
// when it leaves a goroutine behind.
func inBubble(t *testing.T, test func(t *testing.T, g *Gatherer[int, int], s *server)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := new(server)
		g := New(most, s.double)
		test(t, g, s)
		g.Close()
	})
}

type answered struct {
	answer int
	err    error
}

// ask asks in a goroutine, waits until the question is handed in, and returns where the answer comes.
func ask(ctx context.Context, g *Gatherer[int, int], question int) <-chan answered {
	answers := make(chan answered, 1)
	go func() {
		answer, err := g.Ask(ctx, question)
		answers <- answered{answer, err}
	}()
	synctest.Wait()
	return answers
}

// doubled fails unless the answer is twice the question.
func doubled(t *testing.T, answers <-chan answered, question int) {
	t.Helper()
	if got := <-answers; got != (answered{2 * question, nil}) {
		t.Errorf("twice %d is %d (%v)", question, got.answer, got.err)
	}
}

func TestThoseWhoComeMeanwhileAreServedTogether(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, g *Gatherer[int, int], s *server) {
		open := s.shut()
		var answers []<-chan answered
		for i := range 1 + most + 3 {
			answers = append(answers, ask(t.Context(), g, i))
		}
		open()
		for i, a := range answers {
			doubled(t, a, i)
		}
		if got, want := fmt.Sprint(s.batches), "[[0] [1 2 3 4 5 6 7 8 9 10] [11 12 13]]"; got != want {
			t.Errorf("served %s, want %s", got, want)
		}
	})
}

// What serve sees must not be older than the question: a revocation between the two must be seen.
func TestServingBeginsAfterTheQuestion(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, g *Gatherer[int, int], s *server) {
		now := 1 // what serve reads, at its beginning
		s.serves(func(questions []int) ([]int, error) { return slices.Repeat([]int{now}, len(questions)), nil })
		open := s.shut()
		first := ask(t.Context(), g, 0)
		second := ask(t.Context(), g, 0)
		open()
		<-first
		if got := <-second; got.answer != 1 {
			t.Errorf("got %v", got)
		}
		open = s.shut()
		first = ask(t.Context(), g, 0)
		now = 2
		second = ask(t.Context(), g, 0)
		open()
		<-first
		if got := <-second; got.answer != 2 {
			t.Errorf("after the change: %v", got)
		}
	})
}

func TestACallerThatGoesAwayDisturbsNobody(t *testing.T) {
	t.Parallel()
	for name, ahead := range map[string]int{"while it is served": 0, "while it waits": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, g *Gatherer[int, int], s *server) {
				open := s.shut()
				var others []<-chan answered
				for range ahead {
					others = append(others, ask(t.Context(), g, 7))
				}
				ctx, leave := context.WithTimeout(t.Context(), time.Second)
				defer leave()
				gone := ask(ctx, g, 8)
				others = append(others, ask(t.Context(), g, 7))
				if got := <-gone; !errors.Is(got.err, context.DeadlineExceeded) {
					t.Errorf("the one that went away got %v", got)
				}
				open()
				for _, a := range others {
					doubled(t, a, 7)
				}
				if _, err := g.Ask(ctx, 9); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("one that came too late got %v", err)
				}
				g.Close()
				if all := slices.Concat(s.batches...); !slices.Contains(all, 8) || slices.Contains(all, 9) {
					t.Errorf("served %v", s.batches)
				}
			})
		})
	}
}

func TestAFailureIsOfThoseWhoWaitedForIt(t *testing.T) {
	t.Parallel()
	away := errors.New("away")
	for name, c := range map[string]struct {
		serve func([]int) ([]int, error)
		is    func(error) bool
	}{
		"an error":           {func([]int) ([]int, error) { return nil, away }, func(err error) bool { return errors.Is(err, away) }},
		"an answer too few":  {func(q []int) ([]int, error) { return q[1:], nil }, func(err error) bool { return err != nil }},
		"an answer too many": {func(q []int) ([]int, error) { return append(q, 1), nil }, func(err error) bool { return err != nil }},
		"a panic": {func([]int) ([]int, error) { panic("SECRET") }, func(err error) bool {
			var panicked *PanicError
			return errors.As(err, &panicked) && !strings.Contains(err.Error(), "SECRET") && strings.Contains(string(panicked.Stack), "gather_test.go")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, g *Gatherer[int, int], s *server) {
				open := s.shut()
				before := ask(t.Context(), g, 1)
				var answers []<-chan answered
				for range 3 {
					answers = append(answers, ask(t.Context(), g, 2))
				}
				s.serves(c.serve) // those who wait, not the one that is being served
				open()
				doubled(t, before, 1)
				for _, a := range answers {
					if got := <-a; !c.is(got.err) || got.answer != 0 {
						t.Errorf("got %v", got)
					}
				}
				s.serves(nil)
				doubled(t, ask(t.Context(), g, 3), 3)
			})
		})
	}
}

func TestTooManyAreTurnedAway(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, g *Gatherer[int, int], s *server) {
		open := s.shut()
		first := ask(t.Context(), g, 0)
		var group sync.WaitGroup
		for i := range MaxWaiting {
			group.Go(func() {
				if got, err := g.Ask(t.Context(), i); err != nil || got != 2*i {
					t.Errorf("got %d (%v)", got, err)
				}
			})
		}
		synctest.Wait()
		if _, err := g.Ask(t.Context(), 1); !errors.Is(err, ErrBusy) || !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("one too many: %v", err)
		}
		open()
		doubled(t, first, 0)
		group.Wait()
		doubled(t, ask(t.Context(), g, 5), 5)
	})
}

func TestClosingServesWhatWasHandedIn(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, g *Gatherer[int, int], s *server) {
		open := s.shut()
		var answers []<-chan answered
		for i := range 5 {
			answers = append(answers, ask(t.Context(), g, i))
		}
		closed := make(chan struct{})
		go func() {
			g.Close()
			close(closed)
		}()
		synctest.Wait()
		if _, err := g.Ask(t.Context(), 9); !errors.Is(err, ErrStopped) || !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("while closing: %v", err)
		}
		select {
		case <-closed:
			t.Error("closed while callers were waiting")
		default:
		}
		open()
		<-closed
		for i, a := range answers {
			doubled(t, a, i)
		}
		g.Close() // closing twice is no error
	})
}
