package refcode

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxText is the longest text, in bytes, that Decode looks at: a code with generous separators.
const MaxText = 256

// Fault says what is wrong with a text that is no code.
type Fault string

// The faults, in the order in which Decode looks for them.
const (
	// FaultTooLong: the text is longer than MaxText bytes.
	FaultTooLong Fault = "TOO_LONG"
	// FaultEncoding: the text is not valid UTF-8.
	FaultEncoding Fault = "ENCODING"
	// FaultEmpty: there is no symbol in the text.
	FaultEmpty Fault = "EMPTY"
	// FaultAlphabet: some characters are neither symbols nor separators; Positions has their places.
	FaultAlphabet Fault = "ALPHABET"
	// FaultLength: neither 16 nor 20 symbols.
	FaultLength Fault = "LENGTH"
	// FaultCheck: the check symbols do not fit; Positions has the places that may be wrong.
	FaultCheck Fault = "CHECK"
)

// DecodeError says why a text is no code. Its message holds positions but no symbol of the text, so
// it may be logged and sent.
type DecodeError struct {
	// Fault is what is wrong.
	Fault Fault
	// Positions are the places that may be wrong, counted from 1 over symbols and bad characters,
	// ascending; empty when that cannot be told.
	Positions []int
	// Symbols is how many symbols and bad characters the text has.
	Symbols int

	// corrections is a function, and not the symbols that it works on, so that no way of printing the
	// error shows them.
	corrections func() []Correction
}

// Error describes the fault and what to do next, without quoting the text.
func (e *DecodeError) Error() string {
	switch e.Fault {
	case FaultTooLong:
		return fmt.Sprintf("the text is longer than %d bytes; enter only the code", MaxText)
	case FaultEncoding:
		return "the text is not valid UTF-8; type the code again"
	case FaultEmpty:
		return "the code is empty; enter its 16 symbols"
	case FaultAlphabet:
		return fmt.Sprintf("not a symbol of a code at %s; a code has digits and letters, without U", places(e.Positions))
	case FaultLength:
		return fmt.Sprintf("the code has %d symbols; it takes %d (or %d)", e.Symbols, Short.Symbols(), Long.Symbols())
	default:
		if len(e.Positions) == 0 {
			return "the code does not fit its check symbols: two or more symbols are wrong; ask for it again, group by group"
		}
		return fmt.Sprintf("the code does not fit its check symbols; look again at %s", places(e.Positions))
	}
}

// Corrections returns what may have been meant, all explanations by one wrong symbol or by two
// swapped neighbours; none for faults other than FaultCheck.
func (e *DecodeError) Corrections() []Correction {
	if e.corrections == nil {
		return nil
	}
	return e.corrections()
}

// places writes positions for a person: "place 2", "places 2, 3".
func places(positions []int) string {
	if len(positions) == 1 {
		return fmt.Sprintf("place %d", positions[0])
	}
	texts := make([]string, len(positions))
	for i, p := range positions {
		texts[i] = fmt.Sprint(p)
	}
	return "places " + strings.Join(texts, ", ")
}

// Decode reads a code as people write it: either case of ASCII letters, O for 0, I and L for 1, and
// spaces (also U+00A0 and U+202F), tabs, line ends, hyphens, dashes (U+2010 to U+2015) and dots
// anywhere. Everything else, U included, is refused. The error is always a *DecodeError.
//
// A code that decodes is well formed, no more: only the server can tell whether it was issued.
func Decode(text string) (Code, error) {
	if len(text) > MaxText {
		return Code{}, &DecodeError{Fault: FaultTooLong}
	}
	if !utf8.ValidString(text) {
		return Code{}, &DecodeError{Fault: FaultEncoding}
	}
	word := make([]byte, 0, maxSymbols)
	var bad []int
	for _, r := range text {
		if separator(r) {
			continue
		}
		v, ok := symbolValue(r)
		word = append(word, v)
		if !ok {
			bad = append(bad, len(word))
		}
	}
	layout, ok := layoutOf(len(word))
	switch {
	case len(word) == 0:
		return Code{}, &DecodeError{Fault: FaultEmpty}
	case len(bad) > 0:
		return Code{}, &DecodeError{Fault: FaultAlphabet, Positions: bad, Symbols: len(word)}
	case !ok:
		return Code{}, &DecodeError{Fault: FaultLength, Symbols: len(word)}
	}
	if s0, s1 := syndromes(word); s0 != 0 || s1 != 0 {
		return Code{}, &DecodeError{
			Fault: FaultCheck, Positions: suspects(explain(layout, word)), Symbols: len(word),
			corrections: func() []Correction { return explain(layout, word) },
		}
	}
	return codeOf(layout, word), nil
}

// suspects returns the places that corrections name, ascending, each once.
func suspects(corrections []Correction) []int {
	var positions []int
	for _, c := range corrections {
		for _, p := range c.Positions {
			if len(positions) == 0 || positions[len(positions)-1] < p {
				positions = append(positions, p)
			}
		}
	}
	return positions
}

func separator(r rune) bool {
	switch r {
	case ' ', '\t', '\n', '\r', '.', '-', '\u00a0', '\u202f':
		return true
	}
	return '\u2010' <= r && r <= '\u2015'
}

// symbolValue returns the value of a symbol, of a lower-case letter, or of a letter that stands for
// a look-alike digit.
func symbolValue(r rune) (byte, bool) {
	if 'a' <= r && r <= 'z' {
		r -= 'a' - 'A'
	}
	switch r {
	case 'O':
		r = '0'
	case 'I', 'L':
		r = '1'
	}
	i := strings.IndexRune(Alphabet, r)
	if i < 0 {
		return 0, false
	}
	return byte(i), true
}
