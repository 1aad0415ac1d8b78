package postgres

import (
	"context"
	"fmt"
	"time"

	"aankomst/server/store"
)

// anew are the tables that Used lays down anew, in the order in which it comes to them; Callers comes to
// tokens before sessions, too. Each has its key, and says when a row has ended.
var anew = []struct{ table, key, ended string }{
	{"tokens", "id", ""},
	{"passkeys", "id", ""},
	{"sessions", "hash", "ends_at <= $1"},
	{"invitations", "hash", "ends_at <= $1"},
	{"ceremonies", "hash", "ends_at <= $1"},
	{"attempts", "kind, who", fmt.Sprintf("quarter + %d <= $1", int(quarterHour.Seconds()))},
}

// Used implements store.Sessions.
//
// What was used is written into copies that the database's log does not have, and all rows into empty tables
// then: so they have one xmin, neither a ctid nor the file tells anything of when they came, and the log shows
// no more than what is kept.
func (s *Store) Used(ctx context.Context, uses store.Uses, now time.Time) error {
	var hashes [][]byte
	var quarters []int64
	for hash, at := range uses.Sessions {
		hashes, quarters = append(hashes, hash[:]), append(quarters, quarterOf(at))
	}
	var ids, days []string
	for id, day := range uses.Tokens {
		ids, days = append(ids, id), append(days, day)
	}
	return s.repeat(ctx, inTurn(func(tx tx) error {
		if err := takeAnew(tx); err != nil {
			return err
		}
		err := tx.exec(`UPDATE anew_sessions AS s SET used_at = greatest(s.used_at, used.at)
			FROM unnest($1::bytea[], $2::bigint[]) AS used (hash, at) WHERE s.hash = used.hash`, hashes, quarters)
		if err != nil {
			return err
		}
		err = tx.exec(`UPDATE anew_tokens AS t SET used_on = greatest(t.used_on COLLATE "C", used.day)
			FROM unnest($1::text[], $2::text[]) AS used (id, day) WHERE t.id = used.id`, ids, days)
		if err != nil {
			return err
		}
		return layAnew(tx, now)
	}))
}

// takeAnew copies the tables and empties them. Nobody else reads or writes them from here on; nor takes a
// snapshot, in a program of whatever version, which is what the lock of the counters is for.
func takeAnew(tx tx) error {
	if err := soon(tx); err != nil {
		return err
	}
	if err := tx.exec(`LOCK TABLE counters`); err != nil {
		return err
	}
	for _, each := range anew {
		for _, statement := range []string{
			`LOCK TABLE %[1]s`,
			`CREATE TEMPORARY TABLE anew_%[1]s ON COMMIT DROP AS SELECT * FROM %[1]s`,
			`TRUNCATE %[1]s`,
		} {
			if err := tx.exec(fmt.Sprintf(statement, each.table)); err != nil {
				return err
			}
		}
	}
	return nil
}

// layAnew puts back what has not ended, in the order of the keys.
func layAnew(tx tx, now time.Time) error {
	for _, each := range anew {
		if each.ended != "" {
			if err := tx.exec(`DELETE FROM anew_`+each.table+` WHERE `+each.ended, now.Unix()); err != nil {
				return err
			}
		}
		if err := tx.exec(fmt.Sprintf(`INSERT INTO %[1]s SELECT * FROM anew_%[1]s ORDER BY %[2]s`, each.table, each.key)); err != nil {
			return err
		}
	}
	return nil
}
