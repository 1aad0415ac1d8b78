package server_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/refcode"
	"aankomst/server/servertest"
)

// The answer to a call about a code is the same to the byte whatever happened before with that code, or
// with others.
func TestPrivacyAnswersAboutOneCode(t *testing.T) {
	t.Parallel()
	f := servertest.Start(t, servertest.Options{})
	p := newParty(t, f)
	var answers []string
	note := func(answer proto.Message, err error) {
		t.Helper()
		must(t, err)
		content, err := proto.Marshal(answer)
		must(t, err)
		answers = append(answers, fmt.Sprintf("%T %x", answer, content))
	}
	intake, counsellor := as(t.Context(), p.intake), as(t.Context(), p.counsellor)
	fresh, arrived, undone := p.issue(1, false).Code, p.issue(2, false).Code, p.issue(1, false).Code
	must(t, p.confirm(arrived, 0))
	must(t, p.confirm(undone, 0))
	must(t, p.undo(undone, 0))
	for _, code := range []string{fresh.Text(), arrived.Text(), undone.Text()} {
		note(p.arrivals.ConfirmArrival(intake, &aankomstv1.ConfirmArrivalRequest{Code: code}))
		note(p.arrivals.UndoArrival(intake, &aankomstv1.UndoArrivalRequest{Code: code}))
		note(p.referrals.VoidReferral(counsellor, &aankomstv1.VoidReferralRequest{Code: code}))
		note(p.referrals.VoidReferral(counsellor, &aankomstv1.VoidReferralRequest{Code: code}))
	}
	if n := len(answers) / 3; !slices.Equal(answers[:n], answers[n:2*n]) || !slices.Equal(answers[:n], answers[2*n:]) {
		t.Errorf("the answers tell what became of a code:\n%s", strings.Join(answers, "\n"))
	}
	// Refused: never issued, voided, undone after it was voided.
	var refusals []string
	for _, code := range []string{unissued(t, refcode.Short).Text(), fresh.Text(), arrived.Text(), undone.Text()} {
		_, err := p.arrivals.ConfirmArrival(intake, &aankomstv1.ConfirmArrivalRequest{Code: code})
		content, marshalling := proto.MarshalOptions{Deterministic: true}.Marshal(status.Convert(err).Proto())
		must(t, marshalling)
		refusals = append(refusals, fmt.Sprintf("%x", content))
	}
	if len(slices.Compact(refusals)) != 1 {
		t.Errorf("the refusals tell an unknown code from a voided one:\n%s", strings.Join(refusals, "\n"))
	}
}
