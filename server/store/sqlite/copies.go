package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"

	"aankomst/server/store"
	"aankomst/server/store/book"
)

// Snapshot implements store.Copies. The log cannot be emptied while it lasts.
func (s *Store) Snapshot(ctx context.Context, do func(store.Snapshot) error) error {
	var refused error
	err := s.read(ctx, func(tx tx) error {
		snapshot, err := snapshotOf(tx)
		if err == nil {
			refused = do(snapshot)
		}
		return err
	})
	if refused != nil {
		return refused
	}
	return err
}

func snapshotOf(tx tx) (all store.Snapshot, err error) {
	if all.Centres, err = collect(tx, scanCentre, selectCentres+` ORDER BY id`); err != nil {
		return all, err
	}
	if all.Cohorts, err = listCohorts(tx); err != nil {
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
	if all.Tokens, err = collect(tx, scanToken, selectTokens+` ORDER BY id`); err != nil {
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
	if all.Drafts, err = collect(tx, scanDraft, selectDrafts+` ORDER BY year, cut_off`); err != nil {
		return all, err
	}
	if all.Releases, err = collect(tx, scanRelease, selectReleases+` ORDER BY number`); err != nil {
		return all, err
	}
	all.Statements, err = listStatements(tx)
	all.Spent = spentCodes(tx)
	return all, err
}

// spentCodes yields the spent codes as the transaction sees them.
func spentCodes(tx tx) iter.Seq2[store.SpentCode, error] {
	return func(yield func(store.SpentCode, error) bool) {
		rows, err := tx.QueryContext(tx.ctx, `SELECT year, nullifier, kind FROM spent ORDER BY year, nullifier`)
		if err != nil {
			yield(store.SpentCode{}, settled(tx.ctx, err))
			return
		}
		defer rows.Close()
		for rows.Next() {
			code, err := scanSpent(rows)
			if !yield(code, settled(tx.ctx, err)) || err != nil {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(store.SpentCode{}, settled(tx.ctx, err))
		}
	}
}

func scanSpent(row scanner) (code store.SpentCode, err error) {
	var nullifier []byte
	var kind book.Kind
	if err := row.Scan(&code.Year, &nullifier, &kind); err != nil {
		return code, err
	}
	code.Nullifier, code.Voided = store.Nullifier(nullifier), kind == book.SpentByVoid
	return code, nil
}

// Fill implements store.Copies. It keeps every other write waiting.
func (s *Store) Fill(ctx context.Context, from store.Snapshot) error {
	return s.write(ctx, func(tx tx) error {
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
		if err := fillEach(tx, from.Statements, putStatement); err != nil {
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

// mustBeEmpty gives store.ErrConflict unless nothing is kept. Everything else belongs to a cohort or a member,
// or is none of what is copied.
func mustBeEmpty(tx tx) error {
	var kept bool
	err := tx.row(`SELECT EXISTS (SELECT * FROM centres) OR EXISTS (SELECT * FROM cohorts) OR EXISTS (SELECT * FROM wrong_codes)
		OR EXISTS (SELECT * FROM tokens) OR EXISTS (SELECT * FROM drafts) OR EXISTS (SELECT * FROM releases)
		OR EXISTS (SELECT * FROM statements) OR EXISTS (SELECT * FROM members) OR EXISTS (SELECT * FROM acts)`).Scan(&kept)
	if err == nil && kept {
		return store.ErrConflict
	}
	return err
}

func fillCohort(tx tx, cohort store.Cohort, counts store.Counts) error {
	if err := insertCohort(tx, cohort); err != nil {
		return err
	}
	for counter, count := range book.Itemise(counts) {
		if err := setCounter(tx, counter, count); err != nil {
			return err
		}
	}
	return nil
}

// fillSpent ends when the caller goes away: what has begun is undone.
func fillSpent(ctx context.Context, tx tx, codes iter.Seq2[store.SpentCode, error]) error {
	insert, err := tx.PrepareContext(tx.ctx, insertSpent)
	if err != nil {
		return err
	}
	defer insert.Close()
	for code, err := range codes {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if _, err := insert.ExecContext(tx.ctx, code.Year, code.Nullifier[:], book.KindOf(code)); err != nil {
			return err
		}
	}
	return nil
}

// Export writes everything that another store keeps to a file that must not exist yet (store.ErrExists):
// it is what Backup would make if this were the other store. The file is durable when Export returns nil,
// and is not there before that. What is not ready lies in a folder beside it, which is removed.
func Export(ctx context.Context, from store.Copies, path string, key [32]byte) (err error) {
	if exists(path) {
		return fmt.Errorf("the file %s: %w", path, store.ErrExists)
	}
	folder, err := os.MkdirTemp(filepath.Dir(path), filepath.Base(path)+".partial-")
	if err != nil {
		return uncopied(path, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()

	copied := filepath.Join(folder, "copy.db")
	err = inNew(ctx, filepath.Join(folder, "store.db"), key, func(s *Store) error {
		if err := from.Snapshot(ctx, func(all store.Snapshot) error { return s.Fill(ctx, all) }); err != nil {
			return err
		}
		return s.Backup(ctx, copied)
	})
	if err != nil {
		return err
	}
	// The name is taken first, as a file that came meanwhile would be lost.
	if err := create(path); errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("the file %s: %w", path, store.ErrExists)
	} else if err != nil {
		return failed("make the copy", err)
	}
	if err := errors.Join(os.Rename(copied, path), syncFolder(path)); err != nil {
		return errors.Join(failed("make the copy", err), os.Remove(path))
	}
	return nil
}

// Import fills another store, which must be empty (store.ErrConflict), from a file that Backup or Export
// made. The file is verified before anything is touched, and its errors are those of Restore; it may have
// an older schema. A copy of it, under the same key, lies in a new folder within the one given, and is
// removed.
func Import(ctx context.Context, backup, within string, key [32]byte, into store.Copies) (err error) {
	folder, err := os.MkdirTemp(within, "restore-")
	if err != nil {
		return failed("copy the backup", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()

	path := filepath.Join(folder, "store.db")
	if err := Restore(ctx, backup, path, key); err != nil {
		return err
	}
	return inNew(ctx, path, key, func(s *Store) error {
		return s.Snapshot(ctx, func(all store.Snapshot) error { return into.Fill(ctx, all) })
	})
}

// inNew runs do on a database that is made, or brought up to date, for it alone.
func inNew(ctx context.Context, path string, key [32]byte, do func(*Store) error) error {
	if _, err := Migrate(ctx, path, key); err != nil {
		return err
	}
	s, err := Open(ctx, path, key)
	if err != nil {
		return err
	}
	return errors.Join(do(s), s.Close())
}
