package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"aankomst/server/store"
)

// program builds the server's program once.
var program = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "aankomst-program-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, "aankomst")
	if said, err := exec.Command("go", "build", "-o", path, "aankomst/cmd/aankomst").CombinedOutput(); err != nil {
		return "", errors.Join(err, errors.New(string(said)))
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := program(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// tiny are the flags of a run that is over soon.
func tiny(t *testing.T, more ...string) []string {
	t.Helper()
	binary, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return append([]string{
		"--binary", binary, "--phase", "600ms", "--warm-up", "100ms", "--slices", "2", "--centres", "16", "--concurrency", "8",
		"--connections", "2", "--small", "300", "--large", "7000",
	}, more...)
}

// readReport reads a report and checks that its figures fit together.
func readReport(t *testing.T, path string) report {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var r report
	if err := json.Unmarshal(content, &r); err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]figures{"issue": r.Issue, "confirm": r.Confirm} {
		for load, l := range map[string]latencies{"full": f.Full, "half": f.Half} {
			if l.Calls == 0 || l.Rate <= 0 || l.P50 <= 0 || l.P50 > l.P95 || l.P95 > l.P99 {
				t.Errorf("%s at %s load: %+v", name, load, l)
			}
		}
		if f.Raw.Rate <= 0 || f.Raw.Least > f.Raw.Rate || f.Raw.Most < f.Raw.Rate {
			t.Errorf("%s: the raw rates are %+v", name, f.Raw)
		}
		if !near(f.ToRaw, f.Full.Rate/f.Raw.Rate) || !near(f.HalfOffered, f.Full.Rate/2) ||
			!near(f.ToOneInsert, f.Full.Rate/r.Inserts.OneConnection) || !near(f.ToManyInserts, f.Full.Rate/r.Inserts.ManyConnections) {
			t.Errorf("%s: its ratios do not follow from its rates: %+v, %+v", name, f, r.Inserts)
		}
		if f.Growth != nil && (!near(f.Growth.Slower, 1-f.Growth.Large.Rate/f.Growth.Small.Rate) ||
			f.Growth.Small.Rate != f.Full.Rate || f.Growth.Small.P99 != f.Full.P99) {
			t.Errorf("%s: its growth does not follow from its rates: %+v", name, f.Growth)
		}
	}
	if r.Counted.Issued < r.Issue.Full.Calls+r.Issue.Half.Calls || r.Counted.Confirmed < r.Confirm.Full.Calls+r.Confirm.Half.Calls ||
		r.Counted.Confirmed > r.Counted.Issued {
		t.Errorf("%+v are counted, but %d and %d were issued, %d and %d confirmed", r.Counted,
			r.Issue.Full.Calls, r.Issue.Half.Calls, r.Confirm.Full.Calls, r.Confirm.Half.Calls)
	}
	return r
}

func TestARunMeasuresTheEmbeddedStoreAndLeavesNothing(t *testing.T) {
	// What is set for a real server must not reach those that are measured.
	elsewhere := filepath.Join(t.TempDir(), "real")
	t.Setenv("AANKOMST_DATA", elsewhere)
	t.Setenv("AANKOMST_POSTGRES", "host=/nowhere")
	folder, results := t.TempDir(), t.TempDir()
	figures, chart := filepath.Join(results, "figures.json"), filepath.Join(results, "chart.svg")
	var out, progress bytes.Buffer
	args := tiny(t, "--folder", folder, "--pairs", "6", "--json", figures, "--plot", chart)
	if err := run(t.Context(), args, &out, &progress); err != nil {
		t.Fatalf("%v\n%s", err, progress.String())
	}
	r := readReport(t, figures)
	if !r.TLS || r.Pairs != 6 || !strings.HasPrefix(r.Store, "SQLite ") || r.Slices != 2 {
		t.Errorf("the report is of another run: %+v", r)
	}
	g := r.Confirm.Growth
	if g == nil || g.Small.SpentBefore < 300 || g.Large.SpentBefore < 7000 || g.Small.SpentAfter <= g.Small.SpentBefore || g.Large.SpentAfter <= g.Large.SpentBefore {
		t.Errorf("growth was measured on other stores: %+v", g)
	}
	if spent := r.Memory[0].SpentCodes + r.Memory[1].SpentCodes; spent != 7300+r.Counted.Confirmed {
		t.Errorf("%d codes are spent, but 7300 were and %d were confirmed", spent, r.Counted.Confirmed)
	}
	if !strings.Contains(out.String(), "SERVED TO RAW") || !strings.Contains(progress.String(), "filling the large store: 7000 of 7000") {
		t.Errorf("what is printed:\n%s\n%s", out.String(), progress.String())
	}
	drawn, err := os.ReadFile(chart)
	if err != nil || xml.Unmarshal(drawn, new(element)) != nil {
		t.Errorf("the chart is no XML (%v)", err)
	}
	empty(t, folder)
	if _, err := os.Stat(elsewhere); err == nil {
		t.Error("the data folder that the environment names was used")
	}
}

func TestARunMeasuresPostgreSQLAndLeavesTheDatabaseEmpty(t *testing.T) {
	t.Parallel()
	parent, folder := openFolder(t), t.TempDir()
	d, err := startCluster(t.Context(), parent)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.close(); err != nil {
			t.Error(err)
		}
		empty(t, parent)
	}()
	figures := filepath.Join(t.TempDir(), "figures.json")
	args := tiny(t, "--folder", folder, "--postgres", d.address, "--no-tls", "--json", figures)
	var progress bytes.Buffer
	if err := run(t.Context(), args, io.Discard, &progress); err != nil {
		t.Fatalf("%v\n%s", err, progress.String())
	}
	r := readReport(t, figures)
	if r.TLS || r.Pairs != 4 || !strings.HasPrefix(r.Store, "PostgreSQL ") || r.Issue.Growth == nil {
		t.Errorf("the report is of another run: %+v", r)
	}
	empty(t, folder)
	if _, err := openDatabase(t.Context(), d.address, nil); err != nil {
		t.Errorf("the database cannot be measured on again: %v", err)
	}

	if err := d.execute(t.Context(), `CREATE TABLE kept (precious text)`, `INSERT INTO kept VALUES ('figures')`); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), args, io.Discard, io.Discard); !errors.Is(err, errUsage) {
		t.Errorf("a database that is not empty is not refused: %v", err)
	}
	conn, err := pgx.Connect(t.Context(), d.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var kept string
	if err := conn.QueryRow(t.Context(), `SELECT precious FROM kept`).Scan(&kept); err != nil || kept != "figures" {
		t.Errorf("what was in the database is %q, %v", kept, err)
	}
}

func TestAnInterruptedRunLeavesNothing(t *testing.T) {
	t.Parallel()
	for _, moment := range []string{"setting up another", "full load on the small store"} {
		folder := openFolder(t)
		ctx, interrupt := context.WithCancel(t.Context())
		defer interrupt()
		args := tiny(t, "--folder", folder, "--private-postgres")
		if err := run(ctx, args, io.Discard, trigger{moment, interrupt}); !errors.Is(err, context.Canceled) {
			t.Errorf("interrupted at %q it ends with %v", moment, err)
		}
		empty(t, folder)
	}
}

// trigger does something when certain words are written to it.
type trigger struct {
	words string
	do    func()
}

func (g trigger) Write(said []byte) (int, error) {
	if bytes.Contains(said, []byte(g.words)) {
		g.do()
	}
	return len(said), nil
}

// openFolder makes a folder that an unprivileged user can get to, with a path short enough for a socket.
func openFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "bench-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	return folder
}

// empty fails the test when something is left in a folder.
func empty(t *testing.T, folder string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		t.Errorf("%s is left behind", entry.Name())
	}
}

// miscounting is a store that counts one issue too few.
type miscounting struct{ store.Store }

func (miscounting) Counts(context.Context, int) (store.Counts, error) {
	return store.Counts{Pools: []store.PoolCounts{{Issued: 4, Arrived: 1}, {Issued: 5, Arrived: 2}}}, nil
}

func TestCountsThatDifferFromTheAnswersMakeARunFail(t *testing.T) {
	for _, c := range []struct {
		issued, confirmed, filled int
		fine                      bool
	}{
		{9, 1, 2, true}, {9, 3, 0, true}, {10, 1, 2, false}, {8, 1, 2, false}, {9, 2, 2, false}, {9, 1, 1, false},
	} {
		b := &bench{small: &office{store: miscounting{}, issued: c.issued, confirmed: c.confirmed, filled: c.filled}}
		if _, err := b.counted(t.Context()); (err == nil) != c.fine {
			t.Errorf("9 issued and 3 arrived are counted, %+v acknowledged: %v", c, err)
		}
	}
}

func TestWhatCannotBeMeasuredIsRefused(t *testing.T) {
	for _, args := range [][]string{
		{"--pairs", "1"}, {"--pairs", "5", "--centres", "11", "--concurrency", "2"}, {"--concurrency", "97"}, {"--concurrency", "0"}, {"--connections", "0"},
		{"--slices", "0"}, {"--phase", "0s"}, {"--warm-up", "-1s"}, {"--small", "5", "--large", "5"}, {"--small", "-1"},
		{"--postgres", "host=/nowhere", "--private-postgres"}, {"--unknown"}, {"surplus"},
	} {
		if err := run(t.Context(), args, io.Discard, io.Discard); !errors.Is(err, errUsage) {
			t.Errorf("%v is not refused as wrong usage: %v", args, err)
		}
	}
	var out bytes.Buffer
	if err := run(t.Context(), []string{"--help"}, &out, io.Discard); err != nil || !strings.Contains(out.String(), "--private-postgres") {
		t.Errorf("the help is %q, %v", out.String(), err)
	}
}

func TestAnAddressIsGivenItsSchema(t *testing.T) {
	for address, want := range map[string]string{
		"host=/run/x user=bench":                          "host=/run/x user=bench search_path=s",
		"postgres://u:p%40ss@db.example/x":                "postgres://u:p%40ss@db.example/x?search_path=s",
		"postgresql://db.example/x?sslmode=require":       "postgresql://db.example/x?search_path=s&sslmode=require",
		"postgres://db.example/x?search_path=y&sslmode=a": "postgres://db.example/x?search_path=s&sslmode=a",
	} {
		got, err := within(address, "s")
		if err != nil || got != want {
			t.Errorf("%s becomes %s (%v), want %s", address, got, err, want)
		}
	}
}
