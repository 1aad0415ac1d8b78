package refcode

import (
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"

	"github.com/cloudflare/circl/group"
	"github.com/cloudflare/circl/oprf"
	"pgregory.net/rapid"
)

var layouts = []Layout{Short, Long}

// cohort is a server of one cohort for tests: a key made from a name, so that runs can be repeated.
type cohort struct {
	key       *oprf.PrivateKey
	server    oprf.PartialObliviousServer
	directory Directory
}

func newCohort(tb rapid.TB, name string, layout Layout) cohort {
	tb.Helper()
	seed := sha256.Sum256([]byte(name))
	key, err := oprf.DeriveKey(Suite, oprf.PartialObliviousMode, seed[:], nil)
	if err != nil {
		tb.Fatalf("deriving a key: %v", err)
	}
	public, err := key.Public().MarshalBinary()
	if err != nil {
		tb.Fatalf("encoding a public key: %v", err)
	}
	return cohort{
		key:       key,
		server:    oprf.NewPartialObliviousServer(Suite, key),
		directory: Directory{Year: 2027, Layout: layout, PublicKey: public, Pools: []uint32{1, 2, 9}},
	}
}

// answer does the server's half of an issuing.
func (c cohort) answer(tb rapid.TB, blinded, info []byte) (evaluated, proof []byte) {
	tb.Helper()
	element, err := ParseElement(blinded)
	if err != nil {
		tb.Fatalf("the server refuses the blinded element: %v", err)
	}
	evaluation, err := c.server.Evaluate(&oprf.EvaluationRequest{Elements: []oprf.Blinded{element}}, info)
	if err != nil {
		tb.Fatalf("evaluating: %v", err)
	}
	evaluated, err = evaluation.Elements[0].MarshalBinaryCompress()
	if err != nil {
		tb.Fatalf("encoding the evaluated element: %v", err)
	}
	proof, err = evaluation.Proof.MarshalBinary()
	if err != nil {
		tb.Fatalf("encoding the proof: %v", err)
	}
	return evaluated, proof
}

// output is the PRF itself, without blinding.
func (c cohort) output(tb rapid.TB, nonce, info []byte) []byte {
	tb.Helper()
	output, err := c.server.FullEvaluate(nonce, info)
	if err != nil {
		tb.Fatalf("evaluating in full: %v", err)
	}
	return output
}

// scalarOf returns a scalar that depends on a name only.
func scalarOf(name string) group.Scalar {
	return group.Ristretto255.HashToScalar([]byte(name), []byte("refcode tests"))
}

// blind is Blind for tests in which it must work.
func blind(tb rapid.TB, directory Directory, pool uint32) *Blinding {
	tb.Helper()
	b, err := Blind(directory, pool)
	if err != nil {
		tb.Fatalf("blinding for pool %d: %v", pool, err)
	}
	return b
}

// randomCode makes a code that no server has issued; for how codes are written that does not matter.
func randomCode(rng *rand.Rand, layout Layout) Code {
	var bits [2 * maxHalfBytes]byte
	for i := range bits {
		bits[i] = byte(rng.Uint32())
	}
	return newCode(layout, bits[:maxHalfBytes], bits[maxHalfBytes:])
}

// sampleCodes returns the codes with all bits zero and all bits one, and n random ones.
func sampleCodes(rng *rand.Rand, layout Layout, n int) []Code {
	ones := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	codes := []Code{newCode(layout, make([]byte, maxHalfBytes), make([]byte, maxHalfBytes)), newCode(layout, ones, ones)}
	for range n {
		codes = append(codes, randomCode(rng, layout))
	}
	return codes
}

// anyCode draws a code of either layout.
var anyCode = rapid.Custom(func(t *rapid.T) Code {
	layout := rapid.SampledFrom(layouts).Draw(t, "layout")
	half := rapid.SliceOfN(rapid.Byte(), maxHalfBytes, maxHalfBytes)
	return newCode(layout, half.Draw(t, "nonce"), half.Draw(t, "tag"))
})

// mustDecode is Decode for texts that must be codes.
func mustDecode(tb rapid.TB, text string) Code {
	tb.Helper()
	code, err := Decode(text)
	if err != nil {
		tb.Fatalf("Decode(%q): %v", text, err)
	}
	return code
}

// faultOf decodes a text that must not be a code.
func faultOf(tb rapid.TB, text string) *DecodeError {
	tb.Helper()
	code, err := Decode(text)
	if err == nil {
		tb.Fatalf("Decode(%q) took it for the code %s", text, code.Symbols())
	}
	if code != (Code{}) {
		tb.Fatalf("Decode(%q) returned a code next to the error %v", text, err)
	}
	fault, ok := err.(*DecodeError)
	if !ok {
		tb.Fatalf("Decode(%q) failed with a %T: %v", text, err, err)
	}
	return fault
}

// unhex decodes hexadecimal that the test itself wrote.
func unhex(tb rapid.TB, text string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		tb.Fatalf("decoding %q: %v", text, err)
	}
	return b
}
