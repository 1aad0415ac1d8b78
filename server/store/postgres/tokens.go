package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"aankomst/server/store"
)

// CreateToken implements store.Tokens.
func (s *Store) CreateToken(ctx context.Context, t store.Token) error {
	return s.write(ctx, func(tx tx) error { return createToken(tx, t) })
}

func createToken(tx tx, t store.Token) error {
	return tx.exec(`INSERT INTO tokens (id, hash, label, role, centre, expires_on, revoked)
		VALUES ($1, $2, $3, $4, NULLIF($5, ''), $6, $7)`,
		t.ID, t.Hash[:], t.Label, t.Role, t.Centre, t.ExpiresOn, t.Revoked)
}

const selectTokens = `SELECT id, hash, label, role, coalesce(centre, ''), expires_on, revoked FROM tokens`

func scanToken(row pgx.CollectableRow) (t store.Token, err error) {
	var hash []byte
	err = row.Scan(&t.ID, &hash, &t.Label, &t.Role, &t.Centre, &t.ExpiresOn, &t.Revoked)
	copy(t.Hash[:], hash)
	return t, err
}

// Callers implements store.Tokens.
func (s *Store) Callers(ctx context.Context, hashes [][32]byte) ([]store.Caller, error) {
	asked := make([][]byte, len(hashes))
	for i := range hashes {
		asked[i] = hashes[i][:]
	}
	found := make(map[[32]byte]store.Caller, len(hashes))
	err := s.read(ctx, func(tx tx) error {
		callers, err := collect(tx, scanCaller, selectCallers, asked)
		for _, caller := range callers {
			found[caller.Token.Hash] = caller
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	callers := make([]store.Caller, len(hashes))
	for i, hash := range hashes {
		callers[i] = found[hash]
	}
	return callers, nil
}

// The years and numbers of the pools come as two lists: the pools of a centre are few.
const selectCallers = `
	SELECT t.id, t.hash, t.label, t.role, coalesce(t.centre, ''), t.expires_on, t.revoked, coalesce(c.archived, false),
		ARRAY(SELECT year FROM pool_centres AS p WHERE p.centre = t.centre ORDER BY year),
		ARRAY(SELECT pool FROM pool_centres AS p WHERE p.centre = t.centre ORDER BY year),
		coalesce(w.day, ''), coalesce(w.in_day, 0), coalesce(w.quarter, 0), coalesce(w.in_quarter, 0), w.centre IS NOT NULL
	FROM tokens AS t LEFT JOIN centres AS c ON c.id = t.centre LEFT JOIN wrong_codes AS w ON w.centre = t.centre
	WHERE t.hash = ANY($1)`

func scanCaller(row pgx.CollectableRow) (c store.Caller, err error) {
	var hash []byte
	var years []int
	var pools []uint32
	var quarter int64
	var wrong bool
	err = row.Scan(&c.Token.ID, &hash, &c.Token.Label, &c.Token.Role, &c.Token.Centre, &c.Token.ExpiresOn, &c.Token.Revoked, &c.Archived,
		&years, &pools, &c.Wrong.Day, &c.Wrong.InDay, &quarter, &c.Wrong.InQuarter, &wrong)
	copy(c.Token.Hash[:], hash)
	for i, year := range years {
		c.Pools = append(c.Pools, store.PoolOf{Year: year, Pool: pools[i]})
	}
	if wrong {
		c.Wrong.Quarter = time.Unix(quarter, 0).UTC()
	}
	return c, err
}

// ListTokens implements store.Tokens.
func (s *Store) ListTokens(ctx context.Context) (tokens []store.Token, err error) {
	err = s.read(ctx, func(tx tx) (err error) {
		tokens, err = collect(tx, scanToken, selectTokens+` ORDER BY id COLLATE "C"`)
		return err
	})
	return tokens, err
}

// RevokeToken implements store.Tokens.
func (s *Store) RevokeToken(ctx context.Context, id string) error {
	return s.repeat(ctx, func(tx tx) error {
		revoked, err := tx.changed(`UPDATE tokens SET revoked = true WHERE id = $1`, id)
		if err == nil && revoked == 0 {
			return store.ErrNotFound
		}
		return err
	})
}
