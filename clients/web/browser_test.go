package web_test

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"testing"
	"time"

	"aankomst/server"
	"aankomst/server/access"
	"aankomst/server/servertest"
	"aankomst/server/store"
)

// browse plays a scenario of testdata/browser in Chromium, on a server of its own.
func browse(t *testing.T, scenario string) {
	t.Helper()
	browseOn(t, servertest.Start(t, servertest.Options{NoCohort: true}), scenario)
}

// browseOn plays a scenario on a server, and others that its pages may lead to. What a scenario asks for
// between its steps, an invitation or that time goes by, it asks on its standard output, a line of JSON each.
func browseOn(t *testing.T, f *servertest.Fixture, scenario string, others ...string) {
	t.Helper()
	for _, program := range []string{"node", "chromium"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("the tests of the pages need %s: run make prepare (%v)", program, err)
		}
	}
	if _, err := os.Stat("../../tools/node_modules/playwright-core"); err != nil {
		t.Fatalf("the tests of the pages need Node's modules: run make prepare (%v)", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	node := exec.CommandContext(ctx, "node", append([]string{"testdata/browser/main.mjs", scenario, f.Origin}, others...)...)
	node.Stderr = t.Output()
	asks, err := node.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	answers, err := node.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(asks); lines.Scan(); {
		var asked ask
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			t.Errorf("the scenario asks %q: %v", lines.Text(), err)
			break
		}
		if err := json.NewEncoder(answers).Encode(asked.answer(t, f)); err != nil {
			t.Error(err)
			break
		}
	}
	answers.Close()
	if err := node.Wait(); err != nil {
		t.Fatalf("the scenario %s: %v", scenario, err)
	}
}

// ask is one of: an invitation for a member of a role, one for a device of a centre, or that minutes go by.
type ask struct {
	Role    store.Role
	Centre  string
	Minutes int
}

// answer returns the link of the invitation; empty when none was asked for.
func (a ask) answer(t *testing.T, f *servertest.Fixture) string {
	t.Helper()
	var secret string
	var err error
	switch {
	case a.Minutes > 0:
		f.Clock.Advance(time.Duration(a.Minutes) * time.Minute)
		return ""
	case a.Role == "":
		secret, _, _, err = access.InviteDevice(t.Context(), f.Store, "Balie 1", a.Centre, f.Clock.Now())
	default:
		secret, _, _, err = access.CreateMember(t.Context(), f.Store, access.SeatRequest{Label: "Plaats aan het onthaal", Role: a.Role, Centre: a.Centre}, f.Clock.Now())
	}
	if err != nil {
		t.Fatal(err)
	}
	return server.InvitationLink(f.Origin, secret)
}

func TestAnInvitationEnrolsAPasskeyOnceAndSignsIn(t *testing.T) { browse(t, "enrolling.once") }

func TestAnInvitationIsGoneFromTheAddressAtOnce(t *testing.T) { browse(t, "enrolling.address") }

func TestAPasskeyNeedsAName(t *testing.T) { browse(t, "enrolling.name") }

func TestAnInvitationEnrolsADevice(t *testing.T) { browse(t, "enrolling.device") }

func TestBrowsersWithoutTheJSONOfPasskeysAreServedToo(t *testing.T) { browse(t, "enrolling.byHand") }

func TestAMemberSignsOutAndInAgain(t *testing.T) { browse(t, "signingIn.again") }

func TestWhoeverTheDeviceDoesNotRecogniseIsNotSignedIn(t *testing.T) {
	browse(t, "signingIn.unverified")
}

func TestAProofIsAcceptedOnce(t *testing.T) { browse(t, "signingIn.replayed") }

func TestAForgedProofIsRefused(t *testing.T) { browse(t, "signingIn.forged") }

func TestACopyOfAPasskeyIsNoticed(t *testing.T) { browse(t, "signingIn.cloned") }

func TestNobodySignsInAtAnotherOrigin(t *testing.T) { browse(t, "signingIn.otherOrigin") }

func TestTooManyAttemptsSayWhenToTryAgain(t *testing.T) { browse(t, "signingIn.tooMany") }

func TestAfterALostLineSigningInGoesOn(t *testing.T) { browse(t, "signingIn.offline") }

func TestAMemberSignsInByTheProviderOfSingleSignOn(t *testing.T) {
	provider := startProvider(t)
	f := servertest.Start(t, servertest.Options{NoCohort: true, SSO: provider.settings()})
	provider.letIn(f.Clock, "coordination")
	provider.letIn(f.Clock, "gardening")
	browseOn(t, f, "signingIn.singleSignOn", provider.Issuer())
}

func TestAPasskeyIsAddedAfterAFreshProofAndTheFirstRemoved(t *testing.T) {
	browse(t, "account.replacePasskey")
}

func TestTheLastPasskeyOfTheLastAdministratorStays(t *testing.T) {
	browse(t, "account.lastAdministrator")
}

func TestSigningOutEverywhereEndsOtherBrowsersAtTheirNextCall(t *testing.T) {
	browse(t, "account.everywhere")
}

func TestEveryWordIsThereInFourLanguages(t *testing.T) { browse(t, "looks.words") }

func TestPagesSpeakTheLanguageThatTheBrowserAsksForOrThatWasChosen(t *testing.T) {
	browse(t, "looks.languagesShown")
}

func TestEverythingIsDoneWithTheKeyboardAlone(t *testing.T) { browse(t, "looks.keyboard") }

func TestPagesAreAccessibleInLightAndDark(t *testing.T) { browse(t, "looks.accessible") }

func TestPagesFitANarrowWindow(t *testing.T) { browse(t, "looks.narrow") }
