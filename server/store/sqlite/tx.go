package sqlite

import (
	"context"
	"database/sql"

	"aankomst/server/store"
)

// tx is a transaction, with the context that its statements run under.
type tx struct {
	ctx context.Context
	*sql.Tx
}

func (t tx) exec(query string, args ...any) error {
	_, err := t.ExecContext(t.ctx, query, args...)
	return err
}

// changed is exec, and tells how many rows it changed.
func (t tx) changed(query string, args ...any) (int64, error) {
	result, err := t.ExecContext(t.ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// mustChange is exec for what must be there: it gives store.ErrNotFound when it changed no row.
func (t tx) mustChange(query string, args ...any) error {
	changed, err := t.changed(query, args...)
	if err == nil && changed == 0 {
		return store.ErrNotFound
	}
	return err
}

func (t tx) row(query string, args ...any) *sql.Row {
	return t.QueryRowContext(t.ctx, query, args...)
}

// collect runs a query and gathers what scan makes of each row.
func collect[T any](t tx, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := t.QueryContext(t.ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return scanned(rows, scan)
}

// mustFind gives store.ErrNotFound when a query finds nothing.
func mustFind(t tx, query string, args ...any) error {
	found, err := finds(t, query, args...)
	if err == nil && !found {
		return store.ErrNotFound
	}
	return err
}

// noneOf gives store.ErrConflict when a query finds anything.
func noneOf(t tx, query string, args ...any) error {
	found, err := finds(t, query, args...)
	if err == nil && found {
		return store.ErrConflict
	}
	return err
}

func finds(t tx, query string, args ...any) (found bool, err error) {
	return found, t.row(`SELECT EXISTS (`+query+`)`, args...).Scan(&found)
}

// scanned gathers what scan makes of each row, and closes the rows.
func scanned[T any](rows *sql.Rows, scan func(scanner) (T, error)) ([]T, error) {
	defer rows.Close()
	var all []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// scanner is one row, alone or among others.
type scanner interface{ Scan(into ...any) error }

// read runs do in a transaction that sees one state of the database.
func (s *Store) read(ctx context.Context, do func(tx) error) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.calls.Done()
	begun, err := s.reader.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return settled(ctx, err)
	}
	defer begun.Rollback() // nothing to commit
	return settled(ctx, do(tx{ctx, begun}))
}

// write runs do in a transaction that is durable when write returns nil. An error of do undoes it.
func (s *Store) write(ctx context.Context, do func(tx) error) error {
	return s.alone(ctx, func(ctx context.Context, conn *sql.Conn) error {
		return transact(ctx, conn, do)
	})
}

// alone runs do while no other write of this process runs.
//
// Waiting for that can be cancelled. What has begun cannot: it is carried to its end, so that a
// caller who went away never leaves it open whether something was counted.
func (s *Store) alone(ctx context.Context, do func(context.Context, *sql.Conn) error) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.calls.Done()
	conn, err := s.writer.Conn(ctx)
	if err != nil {
		return settled(ctx, err)
	}
	defer conn.Close() // gives it back
	if err := s.inPlace(); err != nil {
		return err
	}
	return plain(do(context.WithoutCancel(ctx), conn))
}

// transact begins a transaction that holds the file's write lock from its first moment (the driver's
// default is BEGIN IMMEDIATE), so that nothing it reads can change before it writes.
func transact(ctx context.Context, conn *sql.Conn, do func(tx) error) error {
	begun, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer begun.Rollback() // does nothing after a commit
	if err := do(tx{ctx, begun}); err != nil {
		return err
	}
	return begun.Commit()
}

// enter keeps Close from going on until calls.Done.
func (s *Store) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return unavailable("it is closed: the program is shutting down")
	}
	s.calls.Add(1)
	return nil
}
