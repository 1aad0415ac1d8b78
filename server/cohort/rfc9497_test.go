package cohort

import (
	"bytes"
	"testing"

	"github.com/cloudflare/circl/group"
	"github.com/cloudflare/circl/oprf"
	"pgregory.net/rapid"

	"aankomst/refcode"
)

// The vectors of RFC 9497, appendix A.1.3: ristretto255-SHA512, mode POPRF, batch size 1.
func TestTheEvaluationIsThatOfTheRFC(t *testing.T) {
	t.Parallel()
	const info = "7465737420696e666f"
	key, err := newKey(2027, unhex(t, "145c79c108538421ac164ecbe131942136d5570b16d8bf41a24d4337da981e07"), make([]byte, spentKeyBytes))
	if err != nil {
		t.Fatal(err)
	}
	if want := unhex(t, "c647bef38497bc6ec077c22af65b696efa43bff3b4a1975a3e8e0a1c5a79d631"); !bytes.Equal(key.PublicKey(), want) {
		t.Errorf("public key: got %x, want %x", key.PublicKey(), want)
	}
	inverse, err := tweakedInverse(privateOf(t, key), unhex(t, info))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ input, blinded, evaluated, output string }{
		{
			"00",
			"c8713aa89241d6989ac142f22dba30596db635c772cbf25021fdd8f3d461f715",
			"1a4b860d808ff19624731e67b5eff20ceb2df3c3c03b906f5693e2078450d874",
			"ca688351e88afb1d841fde4401c79efebb2eb75e7998fa9737bd5a82a152406d38bd29f680504e54fd4587eddcf2f37a2617ac2fbd2993f7bdf45442ace7d221",
		},
		{
			"5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a",
			"f0f0b209dd4d5f1844dac679acc7761b91a2e704879656cb7c201e82a99ab07d",
			"8c3c9d064c334c6991e99f286ea2301d1bde170b54003fb9c44c6d7bd6fc1540",
			"7c6557b276a137922a0bcfc2aa2b35dd78322bd500235eb6d6b6f91bc5b56a52de2d65612d503236b321f5d0bebcbc52b64b92e426f29c9b8b69f52de98ae507",
		},
	} {
		output := finalize(unhex(t, c.input), unhex(t, info), inverse, hashToGroup(unhex(t, c.input)))
		if !bytes.Equal(output, unhex(t, c.output)) {
			t.Errorf("input %s: output %x, want %s", c.input, output, c.output)
		}
		blinded, err := refcode.ParseElement(unhex(t, c.blinded))
		if err != nil {
			t.Fatal(err)
		}
		evaluated, err := group.Ristretto255.NewElement().Mul(blinded, inverse).MarshalBinaryCompress()
		if err != nil || !bytes.Equal(evaluated, unhex(t, c.evaluated)) {
			t.Errorf("input %s: evaluated element %x (%v), want %s", c.input, evaluated, err, c.evaluated)
		}
	}
}

// What is composed here is what the library computes, for whatever key, cohort, pool and nonce.
func TestTheEvaluationIsThatOfTheLibrary(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		key := keyNamed(t, rapid.String().Draw(t, "key"), 2027)
		info := refcode.Info(rapid.Uint16().Draw(t, "year"), rapid.Uint32().Draw(t, "pool"))
		if rapid.Bool().Draw(t, "any info") {
			info = rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "info")
		}
		nonce := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "nonce")
		want, err := oprf.NewPartialObliviousServer(refcode.Suite, key.secret().private).FullEvaluate(nonce, info)
		if err != nil {
			t.Fatal(err)
		}
		inverse, err := tweakedInverse(privateOf(t, key), info)
		if err != nil {
			t.Fatal(err)
		}
		if got := finalize(nonce, info, inverse, hashToGroup(nonce)); !bytes.Equal(got, want) {
			t.Fatalf("got %x, want %x", got, want)
		}
	})
}

// A key that the tweak of some pool takes to zero has no inverse (RFC 9497, section 3.3.3).
func TestATweakedKeyOfZeroIsRefused(t *testing.T) {
	t.Parallel()
	info := refcode.Info(2027, 1)
	tweak := group.Ristretto255.HashToScalar(lengthPrefixed([]byte("Info"), info), []byte("HashToScalar-"+contextString))
	private := group.Ristretto255.NewScalar().Neg(tweak)
	if _, err := tweakedInverse(private, info); err == nil {
		t.Error("it was inverted")
	}
	encoded, err := private.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	key, err := newKey(2027, encoded, make([]byte, spentKeyBytes))
	if err != nil {
		t.Fatal(err)
	}
	if err := (&Keyring{}).Load(opened(key, refcode.Short, 1), key); err == nil {
		t.Error("it was taken into use")
	}
}

func privateOf(tb rapid.TB, key *Key) group.Scalar {
	tb.Helper()
	encoded, err := key.secret().private.MarshalBinary()
	if err != nil {
		tb.Fatal(err)
	}
	private := group.Ristretto255.NewScalar()
	if err := private.UnmarshalBinary(encoded); err != nil {
		tb.Fatal(err)
	}
	return private
}
