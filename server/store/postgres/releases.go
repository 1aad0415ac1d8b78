package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"aankomst/server/store"
)

// SaveDraft implements store.Releases.
func (s *Store) SaveDraft(ctx context.Context, d store.Draft) error {
	return s.write(ctx, func(tx tx) error { return saveDraft(tx, d) })
}

func saveDraft(tx tx, d store.Draft) error {
	return tx.exec(`INSERT INTO drafts (year, cut_off, body) VALUES ($1, $2, $3)`, d.Year, d.CutOff, d.Body)
}

// ListDrafts implements store.Releases.
func (s *Store) ListDrafts(ctx context.Context, year int) (drafts []store.Draft, err error) {
	err = s.read(ctx, func(tx tx) (err error) {
		drafts, err = collect(tx, scanDraft, selectDrafts+` WHERE year = $1 ORDER BY cut_off COLLATE "C"`, year)
		return err
	})
	return drafts, err
}

const selectDrafts = `SELECT year, cut_off, body FROM drafts`

func scanDraft(row pgx.CollectableRow) (d store.Draft, err error) {
	return d, row.Scan(&d.Year, &d.CutOff, &d.Body)
}

// AppendRelease implements store.Releases.
func (s *Store) AppendRelease(ctx context.Context, r store.Release) error {
	return s.write(ctx, func(tx tx) error {
		if err := alone(tx, lockReleases, 0); err != nil {
			return err
		}
		var published bool
		err := tx.row(`SELECT EXISTS (SELECT FROM releases WHERE year = $1 AND cut_off = $2)`, r.Year, r.CutOff).Scan(&published)
		if err != nil {
			return err
		}
		if published {
			return store.ErrExists
		}
		last, err := one(tx, scanRelease, selectReleases+` ORDER BY number DESC LIMIT 1`)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if r.Number != last.Number+1 || r.Previous != last.Digest {
			return store.ErrConflict
		}
		if err := insertRelease(tx, r); err != nil {
			return err
		}
		return note(tx, store.ActReleasePublished(r))
	})
}

func insertRelease(tx tx, r store.Release) error {
	return tx.exec(`INSERT INTO releases (number, year, cut_off, document, digest, previous) VALUES ($1, $2, $3, $4, $5, $6)`,
		r.Number, r.Year, r.CutOff, r.Document, r.Digest[:], r.Previous[:])
}

const selectReleases = `SELECT number, year, cut_off, document, digest, previous FROM releases`

func scanRelease(row pgx.CollectableRow) (r store.Release, err error) {
	var digest, previous []byte
	err = row.Scan(&r.Number, &r.Year, &r.CutOff, &r.Document, &digest, &previous)
	copy(r.Digest[:], digest)
	copy(r.Previous[:], previous)
	return r, err
}

// ListReleases implements store.Releases.
func (s *Store) ListReleases(ctx context.Context) (releases []store.Release, err error) {
	err = s.read(ctx, func(tx tx) (err error) {
		releases, err = collect(tx, scanRelease, selectReleases+` ORDER BY number`)
		return err
	})
	return releases, err
}

// GetRelease implements store.Releases.
func (s *Store) GetRelease(ctx context.Context, number int) (release store.Release, err error) {
	err = s.read(ctx, func(tx tx) (err error) {
		release, err = one(tx, scanRelease, selectReleases+` WHERE number = $1`, number)
		return err
	})
	return release, err
}
