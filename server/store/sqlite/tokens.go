package sqlite

import (
	"context"
	"encoding/hex"

	"aankomst/server/store"
)

// CreateToken implements store.Tokens.
func (s *Store) CreateToken(ctx context.Context, t store.Token) error {
	return s.write(ctx, func(tx tx) error { return createToken(tx, t) })
}

func createToken(tx tx, t store.Token) error {
	return tx.exec(`INSERT INTO tokens (id, hash, label, role, centre, expires_on, revoked)
		VALUES (?, ?, ?, ?, NULLIF(?, ''), ?, ?)`,
		t.ID, t.Hash[:], t.Label, t.Role, t.Centre, t.ExpiresOn, t.Revoked)
}

const selectTokens = `SELECT id, hash, label, role, coalesce(centre, ''), expires_on, revoked FROM tokens`

func scanToken(row scanner) (t store.Token, err error) {
	return t, row.Scan(&t.ID, (*bytes32)(&t.Hash), &t.Label, &t.Role, &t.Centre, &t.ExpiresOn, &t.Revoked)
}

// Callers implements store.Tokens.
func (s *Store) Callers(ctx context.Context, hashes [][32]byte) ([]store.Caller, error) {
	asked := make(list, len(hashes))
	for i, hash := range hashes {
		asked[i] = hex.EncodeToString(hash[:])
	}
	var found []store.Caller
	err := s.read(ctx, func(tx tx) error {
		rows, err := tx.StmtContext(ctx, s.callers).QueryContext(ctx, asked)
		if err == nil {
			found, err = scanned(rows, scanCaller)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	of := make(map[[32]byte]store.Caller, len(found))
	for _, caller := range found {
		of[caller.Token.Hash] = caller
	}
	callers := make([]store.Caller, len(hashes))
	for i, hash := range hashes {
		callers[i] = of[hash]
	}
	return callers, nil
}

// The pools are found by way of the cohorts, which are few: pool_centres has no other index than its key.
const selectCallers = `
	SELECT t.id, t.hash, t.label, t.role, coalesce(t.centre, ''), t.expires_on, t.revoked, coalesce(c.archived, 0), (
		SELECT json_group_array(json_object('Year', p.year, 'Pool', p.pool) ORDER BY p.year)
		FROM cohorts AS h CROSS JOIN pool_centres AS p ON p.year = h.year AND p.centre = t.centre
	), coalesce(w.day, ''), coalesce(w.in_day, 0), w.quarter, coalesce(w.in_quarter, 0)
	FROM tokens AS t LEFT JOIN centres AS c ON c.id = t.centre LEFT JOIN wrong_codes AS w ON w.centre = t.centre
	WHERE t.hash IN (SELECT unhex(value) FROM json_each(?))`

func scanCaller(row scanner) (c store.Caller, err error) {
	t, w := &c.Token, &c.Wrong
	return c, row.Scan(&t.ID, (*bytes32)(&t.Hash), &t.Label, &t.Role, &t.Centre, &t.ExpiresOn, &t.Revoked, &c.Archived,
		(*pools)(&c.Pools), &w.Day, &w.InDay, seconds{&w.Quarter}, &w.InQuarter)
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
		revoked, err := tx.changed(`UPDATE tokens SET revoked = 1 WHERE id = ?`, id)
		if err == nil && revoked == 0 {
			return store.ErrNotFound
		}
		return err
	})
}
