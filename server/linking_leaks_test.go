package server_test

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"aankomst/refcode"
)

// leak is a trace that a careless server would leave. The test leaves it in the server's place, together with
// the call as far as anybody can tell who looks before and after.
type leak struct {
	name string
	// plant makes room for it in the store before the first step; nil when it lies elsewhere.
	plant func(w *world)
	// issued and confirmed leave it when the nth code was; nil when they leave nothing.
	issued, confirmed func(w *world, n int, code refcode.Code)
	// hides says what the attackers are not shown of it: a section when the field is empty, or one of the
	// fields of its rows. Nil hides nothing.
	hides func(section, field string) bool
}

// hash is a byte that the code determines. One in 256 other codes has the same.
func hash(code refcode.Code) byte { return sha256.Sum256([]byte(code.Symbols()))[0] }

// leaks are of every kind that this server could have had: copies, parts of copies, and orders; written
// anew, changed or taken away; in tables, in hidden columns, in files, in the log and in metrics.
var leaks = []leak{
	numbered("a number beside the spent code", nil),
	numbered("a number beside the spent code, in the files alone", tables),
	both("a byte in a table", func(w *world) { w.exec(`CREATE TABLE marks (mark INTEGER)`) },
		func(w *world, _ int, code refcode.Code) { w.exec(`INSERT INTO marks VALUES (%d)`, hash(code)) }),
	both("a byte in the log", nil,
		func(w *world, _ int, code refcode.Code) { w.log(`"evaluated":"%02x"`, hash(code)) }),
	both("a byte in a metric", nil,
		func(w *world, _ int, code refcode.Code) {
			w.around.gauge = fmt.Sprintf("aankomst_last %d\n", hash(code))
		}),
	both("the length of a line of the log", nil,
		func(w *world, _ int, code refcode.Code) { w.log(`"took":"%s"`, strings.Repeat("i", int(hash(code)))) }),
	both("the centre", nil, func(w *world, n int, _ refcode.Code) { w.log(`"centre":"%s"`, w.sentTo[n]) }),
	{
		name:      "roughly how long ago the code was issued",
		confirmed: func(w *world, n int, _ refcode.Code) { w.log(`"days":"%d"`, 2*w.codes-n+w.random.IntN(w.codes/3)) },
	},
	rowed("a row that is filled when its code is spent, by its place alone", `UPDATE outstanding SET mark = '%[2]x' WHERE mark = '%[1]x'`,
		func(section, field string) bool { return field == "mark" || !tables(section, "") }),
	rowed("a row that goes when its code is spent", `DELETE FROM outstanding WHERE mark = '%[1]x'`, nil),
}

// tables says of a section that it is a table.
func tables(section, _ string) bool { return strings.HasPrefix(section, "table ") }

// both is a leak that is left in the same way at both steps.
func both(name string, plant func(w *world), leave func(w *world, n int, code refcode.Code)) leak {
	return leak{name: name, plant: plant, issued: leave, confirmed: leave}
}

// numbered gives each referral a number that means nothing, and copies it when the code is spent.
func numbered(name string, hides func(section, field string) bool) leak {
	return leak{
		name: name, hides: hides,
		plant: func(w *world) {
			w.exec(`CREATE TABLE referrals (number INTEGER)`)
			w.exec(`ALTER TABLE spent ADD COLUMN referral INTEGER`)
		},
		issued: func(w *world, n int, _ refcode.Code) {
			w.numbers[n] = w.random.Int64N(1 << 31)
			w.exec(`INSERT INTO referrals VALUES (%d)`, w.numbers[n])
		},
		confirmed: func(w *world, n int, code refcode.Code) {
			w.exec(`UPDATE spent SET referral = %d WHERE nullifier = %s`, w.numbers[n], w.literal(w.nullifierOf(code, 1)))
		},
	}
}

// rowed makes a row for each code when it is issued, and does something with it when the code is spent.
func rowed(name, spend string, hides func(section, field string) bool) leak {
	return leak{
		name: name, hides: hides,
		plant: func(w *world) { w.exec(`CREATE TABLE outstanding (mark TEXT)`) },
		issued: func(w *world, _ int, code refcode.Code) {
			w.exec(`INSERT INTO outstanding VALUES ('%x')`, sha256.Sum256([]byte(code.Symbols())))
		},
		confirmed: func(w *world, _ int, code refcode.Code) {
			hash := sha256.Sum256([]byte(code.Symbols()))
			w.exec(spend, hash, sha256.Sum256(hash[:]))
		},
	}
}

// shown returns what is left of differences when something is hidden.
func shown(all map[string]difference, hides func(section, field string) bool) map[string]difference {
	if hides == nil {
		return all
	}
	left := map[string]difference{}
	for section, d := range all {
		if !hides(section, "") {
			left[section] = difference{shownOf(section, d.fresh, hides), shownOf(section, d.gone, hides), d.rows}
		}
	}
	return left
}

func shownOf(section string, rows []placed, hides func(section, field string) bool) []placed {
	left := make([]placed, len(rows))
	for i, r := range rows {
		var fields []field
		for _, f := range r.fields {
			if !hides(section, f.name) {
				fields = append(fields, f)
			}
		}
		left[i] = placed{newRow(fields...), r.at}
	}
	return left
}
