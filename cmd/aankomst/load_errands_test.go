package main

import (
	"context"
	"sync"
	"time"

	"aankomst/refcode"
)

// errand is a code on its way to be confirmed, voided or taken back, until that is answered.
type errand struct {
	code             refcode.Code
	number           int // of its kind, from 1
	tried, completed bool
}

// errands are those of one kind. Many callers take and bring back at once.
type errands struct {
	// then is called when one is answered for the first time; nil: nothing comes after.
	then func(*errand)

	mu      sync.Mutex
	all     []*errand
	waiting []*errand
}

func (e *errands) add(code refcode.Code) {
	e.mu.Lock()
	defer e.mu.Unlock()
	one := &errand{code: code, number: len(e.all) + 1}
	e.all, e.waiting = append(e.all, one), append(e.waiting, one)
}

// take returns one that is to be done; nil when there is none.
func (e *errands) take() *errand {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.waiting) == 0 {
		return nil
	}
	one := e.waiting[0]
	e.waiting = e.waiting[1:]
	one.tried = true
	return one
}

// back notes what became of one; one that was not answered waits again.
func (e *errands) back(one *errand, err error) {
	e.mu.Lock()
	first := err == nil && !one.completed
	one.completed = one.completed || err == nil
	if !one.completed {
		e.waiting = append(e.waiting, one)
	}
	e.mu.Unlock()
	if first && e.then != nil {
		e.then(one)
	}
}

// known returns how many must have been counted, and how many may have been.
func (e *errands) known() (least, most int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, one := range e.all {
		if one.completed {
			least++
		}
		if one.tried {
			most++
		}
	}
	return least, most
}

// run does errands until the context ends.
func (e *errands) run(ctx context.Context, do func(refcode.Code) error) {
	for ctx.Err() == nil {
		if one := e.take(); one != nil {
			e.back(one, do(one.code))
		}
		time.Sleep(thinking)
	}
}

// settle does those that wait until none does, or for as long as patience is. Nobody else may be doing any.
func (e *errands) settle(do func(refcode.Code) error) {
	begun := time.Now()
	for one := e.take(); one != nil && time.Since(begun) < patience; one = e.take() {
		e.back(one, do(one.code))
	}
}
