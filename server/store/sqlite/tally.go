package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"slices"

	"aankomst/server/store"
)

// The measures of a pool, by the names they have in the file.
const (
	issued              = "issued"
	voided              = "voided"
	arrived             = "arrived"
	elsewhere           = "elsewhere"
	replaced            = "replaced"
	replacementsVoided  = "replacements_voided"
	referredWithoutCode = "referred_without_code"
)

var poolMeasures = []string{
	issued, voided, arrived, elsewhere, replaced, replacementsVoided, referredWithoutCode,
}

// wholeCohort stands in the pool's place for what is counted for the cohort as a whole. The practice
// pool has the same number and no counters.
const wholeCohort = 0

const arrivedWithoutCode = "arrived_without_code"

// waits holds the measure of each waiting-time band, none for WaitUnknown.
var waits = [store.WaitBands]string{
	store.WaitUpTo2Weeks:      "wait_up_to_2_weeks",
	store.Wait2To6Weeks:       "wait_2_to_6_weeks",
	store.Wait6WeeksTo3Months: "wait_6_weeks_to_3_months",
	store.Wait3To6Months:      "wait_3_to_6_months",
	store.WaitOver6Months:     "wait_over_6_months",
}

// cohortMeasures are those of the cohort as a whole.
var cohortMeasures = append([]string{arrivedWithoutCode}, waits[1:]...)

// kind is how a code was spent, as it is stored; unspent ones are not.
type kind uint8

const (
	unspent kind = iota
	spentByArrival
	spentByVoid
)

// Record implements store.Tally. It plays the entries on a copy in memory and writes only what came
// out, so that a code spent and given back in one call leaves nothing behind.
func (s *Store) Record(ctx context.Context, entries []store.Entry) ([]store.Outcome, error) {
	for _, e := range entries {
		if e.Kind < store.Issue || e.Kind > store.Undo || e.WaitBand >= store.WaitBands {
			return nil, errors.New("sqlite: an entry has an unknown kind or waiting-time band")
		}
	}
	if len(entries) == 0 {
		return nil, nil
	}
	outcomes := make([]store.Outcome, len(entries))
	err := s.write(ctx, func(tx tx) error {
		book := book{tx: tx, years: map[int]bool{}, counts: map[counter]change[int]{}, codes: map[code]change[kind]{}}
		for i, e := range entries {
			var err error
			if outcomes[i], err = book.record(e); err != nil {
				return err
			}
		}
		return book.save()
	})
	if err != nil {
		return nil, err
	}
	return outcomes, nil
}

// counter names one counter.
type counter struct {
	year    int
	pool    uint32
	measure string
}

// code names one code of a cohort.
type code struct {
	year      int
	nullifier store.Nullifier
}

// change is what a value was before a transaction and what it is now.
type change[T any] struct{ was, now T }

// book is the part of the database that one call of Record touches.
type book struct {
	tx     tx
	years  map[int]bool // the cohorts looked at, and whether they are open
	counts map[counter]change[int]
	codes  map[code]change[kind]
}

func (b *book) record(e store.Entry) (store.Outcome, error) {
	open, err := b.open(e.Year)
	if err != nil {
		return 0, err
	}
	if !open {
		return store.NotOpen, nil
	}
	if e.Kind == store.ArriveWithoutCode {
		b.count(counter{e.Year, wholeCohort, arrivedWithoutCode}, 1)
		return store.Done, nil
	}
	if _, known := b.counts[counter{e.Year, e.Pool, issued}]; !known {
		return store.NotOpen, nil
	}

	switch e.Kind {
	case store.Issue:
		b.count(counter{e.Year, e.Pool, issued}, 1)
	case store.IssueReplacement:
		b.count(counter{e.Year, e.Pool, replaced}, 1)
	case store.ReferWithoutCode:
		b.count(counter{e.Year, e.Pool, referredWithoutCode}, 1)
	default:
		return b.spend(e)
	}
	return store.Done, nil
}

// spend records the kinds of entry that spend a code or give it back.
func (b *book) spend(e store.Entry) (store.Outcome, error) {
	code := code{e.Year, e.Nullifier}
	was, err := b.kind(code)
	if err != nil {
		return 0, err
	}
	switch {
	case e.Kind == store.Arrive && was == unspent:
		b.spent(code, spentByArrival)
		b.arrivals(e, 1)
	case (e.Kind == store.Arrive || e.Kind == store.Undo) && was == spentByVoid:
		return store.Voided, nil
	case e.Kind == store.Void && was == unspent:
		b.spent(code, spentByVoid)
		b.count(counter{e.Year, e.Pool, voided}, 1)
	case e.Kind == store.VoidReplacement && was == unspent:
		b.spent(code, spentByVoid)
		b.count(counter{e.Year, e.Pool, replacementsVoided}, 1)
	case (e.Kind == store.Void || e.Kind == store.VoidReplacement) && was == spentByArrival:
		return store.Arrived, nil
	case e.Kind == store.Undo && was == spentByArrival:
		b.spent(code, unspent)
		b.arrivals(e, -1)
	default:
		return store.DoneBefore, nil
	}
	return store.Done, nil
}

// arrivals counts one arrival more or less, with what is counted along.
func (b *book) arrivals(e store.Entry, by int) {
	b.count(counter{e.Year, e.Pool, arrived}, by)
	if e.Elsewhere {
		b.count(counter{e.Year, e.Pool, elsewhere}, by)
	}
	if e.WaitBand != store.WaitUnknown {
		b.count(counter{e.Year, wholeCohort, waits[e.WaitBand]}, by)
	}
}

// count changes a counter. It stays at zero where an undo takes back what was never counted: the
// centre that undoes may have another pool or another band than the one that confirmed.
func (b *book) count(c counter, by int) {
	value := b.counts[c]
	value.now = max(0, value.now+by)
	b.counts[c] = value
}

func (b *book) spent(c code, now kind) {
	b.codes[c] = change[kind]{b.codes[c].was, now}
}

// open reads a cohort's stage and counters when it is first asked for.
func (b *book) open(year int) (bool, error) {
	if open, known := b.years[year]; known {
		return open, nil
	}
	var stage store.Stage
	err := b.tx.row(`SELECT stage FROM cohorts WHERE year = ?`, year).Scan(&stage)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return false, err
	}
	b.years[year] = stage == store.StageOpen
	if stage != store.StageOpen {
		return false, nil
	}
	counts, err := countsOf(b.tx, year)
	for _, c := range counts {
		b.counts[c.counter] = change[int]{c.count, c.count}
	}
	return true, err
}

// kind says how a code is spent, after the entries played so far.
func (b *book) kind(c code) (kind, error) {
	if known, ok := b.codes[c]; ok {
		return known.now, nil
	}
	var was kind
	err := b.tx.row(`SELECT kind FROM spent WHERE year = ? AND nullifier = ?`, c.year, c.nullifier[:]).Scan(&was)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return unspent, err
	}
	b.codes[c] = change[kind]{was, was}
	return was, nil
}

// save writes what is not as it was.
func (b *book) save() error {
	for c, value := range b.counts {
		if value.was == value.now {
			continue
		}
		err := b.tx.exec(`UPDATE counters SET count = ? WHERE year = ? AND pool = ? AND measure = ?`,
			value.now, c.year, c.pool, c.measure)
		if err != nil {
			return err
		}
	}
	return b.saveCodes()
}

// saveCodes writes the codes in the order of their nullifiers. SQLite lays rows down within a page as
// they come, so any other order would stay readable until the next Rewrite.
func (b *book) saveCodes() error {
	changed := make([]code, 0, len(b.codes))
	for c, value := range b.codes {
		if value.was != value.now {
			changed = append(changed, c)
		}
	}
	if len(changed) == 0 {
		return nil
	}
	slices.SortFunc(changed, func(x, y code) int { return bytes.Compare(x.nullifier[:], y.nullifier[:]) })

	insert, err := b.tx.PrepareContext(b.tx.ctx, `INSERT INTO spent (year, nullifier, kind) VALUES (?, ?, ?)`)
	if err != nil {
		return err
	}
	defer insert.Close()
	for _, c := range changed {
		value := b.codes[c]
		if value.was != unspent {
			err := b.tx.exec(`DELETE FROM spent WHERE year = ? AND nullifier = ?`, c.year, c.nullifier[:])
			if err != nil {
				return err
			}
		}
		if value.now != unspent {
			if _, err := insert.ExecContext(b.tx.ctx, c.year, c.nullifier[:], value.now); err != nil {
				return err
			}
		}
	}
	return nil
}

// counted is one row of counters.
type counted struct {
	counter
	count int
}

func countsOf(tx tx, year int) ([]counted, error) {
	return collect(tx, func(row scanner) (c counted, err error) {
		c.year = year
		return c, row.Scan(&c.pool, &c.measure, &c.count)
	}, `SELECT pool, measure, count FROM counters WHERE year = ? ORDER BY pool, measure`, year)
}

// Counts implements store.Tally.
func (s *Store) Counts(ctx context.Context, year int) (store.Counts, error) {
	var rows []counted
	err := s.read(ctx, func(tx tx) (err error) {
		rows, err = countsOf(tx, year)
		return err
	})
	if err == nil && len(rows) == 0 {
		err = store.ErrNotFound
	}
	if err != nil {
		return store.Counts{}, err
	}

	of := map[counter]int{}
	for _, row := range rows {
		of[row.counter] = row.count
	}
	counts := store.Counts{Year: year, ArrivedWithoutCode: of[counter{year, wholeCohort, arrivedWithoutCode}]}
	for band := store.WaitUnknown + 1; band < store.WaitBands; band++ {
		counts.Waits[band] = of[counter{year, wholeCohort, waits[band]}]
	}
	for _, row := range rows {
		if row.measure != issued { // each pool has this one once
			continue
		}
		in := func(measure string) int { return of[counter{year, row.pool, measure}] }
		counts.Pools = append(counts.Pools, store.PoolCounts{
			Number:              row.pool,
			Issued:              in(issued),
			Voided:              in(voided),
			Arrived:             in(arrived),
			Elsewhere:           in(elsewhere),
			Replaced:            in(replaced),
			ReplacementsVoided:  in(replacementsVoided),
			ReferredWithoutCode: in(referredWithoutCode),
		})
	}
	return counts, nil
}
