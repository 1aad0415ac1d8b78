package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"aankomst/server/store"
)

var actTests = []test{
	{"each change of what is administered is recorded", changesRecorded},
	{"it is recorded in the name and at the time of the context", namesRecorded},
	{"what fails is not recorded", failuresUnrecorded},
	{"what changes nothing is not recorded", nothingUnrecorded},
	{"conversations, arrivals and signing in are not recorded", callsUnrecorded},
	{"an act alone is recorded", noted},
	{"acts are listed from a number on", listActs},
	{"acts at once are one chain", actsAtOnce},
}

// acts returns the whole record, and fails the test unless it is one chain.
func acts(t *testing.T, s store.Store) []store.Act {
	t.Helper()
	all, err := s.ListActs(t.Context(), 0, 1<<20)
	is(t, err, nil)
	var last store.Act
	for i := range all {
		toUTC(&all[i].At)
		if all[i].Number != last.Number+1 || i == 0 && all[i].Previous != [32]byte{} || i > 0 && all[i].Previous != last.Digest() {
			t.Fatalf("act %+v does not follow %+v", all[i], last)
		}
		if !all[i].At.Truncate(15 * time.Minute).Equal(all[i].At) {
			t.Fatalf("act %+v is not on a quarter of an hour", all[i])
		}
		last = all[i]
	}
	return all
}

// recorded returns the acts that do adds to the record, as action, target and detail.
func recorded(t *testing.T, s store.Store, do func()) (added []string) {
	t.Helper()
	before := acts(t, s)
	do()
	after := acts(t, s)
	if len(after) < len(before) {
		t.Fatalf("%d acts of %d", len(after), len(before))
	}
	equal(t, after[:len(before)], before)
	for _, act := range after[len(before):] {
		added = append(added, fmt.Sprintf("%s %s %s", act.Action, act.Target, act.Detail))
	}
	return added
}

// change is a call that changes what is administered, and what it adds to the record. They follow each other.
type change struct {
	name string
	want []string
	do   func(ctx context.Context, s store.Store) error
}

// update returns the change of a centre.
func update(change func(c *store.Centre)) func(ctx context.Context, s store.Store) error {
	return func(ctx context.Context, s store.Store) error {
		_, err := s.UpdateCentre(ctx, "a", func(c *store.Centre) error { change(c); return nil })
		return err
	}
}

// alter returns the change of a member.
func alter(id string, change func(m *store.Member)) func(ctx context.Context, s store.Store) error {
	return func(ctx context.Context, s store.Store) error {
		_, err := s.UpdateMember(ctx, id, func(m *store.Member) error { change(m); return nil })
		return err
	}
}

// changes begins where withCohort and two members, m1 and m2, leave a store.
func changes() []change {
	d, ofDevice := device("d1", 40)
	first := release(store.Release{}, "2026-06-30")
	return []change{
		{"CreateCentre", []string{"centre.create h type=CGG"}, func(ctx context.Context, s store.Store) error { return s.CreateCentre(ctx, centre("h")) }},
		{"UpdateCentre", []string{"centre.update a fields=email,languages"}, update(func(c *store.Centre) { c.Languages[0], c.Email = "en", "other@example.org" })},
		{"UpdateCentre archiving", []string{"centre.archive a "}, update(func(c *store.Centre) { c.Archived = true })},
		{"UpdateCentre restoring", []string{"centre.restore a "}, update(func(c *store.Centre) { c.Archived = false })},
		{"CreateCohort", []string{"cohort.open 2027 pools=2 recipients=2"}, func(ctx context.Context, s store.Store) error { return s.CreateCohort(ctx, cohort(year+1)) }},
		{"AddToPool", []string{"pool.add 2026/2 centre=g"}, func(ctx context.Context, s store.Store) error { return s.AddToPool(ctx, year, 2, "g") }},
		{"AdvanceCohort", []string{
			"cohort.close 2026 stage=closing", "cohort.close 2026 stage=released", "cohort.close 2026 stage=acknowledged",
			"cohort.close 2026 stage=key_destroyed", "cohort.close 2026 stage=escrow_destroyed", "cohort.close 2026 stage=closed",
		}, func(ctx context.Context, s store.Store) error {
			for i, stage := range store.Stages[1:] {
				if err := s.AdvanceCohort(ctx, year, store.Stages[i], stage); err != nil {
					return err
				}
			}
			return nil
		}},
		{"AppendRelease", []string{"release.publish 1 cohort=2026 cut_off=2026-06-30"}, func(ctx context.Context, s store.Store) error { return s.AppendRelease(ctx, first) }},
		{"PutStatements", []string{"statement.put s1 ", "statement.put s2 "}, func(ctx context.Context, s store.Store) error {
			return s.PutStatements(ctx, []store.Statement{statement("s1", 2018, 2018), statement("s2", 2019, 2019)})
		}},
		{"PutStatements again", []string{"statement.put s2 ", "statement.put s3 "}, func(ctx context.Context, s store.Store) error {
			return s.PutStatements(ctx, []store.Statement{statement("s1", 2018, 2018), statement("s2", 2020, 2020), statement("s3", 2021, 2021)})
		}},
		{"RemoveStatement", []string{"statement.remove s1 "}, func(ctx context.Context, s store.Store) error { return s.RemoveStatement(ctx, "s1") }},
		{"CreateToken", []string{"token.create t1 role=INTAKE centre=a until=2027-01-01"}, func(ctx context.Context, s store.Store) error { return s.CreateToken(ctx, token("t1", 41)) }},
		{"RotateToken", []string{"token.rotate t1 replacement=t2 until=2026-05-01"}, func(ctx context.Context, s store.Store) error {
			return s.RotateToken(ctx, "t1", token("t2", 42), "2026-05-01")
		}},
		{"RevokeToken", []string{"token.revoke t1 "}, func(ctx context.Context, s store.Store) error { return s.RevokeToken(ctx, "t1") }},
		{"CreateToken of a device", []string{"device.create d1 role=INTAKE centre=a until=2027-01-01"}, func(ctx context.Context, s store.Store) error { return s.CreateToken(ctx, d) }},
		{"PutInvitation of a device", []string{"device.invite d1 "}, func(ctx context.Context, s store.Store) error { return s.PutInvitation(ctx, ofDevice) }},
		{"EnrolDevice", []string{"device.enrol d1 centre=a until=2026-09-01"}, func(ctx context.Context, s store.Store) error {
			_, err := s.EnrolDevice(ctx, ofDevice.Hash, [32]byte{43}, "2026-09-01")
			return err
		}},
		{"RevokeToken of a device", []string{"device.revoke d1 "}, func(ctx context.Context, s store.Store) error { return s.RevokeToken(ctx, "d1") }},
		{"CreateMember", []string{"member.create m3 role=INTAKE centre=a"}, func(ctx context.Context, s store.Store) error { return s.CreateMember(ctx, member("m3")) }},
		{"UpdateMember", []string{"member.update m3 fields=label"}, alter("m3", func(m *store.Member) { m.Label = "Jan Peeters" })},
		{"UpdateMember to another role", []string{"member.update m3 fields=label role=COORDINATOR"}, alter("m3", func(m *store.Member) {
			m.Label, m.Role, m.Centre = "Coördinatie", store.RoleCoordinator, ""
		})},
		{"PutInvitation", []string{"member.invite m3 "}, func(ctx context.Context, s store.Store) error { return s.PutInvitation(ctx, invitation("m3", 44)) }},
		{"Enrol", []string{"passkey.add m3 passkey=d03502c43d74a30b"}, func(ctx context.Context, s store.Store) error {
			return s.Enrol(ctx, [32]byte{44}, passkey("m3", 44), session("m3", 44))
		}},
		{"AddPasskey", []string{"passkey.add m3 passkey=3973e022e93220f9"}, func(ctx context.Context, s store.Store) error { return s.AddPasskey(ctx, passkey("m3", 45)) }},
		{"SuspectPasskey", []string{"passkey.suspect m3 passkey=3973e022e93220f9"}, func(ctx context.Context, s store.Store) error { return s.SuspectPasskey(ctx, "m3", []byte{45}) }},
		{"RemovePasskey", []string{"passkey.remove m3 passkey=3973e022e93220f9"}, func(ctx context.Context, s store.Store) error {
			return s.RemovePasskey(ctx, "m3", []byte{45}, [32]byte{})
		}},
		{"EndSessions", []string{"member.sign_out m1 "}, func(ctx context.Context, s store.Store) error { return s.EndSessions(ctx, "m1", [32]byte{}) }},
		{"UpdateMember removing", []string{"member.remove m3 "}, alter("m3", func(m *store.Member) { m.Removed = true })},
	}
}

func changesRecorded(t *testing.T, s store.Store) {
	withMembers(t, s, member("m1"), administrator("m2"))
	for _, each := range changes() {
		t.Run(each.name, func(t *testing.T) {
			equal(t, recorded(t, s, func() { is(t, each.do(t.Context(), s), nil) }), each.want)
		})
	}
}

func namesRecorded(t *testing.T, s store.Store) {
	withMembers(t, s, member("m1"), administrator("m2"))
	begun := len(acts(t, s))
	brussels := time.FixedZone("CET", 3600)
	at := quarter(3).Add(14*time.Minute + 59*time.Second).In(brussels)
	for _, each := range changes() {
		is(t, each.do(store.As(t.Context(), store.BySeat("m2"), at), s), nil)
	}
	named := acts(t, s)[begun:]
	if len(named) < len(changes()) {
		t.Fatalf("%d acts of %d changes", len(named), len(changes()))
	}
	for _, act := range named {
		equal(t, []any{act.By, act.At}, []any{"seat:m2", quarter(3)})
	}

	// Without a name it was the server, now.
	before := time.Now().UTC().Truncate(15 * time.Minute)
	is(t, s.CreateCentre(t.Context(), centre("i")), nil)
	all := acts(t, s)
	last := all[len(all)-1]
	equal(t, last.By, "server")
	if last.At.Before(before) || last.At.After(time.Now()) {
		t.Errorf("it was done at %v, and is recorded at %v", before, last.At)
	}
}
