package refcode

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"math/big"
	"slices"
	"sync"
	"testing"

	"github.com/cloudflare/circl/group"
	"github.com/cloudflare/circl/oprf"
)

func TestIssuing(t *testing.T) {
	t.Parallel()
	for _, layout := range layouts {
		c := newCohort(t, "issuing", layout)
		for _, pool := range []uint32{PracticePool, 1, 2, 9} {
			b := blind(t, c.directory, pool)
			evaluated, proof := c.answer(t, b.Element, Info(c.directory.Year, pool))
			code, err := b.Finalize(evaluated, proof)
			if err != nil {
				t.Fatalf("pool %d: %v", pool, err)
			}
			if code.Layout() != layout || len(code.Nonce()) != layout.NonceBytes() {
				t.Errorf("the code has layout %d", code.Layout())
			}
			// This is what the server does at confirmation, with nothing but the code.
			if want := TagOf(layout, c.output(t, code.Nonce(), Info(c.directory.Year, pool))); !bytes.Equal(code.Tag(), want) {
				t.Errorf("pool %d: the tag is %x, the server makes %x", pool, code.Tag(), want)
			}
			for _, other := range []uint32{PracticePool, 1, 2, 9} {
				tag := TagOf(layout, c.output(t, code.Nonce(), Info(c.directory.Year, other)))
				if other != pool && bytes.Equal(code.Tag(), tag) {
					t.Errorf("a code of pool %d is good in pool %d", pool, other)
				}
			}
			if got := mustDecode(t, code.Text()); got != code {
				t.Errorf("%s decodes to %s", code.Text(), got.Text())
			}
		}
	}
}

// The server sees the element, the year and the pool; everything else must be new each time.
func TestBlindIsNewEachTime(t *testing.T) {
	t.Parallel()
	for _, layout := range layouts {
		c := newCohort(t, "new each time", layout)
		info := Info(c.directory.Year, 1)
		elements, nonces := map[string]bool{}, map[string]bool{}
		var ones, zeros [maxHalfBytes]byte // the bits that were ever 1, ever 0
		const runs = 80
		for range runs {
			b := blind(t, c.directory, 1)
			if _, err := ParseElement(b.Element); err != nil {
				t.Fatalf("the blinded element %x: %v", b.Element, err)
			}
			code, err := b.Finalize(c.answer(t, b.Element, info))
			if err != nil {
				t.Fatal(err)
			}
			elements[string(b.Element)], nonces[string(code.Nonce())] = true, true
			for i, v := range code.Nonce() {
				ones[i] |= v
				zeros[i] |= ^v
			}
		}
		if len(elements) != runs || len(nonces) != runs {
			t.Errorf("%d elements and %d nonces of %d calls", len(elements), len(nonces), runs)
		}
		used := newCode(layout, bytes.Repeat([]byte{0xff}, maxHalfBytes), make([]byte, maxHalfBytes)).Nonce()
		for i, mask := range used {
			if ones[i] != mask || zeros[i]&mask != mask {
				t.Errorf("byte %d of the nonce: bits %08b were set and %08b were not; in use are %08b", i, ones[i], zeros[i], mask)
			}
		}
	}
}

// sameNonce gives zeros to whoever draws a nonce, and true randomness to whoever draws more.
type sameNonce struct{ io.Reader }

func (r sameNonce) Read(b []byte) (int, error) {
	if len(b) <= maxHalfBytes {
		clear(b)
		return len(b), nil
	}
	return r.Reader.Read(b)
}

// The blind must be drawn anew too: were it not, the server could take it off again at confirmation,
// when it learns the nonce, and know the call. It replaces the random source of the whole process, so
// no other test may run at the same time.
func TestBlindHidesTheSameNonceEachTime(t *testing.T) {
	c := newCohort(t, "same nonce", Short)
	source := rand.Reader
	t.Cleanup(func() { rand.Reader = source })
	rand.Reader = sameNonce{source}

	elements := map[string]bool{}
	const runs = 20
	for range runs {
		b := blind(t, c.directory, 1)
		code, err := b.Finalize(c.answer(t, b.Element, Info(c.directory.Year, 1)))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(code.Nonce(), make([]byte, Short.NonceBytes())) {
			t.Fatalf("the nonce is %x and not the one that was meant to be drawn", code.Nonce())
		}
		elements[string(b.Element)] = true
	}
	if len(elements) != runs {
		t.Errorf("%d elements of %d calls", len(elements), runs)
	}
}

// A nonce handed in with its unused bits set is one that no code can carry: it must lose them before
// it is blinded, or the code would be worth nothing.
func TestBlindUsesTheNonceThatTheCodeHolds(t *testing.T) {
	t.Parallel()
	for _, layout := range layouts {
		c := newCohort(t, "unused bits", layout)
		nonce := bytes.Repeat([]byte{0xff}, layout.NonceBytes())
		b, err := blindWith(c.directory, 1, nonce, scalarOf("blind"))
		if err != nil {
			t.Fatal(err)
		}
		code, err := b.Finalize(c.answer(t, b.Element, Info(c.directory.Year, 1)))
		if err != nil {
			t.Fatal(err)
		}
		if want := TagOf(layout, c.output(t, code.Nonce(), Info(c.directory.Year, 1))); !bytes.Equal(code.Tag(), want) {
			t.Errorf("the tag is %x, the server makes %x of the nonce %x", code.Tag(), want, code.Nonce())
		}
	}
}

func TestBlindRefusesUnknownPools(t *testing.T) {
	t.Parallel()
	c := newCohort(t, "unknown pools", Short)
	for _, pool := range []uint32{3, 8, 10, 1<<32 - 1} {
		if b, err := Blind(c.directory, pool); !errors.Is(err, ErrPool) || b != nil {
			t.Errorf("pool %d: %v, %v", pool, b, err)
		}
	}
}

// TestFinalizeRefuses is the promise that the server cannot mark a caller's code: whatever it answers
// with that is not the pinned key at work on this element, year and pool gives no code.
func TestFinalizeRefuses(t *testing.T) {
	t.Parallel()
	c, other := newCohort(t, "pinned", Short), newCohort(t, "marked", Short)
	b := blind(t, c.directory, 1)
	info := Info(c.directory.Year, 1)
	evaluated, proof := c.answer(t, b.Element, info)
	again, proofAgain := c.answer(t, blind(t, c.directory, 1).Element, info)
	otherKey, otherKeyProof := other.answer(t, b.Element, info)
	otherPool, otherPoolProof := c.answer(t, b.Element, Info(c.directory.Year, 2))
	otherYear, otherYearProof := c.answer(t, b.Element, Info(c.directory.Year+1, 1))
	practice, practiceProof := c.answer(t, b.Element, Info(c.directory.Year, PracticePool))
	swapped := append(bytes.Clone(proof[32:]), proof[:32]...)
	unreduced := bytes.Clone(proof)
	copy(unreduced, addOrder(t, proof[:32]))

	tests := []struct {
		name             string
		evaluated, proof []byte
		want             error
	}{
		{"another key", otherKey, otherKeyProof, ErrProof},
		{"another key with the right proof", otherKey, proof, ErrProof},
		{"another pool", otherPool, otherPoolProof, ErrProof},
		{"another year", otherYear, otherYearProof, ErrProof},
		{"the practice pool", practice, practiceProof, ErrProof},
		{"the answer to another element", again, proofAgain, ErrProof},
		{"the proof of another answer", evaluated, proofAgain, ErrProof},
		{"the blinded element itself", b.Element, proof, ErrProof},
		{"halves of the proof swapped", evaluated, swapped, ErrProof},
		{"scalar of the proof not reduced", evaluated, unreduced, ErrProof},
		{"proof of zeros", evaluated, make([]byte, 64), ErrProof},
		{"proof of ones", evaluated, bytes.Repeat([]byte{0xff}, 64), ErrProof},
		{"no proof", evaluated, nil, ErrProof},
		{"proof too short", evaluated, proof[:63], ErrProof},
		{"proof too long", evaluated, append(bytes.Clone(proof), 0), ErrProof},
		{"no element", nil, proof, ErrElement},
		{"element too short", evaluated[:31], proof, ErrElement},
		{"element too long", append(bytes.Clone(evaluated), 0), proof, ErrElement},
		{"the identity", make([]byte, 32), proof, ErrElement},
		{"element of ones", bytes.Repeat([]byte{0xff}, 32), proof, ErrElement},
		{"nothing", nil, nil, ErrElement},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if code, err := b.Finalize(tt.evaluated, tt.proof); !errors.Is(err, tt.want) || code != (Code{}) {
				t.Errorf("got %v, %v; want %v", code.Symbols(), err, tt.want)
			}
		})
	}
	// A wrong answer spoils nothing: the right one still counts.
	if _, err := b.Finalize(evaluated, proof); err != nil {
		t.Errorf("the right answer is refused: %v", err)
	}
}

func TestFinalizeRefusesEveryFlippedBit(t *testing.T) {
	t.Parallel()
	c := newCohort(t, "flipped", Long)
	b := blind(t, c.directory, 2)
	evaluated, proof := c.answer(t, b.Element, Info(c.directory.Year, 2))
	answer := append(bytes.Clone(evaluated), proof...)
	for bit := range 8 * len(answer) {
		changed := bytes.Clone(answer)
		changed[bit/8] ^= 1 << (bit % 8)
		code, err := b.Finalize(changed[:ElementBytes], changed[ElementBytes:])
		if err == nil || code != (Code{}) || !errors.Is(err, ErrElement) && !errors.Is(err, ErrProof) {
			t.Errorf("bit %d: %v, %v", bit, code.Symbols(), err)
		}
	}
}

// A public key that the info cancels out leaves a key of zero, which RFC 9497, section 3.3.3 refuses.
// Only a server that chooses its key so can bring it about.
func TestFinalizeRefusesATweakedKeyOfZero(t *testing.T) {
	t.Parallel()
	info := Info(2027, 1)
	tweak := tweakOf(info)
	public, err := group.Ristretto255.NewElement().MulGen(group.Ristretto255.NewScalar().Neg(tweak)).MarshalBinaryCompress()
	if err != nil {
		t.Fatal(err)
	}
	d := Directory{Year: 2027, Layout: Short, PublicKey: public, Pools: []uint32{1}}
	b := blind(t, d, 1)
	for _, proof := range [][]byte{make([]byte, 64), bytes.Repeat([]byte{1}, 64)} {
		code, err := b.Finalize(b.Element, proof)
		if !errors.Is(err, ErrProof) || !errors.Is(err, oprf.ErrInvalidInfo) || code != (Code{}) {
			t.Errorf("got %v, %v", code.Symbols(), err)
		}
	}
}

// Counsellors' clients and servers use one directory from many goroutines; run with -race.
func TestIssuingAtTheSameTime(t *testing.T) {
	t.Parallel()
	c := newCohort(t, "at the same time", Short)
	info := Info(c.directory.Year, 1)
	shared := blind(t, c.directory, 1)
	sharedEvaluated, sharedProof := c.answer(t, shared.Element, info)
	codes := make([]Code, 8)
	var wg sync.WaitGroup
	for i := range codes {
		wg.Go(func() {
			b, err := Blind(c.directory, 1)
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := b.Finalize(sharedEvaluated, sharedProof); !errors.Is(err, ErrProof) {
				t.Errorf("the answer to another caller: %v", err)
			}
			if codes[i], err = shared.Finalize(sharedEvaluated, sharedProof); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, code := range codes {
		if code != codes[0] {
			t.Errorf("one answer gave %s and %s", codes[0].Symbols(), code.Symbols())
		}
	}
}

func FuzzFinalize(f *testing.F) {
	c := newCohort(f, "fuzz", Short)
	info := Info(c.directory.Year, 1)
	b, err := blindWith(c.directory, 1, []byte{1, 2, 3, 4, 0xe0}, scalarOf("fuzz"))
	if err != nil {
		f.Fatal(err)
	}
	tag := TagOf(Short, c.output(f, []byte{1, 2, 3, 4, 0xe0}, info))
	evaluated, proof := c.answer(f, b.Element, info)
	f.Add(evaluated, proof)
	f.Add(b.Element, proof)
	f.Add(evaluated, make([]byte, ProofBytes))
	f.Add(make([]byte, ElementBytes), proof)
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, evaluated, proof []byte) {
		code, err := b.Finalize(evaluated, proof)
		switch {
		case err != nil && !errors.Is(err, ErrElement) && !errors.Is(err, ErrProof):
			t.Errorf("failed with %v", err)
		case err != nil && code != (Code{}):
			t.Errorf("a code next to the error %v", err)
		case err == nil && !bytes.Equal(code.Tag(), tag):
			t.Errorf("accepted with the tag %x, want %x", code.Tag(), tag)
		}
	})
}

// addOrder adds the group's order to a little-endian scalar: the same scalar, not reduced.
func addOrder(tb testing.TB, scalar []byte) []byte {
	tb.Helper()
	order, ok := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	if !ok {
		tb.Fatal("not a number")
	}
	reversed := bytes.Clone(scalar)
	slices.Reverse(reversed)
	sum := order.Add(order, new(big.Int).SetBytes(reversed)).FillBytes(make([]byte, len(scalar)))
	slices.Reverse(sum)
	return sum
}

// tweakOf is the scalar that an info adds to the private key (RFC 9497, section 3.3.3).
func tweakOf(info []byte) group.Scalar {
	framed := append([]byte("Info"), byte(len(info)>>8), byte(len(info)))
	return group.Ristretto255.HashToScalar(append(framed, info...), dst("HashToScalar-"))
}

// dst is a domain separation tag of the suite in mode POPRF (RFC 9497, section 4.1).
func dst(prefix string) []byte {
	tag := append([]byte(prefix), "OPRFV1-"...)
	return append(append(tag, oprf.PartialObliviousMode), "-"+Suite.Identifier()...)
}
