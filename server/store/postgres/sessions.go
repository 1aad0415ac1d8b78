package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype/zeronull"

	"aankomst/server/store"
)

// BeginCeremony implements store.Sessions.
func (s *Store) BeginCeremony(ctx context.Context, c store.Ceremony) error {
	return s.write(ctx, func(tx tx) error {
		return tx.exec(`INSERT INTO ceremonies (hash, kind, bound, data, ends_at) VALUES ($1, $2, $3, $4, $5)`,
			c.Hash[:], c.Kind, c.Bound, list(c.Data), quarterOf(c.EndsAt))
	})
}

// EndCeremony implements store.Sessions.
func (s *Store) EndCeremony(ctx context.Context, hash [32]byte) (ended store.Ceremony, err error) {
	err = s.write(ctx, func(tx tx) (err error) {
		ended, err = one(tx, scanCeremony, `DELETE FROM ceremonies WHERE hash = $1 RETURNING hash, kind, bound, data, ends_at`, hash[:])
		return err
	})
	if err != nil {
		return store.Ceremony{}, err
	}
	return ended, nil
}

func scanCeremony(row pgx.CollectableRow) (c store.Ceremony, err error) {
	return c, row.Scan((*bytes32)(&c.Hash), &c.Kind, &c.Bound, &c.Data, seconds{&c.EndsAt})
}

// StartSession implements store.Sessions.
func (s *Store) StartSession(ctx context.Context, session store.Session, use store.PasskeyUse) error {
	return s.write(ctx, inTurn(func(tx tx) error {
		if err := mustBeMember(tx, session.Member); err != nil {
			return err
		}
		if err := usePasskey(tx, session.Member, use); err != nil {
			return err
		}
		return insertSession(tx, session)
	}))
}

func insertSession(tx tx, s store.Session) error {
	return tx.exec(`INSERT INTO sessions (hash, member, started_at, used_at, proved_at, ends_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		s.Hash[:], s.Member, quarterOf(s.StartedAt), quarterOf(s.UsedAt), quarterOf(s.ProvedAt), quarterOf(s.EndsAt))
}

// ProveSession implements store.Sessions.
func (s *Store) ProveSession(ctx context.Context, hash, another [32]byte, at time.Time, use store.PasskeyUse) error {
	return s.write(ctx, inTurn(func(tx tx) error {
		var member string
		err := tx.row(`UPDATE sessions SET hash = $1, proved_at = $2, used_at = greatest(used_at, $2) WHERE hash = $3 RETURNING member`,
			another[:], quarterOf(at), hash[:]).Scan(&member)
		if err != nil {
			return err
		}
		return usePasskey(tx, member, use)
	}))
}

// EndSession implements store.Sessions.
func (s *Store) EndSession(ctx context.Context, hash [32]byte) error {
	return s.repeat(ctx, func(tx tx) error { return tx.exec(`DELETE FROM sessions WHERE hash = $1`, hash[:]) })
}

// EndSessions implements store.Sessions.
func (s *Store) EndSessions(ctx context.Context, member string, keep [32]byte) error {
	return s.repeat(ctx, inTurn(func(tx tx) error {
		ended, err := endSessions(tx, member, keep)
		if err != nil || ended == 0 {
			return err
		}
		return note(tx, store.ActSignedOut(tx.ctx, member))
	}))
}

// endSessions returns how many it ended.
func endSessions(tx tx, member string, keep [32]byte) (int64, error) {
	return tx.changed(`DELETE FROM sessions WHERE member = $1 AND hash <> $2`, member, keep[:])
}

// sessionColumns are the columns of a session, as sessionFields takes them; some have no row.
const sessionColumns = `s.hash, s.member, s.started_at, s.used_at, s.proved_at, s.ends_at`

func sessionFields(s *store.Session) []any {
	return []any{(*bytes32)(&s.Hash), (*zeronull.Text)(&s.Member),
		seconds{&s.StartedAt}, seconds{&s.UsedAt}, seconds{&s.ProvedAt}, seconds{&s.EndsAt}}
}

// ListSessions implements store.Sessions.
func (s *Store) ListSessions(ctx context.Context, member string) (sessions []store.Session, err error) {
	err = s.read(ctx, func(tx tx) (err error) {
		sessions, err = collect(tx, scanSession, `SELECT `+sessionColumns+` FROM sessions AS s WHERE member = $1 ORDER BY hash`, member)
		return err
	})
	return sessions, err
}

func scanSession(row pgx.CollectableRow) (s store.Session, err error) {
	return s, row.Scan(sessionFields(&s)...)
}

// CountAttempt implements store.Sessions.
func (s *Store) CountAttempt(ctx context.Context, kind store.AttemptKind, who string, quarter time.Time) (count int, err error) {
	err = s.write(ctx, func(tx tx) error {
		return tx.row(`INSERT INTO attempts AS kept (kind, who, quarter, count) VALUES ($1, $2, $3, 1)
			ON CONFLICT (kind, who) DO UPDATE SET
				quarter = greatest(kept.quarter, excluded.quarter),
				count = 1 + CASE WHEN excluded.quarter > kept.quarter THEN 0 ELSE kept.count END
			RETURNING count`, kind, who, quarterOf(quarter)).Scan(&count)
	})
	if err != nil {
		return 0, err
	}
	return count, nil
}

// Attempts implements store.Sessions.
func (s *Store) Attempts(ctx context.Context, kind store.AttemptKind, who string, quarter time.Time) (count int, err error) {
	err = s.read(ctx, func(tx tx) error {
		err := tx.row(`SELECT count FROM attempts WHERE kind = $1 AND who = $2 AND quarter >= $3`, kind, who, quarterOf(quarter)).Scan(&count)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	return count, err
}
