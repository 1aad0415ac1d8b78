package main

import (
	"context"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// patience is how much longer than planned a load may take before it is given up: a server that does not
// answer must not keep the run for ever.
const patience = 30 * time.Second

// work is calls that can be made once each, by number. A worker has one call under way at a time.
type work struct {
	calls int
	call  func(ctx context.Context, worker, number int) error
}

// sample is what a load came to.
type sample struct {
	// inTime calls were answered within time.
	inTime int
	time   time.Duration
	// answered also has those that were under way when the time was over; latencies are those of all of
	// them, as the slow ones are among the last.
	answered  int
	latencies []time.Duration
	// cost is the processor time of all that were answered.
	cost cost
}

// with returns both samples as one.
func (s sample) with(other sample) sample {
	return sample{
		inTime: s.inTime + other.inTime, time: s.time + other.time,
		latencies: slices.Concat(s.latencies, other.latencies),
		answered:  s.answered + other.answered, cost: s.cost.plus(other.cost),
	}
}

// rate returns the calls answered a second.
func (s sample) rate() float64 { return perSecond(s.inTime, s.time) }

// perSecond returns n in so much time as a rate; 0 when there was no time.
func perSecond(n int, in time.Duration) float64 {
	if in <= 0 {
		return 0
	}
	return float64(n) / in.Seconds()
}

// percentile returns the smallest of the latencies that a share p of them do not exceed; 0 of none.
func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(p * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// full makes calls for a time, each worker the next as soon as its last is answered. It ends earlier when
// there are no more, and returns how many were made. The first call that fails ends it.
func (w work) full(ctx context.Context, workers int, d time.Duration) (sample, int, error) {
	begun := time.Now()
	end := begun.Add(d)
	var next atomic.Int64
	s, err := crew(ctx, workers, d, func(ctx context.Context, worker int, note func(time.Duration, bool)) error {
		for ctx.Err() == nil {
			sent := time.Now()
			if !sent.Before(end) {
				return nil
			}
			number := int(next.Add(1)) - 1
			if number >= w.calls {
				return nil
			}
			if err := w.call(ctx, worker, number); err != nil {
				return err
			}
			answered := time.Now()
			note(answered.Sub(sent), !answered.After(end))
		}
		return nil
	})
	s.time = min(time.Since(begun), d)
	if s.inTime == 0 {
		// On a machine so busy that no answer came, it takes as long as the first answers take.
		s.inTime, s.time = s.answered, time.Since(begun)
	}
	return s, min(int(next.Load()), w.calls), err
}

// paced makes calls at a rate, whether or not those before are answered. A latency counts from the moment
// at which the call was due: one that had to wait for its turn shows it. It returns how many were made.
func (w work) paced(ctx context.Context, workers int, d time.Duration, rate float64) (sample, int, error) {
	interval := time.Duration(float64(time.Second) / rate)
	calls := min(int(d/interval), w.calls)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	begun := time.Now()
	due := make(chan int, calls)
	go func() {
		defer close(due)
		for number := range calls {
			select {
			case <-time.After(time.Until(begun.Add(time.Duration(number) * interval))):
				due <- number
			case <-ctx.Done():
				return
			}
		}
	}()
	s, err := crew(ctx, workers, d, func(ctx context.Context, worker int, note func(time.Duration, bool)) error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case number, more := <-due:
				if !more {
					return nil
				}
				if err := w.call(ctx, worker, number); err != nil {
					return err
				}
				note(time.Since(begun.Add(time.Duration(number)*interval)), true)
			}
		}
	})
	s.time = time.Since(begun)
	return s, calls, err
}

// crew lets workers work until all are done or one fails, and gathers what they note: the latency of an
// answer and whether it came in time.
func crew(ctx context.Context, workers int, d time.Duration, work func(ctx context.Context, worker int, note func(time.Duration, bool)) error) (sample, error) {
	ctx, giveUp := context.WithTimeout(ctx, d+patience)
	defer giveUp()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	samples := make([]sample, workers)
	var all sync.WaitGroup
	for worker := range workers {
		all.Go(func() {
			s := &samples[worker]
			err := work(ctx, worker, func(latency time.Duration, inTime bool) {
				s.answered++
				s.latencies = append(s.latencies, latency)
				if inTime {
					s.inTime++
				}
			})
			if err != nil {
				fail(err)
			}
		})
	}
	all.Wait()
	var together sample
	for _, s := range samples {
		together.inTime += s.inTime
		together.answered += s.answered
		together.latencies = append(together.latencies, s.latencies...)
	}
	return together, context.Cause(ctx)
}

// parallel does something for each number below n, on all cores, and returns the first error.
func parallel(ctx context.Context, workers, n int, do func(number int) error) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var next atomic.Int64
	var all sync.WaitGroup
	for range min(workers, n) {
		all.Go(func() {
			for ctx.Err() == nil {
				number := int(next.Add(1)) - 1
				if number >= n {
					return
				}
				if err := do(number); err != nil {
					fail(err)
				}
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}
