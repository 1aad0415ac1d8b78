package server_test

import (
	"context"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	client "aankomst/clients/go"
	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/refcode"
	"aankomst/server/calendar"
	"aankomst/server/servertest"
	"aankomst/server/store"
)

// issue issues a code as a counsellor's client does.
func (a *api) issue(year int, pool uint32, options ...client.IssueOptions) refcode.Code {
	a.t.Helper()
	counsellor := client.New(a.Connection, a.counsellor(), new(client.MemoryPins))
	code, err := counsellor.Issue(context.Background(), year, pool, append(options, client.IssueOptions{})[0])
	must(a.t, err)
	return code
}

func confirming(code refcode.Code) *aankomstv1.ConfirmArrivalRequest {
	return &aankomstv1.ConfirmArrivalRequest{Code: code.Text()}
}

func undoing(code refcode.Code) *aankomstv1.UndoArrivalRequest {
	return &aankomstv1.UndoArrivalRequest{Code: code.Text()}
}

func voiding(code refcode.Code) *aankomstv1.VoidReferralRequest {
	return &aankomstv1.VoidReferralRequest{Code: code.Text()}
}

// unissued returns a code that is well formed and that no server issued.
func unissued(t testing.TB, layout refcode.Layout) refcode.Code {
	t.Helper()
	for {
		text := randomSymbols(layout.Symbols() - 2)
		for _, p := range refcode.Alphabet {
			for _, q := range refcode.Alphabet {
				if code, err := refcode.Decode(text + string(p) + string(q)); err == nil {
					return code
				}
			}
		}
		t.Fatal("no check symbols fit")
	}
}

func randomSymbols(n int) string {
	var text strings.Builder
	for range n {
		text.WriteByte(refcode.Alphabet[rand.IntN(len(refcode.Alphabet))])
	}
	return text.String()
}

// notInCode are the words in capitals, and the numbers, that answers hold whatever code was sent.
var notInCode = regexp.MustCompile(`[A-Z]+(_[A-Z]+)+|Date: [^\r\n]*|\b(ALPHABET|CHECK|EMPTY|LENGTH|ENCODING|CONFIRMED|PRACTICE|INTERNAL|TIMEOUT|65536|16384)\b`)

// keepsQuiet fails the test when an answer holds four symbols of what was sent as a code, in a row.
func (a answer) keepsQuiet(t testing.TB, sent string) {
	t.Helper()
	symbols := strings.Map(func(r rune) rune {
		if strings.ContainsRune(refcode.Alphabet, r) {
			return r
		}
		return -1
	}, sent)
	wire := notInCode.ReplaceAllString(a.wire, "")
	for i := 0; i+refcode.GroupSize <= len(symbols); i++ {
		if strings.Contains(wire, symbols[i:i+refcode.GroupSize]) {
			t.Errorf("the answer holds symbols of the code, from place %d: %s", i+1, a.wire)
			return
		}
	}
}

// The cohorts of a landscape, by what can be done with their codes.
const (
	closedYear, closingYear, maturingYear, openYear, aheadYear = 2026, 2027, 2028, 2029, 2030
)

// landscape is an api with a cohort in every state.
type landscape struct {
	*api
	// of holds a code of the first pool that was issued, and never spent, in each year.
	of map[int]refcode.Code
	// foreign was issued by another server, voided and confirmed by this one in the open year.
	foreign, voided, confirmed refcode.Code
}

func startLandscape(t *testing.T) *landscape {
	t.Helper()
	l := &landscape{api: startAPI(t, servertest.Options{}), of: map[int]refcode.Code{}}
	for year := closedYear; year <= openYear; year++ {
		l.Clock.Set(inYear(year, time.March))
		l.OpenCohort(year, 0)
		l.of[year] = l.issue(year, 1)
		l.Clock.Set(inYear(year, time.December))
		l.OpenCohort(year+1, 0)
	}
	l.shut(closedYear)
	must(t, l.Store.AdvanceCohort(t.Context(), closingYear, store.StageOpen, store.StageClosing))
	l.foreign = startAPI(t, servertest.Options{}).issue(servertest.Year, 1)
	l.voided, l.confirmed = l.issue(openYear, 1), l.issue(openYear, 2)
	l.ok(l.counsellor(), voiding(l.voided))
	l.ok(l.intake(), confirming(l.confirmed))
	return l
}

// inYear is noon of a day in the middle of a month.
func inYear(year int, month time.Month) time.Time {
	return time.Date(year, month, 15, 12, 0, 0, 0, calendar.Brussels)
}

// shut closes a cohort for good, saying every word that this asks for.
func (a *api) shut(year int) *aankomstv1.CloseCohortResponse {
	a.t.Helper()
	got := a.ok(a.administrator(), &aankomstv1.CloseCohortRequest{
		Year: uint32(year), Early: true, AcceptWithheld: true, EscrowDestroyed: true,
	}).response.(*aankomstv1.CloseCohortResponse)
	if got.GetCohort().GetState() != aankomstv1.Cohort_CLOSED {
		a.t.Fatalf("closing %d waits for %v", year, got.GetWaitsFor())
	}
	return got
}
