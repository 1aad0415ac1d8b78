package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"aankomst/server/store"
	"aankomst/server/store/book"
)

// Record implements store.Tally. It wraps store.ErrUncertain when the connection was lost during the
// commit, and has then tried no more.
func (s *Store) Record(ctx context.Context, entries []store.Entry) ([]store.Outcome, error) {
	if err := book.Check(entries); err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	if len(entries) == 0 {
		return nil, nil
	}
	touched := touchedBy(entries)
	var outcomes []store.Outcome
	err := s.write(ctx, func(tx tx) error {
		b, shard, err := load(tx, touched)
		if err != nil {
			return err
		}
		outcomes = b.Play(entries)
		return save(tx, b, shard)
	})
	if err != nil {
		return nil, err
	}
	return outcomes, nil
}

// touch is what entries touch: cohorts and codes, and whether anything is taken back.
type touch struct {
	years  []int // ascending, so that all take their locks in one order
	codes  map[int][][]byte
	undoes bool
}

func touchedBy(entries []store.Entry) touch {
	t := touch{codes: map[int][][]byte{}}
	for _, e := range entries {
		if code, spends := book.CodeOf(e); spends {
			t.codes[e.Year] = append(t.codes[e.Year], code.Nullifier[:])
		} else if _, known := t.codes[e.Year]; !known {
			t.codes[e.Year] = nil
		}
		t.undoes = t.undoes || e.Kind == store.Undo
	}
	t.years = slices.Sorted(maps.Keys(t.codes))
	return t
}

// load takes the locks and reads what the entries touch, in one round trip. Each statement sees what
// was committed before it began, so the reads come after the locks.
func load(tx tx, t touch) (b *book.Book, shard int, err error) {
	b = book.New()
	batch := new(pgx.Batch)
	for _, year := range t.years {
		batch.Queue(`SELECT pg_advisory_xact_lock_shared($1, $2)`, lockYear, year)
	}
	if t.undoes {
		batch.Queue(`SELECT pg_advisory_xact_lock($1, 0)`, lockUndo)
	}
	queueShard(batch, &shard)
	batch.Queue(`SELECT year, ARRAY(SELECT number FROM pools WHERE pools.year = cohorts.year) FROM cohorts WHERE year = ANY($1) AND stage = $2`,
		t.years, store.StageOpen).Query(func(rows pgx.Rows) error {
		var year int
		var pools []uint32
		_, err := pgx.ForEachRow(rows, []any{&year, &pools}, func() error {
			b.Open(year, pools...)
			return nil
		})
		return err
	})
	for year, codes := range t.codes {
		if len(codes) > 0 {
			queueSpent(batch, b, year, codes)
		}
		if t.undoes {
			batch.Queue(selectCounters, year).Query(func(rows pgx.Rows) error {
				return eachCounter(rows, year, b.Count)
			})
		}
	}
	return b, shard, tx.together(batch)
}

// queueSpent queues the look-up of how codes are spent.
func queueSpent(batch *pgx.Batch, b *book.Book, year int, codes [][]byte) {
	batch.Queue(`SELECT nullifier, kind FROM spent WHERE year = $1 AND nullifier = ANY($2)`, year, codes).
		Query(func(rows pgx.Rows) error {
			var nullifier []byte
			var kind book.Kind
			_, err := pgx.ForEachRow(rows, []any{&nullifier, &kind}, func() error {
				b.Spent(book.Code{Year: year, Nullifier: store.Nullifier(nullifier)}, kind)
				return nil
			})
			return err
		})
}

// save writes what is not as it was, in one round trip. It returns errAgain when another transaction
// spent or gave back one of the codes after load looked.
func save(tx tx, b *book.Book, shard int) error {
	batch := new(pgx.Batch)
	came := 0 // rows that another transaction had changed
	for year, rows := range byYear(b.Codes()) {
		rows.queue(batch, year, &came)
	}
	if counted := b.Counted(); len(counted) > 0 {
		queueCounts(batch, counted, shard)
	}
	if batch.Len() == 0 {
		return nil
	}
	if err := tx.together(batch); err != nil {
		return err
	}
	if came > 0 {
		return errAgain
	}
	return nil
}

// changes are rows of one cohort to be deleted and inserted.
type changes struct {
	gone  [][]byte // all spent by arrival: a void is for good
	fresh [][]byte
	kinds []int16
}

func byYear(codes []book.CodeChange) map[int]*changes {
	years := map[int]*changes{}
	for _, c := range codes {
		if years[c.Year] == nil {
			years[c.Year] = new(changes)
		}
		of := years[c.Year]
		nullifier := slices.Clone(c.Nullifier[:])
		if c.Was != book.Unspent {
			of.gone = append(of.gone, nullifier)
		}
		if c.Now != book.Unspent {
			of.fresh, of.kinds = append(of.fresh, nullifier), append(of.kinds, int16(c.Now))
		}
	}
	return years
}

func (c *changes) queue(batch *pgx.Batch, year int, came *int) {
	if len(c.gone) > 0 {
		queued := batch.Queue(`DELETE FROM spent WHERE year = $1 AND nullifier = ANY($2) AND kind = $3`, year, c.gone, book.SpentByArrival)
		expectRows(queued, len(c.gone), came)
	}
	if len(c.fresh) > 0 {
		queued := batch.Queue(`INSERT INTO spent (year, nullifier, kind)
			SELECT $1, nullifier, kind FROM unnest($2::bytea[], $3::smallint[]) AS fresh (nullifier, kind)
			ON CONFLICT DO NOTHING`, year, c.fresh, c.kinds)
		expectRows(queued, len(c.fresh), came)
	}
}

// expectRows adds to missed how many rows a statement should have changed and did not.
func expectRows(queued *pgx.QueuedQuery, rows int, missed *int) {
	queued.Query(func(result pgx.Rows) error {
		result.Close()
		*missed += rows - int(result.CommandTag().RowsAffected())
		return result.Err()
	})
}

func queueCounts(batch *pgx.Batch, counted map[book.Counter]book.Change[int], shard int) {
	var years, by []int
	var pools []uint32
	var measures []string
	for counter, count := range counted {
		years, pools, measures = append(years, counter.Year), append(pools, counter.Pool), append(measures, counter.Measure)
		by = append(by, count.Now-count.Was)
	}
	batch.Queue(`UPDATE counters SET count = count + counted.by
		FROM unnest($1::int[], $2::bigint[], $3::text[], $4::bigint[]) AS counted (year, pool, measure, by)
		WHERE counters.year = counted.year AND counters.pool = counted.pool AND counters.measure = counted.measure AND shard = $5`,
		years, pools, measures, by, shard)
}

// selectCounters adds the shards up. One statement sees one state of them all.
const selectCounters = `SELECT pool, measure, sum(count)::bigint FROM counters WHERE year = $1 GROUP BY pool, measure`

// eachCounter hands on the counters of a cohort.
func eachCounter(rows pgx.Rows, year int, do func(book.Counter, int)) error {
	counter, count := book.Counter{Year: year}, 0
	_, err := pgx.ForEachRow(rows, []any{&counter.Pool, &counter.Measure, &count}, func() error {
		do(counter, count)
		return nil
	})
	return err
}

// countersOf reads the counters of a cohort; none when there is no such cohort.
func countersOf(tx tx, year int) (map[book.Counter]int, error) {
	rows, err := tx.Query(tx.ctx, selectCounters, year)
	if err != nil {
		return nil, err
	}
	counters := map[book.Counter]int{}
	return counters, eachCounter(rows, year, func(counter book.Counter, count int) { counters[counter] = count })
}

// Counts implements store.Tally.
func (s *Store) Counts(ctx context.Context, year int) (store.Counts, error) {
	var counters map[book.Counter]int
	err := s.read(ctx, func(tx tx) (err error) {
		counters, err = countersOf(tx, year)
		return err
	})
	if err == nil && len(counters) == 0 {
		err = store.ErrNotFound
	}
	if err != nil {
		return store.Counts{}, err
	}
	return book.Tabulate(year, counters), nil
}
