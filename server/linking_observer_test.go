package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"aankomst/server/servertest"
)

// observation is everything that is held at one moment: sections by name, each with its rows in the order
// in which they lie there. Whatever is the same in two observations may be shared between them.
type observation map[string][]*row

// row is a row of a table, a line of a log or a page of a file.
type row struct {
	fields []field
	sum    uint64
}

type field struct {
	name  string
	value []byte
	// before is what stood in the place of a page: only what differs from it is new.
	before []byte
}

// observer holds everything that a server stores, or a part of it.
type observer interface{ snapshot() observation }

var seed = maphash.MakeSeed()

func newRow(fields ...field) *row {
	var sum maphash.Hash
	sum.SetSeed(seed)
	for _, f := range fields {
		sum.WriteString(f.name)
		sum.WriteByte(0)
		sum.Write(f.value)
		sum.WriteByte(0)
	}
	return &row{fields, sum.Sum64()}
}

func text(name, value string) field { return field{name: name, value: []byte(value)} }

func number[N int | int64 | uint32](name string, value N) field {
	return text(name, strconv.FormatInt(int64(value), 10))
}

// placed is a row and its place in its section.
type placed struct {
	*row
	at int
}

// difference is what a step changed in a section: the rows that are there after it and were not before,
// those that are gone, and how many rows there are now.
type difference struct {
	fresh, gone []placed
	rows        int
}

// differences returns what changed between two observations, by section.
func differences(before, after observation) map[string]difference {
	all := map[string]difference{}
	for section := range maps.Keys(after) {
		if changed := differ(before[section], after[section]); len(changed.fresh)+len(changed.gone) > 0 {
			all[section] = changed
		}
	}
	for section := range maps.Keys(before) {
		if _, still := after[section]; !still {
			all[section] = differ(before[section], nil)
		}
	}
	return all
}

func differ(before, after []*row) difference {
	changed := difference{rows: len(after)}
	if len(before) == len(after) && (len(after) == 0 || &before[0] == &after[0]) {
		return changed
	}
	// Most rows stand where they stood.
	head := 0
	for head < min(len(before), len(after)) && before[head].sum == after[head].sum {
		head++
	}
	had := map[uint64]int{}
	for _, r := range before[head:] {
		had[r.sum]++
	}
	for i, r := range after[head:] {
		if had[r.sum]--; had[r.sum] < 0 {
			changed.fresh = append(changed.fresh, placed{r, head + i})
		}
	}
	for i, r := range slices.Backward(before[head:]) {
		if had[r.sum]--; had[r.sum] >= 0 {
			changed.gone = append(changed.gone, placed{r, head + i})
		}
	}
	slices.Reverse(changed.gone)
	return changed
}

// surroundings is what a server leaves outside its tables: its log, what monitoring is told, and every
// file, by name, size and time, with the content of those that the store's observer does not read.
type surroundings struct {
	t *testing.T
	f *servertest.Fixture
	// gauge is a line that is added to the metrics, as if the server had such a gauge.
	gauge string

	web     *http.Client
	logged  int
	logs    []*row
	bodies  map[string]string
	answers map[string][]*row
	files   map[string]*blocks
}

func newSurroundings(t *testing.T, f *servertest.Fixture) *surroundings {
	transport := new(http.Transport)
	t.Cleanup(transport.CloseIdleConnections)
	return &surroundings{
		t: t, f: f, web: &http.Client{Transport: transport, Timeout: patience},
		bodies: map[string]string{}, answers: map[string][]*row{}, files: map[string]*blocks{},
	}
}

func (s *surroundings) snapshot() observation {
	held := observation{"log": s.log()}
	for name, address := range map[string]string{
		"metrics": s.f.Metrics, "readiness": s.f.HTTP + "/readyz", "health": s.f.HTTP + "/healthz",
	} {
		held[name] = s.answer(name, address)
	}
	must(s.t, filepath.WalkDir(s.f.Folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		return s.file(held, path)
	}))
	return held
}

func (s *surroundings) log() []*row {
	content := s.f.Logs.String()
	for line := range strings.Lines(content[s.logged:]) {
		s.logs = append(s.logs, newRow(entry(line)...))
	}
	s.logged = len(content)
	return s.logs
}

// entry reads a line of the log.
func entry(line string) (fields []field) {
	var values map[string]any
	if json.Unmarshal([]byte(line), &values) != nil {
		return []field{text("line", line)}
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		fields = append(fields, text(name, fmt.Sprint(values[name])))
	}
	return fields
}

func (s *surroundings) answer(name, address string) []*row {
	response, err := s.web.Get(address)
	must(s.t, err)
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	must(s.t, err)
	body := strconv.Itoa(response.StatusCode) + "\n" + string(content)
	if name == "metrics" {
		body += s.gauge
	}
	if s.bodies[name] == body {
		return s.answers[name]
	}
	var rows []*row
	for line := range strings.Lines(body) {
		// A gauge's value stands after the last space.
		line = strings.TrimSuffix(line, "\n")
		cut := strings.LastIndexByte(line, ' ') + 1
		rows = append(rows, newRow(text("name", line[:cut]), text("value", line[cut:])))
	}
	s.bodies[name], s.answers[name] = body, rows
	return rows
}

func (s *surroundings) file(held observation, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return ignoreGone(err)
	}
	name := filepath.Base(path)
	held["files"] = append(held["files"], newRow(
		text("name", name), number("size", info.Size()), text("mode", info.Mode().String()), number("modified", info.ModTime().UnixNano()),
	))
	if strings.HasPrefix(name, storeFile) {
		return nil
	}
	if s.files[path] == nil {
		s.files[path] = &blocks{name: name}
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return ignoreGone(err)
	}
	held["file "+name] = s.files[path].read(content)
	return nil
}

// ignoreGone is for files that a running server may remove while they are looked at.
func ignoreGone(err error) error {
	if os.IsNotExist(err) {
		return nil
	}
	return err
}

// blocks is a file as blocks of blockSize. A block that is not as it was is a new row.
type blocks struct {
	name    string
	content []byte
	rows    []*row
}

func (b *blocks) read(content []byte) []*row {
	if bytes.Equal(b.content, content) {
		return b.rows
	}
	rows := make([]*row, 0, len(b.rows)+1)
	for at := 0; at < len(content); at += blockSize {
		end := min(at+blockSize, len(content))
		var before []byte
		if at < len(b.content) {
			before = b.content[at:min(end, len(b.content))]
		}
		if i := at / blockSize; bytes.Equal(before, content[at:end]) {
			rows = append(rows, b.rows[i])
		} else {
			rows = append(rows, newRow(text("file", b.name), number("block", i), field{"content", content[at:end], before}))
		}
	}
	b.content, b.rows = content, rows
	return rows
}
