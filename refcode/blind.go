package refcode

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/cloudflare/circl/group"
	"github.com/cloudflare/circl/oprf"
	"github.com/cloudflare/circl/zk/dleq"
)

// Suite is the ciphersuite of every cohort: ristretto255-SHA512 of RFC 9497, section 4.1.
var Suite = oprf.SuiteRistretto255

const (
	// ElementBytes is the length of a group element: a blinded or evaluated one, or a public key.
	ElementBytes = 32
	// ProofBytes is the length of the proof of discrete-logarithm equality, c then s.
	ProofBytes = 64
)

var (
	// ErrElement is returned for bytes that are not the canonical encoding of a group element other
	// than the identity.
	ErrElement = errors.New("not a valid group element")
	// ErrPool is returned for a pool that the directory does not list.
	ErrPool = errors.New("the cohort has no such pool")
	// ErrProof is returned by Finalize when the answer was not made with the key of the pinned
	// directory: it must not be used, and the operator must be told.
	ErrProof = errors.New("the server's answer does not fit the cohort's public key")
)

// ParseElement reads the canonical 32-byte encoding of a group element (RFC 9496, section 4.3.1).
// The identity is refused, which RFC 9497, section 3.3 asks of the caller. Errors are ErrElement.
func ParseElement(b []byte) (group.Element, error) {
	element := group.Ristretto255.NewElement()
	if len(b) != ElementBytes || element.UnmarshalBinary(b) != nil || element.IsIdentity() {
		return nil, ErrElement
	}
	if canonical, err := element.MarshalBinaryCompress(); err != nil || !bytes.Equal(canonical, b) {
		return nil, ErrElement
	}
	return element, nil
}

// Blinding is a client's half of one issuing, between Blind and Finalize. It holds the nonce: keep
// it in memory, use it for one code, and drop it.
type Blinding struct {
	// finish verifies an answer and makes the code of it. It is a function, and not the nonce and blind
	// that it works on, so that no way of printing a Blinding shows them.
	finish func(*oprf.Evaluation) (Code, error)
	// Element is what to send: the blinded nonce, 32 bytes, random to everyone else.
	Element []byte
}

// Blind draws a nonce and blinds it for a pool of the cohort. It returns an error wrapping
// ErrDirectory or ErrPool when the cohort or pool is not a valid one.
func Blind(directory Directory, pool uint32) (*Blinding, error) {
	nonce := make([]byte, directory.Layout.NonceBytes())
	if _, err := rand.Read(nonce); err != nil {
		return nil, fmt.Errorf("drawing a nonce: %w", err)
	}
	return blindWith(directory, pool, nonce, group.Ristretto255.RandomNonZeroScalar(rand.Reader))
}

// blindWith is Blind with its randomness handed in, as test vectors need it.
func blindWith(directory Directory, pool uint32, nonce []byte, blind group.Scalar) (*Blinding, error) {
	if err := directory.Check(); err != nil {
		return nil, err
	}
	if !directory.HasPool(pool) {
		return nil, fmt.Errorf("%w: %d", ErrPool, pool)
	}
	clearTail(nonce, directory.Layout)
	key := new(oprf.PublicKey)
	if err := key.UnmarshalBinary(Suite, directory.PublicKey); err != nil {
		return nil, fmt.Errorf("%w: public key: %w", ErrDirectory, err)
	}
	client := oprf.NewPartialObliviousClient(Suite, key)
	state, request, err := client.DeterministicBlind([][]byte{nonce}, []oprf.Blind{blind})
	if err != nil {
		return nil, fmt.Errorf("blinding: %w", err)
	}
	element, err := request.Elements[0].MarshalBinaryCompress()
	if err != nil {
		return nil, fmt.Errorf("encoding the blinded element: %w", err)
	}
	layout, info := directory.Layout, Info(directory.Year, pool)
	finish := func(answer *oprf.Evaluation) (Code, error) {
		outputs, err := client.Finalize(state, answer, info)
		if err != nil {
			return Code{}, fmt.Errorf("%w: %w", ErrProof, err)
		}
		return newCode(layout, nonce, outputs[0]), nil
	}
	return &Blinding{finish: finish, Element: element}, nil
}

// Finalize verifies the server's answer and makes the code of it. It returns ErrElement for an
// evaluated element that is none, and ErrProof when the proof does not verify.
func (b *Blinding) Finalize(evaluated, proof []byte) (Code, error) {
	element, err := ParseElement(evaluated)
	if err != nil {
		return Code{}, err
	}
	answer := &oprf.Evaluation{Elements: []oprf.Evaluated{element}, Proof: new(dleq.Proof)}
	if len(proof) != ProofBytes || answer.Proof.UnmarshalBinary(group.Ristretto255, proof) != nil {
		return Code{}, ErrProof
	}
	return b.finish(answer)
}
