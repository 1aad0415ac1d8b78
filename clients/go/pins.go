package client

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"aankomst/refcode"
)

// Pins keeps the fingerprints of the cohorts that a client has seen. A pin is never replaced.
type Pins interface {
	// Pin returns the fingerprint of a year's cohort, if one is pinned.
	Pin(year int) (fingerprint refcode.Fingerprint, found bool, err error)
	// SetPin pins a fingerprint. For a year that has another one, it changes nothing and the error wraps
	// ErrFingerprint: of two first calls that were shown two directories, one must fail.
	SetPin(year int, fingerprint refcode.Fingerprint) error
	// CheckPools compares which centre is in which pool of a year's cohort with what was seen before, and
	// remembers what is new. The error wraps ErrPools, and nothing is remembered, when a centre that was
	// seen has another pool or is gone.
	CheckPools(year int, seen map[string]uint32) error
}

// samePools returns an error wrapping ErrPools unless what was pinned is still so.
func samePools(pinned, seen map[string]uint32) error {
	for centre, pool := range pinned {
		if now, found := seen[centre]; !found || now != pool {
			return fmt.Errorf("%w: %s was in pool %d", ErrPools, centre, pool)
		}
	}
	return nil
}

// samePin returns an error wrapping ErrFingerprint for two that differ.
func samePin(pinned, seen refcode.Fingerprint) error {
	if pinned != seen {
		return fmt.Errorf("%w: pinned %s, seen %s", ErrFingerprint, pinned.Text(), seen.Text())
	}
	return nil
}

// MemoryPins keeps pins as long as the process runs. Its zero value is ready.
type MemoryPins struct {
	mu    sync.Mutex
	pins  map[int]refcode.Fingerprint
	pools map[int]map[string]uint32
}

// Pin returns the pin of a year.
func (p *MemoryPins) Pin(year int) (refcode.Fingerprint, bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pin, found := p.pins[year]
	return pin, found, nil
}

// SetPin pins a fingerprint.
func (p *MemoryPins) SetPin(year int, fingerprint refcode.Fingerprint) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if pinned, found := p.pins[year]; found {
		return samePin(pinned, fingerprint)
	}
	if p.pins == nil {
		p.pins = map[int]refcode.Fingerprint{}
	}
	p.pins[year] = fingerprint
	return nil
}

// CheckPools compares and pins the pools of centres.
func (p *MemoryPins) CheckPools(year int, seen map[string]uint32) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := samePools(p.pools[year], seen); err != nil {
		return err
	}
	if p.pools == nil {
		p.pools = map[int]map[string]uint32{}
	}
	p.pools[year] = maps.Clone(seen)
	return nil
}

// FilePins keeps pins in a JSON file: years and the hexadecimal fingerprints of their cohorts, and under
// the year, a slash and the centre, the pool that a centre is in. When two
// processes set their first pins in the same instant, that of one may be lost, and is set again.
type FilePins struct {
	// Path is the file; it and its folder are made when the first pin is set.
	Path string

	mu sync.Mutex
}

// Pin returns the pin of a year.
func (p *FilePins) Pin(year int) (refcode.Fingerprint, bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pins, err := p.read()
	if err != nil {
		return refcode.Fingerprint{}, false, err
	}
	return p.pin(pins, year)
}

// pin returns the pin of a year from what the file holds.
func (p *FilePins) pin(pins map[string]string, year int) (refcode.Fingerprint, bool, error) {
	text, found := pins[strconv.Itoa(year)]
	if !found {
		return refcode.Fingerprint{}, false, nil
	}
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(refcode.Fingerprint{}) {
		return refcode.Fingerprint{}, false, fmt.Errorf("%s: the pin of %d is no fingerprint; compare it with the administrator and mend the file", p.Path, year)
	}
	return refcode.Fingerprint(raw), true, nil
}

// SetPin pins a fingerprint.
func (p *FilePins) SetPin(year int, fingerprint refcode.Fingerprint) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	pins, err := p.read()
	if err != nil {
		return err
	}
	pinned, found, err := p.pin(pins, year)
	if err != nil {
		return err
	}
	if found {
		return samePin(pinned, fingerprint)
	}
	pins[strconv.Itoa(year)] = hex.EncodeToString(fingerprint[:])
	return p.write(pins)
}

// CheckPools compares and pins the pools of centres.
func (p *FilePins) CheckPools(year int, seen map[string]uint32) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	pins, err := p.read()
	if err != nil {
		return err
	}
	prefix := strconv.Itoa(year) + "/"
	pinned := map[string]uint32{}
	for key, text := range pins {
		if centre, ours := strings.CutPrefix(key, prefix); ours {
			pool, err := strconv.ParseUint(text, 10, 32)
			if err != nil {
				return fmt.Errorf("%s: the pool of %s is no number; compare it with the administrator and mend the file", p.Path, key)
			}
			pinned[centre] = uint32(pool)
		}
	}
	if err := samePools(pinned, seen); err != nil || len(pinned) == len(seen) {
		return err
	}
	for centre, pool := range seen {
		pins[prefix+centre] = strconv.FormatUint(uint64(pool), 10)
	}
	return p.write(pins)
}

// write writes all pins anew. The lock must be held.
func (p *FilePins) write(pins map[string]string) error {
	content, err := json.MarshalIndent(pins, "", "  ")
	if err != nil {
		return fmt.Errorf("writing pins: %w", err)
	}
	if err := p.replace(append(content, '\n')); err != nil {
		return fmt.Errorf("writing pins: %w", err)
	}
	return nil
}

// replace writes the file, readable by its owner alone; it is there whole or not at all, also after a crash.
func (p *FilePins) replace(content []byte) error {
	folder := filepath.Dir(p.Path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(folder, filepath.Base(p.Path)+".*.tmp")
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err = errors.Join(err, file.Sync(), file.Close()); err == nil {
		err = os.Rename(file.Name(), p.Path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

func (p *FilePins) read() (map[string]string, error) {
	pins := map[string]string{}
	content, err := os.ReadFile(p.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return pins, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading pins: %w", err)
	}
	if err := json.Unmarshal(content, &pins); err != nil || pins == nil {
		return nil, fmt.Errorf("%s is not a file of pins; mend it, or remove it after comparing fingerprints with the administrator", p.Path)
	}
	return pins, nil
}
