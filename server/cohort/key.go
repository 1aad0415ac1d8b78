package cohort

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"

	"github.com/cloudflare/circl/oprf"

	"aankomst/refcode"
	"aankomst/server/store"
)

const spentKeyBytes = 32

// Key holds a cohort's secrets: the POPRF private key, and the key under which spent codes become
// nullifiers. Printing one shows a placeholder.
type Key struct {
	year   int
	public []byte
	// secret is a function because package fmt reads the fields of a struct, and asks none of the
	// methods below, when a Key is in an unexported field or the verb is a wrong one.
	secret func() *secrets
}

type secrets struct {
	private *oprf.PrivateKey
	spent   []byte // nil once it is wiped
}

// GenerateKey draws a fresh key. It is never derived from anything that outlives the cohort, or
// closing the cohort would destroy nothing.
func GenerateKey(year int) (*Key, error) {
	private, err := oprf.GenerateKey(refcode.Suite, rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("drawing the key of %d: %w", year, err)
	}
	encoded, err := private.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("drawing the key of %d: %w", year, err)
	}
	spent := make([]byte, spentKeyBytes)
	if _, err := rand.Read(spent); err != nil {
		return nil, fmt.Errorf("drawing the key of %d: %w", year, err)
	}
	return newKey(year, encoded, spent)
}

// newKey makes a key of its encoded parts. Its errors wrap ErrKeyFolder and hold no secret.
func newKey(year int, private, spent []byte) (*Key, error) {
	secret := &secrets{private: new(oprf.PrivateKey), spent: spent}
	if len(spent) != spentKeyBytes || secret.private.UnmarshalBinary(refcode.Suite, private) != nil {
		return nil, damaged(year)
	}
	// circl computes the public half when it is first asked for, and not safely for concurrent use:
	// asking now settles it.
	public, err := secret.private.Public().MarshalBinary()
	if err != nil {
		return nil, damaged(year)
	}
	return &Key{year: year, public: public, secret: func() *secrets { return secret }}, nil
}

// PublicKey returns the 32 bytes of the public key.
func (k *Key) PublicKey() []byte { return bytes.Clone(k.public) }

const keyPlaceholder = "[cohort key]"

// String returns a placeholder.
func (Key) String() string { return keyPlaceholder }

// Format writes a placeholder for every verb.
func (Key) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, keyPlaceholder) }

// LogValue returns a placeholder.
func (Key) LogValue() slog.Value { return slog.StringValue(keyPlaceholder) }

// wipe overwrites what can be overwritten: the key under which codes became nullifiers. The key is of
// no use after that.
func (k *Key) wipe() {
	secret := k.secret()
	clear(secret.spent)
	secret.spent = nil
}

// matches returns an error wrapping ErrKeyMismatch unless the cohort was opened with this key.
func (k *Key) matches(cohort store.Cohort) error {
	if k.secret().spent == nil {
		return fmt.Errorf("%w: the key of %d was dropped; load it from its file again", ErrKeyMismatch, k.year)
	}
	if k.year != cohort.Year || !bytes.Equal(k.public, cohort.PublicKey) {
		return fmt.Errorf("%w: %s was made for another cohort or store; put back the right file, or restore it from the escrow copy",
			ErrKeyMismatch, KeyFile(cohort.Year))
	}
	return nil
}

func (k *Key) marshal() ([]byte, error) {
	private, err := k.secret().private.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("encoding the key of %d: %w", k.year, err)
	}
	d := keyDocument{Note: keyNote, Year: k.year, POPRF: private, Spent: k.secret().spent, Public: k.public}
	d.Sum = d.sum()
	document, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding the key of %d: %w", k.year, err)
	}
	return append(document, '\n'), nil
}
