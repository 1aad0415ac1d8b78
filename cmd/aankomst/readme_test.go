package main

import (
	"bytes"
	"context"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"aankomst/server/calendar"
)

// What the README tells a newcomer to type works, in its order; only what the README leaves to the reader is
// filled in: a file of centres, an escrow recipient, the year in which it is read, and free addresses.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	t.Setenv("AANKOMST_DATA", t.TempDir())
	t.Setenv("AANKOMST_GRPC", "127.0.0.1:0")
	t.Setenv("AANKOMST_HTTP", "127.0.0.1:0")
	centres := "id,name,type\ncgg-gent,CGG Gent,CGG\ncgg-a,CGG A,CGG\ncgg-b,CGG B,CGG\n"
	if err := os.WriteFile("centres.csv", []byte(centres), 0o600); err != nil {
		t.Fatal(err)
	}
	filled := strings.NewReplacer("age1...", identity.Recipient().String(),
		"cohort open 2026", "cohort open "+strconv.Itoa(calendar.Year(time.Now())))
	word := regexp.MustCompile(`"[^"]*"|\S+`)
	commands := 0
	for line := range strings.Lines(filled.Replace(string(readme))) {
		command, isCommand := strings.CutPrefix(line, "bin/aankomst ")
		if !isCommand {
			continue
		}
		commands++
		command, _, _ = strings.Cut(command, " #")
		var args []string
		for _, arg := range word.FindAllString(command, -1) {
			args = append(args, strings.Trim(arg, `"`))
		}
		ctx := t.Context()
		if args[0] == "serve" {
			// It serves until it is told to stop; that it starts and stops cleanly is enough here.
			stopped, stop := context.WithTimeout(ctx, 500*time.Millisecond)
			defer stop()
			ctx = stopped
		}
		var out, errOut bytes.Buffer
		if err := run(ctx, args, strings.NewReader(""), &out, &errOut); err != nil {
			t.Errorf("%s: %v\n%s", strings.TrimSpace(line), err, errOut.String())
		}
		if out.Len() == 0 {
			t.Errorf("%s says nothing", strings.TrimSpace(line))
		}
	}
	if commands < 5 {
		t.Errorf("the README has %d commands", commands)
	}
}
