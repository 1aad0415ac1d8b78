package postgres

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype/zeronull"

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
		VALUES ($1, $2, $3, $4, NULLIF($5, ''), $6, $7, $8, $9)`,
		t.ID, t.Hash[:], t.Label, t.Role, t.Centre, t.ExpiresOn, t.Revoked, t.Kind, t.UsedOn)
}

// tokenColumns are the columns of a token, as tokenFields takes them; some callers have none.
const tokenColumns = `t.id, t.hash, t.label, t.role, t.centre, t.expires_on, coalesce(t.revoked, false), t.kind, t.used_on`

func tokenFields(t *store.Token) []any {
	return []any{(*zeronull.Text)(&t.ID), (*bytes32)(&t.Hash), (*zeronull.Text)(&t.Label), (*zeronull.Text)(&t.Role), (*zeronull.Text)(&t.Centre),
		(*zeronull.Text)(&t.ExpiresOn), &t.Revoked, (*zeronull.Text)(&t.Kind), (*zeronull.Text)(&t.UsedOn)}
}

const selectTokens = `SELECT ` + tokenColumns + ` FROM tokens AS t`

func scanToken(row pgx.CollectableRow) (t store.Token, err error) {
	return t, row.Scan(tokenFields(&t)...)
}

// RotateToken implements store.Tokens.
func (s *Store) RotateToken(ctx context.Context, id string, replacement store.Token, until string) error {
	return s.write(ctx, func(tx tx) error {
		old, err := one(tx, scanToken, selectTokens+` WHERE id = $1 FOR UPDATE`, id)
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
		if err := tx.exec(`UPDATE tokens SET expires_on = $1 WHERE id = $2`, until, id); err != nil {
			return err
		}
		return note(tx, store.ActTokenRotated(id, replacement, until))
	})
}

// Callers implements store.Tokens.
func (s *Store) Callers(ctx context.Context, hashes [][32]byte) (callers []store.Caller, err error) {
	asked := make([][]byte, len(hashes))
	for i := range hashes {
		asked[i] = hashes[i][:]
	}
	err = s.read(ctx, func(tx tx) (err error) {
		callers, err = collect(tx, scanCaller, selectCallers, asked)
		return err
	})
	return callers, err
}

// Each hash gives one row, whatever has it: a token, a session, or nothing. The years and numbers of the
// pools come as two lists: the pools of a centre are few. It comes to tokens before sessions, as Used does.
//
// The hashes come by way of a SELECT to keep from the planner how many they are. Otherwise it would make a new
// plan for each call with few of them, which takes longer than the call.
const selectCallers = `
	SELECT ` + tokenColumns + `, ` + sessionColumns + `, ` + memberColumns + `, coalesce(c.archived, false),
		ARRAY(SELECT year FROM pool_centres AS p WHERE p.centre = c.id ORDER BY year),
		ARRAY(SELECT pool FROM pool_centres AS p WHERE p.centre = c.id ORDER BY year),
		coalesce(w.day, ''), coalesce(w.in_day, 0), w.quarter, coalesce(w.in_quarter, 0)
	FROM unnest((SELECT $1::bytea[])) WITH ORDINALITY AS asked (hash, place)
	LEFT JOIN tokens AS t ON t.hash = asked.hash
	LEFT JOIN sessions AS s ON s.hash = asked.hash
	LEFT JOIN members AS m ON m.id = s.member
	LEFT JOIN centres AS c ON c.id = coalesce(t.centre, m.centre)
	LEFT JOIN wrong_codes AS w ON w.centre = c.id
	ORDER BY asked.place`

func scanCaller(row pgx.CollectableRow) (c store.Caller, err error) {
	var years []int
	var pools []uint32
	w := &c.Wrong
	err = row.Scan(slices.Concat(tokenFields(&c.Token), sessionFields(&c.Session), memberFields(&c.Member),
		[]any{&c.Archived, &years, &pools, &w.Day, &w.InDay, seconds{&w.Quarter}, &w.InQuarter})...)
	for i, year := range years {
		c.Pools = append(c.Pools, store.PoolOf{Year: year, Pool: pools[i]})
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
	return s.repeat(ctx, inTurn(func(tx tx) error {
		t, err := one(tx, scanToken, selectTokens+` WHERE id = $1 FOR UPDATE`, id)
		if err != nil || t.Revoked {
			return err
		}
		if err := tx.exec(`UPDATE tokens SET revoked = true WHERE id = $1`, id); err != nil {
			return err
		}
		if err := tx.exec(`DELETE FROM invitations WHERE device = $1`, id); err != nil {
			return err
		}
		return note(tx, store.ActTokenRevoked(t))
	}))
}
