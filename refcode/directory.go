package refcode

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// PracticePool is the number of the pool that every cohort has besides its own: its codes are real
// in every way but are never counted and never spent.
const PracticePool uint32 = 0

const (
	infoPrefix      = "aankomst/v1"
	directoryPrefix = "aankomst/directory/v1"
)

// ErrDirectory is wrapped by the errors of Directory.Check.
var ErrDirectory = errors.New("not a valid cohort directory")

// Directory is what makes a cohort one cohort: everybody must see the same one. Names of pools and
// centres are not in it, so that it never has to change.
type Directory struct {
	// Year is the calendar year of the cohort, Europe/Brussels.
	Year uint16
	// Layout is that of every code of the cohort.
	Layout Layout
	// PublicKey is the 32 bytes of the cohort's ristretto255 public key.
	PublicKey []byte
	// Pools holds the pools' numbers, ascending, from 1; the practice pool is not listed.
	Pools []uint32
}

// Check returns an error wrapping ErrDirectory when d is not well formed.
func (d Directory) Check() error {
	if d.Year == 0 {
		return fmt.Errorf("%w: no year", ErrDirectory)
	}
	if !d.Layout.Valid() {
		return fmt.Errorf("%w: unknown layout %d", ErrDirectory, d.Layout)
	}
	if _, err := ParseElement(d.PublicKey); err != nil {
		return fmt.Errorf("%w: public key: %w", ErrDirectory, err)
	}
	if len(d.Pools) == 0 {
		return fmt.Errorf("%w: no pools", ErrDirectory)
	}
	for i, pool := range d.Pools {
		if pool == PracticePool || i > 0 && pool <= d.Pools[i-1] {
			return fmt.Errorf("%w: pool numbers must ascend from 1", ErrDirectory)
		}
	}
	return nil
}

// HasPool reports whether codes can be issued for the pool, the practice pool included.
func (d Directory) HasPool(pool uint32) bool {
	return pool == PracticePool || slices.Contains(d.Pools, pool)
}

// Encode returns the canonical encoding, in which every integer is big-endian:
//
//	"aankomst/directory/v1" || uint16 year || uint8 layout || public key (32) || uint32 count || uint32 pool ...
func (d Directory) Encode() []byte {
	buf := []byte(directoryPrefix)
	buf = binary.BigEndian.AppendUint16(buf, d.Year)
	buf = append(buf, byte(d.Layout))
	buf = append(buf, d.PublicKey...)
	buf = binary.BigEndian.AppendUint32(buf, uint32(len(d.Pools)))
	for _, pool := range d.Pools {
		buf = binary.BigEndian.AppendUint32(buf, pool)
	}
	return buf
}

// Fingerprint is the SHA-256 of a directory's canonical encoding. Clients pin all of it; people
// compare its Text outside the system.
type Fingerprint [sha256.Size]byte

// Fingerprint returns the directory's fingerprint.
func (d Directory) Fingerprint() Fingerprint { return sha256.Sum256(d.Encode()) }

// Text returns the first 160 bits as eight groups of four symbols of Alphabet, for people to compare.
func (f Fingerprint) Text() string {
	word := appendSymbols(nil, f[:], 160/symbolBits)
	var b strings.Builder
	for i, v := range word {
		if i > 0 && i%GroupSize == 0 {
			b.WriteByte(' ')
		}
		b.WriteByte(Alphabet[v])
	}
	return b.String()
}

// Info returns the public input of the PRF for a cohort and pool: "aankomst/v1" || uint16 year ||
// uint32 pool, big-endian.
func Info(year uint16, pool uint32) []byte {
	buf := binary.BigEndian.AppendUint16([]byte(infoPrefix), year)
	return binary.BigEndian.AppendUint32(buf, pool)
}
