//go:build unix

package postgres

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"aankomst/migrations"
	"aankomst/server/store"
)

// columnsOf lists the columns of every table of ours, in their order.
func columnsOf(t *testing.T, s *Store) map[string][]string {
	t.Helper()
	columns := map[string][]string{}
	for _, name := range texts(t, s, `SELECT table_name || '.' || column_name FROM information_schema.columns
		WHERE table_schema = 'public' AND table_name NOT LIKE 'spent\_%' ORDER BY table_name, ordinal_position`) {
		table, column, _ := strings.Cut(name, ".")
		columns[table] = append(columns[table], column)
	}
	return columns
}

// Every column is explained where it is made and in the data model, and neither explains one that is not
// there.
func TestColumnsAreExplained(t *testing.T) {
	t.Parallel()
	s := replicas(t, 1)[0]
	model, err := os.ReadFile("../../../docs/data-model.md")
	ok(t, err)
	described := map[string][]string{}
	cell := regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| [^|]+ \\| [^|]+ \\|$")
	for _, section := range strings.Split(string(model), "\n### ")[1:] {
		name, body, _ := strings.Cut(section, "\n")
		body, _, _ = strings.Cut(body, "\n## ")
		for _, match := range cell.FindAllStringSubmatch(body, -1) {
			described[strings.Trim(name, "`")] = append(described[strings.Trim(name, "`")], match[1])
		}
	}
	delete(described, "sqlite_sequence")
	_, ours, _ := strings.Cut(string(model), "## Only in PostgreSQL")
	if !strings.Contains(ours, "| `shard` |") {
		t.Error("docs/data-model.md does not describe counters.shard")
	}
	described["counters"] = slices.Insert(described["counters"], 3, "shard")
	found := columnsOf(t, s)
	if !maps.EqualFunc(found, described, slices.Equal) {
		t.Errorf("docs/data-model.md describes\n%v\nwant\n%v", described, found)
	}
	for table, columns := range found {
		for _, column := range columns {
			if !explainedInMigrations(t)[table+"."+column] {
				t.Errorf("no comment in the migrations says what %s.%s holds", table, column)
			}
		}
	}
}

// explainedInMigrations finds the columns that have a comment right above them, alone or with their
// neighbours, and those that a comment names with their table.
func explainedInMigrations(t *testing.T) map[string]bool {
	t.Helper()
	names, err := fs.Glob(migrations.Postgres, "*.sql")
	ok(t, err)
	create := regexp.MustCompile(`^CREATE TABLE ([a-z_]+) \($`)
	column := regexp.MustCompile(`^    ([a-z_]+) +(integer|smallint|bigint|text|bytea|boolean)\b`)
	named := regexp.MustCompile(`^--   ([a-z_]+\.[a-z_]+) +\S`)
	explained := map[string]bool{}
	for _, name := range names {
		data, err := fs.ReadFile(migrations.Postgres, name)
		ok(t, err)
		table, comment := "", false
		for _, line := range strings.Split(string(data), "\n") {
			switch {
			case named.MatchString(line):
				explained[named.FindStringSubmatch(line)[1]] = true
			case strings.HasPrefix(line, "    --"):
				comment = true
			case create.MatchString(line):
				table, comment = create.FindStringSubmatch(line)[1], false
			case column.MatchString(line):
				explained[table+"."+column.FindStringSubmatch(line)[1]] = comment
			default:
				comment = false
			}
		}
	}
	return explained
}

// Nothing that Record writes may carry a time, a serial number, an author or an order.
func TestSchemaOfWhatRecordWrites(t *testing.T) {
	t.Parallel()
	s := replicas(t, 1)[0]
	for table, want := range map[string][]string{
		"counters":   {"year integer", "pool bigint", "measure text", "shard smallint", "count bigint"},
		"spent_2026": {"year integer", "nullifier bytea", "kind smallint"},
	} {
		got := texts(t, s, `SELECT attname || ' ' || format_type(atttypid, NULL) FROM pg_attribute
			WHERE attrelid = $1::regclass AND attnum > 0 ORDER BY attnum`, table)
		if !slices.Equal(got, want) {
			t.Errorf("%s has the columns %v, want %v", table, got, want)
		}
		// Another index or a trigger would have an order or a trace of its own.
		if indexes := texts(t, s, `SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = $1::regclass AND NOT indisprimary`, table); len(indexes) != 0 {
			t.Errorf("%s has %v", table, indexes)
		}
		if triggers := texts(t, s, `SELECT tgname::text FROM pg_trigger WHERE tgrelid = $1::regclass`, table); len(triggers) != 0 {
			t.Errorf("%s has %v", table, triggers)
		}
	}
	if sequences := texts(t, s, `SELECT relname::text FROM pg_class WHERE relkind = 'S'`); !slices.Equal(sequences, []string{"goose_db_version_id_seq"}) {
		t.Errorf("the sequences are %v", sequences)
	}
}

// What is published or frozen is refused by the schema itself, whoever asks.
func TestNothingAltersWhatIsAppended(t *testing.T) {
	t.Parallel()
	s := replicas(t, 1)[0]
	for table, column := range map[string]string{"drafts": "year", "releases": "year", "pool_centres": "year", "acts": "at"} {
		for _, statement := range []string{`UPDATE ` + table + ` SET ` + column + ` = 0`, `DELETE FROM ` + table, `TRUNCATE ` + table} {
			if err := s.write(t.Context(), func(tx tx) error { return tx.exec(statement) }); err == nil {
				t.Errorf("%s was carried out", statement)
			}
		}
	}
}

// A program that does not know statements is kept from counting a year that one covers.
func TestTheSchemaKeepsCohortsAndStatementsApart(t *testing.T) {
	t.Parallel()
	s := openAt(t, migrated.Database(t))
	for _, step := range []struct {
		statement string
		refused   bool
	}{
		{`INSERT INTO statements VALUES ('a', 2024, 2026, 'd', 1, -1, '', 's')`, false},
		{`INSERT INTO cohorts VALUES (2025, 1, '\x07', 'open', '2025-01-01', '{}', decode(repeat('00', 32), 'hex'))`, true},
		{`INSERT INTO cohorts VALUES (2027, 1, '\x07', 'open', '2027-01-01', '{}', decode(repeat('00', 32), 'hex'))`, false},
		{`INSERT INTO statements VALUES ('b', 2027, 2027, 'd', 1, -1, '', 's')`, true},
		{`UPDATE statements SET to_year = 2028`, true},
		{`DELETE FROM statements`, false},
		{`INSERT INTO cohorts VALUES (2025, 1, '\x07', 'open', '2025-01-01', '{}', decode(repeat('00', 32), 'hex'))`, false},
	} {
		if err := s.write(t.Context(), func(tx tx) error { return tx.exec(step.statement) }); (err != nil) != step.refused {
			t.Errorf("%s: error %v", step.statement, err)
		}
	}
}

// later returns the migrations of later versions of the program: one that this version understands, and
// one that it does not.
func later(t *testing.T) (understood, breaking fs.FS) {
	t.Helper()
	all := fstest.MapFS{}
	names, err := fs.Glob(migrations.Postgres, "*.sql")
	ok(t, err)
	for _, name := range names {
		data, err := fs.ReadFile(migrations.Postgres, name)
		ok(t, err)
		all[name] = &fstest.MapFile{Data: data}
	}
	all["9001_more.sql"] = &fstest.MapFile{Data: []byte("-- +goose Up\nALTER TABLE cohorts ADD COLUMN remark text NOT NULL DEFAULT '';\nCREATE TABLE remarks (id bigint PRIMARY KEY);\n")}
	next := maps.Clone(all)
	next["9002_other.sql"] = &fstest.MapFile{Data: []byte("-- +goose Up\nUPDATE compatibility SET oldest = 9001;\n")}
	return all, next
}

// A server of the version before goes on counting while the schema changes, and can be started again.
func TestUpgradeWhileAnOlderProgramWorks(t *testing.T) {
	t.Parallel()
	understood, breaking := later(t)
	dsn := migrated.Database(t)
	s := openAt(t, dsn)
	createCohort2026(t, s)
	recorded, stop := make(chan int), make(chan struct{})
	go func() {
		n := 0
		defer func() { recorded <- n }()
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := s.Record(t.Context(), []store.Entry{entryOf(store.Arrive, nullifier())}); err != nil {
				t.Error(err)
				return
			}
			n++
		}
	}()
	applied, err := migrate(t.Context(), dsn, Options{}, understood)
	ok(t, err)
	if applied != 1 {
		t.Errorf("%d migrations were applied, want 1", applied)
	}
	_, err = s.Record(t.Context(), []store.Entry{entryOf(store.Arrive, nullifier())})
	ok(t, err)
	close(stop)
	if n := <-recorded + 1; pool(t, s).Arrived != n {
		t.Errorf("%d arrived, want %d", pool(t, s).Arrived, n)
	}
	ok(t, s.Rewrite(t.Context()))
	again := openAt(t, dsn)
	_, err = again.Record(t.Context(), []store.Entry{entryOf(store.Arrive, nullifier())})
	ok(t, err)
	ok(t, copied(t.Context(), again, embedded(t)))
	applied, err = Migrate(t.Context(), dsn, Options{})
	ok(t, err)
	if applied != 0 {
		t.Errorf("the older program applied %d migrations", applied)
	}

	_, err = migrate(t.Context(), dsn, Options{}, breaking)
	ok(t, err)
	if _, err = Open(t.Context(), dsn, Options{}); !errors.Is(err, store.ErrSchema) {
		t.Errorf("error %v, want another schema", err)
	}
}

// Of several processes that make the schema at once one does, and all find it.
func TestMigrateTogether(t *testing.T) {
	t.Parallel()
	dsn := empty.Database(t)
	if _, err := Open(t.Context(), dsn, Options{}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an empty database: %v", err)
	}
	total := make(chan int)
	for range 3 {
		go func() {
			applied, err := Migrate(context.WithoutCancel(t.Context()), dsn, Options{})
			if err != nil {
				t.Error(err)
			}
			total <- applied
		}()
	}
	if applied := <-total + <-total + <-total; applied != 3 {
		t.Errorf("%d migrations were applied, want 3", applied)
	}
	ok(t, openAt(t, dsn).Ping(t.Context()))
}
