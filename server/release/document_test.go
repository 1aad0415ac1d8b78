package release

import (
	"crypto/sha256"
	"errors"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"aankomst/server/store"
)

// golden is a published release of a closed cohort, written out by hand.
const golden = `{"cohort":2026,"cutOff":"2027-06-30","figures":[` +
	`{"arrived":{"high":47,"low":47},"group":"total","interval":{"high":88,"low":68},"rate":{"high":80,"low":80},"referrals":{"high":59,"low":59},"shown":"exact"},` +
	`{"group":"pool:1","interval":{"high":89,"low":49},"name":"CAW <Noord> & \"Zuid\"","notArrived":{"high":12,"low":8},"rate":{"high":83,"low":63},"referrals":{"high":39,"low":35},"shown":"band"},` +
	`{"group":"pool:2","name":"CGG Limbürg","shown":"protected"},` +
	`{"group":"total_with_arrived_without_code","rate":{"high":89,"low":80},"shown":"band"},` +
	`{"count":{"high":5,"low":0},"group":"voided","rate":{"high":9,"low":0},"shown":"band"},` +
	`{"count":{"high":5,"low":0},"group":"replacements","rate":{"high":9,"low":0},"shown":"band"},` +
	`{"count":{"high":5,"low":0},"group":"referred_without_code","rate":{"high":9,"low":0},"shown":"band"},` +
	`{"count":{"high":5,"low":0},"group":"arrived_without_code","rate":{"high":9,"low":0},"shown":"band"},` +
	`{"count":{"high":9,"low":0},"group":"elsewhere","rate":{"high":20,"low":0},"shown":"band"},` +
	`{"count":{"high":9,"low":0},"group":"wait:up_to_2_weeks","rate":{"high":20,"low":0},"shown":"band"},` +
	`{"count":{"high":9,"low":0},"group":"wait:2_to_6_weeks","rate":{"high":20,"low":0},"shown":"band"},` +
	`{"count":{"high":9,"low":0},"group":"wait:6_weeks_to_3_months","rate":{"high":20,"low":0},"shown":"band"},` +
	`{"count":{"high":9,"low":0},"group":"wait:3_to_6_months","rate":{"high":20,"low":0},"shown":"band"},` +
	`{"count":{"high":9,"low":0},"group":"wait:over_6_months","rate":{"high":20,"low":0},"shown":"band"}],` +
	`"number":1,"policy":"2026-2","publishedOn":"2027-07-15","schema":"aankomst/release/v2","status":"final"}`

// goldenBefore is one of the policy and the form before.
const goldenBefore = `{"cohort":2026,"cutOff":"2027-06-30","figures":[` +
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
	document, err := Freeze(Current, Source{Cohort: cohort, Counts: counts}, closing)
	if err != nil {
		tb.Fatalf("freezing: %v", err)
	}
	return document
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
		var source Source
		source.Cohort, source.Counts = world(rapid.OneOf(anyCells, spreadCells).Draw(t, "pools")...)
		source.Earlier = []Document{frozen(t, march, anyCells.Draw(t, "pools before")...)}
		for i := range source.Cohort.Pools {
			source.Cohort.Pools[i].Name = rapid.String().Draw(t, "name")
		}
		cutOff := rapid.SampledFrom(cutOffs[1:]).Draw(t, "cut-off")
		cutOff.Late = rapid.Bool().Draw(t, "late")
		document, err := Freeze(Current, source, cutOff)
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

// A release of the form before is read as it was, and what is published after it joins its chain.
func TestReleasesOfTheFormBeforeAreStillRead(t *testing.T) {
	t.Parallel()
	document, err := Decode([]byte(goldenBefore))
	if err != nil {
		t.Fatal(err)
	}
	total := Figure{Group: "total", Shown: Exact, Rate: &Range{80, 80}, Referrals: &Range{59, 59}, Interval: &Range{68, 88}}
	if !reflect.DeepEqual(document.Figures[0], total) || document.Policy != "2026-1" || document.Schema != "aankomst/release/v1" {
		t.Errorf("read as %+v", document)
	}
	if again := encoded(t, document); again != goldenBefore {
		t.Errorf("encoded again as %s", again)
	}
	before := store.Release{Number: 1, Document: []byte(goldenBefore), Digest: sha256.Sum256([]byte(goldenBefore))}
	next, err := Publish(draftOf(t, frozen(t, june, thirds(60, 40)...), june), &before, "2027-07-16")
	if err != nil {
		t.Fatal(err)
	}
	if err := VerifyChain([][]byte{before.Document, next.Document}); err != nil {
		t.Error(err)
	}
	if findings, err := Audit([]Policy{Current}, []Document{document}, nil); err != nil || len(findings) > 0 {
		t.Errorf("the audit of it finds %+v: %v", findings, err)
	}
}

// A name that is no UTF-8, or holds line separators, must not make a draft that cannot be published.
func TestOddNamesCanBePublished(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a\xffb", "a\u2028b\u2029c", "\x00\x1f\x7f", "\ufeff\uffff", "</script>", `\u0041`} {
		document := knownYear(t)
		document.Figures[1].Name = name
		release, err := Publish(draftOf(t, document, closing), nil, "2027-07-15")
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
		{"no object", golden, `["aankomst/release/v2"]`, "cannot unmarshal"},
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
		{"an unknown member of a figure", `"group":"total"`, `"elsewhere":7,"group":"total"`, "unknown field"},
		{"an unknown member of a running total", `{"cohort"`, `{"after":[{"cutOff":"2026-06-30","group":"total"}],"cohort"`, "unknown field"},
		{"no running totals, written out", `{"cohort"`, `{"after":[],"cohort"`, "canonical"},
		{"an unknown member of a range", `"low":68`, `"low":68,"mid":78`, "unknown field"},
		{"a document after it", `"final"}`, `"final"}{}`, "canonical"},
		{"a word after it", `"final"}`, `"final"}x`, "canonical"},
		{"another schema", `release/v2`, `release/v3`, `schema "aankomst/release/v3"`},
		{"no schema", `"schema":"aankomst/release/v2",`, ``, `schema ""`},
		{"an unknown status", `"status":"final"`, `"status":"draft"`, `status "draft"`},
		{"an unknown way of showing", `"shown":"exact"`, `"shown":"count"`, `shown as "count"`},
		{"exact without interval", `"interval":{"high":88,"low":68},`, ``, "wrong numbers"},
		{"exact without rate", `"rate":{"high":80,"low":80},`, ``, "wrong numbers"},
		{"exact without referrals", `"referrals":{"high":59,"low":59},`, ``, "wrong numbers"},
		{"protected with referrals", `"name":"CGG Limbürg",`, `"name":"CGG Limbürg","referrals":{"high":24,"low":24},`, "wrong numbers"},
		{"protected with a rate", `"name":"CGG Limbürg",`, `"name":"CGG Limbürg","rate":{"high":83,"low":83},`, "wrong numbers"},
		{"protected with an interval", `"name":"CGG Limbürg",`, `"interval":{"high":91,"low":64},"name":"CGG Limbürg",`, "wrong numbers"},
		{"protected with arrivals", `{"group":"pool:2"`, `{"arrived":{"high":20,"low":20},"group":"pool:2"`, "wrong numbers"},
		{"protected with those who did not arrive", `"name":"CGG Limbürg",`, `"name":"CGG Limbürg","notArrived":{"high":4,"low":4},`, "wrong numbers"},
		{"protected with a count", `{"group":"pool:2"`, `{"count":{"high":4,"low":4},"group":"pool:2"`, "wrong numbers"},
		{"a band without rate", `"group":"voided","rate":{"high":9,"low":0}`, `"group":"voided"`, "wrong numbers"},
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

func TestWithheld(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		document Document
		want     bool
	}{
		{frozen(t, march, cell{n: 24}), true},
		{frozen(t, march, cell{n: 25}), false},
		{frozen(t, closing, cell{n: 24}), true},
		{frozen(t, closing, cell{n: 25}), false},
		{frozen(t, yearEnd, thirds(99, 70)...), true},
		{frozen(t, closing, thirds(59, 47)...), false},
		{frozen(t, closing, cell{n: 40, arrived: 30}, cell{n: 20, arrived: 9}), true},
	} {
		if got := c.document.Withheld(); got != c.want {
			t.Errorf("%s: withheld is %t", c.document.Figures[0].shows(), got)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(golden))
	f.Add([]byte(goldenBefore))
	for _, release := range fourReleases(f) {
		f.Add(release.Document)
	}
	f.Add([]byte(encoded(f, frozen(f, closing, cell{n: 30, arrived: 30}))))
	for _, seed := range []string{"", "null", "[]", `{"figures":[null]}`, `{"schema":"aankomst/release/v2"}`, `{"figures":[{"rate":{}}]}`} {
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
	})
}
