package access

import (
	"context"
	"errors"
	"sync"
	"testing"

	"aankomst/server/store"
)

func TestTheFirstAdministratorIsMadeWhereThereIsNobody(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	secret, err := CreateFirst(t.Context(), w.kept, now)
	if err != nil {
		t.Fatal(err)
	}
	a := newAuthenticator(t)
	started, err := w.enrol(t, secret, a)
	if err != nil || started.Member.ID != FirstMember || started.Member.Role != store.RoleAdministrator {
		t.Fatalf("%+v (%v)", started.Member, err)
	}
	if string(a.handle) != FirstMember {
		t.Errorf("its handle is %q", a.handle)
	}
	before := w.state(t)
	if secret, err := CreateFirst(t.Context(), w.kept, now); err != store.ErrExists || secret != "" {
		t.Errorf("again: %q (%v)", secret, err)
	}
	w.unchanged(t, "it", before)
}

func TestNoFirstAdministratorIsMadeWhereThereWasAMember(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	who := w.join(t)
	if _, err := RemoveMember(t.Context(), w.kept, who.ID, who.Revision); err != nil {
		t.Fatal(err)
	}
	before := w.state(t)
	if _, err := CreateFirst(t.Context(), w.kept, now); err != store.ErrExists {
		t.Errorf("it says %v", err)
	}
	w.unchanged(t, "it", before)
}

// alike is a store of which several servers see that there is nobody before one of them makes anybody.
type alike struct {
	store.Store
	all *sync.WaitGroup
}

func (a alike) ListMembers(ctx context.Context) ([]store.Member, error) {
	members, err := a.Store.ListMembers(ctx)
	a.all.Done()
	a.all.Wait()
	return members, err
}

func TestOfServersThatStartAtOnceOneMakesTheFirstAdministrator(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	const servers = 4
	var all, group sync.WaitGroup
	all.Add(servers)
	secrets := make(chan string, servers)
	for range servers {
		group.Go(func() {
			secret, err := CreateFirst(t.Context(), alike{w.kept, &all}, now)
			switch {
			case err == nil:
				secrets <- secret
			case err != store.ErrExists || secret != "":
				t.Errorf("%q (%v)", secret, err)
			}
		})
	}
	group.Wait()
	if len(secrets) != 1 || len(w.state(t).Members) != 1 {
		t.Fatalf("%d made %+v", len(secrets), w.state(t).Members)
	}
	if _, err := w.enrol(t, <-secrets, newAuthenticator(t)); err != nil {
		t.Errorf("the one that was told: %v", err)
	}
}

func TestAnAdministratorIsRecovered(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	before, err := CreateFirst(t.Context(), w.kept, now)
	if err != nil {
		t.Fatal(err)
	}
	secret, member, err := Recover(t.Context(), w.kept, FirstMember, now)
	if err != nil || member.ID != FirstMember || secret == before {
		t.Fatalf("%+v (%v)", member, err)
	}
	if _, err := w.BeginEnrolment(t.Context(), "", before); err != ErrInvitation {
		t.Errorf("the invitation before: %v", err)
	}
	a := newAuthenticator(t)
	if _, err := w.enrol(t, secret, a); err != nil {
		t.Fatal(err)
	}
	// A key that was taken for a copy can be enrolled again, though nobody is there to remove it.
	if err := w.kept.SuspectPasskey(t.Context(), FirstMember, a.id); err != nil {
		t.Fatal(err)
	}
	if secret, _, err = Recover(t.Context(), w.kept, FirstMember, now); err != nil {
		t.Fatal(err)
	}
	again := newAuthenticator(t)
	if _, err := w.enrol(t, secret, again); err != nil {
		t.Fatal(err)
	}
	if seat := w.mustSignIn(t, again); seat.ID != FirstMember || seat.Role != store.RoleAdministrator {
		t.Errorf("%+v signs in", seat)
	}
	secret, member, err = Recover(t.Context(), w.kept, "", now)
	if err != nil || member.ID == FirstMember || member.Role != store.RoleAdministrator {
		t.Fatalf("a new one is %+v (%v)", member, err)
	}
	if started, err := w.enrol(t, secret, newAuthenticator(t)); err != nil || started.Member.ID != member.ID {
		t.Errorf("%+v (%v)", started.Member, err)
	}
}

func TestOnlyAnAdministratorIsRecovered(t *testing.T) {
	t.Parallel()
	w := withPeople(t)
	coordinator := w.join(t)
	removed, _ := w.invite(t, store.RoleAdministrator)
	if _, err := RemoveMember(t.Context(), w.kept, removed.ID, removed.Revision); err != nil {
		t.Fatal(err)
	}
	before := w.state(t)
	for id, want := range map[string]error{coordinator.ID: ErrRequest, removed.ID: ErrRequest, "nobody": store.ErrNotFound} {
		if secret, member, err := Recover(t.Context(), w.kept, id, now); !errors.Is(err, want) || secret != "" {
			t.Errorf("%+v, %q (%v), want %v", member, secret, err, want)
		}
	}
	w.unchanged(t, "it", before)
}
