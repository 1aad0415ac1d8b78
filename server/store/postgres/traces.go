package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"aankomst/server/store"
)

// ErrTraces is wrapped, and wraps store.ErrUnavailable, when the database keeps what must not be kept, or
// does not keep what must.
var ErrTraces = fmt.Errorf("%w: its settings would betray callers or lose counts", store.ErrUnavailable)

// trace is a setting of the database that is looked at when a connection is made.
type trace struct {
	// wanted are the values that are fine.
	wanted []string
	// why says what any other value would do.
	why string
	// never says that no operator can accept it.
	never bool
}

// traces are the settings that keep, for each transaction or statement, when it was; and those without
// which an acknowledged count could be lost.
var traces = map[string]trace{
	"track_commit_timestamp":            {[]string{"off"}, "it dates every count", true},
	"fsync":                             {[]string{"on"}, "counts that were acknowledged could be lost", true},
	"full_page_writes":                  {[]string{"on"}, "counts that were acknowledged could be lost", true},
	"synchronous_commit":                {[]string{"on", "remote_apply"}, "counts that were acknowledged could be lost", true},
	"archive_mode":                      {[]string{"off"}, "archived logs keep the order and time of every count for as long as they are kept", false},
	"log_statement":                     {[]string{"none", "ddl"}, "the database's log would date every count", false},
	"log_min_duration_statement":        {[]string{"-1"}, "the database's log would date counts", false},
	"log_min_duration_sample":           {[]string{"-1"}, "the database's log would date counts", false},
	"log_transaction_sample_rate":       {[]string{"0"}, "the database's log would date counts", false},
	"log_duration":                      {[]string{"off"}, "the database's log would date every count", false},
	"log_statement_stats":               {[]string{"off"}, "the database's log would date every count", false},
	"log_parameter_max_length_on_error": {[]string{"0"}, "the database's log could hold what stands for a code", false},
	"auto_explain.log_min_duration":     {[]string{"-1", ""}, "the database's log would date counts", false},
}

// checkAccepted refuses names that are none, or none that can be accepted.
func checkAccepted(accepted []string) error {
	for _, name := range accepted {
		trace, known := traces[name]
		if name == AcceptUnchecked {
			continue
		}
		if !known {
			return fmt.Errorf("%w: %q is no setting of the database that is looked at", ErrTraces, name)
		}
		if trace.never {
			return fmt.Errorf("%w: %s cannot be accepted: %s", ErrTraces, name, trace.why)
		}
	}
	return nil
}

// checkTraces looks at the settings of a connection that was just made. Each new connection is looked
// at, since another server may have been promoted, or its settings read anew.
func checkTraces(ctx context.Context, conn *pgx.Conn, accepted []string) error {
	names := make([]string, 0, len(traces))
	for name := range traces {
		names = append(names, name)
	}
	rows, err := conn.Query(ctx, `SELECT name, coalesce(current_setting(name, true), '') FROM unnest($1::text[]) AS name ORDER BY name`, names)
	if err != nil {
		return err
	}
	var name, value string
	var refused []string
	_, err = pgx.ForEachRow(rows, []any{&name, &value}, func() error {
		trace := traces[name]
		if !slices.Contains(trace.wanted, value) && !slices.Contains(accepted, name) {
			refused = append(refused, fmt.Sprintf("%s is %q: %s", name, value, trace.why))
		}
		return nil
	})
	if err != nil || len(refused) == 0 {
		return err
	}
	return fmt.Errorf("%w: %s", ErrTraces, strings.Join(refused, "; "))
}
