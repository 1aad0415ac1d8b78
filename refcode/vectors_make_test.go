package refcode

import (
	"bytes"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/cloudflare/circl/group"
)

// aboutVectors is the description that goes with testdata/vectors.json. A field that is added there
// is described here.
var aboutVectors = []string{
	"Test vectors of the referral code protocol, version 1 (docs/protocol.md), for implementations in any language. Written by the tests of package refcode with -update; do not edit.",
	"Bytes are in hexadecimal, lower case. Scalars and elements are as in RFC 9497: scalars little-endian, 32 bytes. A layout is 1 (16 symbols) or 2 (20 symbols). Positions count from 1. 'symbols' of a code is the code without separators.",
	"codes: the code made of a nonce and of a PRF output; tag is the head of the output; text is how the code is shown. Each must also decode to itself.",
	"decode: texts that are codes, and the symbols that they stand for.",
	"malformed: texts that are none. fault is TOO_LONG (more than 256 bytes in UTF-8), EMPTY, ALPHABET, LENGTH or CHECK, looked for in this order (ENCODING, for broken Unicode, comes second and cannot be written in JSON). symbols counts symbols and bad characters (characters of Unicode, not units of UTF-16), and is 0 for TOO_LONG and EMPTY. positions are the bad characters for ALPHABET, all places that a correction names for CHECK, and empty for others. corrections, in this order: one wrong symbol, or each swap of neighbours from left to right.",
	"infos: the public input of the PRF for a year and pool.",
	"directories: encoding, SHA-256 fingerprint of it, and the text of the fingerprint that people compare.",
	"refused_elements: bytes that are no acceptable element, as a public key, a blinded element or an evaluated one; why is the first reason of RFC 9496, section 4.3.1 that applies, or the identity, which RFC 9497 refuses besides.",
	"issuing: RFC 9497, ristretto255-SHA512, mode POPRF, from key to code. The PRF's input is the nonce. The proof was made with the random scalar proof_random; any other makes another proof that is as good.",
	"refused_answers: an answer that the client must refuse in place of that in issuing[issuing] (from 0); refusal is ELEMENT when the evaluated element is none, else PROOF.",
}

func writeVectors(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(vectorsFile, encodeVectors(t, makeVectors(t)), 0o644); err != nil {
		t.Fatal(err)
	}
}

func encodeVectors(t *testing.T, v vectors) []byte {
	t.Helper()
	var buf bytes.Buffer
	encoder := json.NewEncoder(&buf)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		t.Fatal(err)
	}
	// Characters that cannot be seen, or not told apart, are escaped for those who read the file.
	var ascii bytes.Buffer
	for _, r := range buf.String() {
		if r < utf8.RuneSelf {
			ascii.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&ascii, `\u%04x`, unit)
		}
	}
	return ascii.Bytes()
}

func makeVectors(t *testing.T) vectors {
	t.Helper()
	v := vectors{
		About:           aboutVectors,
		Codes:           makeCodes(),
		Decode:          makeDecode(),
		Malformed:       makeMalformed(t),
		Infos:           makeInfos(),
		Directories:     makeDirectories(t),
		RefusedElements: makeRefusedElements(t),
		Issuing:         makeIssuing(t),
	}
	v.RefusedAnswers = makeRefusedAnswers(t, v.Issuing)
	return v
}

func makeCodes() []codeVector {
	var all []codeVector
	for _, layout := range layouts {
		zeros, ones := make([]byte, 64), bytes.Repeat([]byte{0xff}, 64)
		first, last := make([]byte, 64), make([]byte, 64)
		first[0], last[layout.NonceBytes()-1] = 0x80, 1<<(8*layout.NonceBytes()-5*layout.half())
		parts := [][2][]byte{{zeros, zeros}, {ones, ones}, {ones, zeros}, {zeros, ones}, {first, last}, {last, first}}
		for i := range 6 {
			nonce, output := sha512.Sum512(fmt.Appendf(nil, "nonce %d", i)), sha512.Sum512(fmt.Appendf(nil, "output %d", i))
			parts = append(parts, [2][]byte{nonce[:], output[:]})
		}
		for _, p := range parts {
			code := newCode(layout, p[0], p[1])
			all = append(all, codeVector{
				Layout: layout, Nonce: code.Nonce(), Output: p[1], Tag: code.Tag(), Symbols: code.Symbols(), Text: code.Text(),
			})
		}
	}
	return all
}

func makeDecode() []decodeVector {
	var all []decodeVector
	for _, layout := range layouts {
		// A nonce of 0, 1, 0, 1, ... so that look-alikes have something to stand for.
		code := newCode(layout, []byte{0x00, 0x40, 0x10, 0x04, 0x01, 0x00}, []byte{0x4b, 0xf2, 0x6d, 0x83, 0xb9, 0xc8})
		s, groups := code.Symbols(), code.Groups()
		lookAlikes := strings.NewReplacer("0", "O", "1", "I")
		texts := []string{
			s, code.Text(), strings.ToLower(code.Text()), "  " + s + "\n", strings.Join(groups, "-"), strings.Join(groups, "."),
			strings.Join(groups, ". "), strings.Join(groups, " \u2013 "), strings.Join(groups, "\r\n"), strings.Join(groups, "\t"),
			strings.Join(strings.Split(s, ""), " "), strings.Join(strings.Split(s, ""), "\u202f"),
			lookAlikes.Replace(s), strings.ToLower(lookAlikes.Replace(s)), strings.NewReplacer("0", "o", "1", "L").Replace(s),
			strings.ReplaceAll(s, "1", "l"), s + strings.Repeat(" ", MaxText-len(s)),
		}
		for _, sep := range separators {
			texts = append(texts, strings.Join(groups, string(sep)))
		}
		for _, text := range texts {
			all = append(all, decodeVector{Text: text, Symbols: s})
		}
	}
	return all
}

func makeMalformed(t *testing.T) []malformedVector {
	rng := rand.New(rand.NewPCG(2027, 1))
	texts := []string{"", "   ", "-\u2013\u2014.", "U", "7", strings.Repeat("\u2010", 86)}
	for _, layout := range layouts {
		code := randomCode(rng, layout)
		s, n := code.Symbols(), layout.Symbols()
		texts = append(texts,
			s[1:], s+"0", s+s, strings.Repeat("0", n-1), s+strings.Repeat(" ", MaxText+1-n),
			"U"+s[1:], s[:2]+"u"+s[3:], "U"+s[1:n-1]+"U", s[:4]+" "+s[4:8]+" *"+s[9:],
		)
		// What case folding, digits of other scripts and other notions of "space" must not let in; the
		// last takes two units of UTF-16.
		for _, r := range "\u212a\u017f\u0131\u0130\uff10\u0660\u00e9_/,'?\u2009\u2007\u200b\u2212\ufeff\u00ad\x00\U0001f642" {
			texts = append(texts, s[:n-1]+string(r))
		}
		texts = append(texts, "e\u0301"+s[1:])

		for _, at := range []int{0, 5, layout.half(), n - 2, n - 1} {
			texts = append(texts, distort(code, func(w []byte) { w[at] ^= 9 }))
		}
		texts = append(texts, strings.ToLower(distort(code, func(w []byte) { w[3] ^= 1 })))
		for _, at := range []int{0, 6, n - 2} {
			texts = append(texts, distort(distinct(rng, layout, at), func(w []byte) { w[at], w[at+1] = w[at+1], w[at] }))
		}
		texts = append(texts,
			search(t, rng, layout, 2, func(w []byte) { w[4], w[5] = w[5], w[4] }),
			search(t, rng, layout, 3, func(w []byte) { w[4], w[5] = w[5], w[4] }),
			search(t, rng, layout, 0, func(w []byte) { w[2] ^= 5; w[9] ^= 17 }),
			search(t, rng, layout, 0, func(w []byte) { w[2], w[9] = w[9], w[2] }),
			search(t, rng, layout, 1, func(w []byte) { w[2] ^= byte(1 + rng.IntN(31)); w[9] ^= byte(1 + rng.IntN(31)) }),
		)
	}
	var all []malformedVector
	for _, text := range texts {
		all = append(all, malformed(t, text))
	}
	return all
}

// malformed decodes a text that is no code into a vector.
func malformed(t *testing.T, text string) malformedVector {
	t.Helper()
	fault := faultOf(t, text)
	v := malformedVector{
		Text: text, Fault: fault.Fault, Positions: append([]int{}, fault.Positions...), Symbols: fault.Symbols,
		Corrections: []correctionVector{},
	}
	for _, c := range fault.Corrections() {
		v.Corrections = append(v.Corrections, correctionVector{
			Positions: c.Positions, Heard: c.Heard, Meant: c.Meant, Symbols: c.Code.Symbols(),
		})
	}
	return v
}

// distort writes a code with its symbols changed.
func distort(code Code, change func(word []byte)) string {
	word := code.word()
	change(word)
	return spell(word)
}

// distinct returns a code whose symbols at two neighbouring places differ.
func distinct(rng *rand.Rand, layout Layout, at int) Code {
	for {
		if code := randomCode(rng, layout); code.word()[at] != code.word()[at+1] {
			return code
		}
	}
}

// search distorts random codes until one has the wanted number of corrections.
func search(t *testing.T, rng *rand.Rand, layout Layout, corrections int, change func(word []byte)) string {
	t.Helper()
	for range 100_000 {
		text := distort(randomCode(rng, layout), change)
		if _, err := Decode(text); err != nil && len(err.(*DecodeError).Corrections()) == corrections {
			return text
		}
	}
	t.Fatalf("no text with %d corrections", corrections)
	return ""
}

func makeInfos() []infoVector {
	all := []infoVector{{Year: 2027, Pool: 0}, {Year: 2027, Pool: 1}, {Year: 2028, Pool: 258}, {Year: 1, Pool: 1 << 31}, {Year: 65535, Pool: 1<<32 - 1}}
	for i, v := range all {
		all[i].Info = Info(v.Year, v.Pool)
	}
	return all
}

func makeDirectories(t *testing.T) []directoryVector {
	var all []directoryVector
	for _, d := range []Directory{
		{Year: 2027, Layout: Short, Pools: []uint32{1}},
		{Year: 2027, Layout: Long, Pools: []uint32{1}},
		{Year: 2028, Layout: Short, Pools: []uint32{1, 2, 3, 4}},
		{Year: 65535, Layout: Long, Pools: []uint32{1, 2, 258, 1 << 31, 1<<32 - 1}},
	} {
		d.PublicKey = newCohort(t, fmt.Sprintf("vectors %d", d.Year), d.Layout).directory.PublicKey
		fingerprint := d.Fingerprint()
		all = append(all, directoryVector{
			Year: d.Year, Layout: d.Layout, PublicKey: d.PublicKey, Pools: d.Pools,
			Encoding: d.Encode(), Fingerprint: fingerprint[:], Text: fingerprint.Text(),
		})
	}
	return all
}

func makeIssuing(t *testing.T) []issuingVector {
	var all []issuingVector
	for _, layout := range layouts {
		for i, pool := range []uint32{PracticePool, 1, 7, 1<<32 - 1} {
			name := fmt.Sprintf("issuing %d %d", layout, i)
			c := newCohort(t, fmt.Sprintf("vectors %d %d", layout, i/2), layout)
			private, err := c.key.MarshalBinary()
			if err != nil {
				t.Fatal(err)
			}
			digest := sha512.Sum512([]byte(name))
			v := issuingVector{
				PrivateKey: private, PublicKey: c.directory.PublicKey, Year: uint16(2027 + i/2), Pool: pool, Layout: layout,
				Nonce:       newCode(layout, digest[:], digest[:]).Nonce(),
				Blind:       marshal(t, scalarOf(name+" blind")),
				ProofRandom: marshal(t, scalarOf(name+" proof")),
			}
			if i == 3 {
				v.Nonce = newCode(layout, bytes.Repeat([]byte{0xff}, 6), digest[:]).Nonce()
			}
			info := Info(v.Year, v.Pool)
			b, err := blindWith(v.directory(), pool, slices.Clone(v.Nonce), scalar(t, v.Blind))
			if err != nil {
				t.Fatal(err)
			}
			v.Blinded = b.Element
			v.Evaluated, _ = c.answer(t, b.Element, info)
			v.Proof = prove(t, c.key, info, scalar(t, v.ProofRandom), []group.Element{parse(t, v.Blinded)}, []group.Element{parse(t, v.Evaluated)})
			v.Output = c.output(t, v.Nonce, info)
			code, err := b.Finalize(v.Evaluated, v.Proof)
			if err != nil {
				t.Fatal(err)
			}
			v.Symbols = code.Symbols()
			all = append(all, v)
		}
	}
	return all
}

func makeRefusedAnswers(t *testing.T, issuing []issuingVector) []refusedAnswerVec {
	var all []refusedAnswerVec
	for _, i := range []int{1, 5} {
		v := issuing[i]
		// evaluate answers the same request with another key or info, the proof being true of them.
		evaluate := func(c cohort, info []byte) (evaluated, proof hexed) {
			evaluated, _ = c.answer(t, v.Blinded, info)
			return evaluated, prove(t, c.key, info, scalar(t, v.ProofRandom), []group.Element{parse(t, v.Blinded)}, []group.Element{parse(t, evaluated)})
		}
		add := func(why, refusal string, evaluated, proof hexed) {
			all = append(all, refusedAnswerVec{Why: why, Issuing: i, Evaluated: evaluated, Proof: proof, Refusal: refusal})
		}
		same := newCohort(t, fmt.Sprintf("vectors %d 0", v.Layout), v.Layout)
		evaluated, proof := evaluate(newCohort(t, "another", v.Layout), Info(v.Year, v.Pool))
		add("another private key", "PROOF", evaluated, proof)
		add("another private key, with the proof of the right one", "PROOF", evaluated, v.Proof)
		evaluated, proof = evaluate(same, Info(v.Year, v.Pool+1))
		add("another pool", "PROOF", evaluated, proof)
		evaluated, proof = evaluate(same, Info(v.Year+1, v.Pool))
		add("another year", "PROOF", evaluated, proof)
		add("the blinded element sent back", "PROOF", v.Blinded, v.Proof)
		add("the two scalars of the proof swapped", "PROOF", v.Evaluated, slices.Concat(v.Proof[32:], v.Proof[:32]))
		add("first scalar of the proof not reduced", "PROOF", v.Evaluated, slices.Concat(addOrder(t, v.Proof[:32]), v.Proof[32:]))
		add("second scalar of the proof not reduced", "PROOF", v.Evaluated, slices.Concat(v.Proof[:32], addOrder(t, v.Proof[32:])))
		add("proof of zeros", "PROOF", v.Evaluated, make(hexed, ProofBytes))
		add("proof one byte short", "PROOF", v.Evaluated, v.Proof[:ProofBytes-1])
		add("proof one byte long", "PROOF", v.Evaluated, slices.Concat(v.Proof, hexed{0}))
		add("no proof", "PROOF", v.Evaluated, hexed{})
		add("evaluated element is the identity", "ELEMENT", make(hexed, ElementBytes), v.Proof)
		add("evaluated element one byte short", "ELEMENT", v.Evaluated[:ElementBytes-1], v.Proof)
		above := slices.Clone(v.Evaluated)
		above[31] |= 0x80
		add("evaluated element with the bit above the field set", "ELEMENT", above, v.Proof)
	}
	return all
}

func marshal(t *testing.T, s group.Scalar) []byte {
	t.Helper()
	b, err := s.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func parse(t *testing.T, b []byte) group.Element {
	t.Helper()
	e, err := ParseElement(b)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func makeRefusedElements(t *testing.T) []refusedElement {
	valid := unhex(t, generator)
	above, negated := slices.Clone(valid), slices.Clone(valid)
	above[31] |= 0x80
	negate(negated)
	all := []hexed{make(hexed, 32), {}, {0}, valid[:31], slices.Concat(valid, hexed{0}), make(hexed, 31), make(hexed, 64), above, negated}
	for _, line := range strings.Fields(invalidEncodings) {
		b, err := hex.DecodeString(line)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	var out []refusedElement
	for _, b := range all {
		out = append(out, refusedElement{Why: whyRefused(b), Element: b})
	}
	return out
}
