package cohort

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"aankomst/server/store"
)

// timed is a store by whose clock, the office's, processes fall silent.
type timed struct {
	store.Store
	office *office
}

func (s timed) Beat(ctx context.Context, holder string, years []int) error {
	if err := s.Store.Beat(ctx, holder, years); err != nil {
		return err
	}
	s.office.mu.Lock()
	defer s.office.mu.Unlock()
	s.office.beats[holder] = s.office.now
	return nil
}

func (s timed) Holders(ctx context.Context, year int) ([]store.Holder, error) {
	holders, err := s.Store.Holders(ctx, year)
	s.office.mu.Lock()
	defer s.office.mu.Unlock()
	for i, holder := range holders {
		holders[i].SilentFor = s.office.now.Sub(s.office.beats[holder.Name])
	}
	return holders, err
}

var errFault = errors.New("the store broke down")

// faulty is a store of which one call fails: the failAt'th, before it has any effect or after it took
// effect.
type faulty struct {
	store.Store
	mu     sync.Mutex
	calls  []string
	failAt int
	after  bool
	// before and afterwards, when set, are called before each call takes effect, and after it.
	before, afterwards func(call string)
}

// fault counts a call and says whether it fails before it has any effect.
func (f *faulty) fault(call string) error {
	f.mu.Lock()
	f.calls = append(f.calls, call)
	fails, before := len(f.calls) == f.failAt && !f.after, f.before
	f.mu.Unlock()
	if before != nil {
		before(call)
	}
	if fails {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, errFault)
	}
	return nil
}

// do makes a call, unless it fails.
func (f *faulty) do(call string, effect func() error) error {
	if err := f.fault(call); err != nil {
		return err
	}
	f.mu.Lock()
	fails, afterwards := len(f.calls) == f.failAt && f.after, f.afterwards
	f.mu.Unlock()
	err := effect()
	if afterwards != nil {
		afterwards(call)
	}
	if err != nil || !fails {
		return err
	}
	return fmt.Errorf("%w: %w", store.ErrUnavailable, errFault)
}

// moments returns when a call can fail: before it takes effect, or (a write) after.
func moments(call string) (after []bool) {
	switch call {
	case "ListCohorts", "GetCohort", "ListCentres", "Holders":
		return []bool{false}
	default:
		return []bool{false, true}
	}
}

// fail makes the n'th call from now on fail; none does when n is 0.
func (f *faulty) fail(n int, after bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls, f.failAt, f.after = nil, n, after
}

func (f *faulty) ListCohorts(ctx context.Context) (cohorts []store.Cohort, err error) {
	err = f.do("ListCohorts", func() error { cohorts, err = f.Store.ListCohorts(ctx); return err })
	return cohorts, err
}

func (f *faulty) GetCohort(ctx context.Context, year int) (cohort store.Cohort, err error) {
	err = f.do("GetCohort", func() error { cohort, err = f.Store.GetCohort(ctx, year); return err })
	return cohort, err
}

func (f *faulty) ListCentres(ctx context.Context) (centres []store.Centre, err error) {
	err = f.do("ListCentres", func() error { centres, err = f.Store.ListCentres(ctx); return err })
	return centres, err
}

func (f *faulty) Holders(ctx context.Context, year int) (holders []store.Holder, err error) {
	err = f.do("Holders", func() error { holders, err = f.Store.Holders(ctx, year); return err })
	return holders, err
}

func (f *faulty) CreateCohort(ctx context.Context, cohort store.Cohort) error {
	return f.do("CreateCohort", func() error { return f.Store.CreateCohort(ctx, cohort) })
}

func (f *faulty) AdvanceCohort(ctx context.Context, year int, from, to store.Stage) error {
	return f.do("AdvanceCohort "+string(from), func() error { return f.Store.AdvanceCohort(ctx, year, from, to) })
}

func (f *faulty) Beat(ctx context.Context, holder string, years []int) error {
	return f.do("Beat", func() error { return f.Store.Beat(ctx, holder, years) })
}

func (f *faulty) SaveDraft(ctx context.Context, draft store.Draft) error {
	return f.do("SaveDraft", func() error { return f.Store.SaveDraft(ctx, draft) })
}
