package postgres

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"aankomst/server/store"
)

// tx is a transaction, or one statement outside any, with the context that its statements run under.
type tx struct {
	ctx context.Context
	querier
}

// querier is what a transaction and a connection have in common.
type querier interface {
	Query(ctx context.Context, query string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, query string, args ...any) pgx.Row
	SendBatch(ctx context.Context, batch *pgx.Batch) pgx.BatchResults
	CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, rows pgx.CopyFromSource) (int64, error)
}

func (t tx) exec(query string, args ...any) error {
	_, err := t.changed(query, args...)
	return err
}

// changed is exec, and tells how many rows it changed.
func (t tx) changed(query string, args ...any) (int64, error) {
	rows, err := t.Query(t.ctx, query, args...)
	if err != nil {
		return 0, err
	}
	rows.Close()
	return rows.CommandTag().RowsAffected(), rows.Err()
}

// mustChange is exec for what must be there: it gives store.ErrNotFound when it changed no row.
func (t tx) mustChange(query string, args ...any) error {
	rows, err := t.changed(query, args...)
	if err == nil && rows == 0 {
		return store.ErrNotFound
	}
	return err
}

func (t tx) row(query string, args ...any) pgx.Row { return t.QueryRow(t.ctx, query, args...) }

// together sends queued statements in one round trip and hands each its result.
func (t tx) together(batch *pgx.Batch) error { return t.SendBatch(t.ctx, batch).Close() }

// collect runs a query and gathers what scan makes of each row.
func collect[T any](t tx, scan func(pgx.CollectableRow) (T, error), query string, args ...any) ([]T, error) {
	rows, err := t.Query(t.ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scan)
}

// one runs a query that gives one row, or store.ErrNotFound.
func one[T any](t tx, scan func(pgx.CollectableRow) (T, error), query string, args ...any) (found T, err error) {
	rows, err := t.Query(t.ctx, query, args...)
	if err != nil {
		return found, err
	}
	return pgx.CollectExactlyOneRow(rows, scan)
}

// mustFind gives store.ErrNotFound when a query finds nothing.
func mustFind(t tx, query string, args ...any) error {
	var found bool
	err := t.row(`SELECT EXISTS (`+query+`)`, args...).Scan(&found)
	if err == nil && !found {
		return store.ErrNotFound
	}
	return err
}

// read runs do, which makes one statement, and repeats it while the database cannot be reached. The
// statement sees one state of the database.
func (s *Store) read(ctx context.Context, do func(tx) error) error {
	return s.attempts(ctx, func(conn *pgxpool.Conn) error { return do(tx{ctx, conn}) })
}

// write runs do in a transaction that is durable when write returns nil. An error of do undoes it.
// What surely changed nothing is repeated while the database cannot be reached, or when another
// transaction came between; what may have been committed is not, and wraps store.ErrUncertain.
func (s *Store) write(ctx context.Context, do func(tx) error) error {
	return s.attempts(ctx, func(conn *pgxpool.Conn) error { return transact(ctx, conn, attemptTime, pgx.TxOptions{}, do) })
}

// repeat is write for a transaction that may be carried out twice: it is, unless so much time went by
// that a commit waits for a standby that is gone, and would only wait again.
func (s *Store) repeat(ctx context.Context, do func(tx) error) error {
	last := time.Now().Add(retryTime)
	err := s.write(ctx, do)
	for again := 0; errors.Is(err, store.ErrUncertain) && again < 3 && time.Now().Before(last); again++ {
		err = s.write(ctx, do)
	}
	return err
}

// once runs do in a transaction that reads or writes all there is, and does not repeat it.
func (s *Store) once(ctx context.Context, options pgx.TxOptions, do func(tx) error) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.calls.Done()
	err := s.attempt(ctx, func(conn *pgxpool.Conn) error { return transact(ctx, conn, copyTime, options, do) })
	if ctx.Err() != nil && err != nil && !errors.Is(err, store.ErrUncertain) {
		return ctx.Err()
	}
	return plain(err)
}

// transact runs do in a transaction.
//
// Once begun it is carried to its end, whether or not the caller goes away, so that nobody has to be
// left in doubt whether something was counted. It may take as long as within.
func transact(ctx context.Context, conn *pgxpool.Conn, within time.Duration, options pgx.TxOptions, do func(tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), within)
	defer cancel()
	begun, err := conn.BeginTx(ctx, options)
	if err != nil {
		return err
	}
	defer begun.Rollback(ctx) // does nothing after a commit
	if err := do(tx{ctx, begun}); err != nil {
		return err
	}
	delete(conn.Conn().PgConn().CustomData(), warned)
	if err := begun.Commit(ctx); err != nil {
		return uncommitted(err)
	}
	// A commit whose wait for the standby was ended by hand is answered with success and a warning.
	if _, doubtful := conn.Conn().PgConn().CustomData()[warned]; doubtful {
		return uncertain("the standby may not have it")
	}
	return nil
}

// attempts runs do on a connection, again while it fails for a reason that passes and surely changed
// nothing, for no longer than retryTime.
func (s *Store) attempts(ctx context.Context, do func(*pgxpool.Conn) error) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.calls.Done()
	last := time.Now().Add(retryTime)
	for pause := 2 * time.Millisecond; ; pause = min(2*pause, 250*time.Millisecond) {
		err := s.attempt(ctx, do)
		if ctx.Err() != nil && err != nil && !errors.Is(err, store.ErrUncertain) {
			return ctx.Err()
		}
		if err == nil || !passes(err) || time.Now().After(last) {
			return plain(err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		// Not all processes at once, nor two of them again and again at the same moment.
		case <-time.After(pause/2 + rand.N(pause)):
		}
	}
}

func (s *Store) attempt(ctx context.Context, do func(*pgxpool.Conn) error) error {
	waiting, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	renewed := s.renewed.Load()
	conn, err := s.pool.Acquire(waiting)
	if err != nil {
		return err
	}
	defer conn.Release()
	// A caller that goes away in the middle of a read closes its connection, which says nothing of others.
	if err = do(conn); err != nil && ctx.Err() == nil && broken(conn, err) {
		s.renew(renewed)
	}
	return err
}

// renew gives all connections up, because one of them is broken: the others mostly are too, and to try
// each would take longer than to make a new one. Those in use are closed when they are given back, so
// that no transaction is disturbed. It does nothing when that was done since renewed was read: the pool
// holds new connections then.
func (s *Store) renew(renewed int64) {
	if s.renewed.CompareAndSwap(renewed, renewed+1) {
		s.pool.Reset()
	}
}

// broken reports whether an attempt failed because its connection is over, or leads to a server that
// was demoted.
func broken(conn *pgxpool.Conn, err error) bool {
	var refused *pgconn.PgError
	return conn.Conn().IsClosed() || errors.As(err, &refused) && (refused.Code == demoted || lost(refused))
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
