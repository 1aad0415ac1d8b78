package server_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/ncruces/go-sqlite3"
	"lukechampine.com/adiantum"

	"aankomst/server/servertest"
)

// storeFile begins the names of the files that belong to the embedded store.
const storeFile = "aankomst.db"

// sqliteObserver holds all of an embedded store: each row of each table with its hidden number, each page of
// the file, each frame of the write-ahead log, decrypted, and the index of the log.
type sqliteObserver struct {
	t          *testing.T
	folder     string
	conn       *sqlite3.Conn
	statements map[string]*sqlite3.Stmt
	// version is SQLite's own mark of the state that tables shows.
	version int
	tables  observation

	database, log ciphered
	pages, frames []*row
	index         blocks
	// latest is the latest content of each page, from the file or the log.
	latest map[uint32][]byte
}

func (o *sqliteObserver) snapshot() observation {
	o.readTables()
	held := observation{}
	for name, rows := range o.tables {
		held["table "+name] = rows
	}
	o.readDatabase()
	o.readLog()
	index, err := os.ReadFile(o.path("-shm"))
	must(o.t, err)
	held["database"], held["write-ahead log"], held["index of the log"] = o.pages, o.frames, o.index.read(index)
	return held
}

func (o *sqliteObserver) path(suffix string) string { return filepath.Join(o.folder, storeFile+suffix) }

// readTables reads every table in one transaction, unless nobody has committed since.
func (o *sqliteObserver) readTables() {
	version := 0
	o.query(`PRAGMA data_version`, func(s *sqlite3.Stmt) { version = s.ColumnInt(0) })
	if version == o.version {
		return
	}
	must(o.t, o.conn.Exec(`BEGIN`))
	queries := map[string]string{"sqlite_schema": `SELECT rowid AS "hidden number", * FROM sqlite_schema`}
	o.query(`SELECT name, wr FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name <> 'sqlite_schema'`, func(s *sqlite3.Stmt) {
		name, hidden := s.ColumnText(0), `rowid AS "hidden number", `
		if s.ColumnBool(1) { // WITHOUT ROWID
			hidden = ""
		}
		queries[name] = `SELECT ` + hidden + `* FROM "` + name + `"`
	})
	o.tables = observation{}
	for name, query := range queries {
		o.tables[name] = nil
		o.query(query, func(s *sqlite3.Stmt) {
			fields := make([]field, s.ColumnCount())
			for i := range fields {
				fields[i] = field{name: s.ColumnName(i), value: s.ColumnBlob(i, nil)}
			}
			o.tables[name] = append(o.tables[name], newRow(fields...))
		})
	}
	// Another commit before the transaction's first read is in it: the mark is asked for anew.
	o.query(`PRAGMA data_version`, func(s *sqlite3.Stmt) { o.version = s.ColumnInt(0) })
	must(o.t, o.conn.Exec(`COMMIT`))
}

// query keeps its statements, since most are asked again and again.
func (o *sqliteObserver) query(query string, each func(*sqlite3.Stmt)) {
	statement := o.statements[query]
	if statement == nil {
		var err error
		statement, _, err = o.conn.Prepare(query)
		must(o.t, err)
		o.statements[query] = statement
	}
	for statement.Step() {
		each(statement)
	}
	must(o.t, errors.Join(statement.Err(), statement.Reset()))
}

func (o *sqliteObserver) readDatabase() {
	changed := o.database.read(o.t, o.path(""))
	pages := slices.Clone(o.pages[:min(len(o.pages), len(o.database.plain)/blockSize)])
	for _, i := range changed {
		content := slices.Clone(o.database.plain[i*blockSize : (i+1)*blockSize])
		page := uint32(i + 1)
		if i == len(pages) {
			pages = append(pages, nil)
			o.latest[page] = content
		}
		var before []byte
		if pages[i] != nil {
			before = pages[i].fields[1].value
		}
		pages[i] = newRow(number("page", page), field{"content", content, before})
	}
	if len(changed) > 0 || len(pages) != len(o.pages) {
		o.pages = pages
	}
}

// The layout of a write-ahead log, from SQLite's description of its file format.
const (
	logHeader   = 32
	frameHeader = 24
	frameSize   = frameHeader + blockSize
)

// readLog reads the frames that were written since. The page in a frame is compared with its version before.
func (o *sqliteObserver) readLog() {
	changed := o.log.read(o.t, o.path("-wal"))
	frames := slices.Clone(o.frames[:min(len(o.frames), max(0, len(o.log.plain)-logHeader)/frameSize)])
	if len(changed) == 0 && len(frames) == len(o.frames) {
		return
	}
	first := len(frames)
	if len(changed) > 0 {
		first = min(first, max(0, changed[0]*blockSize-logHeader)/frameSize)
	}
	for at := logHeader + first*frameSize; at+frameSize <= len(o.log.plain); at += frameSize {
		i, frame := (at-logHeader)/frameSize, o.log.plain[at:at+frameSize]
		if i < len(frames) && bytes.Equal(frames[i].fields[4].value, frame[frameHeader:]) && bytes.Equal(frames[i].fields[3].value, frame[16:frameHeader]) {
			continue
		}
		if i == len(frames) {
			frames = append(frames, nil)
		}
		page, content := binary.BigEndian.Uint32(frame), slices.Clone(frame[frameHeader:])
		frames[i] = newRow(
			number("page", page), number("pages", binary.BigEndian.Uint32(frame[4:])),
			field{name: "salt", value: slices.Clone(frame[8:16])}, field{name: "checksum", value: slices.Clone(frame[16:frameHeader])},
			field{"content", content, o.latest[page]},
		)
		o.latest[page] = content
	}
	o.frames = frames
}

// ciphered is a file of the store, of which only the blocks that changed are decrypted.
type ciphered struct {
	key                [32]byte
	cipher, now, plain []byte
}

// read reads the file again and returns which blocks have changed; a file that is not there is empty.
func (c *ciphered) read(t *testing.T, path string) (changed []int) {
	t.Helper()
	file, err := os.Open(path)
	if os.IsNotExist(err) {
		c.cipher, c.plain = nil, nil
		return nil
	}
	must(t, err)
	defer file.Close()
	info, err := file.Stat()
	must(t, err)
	c.now = slices.Grow(c.now[:0], int(info.Size()))[:info.Size()]
	n, err := io.ReadFull(file, c.now) // less when it was emptied at this moment
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	c.now = c.now[:n]
	size := len(c.now) / blockSize * blockSize
	was := min(size, len(c.cipher))
	c.cipher, c.plain = slices.Grow(c.cipher[:was], size-was)[:size], slices.Grow(c.plain[:was], size-was)[:size]
	tweak := make([]byte, 8)
	decrypter := adiantum.New(c.key[:])
	for at := 0; at < size; at += blockSize {
		new, old := c.now[at:at+blockSize], c.cipher[at:at+blockSize]
		if at < was && bytes.Equal(new, old) {
			continue
		}
		copy(old, new)
		binary.LittleEndian.PutUint64(tweak, uint64(at))
		copy(c.plain[at:], decrypter.Decrypt(slices.Clone(new), tweak))
		changed = append(changed, at/blockSize)
	}
	return changed
}

// embedded is the store in one file.
var embedded = backing{"embedded", func(t *testing.T, options servertest.Options) (*servertest.Fixture, backdoor) {
	t.Helper()
	f := servertest.Start(t, options)
	writer := openDirectly(t, f.Folder, "secure_delete = ON")
	return f, backdoor{
		observer: &sqliteObserver{
			t: t, folder: f.Folder, conn: openDirectly(t, f.Folder, "query_only = ON"), statements: map[string]*sqlite3.Stmt{},
			latest: map[uint32][]byte{}, database: ciphered{key: storeKey(t, f.Folder)}, log: ciphered{key: storeKey(t, f.Folder)},
		},
		exec: func(statement string, args ...any) {
			t.Helper()
			must(t, writer.Exec(fmt.Sprintf(statement, args...)))
		},
		literal: func(content []byte) string { return fmt.Sprintf("x'%x'", content) },
	}
}}

// openDirectly connects to the database behind the server's back.
func openDirectly(t *testing.T, folder, setting string) *sqlite3.Conn {
	t.Helper()
	key := storeKey(t, folder)
	address := url.URL{Scheme: "file", OmitHost: true, Path: filepath.Join(folder, storeFile), RawQuery: "vfs=adiantum&mode=rw"}
	conn, err := sqlite3.Open(address.String())
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	must(t, conn.Exec(`PRAGMA hexkey = '`+hex.EncodeToString(key[:])+`'; PRAGMA temp_store = MEMORY; PRAGMA busy_timeout = 5000; PRAGMA `+setting))
	return conn
}
