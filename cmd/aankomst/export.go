package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	client "aankomst/clients/go"
	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/server/release/export"
	"aankomst/server/store"
)

type releaseExportCmd struct {
	ClientSettings
	Number   uint32 `arg:"" optional:"" help:"The release's number; the whole chain when left out."`
	Format   string `help:"csv, xlsx or json. The whole chain is JSON, one release a line." enum:"csv,xlsx,json" default:"json"`
	Language string `help:"en, nl, fr or de: the words of CSV and XLSX. JSON has none." enum:"en,nl,fr,de" default:"en"`
	Output   string `help:"Where to write; standard output by default. It must not exist." short:"o" placeholder:"FILE"`
}

// Run exports releases.
func (c releaseExportCmd) Run(ctx context.Context, a *app) error {
	words, err := export.WordsIn(c.Language)
	if err != nil {
		return err
	}
	if c.Number == 0 && c.Format != "json" {
		return fmt.Errorf("%w: the whole chain is exported as JSON; name a release for CSV or XLSX", errUsage)
	}
	if out, ok := a.out.(*os.File); ok && c.Format == "xlsx" && c.Output == "" && term.IsTerminal(int(out.Fd())) {
		return fmt.Errorf("%w: a terminal cannot show XLSX; name a file with -o", errUsage)
	}
	return c.withClient(ctx, func(ctx context.Context, api *client.Client) error {
		var releases []*aankomstv1.Release
		var err error
		if c.Number == 0 {
			releases, err = allReleases(ctx, api)
		} else {
			var one *aankomstv1.Release
			one, err = api.Releases.GetRelease(api.Authorized(ctx), &aankomstv1.GetReleaseRequest{Number: c.Number})
			releases = append(releases, one)
		}
		if err != nil {
			return err
		}
		if len(releases) == 0 {
			return fmt.Errorf("%w: nothing is published yet", errRefused)
		}
		return a.export(c.Output, 0o644, func(w io.Writer) error {
			for _, r := range releases {
				if err := c.writeOne(w, r.GetDocument(), words); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// writeOne writes a release in the format that was asked for.
func (c releaseExportCmd) writeOne(w io.Writer, document []byte, words export.Words) error {
	published := store.Release{Document: document, Digest: sha256.Sum256(document)}
	switch c.Format {
	case "csv":
		return export.WriteCSV(w, published, words)
	case "xlsx":
		return export.WriteXLSX(w, published, words)
	default:
		_, err := fmt.Fprintf(w, "%s\n", document)
		return err
	}
}

// export writes to a file that must not exist, or to standard output when path is empty.
func (a *app) export(path string, mode os.FileMode, content func(io.Writer) error) error {
	if path == "" {
		return content(a.out)
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if err := errors.Join(content(file), file.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return a.print(map[string]string{"exported": path}, "Exported to %s.", path)
}
