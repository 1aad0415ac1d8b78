package server_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/refcode"
	"aankomst/server/access"
	"aankomst/server/cohort"
	"aankomst/server/servertest"
	"aankomst/server/store"
)

// patience is how long these tests wait for what the server does by itself. It is no measure of how
// soon that has to be: a test that waits so long has failed.
const patience = 90 * time.Second

// party is everyone who calls a fixture's server. It calls without clients/go, since a test of privacy
// has to know every element, token and nonce that was sent or drawn.
type party struct {
	t         *testing.T
	f         *servertest.Fixture
	referrals aankomstv1.ReferralServiceClient
	arrivals  aankomstv1.ArrivalServiceClient
	directory refcode.Directory
	// counsellor, intake and guesser are tokens; the guesser's centre has its limit of wrong codes used
	// up without harm to the others.
	counsellor, intake, guesser string
	wrongVoids                  int
	needles                     []needle
}

func newParty(t *testing.T, f *servertest.Fixture) *party {
	t.Helper()
	found, err := f.Store.GetCohort(t.Context(), servertest.Year)
	must(t, err)
	p := &party{
		t: t, f: f, directory: cohort.DirectoryOf(found),
		referrals:  aankomstv1.NewReferralServiceClient(f.Connection),
		arrivals:   aankomstv1.NewArrivalServiceClient(f.Connection),
		counsellor: f.Token(store.RoleCounsellor, ""),
		intake:     f.Token(store.RoleIntake, servertest.PoolOne[0]),
		guesser:    f.Token(store.RoleIntake, servertest.PoolOne[2]),
	}
	for _, token := range []string{p.counsellor, p.intake, p.guesser} {
		p.keepToken(token)
	}
	p.keepKeys()
	return p
}

// eventually waits until done is true.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for begun := time.Now(); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Since(begun) > patience {
			t.Fatalf("it never came about that %s", what)
		}
	}
}

// revoked returns the secret of a token that is revoked.
func (p *party) revoked() string {
	p.t.Helper()
	secret, token, err := access.CreateToken(p.t.Context(), p.f.Store, access.Request{
		Label: "revoked", Role: store.RoleIntake, Centre: servertest.PoolOne[0], Validity: time.Hour,
	}, p.f.Clock.Now())
	must(p.t, err)
	must(p.t, p.f.Store.RevokeToken(p.t.Context(), token.ID))
	return secret
}

// as returns a context that carries a token.
func as(ctx context.Context, token string) context.Context {
	return servertest.With(ctx, token)
}

// gives fails the test unless an error has one of the codes.
func (p *party) gives(err error, want ...codes.Code) {
	p.t.Helper()
	for _, code := range want {
		if status.Code(err) == code {
			return
		}
	}
	p.t.Fatalf("the answer is %v, want %v", err, want)
}

// issued is a code and its pool.
type issued struct {
	refcode.Code
	pool uint32
}

// issue issues a code and remembers its secrets.
func (p *party) issue(pool uint32, replacement bool) issued {
	p.t.Helper()
	blinding, err := refcode.Blind(p.directory, pool)
	must(p.t, err)
	answer, err := p.referrals.IssueReferral(as(p.t.Context(), p.counsellor), &aankomstv1.IssueReferralRequest{
		Cohort: servertest.Year, Pool: pool, BlindedElement: blinding.Element, Replacement: replacement,
	})
	must(p.t, err)
	code, err := blinding.Finalize(answer.GetEvaluatedElement(), answer.GetProof())
	must(p.t, err)
	p.keep("a blinded element", blinding.Element)
	p.keep("an evaluated element", answer.GetEvaluatedElement())
	p.keep("a proof", answer.GetProof())
	p.keepCode(code, pool)
	return issued{code, pool}
}

func (p *party) confirm(code refcode.Code, wait aankomstv1.WaitBand_Value) error {
	_, err := p.arrivals.ConfirmArrival(as(p.t.Context(), p.intake), &aankomstv1.ConfirmArrivalRequest{Code: code.Text(), WaitBand: wait})
	return err
}

func (p *party) undo(code refcode.Code, wait aankomstv1.WaitBand_Value) error {
	_, err := p.arrivals.UndoArrival(as(p.t.Context(), p.intake), &aankomstv1.UndoArrivalRequest{Code: code.Text(), WaitBand: wait})
	return err
}

func (p *party) void(code refcode.Code, replacement bool) error {
	_, err := p.referrals.VoidReferral(as(p.t.Context(), p.counsellor), &aankomstv1.VoidReferralRequest{Code: code.Text(), Replacement: replacement})
	return err
}

func (p *party) referWithoutCode(pool uint32) error {
	_, err := p.referrals.RecordReferralWithoutCode(as(p.t.Context(), p.counsellor),
		&aankomstv1.RecordReferralWithoutCodeRequest{Cohort: servertest.Year, Pool: pool})
	return err
}

func (p *party) arriveWithoutCode() error {
	_, err := p.arrivals.RecordArrivalWithoutCode(as(p.t.Context(), p.intake),
		&aankomstv1.RecordArrivalWithoutCodeRequest{Cohort: servertest.Year})
	return err
}

// round makes every kind of call about a conversation or an arrival, the refused ones included, and
// returns the codes it used.
func (p *party) round() []issued {
	t, ctx := p.t, p.t.Context()
	t.Helper()
	arrives, returns, elsewhere := p.issue(1, false), p.issue(1, false), p.issue(2, false)
	hangsUp, lost, practice := p.issue(2, false), p.issue(2, true), p.issue(refcode.PracticePool, false)
	for _, err := range []error{
		p.confirm(arrives.Code, aankomstv1.WaitBand_UP_TO_2_WEEKS), p.confirm(arrives.Code, aankomstv1.WaitBand_UP_TO_2_WEEKS),
		p.confirm(returns.Code, 0), p.undo(returns.Code, 0), p.confirm(elsewhere.Code, 0),
		p.void(hangsUp.Code, false), p.void(lost.Code, true), p.void(arrives.Code, false),
		p.confirm(practice.Code, 0), p.undo(practice.Code, 0), p.void(practice.Code, false),
		p.referWithoutCode(1), p.arriveWithoutCode(),
	} {
		must(t, err)
	}

	// Wrong codes, until the limit is reached and past it.
	strange := unissued(t, refcode.Short)
	p.keepText("a wrong code", strange.Symbols())
	guess := as(ctx, p.guesser)
	_, err := p.arrivals.ConfirmArrival(guess, &aankomstv1.ConfirmArrivalRequest{Code: strange.Text()})
	p.gives(err, codes.NotFound, codes.ResourceExhausted)
	_, err = p.arrivals.ConfirmArrival(guess, &aankomstv1.ConfirmArrivalRequest{Code: hangsUp.Text()})
	p.gives(err, codes.NotFound, codes.ResourceExhausted)
	if p.wrongVoids < 3 {
		p.wrongVoids++ // at the limit of these, nobody could void
		p.gives(p.void(strange, false), codes.NotFound)
	}

	// Malformed, and by those who may not.
	for _, text := range []string{"", arrives.Symbols()[:15] + "U", arrives.Symbols()[:15], strings.Repeat("7", 40)} {
		_, err := p.arrivals.ConfirmArrival(as(ctx, p.intake), &aankomstv1.ConfirmArrivalRequest{Code: text})
		p.gives(err, codes.InvalidArgument)
		_, err = p.referrals.VoidReferral(as(ctx, p.counsellor), &aankomstv1.VoidReferralRequest{Code: text})
		p.gives(err, codes.InvalidArgument)
	}
	for token, want := range map[string]codes.Code{
		"": codes.Unauthenticated, "aankomst_" + strings.Repeat("x", 52): codes.Unauthenticated, p.counsellor: codes.PermissionDenied,
	} {
		_, err := p.arrivals.ConfirmArrival(as(ctx, token), &aankomstv1.ConfirmArrivalRequest{Code: arrives.Text()})
		p.gives(err, want)
	}
	_, err = p.referrals.IssueReferral(as(ctx, p.counsellor), &aankomstv1.IssueReferralRequest{
		Cohort: servertest.Year, Pool: 1, BlindedElement: make([]byte, 32), // the identity
	})
	p.gives(err, codes.InvalidArgument)
	gone, cancel := context.WithCancel(as(ctx, p.intake))
	cancel()
	_, err = p.arrivals.ConfirmArrival(gone, &aankomstv1.ConfirmArrivalRequest{Code: arrives.Text()})
	p.gives(err, codes.Canceled)

	p.rest(http.StatusOK, "/v1/arrivals:confirm", p.intake, map[string]string{"code": arrives.Text()})
	p.rest(http.StatusOK, "/v1/arrivals:confirm", p.intake, map[string]string{"code": strings.ToLower(elsewhere.Symbols())})
	p.rest(http.StatusOK, "/v1/referrals:void", p.counsellor, map[string]string{"code": hangsUp.Text()})
	p.rest(http.StatusBadRequest, "/v1/arrivals:confirm", p.intake, map[string]string{"kode": arrives.Text()})
	p.rest(http.StatusUnauthorized, "/v1/arrivals:confirm", "nobody", map[string]string{"code": arrives.Text()})
	p.rest(http.StatusNotFound, "/v1/arrivals:confirm/"+arrives.Symbols(), p.intake, nil)
	return []issued{arrives, returns, elsewhere, hangsUp, lost, practice}
}

// web keeps no connection open, so that nothing of one test is left in the next.
var web = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}

// rest makes one call over HTTP.
func (p *party) rest(want int, path, token string, body any) {
	p.t.Helper()
	content, err := json.Marshal(body)
	must(p.t, err)
	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.f.HTTP+path, bytes.NewReader(content))
	must(p.t, err)
	servertest.Sign(request, token)
	response, err := web.Do(request)
	must(p.t, err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	must(p.t, err)
	if response.StatusCode != want {
		p.t.Fatalf("%s gives %s: %s", path, response.Status, answer)
	}
}

// get returns the status and the body of an address.
func get(t *testing.T, address string) (int, string) {
	t.Helper()
	response, err := web.Get(address)
	must(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	must(t, err)
	return response.StatusCode, string(body)
}

// nullifierOf computes what the server keeps of a code, from the cohort's key file: the HMAC of
// docs/protocol.md, done here anew.
func (p *party) nullifierOf(code refcode.Code, pool uint32) []byte {
	mac := hmac.New(sha256.New, p.keyFile().Spent)
	mac.Write(refcode.Info(servertest.Year, pool))
	mac.Write(code.Nonce())
	return mac.Sum(nil)[:store.NullifierBytes]
}

type keyFile struct {
	POPRF []byte `json:"poprfPrivateKey"`
	Spent []byte `json:"spentKey"`
}

func (p *party) keyFile() (key keyFile) {
	p.t.Helper()
	content, err := os.ReadFile(filepath.Join(p.f.Folder, "keys", cohort.KeyFile(servertest.Year)))
	must(p.t, err)
	must(p.t, json.Unmarshal(content, &key))
	return key
}

// storeKey returns the key under which the fixture's store is.
func storeKey(t *testing.T, folder string) (key [32]byte) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "keys", "store.key"))
	must(t, err)
	raw, err := hex.DecodeString(strings.TrimSpace(string(text)))
	must(t, err)
	if copy(key[:], raw) != len(key) {
		t.Fatal("the store key is not 32 bytes")
	}
	return key
}

// beats waits until the server's jobs, which run by the clock, have all been done once more after the
// fixture's clock was set.
func (p *party) beats() {
	p.t.Helper()
	// The heartbeat comes first in a round of jobs; gauges and faults are published at its end. The
	// second heartbeat, a minute of the clock later, therefore says that the first round is over.
	for range 2 {
		p.f.Clock.Advance(cohort.BeatEvery)
		now := p.f.Clock.Now()
		eventually(p.t, "the server's jobs are done", func() bool { return !p.f.Pulse.Last().Before(now) })
	}
}

// short shows the head of something long.
func short(content []byte) string { return fmt.Sprintf("%.300q", content) }
