package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"aankomst/server/store"
)

// BeginCeremony implements store.Sessions.
func (s *Store) BeginCeremony(ctx context.Context, c store.Ceremony) error {
	return s.write(ctx, func(tx tx) error {
		return tx.exec(`INSERT INTO ceremonies (hash, kind, bound, data, ends_at) VALUES (?, ?, ?, coalesce(?, x''), ?)`,
			c.Hash[:], c.Kind, c.Bound, c.Data, quarterOf(c.EndsAt))
	})
}

// EndCeremony implements store.Sessions.
func (s *Store) EndCeremony(ctx context.Context, hash [32]byte) (store.Ceremony, error) {
	var c store.Ceremony
	err := s.write(ctx, func(tx tx) error {
		return tx.row(`DELETE FROM ceremonies WHERE hash = ? RETURNING hash, kind, bound, data, ends_at`, hash[:]).
			Scan((*bytes32)(&c.Hash), &c.Kind, &c.Bound, &c.Data, seconds{&c.EndsAt})
	})
	if err != nil {
		return store.Ceremony{}, err
	}
	return c, nil
}

// StartSession implements store.Sessions.
func (s *Store) StartSession(ctx context.Context, session store.Session, use store.PasskeyUse) error {
	return s.write(ctx, func(tx tx) error {
		if err := mustBeMember(tx, session.Member); err != nil {
			return err
		}
		if err := usePasskey(tx, session.Member, use); err != nil {
			return err
		}
		return insertSession(tx, session)
	})
}

func insertSession(tx tx, s store.Session) error {
	return tx.exec(`INSERT INTO sessions (hash, member, started_at, used_at, proved_at, ends_at) VALUES (?, ?, ?, ?, ?, ?)`,
		s.Hash[:], s.Member, quarterOf(s.StartedAt), quarterOf(s.UsedAt), quarterOf(s.ProvedAt), quarterOf(s.EndsAt))
}

// ProveSession implements store.Sessions.
func (s *Store) ProveSession(ctx context.Context, hash, another [32]byte, at time.Time, use store.PasskeyUse) error {
	return s.write(ctx, func(tx tx) error {
		var member string
		err := tx.row(`UPDATE sessions SET hash = ?1, proved_at = ?2, used_at = max(used_at, ?2) WHERE hash = ?3 RETURNING member`,
			another[:], quarterOf(at), hash[:]).Scan(&member)
		if err != nil {
			return err
		}
		return usePasskey(tx, member, use)
	})
}

// EndSession implements store.Sessions.
func (s *Store) EndSession(ctx context.Context, hash [32]byte) error {
	return s.write(ctx, func(tx tx) error { return tx.exec(`DELETE FROM sessions WHERE hash = ?`, hash[:]) })
}

// EndSessions implements store.Sessions.
func (s *Store) EndSessions(ctx context.Context, member string, keep [32]byte) error {
	return s.write(ctx, func(tx tx) error {
		ended, err := endSessions(tx, member, keep)
		if err != nil || ended == 0 {
			return err
		}
		return note(tx, store.ActSignedOut(tx.ctx, member))
	})
}

// endSessions returns how many it ended.
func endSessions(tx tx, member string, keep [32]byte) (int64, error) {
	return tx.changed(`DELETE FROM sessions WHERE member = ? AND hash <> ?`, member, keep[:])
}

// ListSessions implements store.Sessions.
func (s *Store) ListSessions(ctx context.Context, member string) (sessions []store.Session, err error) {
	err = s.read(ctx, func(tx tx) error {
		sessions, err = collect(tx, scanSession, `SELECT hash, member, started_at, used_at, proved_at, ends_at
			FROM sessions WHERE member = ? ORDER BY hash`, member)
		return err
	})
	return sessions, err
}

func scanSession(row scanner) (s store.Session, err error) {
	return s, row.Scan((*bytes32)(&s.Hash), &s.Member, seconds{&s.StartedAt}, seconds{&s.UsedAt}, seconds{&s.ProvedAt}, seconds{&s.EndsAt})
}

// Used implements store.Sessions.
func (s *Store) Used(ctx context.Context, uses store.Uses, now time.Time) error {
	return s.write(ctx, func(tx tx) error {
		for hash, at := range uses.Sessions {
			if err := tx.exec(`UPDATE sessions SET used_at = max(used_at, ?) WHERE hash = ?`, quarterOf(at), hash[:]); err != nil {
				return err
			}
		}
		for id, day := range uses.Tokens {
			if err := tx.exec(`UPDATE tokens SET used_on = max(used_on, ?) WHERE id = ?`, day, id); err != nil {
				return err
			}
		}
		for _, ended := range []string{
			`DELETE FROM sessions WHERE ends_at <= ?`,
			`DELETE FROM ceremonies WHERE ends_at <= ?`,
			`DELETE FROM invitations WHERE ends_at <= ?`,
		} {
			if err := tx.exec(ended, now.Unix()); err != nil {
				return err
			}
		}
		if err := tx.exec(`DELETE FROM attempts WHERE quarter < ?`, quarterOf(now)); err != nil {
			return err
		}
		return layAnew(tx)
	})
}

// layAnew writes all rows of what signing in writes again, in the order of their keys. SQLite lays rows down
// within a page as they come, and leaves them there when they are updated: their places would tell which came
// first.
func layAnew(tx tx) error {
	for _, each := range []struct{ table, key string }{
		{"sessions", "hash"}, {"passkeys", "id"}, {"ceremonies", "hash"}, {"invitations", "hash"}, {"attempts", "kind, who"}, {"tokens", "id"},
	} {
		for _, statement := range []string{
			`CREATE TEMP TABLE kept AS SELECT * FROM ` + each.table,
			`DELETE FROM ` + each.table,
			`INSERT INTO ` + each.table + ` SELECT * FROM kept ORDER BY ` + each.key,
			`DROP TABLE kept`,
		} {
			if err := tx.exec(statement); err != nil {
				return err
			}
		}
	}
	return nil
}

// CountAttempt implements store.Sessions.
func (s *Store) CountAttempt(ctx context.Context, kind store.AttemptKind, who string, quarter time.Time) (count int, err error) {
	err = s.write(ctx, func(tx tx) error {
		return tx.row(`INSERT INTO attempts (kind, who, quarter, count) VALUES (?, ?, ?, 1) ON CONFLICT DO UPDATE SET
			count = CASE WHEN excluded.quarter > quarter THEN 1 ELSE count + 1 END, quarter = max(quarter, excluded.quarter)
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
		err := tx.row(`SELECT count FROM attempts WHERE kind = ? AND who = ? AND quarter >= ?`, kind, who, quarterOf(quarter)).Scan(&count)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	return count, err
}
