package postgres

import (
	"context"
	"iter"
	"slices"

	"github.com/jackc/pgx/v5"

	"aankomst/server/store"
	"aankomst/server/store/book"
)

// Snapshot implements store.Copies. All is read in one transaction, which may take an hour and sees one
// state of the database.
//
// What empties or drops a table is kept out before that state is fixed, since PostgreSQL would show the
// emptied table and not the one of that state. Used, which empties others, is kept out by the counters.
func (s *Store) Snapshot(ctx context.Context, do func(store.Snapshot) error) error {
	oneState := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	var done bool
	err := s.once(ctx, oneState, func(tx tx) error {
		if err := tx.exec(`LOCK TABLE spent, counters IN ACCESS SHARE MODE`); err != nil {
			return err
		}
		snapshot, err := snapshotOf(tx)
		if err != nil {
			return err
		}
		snapshot.Spent = spentCodes(ctx, tx, snapshot.Cohorts)
		if err := do(snapshot); err != nil {
			return failure{err}
		}
		done = true
		return nil
	})
	if done {
		return nil // whatever became of the commit, it had nothing to commit
	}
	return err
}

func snapshotOf(tx tx) (all store.Snapshot, err error) {
	if all.Centres, err = collect(tx, scanCentre, selectCentres+` ORDER BY id COLLATE "C"`); err != nil {
		return all, err
	}
	if all.Cohorts, err = collect(tx, scanCohort, selectCohorts+` ORDER BY year DESC`); err != nil {
		return all, err
	}
	for _, cohort := range all.Cohorts {
		counters, err := countersOf(tx, cohort.Year)
		if err != nil {
			return all, err
		}
		all.Counts = append(all.Counts, book.Tabulate(cohort.Year, counters))
	}
	if all.WrongCodes, err = allWrongCodes(tx); err != nil {
		return all, err
	}
	if all.Tokens, err = collect(tx, scanToken, selectTokens+` ORDER BY id COLLATE "C"`); err != nil {
		return all, err
	}
	if all.Members, err = listMembers(tx); err != nil {
		return all, err
	}
	if all.Passkeys, err = listPasskeys(tx, ""); err != nil {
		return all, err
	}
	if all.Acts, err = collect(tx, scanAct, selectActs+` ORDER BY number`); err != nil {
		return all, err
	}
	if all.Drafts, err = collect(tx, scanDraft, selectDrafts+` ORDER BY year, cut_off COLLATE "C"`); err != nil {
		return all, err
	}
	if all.Releases, err = collect(tx, scanRelease, selectReleases+` ORDER BY number`); err != nil {
		return all, err
	}
	all.Statements, err = listStatements(tx)
	return all, err
}

// spentCodes yields the spent codes of cohorts, which come latest first, as the transaction sees them. The
// transaction itself outlives a caller who goes away; this does not.
func spentCodes(ctx context.Context, tx tx, cohorts []store.Cohort) iter.Seq2[store.SpentCode, error] {
	return func(yield func(store.SpentCode, error) bool) {
		for _, cohort := range slices.Backward(cohorts) {
			for code, err := range spentCodesOf(tx, cohort.Year) {
				if err = plain(err); err == nil {
					err = ctx.Err()
				}
				if !yield(code, err) || err != nil {
					return
				}
			}
		}
	}
}

// spentCodesOf yields those of a cohort in the order of their nullifiers, which the key gives.
func spentCodesOf(tx tx, year int) iter.Seq2[store.SpentCode, error] {
	return func(yield func(store.SpentCode, error) bool) {
		rows, err := tx.Query(tx.ctx, `SELECT nullifier, kind FROM spent WHERE year = $1 ORDER BY nullifier`, year)
		if err != nil {
			yield(store.SpentCode{}, err)
			return
		}
		defer rows.Close()
		for rows.Next() {
			var nullifier []byte
			var kind book.Kind
			if err := rows.Scan(&nullifier, &kind); err != nil {
				yield(store.SpentCode{}, err)
				return
			}
			if !yield(store.SpentCode{Year: year, Nullifier: store.Nullifier(nullifier), Voided: kind == book.SpentByVoid}, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(store.SpentCode{}, err)
		}
	}
}

// Fill implements store.Copies. It is one transaction, which may take an hour.
func (s *Store) Fill(ctx context.Context, from store.Snapshot) error {
	return s.once(ctx, pgx.TxOptions{}, func(tx tx) error {
		if err := mustBeEmpty(tx); err != nil {
			return err
		}
		if err := fillEach(tx, from.Centres, createCentre); err != nil {
			return err
		}
		for i, cohort := range from.Cohorts {
			if err := fillCohort(tx, cohort, from.Counts[i]); err != nil {
				return err
			}
		}
		for centre, wrong := range from.WrongCodes {
			if err := setWrongCodes(tx, centre, wrong); err != nil {
				return err
			}
		}
		if err := fillEach(tx, from.Tokens, createToken); err != nil {
			return err
		}
		if err := fillEach(tx, from.Members, insertMember); err != nil {
			return err
		}
		if err := fillEach(tx, from.Passkeys, insertPasskey); err != nil {
			return err
		}
		if err := fillEach(tx, from.Acts, insertAct); err != nil {
			return err
		}
		if err := fillEach(tx, from.Drafts, saveDraft); err != nil {
			return err
		}
		if err := fillEach(tx, from.Releases, insertRelease); err != nil {
			return err
		}
		if _, err := putStatements(tx, from.Statements); err != nil {
			return err
		}
		return fillSpent(ctx, tx, from.Spent)
	})
}

// fillEach inserts each of what a snapshot lists.
func fillEach[T any](tx tx, all []T, insert func(tx, T) error) error {
	for _, each := range all {
		if err := insert(tx, each); err != nil {
			return err
		}
	}
	return nil
}

// mustBeEmpty gives store.ErrConflict unless nothing is kept, and keeps others from adding to it.
// Everything else belongs to a cohort or a member, or is none of what is copied. The counters come first, as
// they do in Used.
func mustBeEmpty(tx tx) error {
	err := tx.exec(`LOCK TABLE counters, centres, cohorts, wrong_codes, tokens, members, acts, drafts, releases, statements
		IN SHARE ROW EXCLUSIVE MODE`)
	if err != nil {
		return err
	}
	var kept bool
	err = tx.row(`SELECT EXISTS (SELECT FROM centres) OR EXISTS (SELECT FROM cohorts) OR EXISTS (SELECT FROM wrong_codes)
		OR EXISTS (SELECT FROM tokens) OR EXISTS (SELECT FROM drafts) OR EXISTS (SELECT FROM releases)
		OR EXISTS (SELECT FROM statements) OR EXISTS (SELECT FROM members) OR EXISTS (SELECT FROM acts)`).Scan(&kept)
	if err == nil && kept {
		return store.ErrConflict
	}
	return err
}

// fillCohort puts all counts into one shard.
func fillCohort(tx tx, cohort store.Cohort, counts store.Counts) error {
	if err := createCohort(tx, cohort); err != nil {
		return err
	}
	counted := map[book.Counter]book.Change[int]{}
	for counter, count := range book.Itemise(counts) {
		counted[counter] = book.Change[int]{Now: count}
	}
	batch := new(pgx.Batch)
	queueCounts(batch, counted, 0)
	return tx.together(batch)
}

// fillSpent ends when the caller goes away: what has begun is undone.
func fillSpent(ctx context.Context, tx tx, codes iter.Seq2[store.SpentCode, error]) error {
	next, stop := iter.Pull2(codes)
	defer stop()
	var callers error
	_, err := tx.CopyFrom(tx.ctx, pgx.Identifier{"spent"}, []string{"year", "nullifier", "kind"}, pgx.CopyFromFunc(func() ([]any, error) {
		code, err, more := next()
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			callers = failure{err}
			return nil, err
		}
		if !more {
			return nil, nil
		}
		return []any{code.Year, code.Nullifier[:], book.KindOf(code)}, nil
	}))
	if callers != nil {
		return callers
	}
	return err
}
