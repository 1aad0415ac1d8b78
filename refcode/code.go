package refcode

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"unique"
)

// Alphabet is Crockford's base 32: the value of a symbol is its place here.
const Alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// GroupSize is how many symbols are spoken, written and shown together.
const GroupSize = 4

const (
	symbolBits   = 5
	checkSymbols = 2
	maxHalf      = 9
	maxSymbols   = 2*maxHalf + checkSymbols
	maxHalfBytes = 6
)

// Layout says how long a code is. A cohort has one layout, chosen when it is opened.
type Layout uint8

const (
	// Short is 16 symbols: 35 bits of nonce, 35 of tag. It serves up to about 10,000 codes a year and pool.
	Short Layout = 1
	// Long is 20 symbols: 45 bits of nonce, 45 of tag.
	Long Layout = 2
)

// Valid reports whether l is one of the layouts of this package.
func (l Layout) Valid() bool { return l == Short || l == Long }

// Symbols is the length of a code in symbols, check symbols included; 0 for an unknown layout.
func (l Layout) Symbols() int {
	if !l.Valid() {
		return 0
	}
	return 2*l.half() + checkSymbols
}

// NonceBytes is the length in bytes of the nonce, which is left-aligned in them.
func (l Layout) NonceBytes() int { return (l.half()*symbolBits + 7) / 8 }

// half is the number of symbols in the nonce, and in the tag.
func (l Layout) half() int {
	switch l {
	case Short:
		return 7
	case Long:
		return maxHalf
	default:
		return 0
	}
}

// layoutOf returns the layout whose codes have n symbols.
func layoutOf(n int) (Layout, bool) {
	for _, l := range []Layout{Short, Long} {
		if l.Symbols() == n {
			return l, true
		}
	}
	return 0, false
}

// Code is a well-formed referral code. The zero value is no code. Codes are comparable.
//
// Whoever holds a code can spend it, so printing or logging a Code by accident shows a placeholder;
// Text gives the symbols to those who mean it.
type Code struct {
	// The bits lie behind a handle because package fmt asks none of the methods below when a Code is in
	// an unexported field of something printed: %v, %+v and %#v then show an address. (A verb that is
	// wrong for a struct, as %s, still follows it; go vet reports those.)
	bits unique.Handle[codeBits]
}

// codeBits is what is in a code, but for the check symbols, which follow from it.
type codeBits struct {
	layout     Layout
	nonce, tag [maxHalfBytes]byte
}

const placeholder = "[referral code]"

// String returns a placeholder, never the symbols.
func (Code) String() string { return placeholder }

// Format writes a placeholder for every verb, never the symbols.
func (Code) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, placeholder) }

// LogValue returns a placeholder, never the symbols.
func (Code) LogValue() slog.Value { return slog.StringValue(placeholder) }

// value returns what is in the code; nothing for the zero Code.
func (c Code) value() codeBits {
	if c == (Code{}) {
		return codeBits{}
	}
	return c.bits.Value()
}

// Layout returns the code's layout; 0 for the zero Code.
func (c Code) Layout() Layout { return c.value().layout }

// Nonce returns a copy of the nonce: the input of the PRF, left-aligned, unused low bits zero.
func (c Code) Nonce() []byte {
	v := c.value()
	return append([]byte(nil), v.nonce[:v.layout.NonceBytes()]...)
}

// Tag returns a copy of the tag: the head of the PRF's output, left-aligned, unused low bits zero.
func (c Code) Tag() []byte {
	v := c.value()
	return append([]byte(nil), v.tag[:v.layout.NonceBytes()]...)
}

// Symbols returns the code without spaces, as it is read by Decode.
func (c Code) Symbols() string {
	word := c.word()
	out := make([]byte, len(word))
	for i, v := range word {
		out[i] = Alphabet[v]
	}
	return string(out)
}

// Groups returns the code in groups of four symbols, the way it is spoken.
func (c Code) Groups() []string {
	symbols := c.Symbols()
	groups := make([]string, 0, len(symbols)/GroupSize)
	for ; len(symbols) > 0; symbols = symbols[GroupSize:] {
		groups = append(groups, symbols[:GroupSize])
	}
	return groups
}

// Text returns the code for a person to read: groups of four separated by spaces.
func (c Code) Text() string { return strings.Join(c.Groups(), " ") }

// word returns the code as symbol values, check symbols included.
func (c Code) word() []byte {
	v := c.value()
	if !v.layout.Valid() {
		return nil
	}
	half := v.layout.half()
	word := make([]byte, 0, maxSymbols)
	word = appendSymbols(word, v.nonce[:], half)
	word = appendSymbols(word, v.tag[:], half)
	return appendCheck(word)
}

// newCode makes a code of a nonce and of at least as many bytes of PRF output.
func newCode(layout Layout, nonce, output []byte) Code {
	v := codeBits{layout: layout}
	size := layout.NonceBytes()
	copy(v.nonce[:size], nonce)
	copy(v.tag[:size], output)
	clearTail(v.nonce[:size], layout)
	clearTail(v.tag[:size], layout)
	return Code{unique.Make(v)}
}

// codeOf makes a code of symbol values whose check symbols have been verified.
func codeOf(layout Layout, word []byte) Code {
	v := codeBits{layout: layout}
	half := layout.half()
	packSymbols(v.nonce[:], word[:half])
	packSymbols(v.tag[:], word[half:2*half])
	return Code{unique.Make(v)}
}

// TagOf returns the tag for a PRF output: its first 35 bits (45 in the long layout), left-aligned.
// The output must have at least NonceBytes bytes.
func TagOf(layout Layout, output []byte) []byte {
	tag := append([]byte(nil), output[:layout.NonceBytes()]...)
	clearTail(tag, layout)
	return tag
}

// clearTail zeroes the bits of buf past the layout's nonce (or tag).
func clearTail(buf []byte, layout Layout) {
	unused := len(buf)*8 - layout.half()*symbolBits
	buf[len(buf)-1] &= byte(0xff << unused)
}

// appendSymbols appends the first n symbols of bits, most significant bit first.
func appendSymbols(dst, bits []byte, n int) []byte {
	for i := range n {
		at := i * symbolBits
		window := uint16(bits[at/8]) << 8
		if at/8+1 < len(bits) {
			window |= uint16(bits[at/8+1])
		}
		dst = append(dst, byte(window>>(16-symbolBits-at%8))&31)
	}
	return dst
}

// packSymbols writes symbol values into bits, most significant bit first; bits must be zero.
func packSymbols(bits, symbols []byte) {
	for i, v := range symbols {
		at := i * symbolBits
		window := uint16(v) << (16 - symbolBits - at%8)
		bits[at/8] |= byte(window >> 8)
		if at/8+1 < len(bits) {
			bits[at/8+1] |= byte(window)
		}
	}
}
