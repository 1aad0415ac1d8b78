package refcode_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log"
	"strings"

	"github.com/cloudflare/circl/oprf"

	"aankomst/refcode"
)

// The client draws a code for pool 1 that the server signs without seeing it.
func ExampleBlind() {
	// The server's key, and the directory that it publishes and that the client has pinned.
	key, err := oprf.GenerateKey(refcode.Suite, rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	public, err := key.Public().MarshalBinary()
	if err != nil {
		log.Fatal(err)
	}
	directory := refcode.Directory{Year: 2027, Layout: refcode.Short, PublicKey: public, Pools: []uint32{1, 2}}

	// The client sends blinding.Element, the year and the pool.
	blinding, err := refcode.Blind(directory, 1)
	if err != nil {
		log.Fatal(err)
	}

	// The server evaluates.
	element, err := refcode.ParseElement(blinding.Element)
	if err != nil {
		log.Fatal(err)
	}
	request := &oprf.EvaluationRequest{Elements: []oprf.Blinded{element}}
	evaluation, err := oprf.NewPartialObliviousServer(refcode.Suite, key).Evaluate(request, refcode.Info(2027, 1))
	if err != nil {
		log.Fatal(err)
	}
	evaluated, err := evaluation.Elements[0].MarshalBinaryCompress()
	if err != nil {
		log.Fatal(err)
	}
	proof, err := evaluation.Proof.MarshalBinary()
	if err != nil {
		log.Fatal(err)
	}

	// The client verifies the answer and has the code.
	code, err := blinding.Finalize(evaluated, proof)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(code.Groups()), "groups of", len(code.Groups()[0]), "symbols")
	fmt.Println(code) // by accident; code.Text() is for showing
	// Output:
	// 4 groups of 4 symbols
	// [referral code]
}

// A centre types what it heard: an N was taken for an M.
func ExampleDecode() {
	_, err := refcode.Decode("3wsj anxy 236e 2157")
	fmt.Println("as it was said:", err)

	_, err = refcode.Decode("3WSJ AMXY 236E 2157")
	fmt.Println(err)
	var fault *refcode.DecodeError
	if errors.As(err, &fault) {
		for _, c := range fault.Corrections() {
			fmt.Printf("did you hear %s instead of %s? Then it is %s\n", c.Meant, c.Heard, c.Code.Text())
		}
	}
	// Output:
	// as it was said: <nil>
	// the code does not fit its check symbols; look again at place 6
	// did you hear N instead of M? Then it is 3WSJ ANXY 236E 2157
}

// Two neighbours changed places, which has more than one explanation here: all are offered, and only
// the server can tell which was issued.
func ExampleDecodeError_Corrections() {
	_, err := refcode.Decode("V15K 7G5Y 3T4D 9Z17")
	var fault *refcode.DecodeError
	if errors.As(err, &fault) {
		for _, c := range fault.Corrections() {
			fmt.Printf("%s at places %v may have been %s: %s\n",
				strings.Join(strings.Split(c.Heard, ""), ", "), c.Positions, strings.Join(strings.Split(c.Meant, ""), ", "), c.Code.Text())
		}
	}
	// Output:
	// 5, K at places [3 4] may have been K, 5: V1K5 7G5Y 3T4D 9Z17
	// 7, G at places [5 6] may have been G, 7: V15K G75Y 3T4D 9Z17
}
