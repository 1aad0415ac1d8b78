package refcode

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/cloudflare/circl/group"
	"github.com/cloudflare/circl/oprf"
	"github.com/cloudflare/circl/zk/dleq"
)

// rfcVectors is testdata/rfc9497.json: all of the RFC's vectors for our suite and mode.
type rfcVectors struct {
	Source     string `json:"source"`
	Seed       hexed  `json:"seed"`
	KeyInfo    hexed  `json:"key_info"`
	PrivateKey hexed  `json:"private_key"`
	PublicKey  hexed  `json:"public_key"`
	Cases      []struct {
		Info  hexed `json:"info"`
		Items []struct {
			Input     hexed `json:"input"`
			Blind     hexed `json:"blind"`
			Blinded   hexed `json:"blinded_element"`
			Evaluated hexed `json:"evaluated_element"`
			Output    hexed `json:"output"`
		} `json:"items"`
		ProofRandom hexed `json:"proof_random"`
		Proof       hexed `json:"proof"`
	} `json:"cases"`
}

func readRFCVectors(t *testing.T) rfcVectors {
	t.Helper()
	file, err := os.ReadFile("testdata/rfc9497.json")
	if err != nil {
		t.Fatal(err)
	}
	var v rfcVectors
	if err := json.Unmarshal(file, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// A library that changed its suite under our feet would make every outstanding code worthless: these
// are the numbers that everyone else's RFC 9497 computes too.
func TestSuiteIsThatOfTheRFC(t *testing.T) {
	t.Parallel()
	v := readRFCVectors(t)
	key, err := oprf.DeriveKey(Suite, oprf.PartialObliviousMode, v.Seed, v.KeyInfo)
	if err != nil {
		t.Fatal(err)
	}
	private, err := key.MarshalBinary()
	same(t, "private key", private, v.PrivateKey, err)
	public, err := key.Public().MarshalBinary()
	same(t, "public key", public, v.PublicKey, err)

	pinned := new(oprf.PublicKey)
	if err := pinned.UnmarshalBinary(Suite, v.PublicKey); err != nil {
		t.Fatal(err)
	}
	client := oprf.NewPartialObliviousClient(Suite, pinned)
	server := oprf.NewPartialObliviousServer(Suite, key)

	batches := map[int]int{}
	for _, c := range v.Cases {
		batches[len(c.Items)]++
		var inputs [][]byte
		var blinds []oprf.Blind
		for _, item := range c.Items {
			inputs, blinds = append(inputs, item.Input), append(blinds, scalar(t, item.Blind))
		}
		state, request, err := client.DeterministicBlind(inputs, blinds)
		if err != nil {
			t.Fatal(err)
		}
		evaluation, err := server.Evaluate(request, c.Info)
		if err != nil {
			t.Fatal(err)
		}
		for i, item := range c.Items {
			same(t, "blinded element", element(t, request.Elements[i]), item.Blinded, nil)
			same(t, "evaluated element", element(t, evaluation.Elements[i]), item.Evaluated, nil)
			output, err := server.FullEvaluate(item.Input, c.Info)
			same(t, "output of the server", output, item.Output, err)
		}

		// The RFC's proof is made with the RFC's random scalar; ours are not, and must do as well.
		proof := prove(t, key, c.Info, scalar(t, c.ProofRandom), request.Elements, evaluation.Elements)
		same(t, "proof", proof, c.Proof, nil)
		published := new(dleq.Proof)
		if err := published.UnmarshalBinary(group.Ristretto255, c.Proof); err != nil {
			t.Fatal(err)
		}
		for name, proof := range map[string]*dleq.Proof{"published": published, "fresh": evaluation.Proof} {
			outputs, err := client.Finalize(state, &oprf.Evaluation{Elements: evaluation.Elements, Proof: proof}, c.Info)
			if err != nil {
				t.Fatalf("the %s proof: %v", name, err)
			}
			for i, item := range c.Items {
				same(t, "output of the client", outputs[i], item.Output, nil)
			}
		}
	}
	if batches[1] != 2 || batches[2] != 1 {
		t.Errorf("cases by size of batch: %v", batches)
	}
}

// prove makes the server's proof with the random scalar handed in (RFC 9497, section 2.2.1).
func prove(tb testing.TB, key *oprf.PrivateKey, info []byte, random group.Scalar, blinded, evaluated []group.Element) []byte {
	tb.Helper()
	private, err := key.MarshalBinary()
	if err != nil {
		tb.Fatal(err)
	}
	tweaked := group.Ristretto255.NewScalar().Add(scalar(tb, private), tweakOf(info))
	prover := dleq.Prover{Params: dleq.Params{G: group.Ristretto255, H: Suite.Hash(), DST: dst("")}}
	proof, err := prover.ProveBatchWithRandomnessRFC9497(
		tweaked, group.Ristretto255.NewElement().MulGen(tweaked), evaluated, blinded, random)
	if err != nil {
		tb.Fatal(err)
	}
	b, err := proof.MarshalBinary()
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func scalar(tb testing.TB, b []byte) group.Scalar {
	tb.Helper()
	s := group.Ristretto255.NewScalar()
	if err := s.UnmarshalBinary(b); err != nil {
		tb.Fatalf("scalar %x: %v", b, err)
	}
	return s
}

func element(tb testing.TB, e group.Element) []byte {
	tb.Helper()
	b, err := e.MarshalBinaryCompress()
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func same(tb testing.TB, what string, got, want []byte, err error) {
	tb.Helper()
	if err != nil || !bytes.Equal(got, want) {
		tb.Errorf("%s: got %x (%v), want %x", what, got, err, want)
	}
}
