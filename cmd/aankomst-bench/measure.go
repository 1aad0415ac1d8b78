package main

import (
	"context"
	"errors"
	"math"
	"os"
	"runtime"
	"time"
)

// insertRates measures single-row inserts into the database of the small store.
func (b *bench) insertRates(ctx context.Context) (inserts, error) {
	var rates inserts
	for _, of := range []struct {
		connections int
		rate        *float64
	}{{1, &rates.OneConnection}, {manyConnections, &rates.ManyConnections}} {
		b.say("inserting single rows over %d connections", of.connections)
		insert, done, err := b.small.place.inserters(ctx, of.connections)
		if err != nil {
			return rates, err
		}
		s, _, err := work{math.MaxInt, func(ctx context.Context, worker, _ int) error {
			return insert[worker](ctx)
		}}.full(ctx, of.connections, b.Phase/2)
		if err := errors.Join(err, done()); err != nil {
			return rates, err
		}
		*of.rate = s.rate()
	}
	return rates, nil
}

// measurement is what one kind of call came to.
type measurement struct {
	// raw holds the slices of the cryptography alone, small and large those of full load on the two stores.
	raw, small, large []sample
	// half is half load on the small store, sent at halfRate calls a second.
	half     sample
	halfRate float64
	// spentSmall and spentLarge are the spent codes in the stores, before and after full load.
	spentSmall, spentLarge [2]int
}

// measureKind measures one kind of call: the raw rate and full load on both stores in slices that take
// turns, then half of what full load reached.
func (b *bench) measureKind(ctx context.Context, k kind) (m measurement, err error) {
	warm, err := b.warmUp(ctx, k)
	if err != nil {
		return m, err
	}
	seconds := b.Phase.Seconds()
	for _, o := range b.offices() {
		enough := warm * seconds * spare
		if o == b.small {
			enough *= 1.5
		}
		b.say("%s: preparing calls to the %s store", k.name, o.name)
		if err := k.prepare(ctx, o, int(enough)+b.Centres); err != nil {
			return m, err
		}
	}
	raw, err := k.raw(b.small)
	if err != nil {
		return m, err
	}
	m.spentSmall[0], m.spentLarge[0] = b.small.spent(), b.large.spent()
	for slice := range b.Slices {
		b.say("%s: raw rate of the cryptography, slice %d of %d", k.name, slice+1, b.Slices)
		before := b.costOf(b.small)
		s, _, err := raw.full(ctx, runtime.GOMAXPROCS(0), b.sliceTime())
		if err != nil {
			return m, err
		}
		s.cost = b.costOf(b.small).minus(before)
		m.raw = append(m.raw, s)
		if err := b.slice(ctx, k, slice, &m); err != nil {
			return m, err
		}
	}
	m.spentSmall[1], m.spentLarge[1] = b.small.spent(), b.large.spent()
	m.halfRate = medianRate(m.small) / 2
	if err := k.prepare(ctx, b.small, int(m.halfRate*seconds)+1); err != nil {
		return m, err
	}
	b.say("%s: half load, %.0f calls a second", k.name, m.halfRate)
	m.half, err = b.load(ctx, k, b.small, func(w work) (sample, int, error) {
		return w.paced(ctx, b.Centres, b.Phase, m.halfRate)
	})
	return m, err
}

// warmUp loads each store for a moment and returns the higher rate.
func (b *bench) warmUp(ctx context.Context, k kind) (rate float64, err error) {
	// A first guess, of ten thousand calls a second: one that is too low ends the warm-up early.
	enough := int(10_000 * b.WarmUp.Seconds())
	for _, o := range b.offices() {
		b.say("%s: warming up on the %s store", k.name, o.name)
		if err := k.prepare(ctx, o, enough); err != nil {
			return 0, err
		}
		s, err := b.load(ctx, k, o, func(w work) (sample, int, error) { return w.full(ctx, b.Concurrency, b.WarmUp) })
		if err != nil {
			return 0, err
		}
		rate = max(rate, s.rate())
	}
	return rate, nil
}

// slice loads both stores for a slice of the time. Every other slice begins with the large one, so that
// neither gains from a machine that gets faster or slower.
func (b *bench) slice(ctx context.Context, k kind, number int, m *measurement) error {
	order := b.offices()
	if len(order) == 2 && number%2 == 1 {
		order[0], order[1] = order[1], order[0]
	}
	for _, o := range order {
		b.say("%s: full load on the %s store, slice %d of %d", k.name, o.name, number+1, b.Slices)
		s, err := b.load(ctx, k, o, func(w work) (sample, int, error) {
			return w.full(ctx, b.Concurrency, b.sliceTime())
		})
		if err != nil {
			return err
		}
		if o == b.small {
			m.small = append(m.small, s)
		} else {
			m.large = append(m.large, s)
		}
	}
	return nil
}

// sliceTime is how long a slice is.
func (b *bench) sliceTime() time.Duration { return b.Phase / time.Duration(b.Slices) }

// load puts a load on an office's server, notes which calls were made, and measures what they cost.
func (b *bench) load(ctx context.Context, k kind, o *office, put func(work) (sample, int, error)) (sample, error) {
	before := b.costOf(o)
	s, made, err := put(k.work(o))
	if err != nil {
		return s, err
	}
	s.cost = b.costOf(o).minus(before)
	k.made(o, made)
	if s.inTime == 0 {
		return s, errors.New("no call was made")
	}
	return s, ctx.Err()
}

// costOf returns what everyone has used so far.
func (b *bench) costOf(o *office) cost {
	return cost{server: ownTime(o.server.pid()), database: b.backend.processorTime(), generator: ownTime(os.Getpid())}
}

// together returns samples as one.
func together(samples []sample) sample {
	if len(samples) == 0 {
		return sample{}
	}
	all := samples[0]
	for _, s := range samples[1:] {
		all = all.with(s)
	}
	return all
}
