package refcode

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// slowMul multiplies in GF(32) on paper: polynomials over GF(2), then long division by x^5 + x^2 + 1.
func slowMul(x, y byte) byte {
	product := 0
	for bit := range 5 {
		if y>>bit&1 == 1 {
			product ^= int(x) << bit
		}
	}
	for degree := 8; degree >= 5; degree-- {
		if product>>degree&1 == 1 {
			product ^= 0b100101 << (degree - 5)
		}
	}
	return byte(product)
}

// slowSyndromes computes both sums of a code's symbols as the protocol words them.
func slowSyndromes(symbols string) (s0, s1 byte) {
	power := byte(1)
	for _, r := range symbols {
		v := byte(strings.IndexRune(Alphabet, r))
		s0 ^= v
		s1 ^= slowMul(power, v)
		power = slowMul(power, 2)
	}
	return s0, s1
}

func TestFieldArithmetic(t *testing.T) {
	t.Parallel()
	for x := range byte(32) {
		for y := range byte(32) {
			if got, want := gfMul(x, y), slowMul(x, y); got != want {
				t.Errorf("gfMul(%d, %d) = %d, want %d", x, y, got, want)
			}
			if y == 0 {
				continue
			}
			if got := gfDiv(slowMul(x, y), y); got != x {
				t.Errorf("gfDiv(%d * %d, %d) = %d, want %d", x, y, y, got, x)
			}
		}
	}
}

func TestFieldPowers(t *testing.T) {
	t.Parallel()
	seen := map[byte]bool{}
	power := byte(1)
	for i := range 31 {
		if gfExp[i] != power || gfExp[i+31] != power {
			t.Errorf("a^%d: the table has %d and %d, want %d", i, gfExp[i], gfExp[i+31], power)
		}
		seen[power] = true
		power = slowMul(power, 2)
	}
	// If a had a smaller order, two places would share a weight and their errors be taken for each other.
	if len(seen) != 31 || power != 1 {
		t.Errorf("a has not the order 31: %d different powers", len(seen))
	}
}

func TestCheckSymbolsBringBothSumsToZero(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		symbols := anyCode.Draw(t, "code").Symbols()
		if s0, s1 := slowSyndromes(symbols); s0 != 0 || s1 != 0 {
			t.Fatalf("%s sums to %d and %d", symbols, s0, s1)
		}
	})
}

// Every symbol at every place is replaced by every other: a counsellor who mishears one symbol is
// told which, and is offered what was said and nothing else.
func TestEverySingleWrongSymbolIsPutRight(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 1))
	for _, layout := range layouts {
		for _, code := range sampleCodes(rng, layout, 12) {
			symbols := code.Symbols()
			for at := range len(symbols) {
				for _, wrong := range Alphabet {
					if byte(wrong) == symbols[at] {
						continue
					}
					heard := symbols[:at] + string(wrong) + symbols[at+1:]
					fault := faultOf(t, heard)
					want := []Correction{{Positions: []int{at + 1}, Heard: string(wrong), Meant: symbols[at : at+1], Code: code}}
					if fault.Fault != FaultCheck || !slices.Equal(fault.Positions, []int{at + 1}) || fault.Symbols != len(symbols) {
						t.Fatalf("%s heard as %s: %s at %v of %d", symbols, heard, fault.Fault, fault.Positions, fault.Symbols)
					}
					if got := fault.Corrections(); !reflect.DeepEqual(got, want) {
						t.Fatalf("%s heard as %s: offered %+v", symbols, heard, got)
					}
				}
			}
		}
	}
}

// Every pair of places with every pair of errors, each on a code of its own: about 300,000 texts. The
// share that is taken for a single error is in the protocol, as the reason why corrections are offered
// with a "maybe".
func TestEveryDoubleErrorIsFound(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(2, 2))
	for _, layout := range layouts {
		total, single := 0, 0
		for i := range layout.Symbols() {
			for j := range i {
				code := randomCode(rng, layout)
				word := code.word()
				for e := range byte(31) {
					for f := range byte(31) {
						heard := slices.Clone(word)
						heard[i] ^= e + 1
						heard[j] ^= f + 1
						fault := faultOf(t, spell(heard))
						if fault.Fault != FaultCheck {
							t.Fatalf("%s heard as %s: %s", code.Symbols(), spell(heard), fault.Fault)
						}
						total++
						if len(fault.Positions) == 1 {
							single++
						}
					}
				}
			}
		}
		if share := float64(single) / float64(total); share < 0.4 || share > 0.65 {
			t.Errorf("%d symbols: %.2f of double errors look like a single one; the protocol says about half", layout.Symbols(), share)
		}
	}
}

func TestEverySwapOfNeighboursIsFound(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 3))
	const samples = 100_000
	for n := 0; n < samples; {
		code := randomCode(rng, layouts[rng.IntN(len(layouts))])
		word := code.word()
		for at := range len(word) - 1 {
			if word[at] == word[at+1] {
				continue
			}
			heard := slices.Clone(word)
			heard[at], heard[at+1] = heard[at+1], heard[at]
			fault := faultOf(t, spell(heard))
			right := Correction{
				Positions: []int{at + 1, at + 2},
				Heard:     spell(heard[at : at+2]),
				Meant:     spell(word[at : at+2]),
				Code:      code,
			}
			if !slices.ContainsFunc(fault.Corrections(), func(c Correction) bool { return reflect.DeepEqual(c, right) }) {
				t.Fatalf("%s heard as %s: offered %+v", code.Symbols(), spell(heard), fault.Corrections())
			}
			n++
		}
	}
}

// Whatever is wrong with a text, what is offered is all that one changed symbol or one swap of
// neighbours can explain, found here by trying each.
func TestCorrectionsAreAllSimpleExplanations(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		word := anyCode.Draw(t, "code").word()
		if rapid.Bool().Draw(t, "swapped") {
			at := rapid.IntRange(0, len(word)-2).Draw(t, "at")
			word[at], word[at+1] = word[at+1], word[at]
		}
		for range rapid.IntRange(0, 3).Draw(t, "errors") {
			word[rapid.IntRange(0, len(word)-1).Draw(t, "place")] = rapid.ByteMax(31).Draw(t, "value")
		}
		_, err := Decode(spell(word))
		if err == nil {
			return // the errors cancelled out, or there were none
		}
		fault := err.(*DecodeError)

		want := map[string]bool{}
		places := map[int]bool{}
		for at := range word {
			for v := range byte(32) {
				tried := slices.Clone(word)
				tried[at] = v
				if _, err := Decode(spell(tried)); err == nil {
					want[spell(tried)], places[at+1] = true, true
				}
			}
			if at+1 < len(word) {
				tried := slices.Clone(word)
				tried[at], tried[at+1] = tried[at+1], tried[at]
				if _, err := Decode(spell(tried)); err == nil {
					want[spell(tried)], places[at+1], places[at+2] = true, true, true
				}
			}
		}
		got := map[string]bool{}
		for _, c := range fault.Corrections() {
			got[c.Code.Symbols()] = true
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%s: offered %v, want %v", spell(word), got, want)
		}
		for _, p := range fault.Positions {
			if !places[p] {
				t.Fatalf("%s: place %d is named without need", spell(word), p)
			}
			delete(places, p)
		}
		if len(places) > 0 {
			t.Fatalf("%s: positions %v leave out %v", spell(word), fault.Positions, places)
		}
	})
}

// spell writes symbol values.
func spell(word []byte) string {
	var b strings.Builder
	for _, v := range word {
		b.WriteByte(Alphabet[v])
	}
	return b.String()
}
