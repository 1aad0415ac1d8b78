package cohort

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
)

// KeyFile names the file with the key of a cohort.
func KeyFile(year int) string { return filePrefix(year) + "key" }

// EscrowFile names the escrow copy of the key of a cohort, by the first 16 digits of its SHA-256: copies that two
// openings made are two files, and it can be told which of them the store describes.
func EscrowFile(year int, digest [sha256.Size]byte) string {
	return escrowPrefix(year) + hex.EncodeToString(digest[:escrowNamed]) + escrowSuffix
}

// escrowNamed is how many bytes of its digest name an escrow copy.
const escrowNamed = 8

const escrowSuffix = ".age"

func escrowPrefix(year int) string { return filePrefix(year) + "escrow." }

// destroyedFile and closedFile remember, without any secret, that the key of a cohort is gone for good
// and that the cohort was closed, so that a restored backup cannot bring it back.
func destroyedFile(year int) string { return filePrefix(year) + "destroyed" }
func closedFile(year int) string    { return filePrefix(year) + "closed" }

func filePrefix(year int) string { return fmt.Sprintf("cohort-%04d.", year) }

// keyDocument is the form of a cohort's key file.
type keyDocument struct {
	Note   string `json:"note"`
	Year   int    `json:"year"`
	POPRF  []byte `json:"poprfPrivateKey"`
	Spent  []byte `json:"spentKey"`
	Public []byte `json:"publicKey"`
	// Sum finds damage. Without it a spent key with a wrong bit would be taken for a good one, and every
	// code that is spent could be spent again.
	Sum []byte `json:"sha256"`
}

// sum returns the SHA-256 of everything in the document that counts.
func (d keyDocument) sum() []byte {
	h := sha256.New()
	h.Write(binary.BigEndian.AppendUint32(nil, uint32(d.Year)))
	for _, part := range [][]byte{d.POPRF, d.Spent, d.Public} {
		h.Write(lengthPrefixed(nil, part))
	}
	return h.Sum(nil)
}

const keyNote = "Secret. Whoever has this can forge codes and test who arrived. Exactly one escrow copy; destroyed when the cohort is closed."

// Create writes the key file of a cohort, unless there is one already (an opening that was cut short),
// and returns the key that the file holds.
func (f *Folder) Create(key *Key) (*Key, error) {
	if f.Destroyed(key.year) {
		return nil, fmt.Errorf("%w: the key of %d was destroyed when that cohort was closed; it cannot be opened again", ErrKeyFolder, key.year)
	}
	document, err := key.marshal()
	if err != nil {
		return nil, err
	}
	err = f.writeNew(KeyFile(key.year), document)
	if errors.Is(err, fs.ErrExist) {
		return f.Load(key.year)
	}
	if err != nil {
		return nil, err
	}
	return key, nil
}

// Load reads the key of a cohort. Errors wrap ErrNoKey or ErrKeyFolder.
func (f *Folder) Load(year int) (*Key, error) {
	document, err := f.Read(KeyFile(year))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s; restore it from the escrow copy with: umask 077; age --decrypt -i IDENTITY -o %s ESCROW-COPY",
			ErrNoKey, f.Path(KeyFile(year)), KeyFile(year))
	}
	if err != nil {
		return nil, err
	}
	var d keyDocument
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.DisallowUnknownFields()
	// The decoder's own message could quote the file, so it is not passed on.
	if decoder.Decode(&d) != nil || d.Year != year {
		return nil, fmt.Errorf("%w: %s is not the key file of %d; restore it from the escrow copy", ErrKeyFolder, f.Path(KeyFile(year)), year)
	}
	key, err := newKey(d.Year, d.POPRF, d.Spent)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(d.Public, key.public) || !bytes.Equal(d.Sum, d.sum()) {
		return nil, damaged(year)
	}
	return key, nil
}

func damaged(year int) error {
	return fmt.Errorf("%w: %s is damaged; restore it from the escrow copy", ErrKeyFolder, KeyFile(year))
}

// WriteEscrow writes an escrow copy of a key, encrypted to age recipients, and returns its SHA-256. Others that lie
// there stay: keepEscrow removes them, once the store describes this one.
func (f *Folder) WriteEscrow(key *Key, recipients []string) (digest [sha256.Size]byte, err error) {
	to, err := parseRecipients(recipients)
	if err != nil {
		return digest, err
	}
	document, err := key.marshal()
	if err != nil {
		return digest, err
	}
	var sealed bytes.Buffer
	armored := armor.NewWriter(&sealed)
	plain, err := age.Encrypt(armored, to...)
	if err != nil {
		return digest, fmt.Errorf("%w: %w", ErrRecipient, err)
	}
	if _, err := plain.Write(document); err != nil {
		return digest, fmt.Errorf("encrypting the escrow copy: %w", err)
	}
	if err := errors.Join(plain.Close(), armored.Close()); err != nil {
		return digest, fmt.Errorf("encrypting the escrow copy: %w", err)
	}
	digest = sha256.Sum256(sealed.Bytes())
	return digest, f.Replace(EscrowFile(key.year, digest), sealed.Bytes())
}

// keepEscrow removes what openings of a year that came to nothing left behind, and keeps the escrow copy of a digest,
// and the key. A copy that somebody put there under another name stays.
func (f *Folder) keepEscrow(year int, digest [sha256.Size]byte) error {
	copies, err := f.named(escrowPrefix(year), escrowSuffix)
	if err != nil {
		return err
	}
	for _, name := range copies {
		of, err := hex.DecodeString(strings.TrimSuffix(strings.TrimPrefix(name, escrowPrefix(year)), escrowSuffix))
		if err != nil || len(of) != escrowNamed || name == EscrowFile(year, digest) {
			continue
		}
		if err := f.remove(name); err != nil {
			return err
		}
	}
	return f.removeLeftovers(filePrefix(year))
}

// parseRecipients reads age recipients. Its errors, which wrap ErrRecipient, do not quote what was
// given: it may be an identity, which is secret, given by mistake.
func parseRecipients(texts []string) ([]age.Recipient, error) {
	var recipients []age.Recipient
	for i, text := range texts {
		recipient, err := age.ParseX25519Recipient(strings.TrimSpace(text))
		if err != nil {
			return nil, fmt.Errorf("%w: number %d of those given; it looks like age1... and age-keygen prints it as the public key", ErrRecipient, i+1)
		}
		recipients = append(recipients, recipient)
	}
	return recipients, nil
}

// HasCohortKeys reports whether the key of any cohort lies in the folder.
func (f *Folder) HasCohortKeys() bool {
	keys, err := f.named("cohort-", ".key")
	return err == nil && len(keys) > 0
}

// hasKey reports whether the key file of a year is there.
func (f *Folder) hasKey(year int) bool {
	_, err := os.Stat(f.Path(KeyFile(year)))
	return err == nil
}

// HasEscrow reports whether an escrow copy still lies in the folder, where it helps nobody.
func (f *Folder) HasEscrow(year int) bool {
	copies, err := f.named(escrowPrefix(year), escrowSuffix)
	return err == nil && len(copies) > 0
}

// Destroyed reports whether the key of a year was destroyed here.
func (f *Folder) Destroyed(year int) bool {
	_, err := os.Stat(f.Path(destroyedFile(year)))
	return err == nil
}

// closed reports whether all was done here that closing the cohort of a year takes.
func (f *Folder) closed(year int) bool {
	_, err := os.Stat(f.Path(closedFile(year)))
	return err == nil
}

// markClosed remembers that all was done that closing a cohort takes.
func (f *Folder) markClosed(year int) error {
	return f.Replace(closedFile(year), []byte("This cohort was closed.\n"))
}
