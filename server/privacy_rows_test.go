package server_test

import (
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/driver"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/refcode"
	"aankomst/server/servertest"
	"aankomst/server/store"
)

// value is one value of the store, whatever table it stands in.
type value struct {
	table, column string
	row           int
	value         any
}

// dump reads every value of every table, knowing none of them beforehand: a table that is added later
// is looked at like the rest.
func dump(t *testing.T, folder string) (values []value) {
	t.Helper()
	key := storeKey(t, folder)
	address := url.URL{Scheme: "file", OmitHost: true, Path: filepath.Join(folder, "aankomst.db"), RawQuery: "vfs=adiantum&mode=rw"}
	db, err := driver.Open(address.String(), func(c *sqlite3.Conn) error {
		return c.Exec(`PRAGMA hexkey = '` + hex.EncodeToString(key[:]) + `'; PRAGMA temp_store = MEMORY; PRAGMA query_only = ON`)
	})
	must(t, err)
	defer db.Close()
	db.SetMaxOpenConns(1)
	// One transaction, so that all tables are seen at one moment.
	tx, err := db.BeginTx(t.Context(), &sql.TxOptions{ReadOnly: true})
	must(t, err)
	defer tx.Rollback()
	for _, table := range column[string](t, tx, `SELECT name FROM sqlite_schema WHERE type = 'table'`) {
		values = append(values, tableOf(t, tx, table)...)
	}
	return values
}

func column[T any](t *testing.T, tx *sql.Tx, query string) (all []T) {
	t.Helper()
	rows, err := tx.QueryContext(t.Context(), query)
	must(t, err)
	defer rows.Close()
	for rows.Next() {
		var one T
		must(t, rows.Scan(&one))
		all = append(all, one)
	}
	must(t, rows.Err())
	return all
}

func tableOf(t *testing.T, tx *sql.Tx, table string) (values []value) {
	t.Helper()
	rows, err := tx.QueryContext(t.Context(), `SELECT * FROM "`+table+`"`)
	must(t, err)
	defer rows.Close()
	names, err := rows.Columns()
	must(t, err)
	for row := 0; rows.Next(); row++ {
		cells, into := make([]any, len(names)), make([]any, len(names))
		for i := range cells {
			into[i] = &cells[i]
		}
		must(t, rows.Scan(into...))
		for i, name := range names {
			values = append(values, value{table, name, row, cells[i]})
		}
	}
	must(t, rows.Err())
	return values
}

// String writes a value so that two that differ are written differently.
func (v value) String() string {
	switch content := v.value.(type) {
	case []byte:
		return fmt.Sprintf("%s=x%x", v.column, content)
	default:
		return fmt.Sprintf("%s=%v", v.column, content)
	}
}

// lines writes a dump as one line a row. The bit that health checks turn over is left out: it moves by
// the clock, with calls and without.
func lines(values []value) (all []string) {
	last := value{row: -1}
	for _, v := range values {
		if v.table == "probe" && v.column == "flip" {
			v.value = "either"
		}
		if v.table == "holders" && v.column == "seen_at" {
			v.value = "by the clock"
		}
		if v.table != last.table || v.row != last.row {
			all = append(all, v.table)
		}
		all[len(all)-1] += " " + v.String()
		last = v
	}
	return all
}

// changes returns the lines of two dumps that are in one alone, those that went first.
func changes(before, after []string) (all []string) {
	for _, line := range before {
		if !slices.Contains(after, line) {
			all = append(all, "- "+line)
		}
	}
	for _, line := range after {
		if !slices.Contains(before, line) {
			all = append(all, "+ "+line)
		}
	}
	return all
}

// errOwnChanges says that a call has looked at what changed itself.
var errOwnChanges = errors.New("looked at already")

// Each call changes exactly the rows that docs/data-model.md says: nothing is noted on the side.
func TestPrivacyWhatOneCallChanges(t *testing.T) {
	t.Parallel()
	f := servertest.Start(t, servertest.Options{})
	p := newParty(t, f)
	here, there, lost := p.issue(1, false), p.issue(2, false), p.issue(1, true)
	seen, device := p.issue(1, false), f.Device(servertest.PoolOne[0])
	back, hangsUp, practice := p.issue(1, false), p.issue(2, false), p.issue(0, false)
	must(t, p.confirm(back.Code, 0))
	counter := func(pool int, measure string, from, to int) []string {
		row := fmt.Sprintf("counters year=%d pool=%d measure=%s count=", servertest.Year, pool, measure)
		return []string{fmt.Sprint("- ", row, from), fmt.Sprint("+ ", row, to)}
	}
	spent := func(sign string, code issued, kind int) []string {
		return []string{fmt.Sprintf("%s spent year=%d nullifier=x%x kind=%d", sign, servertest.Year, p.nullifierOf(code.Code, code.pool), kind)}
	}
	quarter := f.Clock.Now().UTC().Truncate(15 * time.Minute).Unix()
	const band = aankomstv1.WaitBand_FROM_2_TO_6_WEEKS
	for _, test := range []struct {
		name string
		call func() error
		want [][]string
	}{
		{"issue", func() error { p.issue(1, false); return nil }, [][]string{counter(1, "issued", 3, 4)}},
		{"issue in place of a lost one", func() error { p.issue(2, true); return nil }, [][]string{counter(2, "replaced", 0, 1)}},
		{"issue a practice code", func() error { p.issue(0, false); return nil }, nil},
		{"confirm", func() error { return p.confirm(here.Code, band) },
			[][]string{counter(1, "arrived", 1, 2), counter(0, "wait_2_to_6_weeks", 0, 1), spent("+", here, 1)}},
		{"confirm again", func() error { return p.confirm(here.Code, band) }, nil},
		{"confirm elsewhere", func() error { return p.confirm(there.Code, 0) },
			[][]string{counter(2, "arrived", 0, 1), counter(2, "elsewhere", 0, 1), spent("+", there, 1)}},
		{"void what has arrived", func() error { return p.void(here.Code, false) }, nil},
		{"void", func() error { return p.void(hangsUp.Code, false) }, [][]string{counter(2, "voided", 0, 1), spent("+", hangsUp, 2)}},
		{"void again", func() error { return p.void(hangsUp.Code, false) }, nil},
		{"void a replacement", func() error { return p.void(lost.Code, true) },
			[][]string{counter(1, "replacements_voided", 0, 1), spent("+", lost, 2)}},
		{"undo", func() error { return p.undo(back.Code, 0) }, [][]string{counter(1, "arrived", 2, 1), spent("-", back, 1)}},
		{"undo again", func() error { return p.undo(back.Code, 0) }, nil},
		{"refer without code", func() error { return p.referWithoutCode(1) }, [][]string{counter(1, "referred_without_code", 0, 1)}},
		{"arrive without code", p.arriveWithoutCode, [][]string{counter(0, "arrived_without_code", 0, 1)}},
		{"practise", func() error {
			must(t, p.confirm(practice.Code, band))
			must(t, p.undo(practice.Code, band))
			return p.void(practice.Code, false)
		}, nil},
		{"confirm a wrong code", func() error {
			_, err := p.arrivals.ConfirmArrival(as(t.Context(), p.intake), &aankomstv1.ConfirmArrivalRequest{Code: unissued(t, refcode.Short).Text()})
			if err == nil {
				t.Error("a wrong code is accepted")
			}
			return nil
		}, [][]string{{fmt.Sprintf("+ wrong_codes centre=%s day=2026-05-04 in_day=1 quarter=%d in_quarter=1", servertest.PoolOne[0], quarter)}}},
		{"void a wrong code", func() error {
			if p.void(unissued(t, refcode.Short), false) == nil {
				t.Error("a wrong code is accepted")
			}
			return nil
		}, nil},
		{"issue, confirm, undo, void and confirm by whoever is signed in, and by a device", func() error {
			p.counsellor, p.intake = f.Session(store.RoleCounsellor, ""), f.Session(store.RoleIntake, servertest.PoolOne[0])
			before := lines(dump(t, f.Folder))
			must(t, p.confirm(seen.Code, 0))
			must(t, p.undo(seen.Code, 0))
			p.intake = device
			must(t, p.confirm(seen.Code, 0))
			must(t, p.undo(seen.Code, 0))
			must(t, p.void(seen.Code, false))
			for _, change := range changes(before, lines(dump(t, f.Folder))) {
				if !strings.Contains(change, "counters ") && !strings.Contains(change, "spent ") {
					t.Errorf("calls in a session change %s", change)
				}
			}
			return errOwnChanges
		}, nil},
	} {
		before := lines(dump(t, f.Folder))
		err := test.call()
		if errors.Is(err, errOwnChanges) {
			continue
		}
		must(t, err)
		got, want := changes(before, lines(dump(t, f.Folder))), slices.Concat(test.want...)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s changes\n%s\nwant\n%s", test.name, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

var clockTime = regexp.MustCompile(`\d{1,2}:\d{2}|\dT\d{2}`)

// finerThanADay reports whether a value looks like a moment and not like a day, in any of the usual
// ways of writing one.
func finerThanADay(v any) bool {
	switch v := v.(type) {
	case time.Time:
		return true
	case float64:
		return true
	case int64:
		from, to := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
		for _, unit := range []time.Duration{time.Second, time.Millisecond, time.Microsecond, time.Nanosecond} {
			if perSecond := int64(time.Second / unit); v >= from.Unix()*perSecond && v < to.Unix()*perSecond {
				return v%(24*60*60*perSecond) != 0
			}
		}
		return false
	case string:
		return clockTime.MatchString(v)
	case []byte:
		return utf8.Valid(v) && clockTime.Match(v)
	default:
		return false
	}
}

// With the store's key, too, there is no moment to be read, and no value that belongs to a code but its
// nullifier.
func TestPrivacyRows(t *testing.T) {
	t.Parallel()
	for _, moment := range []any{time.Now(), time.Now().Unix(), time.Now().UnixMilli(), time.Now().UnixNano(), "2026-05-04T12:00:00Z", []byte("12:31"), 2460000.5} {
		if !finerThanADay(moment) {
			t.Errorf("%v is not taken for a moment", moment)
		}
	}
	f := servertest.Start(t, servertest.Options{})
	p := newParty(t, f)
	p.season()
	coming(t, f)
	values := dump(t, f.Folder)

	// Where moments are allowed, and what they may be.
	coarse := func(v any) bool { return v.(int64)%(15*60) == 0 }
	allowed := map[string]func(any) bool{
		"wrong_codes.quarter": coarse, "attempts.quarter": coarse, "acts.at": coarse,
		"sessions.started_at": coarse, "sessions.used_at": coarse, "sessions.proved_at": coarse, "sessions.ends_at": coarse,
		"invitations.ends_at": coarse, "ceremonies.ends_at": coarse,
		// Its challenge may look like anything; its library's own end is never set.
		"ceremonies.data": func(v any) bool {
			var data struct{ Expires time.Time }
			return json.Unmarshal(v.([]byte), &data) == nil && data.Expires.IsZero()
		},
		"holders.seen_at":         func(any) bool { return true }, // beats by the clock
		"goose_db_version.tstamp": func(any) bool { return true }, // when the schema was migrated
	}
	columns, nullifiers := map[string][]string{}, 0
	patterns := formsOf(p.needles)
	for _, v := range values {
		name := v.table + "." + v.column
		if !slices.Contains(columns[v.table], v.column) {
			columns[v.table] = append(columns[v.table], v.column)
		}
		if coarse := allowed[name]; finerThanADay(v.value) && (coarse == nil || !coarse(v.value)) {
			t.Errorf("%s holds a moment: %v", name, v.value)
		}
		content, isBytes := v.value.([]byte)
		if !isBytes {
			content = []byte(fmt.Sprint(v.value))
		}
		// Each stands in the one column that is meant for it, and nowhere else.
		mayHold := name == "spent.nullifier" || name == "tokens.hash"
		found := search(patterns, haystack{name: name, content: content, decrypted: mayHold})
		report(t, found)
		if name == "spent.nullifier" {
			nullifiers += len(search(patterns, haystack{content: content}))
		}
	}
	slices.Sort(columns["spent"])
	if want := []string{"kind", "nullifier", "year"}; !slices.Equal(columns["spent"], want) {
		t.Errorf("the spent codes have the columns %v, want %v", columns["spent"], want)
	}
	// In each of two rounds: one arrived, one elsewhere, two voided; one was undone.
	if nullifiers != 8 {
		t.Errorf("%d nullifiers are found among the spent codes, want 8", nullifiers)
	}
}

// coming has people come in, in every way, at a moment that is no quarter of an hour.
func coming(t *testing.T, f *servertest.Fixture) {
	t.Helper()
	f.Clock.Set(f.Clock.Now().Truncate(time.Hour).Add(7*time.Minute + 31*time.Second))
	administrator := f.Session(store.RoleAdministrator, "")
	access := aankomstv1.NewAccessServiceClient(f.Connection)
	_, err := access.BeginSignIn(t.Context(), new(aankomstv1.BeginSignInRequest))
	must(t, err)
	_, err = access.CreateMember(as(t.Context(), administrator), &aankomstv1.CreateMemberRequest{Label: "A desk", Role: aankomstv1.Access_COORDINATOR})
	must(t, err)
	_, err = access.BeginPasskey(as(t.Context(), administrator), new(aankomstv1.BeginPasskeyRequest))
	must(t, err)
	if _, err = access.FinishSignIn(t.Context(), new(aankomstv1.FinishSignInRequest)); err == nil {
		t.Error("nobody signs in")
	}
	f.Device(servertest.PoolOne[0])
}

// A practice code is real in every way and moves nothing, whoever does whatever with it.
func TestPrivacyPracticeMovesNothing(t *testing.T) {
	t.Parallel()
	f := servertest.Start(t, servertest.Options{})
	p := newParty(t, f)
	p.round()
	before := lines(dump(t, f.Folder))
	counts := f.Counts()
	other := f.Token(store.RoleIntake, servertest.PoolTwo[0])
	withTokens := changes(before, lines(dump(t, f.Folder)))
	for range 5 {
		code := p.issue(0, false)
		lost := p.issue(0, true)
		for _, err := range []error{
			p.confirm(code.Code, aankomstv1.WaitBand_OVER_6_MONTHS), p.confirm(code.Code, 0), p.undo(code.Code, 0),
			p.void(code.Code, false), p.void(lost.Code, true), p.confirm(lost.Code, 0),
		} {
			must(t, err)
		}
		answer, err := p.arrivals.ConfirmArrival(as(t.Context(), other), &aankomstv1.ConfirmArrivalRequest{Code: code.Text()})
		must(t, err)
		if answer.GetOutcome() != aankomstv1.ConfirmArrivalResponse_PRACTICE {
			t.Errorf("the answer to a practice code is %s", answer.GetOutcome())
		}
	}
	if got := changes(before, lines(dump(t, f.Folder))); !slices.Equal(got, withTokens) {
		t.Errorf("practice codes changed the store:\n%s", strings.Join(got, "\n"))
	}
	if after := f.Counts(); fmt.Sprint(after) != fmt.Sprint(counts) {
		t.Errorf("practice codes moved counts from %v to %v", counts, after)
	}
}
