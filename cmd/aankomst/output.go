package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"golang.org/x/term"
)

// print prints a result: as JSON when that is asked for, as a sentence otherwise.
func (a *app) print(result any, sentence string, args ...any) error {
	if a.JSON {
		encoder := json.NewEncoder(a.out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(result)
	}
	_, err := fmt.Fprintf(a.out, sentence+"\n", args...)
	return err
}

// table prints rows: as JSON when that is asked for, as aligned columns otherwise, or as a sentence when
// there are none.
func (a *app) table(result any, header string, rows []string, empty string) error {
	if a.JSON {
		return a.print(result, "")
	}
	if len(rows) == 0 {
		_, err := fmt.Fprintln(a.out, empty)
		return err
	}
	columns := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(columns, header)
	for _, row := range rows {
		fmt.Fprintln(columns, row)
	}
	return columns.Flush()
}

// progress tells a person how far long work is; scripts, which read JSON, do not see it.
func (a *app) progress(format string, args ...any) {
	if !a.JSON {
		fmt.Fprintf(a.err, format+"\n", args...)
	}
}

// readLine reads one line of standard input, asking for it when a person is typing.
func (a *app) readLine(prompt string) (string, error) {
	if file, ok := a.in.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		fmt.Fprint(a.err, prompt+" ")
	}
	line, err := bufio.NewReader(io.LimitReader(a.in, 4096)).ReadString('\n')
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		if err != nil && err != io.EOF {
			return "", fmt.Errorf("reading standard input: %w", err)
		}
		return "", fmt.Errorf("%w: nothing came on standard input; the code is read from there", errUsage)
	}
	return line, nil
}
