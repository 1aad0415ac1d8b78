package sqlite

import (
	"errors"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"aankomst/migrations"
)

// tables lists the tables of the database, those of SQLite and of the migration tool included.
func tables(t *testing.T, s *Store) []string {
	t.Helper()
	return texts(t, s, `SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name`)
}

func texts(t *testing.T, s *Store, query string, args ...any) (all []string) {
	t.Helper()
	ok(t, s.read(t.Context(), func(tx tx) (err error) {
		all, err = collect(tx, func(row scanner) (text string, err error) { return text, row.Scan(&text) }, query, args...)
		return err
	}))
	return all
}

// Nothing that Record writes may carry a time, a serial number, an author or an order.
func TestSchemaOfWhatRecordWrites(t *testing.T) {
	_, s := openNew(t)
	for table, want := range map[string][]string{
		"counters": {"year INTEGER", "pool INTEGER", "measure TEXT", "count INTEGER"},
		"spent":    {"year INTEGER", "nullifier BLOB", "kind INTEGER"},
	} {
		got := texts(t, s, `SELECT name || ' ' || type FROM pragma_table_xinfo(?)`, table) // hidden columns too
		if !slices.Equal(got, want) {
			t.Errorf("%s has the columns %v, want %v", table, got, want)
		}
		// A rowid is a serial number. Another index or a trigger would have an order or a trace of its own.
		if options := texts(t, s, `SELECT wr || ' ' || strict FROM pragma_table_list WHERE name = ?`, table); !slices.Equal(options, []string{"1 1"}) {
			t.Errorf("%s is not WITHOUT ROWID and STRICT: %v", table, options)
		}
		if others := texts(t, s, `SELECT name FROM sqlite_schema WHERE tbl_name = ? AND type <> 'table'
			AND name NOT LIKE 'sqlite_autoindex_%'`, table); len(others) != 0 {
			t.Errorf("%s has %v", table, others)
		}
	}
	for _, table := range tables(t, s) {
		if strings.Contains(texts(t, s, `SELECT sql FROM sqlite_schema WHERE name = ?`, table)[0], "AUTOINCREMENT") && table != "goose_db_version" {
			t.Errorf("%s counts its rows", table)
		}
	}
}

func TestOurTablesAreStrict(t *testing.T) {
	_, s := openNew(t)
	loose := texts(t, s, `SELECT name FROM pragma_table_list
		WHERE schema = 'main' AND type = 'table' AND NOT strict AND name NOT LIKE 'sqlite_%' AND name <> 'goose_db_version'`)
	if len(loose) != 0 {
		t.Errorf("not STRICT: %v", loose)
	}
}

// Every column is explained where it is made and in the data model, and neither explains one that is
// not there.
func TestColumnsAreExplained(t *testing.T) {
	_, s := openNew(t)
	model, err := os.ReadFile("../../../docs/data-model.md")
	ok(t, err)
	sections := map[string]string{}
	for _, section := range strings.Split(string(model), "\n### ")[1:] {
		name, body, _ := strings.Cut(section, "\n")
		body, _, _ = strings.Cut(body, "\n## ")
		sections[strings.Trim(name, "`")] = body
	}
	explained := explainedInMigrations(t)
	cell := regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| [^|]+ \\| [^|]+ \\|$")

	for _, table := range tables(t, s) {
		columns := texts(t, s, `SELECT name FROM pragma_table_xinfo(?)`, table)
		var described []string
		for _, match := range cell.FindAllStringSubmatch(sections[table], -1) {
			described = append(described, match[1])
		}
		if !slices.Equal(described, columns) {
			t.Errorf("docs/data-model.md describes of %s %v, want %v", table, described, columns)
		}
		for _, column := range columns {
			if !explained[table+"."+column] {
				t.Errorf("no comment in the migrations says what %s.%s holds", table, column)
			}
		}
		delete(sections, table)
	}
	for table := range sections {
		t.Errorf("docs/data-model.md describes %s, which is no table", table)
	}
}

// explainedInMigrations finds the columns that have a comment right above them, alone or with their
// neighbours, and those that a comment names with their table.
func explainedInMigrations(t *testing.T) map[string]bool {
	t.Helper()
	names, err := fs.Glob(migrations.SQLite, "*.sql")
	ok(t, errors.Join(err))
	create := regexp.MustCompile(`^CREATE TABLE ([a-z_]+) \($`)
	column := regexp.MustCompile(`^    ([a-z_]+) +(INTEGER|TEXT|BLOB)\b`)
	named := regexp.MustCompile(`^--   ([a-z_]+\.[a-z_]+) +\S`)
	explained := map[string]bool{}
	for _, name := range names {
		data, err := fs.ReadFile(migrations.SQLite, name)
		ok(t, err)
		table, comment, tableComment := "", false, false
		for _, line := range strings.Split(string(data), "\n") {
			switch {
			case named.MatchString(line):
				explained[named.FindStringSubmatch(line)[1]] = true
			case strings.HasPrefix(line, "--"):
				tableComment = true
			case strings.HasPrefix(line, "    --"):
				comment = true
			case create.MatchString(line):
				table = create.FindStringSubmatch(line)[1]
				if !tableComment {
					t.Errorf("%s: no comment above %s", name, table)
				}
				comment = false
			case column.MatchString(line):
				if comment {
					explained[table+"."+column.FindStringSubmatch(line)[1]] = true
				}
			default:
				comment, tableComment = false, false
			}
		}
	}
	return explained
}

// What is published or frozen is refused by the schema itself, whoever asks.
func TestNothingAltersWhatIsAppended(t *testing.T) {
	_, s := openNew(t)
	ok(t, createCohort(t.Context(), s))
	for _, insert := range []string{
		`INSERT INTO drafts VALUES (2026, '2026-06-30', x'00')`,
		`INSERT INTO releases VALUES (1, 2026, '2026-06-30', x'00', zeroblob(32), zeroblob(32))`,
		`INSERT INTO acts VALUES (100, 0, 'server', 'x', '', '', zeroblob(32), zeroblob(32))`,
	} {
		_, err := s.writer.ExecContext(t.Context(), insert)
		ok(t, err)
	}
	for table, column := range map[string]string{"drafts": "year", "releases": "year", "pool_centres": "year", "acts": "at"} {
		for _, statement := range []string{`UPDATE ` + table + ` SET ` + column + ` = 900`, `DELETE FROM ` + table} {
			if _, err := s.writer.ExecContext(t.Context(), statement); err == nil {
				t.Errorf("%s was carried out", statement)
			}
		}
	}
}

// A program that does not know statements is kept from counting a year that one covers.
func TestTheSchemaKeepsCohortsAndStatementsApart(t *testing.T) {
	_, s := openNew(t)
	for _, step := range []struct {
		statement string
		refused   bool
	}{
		{`INSERT INTO statements VALUES ('a', 2024, 2026, 'd', 1, -1, '', 's')`, false},
		{`INSERT INTO cohorts VALUES (2025, 1, x'07', 'open', '2025-01-01', '[]', zeroblob(32))`, true},
		{`INSERT INTO cohorts VALUES (2027, 1, x'07', 'open', '2027-01-01', '[]', zeroblob(32))`, false},
		{`INSERT INTO statements VALUES ('b', 2027, 2027, 'd', 1, -1, '', 's')`, true},
		{`UPDATE statements SET to_year = 2028`, true},
		{`DELETE FROM statements`, false},
		{`INSERT INTO cohorts VALUES (2025, 1, x'07', 'open', '2025-01-01', '[]', zeroblob(32))`, false},
	} {
		if _, err := s.writer.ExecContext(t.Context(), step.statement); (err != nil) != step.refused {
			t.Errorf("%s: error %v", step.statement, err)
		}
	}
}
