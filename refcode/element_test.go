package refcode

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/big"
	"os"
	"slices"
	"testing"

	"github.com/cloudflare/circl/group"
)

// What may be wrong with 32 bytes that should be an element, as RFC 9496, section 4.3.1 has it.
const (
	whyLength       = "not 32 bytes"
	whyNotCanonical = "not canonical: the field element is not reduced"
	whyNegative     = "negative field element"
	whyNotSquare    = "x^2 is not a square"
	whyNegativeXY   = "x*y is negative"
	whyZeroY        = "y is zero"
	whyIdentity     = "the identity"
)

var (
	fieldP = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	// edwardsD is -121665/121666.
	edwardsD = new(big.Int).Mod(new(big.Int).Mul(big.NewInt(-121665), new(big.Int).ModInverse(big.NewInt(121666), fieldP)), fieldP)
)

// whyRefused decodes with big integers, straight from the curve's equation and with no code of the
// library under test; it returns "" for an element that is to be accepted.
func whyRefused(b []byte) string {
	if len(b) != ElementBytes {
		return whyLength
	}
	mod := func(x *big.Int) *big.Int { return x.Mod(x, fieldP) }
	mul := func(x, y *big.Int) *big.Int { return mod(new(big.Int).Mul(x, y)) }
	div := func(x, y *big.Int) *big.Int { return mul(x, new(big.Int).ModInverse(y, fieldP)) }
	one := big.NewInt(1)

	reversed := slices.Clone(b)
	slices.Reverse(reversed)
	s := new(big.Int).SetBytes(reversed)
	if s.Cmp(fieldP) >= 0 {
		return whyNotCanonical
	}
	if s.Bit(0) == 1 {
		return whyNegative
	}
	if s.Sign() == 0 {
		return whyIdentity
	}
	// x^2 = 4 s^2 / -(d u1^2 + u2^2) and y = u1 / u2, with u1 = 1 - s^2 and u2 = 1 + s^2; a = -1.
	ss := mul(s, s)
	u1, u2 := mod(new(big.Int).Sub(one, ss)), mod(new(big.Int).Add(one, ss))
	if u1.Sign() == 0 {
		return whyZeroY // s is -1
	}
	if u2.Sign() == 0 {
		return whyNotSquare // s is a root of -1, and the x^2 below has no value
	}
	v := mod(new(big.Int).Neg(new(big.Int).Add(mul(edwardsD, mul(u1, u1)), mul(u2, u2))))
	xx := div(mul(big.NewInt(4), ss), v)
	x := new(big.Int).ModSqrt(xx, fieldP)
	if x == nil {
		return whyNotSquare
	}
	if x.Bit(0) == 1 {
		x.Sub(fieldP, x)
	}
	if y := div(u1, u2); mul(x, y).Bit(0) == 1 {
		return whyNegativeXY
	}
	return ""
}

func checkElement(tb testing.TB, b []byte) {
	tb.Helper()
	element, err := ParseElement(b)
	why := whyRefused(b)
	switch {
	case why != "" && (!errors.Is(err, ErrElement) || element != nil):
		tb.Fatalf("%x (%s) gives %v, %v", b, why, element, err)
	case why == "" && err != nil:
		tb.Fatalf("%x is refused: %v", b, err)
	case why == "":
		if again, err := element.MarshalBinaryCompress(); err != nil || !bytes.Equal(again, b) {
			tb.Fatalf("%x is read as %x (%v)", b, again, err)
		}
	}
}

func TestParseElementAcceptsElements(t *testing.T) {
	t.Parallel()
	element := group.Ristretto255.Generator()
	for i := range 64 {
		b, err := element.MarshalBinaryCompress()
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseElement(b)
		if err != nil || !got.IsEqual(element) {
			t.Errorf("%d times the generator, %x: %v, %v", i+1, b, got, err)
		}
		checkElement(t, b)
		element.Add(element, group.Ristretto255.Generator())
	}
}

// Small and large field elements: near 0 and near p lies what a careless reduction lets through.
func TestParseElementAtTheEdges(t *testing.T) {
	t.Parallel()
	for _, base := range []*big.Int{new(big.Int), fieldP, new(big.Int).Lsh(big.NewInt(1), 255)} {
		for delta := int64(-40); delta <= 40; delta++ {
			s := new(big.Int).Add(base, big.NewInt(delta))
			if s.Sign() < 0 {
				continue
			}
			b := s.FillBytes(make([]byte, ElementBytes))
			slices.Reverse(b)
			checkElement(t, b)
		}
	}
}

// Every bit of a good element flipped, among them the one above the field.
func TestParseElementWithAnyBitFlipped(t *testing.T) {
	t.Parallel()
	for bit := range 8 * ElementBytes {
		b := unhex(t, generator)
		b[bit/8] ^= 1 << (bit % 8)
		checkElement(t, b)
	}
}

func FuzzParseElement(f *testing.F) {
	f.Add(unhex(f, generator))
	file, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		f.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(file, &v); err != nil {
		f.Fatal(err)
	}
	for _, r := range v.RefusedElements {
		f.Add([]byte(r.Element))
	}
	f.Fuzz(func(t *testing.T, b []byte) { checkElement(t, b) })
}
