package cohort

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
)

// KeyFile names the file with the key of a cohort.
func KeyFile(year int) string { return filePrefix(year) + "key" }

// EscrowFile names the escrow copy of the key of a cohort.
func EscrowFile(year int) string { return filePrefix(year) + "escrow.age" }

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

// WriteEscrow writes the one escrow copy of a key, encrypted to age recipients, and returns its
// SHA-256. A copy that an opening cut short left behind is written anew.
func (f *Folder) WriteEscrow(key *Key, recipients []string) ([32]byte, error) {
	to, err := parseRecipients(recipients)
	if err != nil {
		return [32]byte{}, err
	}
	document, err := key.marshal()
	if err != nil {
		return [32]byte{}, err
	}
	var sealed bytes.Buffer
	armored := armor.NewWriter(&sealed)
	plain, err := age.Encrypt(armored, to...)
	if err != nil {
		return [32]byte{}, fmt.Errorf("%w: %w", ErrRecipient, err)
	}
	if _, err := plain.Write(document); err != nil {
		return [32]byte{}, fmt.Errorf("encrypting the escrow copy: %w", err)
	}
	if err := errors.Join(plain.Close(), armored.Close()); err != nil {
		return [32]byte{}, fmt.Errorf("encrypting the escrow copy: %w", err)
	}
	if err := f.Replace(EscrowFile(key.year), sealed.Bytes()); err != nil {
		return [32]byte{}, err
	}
	return sha256.Sum256(sealed.Bytes()), nil
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
	entries, err := os.ReadDir(f.path)
	return err == nil && slices.ContainsFunc(entries, func(entry fs.DirEntry) bool {
		return strings.HasPrefix(entry.Name(), "cohort-") && strings.HasSuffix(entry.Name(), ".key")
	})
}

// hasKey reports whether the key file of a year is there.
func (f *Folder) hasKey(year int) bool {
	_, err := os.Stat(f.Path(KeyFile(year)))
	return err == nil
}

// HasEscrow reports whether the escrow copy still lies in the folder, where it helps nobody.
func (f *Folder) HasEscrow(year int) bool {
	_, err := os.Stat(f.Path(EscrowFile(year)))
	return err == nil
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
