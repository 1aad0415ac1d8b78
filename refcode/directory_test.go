package refcode

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"testing"
)

// generator is the encoding of the group's generator (RFC 9496, appendix A.1): some valid element.
const generator = "e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76"

func TestDirectoryCheck(t *testing.T) {
	t.Parallel()
	key := unhex(t, generator)
	good := Directory{Year: 2027, Layout: Short, PublicKey: key, Pools: []uint32{1, 2}}
	tests := []struct {
		name   string
		change func(*Directory)
		ok     bool
	}{
		{"good", func(*Directory) {}, true},
		{"long layout", func(d *Directory) { d.Layout = Long }, true},
		{"one pool", func(d *Directory) { d.Pools = []uint32{1} }, true},
		{"gaps between pools", func(d *Directory) { d.Pools = []uint32{3, 70, 1<<32 - 1} }, true},
		{"no year", func(d *Directory) { d.Year = 0 }, false},
		{"no layout", func(d *Directory) { d.Layout = 0 }, false},
		{"unknown layout", func(d *Directory) { d.Layout = 3 }, false},
		{"no key", func(d *Directory) { d.PublicKey = nil }, false},
		{"key too short", func(d *Directory) { d.PublicKey = key[:31] }, false},
		{"key too long", func(d *Directory) { d.PublicKey = append(slices.Clone(key), 0) }, false},
		{"key is the identity", func(d *Directory) { d.PublicKey = make([]byte, 32) }, false},
		{"key is not canonical", func(d *Directory) { d.PublicKey[31] |= 0x80 }, false},
		{"no pools", func(d *Directory) { d.Pools = nil }, false},
		{"practice pool listed", func(d *Directory) { d.Pools = []uint32{0, 1} }, false},
		{"only the practice pool", func(d *Directory) { d.Pools = []uint32{0} }, false},
		{"a pool twice", func(d *Directory) { d.Pools = []uint32{1, 1} }, false},
		{"pools descend", func(d *Directory) { d.Pools = []uint32{2, 1} }, false},
		{"practice pool at the end", func(d *Directory) { d.Pools = []uint32{1, 0} }, false},
		{"nothing at all", func(d *Directory) { *d = Directory{} }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := good
			d.PublicKey, d.Pools = slices.Clone(good.PublicKey), slices.Clone(good.Pools)
			tt.change(&d)
			err := d.Check()
			if (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrDirectory) {
				t.Errorf("Check() = %v", err)
			}
			// Blind must not send anything for a cohort that is none.
			b, err := Blind(d, PracticePool)
			if (err == nil) != tt.ok || err != nil && (!errors.Is(err, ErrDirectory) || b != nil) {
				t.Errorf("Blind() = %v, %v", b, err)
			}
		})
	}
}

func TestHasPool(t *testing.T) {
	t.Parallel()
	d := Directory{Pools: []uint32{1, 4}}
	for pool, want := range map[uint32]bool{0: true, 1: true, 2: false, 3: false, 4: true, 5: false, 1<<32 - 1: false} {
		if got := d.HasPool(pool); got != want {
			t.Errorf("HasPool(%d) = %v", pool, got)
		}
	}
}

func TestDirectoryEncoding(t *testing.T) {
	t.Parallel()
	d := Directory{Year: 0x07eb, Layout: Long, PublicKey: unhex(t, generator), Pools: []uint32{1, 0x01020304}}
	want := slices.Concat(
		[]byte("aankomst/directory/v1"),
		[]byte{0x07, 0xeb, 2},
		unhex(t, generator),
		[]byte{0, 0, 0, 2, 0, 0, 0, 1, 1, 2, 3, 4},
	)
	if got := d.Encode(); !bytes.Equal(got, want) {
		t.Errorf("Encode() = %x\nwant       %x", got, want)
	}
	if got := d.Fingerprint(); got != sha256.Sum256(want) {
		t.Errorf("Fingerprint() = %x, want the SHA-256 of the encoding", got)
	}
}

// Two cohorts that differ in anything must not be taken for the same one.
func TestFingerprintCoversEverything(t *testing.T) {
	t.Parallel()
	base := func() Directory {
		return Directory{Year: 2027, Layout: Short, PublicKey: unhex(t, generator), Pools: []uint32{1, 2}}
	}
	changes := map[string]func(*Directory){
		"nothing":    func(*Directory) {},
		"year":       func(d *Directory) { d.Year = 2028 },
		"layout":     func(d *Directory) { d.Layout = Long },
		"key":        func(d *Directory) { d.PublicKey[0] ^= 2 },
		"a pool":     func(d *Directory) { d.Pools = []uint32{1, 3} },
		"fewer":      func(d *Directory) { d.Pools = []uint32{1} },
		"more":       func(d *Directory) { d.Pools = []uint32{1, 2, 3} },
		"other ones": func(d *Directory) { d.Pools = []uint32{2, 3} },
	}
	seen, texts := map[Fingerprint]string{}, map[string]string{}
	for name, change := range changes {
		d := base()
		change(&d)
		f := d.Fingerprint()
		if other, dup := seen[f]; dup {
			t.Errorf("%s and %s have one fingerprint", name, other)
		}
		if other, dup := texts[f.Text()]; dup {
			t.Errorf("%s and %s look the same to people", name, other)
		}
		seen[f], texts[f.Text()] = name, name
	}
}

func TestFingerprintText(t *testing.T) {
	t.Parallel()
	f := Fingerprint(sha256.Sum256([]byte("some cohort")))
	groups := strings.Split(f.Text(), " ")
	if len(groups) != 8 {
		t.Fatalf("%q has %d groups, want 8", f.Text(), len(groups))
	}
	for _, g := range groups {
		if len(g) != 4 {
			t.Errorf("group %q has not four symbols", g)
		}
	}
	if got, want := strings.Join(groups, ""), crockford.EncodeToString(f[:20]); got != want {
		t.Errorf("the text spells %s, want %s", got, want)
	}
}

func TestInfo(t *testing.T) {
	t.Parallel()
	tests := []struct {
		year uint16
		pool uint32
		tail []byte
	}{
		{2027, 0, []byte{0x07, 0xeb, 0, 0, 0, 0}},
		{2027, 3, []byte{0x07, 0xeb, 0, 0, 0, 3}},
		{0x0102, 0x03040506, []byte{1, 2, 3, 4, 5, 6}},
		{65535, 1<<32 - 1, []byte{255, 255, 255, 255, 255, 255}},
	}
	for _, tt := range tests {
		if got, want := Info(tt.year, tt.pool), append([]byte("aankomst/v1"), tt.tail...); !bytes.Equal(got, want) {
			t.Errorf("Info(%d, %d) = %x, want %x", tt.year, tt.pool, got, want)
		}
	}
}
