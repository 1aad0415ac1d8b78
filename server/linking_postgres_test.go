//go:build unix

package server_test

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"aankomst/server/servertest"
	"aankomst/server/store/postgres/pgtest"
)

func init() { backings = append(backings, shared) }

// shared is the store in a database of PostgreSQL.
var shared = backing{"shared", func(t *testing.T, options servertest.Options) (*servertest.Fixture, backdoor) {
	t.Helper()
	// The whole of the log is kept, so that the observer can read what was written before a checkpoint.
	cluster := pgtest.NewCluster(t, "wal_keep_size = 4GB")
	options.Postgres = cluster.DSN("aankomst")
	f := servertest.Start(t, options)
	o := &postgresObserver{t: t, cluster: cluster, files: map[string]*dataFile{}}
	var err error
	o.conn, err = pgconn.Connect(t.Context(), cluster.AdminDSN("aankomst"))
	must(t, err)
	t.Cleanup(func() { o.conn.Close(t.Context()) })
	o.query(`CHECKPOINT`)
	start := o.query(`SELECT pg_current_wal_flush_lsn(), oid FROM pg_database WHERE datname = current_database()`)[0]
	o.seen, o.database = start[0].string(), start[1].string()
	return f, backdoor{
		observer: o,
		exec: func(statement string, args ...any) {
			t.Helper()
			o.query(fmt.Sprintf(statement, args...))
		},
		literal: func(content []byte) string { return fmt.Sprintf(`'\x%x'`, content) },
	}
}}

// postgresObserver holds all of a database: each version of each row that can be seen, with its hidden columns,
// every file, the write-ahead log, in bytes and as PostgreSQL's own program tells it, and what PostgreSQL
// counts of its tables and its own work.
type postgresObserver struct {
	t       *testing.T
	cluster *pgtest.Cluster
	conn    *pgconn.PgConn

	database  string // the folder of its files
	snapshots int
	seen      string // up to where the log was read
	// What was written to the log, between two snapshots and record by record, and what PostgreSQL logged.
	written, records, log []*row
	told                  int // how much of the server's own log was read
	files                 map[string]*dataFile
}

// checkpointEvery is after how many snapshots the files get what until then is in the log alone, as happens
// every few minutes in real life.
const checkpointEvery = 25

func (o *postgresObserver) snapshot() observation {
	if o.snapshots++; o.snapshots%checkpointEvery == 0 {
		o.query(`CHECKPOINT`)
	}
	held := observation{}
	o.readTables(held)
	o.readLog(held)
	o.readFiles(held)
	content := o.cluster.Log()
	for line := range strings.Lines(content[o.told:]) {
		o.log = append(o.log, newRow(text("line", line)))
	}
	o.told = len(content)
	held["the database's own log"] = o.log
	return held
}

// result is what one statement gives: rows of fields, as text.
type result [][]field

func (f field) string() string { return string(f.value) }

// query runs statements and returns the rows of all of them.
func (o *postgresObserver) query(statements string) (all result) {
	for _, one := range o.queries(statements) {
		all = append(all, one...)
	}
	return all
}

// queries runs statements in one round trip.
func (o *postgresObserver) queries(statements string) (all []result) {
	o.t.Helper()
	reader := o.conn.Exec(o.t.Context(), statements)
	for reader.NextResult() {
		var one result
		rows := reader.ResultReader()
		for rows.NextRow() {
			var fields []field
			for i, value := range rows.Values() {
				fields = append(fields, text(rows.FieldDescriptions()[i].Name, string(value)))
			}
			one = append(one, fields)
		}
		all = append(all, one)
	}
	must(o.t, reader.Close())
	return all
}

// views are what PostgreSQL tells of the tables, of who is connected, and of what it does. It keeps the counts of
// pg_stat when it is stopped.
var views = []string{
	`pg_stat_user_tables`, `pg_stat_user_indexes`, `pg_statio_user_tables`, `pg_statio_user_indexes`,
	`pg_stat_database WHERE datname = current_database()`, `pg_stat_wal`, `pg_stat_bgwriter`, `pg_stat_slru`,
	`pg_stat_activity`, `pg_locks`, `pg_sequences`, `pg_stats WHERE schemaname = 'public'`,
	`(SELECT *, pg_relation_size(oid) AS size FROM pg_class WHERE relnamespace = 'public'::regnamespace) AS pg_class`,
}

func (o *postgresObserver) readTables(held observation) {
	o.t.Helper()
	var names []string
	var statements strings.Builder
	statements.WriteString(`BEGIN ISOLATION LEVEL REPEATABLE READ;`)
	for _, r := range o.query(`SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace`) {
		names = append(names, "table "+r[0].string())
		fmt.Fprintf(&statements, `SELECT ctid, xmin, xmax, cmin, cmax, tableoid, * FROM "%s";`, r[0].value)
	}
	for _, one := range views {
		names = append(names, view+one)
		fmt.Fprintf(&statements, `SELECT * FROM %s;`, one)
	}
	statements.WriteString(`COMMIT`)
	results := o.queries(statements.String())
	for i, name := range names {
		for _, fields := range results[1+i] {
			held[name] = append(held[name], newRow(fields...))
		}
	}
}

// described is a line of pg_waldump.
var described = regexp.MustCompile(`^rmgr: (\S+)\s+len \(rec/tot\):\s+(\d+)/\s*(\d+), tx:\s+(\d+), lsn: (\S+), prev (\S+), desc: (.*)`)

// readLog reads what was written to the log since, as bytes and record by record.
func (o *postgresObserver) readLog(held observation) {
	o.t.Helper()
	now := o.query(`SELECT pg_current_wal_flush_lsn()`)[0][0].string()
	if now != o.seen {
		folder := filepath.Join(o.cluster.Data(), "pg_wal")
		// It complains when the last record is not whole yet; the records before it are written out.
		output, _ := exec.CommandContext(o.t.Context(), pgtest.Bin(o.t, "pg_waldump"), "--path="+folder, "--start="+o.seen, "--end="+now).Output()
		for line := range strings.Lines(string(output)) {
			if parts := described.FindStringSubmatch(line); parts != nil {
				var fields []field
				for i, name := range []string{"rmgr", "length", "total length", "tx", "lsn", "prev", "desc"} {
					fields = append(fields, text(name, parts[i+1]))
				}
				o.records = append(o.records, newRow(fields...))
			}
		}
		content := o.bytes(folder, position(o.t, o.seen), position(o.t, now))
		o.written = append(o.written, newRow(text("from", o.seen), text("to", now), field{name: "content", value: content}))
		o.seen = now
	}
	held["write-ahead log"], held["records of the write-ahead log"] = o.written, o.records
}

// segment is the size of a file of the log.
const segment = 16 << 20

// bytes returns the log between two positions.
func (o *postgresObserver) bytes(folder string, from, to uint64) (content []byte) {
	for from < to {
		end := min(to, (from/segment+1)*segment)
		number := from / segment
		file, err := os.Open(filepath.Join(folder, fmt.Sprintf("%08X%08X%08X", 1, number>>8, number&0xff)))
		must(o.t, err)
		part := make([]byte, end-from)
		_, err = file.ReadAt(part, int64(from%segment))
		must(o.t, err)
		must(o.t, file.Close())
		content, from = append(content, part...), end
	}
	return content
}

// position reads a place in the log, two hexadecimal numbers with a slash between them.
func position(t *testing.T, lsn string) uint64 {
	t.Helper()
	high, low, _ := strings.Cut(lsn, "/")
	var halves [2]uint64
	for i, half := range []string{high, low} {
		n, err := strconv.ParseUint(half, 16, 32)
		must(t, err)
		halves[i] = n
	}
	return halves[0]<<32 | halves[1]
}

// dataFile is a file of the database as it was last seen.
type dataFile struct {
	blocks
	size     int64
	modified time.Time
	meta     *row
}

// readFiles reads each file that was written since, but the log's, which is read apart, and those of the
// databases that every cluster has.
func (o *postgresObserver) readFiles(held observation) {
	var metas, content []*row
	must(o.t, filepath.WalkDir(o.cluster.Data(), func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return ignoreGone(err)
		case entry.IsDir() && filepath.Base(filepath.Dir(path)) == "base" && entry.Name() != o.database:
			return fs.SkipDir
		case entry.IsDir():
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return ignoreGone(err)
		}
		name := strings.TrimPrefix(path, o.cluster.Data())
		file := o.files[name]
		if file == nil {
			file = &dataFile{blocks: blocks{name: name}}
			o.files[name] = file
		}
		if file.meta == nil || file.size != info.Size() || !file.modified.Equal(info.ModTime()) {
			file.size, file.modified = info.Size(), info.ModTime()
			file.meta = newRow(text("name", name), number("size", file.size), number("modified", file.modified.UnixNano()))
			if !strings.HasPrefix(name, "/pg_wal") {
				raw, err := os.ReadFile(path)
				if err != nil {
					return ignoreGone(err)
				}
				file.read(raw)
			}
		}
		metas, content = append(metas, file.meta), append(content, file.rows...)
		return nil
	}))
	held["files of the database"], held["content of the files"] = metas, content
}
