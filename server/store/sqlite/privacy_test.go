package sqlite

import (
	"bytes"
	"crypto/sha256"
	"database/sql/driver"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ncruces/go-sqlite3"
	sqlite3driver "github.com/ncruces/go-sqlite3/driver"

	"aankomst/server/store"
	"aankomst/server/store/book"
)

// Nothing that is stored may be read from the files without the key.
func TestFilesTellNothing(t *testing.T) {
	path, s := openNew(t)
	ok(t, createCohort(t.Context(), s))
	token := store.Token{ID: "t1", Hash: sha256.Sum256([]byte("secret")), Label: "Balie aan de ingang", Role: store.RoleIntake, Centre: "caw-1"}
	ok(t, s.CreateToken(t.Context(), token))
	document := []byte(`{"kind":"release document"}`)
	ok(t, s.AppendRelease(t.Context(), store.Release{Number: 1, Year: year, CutOff: "2026-06-30", Document: document}))
	codes := arrivals(40)
	record(t, s, codes...)

	secrets := [][]byte{
		testKey[:], token.Hash[:], []byte(token.Label), document,
		[]byte("caw-1"), []byte("Centrum aan de Leie"), []byte("Westelijke groep"),
		[]byte("SQLite format 3"), []byte("CREATE TABLE"), []byte("nullifier"), []byte(book.Arrived),
	}
	for _, e := range codes {
		secrets = append(secrets, e.Nullifier[:])
	}
	search := func(name string, data []byte) (found int) {
		for _, secret := range secrets {
			for _, form := range [][]byte{
				secret,
				[]byte(hex.EncodeToString(secret)),
				[]byte(strings.ToUpper(hex.EncodeToString(secret))),
			} {
				if bytes.Contains(data, form) {
					found++
					if name != "" {
						t.Errorf("%s contains %q", name, form)
					}
				}
			}
		}
		return found
	}
	files := func() {
		t.Helper()
		for _, name := range folder(t, path) {
			data, err := os.ReadFile(filepath.Join(filepath.Dir(path), name))
			ok(t, err)
			search(name, data)
		}
	}
	ok(t, s.Backup(t.Context(), filepath.Join(filepath.Dir(path), "copy.db")))
	files() // with the log full
	ok(t, s.Rewrite(t.Context()))
	files()
	ok(t, s.Close())
	files()
	if found := search("", decrypted(t, path)); found != len(secrets)-1 {
		t.Errorf("of %d secrets, %d are found in the decrypted file: the search finds too little", len(secrets)-1, found)
	}
}

// A closed cohort's codes are nowhere in the file or its log, not even decrypted.
func TestClosedCohortLeavesNoCodes(t *testing.T) {
	path, s := openNew(t)
	ok(t, createCohort(t.Context(), s))
	codes := arrivals(300)
	record(t, s, codes[:200]...)
	ok(t, s.Rewrite(t.Context()))
	record(t, s, codes[200:]...)
	undo := codes[0]
	undo.Kind = store.Undo
	record(t, s, undo)

	left := func() (found int) {
		t.Helper()
		for _, file := range []string{path, path + "-wal"} {
			data := decrypted(t, file)
			for _, e := range codes {
				if bytes.Contains(data, e.Nullifier[:]) {
					found++
				}
			}
		}
		return found
	}
	if left() == 0 {
		t.Fatal("the search finds too little")
	}
	for i, stage := range store.Stages[1:] {
		ok(t, s.AdvanceCohort(t.Context(), year, store.Stages[i], stage))
	}
	if found := left(); found != 0 {
		t.Errorf("%d codes are left in the files", found)
	}
	counts, err := s.Counts(t.Context(), year)
	ok(t, err)
	if counts.Pools[0].Arrived != 299 {
		t.Errorf("%d arrived, want 299", counts.Pools[0].Arrived)
	}
}

// layout returns the first pages of tables, byte by byte, as they lie in the file.
func layout(t *testing.T, path string, tables ...string) []byte {
	t.Helper()
	s, err := Open(t.Context(), path, testKey)
	ok(t, err)
	var pages []byte
	var roots []int
	for _, table := range tables {
		var root int
		ok(t, s.reader.QueryRowContext(t.Context(), `SELECT rootpage FROM sqlite_schema WHERE name = ?`, table).Scan(&root))
		roots = append(roots, root)
	}
	ok(t, s.Close())
	data := decrypted(t, path)
	for _, root := range roots {
		pages = append(pages, data[(root-1)*4096:root*4096]...)
	}
	return pages
}

// Two databases in which the same things happened in another order must be the same, hidden bytes
// included, after Rewrite; and so must their backups.
func TestNoTraceOfOrder(t *testing.T) {
	codes := arrivals(100)
	var before, after, copies [][]byte
	for range 2 {
		path, s := openNew(t)
		ok(t, createCohort(t.Context(), s))
		for i, e := range codes {
			record(t, s, e, store.Entry{Kind: store.Issue, Year: year, Pool: 1})
			if i%10 == 0 { // what is given back leaves no hole
				e.Kind = store.Undo
				record(t, s, e)
				e.Kind = store.Void
				record(t, s, e)
			}
		}
		copied := filepath.Join(t.TempDir(), "copy.db")
		ok(t, s.Backup(t.Context(), copied))
		ok(t, s.Close())
		before = append(before, layout(t, path, "counters", "spent"))

		s = openAt(t, path, testKey)
		ok(t, s.Rewrite(t.Context()))
		if info, err := os.Stat(path + "-wal"); err != nil || info.Size() != 0 {
			t.Errorf("the log is not empty: %v", err)
		}
		ok(t, s.Close())
		after = append(after, layout(t, path, "counters", "spent"))
		copies = append(copies, layout(t, copied, "counters", "spent"))
		// In another order, but the same codes voided.
		voided, other := codes[:0:0], codes[:0:0]
		for i, e := range codes {
			if i%10 == 0 {
				voided = append(voided, e)
			} else {
				other = append(other, e)
			}
		}
		slices.Reverse(other)
		codes = codes[:0:0]
		for i := range voided {
			codes = append(append(codes, voided[i]), other[i*9:(i+1)*9]...)
		}
	}
	if bytes.Equal(before[0], before[1]) {
		t.Error("the order shows nowhere even before Rewrite: the test looks at too little")
	}
	if !bytes.Equal(after[0], after[1]) {
		t.Error("the order can be told after Rewrite")
	}
	if !bytes.Equal(copies[0], copies[1]) {
		t.Error("the order can be told from a backup")
	}
}

// Within one batch the order shows nowhere, not even before Rewrite.
func TestNoTraceOfOrderInBatch(t *testing.T) {
	codes := arrivals(100)
	var files [][]byte
	for range 2 {
		path, s := openNew(t)
		ok(t, createCohort(t.Context(), s))
		record(t, s, codes...)
		ok(t, s.Close())
		files = append(files, layout(t, path, "counters", "spent"))
		slices.Reverse(codes)
	}
	if !bytes.Equal(files[0], files[1]) {
		t.Error("the order of a batch can be told")
	}
}

// Everything that is stored of a spent code, as anyone with the key would see it.
func TestDump(t *testing.T) {
	_, s := openNew(t)
	ok(t, createCohort(t.Context(), s))
	codes := arrivals(3)
	codes[2].Kind = store.Void
	record(t, s, codes...)

	dump := map[string][]string{}
	for _, table := range tables(t, s) {
		rows, err := s.reader.QueryContext(t.Context(), `SELECT * FROM "`+table+`"`)
		ok(t, err)
		columns, err := rows.Columns()
		ok(t, err)
		for rows.Next() {
			values := make([]any, len(columns))
			into := make([]any, len(columns))
			for i := range values {
				into[i] = &values[i]
			}
			ok(t, rows.Scan(into...))
			var row []string
			for i, column := range columns {
				row = append(row, fmt.Sprintf("%s=%x", column, values[i]))
			}
			dump[table] = append(dump[table], strings.Join(row, " "))
		}
		ok(t, rows.Err())
	}
	var want []string
	for i, e := range codes {
		want = append(want, fmt.Sprintf("year=%x nullifier=%x kind=%x", year, e.Nullifier, 1+i/2))
	}
	slices.Sort(want)
	if got := dump["spent"]; !slices.Equal(got, want) {
		t.Errorf("spent holds\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for table, rows := range dump {
		for _, row := range rows {
			for _, e := range codes {
				if table != "spent" && strings.Contains(row, hex.EncodeToString(e.Nullifier[:])) {
					t.Errorf("%s holds a nullifier: %s", table, row)
				}
			}
		}
	}
}

// Record may write counters and spent codes and, where they stay as they were, the bit of the health check.
func TestTablesThatRecordWrites(t *testing.T) {
	_, s := openNew(t)
	ok(t, createCohort(t.Context(), s))
	written := map[string]bool{}
	conn, err := s.writer.Conn(t.Context())
	ok(t, err)
	ok(t, conn.Raw(func(raw any) error {
		return raw.(sqlite3driver.Conn).Raw().SetAuthorizer(
			func(action sqlite3.AuthorizerActionCode, table, _, _, _ string) sqlite3.AuthorizerReturnCode {
				switch action {
				case sqlite3.AUTH_INSERT, sqlite3.AUTH_UPDATE, sqlite3.AUTH_DELETE:
					written[table] = true
				}
				return sqlite3.AUTH_OK
			})
	}))
	ok(t, conn.Close())

	e := arrivals(1)[0]
	for kind := store.Issue; kind <= store.Undo; kind++ {
		e.Kind, e.Elsewhere, e.WaitBand = kind, true, store.WaitUpTo2Weeks
		record(t, s, e)
	}
	e.Kind = store.Arrive
	record(t, s, e)
	e.Kind = store.Undo
	record(t, s, e)
	want := map[string]bool{"counters": true, "spent": true, "probe": true}
	if fmt.Sprint(written) != fmt.Sprint(want) {
		t.Errorf("Record writes %v, want %v", written, want)
	}
}

// What can stand for a value in a statement must be accepted by the driver as it is.
func TestListIsValue(t *testing.T) {
	for _, l := range []list{nil, {}, {"a", `"`}} {
		value, err := l.Value()
		ok(t, err)
		if !driver.IsValue(value) {
			t.Errorf("%T is no value", value)
		}
		var back list
		ok(t, back.Scan(value))
		if !slices.Equal(back, l) {
			t.Errorf("%q came back as %q", l, back)
		}
	}
}

// A call that changes nothing is as durable, and as slow, as one that does: otherwise the time that it
// takes would tell whether a code has arrived.
func TestWhatChangesNothingIsWrittenToo(t *testing.T) {
	path, s := openNew(t)
	ok(t, createCohort(t.Context(), s))
	codes := arrivals(4)
	arrived, voided := codes[0].Nullifier, codes[1].Nullifier
	of := func(kind store.Kind, n store.Nullifier) store.Entry {
		return store.Entry{Kind: kind, Year: year, Pool: 1, Nullifier: n}
	}
	record(t, s, of(store.Arrive, arrived), of(store.Void, voided))
	log := func() []byte {
		data, err := os.ReadFile(path + "-wal")
		ok(t, err)
		return data
	}
	for _, e := range []store.Entry{
		of(store.Arrive, arrived), of(store.Void, arrived), of(store.Void, voided),
		of(store.Undo, codes[2].Nullifier), of(store.Arrive, voided), of(store.Undo, voided),
	} {
		before := log()
		record(t, s, e)
		if bytes.Equal(log(), before) {
			t.Errorf("kind %d: nothing was written", e.Kind)
		}
	}
	if n := arrivedIn(t, s); n != 1 {
		t.Errorf("%d arrived", n)
	}
}
