package export

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"aankomst/server/release"
)

// Languages are the BCP 47 tags of the languages that figures have words in, the first by default.
var Languages = []string{"en", "nl", "fr", "de"}

// ErrLanguage is wrapped when figures have no words in a language.
var ErrLanguage = errors.New("figures have no words in that language")

// Words are the words of figures in one language; the zero Words are English. Each of their texts is a function
// of what is shown, and so tells nothing more.
type Words struct{ texts map[string]string }

// texts holds the words of every language by what they stand for; all have the same keys.
var texts = map[string]map[string]string{"en": english, "nl": dutch, "fr": french, "de": german}

// WordsIn returns the words in a language, by its tag in Languages. Errors wrap ErrLanguage.
func WordsIn(language string) (Words, error) {
	found, known := texts[language]
	if !known {
		return Words{}, fmt.Errorf("%w: choose one of %s", ErrLanguage, strings.Join(Languages, ", "))
	}
	return Words{found}, nil
}

func (w Words) text(key string) string {
	if w.texts == nil {
		return english[key]
	}
	return w.texts[key]
}

// kind says what a figure is of: its definition and what it is a share of. Figures of one kind have them alike.
type kind struct{ definition, denominator string }

// kindOf returns the kind of a group's figure, and whether there is one.
func kindOf(group string) (kind, bool) {
	name, _, _ := strings.Cut(group, ":")
	base, known := release.BaseOf(group)
	switch {
	case !known:
		return kind{}, false
	case name == "pool" || name == "type":
		return kind{name, name}, true
	default:
		return kind{name, map[release.Base]string{
			release.OfReferrals: release.GroupTotal, release.OfArrivals: "arrivals", release.BesideReferrals: "hundred",
		}[base]}, true
	}
}

// Definition says what is counted in the figure of a group; empty when there is no such group.
func (w Words) Definition(group string) string {
	of, _ := kindOf(group)
	return w.text("definition:" + of.definition)
}

// Denominator says what the figure of a group is a share of; empty when there is no such group.
func (w Words) Denominator(group string) string {
	of, _ := kindOf(group)
	return w.text("denominator:" + of.denominator)
}

// Name is what a figure is of, for people: a pool's own name, and words for all else.
func (w Words) Name(figure release.Figure) string {
	if figure.Name != "" {
		return figure.Name
	}
	if number, found := strings.CutPrefix(figure.Group, "pool:"); found {
		return w.text("name:pool") + " " + number
	}
	if centres, found := strings.CutPrefix(figure.Group, "type:"); found {
		pools := make([]string, len(figure.Pools))
		for i, number := range figure.Pools {
			pools[i] = strconv.Itoa(number)
		}
		if template := w.text("type:" + centres); template != "" {
			return fmt.Sprintf(template, strings.Join(pools, ", "))
		}
		return fmt.Sprintf(w.text("type"), centres, strings.Join(pools, ", "))
	}
	return w.text("name:" + figure.Group)
}

// Status says whether a cohort's codes can still be confirmed.
func (w Words) Status(status release.Status) string { return w.text("status:" + string(status)) }

// Shown says how much of a figure is shown.
func (w Words) Shown(shown release.Shown) string { return w.text("shown:" + string(shown)) }

// Note says what must be known beside a figure's numbers: why there are none, and then which figure of the
// document holds the group and more, or to which side a band is open. Empty when there is nothing to say.
func (w Words) Note(document release.Document, figure release.Figure) string {
	switch {
	case figure.Shown == release.Protected && showsTotal(document):
		return w.text("protected") + ". " + w.text("see_total") + "."
	case figure.Shown == release.Protected, figure.Shown == release.TooEarly:
		return w.text(string(figure.Shown))
	case figure.Shown == release.Banded && figure.Group == release.GroupTotal && figure.Arrived == nil:
		return w.text("half_open")
	}
	return ""
}

// showsTotal reports whether the total is among what is shown.
func showsTotal(d release.Document) bool {
	return slices.ContainsFunc(d.Figures, func(f release.Figure) bool { return f.Group == release.GroupTotal && f.Rate != nil })
}

// Change says how a rate compares with that of an earlier year, in lower case: "no demonstrable change since 2025".
func (w Words) Change(change release.Change, since int) string {
	return fmt.Sprintf(w.text("change:"+string(change)), since)
}
