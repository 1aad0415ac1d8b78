package release

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"aankomst/server/store"
)

// Schema is the form of new documents. Those of the form before it hold fewer members, and are read as well.
const (
	Schema       = "aankomst/release/v2"
	schemaBefore = "aankomst/release/v1"
)

// Status says whether a cohort's codes can still be confirmed.
type Status string

// The statuses.
const (
	Provisional Status = "provisional"
	Final       Status = "final"
)

// Document is a release as it is frozen. Number, Previous and PublishedOn are empty in a draft.
type Document struct {
	Schema string `json:"schema"`
	// Number starts at 1 and has no gaps.
	Number int `json:"number,omitempty"`
	// Previous is the SHA-256 of the document before, in hexadecimal; empty for the first.
	Previous string `json:"previous,omitempty"`
	// PublishedOn is a day, YYYY-MM-DD.
	PublishedOn string `json:"publishedOn,omitempty"`
	// Policy is the version of the policy.
	Policy string `json:"policy"`
	// Cohort is the year.
	Cohort int    `json:"cohort"`
	Status Status `json:"status"`
	// CutOff is the last day that is counted, YYYY-MM-DD.
	CutOff string `json:"cutOff"`
	// FrozenLate says that the server could not freeze at the cut-off and did so later.
	FrozenLate bool `json:"frozenLate,omitempty"`
	// After are the running totals that were frozen before, by their cut-offs, published or not: how sharply the
	// figures are shown depends on them.
	After   []Running `json:"after,omitempty"`
	Figures []Figure  `json:"figures"`
}

// Running is a running total that was frozen in ranges.
type Running struct {
	// CutOff is the last day that is counted, YYYY-MM-DD.
	CutOff string `json:"cutOff"`
	// Referrals and Rate are as the figure shows them.
	Referrals Range `json:"referrals"`
	Rate      Range `json:"rate"`
}

// Shown says how much of a figure is shown.
type Shown string

// The ways of showing a figure.
const (
	// Exact: the rate to the per cent, with the number of referrals.
	Exact Shown = "exact"
	// Banded: a band of rates and a class of sizes.
	Banded Shown = "band"
	// TooEarly: a running total that cannot be shown safely yet, whatever the reason.
	TooEarly Shown = "too_early"
	// Protected: too few referrals to show safely, whatever the reason.
	Protected Shown = "protected"
)

// GroupTotal is the group of a whole cohort.
const GroupTotal = "total"

// Figure is what is shown of a group: an arrival rate (arrived, at whichever centre, of issued less voided), or a
// count as a share of all referrals or arrivals. Ranges hold both their ends, but for the rate of a running total.
type Figure struct {
	// Group is GroupTotal, "pool:" and the pool's number, "type:" and the type of centre, another of the Group
	// constants, or the name of a background table, ":" and the category.
	Group string `json:"group"`
	// Name is the group's name for people; empty but for pools.
	Name string `json:"name,omitempty"`
	// Pools are the numbers of the pools that make up a type; nil for others.
	Pools []int `json:"pools,omitempty"`
	Shown Shown `json:"shown"`
	// Rate is in per cent. Exact: both ends are the rounded rate. Banded: from Low to High; that of a running
	// total from Low to below High, 100 included. Nil when not shown.
	Rate *Range `json:"rate,omitempty"`
	// Referrals is issued less voided, of arrival rates. Nil when not shown.
	Referrals *Range `json:"referrals,omitempty"`
	// Arrived or NotArrived is the range of what is possible of an arrival rate's group, for groups of a closed
	// cohort; the other follows from the referrals. Count is that of a group which is no arrival rate.
	Arrived    *Range `json:"arrived,omitempty"`
	NotArrived *Range `json:"notArrived,omitempty"`
	Count      *Range `json:"count,omitempty"`
	// Interval is the 95 % interval of an arrival rate in per cent. Nil when not shown.
	Interval *Range `json:"interval,omitempty"`
}

// Range is a range of whole numbers.
type Range struct {
	Low  int `json:"low"`
	High int `json:"high"`
}

// running returns the running total that a document shows, and whether it shows one.
func (d Document) running() (Running, bool) {
	if d.Status != Provisional || len(d.Figures) == 0 {
		return Running{}, false
	}
	total := d.Figures[0]
	if total.Shown != Banded || total.Referrals == nil || total.Rate == nil {
		return Running{}, false
	}
	return Running{CutOff: d.CutOff, Referrals: *total.Referrals, Rate: *total.Rate}, true
}

// endsYear reports whether a cut-off is that of 31 December.
func endsYear(cutOff string) bool { return strings.HasSuffix(cutOff, "-12-31") }

// Withheld reports whether the document shows no figure at all.
func (d Document) Withheld() bool {
	for _, figure := range d.Figures {
		if figure.Shown == Exact || figure.Shown == Banded {
			return false
		}
	}
	return true
}

// ErrDocument is wrapped when bytes are not a release document of this schema.
var ErrDocument = errors.New("not a release document")

// ErrChain is wrapped when documents do not form an unbroken chain.
var ErrChain = errors.New("the chain of releases is broken")

// Encode returns the canonical form, in the sense of RFC 8785: no white space, members sorted, whole
// numbers only. Unlike there, the line separators U+2028 and U+2029 in a name are escaped.
func (d Document) Encode() ([]byte, error) {
	plain, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("encoding a release: %w", err)
	}
	// Going through a map sorts the members, whatever the order of the struct's fields.
	var members map[string]any
	decoder := json.NewDecoder(bytes.NewReader(plain))
	decoder.UseNumber()
	if err := decoder.Decode(&members); err != nil {
		return nil, fmt.Errorf("encoding a release: %w", err)
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(members); err != nil {
		return nil, fmt.Errorf("encoding a release: %w", err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// Decode reads a document; it must be canonical and hold nothing that this version does not know, and
// a figure that is not shown must hold no numbers. Errors wrap ErrDocument.
func Decode(document []byte) (Document, error) {
	var d Document
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&d); err != nil {
		return Document{}, fmt.Errorf("%w: %w", ErrDocument, err)
	}
	if d.Schema != Schema && d.Schema != schemaBefore {
		return Document{}, fmt.Errorf("%w: schema %q, expected %q", ErrDocument, d.Schema, Schema)
	}
	if d.Status != Provisional && d.Status != Final {
		return Document{}, fmt.Errorf("%w: status %q", ErrDocument, d.Status)
	}
	for _, figure := range d.Figures {
		if !figure.consistent() {
			return Document{}, fmt.Errorf("%w: figure %q is shown as %q with the wrong numbers", ErrDocument, figure.Group, figure.Shown)
		}
	}
	canonical, err := d.Encode()
	if err != nil {
		return Document{}, err
	}
	if !bytes.Equal(canonical, document) {
		return Document{}, fmt.Errorf("%w: it is not in canonical form", ErrDocument)
	}
	return d, nil
}

// consistent reports whether the figure holds the numbers that belong to how it is shown.
func (f Figure) consistent() bool {
	switch f.Shown {
	case Exact, Banded:
		return f.Rate != nil && (f.Referrals == nil) == (f.Interval == nil)
	case TooEarly, Protected:
		return f.Rate == nil && f.Referrals == nil && f.Interval == nil && f.Arrived == nil && f.NotArrived == nil && f.Count == nil
	default:
		return false
	}
}

// Publish makes the next release of a draft: last is the latest release, or nil before the first, and
// day the day of publication, YYYY-MM-DD. Errors wrap ErrDocument.
func Publish(draft store.Draft, last *store.Release, day string) (store.Release, error) {
	document, err := Decode(draft.Body)
	if err != nil {
		return store.Release{}, err
	}
	if document.Number != 0 || document.Previous != "" || document.PublishedOn != "" {
		return store.Release{}, fmt.Errorf("%w: a draft that is published already", ErrDocument)
	}
	cutOff := document.CutOff
	if document.Status == Final {
		cutOff = store.CutOffFinal
	}
	if document.Cohort != draft.Year || cutOff != draft.CutOff {
		return store.Release{}, fmt.Errorf("%w: the draft of %d at %s holds that of %d at %s",
			ErrDocument, draft.Year, draft.CutOff, document.Cohort, cutOff)
	}
	next := store.Release{Number: 1, Year: draft.Year, CutOff: draft.CutOff}
	if last != nil {
		next.Number, next.Previous = last.Number+1, last.Digest
		document.Previous = hex.EncodeToString(last.Digest[:])
	}
	document.Number, document.PublishedOn = next.Number, day
	if next.Document, err = document.Encode(); err != nil {
		return store.Release{}, err
	}
	next.Digest = sha256.Sum256(next.Document)
	return next, nil
}

// VerifyChain checks that documents, in order, are canonical, numbered without gaps from 1, each
// naming the digest of the one before. Errors wrap ErrChain or ErrDocument and name the number.
// Nothing names the digest of the last: the caller compares that, and how many releases there are,
// with what was noted elsewhere.
func VerifyChain(documents [][]byte) error {
	previous := ""
	for i, bytes := range documents {
		document, err := Decode(bytes)
		if err != nil {
			return fmt.Errorf("release %d: %w", i+1, err)
		}
		if document.Number != i+1 {
			return fmt.Errorf("%w: release %d stands where %d belongs", ErrChain, document.Number, i+1)
		}
		if document.Previous != previous {
			return fmt.Errorf("%w: release %d does not name the digest of the one before", ErrChain, i+1)
		}
		digest := sha256.Sum256(bytes)
		previous = hex.EncodeToString(digest[:])
	}
	return nil
}
