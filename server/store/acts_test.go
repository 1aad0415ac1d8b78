package store_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"aankomst/server/store"
)

// acts draws acts as a store keeps them.
var acts = rapid.Custom(func(t *rapid.T) store.Act {
	word := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", `"`, `\`, "<&>", "\u2028", "\x00\x1f\x7f", "ü", "\U0001F511", "a=b c=d"}))
	return store.Act{
		Number:   rapid.IntRange(1, 1<<40).Draw(t, "number"),
		At:       time.Unix(900*rapid.Int64Range(0, 1<<22).Draw(t, "quarter"), 0).UTC(),
		By:       word.Draw(t, "by"),
		Action:   word.Draw(t, "action"),
		Target:   word.Draw(t, "target"),
		Detail:   word.Draw(t, "detail"),
		Previous: [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "previous")),
	}
})

// What is exported can be read, and checked, by whoever has it.
func TestAnActIsReadFromItsLine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		act := acts.Draw(t, "act")
		line := act.Line()
		if bytes.ContainsAny(line, "\r\n") {
			t.Fatalf("%q is no line", line)
		}
		read, err := store.ParseAct(line)
		if err != nil || read != act {
			t.Fatalf("%s is read as %+v: %v", line, read, err)
		}
	})
}

// Two acts that differ in anything have lines, and so digests, that differ.
func TestALineTellsEverything(t *testing.T) {
	act := store.Act{Number: 1, At: time.Unix(0, 0), By: "a", Action: "b", Target: "c", Detail: "d"}
	lines := map[string]bool{string(act.Line()): true}
	for _, change := range []func(a *store.Act){
		func(a *store.Act) { a.Number++ },
		func(a *store.Act) { a.At = a.At.Add(15 * time.Minute) },
		func(a *store.Act) { a.By += `","action":"` },
		func(a *store.Act) { a.Action += " " },
		func(a *store.Act) { a.Target += "d" },
		func(a *store.Act) { a.Target, a.Detail = "", "cd" },
		func(a *store.Act) { a.Previous[31]++ },
	} {
		changed := act
		change(&changed)
		if lines[string(changed.Line())] || changed.Digest() == act.Digest() {
			t.Errorf("%s is the line of another", changed.Line())
		}
		lines[string(changed.Line())] = true
	}
	// The same moment in another time zone is the same act.
	same := act
	same.At = act.At.In(time.FixedZone("CET", 3600))
	if same.Digest() != act.Digest() {
		t.Errorf("%s in one time zone, %s in another", act.Line(), same.Line())
	}
}

// A line that says the same in other words is not what was chained.
func TestAnotherSpellingOfAnActIsRefused(t *testing.T) {
	act := store.Act{
		Number: 12, At: time.Date(2026, 3, 1, 10, 15, 0, 0, time.UTC), By: "seat:m1", Action: "centre.update", Target: "a-b", Detail: "fields=name",
		Previous: [32]byte{0xab},
	}
	line := string(act.Line())
	if _, err := store.ParseAct([]byte(line)); err != nil {
		t.Fatal(err)
	}
	spell := func(old, new string) string {
		if !strings.Contains(line, old) {
			t.Fatalf("%s has no %s", line, old)
		}
		return strings.Replace(line, old, new, 1)
	}
	for _, other := range []string{
		"", "{}", "null", "[]", line + "\n", " " + line, line + " ", line + line, line[:len(line)-1],
		spell(`,"by"`, `, "by"`), spell(`"number":12`, `"number":12.0`), spell(`"number":12`, `"number":"12"`),
		spell(`"number":12,`, ""), spell(`"number":12,`, `"number":11,"number":12,`), spell(`"by":"seat:m1",`, `"by":"seat:m1","why":"",`),
		spell(`"by":"seat:m1","action":"centre.update"`, `"action":"centre.update","by":"seat:m1"`),
		spell(`"by"`, `"By"`), spell("seat", `\u0073eat`), spell("a-b", `a\u002db`), spell("10:15:00Z", "10:15:00+00:00"),
		spell("10:15:00Z", "11:15:00+01:00"), spell("10:15:00Z", "10:15:00.0Z"), spell("2026-03-01T", "2026-03-01 "), spell(`"2026-03-01T10:15:00Z"`, "0"),
		spell(`"ab00`, `"AB00`), spell(`"ab00`, `"ab`), spell(`"ab00`, `"xy00`), spell(`"ab00`, `"ab0000`), spell(`"ab00`, `"ab0`),
		spell(`"detail":"fields=name"`, `"detail":null`), spell(`"detail":"fields=name",`, ""),
	} {
		if read, err := store.ParseAct([]byte(other)); err == nil {
			t.Errorf("%s is read as %+v", other, read)
		}
	}
}

func TestAnActFollowsTheOneBefore(t *testing.T) {
	at := time.Date(2026, 3, 1, 10, 29, 59, 999, time.FixedZone("CET", 3600))
	ctx := store.As(t.Context(), store.ByToken("t1"), at)
	var last store.Act
	for n := range 3 {
		claimed := store.Act{Number: 77, At: at.Add(time.Hour), By: "another", Action: "test", Target: fmt.Sprint(n), Previous: [32]byte{1}}
		next := claimed.After(ctx, last)
		want := store.Act{Number: n + 1, At: time.Date(2026, 3, 1, 9, 15, 0, 0, time.UTC), By: "token:t1", Action: "test", Target: fmt.Sprint(n)}
		if n > 0 {
			want.Previous = last.Digest()
		}
		if next != want {
			t.Errorf("it is %+v, want %+v", next, want)
		}
		last = next
	}
}

// The latest name is the one that counts, and without any it was the server.
func TestInWhoseNameSomethingIsDone(t *testing.T) {
	now := time.Now()
	machine := store.As(t.Context(), store.ByMachine, now)
	seat := store.As(machine, store.BySeat("m1"), now)
	for _, c := range []struct {
		got, want bool
	}{
		{store.IsActing(t.Context(), store.ByServer), true}, {store.IsActing(machine, store.ByMachine), true},
		{store.IsActing(seat, store.BySeat("m1")), true}, {store.IsActing(seat, store.ByMachine), false},
		{store.IsActing(seat, store.BySeat("m2")), false}, {store.IsActing(seat, store.ByToken("m1")), false},
	} {
		if c.got != c.want {
			t.Errorf("is acting: %v, want %v", c.got, c.want)
		}
	}
}

// The record can never be changed, so nothing goes into it that may have to be: no label, and nothing that
// people write freely.
func TestActsHoldNoLabels(t *testing.T) {
	const free = "Jan Peeters"
	centre := store.Centre{ID: "a", Name: free, Region: free, Town: free, Phone: free, Email: free, Website: free, Languages: []string{free}}
	token := store.Token{ID: "t1", Label: free, Role: store.RoleIntake, Centre: "a", ExpiresOn: "2027-01-01", Kind: store.KindDevice}
	member := store.Member{ID: "m1", Label: free, Role: store.RoleIntake, Centre: "a"}
	statement := store.Statement{ID: "s1", Definition: free, Denominator: free, Source: free}
	passkey := store.Passkey{ID: []byte(free), Member: "m1", Name: free}
	removed := member
	removed.Removed = true
	for _, act := range []store.Act{
		store.ActCentreCreated(centre), store.ActCentreUpdated(store.Centre{ID: "a"}, centre),
		store.ActCohortOpened(store.Cohort{Year: 2026, EscrowRecipients: []string{free}, Pools: []store.Pool{{Number: 1, Name: free}}}),
		store.ActStatementPut(statement), store.ActTokenCreated(token), store.ActTokenRotated("t0", token, "2026-05-01"),
		store.ActTokenRevoked(token), store.ActDeviceEnrolled(token), store.ActMemberCreated(member),
		store.ActMemberUpdated(store.Member{ID: "m1"}, member), store.ActMemberUpdated(member, removed),
		store.ActPasskeyAdded(passkey), store.ActPasskeyRemoved("m1", passkey.ID), store.ActPasskeySuspected("m1", passkey.ID),
	} {
		if act.Action == "" || act.Target == "" || bytes.Contains(act.Line(), []byte(free)) {
			t.Errorf("%s", act.Line())
		}
	}
}

// Each field of a centre is named when it changes, but for its capacity.
func TestWhatChangedOfACentreIsNamed(t *testing.T) {
	was := store.Centre{ID: "a", Languages: []string{"nl", "fr"}}
	for want, change := range map[string]func(c *store.Centre){
		"fields=name":                         func(c *store.Centre) { c.Name = "x" },
		"fields=type":                         func(c *store.Centre) { c.Type = store.TypeCAW },
		"fields=region":                       func(c *store.Centre) { c.Region = "x" },
		"fields=town":                         func(c *store.Centre) { c.Town = "x" },
		"fields=phone":                        func(c *store.Centre) { c.Phone = "x" },
		"fields=email":                        func(c *store.Centre) { c.Email = "x" },
		"fields=website":                      func(c *store.Centre) { c.Website = "x" },
		"fields=languages":                    func(c *store.Centre) { c.Languages = []string{"fr", "nl"} },
		"fields=email,languages,name,website": func(c *store.Centre) { c.Website, c.Name, c.Languages, c.Email = "x", "x", nil, "x" },
		"fields=town ":                        func(c *store.Centre) { c.Town, c.Intake = "x", store.IntakeStop },
		"":                                    func(c *store.Centre) { c.Intake, c.Wait, c.CapacityOn = store.IntakeStop, 3, "2026-03-01" },
	} {
		now := was
		change(&now)
		act := store.ActCentreUpdated(was, now)
		if want = strings.TrimSpace(want); act.Detail != want || (act.Action == "") != (want == "") {
			t.Errorf("%+v, want %s", act, want)
		}
	}
}
