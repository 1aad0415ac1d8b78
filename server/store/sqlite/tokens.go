package sqlite

import (
	"context"

	"aankomst/server/store"
)

// CreateToken implements store.Tokens.
func (s *Store) CreateToken(ctx context.Context, t store.Token) error {
	return s.write(ctx, func(tx tx) error {
		return tx.exec(`INSERT INTO tokens (id, hash, label, role, centre, expires_on, revoked)
			VALUES (?, ?, ?, ?, NULLIF(?, ''), ?, ?)`,
			t.ID, t.Hash[:], t.Label, t.Role, t.Centre, t.ExpiresOn, t.Revoked)
	})
}

const selectTokens = `SELECT id, hash, label, role, coalesce(centre, ''), expires_on, revoked FROM tokens`

func scanToken(row scanner) (t store.Token, err error) {
	return t, row.Scan(&t.ID, (*bytes32)(&t.Hash), &t.Label, &t.Role, &t.Centre, &t.ExpiresOn, &t.Revoked)
}

// TokenByHash implements store.Tokens.
func (s *Store) TokenByHash(ctx context.Context, hash [32]byte) (token store.Token, err error) {
	err = s.read(ctx, func(tx tx) error {
		token, err = scanToken(tx.row(selectTokens+` WHERE hash = ?`, hash[:]))
		return err
	})
	return token, err
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
