package sqlite

import (
	"context"
	"encoding/hex"

	"aankomst/server/store"
)

// CreateToken implements store.Tokens.
func (s *Store) CreateToken(ctx context.Context, t store.Token) error {
	return s.write(ctx, func(tx tx) error {
		if err := createToken(tx, t); err != nil {
			return err
		}
		return note(tx, store.ActTokenCreated(t))
	})
}

func createToken(tx tx, t store.Token) error {
	return tx.exec(`INSERT INTO tokens (id, hash, label, role, centre, expires_on, revoked, kind, used_on)
		VALUES (?, ?, ?, ?, NULLIF(?, ''), ?, ?, ?, ?)`,
		t.ID, t.Hash[:], t.Label, t.Role, t.Centre, t.ExpiresOn, t.Revoked, t.Kind, t.UsedOn)
}

const selectTokens = `SELECT id, hash, label, role, coalesce(centre, ''), expires_on, revoked, kind, used_on FROM tokens`

func scanToken(row scanner) (t store.Token, err error) {
	return t, row.Scan(&t.ID, (*bytes32)(&t.Hash), &t.Label, &t.Role, &t.Centre, &t.ExpiresOn, &t.Revoked, &t.Kind, &t.UsedOn)
}

func tokenOf(tx tx, id string) (store.Token, error) {
	return scanToken(tx.row(selectTokens+` WHERE id = ?`, id))
}

// RotateToken implements store.Tokens.
func (s *Store) RotateToken(ctx context.Context, id string, replacement store.Token, until string) error {
	return s.write(ctx, func(tx tx) error {
		old, err := tokenOf(tx, id)
		if err != nil {
			return err
		}
		if old.Revoked || old.Kind != replacement.Kind {
			return store.ErrConflict
		}
		if err := createToken(tx, replacement); err != nil {
			return err
		}
		until = min(until, old.ExpiresOn)
		if err := tx.exec(`UPDATE tokens SET expires_on = ? WHERE id = ?`, until, id); err != nil {
			return err
		}
		return note(tx, store.ActTokenRotated(id, replacement, until))
	})
}

// Callers implements store.Tokens.
func (s *Store) Callers(ctx context.Context, hashes [][32]byte) ([]store.Caller, error) {
	asked := make(list, len(hashes))
	for i, hash := range hashes {
		asked[i] = hex.EncodeToString(hash[:])
	}
	var callers []store.Caller
	err := s.read(ctx, func(tx tx) error {
		rows, err := tx.StmtContext(ctx, s.callers).QueryContext(ctx, asked)
		if err == nil {
			callers, err = scanned(rows, scanCaller)
		}
		return err
	})
	return callers, err
}

// Each hash gives one row, whatever has it: a token, a session, or nothing. The pools are found by way of the
// cohorts, which are few: pool_centres has no other index than its key.
const selectCallers = `
	SELECT coalesce(t.id, ''), t.hash, coalesce(t.label, ''), coalesce(t.role, ''), coalesce(t.centre, ''),
		coalesce(t.expires_on, ''), coalesce(t.revoked, 0), coalesce(t.kind, ''), coalesce(t.used_on, ''),
		s.hash, coalesce(s.member, ''), s.started_at, s.used_at, s.proved_at, s.ends_at,
		coalesce(m.id, ''), coalesce(m.label, ''), coalesce(m.role, ''), coalesce(m.centre, ''), m.subject,
		coalesce(m.removed, 0), coalesce(m.revision, 0),
		coalesce(c.archived, 0), (
			SELECT json_group_array(json_object('Year', p.year, 'Pool', p.pool) ORDER BY p.year)
			FROM cohorts AS h CROSS JOIN pool_centres AS p ON p.year = h.year AND p.centre = coalesce(t.centre, m.centre)
		), coalesce(w.day, ''), coalesce(w.in_day, 0), w.quarter, coalesce(w.in_quarter, 0)
	FROM json_each(?) AS asked
	LEFT JOIN tokens AS t ON t.hash = unhex(asked.value)
	LEFT JOIN sessions AS s ON s.hash = unhex(asked.value)
	LEFT JOIN members AS m ON m.id = s.member
	LEFT JOIN centres AS c ON c.id = coalesce(t.centre, m.centre)
	LEFT JOIN wrong_codes AS w ON w.centre = coalesce(t.centre, m.centre)
	ORDER BY asked.key`

func scanCaller(row scanner) (c store.Caller, err error) {
	t, s, m, w := &c.Token, &c.Session, &c.Member, &c.Wrong
	return c, row.Scan(
		&t.ID, (*bytes32)(&t.Hash), &t.Label, &t.Role, &t.Centre, &t.ExpiresOn, &t.Revoked, &t.Kind, &t.UsedOn,
		(*bytes32)(&s.Hash), &s.Member, seconds{&s.StartedAt}, seconds{&s.UsedAt}, seconds{&s.ProvedAt}, seconds{&s.EndsAt},
		&m.ID, &m.Label, &m.Role, &m.Centre, (*bytes32)(&m.Subject), &m.Removed, &m.Revision,
		&c.Archived, (*pools)(&c.Pools), &w.Day, &w.InDay, seconds{&w.Quarter}, &w.InQuarter)
}

// ListTokens implements store.Tokens.
func (s *Store) ListTokens(ctx context.Context) (tokens []store.Token, err error) {
	err = s.read(ctx, func(tx tx) error {
		tokens, err = collect(tx, scanToken, selectTokens+` ORDER BY id`)
		return err
	})
	return tokens, err
}

// RevokeToken implements store.Tokens.
func (s *Store) RevokeToken(ctx context.Context, id string) error {
	return s.write(ctx, func(tx tx) error {
		t, err := tokenOf(tx, id)
		if err != nil || t.Revoked {
			return err
		}
		if err := tx.exec(`UPDATE tokens SET revoked = 1 WHERE id = ?`, id); err != nil {
			return err
		}
		if err := tx.exec(`DELETE FROM invitations WHERE device = ?`, id); err != nil {
			return err
		}
		return note(tx, store.ActTokenRevoked(t))
	})
}
