package server_test

import (
	"encoding/binary"
	"encoding/hex"
	"hash/maphash"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// A trail is what an attacker makes of the differences that one step left: tokens, which are looked for
// again, and values, which are put in order. Neither is made with any place or any leak in mind.
type trail struct {
	tokens map[place]map[uint64]struct{}
	values map[string]magnitude
}

// place is where tokens were found, and what they are pieces of.
type place struct {
	where string
	pieces
}

// pieces is a way of taking content apart: whole, words, or all runs of that many bytes.
type pieces int

const (
	whole pieces = 0
	words pieces = -1
)

var runs = []pieces{1, 2, 4}

// gone marks places of what went.
const gone = ", gone"

// home is the place in which something was before it went.
func (p place) home() string { return strings.ReplaceAll(p.where, gone, "") }

// anywhere is the place where all tokens are found together, so that what lies in different places at
// the two steps meets as well.
const anywhere = "anywhere"

// magnitude is a number, or a text that stands in alphabetical order.
type magnitude struct {
	number float64
	text   string
}

func (v magnitude) compare(w magnitude) int {
	switch {
	case v.number < w.number:
		return -1
	case v.number > w.number:
		return 1
	default:
		return strings.Compare(v.text, w.text)
	}
}

// view begins the names of sections that hold what a database counts of its own work.
const view = "view "

// pageFrom is the length from which content is a page and not a value.
const pageFrom = 512

func trailOf(differences map[string]difference) *trail {
	t := &trail{tokens: map[place]map[uint64]struct{}{}, values: map[string]magnitude{}}
	for section, changed := range differences {
		t.values[section+": rows"] = magnitude{number: float64(changed.rows)}
		t.values[section+": fresh rows"] = magnitude{number: float64(len(changed.fresh))}
		t.values[section+": rows gone"] = magnitude{number: float64(len(changed.gone))}
		t.rows(section+", ", changed.fresh, changed.gone)
		if !strings.HasPrefix(section, view) { // a count that is gone is one that has grown
			t.rows(section+gone+", ", changed.gone, nil)
		}
	}
	return t
}

// rows takes rows apart. Instead, when there is one for a row, is what the row may have been before.
func (t *trail) rows(where string, rows, instead []placed) {
	for n, r := range rows {
		// Many rows at once are a night's work. Values are taken of the first few and of the last.
		var names []string
		if n < 3 {
			names = append(names, where+"row "+strconv.Itoa(n)+", ")
		}
		if n == len(rows)-1 {
			names = append(names, where+"last row, ")
		}
		t.token(place{where + "position", whole}, []byte(strconv.Itoa(r.at)))
		t.value(names, "position", magnitude{number: float64(r.at)})
		for i, f := range r.fields {
			if len(f.value) >= pageFrom {
				if instead != nil || f.before == nil {
					t.page(where+f.name, names, f)
				}
				continue
			}
			// Of what a database counts there are many columns, which are one place.
			if strings.HasPrefix(where, view) {
				t.text(where, f.value)
			} else {
				t.text(where+f.name, f.value)
			}
			now := valueOf(f.value)
			t.value(names, f.name, now)
			t.value(names, f.name+", length", magnitude{number: float64(len(f.value))})
			if n < len(instead) && i < len(instead[n].fields) {
				t.value(names, f.name+", by how much", magnitude{number: now.number - valueOf(instead[n].fields[i].value).number})
			}
		}
	}
}

func (t *trail) value(names []string, what string, v magnitude) {
	for _, name := range names {
		t.values[name+what] = v
	}
}

func (t *trail) token(p place, content []byte) { t.at(p)(content) }

// at returns what notes tokens of one place.
func (t *trail) at(p place) func(content []byte) {
	var sets [2]map[uint64]struct{}
	for i, p := range []place{p, {anywhere, p.pieces}} {
		if t.tokens[p] == nil {
			t.tokens[p] = map[uint64]struct{}{}
		}
		sets[i] = t.tokens[p]
	}
	return func(content []byte) {
		token := maphash.Bytes(seed, content)
		sets[0][token], sets[1][token] = struct{}{}, struct{}{}
	}
}

// text takes a value apart: as it is, its words, and the bytes that it is or writes down.
func (t *trail) text(where string, content []byte) {
	t.token(place{where, whole}, content)
	split := strings.FieldsFunc(string(content), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	note := t.at(place{where, words})
	for _, word := range split {
		note([]byte(word))
	}
	raw := bytesOf(content)
	for _, n := range runs {
		note := t.at(place{where, n})
		for at := 0; at+int(n) <= len(raw); at++ {
			note(raw[at : at+int(n)])
		}
	}
}

// bytesOf returns the bytes that a value writes down as a number or in hexadecimal, or itself.
func bytesOf(content []byte) []byte {
	if n, err := strconv.ParseUint(string(content), 10, 64); err == nil {
		raw := binary.BigEndian.AppendUint64(nil, n)
		for len(raw) > 1 && raw[0] == 0 {
			raw = raw[1:]
		}
		return raw
	}
	if raw, err := hex.DecodeString(strings.TrimPrefix(string(content), `\x`)); err == nil {
		return raw
	}
	return content
}

func valueOf(content []byte) magnitude {
	if n, err := strconv.ParseFloat(string(content), 64); err == nil && n == n {
		return magnitude{number: n}
	}
	return magnitude{text: string(content)}
}

// page takes apart what has changed in a page: what is there now and was not in that stretch before, what
// is gone from it, and where it begins, how long it is, and what numbers its first bytes make.
func (t *trail) page(where string, names []string, f field) {
	stretches := changed(f.value, f.before)
	for _, n := range runs {
		now, was := piecesOf(f.value, stretches, int(n)), piecesOf(f.before, stretches, int(n))
		note, noteGone := t.at(place{where, n}), t.at(place{where + gone, n})
		for piece := range now {
			if _, old := was[piece]; !old {
				note([]byte(piece))
			}
		}
		for piece := range was {
			if _, still := now[piece]; !still {
				noteGone([]byte(piece))
			}
		}
	}
	for i, s := range stretches {
		name := "stretch " + strconv.Itoa(i)
		switch {
		case i == len(stretches)-1:
			name = "last stretch"
		case i >= 3:
			continue
		}
		head := f.value[s.from:min(s.to, s.from+6, len(f.value))]
		backwards := slices.Clone(head)
		slices.Reverse(backwards)
		t.value(names, name+", place", magnitude{number: float64(s.from)})
		t.value(names, name+", length", magnitude{number: float64(s.to - s.from)})
		t.value(names, name+", number", magnitude{number: integer(head)})
		t.value(names, name+", number backwards", magnitude{number: integer(backwards)})
	}
}

func integer(big []byte) (n float64) {
	for _, b := range big {
		n = n*256 + float64(b)
	}
	return n
}

// stretch is a part of a page, up to and without to.
type stretch struct{ from, to int }

// changed returns the stretches in which two versions of a page differ.
func changed(now, was []byte) (all []stretch) {
	for at := 0; at < len(now); at++ {
		if at < len(was) && now[at] == was[at] {
			continue
		}
		if last := len(all) - 1; last >= 0 && all[last].to == at {
			all[last].to++
		} else {
			all = append(all, stretch{at, at + 1})
		}
	}
	return all
}

// piecesOf returns all runs of n bytes that touch one of the stretches.
func piecesOf(page []byte, stretches []stretch, n int) map[string]struct{} {
	all := map[string]struct{}{}
	for _, s := range stretches {
		for at := max(0, s.from-n+1); at < s.to && at+n <= len(page); at++ {
			all[string(page[at:at+n])] = struct{}{}
		}
	}
	return all
}

// names returns the names of all values that a side's trails have.
func names(trails []*trail) []string {
	all := map[string]struct{}{}
	for _, t := range trails {
		for name := range t.values {
			all[name] = struct{}{}
		}
	}
	return slices.Sorted(maps.Keys(all))
}
