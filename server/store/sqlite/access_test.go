package sqlite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"aankomst/server/store"
)

var (
	noon    = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	evening = noon.Add(8 * time.Hour)
)

// signIn has members with numbers sign in one after the other, each with all that this writes and more.
func signIn(ctx context.Context, s *Store, members ...int) error {
	var errs []error
	for _, n := range members { // in a quarter of an hour of its own each
		errs = append(errs, s.Used(ctx, store.Uses{Tokens: map[string]string{fmt.Sprintf("m%02d", n): "2026-03-01"}}, noon))
	}
	for _, n := range members {
		id, hash := fmt.Sprintf("m%02d", n), [32]byte{byte(n)}
		invited := [32]byte{byte(n), 1}
		errs = append(errs,
			s.AddPasskey(ctx, store.Passkey{ID: []byte{byte(n)}, Member: id, PublicKey: hash[:]}),
			s.StartSession(ctx, store.Session{Hash: hash, Member: id, StartedAt: noon, UsedAt: noon, ProvedAt: noon, EndsAt: evening}, store.PasskeyUse{ID: hash[:1]}),
			s.BeginCeremony(ctx, store.Ceremony{Hash: hash, Kind: "sign_in", Bound: id, Data: hash[:], EndsAt: evening}),
			s.PutInvitation(ctx, store.Invitation{Hash: invited, Member: id, EndsAt: evening}),
		)
		_, err := s.CountAttempt(ctx, store.AttemptAdministration, id, noon)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// createMembers makes members with numbers from 1, and a token of each one's name.
func createMembers(ctx context.Context, s *Store, n int) error {
	var errs []error
	for i := range n {
		id := fmt.Sprintf("m%02d", i+1)
		errs = append(errs,
			s.CreateMember(ctx, store.Member{ID: id, Role: store.RoleAdministrator}),
			s.CreateToken(ctx, store.Token{ID: id, Hash: [32]byte{byte(i), 2}, Role: store.RoleAdministrator, Kind: store.KindMachine, ExpiresOn: "2027-01-01"}))
	}
	return errors.Join(errs...)
}

// What signing in writes lies in the order of its keys once Used has been called: hidden bytes included, two
// databases are the same whoever came first.
func TestNoTraceOfWhoSignedInFirst(t *testing.T) {
	written := []string{"sessions", "passkeys", "ceremonies", "invitations", "attempts", "tokens"}
	order := []int{3, 1, 4, 5, 9, 2, 6, 8, 7}
	before, after := map[string][][]byte{}, map[string][][]byte{}
	for range 2 {
		path, s := openNew(t)
		ok(t, createMembers(t.Context(), s, len(order)))
		ok(t, signIn(t.Context(), s, order...))
		// Somebody came and went, and one came again.
		ok(t, s.EndSession(t.Context(), [32]byte{byte(order[0])}))
		ok(t, s.StartSession(t.Context(), store.Session{Hash: [32]byte{byte(order[0])}, Member: fmt.Sprintf("m%02d", order[0]),
			StartedAt: noon, UsedAt: noon, ProvedAt: noon, EndsAt: evening}, store.PasskeyUse{}))
		ok(t, s.Close())
		for _, table := range written {
			before[table] = append(before[table], layout(t, path, table))
		}
		s = openAt(t, path, testKey)
		ok(t, s.Used(t.Context(), store.Uses{Sessions: map[[32]byte]time.Time{{1}: noon.Add(time.Hour)}}, noon))
		ok(t, s.Settle(t.Context()))
		ok(t, s.Close())
		for _, table := range written {
			after[table] = append(after[table], layout(t, path, table))
		}
		slices.Reverse(order)
	}
	for _, table := range []string{"sessions", "invitations"} {
		if bytes.Equal(before[table][0], before[table][1]) {
			t.Errorf("the order shows nowhere in %s even before: the test looks at too little", table)
		}
	}
	for table, layouts := range after {
		if !bytes.Equal(layouts[0], layouts[1]) {
			t.Errorf("the order can be told from %s", table)
		}
	}
}

// What has ended is not in the file or its log any more, not even decrypted.
func TestWhatHasEndedIsGone(t *testing.T) {
	path, s := openNew(t)
	ok(t, createMembers(t.Context(), s, 1))
	secret := func(n byte) [32]byte { return [32]byte(bytes.Repeat([]byte{n, 0xA7, 0x5E, 0x31}, 8)) }
	ok(t, s.StartSession(t.Context(), store.Session{Hash: secret(1), Member: "m01", StartedAt: noon, UsedAt: noon, ProvedAt: noon, EndsAt: evening}, store.PasskeyUse{}))
	ok(t, s.BeginCeremony(t.Context(), store.Ceremony{Hash: secret(2), EndsAt: evening}))
	ok(t, s.PutInvitation(t.Context(), store.Invitation{Hash: secret(3), Member: "m01", EndsAt: evening}))
	left := func() (found int) {
		t.Helper()
		for _, file := range []string{path, path + "-wal"} {
			data := decrypted(t, file)
			for n := range byte(3) {
				hash := secret(n + 1)
				found += bytes.Count(data, hash[:])
			}
		}
		return found
	}
	if left() < 3 {
		t.Fatal("the search finds too little")
	}
	ok(t, s.Used(t.Context(), store.Uses{}, evening))
	ok(t, s.Settle(t.Context()))
	if found := left(); found != 0 {
		t.Errorf("%d secrets are left in the files", found)
	}
}

// A backup is no way back in for who has signed out since, nor is a file that was copied by hand.
func TestNobodyIsSignedInToWhatIsRestored(t *testing.T) {
	path, s := openNew(t)
	ok(t, createMembers(t.Context(), s, 3))
	ok(t, signIn(t.Context(), s, 1, 2, 3))
	counts := func(s *Store) []string {
		t.Helper()
		return texts(t, s, `SELECT name || ' ' || n FROM (
			SELECT 1 AS i, 'members' AS name, count(*) AS n FROM members UNION ALL SELECT 2, 'passkeys', count(*) FROM passkeys
			UNION ALL SELECT 3, 'acts', count(*) > 0 FROM acts UNION ALL SELECT 4, 'sessions', count(*) FROM sessions
			UNION ALL SELECT 5, 'ceremonies', count(*) FROM ceremonies UNION ALL SELECT 6, 'invitations', count(*) FROM invitations
			UNION ALL SELECT 7, 'attempts', count(*) FROM attempts) ORDER BY i`)
	}
	want := []string{"members 3", "passkeys 3", "acts 1", "sessions 0", "ceremonies 0", "invitations 0", "attempts 0"}

	backup := filepath.Join(t.TempDir(), "backup.db")
	ok(t, s.Backup(t.Context(), backup))
	ok(t, Verify(t.Context(), backup, testKey))
	if got := counts(openAt(t, backup, testKey)); !slices.Equal(got, want) {
		t.Errorf("the backup holds %v, want %v", got, want)
	}
	ok(t, s.Close())
	data, err := os.ReadFile(path)
	ok(t, err)
	byHand, restored := filepath.Join(t.TempDir(), "copied.db"), filepath.Join(t.TempDir(), "store.db")
	ok(t, os.WriteFile(byHand, data, 0o600))
	ok(t, Restore(t.Context(), byHand, restored, testKey))
	holds(t, filepath.Dir(restored), "store.db", "store.db.lock")
	if hash := [32]byte{1, 1}; bytes.Contains(decrypted(t, restored), hash[:]) {
		t.Error("what was dropped is still in the file")
	}
	if got := counts(openAt(t, restored, testKey)); !slices.Equal(got, want) {
		t.Errorf("what was restored holds %v, want %v", got, want)
	}
	if got := counts(openAt(t, path, testKey)); slices.Equal(got, want) {
		t.Error("the original signed everybody out")
	}
}

// Who calls is looked up by each call, which must not take longer with more tokens, sessions or centres.
func TestCallersAreFoundByKey(t *testing.T) {
	_, s := openNew(t)
	rows, err := s.reader.QueryContext(t.Context(), `EXPLAIN QUERY PLAN `+selectCallers, "[]")
	ok(t, err)
	steps, err := scanned(rows, func(row scanner) (detail string, err error) {
		var id, parent, unused int
		return detail, row.Scan(&id, &parent, &unused, &detail)
	})
	ok(t, err)
	looked := 0
	for _, step := range steps {
		t.Log(step)
		looked += strings.Count(step, "SEARCH")
		if strings.HasPrefix(step, "SCAN") && !strings.HasPrefix(step, "SCAN asked ") && step != "SCAN h" {
			t.Errorf("callers are looked for: %s", step)
		}
	}
	if looked != 6 {
		t.Errorf("%d tables are looked up, want tokens, sessions, members, centres, wrong_codes and pool_centres", looked)
	}
}
