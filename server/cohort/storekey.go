package cohort

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

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
