package cohort

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
)

var (
	// ErrKeyFolder is wrapped when the key folder or a file in it cannot be used; the message says what
	// to do.
	ErrKeyFolder = errors.New("the key folder cannot be used")
	// ErrNoKey is wrapped when the key file of a cohort is not there.
	ErrNoKey = errors.New("the key file is missing")
	// ErrKeyMismatch is wrapped when a key is not the one whose public key the cohort was opened with.
	ErrKeyMismatch = errors.New("the key file does not belong to this cohort")
	// ErrRecipient is wrapped when an escrow recipient is not one.
	ErrRecipient = errors.New("not an age recipient")
)

const (
	ownerOnlyFile   fs.FileMode = 0o600
	ownerOnlyFolder fs.FileMode = 0o700
	othersMask      fs.FileMode = 0o077
)

// Folder is where keys lie: one file a cohort and one for the embedded store, readable by their owner
// alone. Nothing in it is ever copied into the store or a backup of it.
type Folder struct{ path string }

// OpenFolder opens a key folder, making it when it does not exist. It refuses a folder that anyone
// but its owner can enter.
func OpenFolder(path string) (*Folder, error) {
	if err := os.MkdirAll(path, ownerOnlyFolder); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyFolder, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyFolder, err)
	}
	if info.Mode().Perm()&othersMask != 0 {
		return nil, fmt.Errorf("%w: %s is open to others (mode %04o); run: chmod 700 %s", ErrKeyFolder, path, info.Mode().Perm(), path)
	}
	return &Folder{path: path}, nil
}

// Path returns where a file of the folder lies.
func (f *Folder) Path(name string) string { return filepath.Join(f.path, name) }

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
		return nil, fmt.Errorf("%w: %s; restore it from the escrow copy with: age --decrypt -i IDENTITY -o %s ESCROW-COPY",
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

// Destroy destroys the key file of a cohort, an escrow copy left beside it and what an interrupted
// writing of either left behind, and remembers that it did. Files that are gone already are no error. Overwriting is done for what it is worth: modern
// disks may keep old blocks, which is why the folder belongs on an encrypted volume.
func (f *Folder) Destroy(year int) error {
	if err := f.Replace(destroyedFile(year), []byte("The key of this cohort was destroyed when it was closed.\n")); err != nil {
		return err
	}
	for _, name := range []string{KeyFile(year), EscrowFile(year)} {
		if err := f.remove(name); err != nil {
			return err
		}
	}
	return f.removeLeftovers(filePrefix(year))
}

// removeLeftovers removes what interrupted writings left behind of files whose names begin so: it is a
// copy of what was written.
func (f *Folder) removeLeftovers(prefix string) error {
	entries, err := os.ReadDir(f.path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrKeyFolder, err)
	}
	for _, entry := range entries {
		if name := entry.Name(); strings.HasPrefix(name, prefix) && strings.HasSuffix(name, temporarySuffix) {
			if err := f.remove(name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *Folder) remove(name string) error {
	file, err := os.OpenFile(f.Path(name), os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrKeyFolder, err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrKeyFolder, err)
	}
	noise := make([]byte, info.Size())
	if _, err := rand.Read(noise); err != nil {
		return fmt.Errorf("%w: %w", ErrKeyFolder, err)
	}
	if _, err := file.WriteAt(noise, 0); err != nil {
		return fmt.Errorf("%w: %w", ErrKeyFolder, err)
	}
	if err := file.Sync(); err != nil {
		return fmt.Errorf("%w: %w", ErrKeyFolder, err)
	}
	if err := os.Remove(f.Path(name)); err != nil {
		return fmt.Errorf("%w: %w", ErrKeyFolder, err)
	}
	return f.sync()
}

const (
	storeKeyFile     = "store.key"
	nextStoreKeyFile = "store.key.next"
)

// StoreKeys returns the keys under which the embedded store may be: one, or two while its key is
// being changed. It is empty when there is none.
func (f *Folder) StoreKeys() ([][32]byte, error) {
	var keys [][32]byte
	for _, name := range []string{storeKeyFile, nextStoreKeyFile} {
		text, err := f.Read(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		raw, err := hex.DecodeString(strings.TrimSpace(string(text)))
		if err != nil || len(raw) != 32 {
			return nil, fmt.Errorf("%w: %s does not hold a store key; restore the file", ErrKeyFolder, f.Path(name))
		}
		keys = append(keys, [32]byte(raw))
	}
	return keys, nil
}

// NewStoreKey makes the key of a new embedded store. It fails when there is one.
func (f *Folder) NewStoreKey() ([32]byte, error) {
	key, text, err := randomStoreKey()
	if err != nil {
		return key, err
	}
	return key, f.writeNew(storeKeyFile, text)
}

// NextStoreKey makes the key that the embedded store is to be changed to, or returns the one that an
// interrupted change left. SettleStoreKey ends the change.
func (f *Folder) NextStoreKey() ([32]byte, error) {
	keys, err := f.StoreKeys()
	if err != nil {
		return [32]byte{}, err
	}
	// Two that are the same are what is left of a change that was settled.
	if len(keys) == 2 && keys[0] != keys[1] {
		return keys[1], nil
	}
	key, text, err := randomStoreKey()
	if err != nil {
		return key, err
	}
	return key, f.Replace(nextStoreKeyFile, text)
}

// SettleStoreKey keeps only the key under which the embedded store is found to be.
func (f *Folder) SettleStoreKey(key [32]byte) error {
	if err := f.Replace(storeKeyFile, storeKeyText(key)); err != nil {
		return err
	}
	if err := f.remove(nextStoreKeyFile); err != nil {
		return err
	}
	return f.removeLeftovers(storeKeyFile + ".")
}

func randomStoreKey() (key [32]byte, text []byte, err error) {
	if _, err := rand.Read(key[:]); err != nil {
		return key, nil, fmt.Errorf("drawing a store key: %w", err)
	}
	return key, storeKeyText(key), nil
}

func storeKeyText(key [32]byte) []byte { return []byte(hex.EncodeToString(key[:]) + "\n") }

// Read reads a file of the folder and refuses one that anyone but its owner can read. A missing file
// gives an error wrapping fs.ErrNotExist.
func (f *Folder) Read(name string) ([]byte, error) {
	file, err := os.Open(f.Path(name))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyFolder, err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyFolder, err)
	}
	if info.Mode().Perm()&othersMask != 0 {
		return nil, fmt.Errorf("%w: %s is open to others (mode %04o); run: chmod 600 %s", ErrKeyFolder, f.Path(name), info.Mode().Perm(), f.Path(name))
	}
	content := make([]byte, info.Size())
	if n, err := file.ReadAt(content, 0); err != nil || n != len(content) {
		return nil, fmt.Errorf("%w: %s cannot be read", ErrKeyFolder, f.Path(name))
	}
	return content, nil
}

// writeNew writes a file that must not exist; it is there whole or not at all, also after a crash.
// When it exists the error wraps fs.ErrExist.
func (f *Folder) writeNew(name string, content []byte) error {
	temporary, err := f.writeTemporary(name, content)
	if err != nil {
		return err
	}
	defer os.Remove(temporary)
	if err := os.Link(temporary, f.Path(name)); err != nil {
		return fmt.Errorf("%w: %w", ErrKeyFolder, err)
	}
	return f.sync()
}

// Replace writes a file, in place of one of that name if there is one; after a crash either is whole.
func (f *Folder) Replace(name string, content []byte) error {
	temporary, err := f.writeTemporary(name, content)
	if err != nil {
		return err
	}
	if err := os.Rename(temporary, f.Path(name)); err != nil {
		_ = os.Remove(temporary)
		return fmt.Errorf("%w: %w", ErrKeyFolder, err)
	}
	return f.sync()
}

// temporarySuffix ends the names of files that are being written.
const temporarySuffix = ".tmp"

func (f *Folder) writeTemporary(name string, content []byte) (string, error) {
	file, err := os.CreateTemp(f.path, name+".*"+temporarySuffix)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrKeyFolder, err)
	}
	_, err = file.Write(content)
	if err = errors.Join(err, file.Chmod(ownerOnlyFile), file.Sync(), file.Close()); err != nil {
		_ = os.Remove(file.Name())
		return "", fmt.Errorf("%w: %w", ErrKeyFolder, err)
	}
	return file.Name(), nil
}

// sync makes the folder's own entries durable.
func (f *Folder) sync() error {
	folder, err := os.Open(f.path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrKeyFolder, err)
	}
	defer folder.Close()
	if err := folder.Sync(); err != nil {
		return fmt.Errorf("%w: %w", ErrKeyFolder, err)
	}
	return nil
}
