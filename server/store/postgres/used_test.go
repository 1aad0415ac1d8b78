//go:build unix

package postgres

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"aankomst/server/store"
)

// quarter is the beginning of a quarter of an hour, n after another.
func quarter(n int) time.Time {
	return time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC).Add(time.Duration(n) * quarterHour)
}

// hashOf is one that comes in an order of its own.
func hashOf(n int) [32]byte { return [32]byte{byte(n * 37), byte(n)} }

// signIn has members sign in, each in a transaction of its own, with something in each table that Used lays
// down anew.
func signIn(t *testing.T, s *Store, members int) {
	t.Helper()
	for n := range members {
		id, hash := fmt.Sprint("m", n*7%members), hashOf(n)
		ok(t, s.CreateMember(t.Context(), store.Member{ID: id, Role: store.RoleCounsellor}))
		ok(t, s.AddPasskey(t.Context(), store.Passkey{ID: hash[:2], Member: id}))
		session := store.Session{Hash: hash, Member: id, StartedAt: quarter(0), UsedAt: quarter(0), ProvedAt: quarter(0), EndsAt: quarter(40)}
		ok(t, s.StartSession(t.Context(), session, store.PasskeyUse{ID: hash[:2], Count: 1}))
		ok(t, s.ProveSession(t.Context(), hash, hash, quarter(1), store.PasskeyUse{ID: hash[:2], Count: 2}))
		ok(t, s.CreateToken(t.Context(), store.Token{ID: id, Hash: hash, Role: store.RoleCounsellor, ExpiresOn: "2027-01-01", Kind: store.KindMachine}))
		ok(t, s.PutInvitation(t.Context(), store.Invitation{Hash: hash, Member: id, EndsAt: quarter(40)}))
		ok(t, s.BeginCeremony(t.Context(), store.Ceremony{Hash: hash, EndsAt: quarter(40)}))
		_, err := s.CountAttempt(t.Context(), store.AttemptSignIn, id, quarter(0))
		ok(t, err)
	}
}

// After Used all rows that signing in wrote have one xmin, no dead row is left, and their places follow their
// keys: nobody can tell who signed in before whom, or which session was used. Nor is anything of it left with
// the members.
func TestUsedLeavesNoOrder(t *testing.T) {
	t.Parallel()
	s := openAt(t, migrated.Database(t))
	const members = 60
	signIn(t, s, members)
	for n := range 20 {
		ok(t, s.EndSession(t.Context(), hashOf(3*n)))
	}
	ok(t, s.Used(t.Context(), store.Uses{
		Sessions: map[[32]byte]time.Time{hashOf(1): quarter(2), hashOf(5): quarter(3)},
		Tokens:   map[string]string{"m7": "2026-03-01"},
	}, quarter(0)))

	writers := map[string]bool{}
	for _, each := range anew {
		for _, xmin := range texts(t, s, `SELECT DISTINCT xmin::text FROM `+each.table) {
			writers[xmin] = true
		}
		if commands := texts(t, s, `SELECT DISTINCT cmin::text FROM `+each.table); len(commands) != 1 {
			t.Errorf("%s was laid down by %d statements", each.table, len(commands))
		}
		// Rows that were there before would have kept the first places of their pages.
		places := texts(t, s, `SELECT (ctid::text::point)[0] || ' ' || (ctid::text::point)[1] FROM `+each.table+` ORDER BY `+each.key)
		page, line := -1, 0
		for _, place := range places {
			var p, l int
			_, err := fmt.Sscan(place, &p, &l)
			ok(t, err)
			if p == page+1 && l == 1 {
				page, line = p, 0
			}
			if line++; p != page || l != line {
				t.Errorf("%s: a row lies at %s, after %d %d", each.table, place, page, line)
				break
			}
		}
		want := members
		if each.table == "sessions" {
			want -= 20
		}
		if len(places) != want {
			t.Errorf("%d %s", len(places), each.table)
		}
	}
	if len(writers) != 1 {
		t.Errorf("%d transactions wrote them", len(writers))
	}
	if touched := texts(t, s, `SELECT id FROM members WHERE xmax::text <> '0'`); len(touched) != 0 {
		t.Errorf("the rows of %v tell of a transaction that signed in", touched)
	}
	if left := texts(t, s, `SELECT relname::text FROM pg_class WHERE relname LIKE 'anew%'`); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// Whether anything was used or not, the same is written: neither the log nor the time that it takes tells.
func TestUsedWritesTheSameWhateverWasUsed(t *testing.T) {
	t.Parallel()
	s := openAt(t, migrated.Database(t))
	signIn(t, s, 10)
	all := store.Uses{Sessions: map[[32]byte]time.Time{}, Tokens: map[string]string{}}
	for n := range 10 {
		all.Sessions[hashOf(n)], all.Tokens[fmt.Sprint("m", n)] = quarter(2), "2026-03-01"
	}
	for _, uses := range []store.Uses{{}, all, {}} {
		before := texts(t, s, `SELECT xmin::text FROM sessions UNION SELECT xmin::text FROM tokens UNION SELECT xmin::text FROM passkeys`)
		ok(t, s.Used(t.Context(), uses, quarter(0)))
		after := texts(t, s, `SELECT xmin::text FROM sessions UNION SELECT xmin::text FROM tokens UNION SELECT xmin::text FROM passkeys`)
		if len(after) != 1 || slices.Contains(before, after[0]) {
			t.Errorf("%d used: written by %v, before %v", len(uses.Tokens), after, before)
		}
	}
}

// Used empties tables that calls read and sign-ins write, in several processes. Nobody waits in a circle: the
// database would break it after a second, and the call be repeated.
func TestUsedIsInNobodysWay(t *testing.T) {
	t.Parallel()
	dsn := migrated.Database(t)
	all := []*Store{openAt(t, dsn), openAt(t, dsn)}
	signIn(t, all[0], 8)
	var hashes [][32]byte
	for n := range 8 {
		hashes = append(hashes, hashOf(n))
	}
	var working sync.WaitGroup
	work := func(do func(s *Store, worker, round int) error) {
		for worker, s := range all {
			working.Go(func() {
				for round := range 25 {
					if err := do(s, worker, round); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
	}
	work(func(s *Store, _, _ int) error { return s.Used(t.Context(), store.Uses{}, quarter(0)) })
	work(func(s *Store, _, _ int) error { _, err := s.Callers(t.Context(), hashes); return err })
	work(func(s *Store, worker, round int) error {
		id, hash := fmt.Sprintf("d%d/%d", worker, round), [32]byte{1, byte(worker), byte(round)}
		d := store.Token{ID: id, Hash: hash, Role: store.RoleCounsellor, ExpiresOn: "2027-01-01", Kind: store.KindInvited}
		if err := s.CreateToken(t.Context(), d); err != nil {
			return err
		}
		if err := s.PutInvitation(t.Context(), store.Invitation{Hash: hash, Device: id, EndsAt: quarter(40)}); err != nil {
			return err
		}
		if round%2 == 0 {
			return s.RevokeToken(t.Context(), id)
		}
		_, err := s.EnrolDevice(t.Context(), hash, [32]byte{2, byte(worker), byte(round)}, "2026-09-01")
		return err
	})
	work(func(s *Store, worker, round int) error {
		hash := [32]byte{3, byte(worker), byte(round)}
		session := store.Session{Hash: hash, Member: "m1", EndsAt: quarter(40)}
		if err := s.StartSession(t.Context(), session, store.PasskeyUse{}); err != nil {
			return err
		}
		if round%4 == 0 {
			return s.EndSessions(t.Context(), "m1", hash)
		}
		_, err := s.UpdateMember(t.Context(), "m1", func(m *store.Member) error {
			m.Role = []store.Role{store.RoleCounsellor, store.RoleCoordinator}[(worker+round)%2]
			return nil
		})
		return err
	})
	working.Wait()
	for _, s := range all {
		ok(t, s.Close()) // its connections report what they saw
	}
	if circles := query[int](t, dsn, `SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`); circles != 0 {
		t.Errorf("%d times somebody waited in a circle", circles)
	}
}

// PostgreSQL shows a table that was emptied to transactions of before, too. A program of the version before
// locks no other tables than those that the first statement here does.
func TestASnapshotWaitsForUsed(t *testing.T) {
	t.Parallel()
	dsn := migrated.Database(t)
	s := openAt(t, dsn)
	signIn(t, s, 5)
	conn, err := pgx.Connect(t.Context(), dsn)
	ok(t, err)
	defer conn.Close(t.Context())
	begun, err := conn.Begin(t.Context())
	ok(t, err)
	ok(t, takeAnew(tx{t.Context(), begun}))

	found := make(chan string)
	go func() {
		err := s.once(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx tx) error {
			if err := tx.exec(`LOCK TABLE spent, counters IN ACCESS SHARE MODE`); err != nil {
				return err
			}
			all, err := snapshotOf(tx)
			found <- fmt.Sprint(len(all.Tokens), " tokens, ", len(all.Passkeys), " passkeys")
			return err
		})
		if err != nil {
			t.Error(err)
			close(found)
		}
	}()
	waiting(t, dsn)
	ok(t, layAnew(tx{t.Context(), begun}, quarter(0)))
	ok(t, begun.Commit(t.Context()))
	if got := <-found; got != "5 tokens, 5 passkeys" {
		t.Errorf("the snapshot has %s", got)
	}
}

// Acts that several processes append at once are one chain.
func TestActsOfReplicasAreOneChain(t *testing.T) {
	t.Parallel()
	all := replicas(t, 3)
	var working sync.WaitGroup
	for i, s := range all {
		working.Go(func() {
			for n := range 20 {
				id := fmt.Sprintf("%c%d", 'x'+i, n)
				if err := s.CreateCentre(t.Context(), store.Centre{ID: id}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	working.Wait()
	acts, err := all[0].ListActs(t.Context(), 0, 1000)
	ok(t, err)
	var last store.Act
	for _, act := range acts {
		if act.Number != last.Number+1 || last.Number > 0 && act.Previous != last.Digest() {
			t.Fatalf("%+v does not follow %+v", act, last)
		}
		last = act
	}
	digests := texts(t, all[0], `SELECT encode(digest, 'hex') FROM acts WHERE number = $1`, last.Number)
	if len(acts) != 2+3*20 || !slices.Equal(digests, []string{fmt.Sprintf("%x", last.Digest())}) {
		t.Errorf("%d acts; the last is kept as %v", len(acts), digests)
	}
}

// Two administrators who remove each other at two servers do not both succeed.
func TestAdministratorsOfReplicasDoNotCountOnEachOther(t *testing.T) {
	t.Parallel()
	dsn := migrated.Database(t)
	all := []*Store{openAt(t, dsn), openAt(t, dsn)}
	remove := func(m *store.Member) error { m.Removed = true; return nil }
	for round := range 10 {
		ids := []string{fmt.Sprint("a", round), fmt.Sprint("b", round)}
		for _, id := range ids {
			ok(t, all[0].CreateMember(t.Context(), store.Member{ID: id, Role: store.RoleAdministrator}))
			ok(t, all[0].AddPasskey(t.Context(), store.Passkey{ID: []byte(id), Member: id}))
		}
		// Nobody else is there to count on.
		for _, id := range texts(t, all[0], `SELECT id FROM members WHERE NOT removed AND id <> ALL ($1)`, ids) {
			_, err := all[0].UpdateMember(t.Context(), id, remove)
			ok(t, err)
		}
		var working sync.WaitGroup
		for i, s := range all {
			working.Go(func() {
				if _, err := s.UpdateMember(t.Context(), ids[1-i], remove); err != nil && !errors.Is(err, store.ErrLastAdministrator) {
					t.Error(err)
				}
			})
		}
		working.Wait()
		if left := texts(t, all[0], `SELECT id FROM members WHERE NOT removed`); len(left) != 1 {
			t.Fatalf("%v are left", left)
		}
	}
}
