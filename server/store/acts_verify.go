package store

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// ErrActs is wrapped when an exported record of administration was changed since, or is none; the message
// says at which line.
var ErrActs = errors.New("this is not the record as it was written")

// VerifiedActs is what VerifyActs found.
type VerifiedActs struct {
	// Last is the last act; zero when there is none. Its Number is how many there are.
	Last Act
	// Earlier are the numbers of acts that bear an earlier time than the act before. The record is whole all
	// the same: a clock was set back, or that of one server is behind another's.
	Earlier []int
}

// VerifyActs reads a record that was exported whole: one Line of an act after the other, from the first on.
// It returns an error that wraps ErrActs unless numbers have no gap and each act names the digest of the one
// before. What was cut off at the end it cannot see: whoever noted the digest of an act can compare.
func VerifyActs(exported io.Reader) (VerifiedActs, error) {
	var found VerifiedActs
	lines := bufio.NewReader(exported)
	for number := 1; ; number++ {
		line, err := lines.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return found, fmt.Errorf("reading line %d: %w", number, err)
		}
		if len(line) == 0 {
			return found, nil
		}
		act, err := ParseAct(bytes.TrimRight(line, "\r\n"))
		if err == nil {
			err = follows(act, found.Last)
		}
		if err != nil {
			return found, fmt.Errorf("%w: line %d: %w", ErrActs, number, err)
		}
		if act.At.Before(found.Last.At) {
			found.Earlier = append(found.Earlier, act.Number)
		}
		found.Last = act
	}
}

// follows refuses an act that was not appended after the last one, which is zero when there is none.
func follows(act, last Act) error {
	var digest [32]byte
	if last.Number > 0 {
		digest = last.Digest()
	}
	switch {
	case act.Number != last.Number+1:
		return fmt.Errorf("act %d does not come after act %d", act.Number, last.Number)
	case act.Previous != digest:
		return fmt.Errorf("act %d does not name the digest of the act before, which was changed or put in its place", act.Number)
	}
	return nil
}
