package server

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"google.golang.org/grpc/codes"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/server/calendar"
	"aankomst/server/release"
	"aankomst/server/store"
)

// releases publishes and reads what was frozen; it never sees a count.
type releases struct {
	aankomstv1.UnimplementedReleaseServiceServer
	store  store.Store
	policy release.Policy
	clock  func() time.Time
}

const (
	defaultPage = 50
	maxPage     = 200
)

// publishAttempts bounds how often a publication tries again because another came between.
const publishAttempts = 5

func (r *releases) PublishRelease(ctx context.Context, request *aankomstv1.PublishReleaseRequest) (*aankomstv1.Release, error) {
	year := int(request.GetCohort())
	if _, err := findCohort(ctx, r.store, "cohort", year); err != nil {
		return nil, err
	}
	drafts, err := r.store.ListDrafts(ctx, year)
	if err != nil {
		return nil, err
	}
	draft, err := r.choose(year, drafts, request.GetCutOff())
	if err != nil {
		return nil, err
	}
	for range publishAttempts {
		published, err := r.publish(ctx, draft)
		if !errors.Is(err, store.ErrConflict) {
			return published, err
		}
	}
	return nil, store.ErrConflict
}

func (r *releases) publish(ctx context.Context, draft store.Draft) (*aankomstv1.Release, error) {
	all, err := r.store.ListReleases(ctx)
	if err != nil {
		return nil, err
	}
	for _, published := range all {
		if published.Year == draft.Year && published.CutOff == draft.CutOff {
			return nil, &problem{
				code: codes.AlreadyExists, reason: "RELEASE_EXISTS",
				message:  fmt.Sprintf("that is published already, as release %d", published.Number),
				metadata: map[string]string{"number": strconv.Itoa(published.Number)},
			}
		}
	}
	var last *store.Release
	if len(all) > 0 {
		last = &all[len(all)-1]
	}
	next, err := release.Publish(draft, last, calendar.Day(r.clock()))
	if err != nil {
		return nil, err
	}
	if _, err := r.audit(append(all, next)); err != nil {
		return nil, err
	}
	err = r.store.AppendRelease(ctx, next)
	if errors.Is(err, store.ErrExists) {
		// It was published between the look and this: look again.
		return nil, store.ErrConflict
	}
	if err != nil {
		return nil, err
	}
	return releaseMessage(next)
}

// audit checks releases together.
func (r *releases) audit(all []store.Release) ([]release.Finding, error) {
	documents := make([]release.Document, len(all))
	for i, one := range all {
		var err error
		if documents[i], err = release.Decode(one.Document); err != nil {
			return nil, fmt.Errorf("reading release %d: %w", one.Number, err)
		}
	}
	return release.Audit([]release.Policy{r.policy, release.Current}, documents, nil)
}

func (r *releases) GetAudit(ctx context.Context, _ *aankomstv1.GetAuditRequest) (*aankomstv1.Audit, error) {
	all, err := r.store.ListReleases(ctx)
	if err != nil {
		return nil, err
	}
	findings, err := r.audit(all)
	if err != nil {
		return nil, err
	}
	response := new(aankomstv1.Audit)
	for _, found := range findings {
		response.Findings = append(response.Findings, &aankomstv1.Finding{
			Cohort: uint32(found.Cohort), CutOff: found.CutOff, Group: found.Group,
			Referrals: uint32(found.Referrals), Values: uint32(found.Values), Widened: found.Widened,
		})
	}
	return response, nil
}

// choose returns the draft of a cut-off, or the latest when none is named.
func (r *releases) choose(year int, drafts []store.Draft, cutOff string) (store.Draft, error) {
	var chosen *store.Draft
	for i, draft := range drafts {
		if cutOff == "" || draft.CutOff == cutOff {
			// Days sort before store.CutOffFinal.
			chosen = &drafts[i]
		}
	}
	if chosen != nil {
		return *chosen, nil
	}
	p := &problem{
		code: codes.FailedPrecondition, reason: "RELEASE_TOO_SOON", field: "cohort",
		message: fmt.Sprintf("nothing of %d is frozen yet", year),
	}
	if cutOff != "" && len(drafts) > 0 {
		p.reason, p.field = "CUT_OFF_NOT_FROZEN", "cut_off"
		p.message = fmt.Sprintf("nothing of %d was frozen at %q; leave the cut-off out to publish the latest", year, clip(cutOff))
	}
	for _, next := range calendar.CutOffs(year) {
		if next.At.After(r.clock()) {
			day := calendar.Day(next.At)
			p.message += fmt.Sprintf("; figures are frozen next on %s", day)
			p.metadata = map[string]string{"nextDate": day}
			return store.Draft{}, p
		}
	}
	p.message += "; the next release is the final one, when the cohort is closed"
	return store.Draft{}, p
}

func (r *releases) ListReleases(ctx context.Context, request *aankomstv1.ListReleasesRequest) (*aankomstv1.ListReleasesResponse, error) {
	size := int(request.GetPageSize())
	switch {
	case size < 0:
		return nil, invalid("page_size", "ask for 1 to %d releases", maxPage)
	case size == 0:
		size = defaultPage
	}
	size = min(size, maxPage)
	all, err := r.store.ListReleases(ctx)
	if err != nil {
		return nil, err
	}
	// A page token is the number of the first release of the page.
	at := len(all)
	if token := request.GetPageToken(); token != "" {
		if at, err = strconv.Atoi(token); err != nil || at < 1 || at > len(all) {
			return nil, invalid("page_token", "use the nextPageToken of the page before, or leave it out")
		}
	}
	response := new(aankomstv1.ListReleasesResponse)
	for ; at > 0 && len(response.GetReleases()) < size; at-- {
		message, err := releaseMessage(all[at-1])
		if err != nil {
			return nil, err
		}
		response.Releases = append(response.Releases, message)
	}
	if at > 0 {
		response.NextPageToken = strconv.Itoa(at)
	}
	return response, nil
}

func (r *releases) GetRelease(ctx context.Context, request *aankomstv1.GetReleaseRequest) (*aankomstv1.Release, error) {
	found, err := r.store.GetRelease(ctx, int(request.GetNumber()))
	if err != nil {
		return nil, err
	}
	return releaseMessage(found)
}

var shown = map[release.Shown]aankomstv1.Figure_Shown{
	release.Exact: aankomstv1.Figure_EXACT, release.Banded: aankomstv1.Figure_BAND,
	release.TooEarly: aankomstv1.Figure_TOO_EARLY, release.Protected: aankomstv1.Figure_PROTECTED,
}

// releaseMessage reads everything from the frozen document.
func releaseMessage(r store.Release) (*aankomstv1.Release, error) {
	document, err := release.Decode(r.Document)
	if err != nil {
		return nil, fmt.Errorf("reading release %d: %w", r.Number, err)
	}
	message := &aankomstv1.Release{
		Number: uint32(document.Number), Cohort: uint32(document.Cohort), CutOff: document.CutOff,
		Status: aankomstv1.Release_PROVISIONAL, PublishedOn: document.PublishedOn, Policy: document.Policy,
		FrozenLate: document.FrozenLate, Document: r.Document, Digest: r.Digest[:],
	}
	if document.Status == release.Final {
		message.Status = aankomstv1.Release_FINAL
	}
	if document.Previous != "" {
		message.Previous = r.Previous[:]
	}
	for _, total := range document.After {
		message.After = append(message.After, &aankomstv1.RunningTotal{
			CutOff: total.CutOff, Referrals: rangeMessage(&total.Referrals), Rate: rangeMessage(&total.Rate),
		})
	}
	for _, figure := range document.Figures {
		shownAs := &aankomstv1.Figure{
			Group: figure.Group, DisplayName: figure.Name, Shown: shown[figure.Shown],
			Rate: rangeMessage(figure.Rate), Referrals: rangeMessage(figure.Referrals), Interval: rangeMessage(figure.Interval),
			Arrived: rangeMessage(figure.Arrived), NotArrived: rangeMessage(figure.NotArrived), Count: rangeMessage(figure.Count),
		}
		for _, pool := range figure.Pools {
			shownAs.Pools = append(shownAs.Pools, uint32(pool))
		}
		message.Figures = append(message.Figures, shownAs)
	}
	return message, nil
}

func rangeMessage(r *release.Range) *aankomstv1.Range {
	if r == nil {
		return nil
	}
	return &aankomstv1.Range{Low: uint32(r.Low), High: uint32(r.High)}
}
