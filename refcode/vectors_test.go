package refcode

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"slices"
	"testing"

	"github.com/cloudflare/circl/oprf"
)

var update = flag.Bool("update", false, "write testdata/vectors.json anew")

const vectorsFile = "testdata/vectors.json"

// hexed is bytes that JSON has in hexadecimal.
type hexed []byte

func (h hexed) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h)), nil }

func (h *hexed) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

// vectors is testdata/vectors.json; its "about" describes the fields.
type vectors struct {
	About           []string           `json:"about"`
	Codes           []codeVector       `json:"codes"`
	Decode          []decodeVector     `json:"decode"`
	Malformed       []malformedVector  `json:"malformed"`
	Infos           []infoVector       `json:"infos"`
	Directories     []directoryVector  `json:"directories"`
	RefusedElements []refusedElement   `json:"refused_elements"`
	Issuing         []issuingVector    `json:"issuing"`
	RefusedAnswers  []refusedAnswerVec `json:"refused_answers"`
}

type (
	codeVector struct {
		Layout  Layout `json:"layout"`
		Nonce   hexed  `json:"nonce"`
		Output  hexed  `json:"output"`
		Tag     hexed  `json:"tag"`
		Symbols string `json:"symbols"`
		Text    string `json:"text"`
	}
	decodeVector struct {
		Text    string `json:"text"`
		Symbols string `json:"symbols"`
	}
	malformedVector struct {
		Text        string             `json:"text"`
		Fault       Fault              `json:"fault"`
		Positions   []int              `json:"positions"`
		Symbols     int                `json:"symbols"`
		Corrections []correctionVector `json:"corrections"`
	}
	correctionVector struct {
		Positions []int  `json:"positions"`
		Heard     string `json:"heard"`
		Meant     string `json:"meant"`
		Symbols   string `json:"symbols"`
	}
	infoVector struct {
		Year uint16 `json:"year"`
		Pool uint32 `json:"pool"`
		Info hexed  `json:"info"`
	}
	directoryVector struct {
		Year        uint16   `json:"year"`
		Layout      Layout   `json:"layout"`
		PublicKey   hexed    `json:"public_key"`
		Pools       []uint32 `json:"pools"`
		Encoding    hexed    `json:"encoding"`
		Fingerprint hexed    `json:"fingerprint"`
		Text        string   `json:"text"`
	}
	refusedElement struct {
		Why     string `json:"why"`
		Element hexed  `json:"element"`
	}
	issuingVector struct {
		PrivateKey  hexed  `json:"private_key"`
		PublicKey   hexed  `json:"public_key"`
		Year        uint16 `json:"year"`
		Pool        uint32 `json:"pool"`
		Layout      Layout `json:"layout"`
		Nonce       hexed  `json:"nonce"`
		Blind       hexed  `json:"blind"`
		Blinded     hexed  `json:"blinded_element"`
		Evaluated   hexed  `json:"evaluated_element"`
		ProofRandom hexed  `json:"proof_random"`
		Proof       hexed  `json:"proof"`
		Output      hexed  `json:"output"`
		Symbols     string `json:"symbols"`
	}
	refusedAnswerVec struct {
		Why       string `json:"why"`
		Issuing   int    `json:"issuing"`
		Evaluated hexed  `json:"evaluated_element"`
		Proof     hexed  `json:"proof"`
		Refusal   string `json:"refusal"`
	}
)

// directory is that of the vector's cohort.
func (v issuingVector) directory() Directory {
	return Directory{Year: v.Year, Layout: v.Layout, PublicKey: v.PublicKey, Pools: []uint32{max(v.Pool, 1)}}
}

func readVectors(t *testing.T) vectors {
	t.Helper()
	if *update {
		writeVectors(t)
	}
	file, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(file))
	decoder.DisallowUnknownFields()
	var v vectors
	if err := decoder.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// TestVectors holds this package to the file that the other languages are held to.
func TestVectors(t *testing.T) {
	v := readVectors(t)
	t.Run("codes", func(t *testing.T) { checkCodeVectors(t, v.Codes) })
	t.Run("decode", func(t *testing.T) { checkDecodeVectors(t, v.Decode) })
	t.Run("malformed", func(t *testing.T) { checkMalformedVectors(t, v.Malformed) })
	t.Run("infos", func(t *testing.T) { checkInfoVectors(t, v.Infos) })
	t.Run("directories", func(t *testing.T) { checkDirectoryVectors(t, v.Directories) })
	t.Run("refused elements", func(t *testing.T) { checkRefusedElements(t, v.RefusedElements) })
	t.Run("issuing", func(t *testing.T) { checkIssuingVectors(t, v.Issuing) })
	t.Run("refused answers", func(t *testing.T) { checkRefusedAnswers(t, v.Issuing, v.RefusedAnswers) })
}

// TestVectorsAreUpToDate keeps the file from being edited by hand: other languages would then be held
// to something that this package does not do.
func TestVectorsAreUpToDate(t *testing.T) {
	readVectors(t)
	got, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	if want := encodeVectors(t, makeVectors(t)); !bytes.Equal(got, want) {
		t.Errorf("%s is not what -update writes", vectorsFile)
	}
}

func checkCodeVectors(t *testing.T, all []codeVector) {
	for _, v := range all {
		code := newCode(v.Layout, v.Nonce, v.Output)
		if code.Symbols() != v.Symbols || code.Text() != v.Text || !bytes.Equal(code.Tag(), v.Tag) || !bytes.Equal(code.Nonce(), v.Nonce) {
			t.Errorf("%s: made as %s, %q with tag %x and nonce %x", v.Symbols, code.Symbols(), code.Text(), code.Tag(), code.Nonce())
		}
		if got := mustDecode(t, v.Text); got != code || got.Layout() != v.Layout {
			t.Errorf("%q decodes to %s", v.Text, got.Symbols())
		}
		if got := TagOf(v.Layout, v.Output); !bytes.Equal(got, v.Tag) {
			t.Errorf("%s: the tag is %x, want %x", v.Symbols, got, v.Tag)
		}
	}
}

func checkDecodeVectors(t *testing.T, all []decodeVector) {
	for _, v := range all {
		if got := mustDecode(t, v.Text); got.Symbols() != v.Symbols {
			t.Errorf("%q decodes to %s, want %s", v.Text, got.Symbols(), v.Symbols)
		}
	}
}

func checkMalformedVectors(t *testing.T, all []malformedVector) {
	for _, v := range all {
		got := malformed(t, v.Text)
		if got.Fault != v.Fault || got.Symbols != v.Symbols || !slices.Equal(got.Positions, v.Positions) {
			t.Errorf("%q: %s at %v of %d, want %s at %v of %d", v.Text, got.Fault, got.Positions, got.Symbols, v.Fault, v.Positions, v.Symbols)
		}
		if !slices.EqualFunc(got.Corrections, v.Corrections, func(a, b correctionVector) bool {
			return a.Symbols == b.Symbols && a.Heard == b.Heard && a.Meant == b.Meant && slices.Equal(a.Positions, b.Positions)
		}) {
			t.Errorf("%q: corrections %+v, want %+v", v.Text, got.Corrections, v.Corrections)
		}
	}
}

func checkInfoVectors(t *testing.T, all []infoVector) {
	for _, v := range all {
		same(t, "info", Info(v.Year, v.Pool), v.Info, nil)
	}
}

func checkDirectoryVectors(t *testing.T, all []directoryVector) {
	for _, v := range all {
		d := Directory{Year: v.Year, Layout: v.Layout, PublicKey: v.PublicKey, Pools: v.Pools}
		if err := d.Check(); err != nil {
			t.Errorf("%s: %v", v.Text, err)
		}
		fingerprint := d.Fingerprint()
		same(t, "encoding", d.Encode(), v.Encoding, nil)
		same(t, "fingerprint", fingerprint[:], v.Fingerprint, nil)
		if got := fingerprint.Text(); got != v.Text {
			t.Errorf("the fingerprint reads %q, want %q", got, v.Text)
		}
	}
}

func checkRefusedElements(t *testing.T, all []refusedElement) {
	for _, v := range all {
		if e, err := ParseElement(v.Element); !errors.Is(err, ErrElement) || e != nil {
			t.Errorf("%x (%s) gives %v, %v", v.Element, v.Why, e, err)
		}
		if got := whyRefused(v.Element); got != v.Why {
			t.Errorf("%x is refused because %q, the file says %q", v.Element, got, v.Why)
		}
	}
}

func checkIssuingVectors(t *testing.T, all []issuingVector) {
	for _, v := range all {
		key := new(oprf.PrivateKey)
		if err := key.UnmarshalBinary(Suite, v.PrivateKey); err != nil {
			t.Fatal(err)
		}
		public, err := key.Public().MarshalBinary()
		same(t, "public key", public, v.PublicKey, err)

		b, err := blindWith(v.directory(), v.Pool, slices.Clone(v.Nonce), scalar(t, v.Blind))
		if err != nil {
			t.Fatal(err)
		}
		same(t, "blinded element", b.Element, v.Blinded, nil)
		server := oprf.NewPartialObliviousServer(Suite, key)
		evaluated, _ := cohort{server: server}.answer(t, v.Blinded, Info(v.Year, v.Pool))
		same(t, "evaluated element", evaluated, v.Evaluated, nil)
		output, err := server.FullEvaluate(v.Nonce, Info(v.Year, v.Pool))
		same(t, "output", output, v.Output, err)

		code, err := b.Finalize(v.Evaluated, v.Proof)
		if err != nil || code.Symbols() != v.Symbols {
			t.Errorf("%s: Finalize gives %s, %v", v.Symbols, code.Symbols(), err)
		}
		if want := newCode(v.Layout, v.Nonce, v.Output); code != want {
			t.Errorf("the code is %s, nonce and output make %s", code.Symbols(), want.Symbols())
		}
	}
}

func checkRefusedAnswers(t *testing.T, issuing []issuingVector, all []refusedAnswerVec) {
	refusals := map[string]error{"ELEMENT": ErrElement, "PROOF": ErrProof}
	for _, v := range all {
		i := issuing[v.Issuing]
		b, err := blindWith(i.directory(), i.Pool, slices.Clone(i.Nonce), scalar(t, i.Blind))
		if err != nil {
			t.Fatal(err)
		}
		if code, err := b.Finalize(v.Evaluated, v.Proof); !errors.Is(err, refusals[v.Refusal]) || code != (Code{}) {
			t.Errorf("%s: Finalize gives %s, %v; want %s", v.Why, code.Symbols(), err, v.Refusal)
		}
	}
}
