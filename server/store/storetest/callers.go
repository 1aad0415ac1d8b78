package storetest

import (
	"errors"
	"fmt"
	"testing"

	"aankomst/server/store"
)

// callers returns the callers of hashes, one for each, with their times told in UTC.
func callers(t *testing.T, s store.Store, hashes ...[32]byte) []store.Caller {
	t.Helper()
	all, err := s.Callers(t.Context(), hashes)
	is(t, err, nil)
	if len(all) != len(hashes) {
		t.Fatalf("%d callers for %d hashes", len(all), len(hashes))
	}
	for i := range all {
		in := &all[i].Session
		toUTC(&all[i].Wrong.Quarter, &in.StartedAt, &in.UsedAt, &in.ProvedAt, &in.EndsAt)
	}
	return all
}

// inPoolOne are the pools of centre a in the cohort of withCohort.
var inPoolOne = []store.PoolOf{{Year: year, Pool: 1}}

func callersInOrder(t *testing.T, s store.Store) {
	withCohort(t, s)
	equal(t, len(callers(t, s)), 0)
	equal(t, callers(t, s, [32]byte{1}), []store.Caller{{}})

	intake := token("t1", 1)
	counsellor := store.Token{ID: "t2", Hash: [32]byte{2}, Role: store.RoleCounsellor, ExpiresOn: "2027-01-01", Kind: store.KindMachine}
	expired := store.Token{ID: "t3", Hash: [32]byte{3}, Role: store.RoleCoordinator, ExpiresOn: "2001-01-01", Kind: store.KindMachine}
	revoked := token("t4", 4)
	revoked.Centre, revoked.Revoked, revoked.Kind = "d", true, store.KindDevice
	// Hashes that have much in common are still not the same.
	nearly := store.Token{ID: "t5", Hash: [32]byte{1, 31: 1}, Role: store.RoleAdministrator, ExpiresOn: "2027-01-01", Kind: store.KindMachine}
	for _, each := range []store.Token{nearly, revoked, counsellor, expired, intake} {
		is(t, s.CreateToken(t.Context(), each), nil)
	}
	known := map[[32]byte]store.Caller{
		intake.Hash:     {Token: intake, Pools: inPoolOne},
		counsellor.Hash: {Token: counsellor},
		expired.Hash:    {Token: expired},
		revoked.Hash:    {Token: revoked, Pools: []store.PoolOf{{Year: year, Pool: 2}}},
		nearly.Hash:     {Token: nearly},
	}
	for _, hashes := range [][][32]byte{
		{{1}},
		{{2}, {1}},
		{{4}, {3}, {2}, {1}, {1, 31: 1}},
		{{1}, {1}},                              // one token, two calls
		{{9}, {2}, {}, {1}, {9}, {3}, {1}, {2}}, // strangers among them
		{{9}, {8}},
	} {
		var want []store.Caller
		for _, hash := range hashes {
			want = append(want, known[hash])
		}
		equal(t, callers(t, s, hashes...), want)
	}

	// Revoked, it is so from the next call on.
	is(t, s.RevokeToken(t.Context(), "t1"), nil)
	intake.Revoked = true
	equal(t, callers(t, s, intake.Hash, counsellor.Hash), []store.Caller{{Token: intake, Pools: inPoolOne}, {Token: counsellor}})
}

func callersInSessions(t *testing.T, s store.Store) {
	elsewhere := administrator("m2")
	elsewhere.Subject = [32]byte{7}
	other := member("m3")
	other.Centre = "d"
	withMembers(t, s, member("m1"), elsewhere, other)
	is(t, s.StartSession(t.Context(), session("m1", 9), store.PasskeyUse{}), nil)
	is(t, s.CreateToken(t.Context(), token("t1", 8)), nil)
	_, err := s.UpdateCentre(t.Context(), "d", func(c *store.Centre) error { c.Archived = true; return nil })
	is(t, err, nil)
	wrong, err := s.AddWrongCode(t.Context(), "a", "2026-03-01", quarter(0))
	is(t, err, nil)
	toUTC(&wrong.Quarter)

	known := map[byte]store.Caller{
		1: {Session: session("m1", 1), Member: member("m1"), Pools: inPoolOne, Wrong: wrong},
		2: {Session: session("m2", 2), Member: elsewhere},
		3: {Session: session("m3", 3), Member: other, Archived: true, Pools: []store.PoolOf{{Year: year, Pool: 2}}},
		8: {Token: token("t1", 8), Pools: inPoolOne, Wrong: wrong},
		9: {Session: session("m1", 9), Member: member("m1"), Pools: inPoolOne, Wrong: wrong},
	}
	var hashes [][32]byte
	var want []store.Caller
	for _, hash := range []byte{3, 8, 5, 1, 9, 2, 1, 0, 8} {
		hashes = append(hashes, [32]byte{hash})
		want = append(want, known[hash])
	}
	equal(t, callers(t, s, hashes...), want)

	// Signed out, it is nobody from the next call on.
	is(t, s.EndSession(t.Context(), [32]byte{9}), nil)
	equal(t, callers(t, s, [32]byte{9}, [32]byte{1}), []store.Caller{{}, known[1]})
}

func callersWithoutRight(t *testing.T, s store.Store) {
	withMembers(t, s, member("m1"))
	ended := session("m1", 2)
	ended.EndsAt = quarter(-1000)
	is(t, s.StartSession(t.Context(), ended, store.PasskeyUse{}), nil)
	equal(t, callers(t, s, [32]byte{2}), []store.Caller{{Session: ended, Member: member("m1"), Pools: inPoolOne}})

	// What a member is now, not what it was when it signed in.
	changed, err := s.UpdateMember(t.Context(), "m1", func(m *store.Member) error { m.Label = "Balie 2"; return nil })
	is(t, err, nil)
	equal(t, callers(t, s, [32]byte{1})[0].Member, changed)
	// Removing it ends its sessions.
	is(t, ceasing["removed"](t, s, "m1", 1), nil)
	equal(t, callers(t, s, [32]byte{1}, [32]byte{2}), []store.Caller{{}, {}})
}

func callersPools(t *testing.T, s store.Store) {
	withCohort(t, s)
	outside := token("t2", 2)
	outside.Centre = "g"
	for _, each := range []store.Token{token("t1", 1), outside} {
		is(t, s.CreateToken(t.Context(), each), nil)
	}
	pools := func() [][]store.PoolOf {
		t.Helper()
		both := callers(t, s, [32]byte{1}, [32]byte{2})
		return [][]store.PoolOf{both[0].Pools, both[1].Pools}
	}
	equal(t, pools(), [][]store.PoolOf{inPoolOne, nil})

	// It joins a pool, and other cohorts come.
	is(t, s.AddToPool(t.Context(), year, 2, "g"), nil)
	equal(t, pools(), [][]store.PoolOf{inPoolOne, {{Year: year, Pool: 2}}})
	next, before := cohort(year+1), cohort(year-1)
	next.Pools[0].Number = 7
	before.Pools = []store.Pool{{Number: 1<<32 - 1, Centres: []string{"g"}}}
	is(t, s.CreateCohort(t.Context(), next), nil)
	is(t, s.CreateCohort(t.Context(), before), nil)
	want := [][]store.PoolOf{
		{{Year: year, Pool: 1}, {Year: year + 1, Pool: 7}},
		{{Year: year - 1, Pool: 1<<32 - 1}, {Year: year, Pool: 2}},
	}
	equal(t, pools(), want)

	// A cohort that is closed keeps its pools.
	advance(t, s, year, store.StageOpen, store.StageClosed)
	equal(t, pools(), want)
}

func callersWrongCodes(t *testing.T, s store.Store) {
	withCohort(t, s)
	same, other := token("t2", 2), token("t3", 3)
	other.Centre = "b"
	for _, each := range []store.Token{token("t1", 1), same, other} {
		is(t, s.CreateToken(t.Context(), each), nil)
	}
	wrong := func() (all []store.WrongCodes) {
		t.Helper()
		for _, caller := range callers(t, s, [32]byte{1}, [32]byte{2}, [32]byte{3}) {
			all = append(all, caller.Wrong)
		}
		return all
	}
	none := store.WrongCodes{}
	equal(t, wrong(), []store.WrongCodes{none, none, none})
	for n := range 3 {
		_, err := s.AddWrongCode(t.Context(), "a", "2026-03-01", quarter(0))
		is(t, err, nil)
		of := store.WrongCodes{Day: "2026-03-01", InDay: n + 1, Quarter: quarter(0), InQuarter: n + 1}
		equal(t, wrong(), []store.WrongCodes{of, of, none})
	}
}

func callersArchived(t *testing.T, s store.Store) {
	withCohort(t, s)
	other := token("t2", 2)
	other.Centre = "b"
	for _, each := range []store.Token{token("t1", 1), other} {
		is(t, s.CreateToken(t.Context(), each), nil)
	}
	for _, archived := range []bool{true, false} {
		_, err := s.UpdateCentre(t.Context(), "a", func(c *store.Centre) error { c.Archived = archived; return nil })
		is(t, err, nil)
		equal(t, callers(t, s, [32]byte{1}, [32]byte{2}), []store.Caller{
			{Token: token("t1", 1), Archived: archived, Pools: inPoolOne}, {Token: other, Pools: inPoolOne},
		})
	}
}

func manyCallers(t *testing.T, s store.Store) {
	withCohort(t, s)
	hashes := make([][32]byte, store.MaxCallers)
	for i := range hashes {
		hashes[i] = [32]byte{byte(i), byte(i >> 8), 1}
		if i%2 == 0 {
			each := token(fmt.Sprint("t", i), 0)
			each.Hash = hashes[i]
			is(t, s.CreateToken(t.Context(), each), nil)
		}
	}
	for i, caller := range callers(t, s, hashes...) {
		want := fmt.Sprint("t", i)
		if i%2 != 0 {
			want = ""
		}
		if caller.Token.ID != want {
			t.Fatalf("caller %d has the token %q, want %q", i, caller.Token.ID, want)
		}
	}
}

// callersInOneState has a centre's wrong codes counted while its two tokens are read: whatever the
// number, both must tell the same.
func callersInOneState(t *testing.T, s store.Store) {
	withCohort(t, s)
	is(t, s.CreateToken(t.Context(), token("t1", 1)), nil)
	is(t, s.CreateToken(t.Context(), token("t2", 2)), nil)
	const n = 30
	errs := together(4, func(reader int) error {
		if reader == 0 {
			for range n {
				if _, err := s.AddWrongCode(t.Context(), "a", "2026-03-01", quarter(0)); err != nil {
					return err
				}
			}
			return nil
		}
		last := 0
		for last < n {
			both, err := s.Callers(t.Context(), [][32]byte{{1}, {2}})
			if err != nil {
				return err
			}
			if both[0].Wrong.InDay != both[1].Wrong.InDay || both[0].Wrong.InDay < last {
				return fmt.Errorf("%d and %d wrong codes of one centre, after %d", both[0].Wrong.InDay, both[1].Wrong.InDay, last)
			}
			last = both[0].Wrong.InDay
		}
		return nil
	})
	is(t, errors.Join(errs...), nil)
}
