package release

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"aankomst/server/store"
)

// golden is a published release of a closed cohort, written out by hand.
const golden = `{"cohort":2026,"cutOff":"2027-06-30","figures":[` +
	`{"group":"total","interval":{"high":88,"low":68},"rate":{"high":80,"low":80},"referrals":{"high":59,"low":59},"shown":"exact"},` +
	`{"group":"pool:1","name":"CAW <Noord> & \"Zuid\"","shown":"protected"},` +
	`{"group":"pool:2","name":"CGG Limbürg","shown":"protected"}],` +
	`"number":1,"policy":"2026-1","publishedOn":"2027-07-15","schema":"aankomst/release/v1","status":"final"}`

// knownYear is the draft of golden.
func knownYear(tb rapid.TB) Document {
	tb.Helper()
	cohort := store.Cohort{Year: 2026, Pools: []store.Pool{
		{Number: 1, Name: `CAW <Noord> & "Zuid"`}, {Number: 2, Name: "CGG Limbürg"},
	}}
	counts := store.Counts{Year: 2026, Pools: []store.PoolCounts{
		{Number: 1, Issued: 35, Arrived: 27}, {Number: 2, Issued: 26, Voided: 2, Arrived: 20},
	}}
	document, err := Freeze(Current, cohort, counts, closed)
	if err != nil {
		tb.Fatalf("freezing: %v", err)
	}
	return document
}

func draftOf(tb rapid.TB, document Document, cutOff CutOff) store.Draft {
	tb.Helper()
	return store.Draft{Year: document.Cohort, CutOff: cutOff.Key, Body: []byte(encoded(tb, document))}
}

// published publishes drafts one after the other.
func published(tb rapid.TB, drafts ...store.Draft) []store.Release {
	tb.Helper()
	var releases []store.Release
	for i, draft := range drafts {
		var last *store.Release
		if i > 0 {
			last = &releases[i-1]
		}
		release, err := Publish(draft, last, fmt.Sprintf("2027-01-%02d", i+1))
		if err != nil {
			tb.Fatalf("publishing %d: %v", i+1, err)
		}
		releases = append(releases, release)
	}
	return releases
}

// fourReleases is the history of a cohort.
func fourReleases(tb rapid.TB) []store.Release {
	tb.Helper()
	return published(tb,
		draftOf(tb, frozen(tb, march, thirds(12, 9)...), march),
		draftOf(tb, frozen(tb, june, thirds(31, 25)...), june),
		draftOf(tb, frozen(tb, yearEnd, thirds(12, 9)...), yearEnd),
		draftOf(tb, knownYear(tb), closed),
	)
}

func documentsOf(releases []store.Release) [][]byte {
	var documents [][]byte
	for _, release := range releases {
		documents = append(documents, bytes.Clone(release.Document))
	}
	return documents
}

func TestEncodeIsCanonical(t *testing.T) {
	t.Parallel()
	document := knownYear(t)
	document.Number, document.PublishedOn = 1, "2027-07-15"
	if got := encoded(t, document); got != golden {
		t.Errorf("encoded as\n%s\nwant\n%s", got, golden)
	}
}

func TestDecodeGivesBackWhatWasEncoded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cohort, counts := world(anyCells.Draw(t, "pools")...)
		for i := range cohort.Pools {
			cohort.Pools[i].Name = rapid.String().Draw(t, "name")
		}
		cutOff := rapid.SampledFrom(cutOffs).Draw(t, "cut-off")
		cutOff.Late = rapid.Bool().Draw(t, "late")
		document, err := Freeze(Current, cohort, counts, cutOff)
		if err != nil {
			t.Fatal(err)
		}
		text := encoded(t, document)
		back, err := Decode([]byte(text))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if !reflect.DeepEqual(back, document) {
			t.Fatalf("%+v came back as %+v", document, back)
		}
		if again := encoded(t, back); again != text {
			t.Fatalf("encoded as %s, and again as %s", text, again)
		}
	})
}

// A name that is no UTF-8, or holds line separators, must not make a draft that cannot be published.
func TestOddNamesCanBePublished(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a\xffb", "a\u2028b\u2029c", "\x00\x1f\x7f", "\ufeff\uffff", "</script>", `\u0041`} {
		document := knownYear(t)
		document.Figures[1].Name = name
		release, err := Publish(draftOf(t, document, closed), nil, "2027-07-15")
		if err != nil {
			t.Errorf("%q: %v", name, err)
		} else if err := VerifyChain([][]byte{release.Document}); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	if _, err := Decode([]byte(golden)); err != nil {
		t.Fatalf("a release document is refused: %v", err)
	}
	for _, c := range []struct{ name, old, changed, reason string }{
		{"nothing", golden, "", "EOF"},
		{"null", golden, "null", "schema"},
		{"no object", golden, `["aankomst/release/v1"]`, "cannot unmarshal"},
		{"half a document", golden[100:], "", "unexpected EOF"},
		{"a space", `"cohort":2026`, `"cohort": 2026`, "canonical"},
		{"a line end", `"final"}`, "\"final\"}\n", "canonical"},
		{"a byte order mark", `{"cohort"`, "\ufeff{\"cohort\"", "invalid character"},
		{"another order", `"cohort":2026,"cutOff":"2027-06-30"`, `"cutOff":"2027-06-30","cohort":2026`, "canonical"},
		{"another order within", `{"high":80,"low":80}`, `{"low":80,"high":80}`, "canonical"},
		{"a needless escape", `"final"`, `"fin\u0061l"`, "canonical"},
		{"HTML escaped", `<`, `\u003c`, "canonical"},
		{"a letter escaped", `ü`, `\u00fc`, "canonical"},
		{"no UTF-8", `ü`, "\xfc", "canonical"},
		{"a fraction", `"low":68`, `"low":68.0`, "cannot unmarshal"},
		{"an exponent", `"low":68`, `"low":68e0`, "cannot unmarshal"},
		{"minus zero", `"low":68`, `"low":-0`, "canonical"},
		{"a number too large", `"low":68`, `"low":99999999999999999999`, "cannot unmarshal"},
		{"a number as text", `"cohort":2026`, `"cohort":"2026"`, "cannot unmarshal"},
		{"an empty member written out", `"number":1`, `"number":0`, "canonical"},
		{"null for a range", `"name":"CGG Limbürg","shown"`, `"name":"CGG Limbürg","rate":null,"shown"`, "canonical"},
		{"a member missing", `"cohort":2026,`, ``, "canonical"},
		{"a member in other case", `"cohort"`, `"Cohort"`, "canonical"},
		{"a member twice", `"cohort":2026`, `"cohort":2026,"cohort":2026`, "canonical"},
		{"a member twice with another value", `"cohort":2026`, `"cohort":2025,"cohort":2026`, "canonical"},
		{"a figure's member twice", `"shown":"exact"`, `"shown":"band","shown":"exact"`, "canonical"},
		{"an unknown member", `"number":1`, `"note":"","number":1`, "unknown field"},
		{"an unknown member of a figure", `"group":"total"`, `"arrived":47,"group":"total"`, "unknown field"},
		{"an unknown member of a range", `"low":68`, `"low":68,"mid":78`, "unknown field"},
		{"a document after it", `"final"}`, `"final"}{}`, "canonical"},
		{"a word after it", `"final"}`, `"final"}x`, "canonical"},
		{"another schema", `release/v1`, `release/v2`, `schema "aankomst/release/v2"`},
		{"no schema", `"schema":"aankomst/release/v1",`, ``, `schema ""`},
		{"an unknown status", `"status":"final"`, `"status":"draft"`, `status "draft"`},
		{"an unknown way of showing", `"shown":"exact"`, `"shown":"count"`, `shown as "count"`},
		{"exact without interval", `"interval":{"high":88,"low":68},`, ``, "wrong numbers"},
		{"exact without rate", `"rate":{"high":80,"low":80},`, ``, "wrong numbers"},
		{"exact without referrals", `"referrals":{"high":59,"low":59},`, ``, "wrong numbers"},
		{"protected with referrals", `"name":"CGG Limbürg",`, `"name":"CGG Limbürg","referrals":{"high":24,"low":24},`, "wrong numbers"},
		{"protected with a rate", `"name":"CGG Limbürg",`, `"name":"CGG Limbürg","rate":{"high":83,"low":83},`, "wrong numbers"},
		{"protected with an interval", `"name":"CGG Limbürg",`, `"interval":{"high":91,"low":64},"name":"CGG Limbürg",`, "wrong numbers"},
		{"too early with numbers", `"shown":"exact"`, `"shown":"too_early"`, "wrong numbers"},
	} {
		document := strings.Replace(golden, c.old, c.changed, 1)
		if document == golden {
			t.Fatalf("%s: nothing was changed", c.name)
		}
		if _, err := Decode([]byte(document)); !errors.Is(err, ErrDocument) || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%s: %v, want a refusal with %q", c.name, err, c.reason)
		}
	}
}

func TestPublishNumbersAndChains(t *testing.T) {
	t.Parallel()
	releases := fourReleases(t)
	cutOffs := []string{"2026-03-31", "2026-06-30", "2026-12-31", "final"}
	drafts := []Document{
		frozen(t, march, thirds(12, 9)...), frozen(t, june, thirds(31, 25)...),
		frozen(t, yearEnd, thirds(12, 9)...), knownYear(t),
	}
	var previous [32]byte
	for i, release := range releases {
		document, err := Decode(release.Document)
		if err != nil {
			t.Fatal(err)
		}
		named := ""
		if i > 0 {
			named = hex.EncodeToString(previous[:])
		}
		if release.Number != i+1 || document.Number != i+1 {
			t.Errorf("release %d is numbered %d, its document %d", i+1, release.Number, document.Number)
		}
		if release.Previous != previous || document.Previous != named {
			t.Errorf("release %d names %x, its document %q, want %x", i+1, release.Previous, document.Previous, previous)
		}
		if release.Year != 2026 || release.CutOff != cutOffs[i] || document.PublishedOn != fmt.Sprintf("2027-01-%02d", i+1) {
			t.Errorf("release %d is of %d at %s, published on %s", i+1, release.Year, release.CutOff, document.PublishedOn)
		}
		if release.Digest != sha256.Sum256(release.Document) {
			t.Errorf("the digest of release %d is not that of its document", i+1)
		}
		previous = release.Digest
		// But for these three it is what was frozen.
		document.Number, document.Previous, document.PublishedOn = 0, "", ""
		if !reflect.DeepEqual(document, drafts[i]) {
			t.Errorf("release %d says %+v, its draft %+v", i+1, document, drafts[i])
		}
	}
	if err := VerifyChain(documentsOf(releases)); err != nil {
		t.Error(err)
	}
}

func TestPublishRefuses(t *testing.T) {
	t.Parallel()
	draft := draftOf(t, knownYear(t), closed)
	running := draftOf(t, frozen(t, june, thirds(31, 25)...), june)
	with := func(draft store.Draft, change func(*store.Draft)) store.Draft {
		draft.Body = bytes.Clone(draft.Body)
		change(&draft)
		return draft
	}
	releases := fourReleases(t)
	for _, c := range []struct {
		name   string
		draft  store.Draft
		reason string
	}{
		{"no document", with(draft, func(d *store.Draft) { d.Body = nil }), "EOF"},
		{"exact counts", with(draft, func(d *store.Draft) { d.Body = []byte(`{"issued":59}`) }), "unknown field"},
		{"a release", with(draft, func(d *store.Draft) { d.Body = []byte(golden) }), "published already"},
		{"a later release", with(draft, func(d *store.Draft) { d.Body = releases[3].Document }), "published already"},
		{"another year", with(draft, func(d *store.Draft) { d.Year = 2025 }), "the draft of 2025 at final holds that of 2026 at final"},
		{"a running total as the final one", with(running, func(d *store.Draft) { d.CutOff = store.CutOffFinal }), "at final holds that of 2026 at 2026-06-30"},
		{"the final one as a running total", with(draft, func(d *store.Draft) { d.CutOff = "2027-06-30" }), "at 2027-06-30 holds that of 2026 at final"},
	} {
		release, err := Publish(c.draft, nil, "2027-07-15")
		if !errors.Is(err, ErrDocument) || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%s: %v, want a refusal with %q", c.name, err, c.reason)
		}
		if release.Document != nil {
			t.Errorf("%s: a release all the same", c.name)
		}
	}
}

func TestVerifyChainFindsEveryChangedByte(t *testing.T) {
	t.Parallel()
	releases := fourReleases(t)
	documents := documentsOf(releases)
	for i, document := range documents {
		for at, was := range document {
			var changes []byte
			if was >= '0' && was <= '9' {
				changes = []byte("0123456789")
			}
			for bit := range 8 {
				changes = append(changes, was^1<<bit)
			}
			for _, changed := range changes {
				if changed == was {
					continue
				}
				document[at] = changed
				err := VerifyChain(documents)
				// The last one is held by its digest alone.
				if err == nil && (i < len(documents)-1 || sha256.Sum256(document) == releases[i].Digest) {
					t.Fatalf("release %d: byte %d was %q and is %q", i+1, at, was, changed)
				}
				if err != nil && !errors.Is(err, ErrChain) && !errors.Is(err, ErrDocument) {
					t.Fatalf("release %d: byte %d was %q and is %q: %v", i+1, at, was, changed, err)
				}
			}
			document[at] = was
		}
	}
	if err := VerifyChain(documents); err != nil {
		t.Fatalf("put back: %v", err)
	}
}

func TestVerifyChainFindsDroppedSwappedAndInserted(t *testing.T) {
	t.Parallel()
	documents := documentsOf(fourReleases(t))
	check := func(name string, changed [][]byte, reason string) {
		t.Helper()
		if err := VerifyChain(changed); !errors.Is(err, ErrChain) || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: %v, want an error with %q", name, err, reason)
		}
	}
	for i := range documents {
		if i < len(documents)-1 {
			check(fmt.Sprintf("%d dropped", i+1), slices.Delete(slices.Clone(documents), i, i+1), fmt.Sprintf("release %d stands where %d belongs", i+2, i+1))
		}
		for j := range i {
			swapped := slices.Clone(documents)
			swapped[i], swapped[j] = swapped[j], swapped[i]
			check(fmt.Sprintf("%d and %d swapped", j+1, i+1), swapped, fmt.Sprintf("release %d stands where %d belongs", i+1, j+1))
		}
		check(fmt.Sprintf("%d twice", i+1), slices.Insert(slices.Clone(documents), i, documents[i]), "stands where")

		// One that was published beside the chain, with the right number.
		var last *store.Release
		if i > 0 {
			last = &store.Release{Number: i, Digest: sha256.Sum256([]byte("another chain"))}
		}
		forged, err := Publish(draftOf(t, frozen(t, september, thirds(40, 30)...), september), last, "2027-01-09")
		if err != nil {
			t.Fatal(err)
		}
		inserted := slices.Insert(slices.Clone(documents), i, forged.Document)
		replaced := slices.Clone(documents)
		replaced[i] = forged.Document
		if i > 0 {
			check(fmt.Sprintf("one before %d", i+1), inserted, fmt.Sprintf("release %d does not name the digest", i+1))
			check(fmt.Sprintf("one in place of %d", i+1), replaced, fmt.Sprintf("release %d does not name the digest", i+1))
		} else {
			check("one before 1", inserted, "release 1 stands where 2 belongs")
			check("one in place of 1", replaced, "release 2 does not name the digest")
		}
	}
	first, err := Decode(documents[0])
	if err != nil {
		t.Fatal(err)
	}
	first.Previous = strings.Repeat("0", 64)
	check("a first one that names another", [][]byte{[]byte(encoded(t, first))}, "release 1 does not name the digest")
	check("a draft", [][]byte{draftOf(t, knownYear(t), closed).Body}, "release 0 stands where 1 belongs")

	documents[2] = append(documents[2], '\n')
	if err := VerifyChain(documents); !errors.Is(err, ErrDocument) || !strings.Contains(err.Error(), "release 3") {
		t.Errorf("no document: %v", err)
	}
	if err := VerifyChain(nil); err != nil {
		t.Errorf("before the first release: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(golden))
	for _, release := range fourReleases(f) {
		f.Add(release.Document)
	}
	f.Add([]byte(encoded(f, frozen(f, closed, cell{n: 30, arrived: 30}))))
	for _, seed := range []string{"", "null", "[]", `{"figures":[null]}`, `{"schema":"aankomst/release/v1"}`, `{"figures":[{"rate":{}}]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		document, err := Decode(text)
		if err != nil {
			if !errors.Is(err, ErrDocument) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if again := encoded(t, document); again != string(text) {
			t.Fatalf("%q is encoded as %q", text, again)
		}
		var csv bytes.Buffer
		if err := WriteCSV(&csv, store.Release{Document: text}); err != nil {
			t.Fatalf("%q as CSV: %v", text, err)
		}
	})
}
