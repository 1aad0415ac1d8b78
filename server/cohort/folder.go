package cohort

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
