package storetest

import (
	"testing"

	"aankomst/server/store"
)

// The ways in which an administrator can cease to be one who can sign in with a passkey, but for suspicion.
var ceasing = map[string]func(t *testing.T, s store.Store, id string, passkey byte) error{
	"removed": func(t *testing.T, s store.Store, id string, _ byte) error {
		_, err := s.UpdateMember(t.Context(), id, func(m *store.Member) error { m.Removed = true; return nil })
		return err
	},
	"another role": func(t *testing.T, s store.Store, id string, _ byte) error {
		_, err := s.UpdateMember(t.Context(), id, func(m *store.Member) error { m.Role = store.RoleCoordinator; return nil })
		return err
	},
	"no passkey": func(t *testing.T, s store.Store, id string, passkey byte) error {
		return s.RemovePasskey(t.Context(), id, []byte{passkey}, [32]byte{})
	},
}

func lastAdministrator(t *testing.T, s store.Store) {
	// Of the three who cannot sign in with a passkey, none is another administrator.
	withMembers(t, s, administrator("m1"), administrator("suspected"), administrator("removed"), member("intake"))
	is(t, s.CreateMember(t.Context(), administrator("bare")), nil)
	is(t, s.SuspectPasskey(t.Context(), "suspected", []byte{2}), nil)
	is(t, ceasing["removed"](t, s, "removed", 3), nil)
	before, _ := keeps(t, s)
	for how, cease := range ceasing {
		if err := cease(t, s, "m1", 1); err == nil {
			t.Fatalf("%s: the last administrator went", how)
		} else {
			is(t, err, store.ErrLastAdministrator)
		}
	}
	after, _ := keeps(t, s)
	equal(t, after, before)
	equal(t, signedIn(t, s, "m1"), []byte{1})

	// What leaves one is allowed: another name, a second passkey of two, those who do not count.
	_, err := s.UpdateMember(t.Context(), "m1", func(m *store.Member) error { m.Label = "Directie"; return nil })
	is(t, err, nil)
	is(t, s.AddPasskey(t.Context(), passkey("m1", 9)), nil)
	is(t, ceasing["no passkey"](t, s, "m1", 1), nil)
	is(t, ceasing["no passkey"](t, s, "suspected", 2), nil)
	is(t, ceasing["removed"](t, s, "bare", 0), nil)
	is(t, ceasing["removed"](t, s, "intake", 0), nil)

	// A copied passkey is accepted no more, whoever is left; and from then on none is the last.
	is(t, s.SuspectPasskey(t.Context(), "m1", []byte{9}), nil)
	is(t, ceasing["removed"](t, s, "m1", 9), nil)
}

func removeEachOther(t *testing.T, s store.Store) {
	withCohort(t, s)
	number := byte(0)
	for how, cease := range ceasing {
		t.Run(how, func(t *testing.T) {
			ids := [2]string{how + " 1", how + " 2"}
			for i, id := range ids {
				is(t, s.CreateMember(t.Context(), administrator(id)), nil)
				is(t, s.AddPasskey(t.Context(), passkey(id, number+byte(i))), nil)
			}
			errs := together(len(ids), func(i int) error { return cease(t, s, ids[i], number+byte(i)) })
			one(t, errs, store.ErrLastAdministrator)
			// The one who stays makes room for the next two.
			for i := range ids {
				if errs[i] != nil {
					is(t, s.SuspectPasskey(t.Context(), ids[i], []byte{number + byte(i)}), nil)
				}
			}
			number += byte(len(ids))
		})
	}
}
