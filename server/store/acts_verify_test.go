package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"pgregory.net/rapid"

	"aankomst/server/store"
)

// chained returns the lines of so many acts, each an hour after the one before.
func chained(t interface{ Context() context.Context }, count int) (lines [][]byte, last store.Act) {
	for i := range count {
		ctx := store.As(t.Context(), store.ByMachine, time.Unix(0, 0).Add(time.Duration(i)*time.Hour))
		last = store.Act{Action: "centre.create", Target: fmt.Sprint("c", i)}.After(ctx, last)
		lines = append(lines, last.Line())
	}
	return lines, last
}

func verify(lines [][]byte) (store.VerifiedActs, error) {
	return store.VerifyActs(bytes.NewReader(bytes.Join(lines, []byte("\n"))))
}

func TestAnExportedRecordIsVerified(t *testing.T) {
	lines, last := chained(t, 5)
	for name, text := range map[string][]byte{
		"as it is exported":              append(bytes.Join(lines, []byte("\n")), '\n'),
		"without its last line end":      bytes.Join(lines, []byte("\n")),
		"with line ends of another kind": bytes.Join(append(lines, nil), []byte("\r\n")),
	} {
		found, err := store.VerifyActs(bytes.NewReader(text))
		if err != nil || found.Last != last || found.Earlier != nil {
			t.Errorf("%s: %+v, %v; want the last act %+v", name, found, err, last)
		}
	}
	found, err := store.VerifyActs(strings.NewReader(""))
	if err != nil || found.Last != (store.Act{}) {
		t.Errorf("an empty record: %+v, %v", found, err)
	}
}

// Whoever can change the store can make a new chain, but not one that ends in a digest that was noted.
func TestNoActCanBeChangedTakenOutOrPutInUnseen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines, last := chained(t, rapid.IntRange(2, 8).Draw(t, "acts"))
		changed := slices.Clone(lines)
		at := rapid.IntRange(0, len(lines)-1).Draw(t, "at")
		switch rapid.SampledFrom([]string{"change", "take out", "repeat", "swap", "replace"}).Draw(t, "how") {
		case "change":
			changed[at] = slices.Clone(changed[at])
			changed[at][rapid.IntRange(0, len(changed[at])-1).Draw(t, "byte")]++
		case "take out":
			changed = slices.Delete(changed, at, at+1)
		case "repeat":
			changed = slices.Insert(changed, at, changed[at])
		case "swap":
			other := rapid.IntRange(0, len(lines)-1).Filter(func(i int) bool { return i != at }).Draw(t, "other")
			changed[at], changed[other] = changed[other], changed[at]
		case "replace":
			act, err := store.ParseAct(changed[at])
			if err != nil {
				t.Fatal(err)
			}
			act.By = store.ByServer
			changed[at] = act.Line()
		}
		found, err := verify(changed)
		if err == nil && found.Last.Digest() == last.Digest() {
			t.Fatalf("it is verified, and ends in the same digest:\n%s", bytes.Join(changed, []byte("\n")))
		}
		if err != nil && !errors.Is(err, store.ErrActs) {
			t.Fatal(err)
		}
	})
}

// Somebody who looks for what is wrong is told where.
func TestVerifyingNamesTheLine(t *testing.T) {
	lines, _ := chained(t, 4)
	changed := bytes.Replace(lines[1], []byte("c1"), []byte("c9"), 1)
	for _, wrong := range []struct {
		lines [][]byte
		says  string
	}{
		{[][]byte{lines[0], changed, lines[2]}, "line 3: act 3 does not name the digest of the act before"},
		{[][]byte{lines[0], lines[2]}, "line 2: act 3 does not come after act 1"},
		{lines[1:], "line 1: act 2 does not come after act 0"},
		{[][]byte{lines[0], {}, lines[1]}, "line 2: not an act"},
		{[][]byte{lines[0], []byte("{}")}, "line 2: not an act"},
	} {
		_, err := verify(wrong.lines)
		if !errors.Is(err, store.ErrActs) || !strings.Contains(err.Error(), wrong.says) {
			t.Errorf("got %v, want %s", err, wrong.says)
		}
	}
}

// A first act that names one before it is the rest of another record.
func TestARecordBeginsWithNothingBefore(t *testing.T) {
	act := store.Act{Action: "centre.create", Target: "c"}.After(t.Context(), store.Act{})
	act.Previous[0]++
	if _, err := verify([][]byte{act.Line()}); !errors.Is(err, store.ErrActs) {
		t.Errorf("got %v", err)
	}
}

// Clocks are set back, and servers have clocks of their own: that breaks no record, but is said.
func TestAnEarlierTimeIsToldAndBreaksNothing(t *testing.T) {
	var lines [][]byte
	var last store.Act
	for _, hour := range []int{5, 3, 3, 4, 2} {
		ctx := store.As(t.Context(), store.ByMachine, time.Unix(0, 0).Add(time.Duration(hour)*time.Hour))
		last = store.Act{Action: "centre.create"}.After(ctx, last)
		lines = append(lines, last.Line())
	}
	found, err := verify(lines)
	if err != nil || !slices.Equal(found.Earlier, []int{2, 5}) {
		t.Errorf("got %v, %v", found.Earlier, err)
	}
}

// A file that cannot be read to its end is not half verified.
func TestARecordThatCannotBeReadIsNotVerified(t *testing.T) {
	lines, _ := chained(t, 2)
	_, err := store.VerifyActs(iotest.TimeoutReader(iotest.OneByteReader(bytes.NewReader(bytes.Join(lines, []byte("\n"))))))
	if !errors.Is(err, iotest.ErrTimeout) || errors.Is(err, store.ErrActs) {
		t.Errorf("got %v", err)
	}
}
