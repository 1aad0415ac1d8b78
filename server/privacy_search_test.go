package server_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"aankomst/refcode"
)

// needle is a secret that is looked for in everything that is written.
type needle struct {
	name   string
	secret []byte
	// stored is set for what the decrypted store has to hold: nullifiers and the hashes of tokens.
	stored bool
}

func (p *party) keep(name string, secret []byte) {
	p.needles = append(p.needles, needle{name: name, secret: bytes.Clone(secret)})
}

func (p *party) keepText(name, text string) {
	for _, spelt := range []string{text, strings.ToLower(text)} {
		p.keep(name, []byte(spelt))
	}
}

// keepCode remembers a code in every spelling, and what it is made of.
func (p *party) keepCode(code refcode.Code, pool uint32) {
	p.keepText("a code", code.Symbols())
	p.keepText("a code in groups", code.Text())
	p.keepText("a code with hyphens", strings.Join(code.Groups(), "-"))
	p.keep("a nonce", code.Nonce())
	p.keep("a tag", code.Tag())
	p.needles = append(p.needles, needle{"a nullifier", p.nullifierOf(code, pool), true})
}

func (p *party) keepToken(secret string) {
	p.keepText("a token", secret)
	p.keepText("a token without its prefix", strings.TrimPrefix(secret, "aankomst_"))
	hash := sha256.Sum256([]byte(secret))
	p.needles = append(p.needles, needle{"the hash of a token", hash[:], true})
}

func (p *party) keepKeys() {
	key, ofStore := p.keyFile(), storeKey(p.t, p.f.Folder)
	p.keep("the private key of the cohort", key.POPRF)
	p.keep("the spent key of the cohort", key.Spent)
	p.keep("the key of the store", ofStore[:])
}

// pattern is one form in which a needle may be written.
type pattern struct {
	label string
	bytes []byte
	// chance is set for so few bits that ciphertext may hold them by chance.
	chance bool
	stored bool
}

// forms returns every form in which something is commonly written down.
func (n needle) forms() []pattern {
	forms := map[string][]byte{
		"as it is": n.secret,
		"in hex":   []byte(hex.EncodeToString(n.secret)),
		"in HEX":   []byte(strings.ToUpper(hex.EncodeToString(n.secret))),
	}
	for name, encoding := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64url": base64.RawURLEncoding} {
		for shift := range 3 {
			forms[fmt.Sprintf("in %s, %d bytes in", name, shift)] = within(encoding, n.secret, shift)
		}
	}
	patterns := make([]pattern, 0, len(forms))
	for form, content := range forms {
		patterns = append(patterns, pattern{n.name + " " + form, content, len(content) < 8, n.stored})
	}
	return patterns
}

// within returns the characters of a base64 text that depend on a secret alone, when it begins so many
// bytes into a group of three: they stand in the text whatever is before and after, padding included.
func within(encoding *base64.Encoding, secret []byte, shift int) []byte {
	text := encoding.EncodeToString(append(make([]byte, shift), secret...))
	const bits = 6
	return []byte(text[(shift*8+bits-1)/bits : (shift+len(secret))*8/bits])
}

// haystack is something written in which nothing may be found.
type haystack struct {
	name    string
	content []byte
	// encrypted content is as good as random; decrypted content holds what the store has to hold.
	encrypted, decrypted bool
}

func formsOf(needles []needle) (patterns []pattern) {
	for _, needle := range needles {
		patterns = append(patterns, needle.forms()...)
	}
	return patterns
}

// search returns what is found of the patterns.
func search(patterns []pattern, in haystack) (found []string) {
	var chances []string
	for _, pattern := range patterns {
		switch {
		case in.decrypted && pattern.stored:
		case !bytes.Contains(in.content, pattern.bytes):
		case in.encrypted && pattern.chance:
			chances = append(chances, in.name+" contains "+pattern.label)
		default:
			found = append(found, in.name+" contains "+pattern.label)
		}
	}
	// A nonce has 35 bits: in a megabyte of ciphertext one of a hundred is found by chance once in ten
	// thousand runs, and a second one never.
	if len(chances) > 1 {
		found = append(found, chances...)
	}
	return found
}

// searchWorks fails the test unless every one of the patterns is found where it is put.
func searchWorks(t *testing.T, patterns []pattern) {
	t.Helper()
	if len(patterns) == 0 {
		t.Fatal("there is nothing to search for")
	}
	for _, pattern := range patterns {
		content := append([]byte("before"), append(bytes.Clone(pattern.bytes), "after"...)...)
		if len(search(patterns, haystack{content: content})) == 0 {
			t.Fatalf("%s is not found where it was put", pattern.label)
		}
	}
}

// A search that finds nothing proves nothing unless it would have found something.
func TestPrivacySearchFindsEveryForm(t *testing.T) {
	secret := []byte{0xfb, 0xef, 0xbe, 0x3f, 0xff, 0x00, 0x80, 0x10, 0x07, 0x2c, 0xe8, 0x51, 0x99}
	for length := 5; length <= len(secret); length++ {
		of := needle{name: "it", secret: secret[:length]}.forms()
		planted := map[string]string{
			"raw": string(secret[:length]), "hex": hex.EncodeToString(secret[:length]), "HEX": fmt.Sprintf("%X", secret[:length]),
		}
		for before := range 6 {
			for after := range 3 {
				whole := []byte(strings.Repeat("\xa5", before) + string(secret[:length]) + strings.Repeat("\x5a", after))
				for name, encoding := range map[string]*base64.Encoding{
					"std": base64.StdEncoding, "rawstd": base64.RawStdEncoding, "url": base64.URLEncoding, "rawurl": base64.RawURLEncoding,
				} {
					planted[fmt.Sprintf("%s %d %d", name, before, after)] = encoding.EncodeToString(whole)
				}
			}
		}
		for form, text := range planted {
			content := []byte("what stands before" + text + "what stands after")
			if len(search(of, haystack{content: content})) == 0 {
				t.Errorf("%d bytes written in %s are not found", length, form)
			}
		}
		if found := search(of, haystack{content: bytes.Repeat(secret[:length-1], 2)}); len(found) > 0 {
			t.Errorf("found where it is not: %q", found)
		}
	}
}
