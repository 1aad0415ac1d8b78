package cohort

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// Destroy destroys the key file of a cohort, escrow copies left beside it and what an interrupted
// writing of either left behind, and remembers that it did. Files that are gone already are no error.
// Overwriting is done for what it is worth: modern disks may keep old blocks, which is why the folder
// belongs on an encrypted volume.
func (f *Folder) Destroy(year int) error {
	if err := f.Replace(destroyedFile(year), []byte("The key of this cohort was destroyed when it was closed.\n")); err != nil {
		return err
	}
	if err := f.remove(KeyFile(year)); err != nil {
		return err
	}
	if err := f.removeAll(escrowPrefix(year), escrowSuffix); err != nil {
		return err
	}
	return f.removeLeftovers(filePrefix(year))
}

// removeLeftovers removes what interrupted writings left behind of files whose names begin so: it is a
// copy of what was written.
func (f *Folder) removeLeftovers(prefix string) error { return f.removeAll(prefix, temporarySuffix) }

// removeAll removes the files whose names begin and end so.
func (f *Folder) removeAll(prefix, suffix string) error {
	names, err := f.named(prefix, suffix)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := f.remove(name); err != nil {
			return err
		}
	}
	return nil
}

// named returns the names in the folder that begin and end so.
func (f *Folder) named(prefix, suffix string) (names []string, err error) {
	entries, err := os.ReadDir(f.path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyFolder, err)
	}
	for _, entry := range entries {
		if name := entry.Name(); strings.HasPrefix(name, prefix) && strings.HasSuffix(name, suffix) {
			names = append(names, name)
		}
	}
	return names, nil
}

// remove overwrites a file and removes it. One that is gone already is no error.
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
	if err := os.Remove(f.Path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", ErrKeyFolder, err)
	}
	return f.sync()
}
