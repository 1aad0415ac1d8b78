package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	client "aankomst/clients/go"
	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/server/release"
	"aankomst/server/release/export"
)

type releaseCmd struct {
	Publish releasePublishCmd `cmd:"" help:"Publish what the server froze at a cut-off."`
	List    releaseListCmd    `cmd:"" help:"List the releases."`
	Show    releaseShowCmd    `cmd:"" help:"Show the figures of a release."`
	Export  releaseExportCmd  `cmd:"" help:"Write a release, or the whole chain, to a file."`
	Verify  releaseVerifyCmd  `cmd:"" help:"Check an exported chain of releases, offline."`
}

type releasePublishCmd struct {
	ClientSettings
	Cohort int    `arg:"" help:"The cohort's year."`
	CutOff string `help:"A day (YYYY-MM-DD) or 'final'; the latest that is frozen by default." placeholder:"DAY"`
}

// Run publishes a release.
func (c releasePublishCmd) Run(ctx context.Context, a *app) error {
	return c.withClient(ctx, func(ctx context.Context, api *client.Client) error {
		published, err := api.Releases.PublishRelease(api.Authorized(ctx), &aankomstv1.PublishReleaseRequest{
			Cohort: uint32(c.Cohort), CutOff: c.CutOff,
		})
		if err != nil {
			return err
		}
		return a.showRelease(published)
	})
}

type releaseListCmd struct{ ClientSettings }

// Run lists the releases.
func (c releaseListCmd) Run(ctx context.Context, a *app) error {
	return c.withClient(ctx, func(ctx context.Context, api *client.Client) error {
		all, err := allReleases(ctx, api)
		if err != nil {
			return err
		}
		documents, rows := []json.RawMessage{}, []string{}
		for _, r := range all {
			documents = append(documents, r.GetDocument())
			rows = append(rows, releaseRow(r))
		}
		return a.table(documents, releaseHeader, rows, "Nothing is published yet.")
	})
}

const releaseHeader = "RELEASE\tCOHORT\tSTATUS\tUP TO\tARRIVAL RATE\tOF REFERRALS\t95 % INTERVAL"

// releaseRow is a release's total, for a table.
func releaseRow(r *aankomstv1.Release) string {
	row := fmt.Sprintf("%d\t%d\t%s\t%s\t", r.GetNumber(), r.GetCohort(), strings.ToLower(r.GetStatus().String()), r.GetCutOff())
	for _, figure := range r.GetFigures() {
		if figure.GetGroup() == release.GroupTotal {
			row += figureCells(figure)
		}
	}
	return row
}

// figureCells are a figure's rate, referrals and interval, for a table.
func figureCells(figure *aankomstv1.Figure) string {
	switch figure.GetShown() {
	case aankomstv1.Figure_EXACT, aankomstv1.Figure_BAND:
		if figure.GetInterval() == nil {
			return span(figure.GetRate()) + " %\t\t"
		}
		return fmt.Sprintf("%s %%\t%s\t%d to %d %%", span(figure.GetRate()), span(figure.GetReferrals()),
			figure.GetInterval().GetLow(), figure.GetInterval().GetHigh())
	case aankomstv1.Figure_TOO_EARLY:
		return "too early to show safely\t\t"
	default:
		return "protected: too few referrals to show safely\t\t"
	}
}

func span(r *aankomstv1.Range) string {
	if r.GetLow() == r.GetHigh() {
		return fmt.Sprint(r.GetLow())
	}
	return fmt.Sprintf("%d-%d", r.GetLow(), r.GetHigh())
}

// allReleases reads every page, and returns the releases by number.
func allReleases(ctx context.Context, api *client.Client) ([]*aankomstv1.Release, error) {
	var all []*aankomstv1.Release
	for token := ""; ; {
		page, err := api.Releases.ListReleases(api.Authorized(ctx), &aankomstv1.ListReleasesRequest{PageToken: token})
		if err != nil {
			return nil, err
		}
		all = append(all, page.GetReleases()...)
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	for i, j := 0, len(all)-1; i < j; i, j = i+1, j-1 {
		all[i], all[j] = all[j], all[i]
	}
	return all, nil
}

type releaseShowCmd struct {
	ClientSettings
	Number uint32 `arg:"" help:"The release's number."`
}

// Run shows a release.
func (c releaseShowCmd) Run(ctx context.Context, a *app) error {
	return c.withClient(ctx, func(ctx context.Context, api *client.Client) error {
		found, err := api.Releases.GetRelease(api.Authorized(ctx), &aankomstv1.GetReleaseRequest{Number: c.Number})
		if err != nil {
			return err
		}
		return a.showRelease(found)
	})
}

func (a *app) showRelease(r *aankomstv1.Release) error {
	if a.JSON {
		return a.print(json.RawMessage(r.GetDocument()), "")
	}
	fmt.Fprintf(a.out, "Release %d: cohort %d, %s, up to %s, published %s\n", r.GetNumber(), r.GetCohort(),
		strings.ToLower(r.GetStatus().String()), r.GetCutOff(), r.GetPublishedOn())
	var words export.Words
	fmt.Fprintf(a.out, "Arrival rate: %s, of %s.\n", words.Definition(release.GroupTotal), words.Denominator(release.GroupTotal))
	fmt.Fprintf(a.out, "Policy %s, SHA-256 %x\n\n", r.GetPolicy(), r.GetDigest())
	var rates, shares []string
	for _, figure := range r.GetFigures() {
		group := strings.TrimSpace(figure.GetGroup() + " " + figure.GetDisplayName())
		base, _ := release.BaseOf(figure.GetGroup())
		switch {
		case base == release.OfReferrals:
			rates = append(rates, group+"\t"+figureCells(figure))
		case figure.GetRate() == nil:
			shares = append(shares, group+"\t"+figureCells(figure))
		default:
			shares = append(shares, fmt.Sprintf("%s\t%s %%\t%s\t", group, span(figure.GetRate()), base))
		}
	}
	if err := a.table(nil, "GROUP\tARRIVAL RATE\tOF REFERRALS\t95 % INTERVAL", rates, ""); err != nil || len(shares) == 0 {
		return err
	}
	fmt.Fprintln(a.out)
	return a.table(nil, "GROUP\tSHARE\t\t", shares, "")
}

type releaseVerifyCmd struct {
	File string `arg:"" help:"The chain, as aankomst release export writes it."`
}

// Help is shown below the command's usage.
func (releaseVerifyCmd) Help() string {
	return "Every release names the digest of the one before. Nothing names that of the last: compare it, as it is printed, with\nwhat was quoted when it was published. Then all releases are audited together: of every group it is said how many\nvalues of its counts stay possible for a reader of all of them."
}

// Run verifies a chain and audits it.
func (c releaseVerifyCmd) Run(a *app) error {
	content, err := os.ReadFile(c.File)
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	var lines [][]byte
	for line := range strings.Lines(string(content)) {
		lines = append(lines, []byte(strings.TrimRight(line, "\r\n")))
	}
	if len(lines) == 0 {
		return fmt.Errorf("%w: %s is empty", errUsage, c.File)
	}
	if err := release.VerifyChain(lines); err != nil {
		return err
	}
	documents := make([]release.Document, len(lines))
	for i, line := range lines {
		if documents[i], err = release.Decode(line); err != nil {
			return err
		}
	}
	told := time.Now()
	findings, err := release.Audit([]release.Policy{release.Current}, documents, func(done int) {
		if time.Since(told) > time.Second {
			told = time.Now()
			a.progress("Audited %d of %d releases...", done, len(documents))
		}
	})
	if err != nil {
		return err
	}
	last := fmt.Sprintf("%x", sha256.Sum256(lines[len(lines)-1]))
	if a.JSON {
		return a.print(map[string]any{"verified": len(lines), "lastDigest": last, "findings": findings}, "")
	}
	fmt.Fprintf(a.out, "Releases 1 to %d: unbroken. SHA-256 of the last: %s\n", len(lines), last)
	var rows []string
	for _, found := range findings {
		row := fmt.Sprintf("%d\t%s\t%s\t%d\t", found.Cohort, found.CutOff, found.Group, found.Values)
		if found.Referrals > 0 {
			row += fmt.Sprint(found.Referrals)
		}
		if row += "\t"; found.Widened {
			row += "widened"
		}
		rows = append(rows, row)
	}
	return a.table(nil, "COHORT\tUP TO\tGROUP\tPOSSIBLE ARRIVALS\tPOSSIBLE REFERRALS\t", rows, "No release shows a group that could be worked out.")
}
