package server_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/refcode"
	"aankomst/server/servertest"
)

// codeCalls are the calls that take a code.
var codeCalls = map[string]struct {
	who     func(a *api) string
	request func(code string) proto.Message
}{
	"confirm": {func(a *api) string { return a.intake() }, func(code string) proto.Message {
		return &aankomstv1.ConfirmArrivalRequest{Code: code}
	}},
	"undo": {func(a *api) string { return a.intake() }, func(code string) proto.Message {
		return &aankomstv1.UndoArrivalRequest{Code: code}
	}},
	"void": {(*api).counsellor, func(code string) proto.Message {
		return &aankomstv1.VoidReferralRequest{Code: code}
	}},
}

// malformed is a text that is no code, and where its answer must point.
type malformed struct{ name, text, fault, positions string }

// malformedCodes spoils a genuine code in every way.
func malformedCodes(code refcode.Code) []malformed {
	text := code.Symbols()
	length := len(text)
	spoiled := func(at ...int) string {
		symbols := []byte(text)
		for _, i := range at {
			symbols[i] = refcode.Alphabet[(strings.IndexByte(refcode.Alphabet, symbols[i])+1+i)%len(refcode.Alphabet)]
		}
		return string(symbols)
	}
	all := []malformed{
		{"empty", "", "EMPTY", ""},
		{"blank", " \t\n\u00a0\u202f", "EMPTY", ""},
		{"separators alone", "--..–—", "EMPTY", ""},
		{"over-long", strings.Repeat(text+" ", 257/length+1), "TOO_LONG", ""},
		{"a code in a long text", strings.Repeat(" ", refcode.MaxText) + text, "TOO_LONG", ""},
		{"a symbol too few", text[1:], "LENGTH", ""},
		{"a symbol too many", text + text[:1], "LENGTH", ""},
		{"two groups missing", text[8:], "LENGTH", ""},
		{"no symbol first", "U" + text[1:], "ALPHABET", "1"},
		{"no symbol last", text[:length-1] + "!", "ALPHABET", fmt.Sprint(length)},
		{"no symbols here and there", "é" + text[1:6] + "u" + text[7:9] + "界" + text[10:], "ALPHABET", "1,7,10"},
		{"no symbol and too short", "U" + text[1:9], "ALPHABET", "1"},
		{"a null character", text[:8] + "\x00" + text[9:], "ALPHABET", "9"},
		{"full-width digits", "１" + text[1:], "ALPHABET", "1"},
		{"two wrong", spoiled(1, 11), "CHECK", "?"},
		{"two wrong neighbours", spoiled(7, 8), "CHECK", "?"},
	}
	for i := range length {
		all = append(all, malformed{fmt.Sprintf("wrong at %d", i+1), spoiled(i), "CHECK", fmt.Sprint(i + 1)})
	}
	for i := range length - 1 {
		if text[i] != text[i+1] {
			swapped := text[:i] + text[i+1:i+2] + text[i:i+1] + text[i+2:]
			all = append(all, malformed{fmt.Sprintf("swapped at %d", i+1), swapped, "CHECK", "+" + fmt.Sprintf("%d,%d", i+1, i+2)})
		}
	}
	return all
}

func TestAPIMalformedCodes(t *testing.T) {
	t.Parallel()
	for _, layout := range []refcode.Layout{refcode.Short, refcode.Long} {
		t.Run(fmt.Sprint(layout.Symbols()), func(t *testing.T) {
			t.Parallel()
			a := startAPI(t, servertest.Options{Layout: layout})
			code := a.issue(servertest.Year, 1)
			before := a.allCounts()
			bothWays(t, func(t *testing.T, call func(*api, string, proto.Message) answer) {
				for name, method := range codeCalls {
					for _, bad := range malformedCodes(code) {
						// The clock stands still: a malformed code that were debited would reach the limit.
						got := call(a, method.who(a), method.request(bad.text))
						got.malformed(t, name+", "+bad.name, bad)
						got.keepsQuiet(t, bad.text)
					}
				}
			})
			same(t, "counts", a.allCounts(), before)
			// The genuine code was sent spoiled a few hundred times, and is as good as ever.
			a.ok(a.intake(), confirming(code))
		})
	}
}

// malformed fails the test unless the answer points where it must.
func (a answer) malformed(t *testing.T, name string, want malformed) {
	t.Helper()
	positions := a.metadata["positions"]
	pointed := positions == want.positions
	switch {
	case want.positions == "?":
		// Two wrong symbols may look like one in any place, or like nothing.
		pointed = true
	case strings.HasPrefix(want.positions, "+"):
		// Several explanations may fit a swap; the true one must be among them.
		pointed = strings.Contains(","+positions+",", ","+want.positions[1:]+",")
	}
	if a.code != codes.InvalidArgument || a.reason != "CODE_MALFORMED" || a.field != "code" || a.metadata["fault"] != want.fault || !pointed {
		t.Errorf("%s: %v of %q, fault %s at %q; want fault %s at %q", name, a, a.field, a.metadata["fault"], positions, want.fault, want.positions)
	}
}

// How people write a code makes no difference.
func TestAPIForgivingSpelling(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	code := a.issue(servertest.Year, 1)
	text := code.Symbols()
	bothWays(t, func(t *testing.T, call func(*api, string, proto.Message) answer) {
		for _, spelling := range []string{
			text, strings.ToLower(text), code.Text(), strings.Join(code.Groups(), "-"), strings.Join(code.Groups(), " – "),
			" " + text + "\n", strings.Join(strings.Split(text, ""), "."), strings.Join(code.Groups(), "\u202f"),
			strings.NewReplacer("0", "o", "1", "l").Replace(text), strings.NewReplacer("0", "O", "1", "I").Replace(text),
		} {
			got := call(a, a.intake(), &aankomstv1.ConfirmArrivalRequest{Code: spelling})
			got.worked(t)
			got.keepsQuiet(t, text)
		}
	})
	if got := a.Counts().Pools[0].Arrived; got != 1 {
		t.Errorf("%d arrived", got)
	}
}

// A well-formed code that is worth nothing gets one answer, whatever the reason.
func TestAPICodesThatAreNotAccepted(t *testing.T) {
	t.Parallel()
	l := startLandscape(t)
	before := l.allCounts()
	worthless := map[string]refcode.Code{
		"never issued": unissued(t, refcode.Short), "never issued, long": unissued(t, refcode.Long),
		"another server's": l.foreign, "a closed cohort's": l.of[closedYear], "a closing cohort's": l.of[closingYear],
	}
	bothWays(t, func(t *testing.T, call func(*api, string, proto.Message) answer) {
		for method, of := range codeCalls {
			for name, code := range worthless {
				l.Clock.Advance(time.Minute)
				got := call(l.api, of.who(l.api), of.request(code.Text()))
				if got.code != codes.NotFound || got.reason != "CODE_NOT_ACCEPTED" {
					t.Errorf("%s, %s: %v", method, name, got)
				}
				got.keepsQuiet(t, code.Text())
			}
		}
		l.Clock.Advance(time.Minute)
		call(l.api, l.intake(), confirming(l.voided)).refused(t, codes.NotFound, "CODE_NOT_ACCEPTED")

		// What is good stays good next to it.
		for name, code := range map[string]refcode.Code{"confirmed before": l.confirmed, "a maturing cohort's, confirmed before": l.of[maturingYear]} {
			got := call(l.api, l.intake(), confirming(code))
			if outcome := got.response.(*aankomstv1.ConfirmArrivalResponse).GetOutcome(); outcome != aankomstv1.ConfirmArrivalResponse_CONFIRMED {
				t.Errorf("%s: %v", name, got)
			}
			got.keepsQuiet(t, code.Text())
		}
	})
	after := l.allCounts()
	if got := after[maturingYear].Pools[0].Arrived; got != 1 {
		t.Errorf("%d arrived of the maturing cohort", got)
	}
	delete(before, maturingYear)
	delete(after, maturingYear)
	same(t, "counts", after, before)
}
