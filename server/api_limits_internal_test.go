package server

import (
	"context"
	"errors"
	"testing"
	"time"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/refcode"
	"aankomst/server/access"
	"aankomst/server/calendar"
	"aankomst/server/store"
)

// asCaller is the context of a call of somebody whom authorize let pass.
func asCaller(ctx context.Context, caller access.Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, caller)
}

// Without keys, an attempt that looked at a code would end in a panic: what is refused must be refused
// before.
func TestAPIARefusedAttemptEvaluatesNothing(t *testing.T) {
	t.Parallel()
	s := emptyServer(t)
	deps := s.deps
	a := &arrivals{guesses: access.NewGuesses(deps.Store, deps.Limits, deps.Clock)}
	r := &referrals{guesses: access.NewStrangers(deps.Limits, deps.Clock)}
	// All zeros is a well-formed code.
	const text = "0000 0000 0000 0000"
	if _, err := refcode.Decode(text); err != nil {
		t.Fatal(err)
	}
	open := access.Principal{Role: store.RoleIntake, Centre: "open"}
	archived := access.Principal{Role: store.RoleIntake, Centre: "archived", Archived: true}
	nowhere := access.Principal{Role: store.RoleIntake}
	confirm := func(caller access.Principal, code string, band aankomstv1.WaitBand_Value) error {
		_, err := a.ConfirmArrival(asCaller(t.Context(), caller), &aankomstv1.ConfirmArrivalRequest{Code: code, WaitBand: band})
		return err
	}
	undo := func(caller access.Principal, code string) error {
		_, err := a.UndoArrival(asCaller(t.Context(), caller), &aankomstv1.UndoArrivalRequest{Code: code})
		return err
	}
	void := func(code string) error {
		_, err := r.VoidReferral(t.Context(), &aankomstv1.VoidReferralRequest{Code: code})
		return err
	}
	refused := func(name string, err error, reason string) {
		t.Helper()
		if s, _ := toStatus(err); reasonOf(s) != reason {
			t.Errorf("%s: %v, want %s", name, err, reason)
		}
	}
	refused("a malformed code", confirm(open, text[1:], 0), "CODE_MALFORMED")
	refused("a malformed code, to undo", undo(open, text[1:]), "CODE_MALFORMED")
	refused("a malformed code, to void", void(text[1:]), "CODE_MALFORMED")
	refused("an unknown band", confirm(open, text, 6), "FIELD_INVALID")
	refused("an archived centre", confirm(archived, text, 0), "CENTRE_ARCHIVED")
	refused("an archived centre, to undo", undo(archived, text), "CENTRE_ARCHIVED")
	refused("no centre", confirm(nowhere, text, 0), "CENTRE_ARCHIVED")

	for range deps.Limits.PerMinute {
		var err error
		if open.Wrong, err = deps.Store.AddWrongCode(t.Context(), "open", calendar.Day(deps.Clock()), calendar.Quarter(deps.Clock())); err != nil {
			t.Fatal(err)
		}
		if err := r.guesses.Attempt(func() (bool, error) { return true, nil }); err != nil {
			t.Fatal(err)
		}
	}
	refused("past the limit", confirm(open, text, 0), "TOO_MANY_WRONG_CODES")
	refused("past the limit, to undo", undo(open, text), "TOO_MANY_WRONG_CODES")
	refused("past the limit, to void", void(text), "TOO_MANY_WRONG_CODES")

	// A caller who has gone away while another of the centre was served is not looked at either.
	ctx, cancel := context.WithTimeout(asCaller(t.Context(), access.Principal{Role: store.RoleIntake, Centre: "other"}), time.Hour)
	cancel()
	if _, err := a.ConfirmArrival(ctx, &aankomstv1.ConfirmArrivalRequest{Code: text}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
