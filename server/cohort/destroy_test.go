package cohort

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"
)

func identity(t *testing.T) *age.X25519Identity {
	t.Helper()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return identity
}

// decrypt opens an escrow copy.
func decrypt(escrow []byte, identity age.Identity) ([]byte, error) {
	plain, err := age.Decrypt(armor.NewReader(bytes.NewReader(escrow)), identity)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(plain)
}

func TestTheEscrowCopyRestoresTheKey(t *testing.T) {
	t.Parallel()
	folder, key := newFolder(t), keyNamed(t, "key", 2026)
	if _, err := folder.Create(key); err != nil {
		t.Fatal(err)
	}
	chair, secretary, stranger := identity(t), identity(t), identity(t)
	if folder.HasEscrow(2026) {
		t.Error("there is an escrow copy before it was written")
	}
	digest, err := folder.WriteEscrow(key, []string{chair.Recipient().String(), " " + secretary.Recipient().String() + "\n"})
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("cohort-2026.escrow.%x.age", digest[:8])
	if got := names(t, folder); !slices.Equal(got, []string{name, "cohort-2026.key"}) || !folder.HasEscrow(2026) || EscrowFile(2026, digest) != name {
		t.Errorf("there are %v", got)
	}
	escrow := read(t, folder, name)
	if digest != sha256.Sum256(escrow) {
		t.Error("the digest is not that of the copy")
	}
	tellsNothing(t, key, "the escrow copy", string(escrow))
	if _, err := decrypt(escrow, stranger); err == nil {
		t.Error("a stranger can open it")
	}
	for _, recipient := range []*age.X25519Identity{chair, secretary} {
		plain, err := decrypt(escrow, recipient)
		if err != nil {
			t.Fatal(err)
		}
		// Put back as it is, it is a key file that works.
		restored := newFolder(t)
		write(t, restored, KeyFile(2026), plain, 0o600)
		loaded, err := restored.Load(2026)
		if err != nil {
			t.Fatal(err)
		}
		sameKey(t, loaded, key)
	}
	// Written anew, it is another copy of the same key, beside the first until it is known which of them counts.
	again, err := folder.WriteEscrow(key, []string{stranger.Recipient().String()})
	if err != nil || again == digest {
		t.Errorf("written anew: digest %x (%v)", again, err)
	}
	write(t, folder, "cohort-2026.escrow.made by hand.age", nil, 0o600)
	if err := folder.keepEscrow(2026, digest); err != nil {
		t.Fatal(err)
	}
	if got := names(t, folder); !slices.Equal(got, []string{name, "cohort-2026.escrow.made by hand.age", "cohort-2026.key"}) {
		t.Errorf("there are %v", got)
	}
}

func TestWhoIsNoRecipient(t *testing.T) {
	t.Parallel()
	folder, key := newFolder(t), keyNamed(t, "key", 2026)
	good, secret := identity(t).Recipient().String(), identity(t).String()
	for name, recipients := range map[string][]string{
		"nobody":                    nil,
		"nothing":                   {""},
		"a name":                    {"An Peeters"},
		"an address":                {"an@example.org"},
		"cut short":                 {good[:len(good)-1]},
		"a wrong letter":            {strings.Replace(good, good[10:11], map[bool]string{true: "q", false: "p"}[good[10] == 'p'], 1)},
		"two in one":                {good + " " + good},
		"an SSH key":                {"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJr"},
		"the second of two":         {good, "age1"},
		"an identity, by mistake":   {secret},
		"an identity with a remark": {good, "# secret: " + secret},
	} {
		_, err := folder.WriteEscrow(key, recipients)
		if !errors.Is(err, ErrRecipient) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		tellsNothing(t, key, name, err.Error())
		if strings.Contains(strings.ToUpper(err.Error()), "AGE-SECRET-KEY-1") {
			t.Errorf("%s: the error shows a secret: %v", name, err)
		}
	}
	if got := names(t, folder); len(got) != 0 {
		t.Errorf("there are %v", got)
	}
}

func TestDestroyingAKeyLeavesNoCopyInTheFolder(t *testing.T) {
	t.Parallel()
	folder, key, other := newFolder(t), keyNamed(t, "key", 2026), keyNamed(t, "other", 2027)
	var escrow []string
	for _, key := range []*Key{key, key, other} {
		if _, err := folder.Create(key); err != nil {
			t.Fatal(err)
		}
		digest, err := folder.WriteEscrow(key, []string{identity(t).Recipient().String()})
		if err != nil {
			t.Fatal(err)
		}
		escrow = append(escrow, EscrowFile(key.year, digest))
	}
	// What a crash leaves: whole and half copies of the key file and the escrow copy.
	document := read(t, folder, KeyFile(2026))
	leftovers := []string{"cohort-2026.key.123.tmp", "cohort-2026.key.9.tmp", escrow[0] + ".4567.tmp"}
	write(t, folder, leftovers[0], document, 0o600)
	write(t, folder, leftovers[1], document[:40], 0o600)
	write(t, folder, leftovers[2], read(t, folder, escrow[0]), 0o600)
	write(t, folder, "cohort-2027.key.1.tmp", nil, 0o600)
	if err := os.Link(folder.Path(KeyFile(2026)), folder.Path("cohort-2026.key.77.tmp")); err != nil {
		t.Fatal(err)
	}
	if loaded, err := folder.Load(2026); err != nil {
		t.Errorf("with leftovers: %v", err)
	} else {
		sameKey(t, loaded, key)
	}

	// What was in the files is overwritten, for whoever still has them open.
	var handles []*os.File
	for _, name := range append(leftovers, KeyFile(2026), escrow[0], escrow[1]) {
		handle, err := os.Open(folder.Path(name))
		if err != nil {
			t.Fatal(err)
		}
		defer handle.Close()
		handles = append(handles, handle)
	}
	if folder.Destroyed(2026) {
		t.Error("it is said to be destroyed")
	}
	kept := []string{"cohort-2026.destroyed", escrow[2], "cohort-2027.key", "cohort-2027.key.1.tmp"}
	for range 2 { // it may be repeated
		if err := folder.Destroy(2026); err != nil {
			t.Fatal(err)
		}
		if got := names(t, folder); !slices.Equal(got, kept) {
			t.Errorf("there are %v", got)
		}
		if !folder.Destroyed(2026) || folder.Destroyed(2027) || folder.HasEscrow(2026) || !folder.HasEscrow(2027) {
			t.Error("what is destroyed is not told right")
		}
	}
	for _, handle := range handles {
		content, err := io.ReadAll(handle)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(content, []byte("poprf")) || bytes.Contains(content, document[:20]) || bytes.Contains(content, []byte("BEGIN AGE")) {
			t.Errorf("%s was not overwritten", handle.Name())
		}
	}
	tellsNothing(t, key, "what remembers it", string(read(t, folder, destroyedFile(2026))))
	if _, err := folder.Load(2026); !errors.Is(err, ErrNoKey) {
		t.Errorf("loading it: %v", err)
	}
	if loaded, err := folder.Load(2027); err != nil {
		t.Errorf("the other year: %v", err)
	} else {
		sameKey(t, loaded, other)
	}
}

func TestDestroyingGoesOnWhereItWasStopped(t *testing.T) {
	t.Parallel()
	for _, obstacle := range []string{"cohort-2026.destroyed", EscrowFile(2026, [32]byte{}), "cohort-2026.key.12.tmp"} {
		t.Run(obstacle, func(t *testing.T) {
			t.Parallel()
			folder := newFolder(t)
			if _, err := folder.Create(keyNamed(t, "key", 2026)); err != nil {
				t.Fatal(err)
			}
			takeAway := obstruct(t, folder, obstacle)
			if err := folder.Destroy(2026); !errors.Is(err, ErrKeyFolder) {
				t.Fatalf("with an obstacle: %v", err)
			}
			takeAway()
			if err := folder.Destroy(2026); err != nil {
				t.Fatal(err)
			}
			if got := names(t, folder); !slices.Equal(got, []string{"cohort-2026.destroyed"}) {
				t.Errorf("there are %v", got)
			}
		})
	}
}
