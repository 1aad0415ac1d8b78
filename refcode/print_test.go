package refcode

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"strings"
	"testing"
)

// traces returns the ways in which some bits would show in a text.
func traces(bits []byte) []string {
	var found []string
	for _, format := range []string{"%d", "%x", "%X", "% x", "%#x", "%#v", "%o", "%b", "%08b", "%q", "%U", "%c", "%e"} {
		found = append(found, strings.Trim(fmt.Sprintf(format, bits), "[]{}"))
	}
	return append(found, strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", bits), "[]byte{"), "}"))
}

// tracesOf returns the ways in which a code would show in a text.
func tracesOf(code Code) []string {
	found := append(code.Groups(), code.Symbols(), code.Text(), strings.ToLower(code.Symbols()))
	found = append(found, traces(code.Nonce())...)
	return append(found, traces(code.Tag())...)
}

// printings returns what a value looks like by the verbs that fit every value, in both of slog's
// handlers and in a template.
func printings(tb testing.TB, value any) []string {
	tb.Helper()
	out := []string{fmt.Sprint(value), fmt.Sprintln("code", value), fmt.Sprintf("%v %+v %#v %T", value, value, value, value)}

	var log bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(handler).Info("call", "value", value, slog.Group("group", "value", value))
	}
	page := template.Must(template.New("page").Parse(`{{.}} <script>var code = {{.}}</script>`))
	if err := page.Execute(&log, value); err != nil {
		tb.Fatalf("a template with %T: %v", value, err)
	}
	return append(out, log.String())
}

// misprintings returns printings, and what the value looks like by every other verb and flag, also by
// those that are wrong for it, for which package fmt goes its own ways.
func misprintings(tb testing.TB, value any) []string {
	tb.Helper()
	out := printings(tb, value)
	for _, flags := range []string{"", "+", "#", "+#", " ", "-", "0", "40", "40.3"} {
		for _, verb := range "vTtbcdoOqxXUeEfFgGspwyz" {
			out = append(out, fmt.Sprintf("%"+flags+string(verb), value))
		}
	}
	for _, wrong := range []string{"no verb", "%w", "%[2]v", "%!", "%"} {
		out = append(out, fmt.Sprintf(wrong, value), fmt.Errorf(wrong, value).Error())
	}
	return out
}

// carrier is what a caller might keep a code in and then log.
type carrier struct {
	Open   Code
	hidden Code
	Nested struct{ deep []Code }
	names  map[Code]string
	ptr    *Code
	any    any
}

func carry(code Code) carrier {
	c := carrier{Open: code, hidden: code, names: map[Code]string{code: "name"}, ptr: &code, any: code}
	c.Nested.deep = []Code{code}
	return c
}

// A code in a log is a code that someone can spend, so no accident of printing may show one.
func TestPrintingNeverShowsACode(t *testing.T) {
	t.Parallel()
	for _, layout := range layouts {
		nonce, tag := []byte{0xa5, 0x3c, 0x91, 0xe7, 0xd8, 0x58}, []byte{0x4b, 0xf2, 0x6d, 0x83, 0xb9, 0xc8}
		code := newCode(layout, nonce, tag)
		var texts []string
		for _, value := range []any{code, &code, []Code{code}, map[string]Code{"a": code}} {
			texts = append(texts, misprintings(t, value)...)
		}
		texts = append(texts, printings(t, carry(code))...)
		for _, text := range texts {
			for _, trace := range tracesOf(code) {
				if strings.Contains(text, trace) {
					t.Errorf("printed as %s, which shows %s", text, trace)
				}
			}
		}
	}
}

func TestPrintingShowsAPlaceholder(t *testing.T) {
	t.Parallel()
	code := newCode(Short, []byte{1, 2, 3, 4, 5}, []byte{6, 7, 8, 9, 10})
	const want = "[referral code]"
	for _, verb := range "vtbcdoOqxXUeEfFgGs" {
		if got := fmt.Sprintf("%"+string(verb), code); got != want {
			t.Errorf("%%%c gives %q", verb, got)
		}
	}
	for _, got := range []string{code.String(), fmt.Sprintf("%#v", code), fmt.Sprintf("%+v", code), code.LogValue().String()} {
		if got != want {
			t.Errorf("printed as %q, want %q", got, want)
		}
	}
}

// The test above is worth nothing when its search is blind: a plain struct must be found out.
func TestPrintingTestFindsALeak(t *testing.T) {
	t.Parallel()
	code := newCode(Short, []byte{0xa5, 0x3c, 0x91, 0xe7, 0xd8}, []byte{0x4b, 0xf2, 0x6d, 0x83, 0xb9})
	for _, leak := range []any{code.value(), struct{ bits codeBits }{code.value()}, struct{ s string }{code.Symbols()}, code.Nonce()} {
		all := strings.Join(printings(t, leak), "\n")
		found := false
		for _, trace := range tracesOf(code) {
			found = found || strings.Contains(all, trace)
		}
		if !found {
			t.Errorf("%T shows the code and is not found out", leak)
		}
	}
}

func TestEncodersNeverShowACode(t *testing.T) {
	t.Parallel()
	code := newCode(Long, []byte{0xa5, 0x3c, 0x91, 0xe7, 0xd8, 0x58}, []byte{0x4b, 0xf2, 0x6d, 0x83, 0xb9, 0xc8})
	got, err := json.Marshal(map[string]any{"code": code, "codes": []Code{code}, "carrier": carry(code).Nested})
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"carrier":{},"code":{},"codes":[{}]}`; string(got) != want {
		t.Errorf("as JSON %s, want %s", got, want)
	}
	var buf bytes.Buffer
	if err := gob.NewEncoder(&buf).Encode(code); err == nil {
		t.Errorf("gob writes a code: %x", buf.Bytes())
	}
}

// The error of a misheard code goes into logs and answers: the symbols must not go with it.
func TestPrintingADecodeErrorShowsNoSymbols(t *testing.T) {
	t.Parallel()
	for _, layout := range layouts {
		code := newCode(layout, []byte{0xa5, 0x3c, 0x91, 0xe7, 0xd8, 0x58}, []byte{0x4b, 0xf2, 0x6d, 0x83, 0xb9, 0xc8})
		symbols := code.Symbols()
		misheard := symbols[:4] + "XY" + symbols[6:]
		fault := faultOf(t, misheard)
		if fault.Fault != FaultCheck {
			t.Fatalf("%s: %s", misheard, fault.Fault)
		}
		shown := tracesOf(code)
		for i := 0; i+4 <= len(misheard); i += 4 {
			shown = append(shown, misheard[i:i+4])
		}
		word := []byte(misheard)
		for i, c := range word {
			word[i] = byte(strings.IndexByte(Alphabet, c))
		}
		shown = append(shown, traces(word)...)
		for _, value := range []any{fault, *fault, fmt.Errorf("confirming: %w", fault), errors.Join(fault), struct{ err error }{fault}} {
			for _, text := range misprintings(t, value) {
				for _, trace := range shown {
					if strings.Contains(text, trace) {
						t.Errorf("a %T is printed as %s, which shows %s", value, text, trace)
					}
				}
			}
		}
	}
}

// With the nonce, whoever has the cohort's key can tell which of its codes came from a conversation.
func TestPrintingABlindingShowsNoNonce(t *testing.T) {
	t.Parallel()
	nonce := []byte{0xa5, 0x3c, 0x91, 0xe7, 0xd8, 0x58}
	b, err := blindWith(newCohort(t, "printing", Long).directory, 1, nonce, scalarOf("blind"))
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []any{b, *b, []*Blinding{b}, struct{ b *Blinding }{b}, struct{ b Blinding }{*b}} {
		for _, text := range misprintings(t, value) {
			for _, trace := range append(traces(nonce), scalarOf("blind").(fmt.Stringer).String()) {
				if strings.Contains(text, trace) {
					t.Errorf("a %T is printed as %s, which shows %s", value, text, trace)
				}
			}
		}
	}
}
