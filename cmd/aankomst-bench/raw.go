package main

import (
	"context"
	"errors"
	"math"

	"aankomst/refcode"
)

// rawElements is how many blinded elements the raw rate of issuing goes round in; no answer is kept, so
// their number does not matter.
const rawElements = 256

// rawIssues returns the server's part of issuing, without server, network or store.
func (o *office) rawIssues() (work, error) {
	var elements [][]byte
	for range rawElements {
		blinding, err := refcode.Blind(o.directory, o.directory.Pools[0])
		if err != nil {
			return work{}, err
		}
		elements = append(elements, blinding.Element)
	}
	return work{math.MaxInt, func(_ context.Context, _, number int) error {
		_, _, err := o.ring.Evaluate(o.year, o.directory.Pools[0], elements[number%rawElements])
		return err
	}}, nil
}

// rawConfirms returns the server's part of recognising a code, likewise. The codes are real ones.
func (o *office) rawConfirms() (work, error) {
	codes := o.codes
	if len(codes) == 0 {
		return work{}, errors.New("no code was issued")
	}
	return work{math.MaxInt, func(_ context.Context, _, number int) error {
		if !o.ring.Recognise(codes[number%len(codes)]).Genuine {
			return errors.New("a code that was issued is not recognised")
		}
		return nil
	}}, nil
}
