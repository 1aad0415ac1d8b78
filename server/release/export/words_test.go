package export

import (
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"aankomst/server/release"
)

// keysOf are all words that a program can ask for.
func keysOf(tb rapid.TB) []string {
	keys := []string{
		"protected", "too_early", "see_total", "half_open", "type", "type:OTHER", "sheet:figures", "sheet:about", "yes", "no",
		"about:published_on", "about:late", "about:ranges", "about:interval", "about:protected",
	}
	for _, change := range []release.Change{release.NoDemonstrableChange, release.Higher, release.Lower} {
		keys = append(keys, "change:"+string(change))
	}
	for _, status := range []release.Status{release.Provisional, release.Final} {
		keys = append(keys, "status:"+string(status))
	}
	for _, shown := range []release.Shown{release.Exact, release.Banded, release.TooEarly, release.Protected} {
		keys = append(keys, "shown:"+string(shown))
	}
	for _, column := range columns {
		keys = append(keys, "column:"+column.name)
	}
	for _, group := range append(others(tb), release.GroupTotal, "pool:1", "type:CGG") {
		of, _ := kindOf(group)
		keys = append(keys, "name:"+of.definition, "definition:"+of.definition, "denominator:"+of.denominator)
		if !strings.HasPrefix(group, "pool:") && !strings.HasPrefix(group, "type:") {
			keys = append(keys, "name:"+group)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

func TestEveryWordIsInEveryLanguage(t *testing.T) {
	t.Parallel()
	if got := slices.Sorted(maps.Keys(texts)); !slices.Equal(got, slices.Sorted(slices.Values(Languages))) {
		t.Fatalf("there are words in %q, and the languages are %q", got, Languages)
	}
	for _, language := range Languages {
		if got, want := slices.Sorted(maps.Keys(texts[language])), keysOf(t); !slices.Equal(got, want) {
			t.Errorf("%s has the words %q,\nwant %q", language, got, want)
		}
	}
}

// A word that nobody translated would be the English one.
func TestNoWordIsEnglishByMistake(t *testing.T) {
	t.Parallel()
	alike := map[string][]string{
		"nl": {"column:status"},
		"fr": {"name:total"},
		"de": {"column:name", "column:definition"},
	}
	verbs := regexp.MustCompile(`%.`)
	for _, language := range Languages {
		for key, text := range texts[language] {
			if same := text == english[key]; language != "en" && same != slices.Contains(alike[language], key) {
				t.Errorf("%s: %s is %q, and in English %q", language, key, text, english[key])
			}
			if strings.TrimSpace(text) != text || text == "" || strings.HasSuffix(text, ".") {
				t.Errorf("%s: %s is %q", language, key, text)
			}
			if strings.HasPrefix(key, "change:") || strings.HasPrefix(key, "type") {
				if got, want := verbs.FindAllString(text, -1), verbs.FindAllString(english[key], -1); !slices.Equal(got, want) {
					t.Errorf("%s: %s takes %q, want %q", language, key, got, want)
				}
			}
		}
	}
}

func TestWordsOfFigures(t *testing.T) {
	t.Parallel()
	words := map[string]Words{"": {}}
	for _, language := range Languages {
		words[language] = wordsIn(t, language)
	}
	for _, c := range []struct{ language, got, want string }{
		{"", words[""].Change(release.NoDemonstrableChange, 2025), "no demonstrable change since 2025"},
		{"en", words["en"].Change(release.Higher, 2025), "demonstrably higher than in 2025"},
		{"nl", words["nl"].Change(release.NoDemonstrableChange, 2025), "geen aantoonbare verandering sinds 2025"},
		{"nl", words["nl"].Change(release.Lower, 2024), "aantoonbaar lager dan in 2024"},
		{"fr", words["fr"].Change(release.Higher, 2025), "plus élevé qu'en 2025, de façon démontrable"},
		{"de", words["de"].Change(release.NoDemonstrableChange, 2025), "keine nachweisbare Veränderung seit 2025"},
		{"en", words["en"].Name(release.Figure{Group: release.GroupTotal}), "Total"},
		{"nl", words["nl"].Name(release.Figure{Group: "pool:2", Name: "Oost"}), "Oost"},
		{"de", words["de"].Name(release.Figure{Group: "pool:12"}), "Zählgruppe 12"},
		{"fr", words["fr"].Name(release.Figure{Group: "type:UFC", Pools: []int{2, 5}}), "Centres du type UFC (groupes de comptage 2, 5)"},
		{"nl", words["nl"].Name(release.Figure{Group: "type:OTHER", Pools: []int{1, 3}}), "Andere centra (telgroepen 1, 3)"},
		{"nl", words["nl"].Name(release.Figure{Group: "wait:6_weeks_to_3_months"}), "Wachttijd 6 weken tot 3 maanden"},
		{"en", words["en"].Definition("region:north") + words["en"].Denominator("region:north"), ""},
	} {
		if c.got != c.want {
			t.Errorf("%s: %q, want %q", c.language, c.got, c.want)
		}
	}
}

// A protected figure offers the total where that is shown, and otherwise nothing.
func TestAProtectedFigureOffersWhatHoldsIt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		cutOff release.CutOff
		cells  []cell
		want   []string
	}{
		{"the total is shown", closing, []cell{{n: 20, arrived: 15}, {n: 20, arrived: 14}}, []string{
			"", "Beschermd: te weinig doorverwijzingen om veilig te tonen. Zie het totaal.",
		}},
		{"the total is protected", closing, []cell{{n: 10, arrived: 5}, {n: 10, arrived: 4}}, []string{
			"Beschermd: te weinig doorverwijzingen om veilig te tonen", "Beschermd: te weinig doorverwijzingen om veilig te tonen",
		}},
		{"nearly all arrived", closing, []cell{{n: 20, arrived: 20}, {n: 20, arrived: 18}}, []string{
			"", "Beschermd: te weinig doorverwijzingen om veilig te tonen. Zie het totaal.",
		}},
		{"a running total is not shown", june, []cell{{n: 10, arrived: 5}, {n: 10, arrived: 4}}, []string{"Te vroeg om veilig te tonen"}},
		{"a running total is shown", june, []cell{{n: 60, arrived: 30}, {n: 60, arrived: 30}}, []string{
			"Een percentage dat gelijk is aan de bovengrens hoort bij de klasse erboven, behalve 100 %",
		}},
	} {
		document := frozen(t, c.cutOff, c.cells...)
		for i, want := range c.want {
			if got := wordsIn(t, "nl").Note(document, document.Figures[i]); got != want {
				t.Errorf("%s: %s says %q, want %q", c.name, document.Figures[i].Group, got, want)
			}
		}
	}
}

func TestUnknownLanguagesAreRefused(t *testing.T) {
	t.Parallel()
	for _, language := range []string{"", "NL", "nl-BE", "es", "nl "} {
		if _, err := WordsIn(language); !errors.Is(err, ErrLanguage) || !strings.Contains(err.Error(), "en, nl, fr, de") {
			t.Errorf("%q: %v", language, err)
		}
	}
}
