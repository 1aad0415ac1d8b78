package refcode

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// separators are all characters that Decode passes over.
var separators = []rune(" \t\n\r.-\u00a0\u202f\u2010\u2011\u2012\u2013\u2014\u2015")

func TestDecodePassesOverEverySeparatorEverywhere(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(7, 7))
	for _, layout := range layouts {
		code := randomCode(rng, layout)
		for _, sep := range separators {
			between := strings.Join(strings.Split(code.Symbols(), ""), string(sep))
			for _, text := range []string{
				string(sep) + code.Symbols(),
				code.Symbols() + string(sep) + string(sep),
				strings.Join(code.Groups(), string(sep)),
				between,
			} {
				if got := mustDecode(t, text); got != code {
					t.Errorf("%U: Decode(%q) gives %s", sep, text, got.Symbols())
				}
			}
		}
	}
}

// What a character means is settled here for all of Unicode, so that no case folding or notion of
// "space" lets more in than the protocol does.
func TestDecodeKnowsEveryCharacter(t *testing.T) {
	t.Parallel()
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		want := -1
		if r < utf8.RuneSelf {
			upper := strings.ToUpper(string(r))
			want = strings.Index(Alphabet, strings.NewReplacer("O", "0", "I", "1", "L", "1").Replace(upper))
		}
		v, ok := symbolValue(r)
		if ok != (want >= 0) || ok && int(v) != want {
			t.Errorf("%U: value %d, %v; want %d", r, v, ok, want)
		}
		if got, want := separator(r), slices.Contains(separators, r); got != want {
			t.Errorf("%U: separator = %v, want %v", r, got, want)
		}
	}
}

func TestDecodeReadsLookAlikesAsDigits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		code := anyCode.Draw(t, "code")
		var text strings.Builder
		for _, r := range code.Symbols() {
			written := []rune{r, unicode.ToLower(r)}
			switch r {
			case '0':
				written = append(written, 'O', 'o')
			case '1':
				written = append(written, 'I', 'i', 'L', 'l')
			}
			text.WriteRune(rapid.SampledFrom(written).Draw(t, "symbol"))
			if rapid.Bool().Draw(t, "separated") {
				text.WriteRune(rapid.SampledFrom(separators).Draw(t, "separator"))
			}
		}
		if got := mustDecode(t, text.String()); got != code {
			t.Fatalf("Decode(%q) gives %s, want %s", text.String(), got.Symbols(), code.Symbols())
		}
	})
}

func TestDecodeFaults(t *testing.T) {
	t.Parallel()
	code := newCode(Short, []byte{0xa5, 0x3c, 0x91, 0xe7, 0xd8}, []byte{0x4b, 0xf2, 0x6d, 0x83, 0xb9})
	symbols := code.Symbols()
	tests := []struct {
		name, text string
		fault      Fault
		positions  []int
		symbols    int
	}{
		{"nothing", "", FaultEmpty, nil, 0},
		{"only separators", " -.\t\n–", FaultEmpty, nil, 0},
		{"one symbol", "7", FaultLength, nil, 1},
		{"one too few", symbols[:15], FaultLength, nil, 15},
		{"one too many", symbols + "0", FaultLength, nil, 17},
		{"between the layouts", symbols + "00", FaultLength, nil, 18},
		{"one more than the long layout", strings.Repeat("0", 21), FaultLength, nil, 21},
		{"U", "U" + symbols[1:], FaultAlphabet, []int{1}, 16},
		{"u at the end", symbols[:15] + "u", FaultAlphabet, []int{16}, 16},
		{"places are counted over symbols", " " + symbols[:4] + " - u" + symbols[5:8] + " ?" + symbols[9:], FaultAlphabet, []int{5, 9}, 16},
		{"bad characters matter more than length", "U", FaultAlphabet, []int{1}, 1},
		{"words", "nog eens", FaultLength, nil, 7},
		{"words with a U", "opnieuw aub", FaultAlphabet, []int{6, 9}, 10},
		{"a character of four bytes is one", symbols[:3] + "\U0001f642" + symbols[4:], FaultAlphabet, []int{4}, 16},
		{"Kelvin sign", symbols[:15] + "\u212a", FaultAlphabet, []int{16}, 16},
		{"long s", symbols[:15] + "\u017f", FaultAlphabet, []int{16}, 16},
		{"dotless i", symbols[:15] + "\u0131", FaultAlphabet, []int{16}, 16},
		{"full-width zero", symbols[:15] + "\uff10", FaultAlphabet, []int{16}, 16},
		{"zero-width space", symbols + "\u200b", FaultAlphabet, []int{17}, 17},
		{"byte order mark", "\ufeff" + symbols, FaultAlphabet, []int{1}, 17},
		{"minus sign", symbols[:8] + "\u2212" + symbols[8:], FaultAlphabet, []int{9}, 17},
		{"figure space", symbols[:8] + "\u2007" + symbols[8:], FaultAlphabet, []int{9}, 17},
		{"replacement character", symbols[:15] + "\ufffd", FaultAlphabet, []int{16}, 16},
		{"NUL", symbols + "\x00", FaultAlphabet, []int{17}, 17},
		{"broken UTF-8", symbols[:15] + "\xff", FaultEncoding, nil, 0},
		{"cut off UTF-8", symbols + "\xe2\x80", FaultEncoding, nil, 0},
		{"overlong UTF-8", symbols[:15] + "\xc0\xb0", FaultEncoding, nil, 0},
		{"surrogate", symbols[:15] + "\xed\xa0\x80", FaultEncoding, nil, 0},
		{"too long", symbols + strings.Repeat(" ", MaxText+1-16), FaultTooLong, nil, 0},
		{"too long in bytes", strings.Repeat("\u2010", 86), FaultTooLong, nil, 0},
		{"too long and broken", strings.Repeat("\xff", MaxText+1), FaultTooLong, nil, 0},
		{"longest with everything bad", strings.Repeat("?", MaxText), FaultAlphabet, countTo(MaxText), MaxText},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			fault := faultOf(t, tt.text)
			if fault.Fault != tt.fault || fault.Symbols != tt.symbols {
				t.Errorf("Decode(%q): %s of %d symbols, want %s of %d", tt.text, fault.Fault, fault.Symbols, tt.fault, tt.symbols)
			}
			if !slices.Equal(fault.Positions, tt.positions) {
				t.Errorf("Decode(%q): positions %v, want %v", tt.text, fault.Positions, tt.positions)
			}
			if got := fault.Corrections(); len(got) > 0 {
				t.Errorf("Decode(%q): %s has corrections %+v", tt.text, tt.fault, got)
			}
		})
	}
}

func countTo(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i + 1
	}
	return all
}

func TestDecodeReadsTheLongestText(t *testing.T) {
	t.Parallel()
	code := randomCode(rand.New(rand.NewPCG(8, 8)), Short)
	if got := mustDecode(t, code.Symbols()+strings.Repeat(" ", MaxText-16)); got != code {
		t.Errorf("got %s, want %s", got.Symbols(), code.Symbols())
	}
}

func TestDecodeErrorSaysWhatToDo(t *testing.T) {
	t.Parallel()
	tests := []struct {
		err  DecodeError
		want []string
	}{
		{DecodeError{Fault: FaultTooLong}, []string{"256 bytes", "only the code"}},
		{DecodeError{Fault: FaultEncoding}, []string{"UTF-8"}},
		{DecodeError{Fault: FaultEmpty}, []string{"empty", "16"}},
		{DecodeError{Fault: FaultAlphabet, Positions: []int{7}, Symbols: 16}, []string{"place 7;", "without U"}},
		{DecodeError{Fault: FaultAlphabet, Positions: []int{2, 10}, Symbols: 16}, []string{"places 2, 10;"}},
		{DecodeError{Fault: FaultLength, Symbols: 15}, []string{"15 symbols", "16", "20"}},
		{DecodeError{Fault: FaultCheck, Positions: []int{3}, Symbols: 16}, []string{"place 3"}},
		{DecodeError{Fault: FaultCheck, Positions: []int{3, 4}, Symbols: 16}, []string{"places 3, 4"}},
		{DecodeError{Fault: FaultCheck, Symbols: 16}, []string{"two or more", "again"}},
	}
	for _, tt := range tests {
		for _, want := range tt.want {
			if got := tt.err.Error(); !strings.Contains(got, want) {
				t.Errorf("%s at %v: %q does not say %q", tt.err.Fault, tt.err.Positions, got, want)
			}
		}
	}
}

// TestDecodeErrorSaysNothingElse builds the message again from the places alone: whatever the text,
// nothing of it can be in there.
func TestDecodeErrorSaysNothingElse(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(
			rapid.StringMatching(`[0-9A-Za-z -]{0,24}`),
			rapid.StringMatching(`[0-9A-HJKMNP-TV-Z]{16}|[0-9A-HJKMNP-TV-Z]{20}`),
			rapid.String(),
		).Draw(t, "text")
		_, err := Decode(text)
		if err == nil {
			return
		}
		var fault *DecodeError
		if !errors.As(err, &fault) {
			t.Fatalf("Decode(%q) failed with a %T", text, err)
		}
		bare := &DecodeError{Fault: fault.Fault, Positions: fault.Positions, Symbols: fault.Symbols}
		if err.Error() != bare.Error() || fmt.Sprintf("%+v", err) != bare.Error() {
			t.Fatalf("Decode(%q) says %q", text, err)
		}
	})
}

// checkDecode holds for every text.
func checkDecode(tb rapid.TB, text string) {
	tb.Helper()
	code, err := Decode(text)
	if err == nil {
		if again := mustDecode(tb, code.Text()); again != code {
			tb.Fatalf("Decode(%q) gives %s, which decodes to %s", text, code.Text(), again.Text())
		}
		if len(code.Symbols()) != code.Layout().Symbols() {
			tb.Fatalf("Decode(%q) gives the %d symbols %s", text, len(code.Symbols()), code.Symbols())
		}
		return
	}
	fault := faultOf(tb, text)
	for i, p := range fault.Positions {
		if p < 1 || p > fault.Symbols || i > 0 && p <= fault.Positions[i-1] {
			tb.Fatalf("Decode(%q): positions %v of %d", text, fault.Positions, fault.Symbols)
		}
	}
	for _, c := range fault.Corrections() {
		if again := mustDecode(tb, c.Code.Symbols()); again != c.Code {
			tb.Fatalf("Decode(%q): the correction %s decodes to %s", text, c.Code.Symbols(), again.Symbols())
		}
		symbols := c.Code.Symbols()
		if from := c.Positions[0] - 1; symbols[from:from+len(c.Meant)] != c.Meant ||
			len(c.Heard) != len(c.Positions) || len(c.Meant) != len(c.Positions) || c.Heard == c.Meant {
			tb.Fatalf("Decode(%q): the correction %+v does not lead to %s", text, c, symbols)
		}
		for _, p := range c.Positions {
			if !slices.Contains(fault.Positions, p) {
				tb.Fatalf("Decode(%q): place %d is corrected and not among %v", text, p, fault.Positions)
			}
		}
	}
}

func TestDecodeProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		checkDecode(t, rapid.OneOf(rapid.String(), rapid.StringMatching(`[0-9a-zA-Z. -]{12,24}`)).Draw(t, "text"))
	})
}

func FuzzDecode(f *testing.F) {
	rng := rand.New(rand.NewPCG(9, 9))
	for _, layout := range layouts {
		for _, code := range sampleCodes(rng, layout, 2) {
			symbols := code.Symbols()
			f.Add(symbols)
			f.Add(strings.ToLower(code.Text()))
			f.Add(symbols[1:])
			f.Add("Z" + symbols[1:])
			f.Add(symbols[1:2] + symbols[:1] + symbols[2:])
			f.Add("U" + symbols[1:])
			f.Add(strings.Join(code.Groups(), "\u2013"))
		}
	}
	for _, text := range []string{"", "-", "\xff", "\u212a", "OIL", strings.Repeat("0", 300)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) { checkDecode(t, text) })
}
