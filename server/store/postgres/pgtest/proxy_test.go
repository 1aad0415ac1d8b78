//go:build unix

package pgtest

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
)

var written = NewTemplate(withTable)

// commits are the ways to send a COMMIT behind an INSERT.
var commits = map[string]func(ctx context.Context, conn *pgx.Conn) error{
	"as pgx does": func(ctx context.Context, conn *pgx.Conn) error {
		tx, err := conn.Begin(ctx)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "INSERT INTO written VALUES (1)"); err != nil {
			return err
		}
		return tx.Commit(ctx)
	},
	"in a text of several": func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "BEGIN; INSERT INTO written VALUES (1);\nCommit")
		return err
	},
	"prepared": func(ctx context.Context, conn *pgx.Conn) error {
		if _, err := conn.Prepare(ctx, "end", "COMMIT"); err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, "BEGIN; INSERT INTO written VALUES (1)"); err != nil {
			return err
		}
		_, err := conn.PgConn().ExecPrepared(ctx, "end", nil, nil, nil).Close()
		return err
	},
	"in a pipeline": func(ctx context.Context, conn *pgx.Conn) error {
		batch := new(pgx.Batch)
		batch.Queue("BEGIN")
		batch.Queue("INSERT INTO written VALUES ($1)", 1)
		batch.Queue("COMMIT")
		return conn.SendBatch(ctx, batch).Close()
	},
}

func TestACommitIsCutBeforeOrAfterItIsDone(t *testing.T) {
	t.Parallel()
	for name, commit := range commits {
		for when, kept := range map[string][]int{"before": nil, "after": {1}} {
			t.Run(name+" "+when, func(t *testing.T) {
				t.Parallel()
				dsn := written.Database(t)
				proxy := NewProxy(t, dsn)
				conn := connect(t, proxy.DSN())
				arm := proxy.CutBeforeCommit
				if when == "after" {
					arm = proxy.CutAfterCommit
				}
				cut := arm(1)
				if err := commit(t.Context(), conn); err == nil {
					t.Fatal("the client believes that it has committed")
				}
				<-cut
				has(t, dsn, kept...)
				if !conn.IsClosed() {
					t.Error("the connection is still open")
				}
			})
		}
	}
}

func TestOnlyTheCommitThatWasMeantIsCut(t *testing.T) {
	t.Parallel()
	dsn := written.Database(t)
	proxy := NewProxy(t, dsn)
	conn, other := connect(t, proxy.DSN()), connect(t, proxy.DSN())
	commit := commits["as pgx does"]
	cut := proxy.CutBeforeCommit(3)
	must(t, commit(t.Context(), conn))
	must(t, commit(t.Context(), other))
	if err := commit(t.Context(), conn); err == nil {
		t.Fatal("the third commit is not cut")
	}
	<-cut
	must(t, commit(t.Context(), other))
	has(t, dsn, 1, 1, 1)
}

func TestConnectionsAreCutAndRefused(t *testing.T) {
	t.Parallel()
	proxy := NewProxy(t, written.Database(t))
	alive := func() bool { return execute(proxy.DSN(), "SELECT") == nil }
	conn := connect(t, proxy.DSN())
	proxy.Cut()
	if conn.Ping(t.Context()) == nil {
		t.Error("a connection is not cut")
	}
	if !alive() {
		t.Error("no connection is let in after a cut")
	}
	conn = connect(t, proxy.DSN())
	proxy.Refuse()
	if conn.Ping(t.Context()) == nil || alive() {
		t.Error("connections are not refused")
	}
	proxy.Accept()
	if !alive() {
		t.Error("connections are still refused")
	}
}
