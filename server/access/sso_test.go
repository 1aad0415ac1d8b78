package access

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"aankomst/server/store"
)

func TestSomebodyNewGetsASeatAndTheSameOneAgain(t *testing.T) {
	t.Parallel()
	w := withProvider(t)
	if !w.HasSSO() {
		t.Error("there is a provider")
	}
	first := w.mustSignIn(t)
	second := w.mustSignIn(t)
	if first.Member.ID != second.Member.ID || len(w.members(t)) != 1 {
		t.Errorf("%q, then %q; %d members", first.Member.ID, second.Member.ID, len(w.members(t)))
	}
	stored, err := w.kept.GetMember(t.Context(), first.Member.ID)
	if err != nil || stored != first.Member || stored != second.Member {
		t.Errorf("%+v is stored (%v); %+v and %+v were returned", stored, err, first.Member, second.Member)
	}
	if stored.Label != "Single sign-on "+stored.ID[:6] || stored.Role != store.RoleCoordinator || stored.Centre != "" || stored.Subject == [32]byte{} {
		t.Errorf("the member is %+v", stored)
	}
	door := NewDoor(w.kept, w.clock.time)
	defer door.Close()
	for _, started := range []Started{first, second} {
		principal, err := door.Authenticate(t.Context(), Credentials{Session: started.Secret}, "")
		if err != nil || principal.Kind != Seat || principal.ID != stored.ID {
			t.Errorf("the session lets %+v in (%v)", principal, err)
		}
	}
	acts, err := w.kept.ListActs(t.Context(), 0, 100)
	if last := acts[len(acts)-1]; err != nil || last.Action != "member.create" || last.By != store.BySeat(stored.ID) || !last.At.Equal(now) {
		t.Errorf("the last act is %+v (%v)", last, err)
	}
}

func TestOfAPersonNothingIsKeptButAHash(t *testing.T) {
	t.Parallel()
	w := withProvider(t)
	w.mustSignIn(t)
	acts, err := w.kept.ListActs(t.Context(), 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	kept := strings.ToLower(fmt.Sprintf("%+v %+v", w.members(t), acts))
	for _, name := range []string{"jane", "doe", "248289761001", "example.org"} {
		if strings.Contains(kept, name) {
			t.Errorf("%q is kept", name)
		}
	}
}

func TestTheSameSubjectAtAnotherProviderIsSomebodyElse(t *testing.T) {
	t.Parallel()
	w := withProvider(t)
	first := w.mustSignIn(t)
	w.idp = startProvider(t, w.clock.time)
	w.SignIns = signInsWith(t, w.kept, settingsOf(w.idp), w.clock.time)
	if second := w.mustSignIn(t); second.Member.ID == first.Member.ID {
		t.Error("two people share a seat")
	}
}

func TestTheBrowserIsSentWithAChallengeAndForNoMoreThanItsIdentity(t *testing.T) {
	t.Parallel()
	w := withProvider(t)
	seen := map[string]bool{}
	for _, fresh := range []bool{false, true, false} {
		address, ceremony, err := w.BeginSSO(t.Context(), "", fresh)
		at, parsed := url.Parse(address)
		if err != nil || parsed != nil {
			t.Fatal(err, parsed)
		}
		query := at.Query()
		for name, want := range map[string]string{
			"response_type": "code", "scope": "openid", "client_id": w.idp.ClientID, "code_challenge_method": "S256",
			"redirect_uri": ssoOrigin + "/sign-in/callback",
			"prompt":       map[bool]string{true: "login"}[fresh], "max_age": map[bool]string{true: "0"}[fresh],
		} {
			if query.Get(name) != want {
				t.Errorf("fresh %v: %s is %q, not %q", fresh, name, query.Get(name), want)
			}
		}
		for _, secret := range []string{query.Get("state"), query.Get("nonce"), query.Get("code_challenge"), ceremony} {
			if len(secret) < 43 || seen[secret] {
				t.Errorf("%q is short, or was there before", secret)
			}
			seen[secret] = true
		}
		if strings.Contains(address, w.idp.ClientSecret) || strings.Contains(address, ceremony) {
			t.Error("the browser is sent with a secret in its address")
		}
	}
}

func TestARoleOrCentreThatTheProviderChangesEndsOlderSessions(t *testing.T) {
	t.Parallel()
	w := withProvider(t)
	if err := w.kept.CreateCentre(t.Context(), store.Centre{ID: "cgg-gent", Name: "CGG Gent", Type: store.TypeCGG, Intake: store.IntakeOpen}); err != nil {
		t.Fatal(err)
	}
	before := w.mustSignIn(t)
	for _, claims := range []map[string]any{
		{DefaultRoleClaim: "desk", DefaultCentreClaim: "caw-brugge"},
		{DefaultRoleClaim: "desk", DefaultCentreClaim: "cgg-gent"},
		{DefaultRoleClaim: "helpline"},
	} {
		w.idp.say(claims)
		after := w.mustSignIn(t)
		if after.Member.ID != before.Member.ID || after.Member.Revision != before.Member.Revision+1 {
			t.Errorf("%+v became %+v", before.Member, after.Member)
		}
		if want := w.sso.settings.Roles[claims[DefaultRoleClaim].(string)]; after.Member.Role != want {
			t.Errorf("the role is %s, not %s", after.Member.Role, want)
		}
		sessions, err := w.kept.ListSessions(t.Context(), after.Member.ID)
		if err != nil || len(sessions) != 1 || sessions[0] != after.Session {
			t.Errorf("%v: the sessions are %+v (%v)", claims, sessions, err)
		}
		if whole := after.Session.EndsAt.Sub(after.Session.StartedAt); whole != Lifetimes[after.Member.Role].Whole {
			t.Errorf("a session of %s lasts %s", after.Member.Role, whole)
		}
		acts, err := w.kept.ListActs(t.Context(), 0, 100)
		if last := acts[len(acts)-1]; err != nil || last.Action != "member.update" || last.By != store.BySeat(after.Member.ID) {
			t.Errorf("the last act is %+v (%v)", last, err)
		}
		before = after
	}
	if before.Member.Centre != "" {
		t.Errorf("a counsellor has the centre %q", before.Member.Centre)
	}
}

func TestARemovedMemberIsRefusedAndGetsNoOtherSeat(t *testing.T) {
	t.Parallel()
	w := withProvider(t)
	started := w.mustSignIn(t)
	if _, err := RemoveMember(t.Context(), w.kept, started.Member.ID, started.Member.Revision); err != nil {
		t.Fatal(err)
	}
	for _, role := range []string{"coordination", "helpline"} {
		w.idp.say(map[string]any{DefaultRoleClaim: role})
		if _, err := w.signIn(t, false); err != ErrProof {
			t.Errorf("as %s: %v", role, err)
		}
	}
	if sessions, err := w.kept.ListSessions(t.Context(), started.Member.ID); err != nil || len(sessions) > 0 || len(w.members(t)) != 1 {
		t.Errorf("sessions %v (%v), members %v", sessions, err, w.members(t))
	}
	if total, at := w.wrongs(t, ""), w.wrongs(t, started.Member.ID); total != 2 || at != 2 {
		t.Errorf("%d wrong attempts were counted, %d at the member", total, at)
	}
}

// elsewhere is a store in which another server makes a member just after this one looked for it, or removes
// it just before it is signed in.
type elsewhere struct {
	store.Store
	makes, removes bool
}

func (e *elsewhere) FindMember(ctx context.Context, subject [32]byte) (store.Member, error) {
	found, err := e.Store.FindMember(ctx, subject)
	if e.makes && errors.Is(err, store.ErrNotFound) {
		made := e.CreateMember(ctx, store.Member{ID: "elsewhere", Label: "Made elsewhere", Role: store.RoleCounsellor, Subject: subject, Revision: 1})
		return store.Member{}, errors.Join(store.ErrNotFound, made)
	}
	return found, err
}

func (e *elsewhere) StartSession(ctx context.Context, session store.Session, use store.PasskeyUse) error {
	if e.removes {
		if _, err := RemoveMember(ctx, e.Store, session.Member, 1); err != nil {
			return err
		}
	}
	return e.Store.StartSession(ctx, session, use)
}

func TestServersThatMakeASeatAtOnceMakeOne(t *testing.T) {
	t.Parallel()
	w := withProvider(t)
	w.SignIns = signInsWith(t, &elsewhere{Store: w.kept, makes: true}, settingsOf(w.idp), w.clock.time)
	started := w.mustSignIn(t)
	if started.Member.ID != "elsewhere" || started.Member.Role != store.RoleCoordinator || len(w.members(t)) != 1 {
		t.Errorf("%+v signed in, of %+v", started.Member, w.members(t))
	}
}

func TestAMemberWhoIsRemovedMeanwhileIsRefused(t *testing.T) {
	t.Parallel()
	w := withProvider(t)
	w.SignIns = signInsWith(t, &elsewhere{Store: w.kept, removes: true}, settingsOf(w.idp), w.clock.time)
	if _, err := w.signIn(t, false); err != ErrProof {
		t.Errorf("it says %v", err)
	}
}

func TestOnlyAProofThatTheProviderSaysIsRecentIsAFreshOne(t *testing.T) {
	t.Parallel()
	const refused = "refused"
	for _, c := range []struct {
		fresh bool
		ago   time.Duration
		want  string
	}{
		{true, 0, "fresh"}, {true, 5 * time.Minute, "fresh"}, {true, -time.Minute, "fresh"},
		{true, 5*time.Minute + time.Second, refused}, {true, -time.Minute - time.Second, refused}, {true, never, refused},
		{false, 0, "fresh"}, {false, 5*time.Minute + time.Second, "not fresh"}, {false, -time.Hour, "not fresh"}, {false, never, "not fresh"},
	} {
		w := withProvider(t)
		w.clock.move(14 * time.Minute)
		if c.ago != never {
			w.idp.say(map[string]any{"auth_time": w.clock.time().Add(-c.ago).Unix()})
		}
		started, err := w.signIn(t, c.fresh)
		got := "not fresh"
		switch {
		case err == ErrProof:
			got = refused
		case err != nil:
			t.Fatal(err)
		case w.clock.time().Before(Principal{Kind: Seat, Session: started.Session}.FreshUntil()):
			got = "fresh"
		}
		if got != c.want {
			t.Errorf("asked for a fresh one %v, proved %s ago: %s", c.fresh, c.ago, got)
		}
	}
}

// never is when nobody was proved.
const never = time.Duration(1<<63 - 1)
