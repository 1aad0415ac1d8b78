package cohort

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"aankomst/server/calendar"
	"aankomst/server/store"
)

func TestStates(t *testing.T) {
	t.Parallel()
	o := &office{t: t}
	for _, c := range []struct {
		now   string
		stage store.Stage
		want  State
	}{
		{"2025-12-31T23:59:59+01:00", store.StageOpen, Ahead},
		{"2025-12-31T23:00:00Z", store.StageOpen, Open},
		{"2026-12-31T23:59:59+01:00", store.StageOpen, Open},
		{"2026-12-31T23:00:00Z", store.StageOpen, Maturing},
		{"2030-01-01T00:00:00Z", store.StageOpen, Maturing},
		{"2027-07-01T00:00:00Z", store.StageClosing, Closing},
		{"2027-07-01T00:00:00Z", store.StageReleased, Closing},
		{"2027-07-01T00:00:00Z", store.StageAcknowledged, Closing},
		{"2027-07-01T00:00:00Z", store.StageKeyDestroyed, Closing},
		{"2027-07-01T00:00:00Z", store.StageEscrowDestroyed, Closing},
		{"2027-07-01T00:00:00Z", store.StageClosed, Closed},
		{"2026-05-04T00:00:00Z", store.StageClosed, Closed},
		{"2025-12-05T00:00:00Z", store.StageClosing, Closing},
		{"2026-05-04T00:00:00Z", "", Closing}, // a stage of a later version: nothing is issued
	} {
		o.setDay(c.now)
		if got := StateAt(store.Cohort{Year: 2026, Stage: c.stage}, o.clock()); got != c.want {
			t.Errorf("%s, %s: got %s, want %s", c.now, c.stage, got, c.want)
		}
	}
	for state, want := range map[State]string{
		Ahead: "ahead", Open: "open", Maturing: "maturing", Closing: "closing", Closed: "closed", 0: "State(0)", 6: "State(6)",
	} {
		if got := state.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestAClosingThatIsDueIsWarnedOf(t *testing.T) {
	t.Parallel()
	due := calendar.ClosesFrom(2026)
	const says = "the cohort of 2026 can be closed since 2027-07-01: aankomst cohort close 2026 --yes"
	for _, c := range []struct {
		stage store.Stage
		now   time.Time
		want  string
	}{
		{store.StageOpen, due.AddDate(-1, 0, 0), ""},
		{store.StageOpen, due.Add(-time.Nanosecond), ""},
		{store.StageOpen, due, says},
		{store.StageOpen, due.AddDate(3, 0, 0), says},
		{store.StageClosing, due, ""},
		{store.StageClosed, due, ""},
	} {
		if got := CloseWarning(store.Cohort{Year: 2026, Stage: c.stage}, c.now); got != c.want {
			t.Errorf("%s, %s: %q, want %q", c.stage, c.now, got, c.want)
		}
	}
}

func TestSyncLoadsWhatIsOpenAndDropsTheRest(t *testing.T) {
	t.Parallel()
	o := newOffice(t, "2026-12-04")
	one := o.start()
	o.open(one, 2026)
	other := o.start()
	sync := func(want ...int) {
		t.Helper()
		if err := other.Sync(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		if got := other.Ring.Years(); !slices.Equal(got, want) {
			t.Errorf("keys are held of %v, want %v", got, want)
		}
		for _, year := range []int{2026, 2027} {
			if said := slices.Contains(o.holds(year), other.Holder); said != slices.Contains(want, year) {
				t.Errorf("the store says that it holds the key of %d: %v", year, said)
			}
		}
	}
	sync(2026)
	o.open(one, 2027)
	sync(2026, 2027)
	if err := o.store.AdvanceCohort(t.Context(), 2026, store.StageOpen, store.StageClosing); err != nil {
		t.Fatal(err)
	}
	sync(2027)
	sync(2027)
	if err := other.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	if years := other.Ring.Years(); len(years) != 0 || slices.Contains(o.holds(2027), other.Holder) {
		t.Errorf("after it left it holds keys of %v", years)
	}
}

func TestAProcessSaysThatItLives(t *testing.T) {
	t.Parallel()
	o := newOffice(t, "2026-03-04")
	k := o.start()
	o.open(k, 2026)
	silent := func() time.Duration {
		t.Helper()
		holders, err := o.store.Holders(t.Context(), 2026)
		if err != nil || len(holders) != 1 {
			t.Fatalf("%d holders (%v)", len(holders), err)
		}
		return holders[0].SilentFor
	}
	o.wait(5 * time.Minute)
	if err := k.Sync(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if got := silent(); got != 5*time.Minute {
		t.Errorf("without a beat it was silent for %s", got)
	}
	if err := k.Sync(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if got := silent(); got != 0 {
		t.Errorf("with a beat it was silent for %s", got)
	}
}

// One key that cannot be loaded does not keep the others from it, and is loaded once it is there.
func TestAKeyThatCannotBeLoaded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, o *office)
		want  error
		warns string
	}{
		{"missing", func(t *testing.T, o *office) {
			if err := os.Remove(o.folder.Path(KeyFile(2026))); err != nil {
				t.Fatal(err)
			}
		}, ErrNoKey, "is missing:"},
		{"damaged", func(t *testing.T, o *office) { write(t, o.folder, KeyFile(2026), []byte("{"), 0o600) }, ErrKeyFolder, "is not the right one"},
		{"of another year", func(t *testing.T, o *office) {
			write(t, o.folder, KeyFile(2026), read(t, o.folder, KeyFile(2027)), 0o600)
		}, ErrKeyFolder, "is not the right one"},
		{"of another store", func(t *testing.T, o *office) {
			document, err := keyNamed(t, "other", 2026).marshal()
			if err != nil {
				t.Fatal(err)
			}
			write(t, o.folder, KeyFile(2026), document, 0o600)
		}, ErrKeyMismatch, "is not the right one"},
		{"open to others", func(t *testing.T, o *office) {
			if err := os.Chmod(o.folder.Path(KeyFile(2026)), 0o644); err != nil {
				t.Fatal(err)
			}
		}, ErrKeyFolder, "is not the right one"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t, "2026-12-04")
			k := o.start()
			o.open(k, 2026)
			o.open(k, 2027)
			key, err := o.folder.Load(2026)
			if err != nil {
				t.Fatal(err)
			}
			good := read(t, o.folder, KeyFile(2026))
			c.spoil(t, o)

			restarted := o.start()
			for _, beat := range []bool{false, true} {
				err := restarted.Sync(t.Context(), beat)
				if !errors.Is(err, c.want) || !strings.Contains(err.Error(), "cohort-2026.key") {
					t.Errorf("got %v", err)
				}
				tellsNothing(t, key, "the error", fmt.Sprint(err))
				if got := restarted.Ring.Years(); !slices.Equal(got, []int{2027}) {
					t.Errorf("keys are held of %v", got)
				}
				if slices.Contains(o.holds(2026), restarted.Holder) {
					t.Error("it says that it holds a key that it does not")
				}
				if got := restarted.KeyWarnings(); len(got) != 0 {
					t.Errorf("it warns that it could not start again, without that key: %q", got)
				}
			}
			// Who holds it already goes on, and warns that it could not start again.
			warns := func(want ...string) {
				t.Helper()
				if err := k.Sync(t.Context(), true); err != nil {
					t.Error(err)
				}
				got := strings.Join(k.KeyWarnings(), "\n")
				tellsNothing(t, key, "the warning", got)
				if (got == "") != (len(want) == 0) || slices.ContainsFunc(want, func(words string) bool { return !strings.Contains(got, words) }) {
					t.Errorf("it warns %q, want %q", got, want)
				}
			}
			warns("the key file of 2026 "+c.warns, "from its escrow copy", "while this server runs")
			write(t, o.folder, KeyFile(2026), good, 0o600)
			warns()
			if err := restarted.Sync(t.Context(), false); err != nil {
				t.Fatal(err)
			}
			o.works(restarted, 2026)
		})
	}
}

func TestSyncSaysWhatTheStoreSays(t *testing.T) {
	t.Parallel()
	o := newOffice(t, "2026-03-04")
	o.open(o.start(), 2026)
	k := o.start()
	for n, call := range []string{"ListCohorts", "Beat", "ListCohorts"} {
		o.store.fail(n+1, false)
		if err := k.Sync(t.Context(), true); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s failed: %v", call, err)
		}
		if years := k.Ring.Years(); len(years) != 0 {
			t.Errorf("%s failed: keys are held of %v", call, years)
		}
	}
	o.store.fail(0, false)
	if err := k.Sync(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	o.works(k, 2026)
}

func TestHoldersTellNothing(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 50 {
		holder, err := NewHolder()
		if err != nil || len(holder) != 16 || strings.Trim(holder, "0123456789abcdef") != "" {
			t.Fatalf("got %q (%v)", holder, err)
		}
		seen[holder] = true
	}
	if len(seen) != 50 {
		t.Errorf("%d of 50 are different", len(seen))
	}
}

// A key that this process does not hold any more is nobody's loss here.
func TestNoWarningOfTheKeyOfACohortThatIsClosing(t *testing.T) {
	t.Parallel()
	c := newClosable(t)
	if err := os.Remove(c.folder.Path(KeyFile(2026))); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 0} {
		if err := c.keeper.Sync(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		if got := c.keeper.KeyWarnings(); len(got) != n {
			t.Errorf("%s: it warns %q", c.stage(2026), got)
		}
		if n == 1 {
			if err := c.store.AdvanceCohort(t.Context(), 2026, store.StageOpen, store.StageClosing); err != nil {
				t.Fatal(err)
			}
		}
	}
}
