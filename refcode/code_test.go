package refcode

import (
	"bytes"
	"encoding/base32"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// crockford is the standard library's base 32 over our alphabet: a second opinion on packing.
var crockford = base32.NewEncoding(Alphabet).WithPadding(base32.NoPadding)

func TestLayouts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		layout              Layout
		valid               bool
		symbols, nonceBytes int
	}{
		{Short, true, 16, 5},
		{Long, true, 20, 6},
		{0, false, 0, 0},
		{3, false, 0, 0},
		{255, false, 0, 0},
	}
	for _, tt := range tests {
		if got := tt.layout.Valid(); got != tt.valid {
			t.Errorf("Layout(%d).Valid() = %v", tt.layout, got)
		}
		if got := tt.layout.Symbols(); got != tt.symbols {
			t.Errorf("Layout(%d).Symbols() = %d, want %d", tt.layout, got, tt.symbols)
		}
		if got := tt.layout.NonceBytes(); got != tt.nonceBytes {
			t.Errorf("Layout(%d).NonceBytes() = %d, want %d", tt.layout, got, tt.nonceBytes)
		}
	}
}

func TestAlphabetLeavesOutLookAlikes(t *testing.T) {
	t.Parallel()
	seen := map[rune]bool{}
	for _, r := range Alphabet {
		if seen[r] || strings.ContainsRune("ILOU", r) {
			t.Errorf("the alphabet has %c twice, or should not have it", r)
		}
		seen[r] = true
	}
	if len(seen) != 32 {
		t.Errorf("the alphabet has %d symbols", len(seen))
	}
}

func TestCodeHoldsNonceThenTag(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		code := anyCode.Draw(t, "code")
		half, size := code.Layout().half(), code.Layout().NonceBytes()
		symbols := code.Symbols()
		if len(symbols) != code.Layout().Symbols() {
			t.Fatalf("%s has %d symbols", symbols, len(symbols))
		}
		for _, part := range []struct {
			name    string
			bits    []byte
			symbols string
		}{
			{"nonce", code.Nonce(), symbols[:half]},
			{"tag", code.Tag(), symbols[half : 2*half]},
		} {
			if len(part.bits) != size {
				t.Fatalf("%s has %d bytes, want %d", part.name, len(part.bits), size)
			}
			// What base 32 writes past our symbols are the unused bits, which must be zero.
			written := crockford.EncodeToString(part.bits)
			if written[:half] != part.symbols || strings.Trim(written[half:], "0") != "" {
				t.Fatalf("%s %x: symbols %s, want %s", part.name, part.bits, part.symbols, written)
			}
		}
	})
}

func TestDecodeInvertsEncoding(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		code := anyCode.Draw(t, "code")
		for _, text := range []string{code.Symbols(), code.Text(), strings.Join(code.Groups(), "-"), strings.ToLower(code.Text())} {
			if got := mustDecode(t, text); got != code {
				t.Fatalf("Decode(%q) gives %s", text, got.Symbols())
			}
		}
	})
}

func TestGroups(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(4, 4))
	for _, layout := range layouts {
		code := randomCode(rng, layout)
		groups := code.Groups()
		if len(groups) != layout.Symbols()/4 {
			t.Errorf("%d groups for %d symbols", len(groups), layout.Symbols())
		}
		for _, g := range groups {
			if len(g) != 4 {
				t.Errorf("group %q has not four symbols", g)
			}
		}
		if got := strings.Join(groups, ""); got != code.Symbols() {
			t.Errorf("the groups spell %s, want %s", got, code.Symbols())
		}
		if got, want := code.Text(), strings.Join(groups, " "); got != want {
			t.Errorf("Text() = %q, want %q", got, want)
		}
	}
}

// Codes are keys of maps in callers: the same code must be equal however it came about.
func TestCodesAreComparable(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(5, 5))
	for _, layout := range layouts {
		a, b := randomCode(rng, layout), randomCode(rng, layout)
		again := newCode(layout, a.Nonce(), a.Tag())
		if a != again || a != mustDecode(t, a.Text()) {
			t.Errorf("%s is not equal to itself", a.Symbols())
		}
		if a == b {
			t.Errorf("%s equals %s", a.Symbols(), b.Symbols())
		}
	}
	zeros := make([]byte, maxHalfBytes)
	if newCode(Short, zeros, zeros) == newCode(Long, zeros, zeros) {
		t.Error("codes of different layouts are equal")
	}
}

func TestZeroCodeIsNoCode(t *testing.T) {
	t.Parallel()
	var code Code
	if code.Layout() != 0 || code.Symbols() != "" || code.Text() != "" || len(code.Groups()) != 0 ||
		len(code.Nonce()) != 0 || len(code.Tag()) != 0 {
		t.Error("the zero Code has something in it")
	}
	zeros := make([]byte, maxHalfBytes)
	if code == newCode(Short, zeros, zeros) {
		t.Error("the zero Code equals the code with all bits zero")
	}
}

// A caller that writes into what it got must not change the code of others.
func TestNonceAndTagAreCopies(t *testing.T) {
	t.Parallel()
	code := randomCode(rand.New(rand.NewPCG(6, 6)), Long)
	before := code.Symbols()
	for _, b := range [][]byte{code.Nonce(), code.Tag()} {
		for i := range b {
			b[i] ^= 0xff
		}
	}
	if code.Symbols() != before {
		t.Errorf("the code changed from %s to %s", before, code.Symbols())
	}
}

func TestTagIsTheHeadOfTheOutput(t *testing.T) {
	t.Parallel()
	output := bytes.Repeat([]byte{0xff}, 64)
	tests := []struct {
		layout Layout
		want   []byte
	}{
		{Short, []byte{0xff, 0xff, 0xff, 0xff, 0xe0}},
		{Long, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xf8}},
	}
	for _, tt := range tests {
		if got := TagOf(tt.layout, output); !bytes.Equal(got, tt.want) {
			t.Errorf("TagOf(%d, ff...) = %x, want %x", tt.layout, got, tt.want)
		}
		if got := newCode(tt.layout, output, output).Tag(); !bytes.Equal(got, tt.want) {
			t.Errorf("the tag of a code of layout %d is %x, want %x", tt.layout, got, tt.want)
		}
	}
	if !bytes.Equal(output, bytes.Repeat([]byte{0xff}, 64)) {
		t.Error("TagOf wrote into the output")
	}
}
