package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"aankomst/server/calendar"
	"aankomst/server/store"
)

type recordCmd struct {
	List   recordListCmd   `cmd:"" help:"List what was done, by whom and when."`
	Export recordExportCmd `cmd:"" help:"Write the whole record, one act a line, each with the digest of the line before."`
	Verify recordVerifyCmd `cmd:"" help:"Check an exported record; this needs no store."`
}

// Help is shown below the command's usage.
func (recordCmd) Help() string {
	return strings.TrimSpace(`
What was done to members, tokens, centres, pools, cohorts, policies, releases and statements, in which quarter of an
hour, and by whom: seat:ID is a member, token:ID a machine or a device, machine somebody who ran a command here, server the
server itself. Nothing of a conversation or an arrival is in it, nor who signs in and out.`)
}

// moment writes a time for people.
func moment(at time.Time) string { return at.In(calendar.Brussels).Format("2006-01-02 15:04 MST") }

type recordListCmd struct {
	After int `help:"Only acts with higher numbers." placeholder:"N"`
}

// Run lists the record.
func (c recordListCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(e *opened) error {
		lines, rows := []json.RawMessage{}, []string{}
		err := store.EachAct(ctx, e, c.After, func(act store.Act) error {
			lines = append(lines, act.Line())
			rows = append(rows, strings.Join([]string{fmt.Sprint(act.Number), moment(act.At), act.By, act.Action, act.Target, act.Detail}, "\t"))
			return nil
		})
		if err != nil {
			return err
		}
		return a.table(lines, "ACT\tQUARTER FROM\tBY\tWHAT\tOF\tDETAIL", rows, "Nothing is recorded.")
	})
}

type recordExportCmd struct {
	Output string `help:"Where to write; standard output by default. It must not exist." short:"o" placeholder:"FILE"`
}

// Help is shown below the command's usage.
func (recordExportCmd) Help() string {
	return "Note the SHA-256 that aankomst record verify prints of the last act where nobody who can change the store can change it.\nA record that is changed or cut off later does not have it any more."
}

// Run exports the record.
func (c recordExportCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(e *opened) error {
		return a.export(c.Output, 0o600, func(w io.Writer) error {
			return store.EachAct(ctx, e, 0, func(act store.Act) error {
				_, err := fmt.Fprintf(w, "%s\n", act.Line())
				return err
			})
		})
	})
}

type recordVerifyCmd struct {
	File string `arg:"" help:"The record, as aankomst record export writes it."`
}

// Help is shown below the command's usage.
func (recordVerifyCmd) Help() string {
	return "Every act names the digest of the one before; nothing names that of the last. What was cut off at the end can only be seen\nby comparing with a digest that was noted before: it is the last one, or \"previous\" of a later act."
}

// Run verifies a record.
func (c recordVerifyCmd) Run(a *app) error {
	content, err := os.ReadFile(c.File)
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if len(content) == 0 {
		return fmt.Errorf("%w: %s is empty", errUsage, c.File)
	}
	found, err := store.VerifyActs(bytes.NewReader(content))
	if err != nil {
		return err
	}
	if len(found.Earlier) > 0 {
		a.progress("These acts bear an earlier time than the one before, as a clock was set back or is behind another's: %s",
			strings.Trim(fmt.Sprint(found.Earlier), "[]"))
	}
	digest := fmt.Sprintf("%x", found.Last.Digest())
	return a.print(map[string]any{"verified": found.Last.Number, "lastDigest": digest, "earlier": append([]int{}, found.Earlier...)},
		"Acts 1 to %d: unbroken. SHA-256 of the last: %s\nWhether more was cut off at the end shows only by comparing that with one that was noted before.",
		found.Last.Number, digest)
}
