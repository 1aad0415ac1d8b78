// Package cohort keeps the keys of the cohorts and does everything that needs them: it evaluates
// blinded elements, recognises codes, opens cohorts and closes them for good. With refcode it is the
// only importer of the cryptographic library.
package cohort

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/cloudflare/circl/group"
	"github.com/cloudflare/circl/oprf"

	"aankomst/refcode"
	"aankomst/server/store"
)

var (
	// ErrNotLoaded is wrapped when no key of the cohort is held: unknown, closing or closed.
	ErrNotLoaded = errors.New("the key of this cohort is not loaded")
	// ErrNoPool is wrapped when the cohort has no such pool.
	ErrNoPool = errors.New("the cohort has no such pool")
)

// Keyring holds the keys of the open cohorts. It is safe for concurrent use.
type Keyring struct {
	mu      sync.RWMutex
	cohorts []*openCohort // by year, ascending
}

// openCohort is a cohort with its key, ready for use.
type openCohort struct {
	directory refcode.Directory
	key       *Key
	server    oprf.PartialObliviousServer
	pairs     []pair // by pool, ascending, the practice pool first
}

// pair is one pool of one cohort, with what recognising a code takes: the public input of the PRF and
// the inverse of the key tweaked by it, which costs as much as a third of an evaluation to compute.
type pair struct {
	pool    uint32
	info    []byte
	inverse group.Scalar
}

// DirectoryOf returns a cohort's directory.
func DirectoryOf(cohort store.Cohort) refcode.Directory {
	directory := refcode.Directory{
		Year: uint16(cohort.Year), Layout: refcode.Layout(cohort.Layout), PublicKey: cohort.PublicKey,
	}
	for _, pool := range cohort.Pools {
		directory.Pools = append(directory.Pools, pool.Number)
	}
	return directory
}

// Load takes a cohort's key into use, and for its own: Drop wipes it. The error wraps ErrKeyMismatch
// when it is not that cohort's.
func (r *Keyring) Load(cohort store.Cohort, key *Key) error {
	if err := key.matches(cohort); err != nil {
		return err
	}
	open := &openCohort{
		directory: DirectoryOf(cohort), key: key,
		server: oprf.NewPartialObliviousServer(refcode.Suite, key.secret().private),
	}
	if err := open.directory.Check(); err != nil {
		return fmt.Errorf("loading %d: %w", cohort.Year, err)
	}
	encoded, err := key.secret().private.MarshalBinary()
	if err != nil {
		return fmt.Errorf("loading %d: %w", cohort.Year, err)
	}
	private := group.Ristretto255.NewScalar()
	if err := private.UnmarshalBinary(encoded); err != nil {
		return fmt.Errorf("loading %d: %w", cohort.Year, err)
	}
	for _, pool := range append([]uint32{refcode.PracticePool}, open.directory.Pools...) {
		info := refcode.Info(open.directory.Year, pool)
		inverse, err := tweakedInverse(private, info)
		if err != nil {
			return fmt.Errorf("loading %d, pool %d: %w", cohort.Year, pool, err)
		}
		open.pairs = append(open.pairs, pair{pool: pool, info: info, inverse: inverse})
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	at, found := r.find(cohort.Year)
	if !found {
		r.cohorts = slices.Insert(r.cohorts, at, open)
	}
	return nil
}

// Drop forgets a cohort's key. It returns when no evaluation with that key is under way any more.
func (r *Keyring) Drop(year int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at, found := r.find(year); found {
		r.cohorts[at].key.wipe()
		r.cohorts = slices.Delete(r.cohorts, at, at+1)
	}
}

// Years returns the cohorts whose keys are held, ascending.
func (r *Keyring) Years() []int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var years []int
	for _, cohort := range r.cohorts {
		years = append(years, int(cohort.directory.Year))
	}
	return years
}

// Directory returns the directory of a cohort whose key is held; false when it is not. A key is held of a
// cohort that was in store.StageOpen at the latest Keeper.Sync.
func (r *Keyring) Directory(year int) (refcode.Directory, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	at, found := r.find(year)
	if !found {
		return refcode.Directory{}, false
	}
	return r.cohorts[at].directory, true
}

// find returns where a year stands, or would stand. The lock must be held.
func (r *Keyring) find(year int) (int, bool) {
	return slices.BinarySearchFunc(r.cohorts, year, func(c *openCohort, year int) int {
		return int(c.directory.Year) - year
	})
}

// Evaluate answers a blinded element with the cohort's key, tweaked by the pool, and proves that it did
// (RFC 9497, section 3.3.3). Errors wrap refcode.ErrElement, ErrNotLoaded or ErrNoPool.
func (r *Keyring) Evaluate(year int, pool uint32, blinded []byte) (evaluated, proof []byte, err error) {
	element, err := refcode.ParseElement(blinded)
	if err != nil {
		return nil, nil, err
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	at, found := r.find(year)
	if !found {
		return nil, nil, fmt.Errorf("%w: %d", ErrNotLoaded, year)
	}
	cohort := r.cohorts[at]
	if !cohort.directory.HasPool(pool) {
		return nil, nil, fmt.Errorf("%w: %d has no pool %d", ErrNoPool, year, pool)
	}
	request := &oprf.EvaluationRequest{Elements: []oprf.Blinded{element}}
	answer, err := cohort.server.Evaluate(request, refcode.Info(cohort.directory.Year, pool))
	if err != nil {
		return nil, nil, fmt.Errorf("evaluating: %w", err)
	}
	if evaluated, err = answer.Elements[0].MarshalBinaryCompress(); err != nil {
		return nil, nil, fmt.Errorf("evaluating: %w", err)
	}
	if proof, err = answer.Proof.MarshalBinary(); err != nil {
		return nil, nil, fmt.Errorf("evaluating: %w", err)
	}
	return evaluated, proof, nil
}

// Recognition is what a code turned out to be.
type Recognition struct {
	// Genuine says that an open cohort issued the code; the fields below are set only then.
	Genuine bool
	Year    int
	// Pool is the code's pool, refcode.PracticePool for a practice code.
	Pool uint32
	// Nullifier stands for the code in the store.
	Nullifier store.Nullifier
	// Pairs is how many pairs of cohort and pool were evaluated. It depends on the open cohorts alone,
	// never on the code.
	Pairs int
}

// Recognise finds the open cohort and pool that issued a code. It evaluates every pair, whatever it
// finds, and compares tags in constant time, so that neither the answer nor its timing tells which
// pair matched. Of several that match, the lowest year and pool count.
func (r *Keyring) Recognise(code refcode.Code) Recognition {
	r.mu.RLock()
	defer r.mu.RUnlock()
	nonce, tag := code.Nonce(), code.Tag()
	element := hashToGroup(nonce)
	var recognition Recognition
	var genuine, year, pool int
	for _, cohort := range r.cohorts {
		spent := cohort.key.secret().spent
		for _, pair := range cohort.pairs {
			output := finalize(nonce, pair.info, pair.inverse, element)
			nullifier := nullify(spent, pair.info, nonce)
			// A cohort of the other layout is evaluated like the rest; its tags have another length, so
			// none is the same.
			matches := subtle.ConstantTimeCompare(refcode.TagOf(cohort.directory.Layout, output), tag)
			first := matches &^ genuine
			genuine |= matches
			year = subtle.ConstantTimeSelect(first, int(cohort.directory.Year), year)
			pool = subtle.ConstantTimeSelect(first, int(pair.pool), pool)
			subtle.ConstantTimeCopy(first, recognition.Nullifier[:], nullifier[:])
			recognition.Pairs++
		}
	}
	recognition.Genuine, recognition.Year, recognition.Pool = genuine == 1, year, uint32(pool)
	return recognition
}

// nullify returns the first 16 bytes of HMAC-SHA-256(spent key, info || nonce).
func nullify(spentKey, info, nonce []byte) store.Nullifier {
	mac := hmac.New(sha256.New, spentKey)
	mac.Write(info)
	mac.Write(nonce)
	return store.Nullifier(mac.Sum(nil)[:store.NullifierBytes])
}

// What follows composes the POPRF evaluation of RFC 9497, section 3.3.3, from circl's group, because
// circl's own FullEvaluate hashes to the group and inverts the tweaked key for every pair anew. Tests
// hold it against circl's and against the vectors of the RFC.

// contextString is CreateContextString(modePOPRF, "ristretto255-SHA512") of RFC 9497, section 3.1.
const contextString = "OPRFV1-\x02-ristretto255-SHA512"

func hashToGroup(input []byte) group.Element {
	return group.Ristretto255.HashToElement(input, []byte("HashToGroup-"+contextString))
}

// tweakedInverse returns 1 / (private + HashToScalar("Info" || I2OSP(len(info), 2) || info)).
func tweakedInverse(private group.Scalar, info []byte) (group.Scalar, error) {
	framed := lengthPrefixed([]byte("Info"), info)
	tweak := group.Ristretto255.HashToScalar(framed, []byte("HashToScalar-"+contextString))
	tweaked := group.Ristretto255.NewScalar().Add(tweak, private)
	if tweaked.IsZero() {
		return nil, oprf.ErrInverseZero
	}
	return group.Ristretto255.NewScalar().Inv(tweaked), nil
}

// finalize returns the PRF output: Hash(input || info || element / tweaked key || "Finalize"), each
// part but the last with its length before it.
func finalize(input, info []byte, inverse group.Scalar, element group.Element) []byte {
	issued, err := group.Ristretto255.NewElement().Mul(element, inverse).MarshalBinaryCompress()
	if err != nil {
		panic("encoding a group element cannot fail: " + err.Error())
	}
	framed := lengthPrefixed(nil, input)
	framed = lengthPrefixed(framed, info)
	framed = lengthPrefixed(framed, issued)
	output := refcode.Suite.Hash().New()
	output.Write(append(framed, "Finalize"...))
	return output.Sum(nil)
}

func lengthPrefixed(dst, part []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(part)))
	return append(dst, part...)
}
