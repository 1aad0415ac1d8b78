package sqlite

import (
	"context"
	"database/sql"
)

// Rewrite implements store.Tally.
//
// The transaction lays the spent codes down in random order, which the next write already sees. What
// is left of the old order then lies in pages that are free and in the log. VACUUM copies each table,
// in the order of its key, into a file that is made anew: a table WITHOUT ROWID has its key and
// nothing else to be ordered by, so two databases with the same codes have the same pages, whatever
// the order in which the codes came. The counters, whose rows move within their page as they grow,
// are laid down anew with them. The truncated log takes the old pages with it.
func (s *Store) Rewrite(ctx context.Context) error {
	return s.alone(ctx, func(ctx context.Context, conn *sql.Conn) error {
		err := transact(ctx, conn, func(tx tx) error {
			for _, statement := range []string{
				`CREATE TEMP TABLE shuffled AS SELECT year, nullifier, kind FROM spent ORDER BY random()`,
				`DELETE FROM spent`,
				`INSERT INTO spent (year, nullifier, kind) SELECT year, nullifier, kind FROM shuffled ORDER BY rowid`,
				`DROP TABLE shuffled`,
			} {
				if err := tx.exec(statement); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		return compact(ctx, conn)
	})
}

// Settle implements store.Tally. Between the regular beats of the processes, the place of a transaction
// in the log would date it to within seconds.
func (s *Store) Settle(ctx context.Context) error {
	return s.alone(ctx, func(ctx context.Context, conn *sql.Conn) error { return emptyLog(ctx, conn) })
}

// compact makes the file anew, without what was deleted, and empties the log.
func compact(ctx context.Context, conn *sql.Conn) error {
	if _, err := conn.ExecContext(ctx, `VACUUM`); err != nil {
		return err
	}
	return emptyLog(ctx, conn)
}

// emptyLog moves the log into the file and truncates it.
func emptyLog(ctx context.Context, db querier) error {
	var busy, pages, moved int
	err := db.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &pages, &moved)
	if err != nil {
		return err
	}
	if busy != 0 {
		return unavailable("another process kept the write-ahead log from being emptied: try again")
	}
	return nil
}

// querier is a database or one connection to it.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}
