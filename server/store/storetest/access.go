package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"aankomst/server/store"
)

// withAccess adds something of everything that begins and ends with signing in, or leads to it: an administrator
// and a removed member, passkeys, sessions, a ceremony, attempts, an invitation and a device. It needs the
// centres of withCohort. Whatever has a hash or a passkey's ID has one from 20 on.
func withAccess(t *testing.T, s store.Store) {
	t.Helper()
	elsewhere, removed := member("m2"), member("m3")
	elsewhere.Subject = [32]byte{7}
	for _, each := range []store.Member{administrator("m1"), elsewhere, removed} {
		is(t, s.CreateMember(t.Context(), each), nil)
	}
	counting := passkey("m2", 21)
	counting.Count, counting.Transports = 7, nil
	for _, each := range []store.Passkey{counting, passkey("m1", 20), passkey("m2", 22)} {
		is(t, s.AddPasskey(t.Context(), each), nil)
	}
	is(t, s.SuspectPasskey(t.Context(), "m2", []byte{22}), nil)
	is(t, ceasing["removed"](t, s, "m3", 0), nil)
	d, ofDevice := device("d1", 23)
	is(t, s.CreateToken(t.Context(), d), nil)
	is(t, s.PutInvitation(t.Context(), ofDevice), nil)
	is(t, s.PutInvitation(t.Context(), invitation("m2", 24)), nil)
	is(t, s.StartSession(t.Context(), session("m1", 25), store.PasskeyUse{}), nil)
	is(t, s.StartSession(t.Context(), session("m2", 26), store.PasskeyUse{ID: []byte{21}, Count: 8}), nil)
	is(t, s.BeginCeremony(t.Context(), store.Ceremony{Hash: [32]byte{27}, Kind: "sign_in", Data: []byte{1}, EndsAt: quarter(1)}), nil)
	for _, who := range []string{"", "m1"} {
		_, err := s.CountAttempt(t.Context(), store.AttemptSignIn, who, quarter(0))
		is(t, err, nil)
	}
}

// accessWrites and accessReads are calls of the store that are accepted after withAccess, in this order, with two
// tokens t1 and t2 beside.
func accessWrites() []call {
	return []call{
		{"RotateToken", func(ctx context.Context, s store.Store) error {
			return s.RotateToken(ctx, "t2", token("t3", 30), "2026-04-01")
		}},
		{"CreateMember", func(ctx context.Context, s store.Store) error { return s.CreateMember(ctx, member("m4")) }},
		{"UpdateMember", func(ctx context.Context, s store.Store) error {
			_, err := s.UpdateMember(ctx, "m2", func(m *store.Member) error { m.Label = "x"; return nil })
			return err
		}},
		{"PutInvitation", func(ctx context.Context, s store.Store) error { return s.PutInvitation(ctx, invitation("m1", 31)) }},
		{"Enrol", func(ctx context.Context, s store.Store) error {
			return s.Enrol(ctx, [32]byte{24}, passkey("m2", 32), session("m2", 32))
		}},
		{"EnrolDevice", func(ctx context.Context, s store.Store) error {
			_, err := s.EnrolDevice(ctx, [32]byte{23}, [32]byte{33}, "2026-09-01")
			return err
		}},
		{"AddPasskey", func(ctx context.Context, s store.Store) error { return s.AddPasskey(ctx, passkey("m1", 34)) }},
		{"RemovePasskey", func(ctx context.Context, s store.Store) error {
			return s.RemovePasskey(ctx, "m1", []byte{20}, [32]byte{25})
		}},
		{"SuspectPasskey", func(ctx context.Context, s store.Store) error { return s.SuspectPasskey(ctx, "m2", []byte{21}) }},
		{"BeginCeremony", func(ctx context.Context, s store.Store) error {
			return s.BeginCeremony(ctx, store.Ceremony{Hash: [32]byte{35}, Kind: "sign_in", EndsAt: quarter(1)})
		}},
		{"EndCeremony", func(ctx context.Context, s store.Store) error {
			_, err := s.EndCeremony(ctx, [32]byte{27})
			return err
		}},
		{"StartSession", func(ctx context.Context, s store.Store) error {
			return s.StartSession(ctx, session("m1", 36), store.PasskeyUse{ID: []byte{34}})
		}},
		{"ProveSession", func(ctx context.Context, s store.Store) error {
			return s.ProveSession(ctx, [32]byte{25}, [32]byte{26}, quarter(3), store.PasskeyUse{})
		}},
		{"Used", func(ctx context.Context, s store.Store) error {
			return s.Used(ctx, store.Uses{Sessions: map[[32]byte]time.Time{{25}: quarter(3)}, Tokens: map[string]string{"t1": "2026-03-01"}}, quarter(0))
		}},
		{"EndSession", func(ctx context.Context, s store.Store) error { return s.EndSession(ctx, [32]byte{25}) }},
		{"EndSessions", func(ctx context.Context, s store.Store) error { return s.EndSessions(ctx, "m1", [32]byte{}) }},
		{"CountAttempt", func(ctx context.Context, s store.Store) error {
			_, err := s.CountAttempt(ctx, store.AttemptSignIn, "m1", quarter(0))
			return err
		}},
		{"Note", func(ctx context.Context, s store.Store) error { return s.Note(ctx, store.Act{Action: "server.start"}) }},
	}
}

func accessReads() []call {
	return []call{
		{"GetMember", func(ctx context.Context, s store.Store) error { _, err := s.GetMember(ctx, "m1"); return err }},
		{"FindMember", func(ctx context.Context, s store.Store) error { _, err := s.FindMember(ctx, [32]byte{7}); return err }},
		{"ListMembers", func(ctx context.Context, s store.Store) error { _, err := s.ListMembers(ctx); return err }},
		{"GetInvitation", func(ctx context.Context, s store.Store) error {
			_, err := s.GetInvitation(ctx, [32]byte{31})
			if errors.Is(err, store.ErrNotFound) {
				return nil
			}
			return err
		}},
		{"ListPasskeys", func(ctx context.Context, s store.Store) error { _, err := s.ListPasskeys(ctx, ""); return err }},
		{"ListSessions", func(ctx context.Context, s store.Store) error { _, err := s.ListSessions(ctx, "m1"); return err }},
		{"Attempts", func(ctx context.Context, s store.Store) error {
			_, err := s.Attempts(ctx, store.AttemptSignIn, "m1", quarter(0))
			return err
		}},
		{"ListActs", func(ctx context.Context, s store.Store) error { _, err := s.ListActs(ctx, 0, 10); return err }},
	}
}
