package server_test

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/server/release"
	"aankomst/server/servertest"
	"aankomst/server/store"
)

// What is found of the releases is what anybody finds who holds them.
func TestAPIAuditIsThatOfTheDocuments(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	same(t, "findings before any release", len(a.ok(a.coordinator(), new(aankomstv1.GetAuditRequest)).response.(*aankomstv1.Audit).GetFindings()), 0)
	var documents []release.Document
	for _, published := range a.history(t) {
		document, err := release.Decode(published.GetDocument())
		must(t, err)
		documents = append(documents, document)
	}
	want, err := release.Audit([]release.Policy{release.Current}, documents, nil)
	must(t, err)
	if len(want) == 0 {
		t.Fatal("nothing is found of a history that shows figures")
	}
	for _, token := range []string{a.coordinator(), a.administrator()} {
		for _, call := range []func(string, proto.Message) answer{a.grpc, a.rest} {
			got := call(token, new(aankomstv1.GetAuditRequest))
			got.worked(t)
			findings := got.response.(*aankomstv1.Audit).GetFindings()
			same(t, "findings", len(findings), len(want))
			for i, found := range findings {
				of := release.Finding{
					Cohort: int(found.GetCohort()), CutOff: found.GetCutOff(), Group: found.GetGroup(),
					Referrals: int(found.GetReferrals()), Values: int(found.GetValues()), Widened: found.GetWidened(),
				}
				if of != want[i] || of.Values < release.Current.MinValues {
					t.Errorf("found %+v, want %+v", of, want[i])
				}
			}
		}
	}
	for _, token := range []string{a.counsellor(), a.intake()} {
		a.grpc(token, new(aankomstv1.GetAuditRequest)).refused(t, codes.PermissionDenied, "ROLE_NOT_ALLOWED")
	}
}

// The gate stands before publication: a draft that tells more than its policy shows is published by nobody, whoever
// put it there, and neither is one that was made without a running total that is published.
func TestAPIPublishingIsRefusedWhereTheAuditFails(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*release.Document){
		"a narrower size class":               func(d *release.Document) { d.Figures[0].Referrals = &release.Range{Low: 62, High: 62} },
		"a narrower band":                     func(d *release.Document) { d.Figures[0].Rate = &release.Range{Low: 50, High: 52} },
		"without the total that is published": func(d *release.Document) { d.After = nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := startAPI(t, servertest.Options{})
			a.fill(t, 20, 9)
			a.pass(t, cutOff(1))
			a.publish(t, "")
			a.fill(t, 11, 9)
			a.pass(t, cutOff(2))
			drafts, err := a.Store.ListDrafts(t.Context(), servertest.Year)
			must(t, err)
			document, err := release.Decode(drafts[len(drafts)-1].Body)
			must(t, err)
			spoil(&document)
			const spoilt = "2026-09-29"
			document.CutOff = spoilt
			body, err := document.Encode()
			must(t, err)
			must(t, a.Store.SaveDraft(t.Context(), store.Draft{Year: servertest.Year, CutOff: spoilt, Body: body}))

			a.grpc(a.coordinator(), publishing(spoilt)).refused(t, codes.FailedPrecondition, "RELEASE_WITHHELD")
			a.rest(a.coordinator(), publishing(spoilt)).refused(t, codes.FailedPrecondition, "RELEASE_WITHHELD")
			same(t, "releases", len(a.releases(t)), 1)
			// What was frozen as it should be is published all the same.
			a.grpc(a.coordinator(), publishing(cutOff(2).Day)).worked(t)
		})
	}
}
