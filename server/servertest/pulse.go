package servertest

import (
	"context"
	"sync"
	"time"

	"aankomst/server/store"
)

// Pulse is a store that notes when, by a clock, a process last said which keys it holds: a server does so first when
// it does what is due. The store itself goes by a clock of its own.
type Pulse struct {
	store.Store
	Clock *Clock

	mu   sync.Mutex
	last time.Time
}

// Beat implements store.Cohorts.
func (p *Pulse) Beat(ctx context.Context, holder string, years []int) error {
	at := p.Clock.Now()
	if err := p.Store.Beat(ctx, holder, years); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = at
	return nil
}

// Last returns when the last Beat began that succeeded; the zero time before the first.
func (p *Pulse) Last() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}
