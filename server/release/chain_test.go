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
		draftOf(tb, knownYear(tb), closing),
	)
}

func documentsOf(releases []store.Release) [][]byte {
	var documents [][]byte
	for _, release := range releases {
		documents = append(documents, bytes.Clone(release.Document))
	}
	return documents
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
	draft := draftOf(t, knownYear(t), closing)
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
	releases := fourReleases(t)[:3]
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
	check("a draft", [][]byte{draftOf(t, knownYear(t), closing).Body}, "release 0 stands where 1 belongs")

	documents[2] = append(documents[2], '\n')
	if err := VerifyChain(documents); !errors.Is(err, ErrDocument) || !strings.Contains(err.Error(), "release 3") {
		t.Errorf("no document: %v", err)
	}
	if err := VerifyChain(nil); err != nil {
		t.Errorf("before the first release: %v", err)
	}
}
