package client_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	client "aankomst/clients/go"
	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/refcode"
	"aankomst/server/cohort"
	"aankomst/server/servertest"
	"aankomst/server/store"
)

func TestTheFirstDirectoryIsPinned(t *testing.T) {
	t.Parallel()
	f := servertest.Start(t, servertest.Options{})
	opened, err := f.Store.GetCohort(t.Context(), servertest.Year)
	if err != nil {
		t.Fatal(err)
	}
	want := cohort.DirectoryOf(opened).Fingerprint()
	pins := new(client.MemoryPins)
	for range 2 { // the second time, it is compared
		counsellor := client.New(f.Connection, f.Token(store.RoleCounsellor, ""), pins)
		if _, err := counsellor.Issue(t.Context(), servertest.Year, 1, client.IssueOptions{}); err != nil {
			t.Fatal(err)
		}
		if pinned, found, err := pins.Pin(servertest.Year); err != nil || !found || pinned != want {
			t.Errorf("pinned %v (%v, %v), want %v", pinned.Text(), found, err, want.Text())
		}
	}
}

// The fingerprints are public: no token is needed to compare them.
func TestADirectoryIsReadWithoutAToken(t *testing.T) {
	t.Parallel()
	f := servertest.Start(t, servertest.Options{})
	anyone := client.New(f.Connection, "", new(client.MemoryPins))
	directory, err := anyone.Cohort(t.Context(), servertest.Year)
	if err != nil || directory.Year != servertest.Year || len(directory.Pools) != 2 {
		t.Errorf("got %+v, %v", directory, err)
	}
	if _, err := anyone.Issue(t.Context(), servertest.Year, 1, client.IssueOptions{}); client.Reason(err) != "NOT_SIGNED_IN" {
		t.Errorf("issuing without a token: %v", err)
	}
}

func TestAChangedDirectoryIsNotUsed(t *testing.T) {
	t.Parallel()
	f := servertest.Start(t, servertest.Options{})
	pins := new(client.MemoryPins)
	if err := pins.SetPin(servertest.Year, refcode.Fingerprint{1}); err != nil {
		t.Fatal(err)
	}
	l := new(line)
	counsellor := client.New(through(t, l, f.GRPC), f.Token(store.RoleCounsellor, ""), pins)
	code, err := counsellor.Issue(t.Context(), servertest.Year, 1, client.IssueOptions{})
	if !errors.Is(err, client.ErrFingerprint) || code != (refcode.Code{}) {
		t.Errorf("got %v", err)
	}
	if sent := l.requests("IssueReferral"); len(sent) != 0 || pool(t, f, 1).Issued != 0 {
		t.Errorf("%d calls were made", len(sent))
	}
	if pinned, _, _ := pins.Pin(servertest.Year); pinned != (refcode.Fingerprint{1}) {
		t.Error("the pin was replaced")
	}
}

// What people compare is computed here: a server that shows each caller another key cannot pass by
// repeating the fingerprint that they expect.
func TestTheServersOwnFingerprintIsNotBelieved(t *testing.T) {
	t.Parallel()
	l := startLiar(t)
	pins := new(client.MemoryPins)
	honest := l.trueDirectory().Fingerprint()
	if err := pins.SetPin(servertest.Year, honest); err != nil {
		t.Fatal(err)
	}
	another := newKey(t)
	l.directory = func(c *aankomstv1.Cohort) { c.PublicKey = publicKey(another) }
	_, err := client.New(through(t, new(line), l.address), "", pins).Issue(t.Context(), servertest.Year, 1, client.IssueOptions{})
	if !errors.Is(err, client.ErrFingerprint) {
		t.Errorf("another key under the old fingerprint: %v", err)
	}
	l.directory = func(c *aankomstv1.Cohort) { c.Fingerprint, c.FingerprintText = []byte("nonsense"), "NONS ENSE" }
	_, err = client.New(through(t, new(line), l.address), "", pins).Issue(t.Context(), servertest.Year, 1, client.IssueOptions{})
	if err != nil {
		t.Errorf("the right key under a wrong fingerprint: %v", err)
	}
}

func TestADirectoryThatIsNoneIsRefusedAndNotPinned(t *testing.T) {
	t.Parallel()
	l := startLiar(t)
	for name, lie := range map[string]func(*aankomstv1.Cohort){
		"another year":           func(c *aankomstv1.Cohort) { c.Year++ },
		"a year that wraps":      func(c *aankomstv1.Cohort) { c.Year += 1 << 16 },
		"no year":                func(c *aankomstv1.Cohort) { c.Year = 0 },
		"no layout":              func(c *aankomstv1.Cohort) { c.Layout = 0 },
		"an unknown layout":      func(c *aankomstv1.Cohort) { c.Layout = 3 },
		"no key":                 func(c *aankomstv1.Cohort) { c.PublicKey = nil },
		"the identity as key":    func(c *aankomstv1.Cohort) { c.PublicKey = make([]byte, refcode.ElementBytes) },
		"a key that is none":     func(c *aankomstv1.Cohort) { c.PublicKey = bytes.Repeat([]byte{0xff}, refcode.ElementBytes) },
		"no pools":               func(c *aankomstv1.Cohort) { c.Pools = nil },
		"the practice pool":      func(c *aankomstv1.Cohort) { c.Pools[0].Number = refcode.PracticePool },
		"a pool twice":           func(c *aankomstv1.Cohort) { c.Pools[1].Number = 1 },
		"pools in another order": func(c *aankomstv1.Cohort) { c.Pools[0].Number, c.Pools[1].Number = 2, 1 },
	} {
		l.directory = lie
		pins, sent := new(client.MemoryPins), new(line)
		code, err := client.New(through(t, sent, l.address), "", pins).Issue(t.Context(), servertest.Year, 1, client.IssueOptions{})
		if !errors.Is(err, client.ErrFingerprint) || code != (refcode.Code{}) {
			t.Errorf("%s: %v", name, err)
		}
		if _, pinned, _ := pins.Pin(servertest.Year); pinned || len(sent.requests("IssueReferral")) > 0 {
			t.Errorf("%s: it was pinned (%v) or used", name, pinned)
		}
	}
}

// A server that answers with any key but the cohort's could tell its callers apart by it later.
func TestAnAnswerThatIsNotTheCohortsMakesNoCode(t *testing.T) {
	t.Parallel()
	l := startLiar(t)
	another := newKey(t)
	for name, lie := range map[string]lie{
		"another key":  func(blinded []byte, _ *issued) *issued { return evaluate(another, blinded, servertest.Year, 1) },
		"another pool": func(blinded []byte, _ *issued) *issued { return evaluate(l.private, blinded, servertest.Year, 2) },
		"another year": func(blinded []byte, _ *issued) *issued { return evaluate(l.private, blinded, servertest.Year-1, 1) },
		"another's answer": func([]byte, *issued) *issued {
			return evaluate(l.private, randomElement(), servertest.Year, 1)
		},
		"the element itself":     func(blinded []byte, a *issued) *issued { a.EvaluatedElement = blinded; return a },
		"another element":        func(_ []byte, a *issued) *issued { a.EvaluatedElement = randomElement(); return a },
		"no element":             func(_ []byte, a *issued) *issued { a.EvaluatedElement = nil; return a },
		"the identity":           func(_ []byte, a *issued) *issued { clear(a.EvaluatedElement); return a },
		"an element cut short":   func(_ []byte, a *issued) *issued { a.EvaluatedElement = a.EvaluatedElement[1:]; return a },
		"no proof":               func(_ []byte, a *issued) *issued { a.Proof = nil; return a },
		"a proof of zeros":       func(_ []byte, a *issued) *issued { clear(a.Proof); return a },
		"a proof with a bit off": func(_ []byte, a *issued) *issued { a.Proof[5] ^= 1; return a },
		"a proof cut short":      func(_ []byte, a *issued) *issued { a.Proof = a.Proof[1:]; return a },
		"nothing":                func([]byte, *issued) *issued { return new(issued) },
	} {
		l.issued = lie
		sent := new(line)
		code, err := client.New(through(t, sent, l.address), "", new(client.MemoryPins)).Issue(t.Context(), servertest.Year, 1, client.IssueOptions{})
		if !errors.Is(err, refcode.ErrProof) || code != (refcode.Code{}) {
			t.Errorf("%s: %v", name, err)
		}
		if n := len(sent.requests("IssueReferral")); n != 1 {
			t.Errorf("%s: it was asked %d times", name, n)
		}
	}
	l.issued = nil
	if _, err := client.New(through(t, new(line), l.address), "", new(client.MemoryPins)).Issue(t.Context(), servertest.Year, 1, client.IssueOptions{}); err != nil {
		t.Errorf("the true answer: %v", err)
	}
}

// Of first calls that run at once and are shown different directories, one may go on.
func TestFirstCallsAtOnceAgreeOnOneDirectory(t *testing.T) {
	t.Parallel()
	l := startLiar(t)
	keys := make(chan []byte, 8)
	for range cap(keys) {
		keys <- publicKey(newKey(t))
	}
	l.directory = func(c *aankomstv1.Cohort) { c.PublicKey = <-keys }
	pins := &client.FilePins{Path: t.TempDir() + "/pins.json"}
	connection := through(t, new(line), l.address)
	var calls sync.WaitGroup
	errs := make([]error, cap(keys))
	for i := range errs {
		calls.Go(func() { _, errs[i] = client.New(connection, "", pins).Cohort(t.Context(), servertest.Year) })
	}
	calls.Wait()
	passed := 0
	for _, err := range errs {
		if err == nil {
			passed++
		} else if !errors.Is(err, client.ErrFingerprint) {
			t.Error(err)
		}
	}
	if passed != 1 {
		t.Errorf("%d directories were accepted", passed)
	}
}

func TestAPoolThatTheDirectoryDoesNotListIsNotAskedFor(t *testing.T) {
	t.Parallel()
	f := servertest.Start(t, servertest.Options{})
	l := new(line)
	_, err := onLine(t, f, l, store.RoleCounsellor, "").Issue(t.Context(), servertest.Year, 3, client.IssueOptions{})
	if !errors.Is(err, refcode.ErrPool) || len(l.requests("IssueReferral")) > 0 {
		t.Errorf("got %v after %v", err, l.methods())
	}
}

func TestPracticeCodesCountNothing(t *testing.T) {
	t.Parallel()
	f := servertest.Start(t, servertest.Options{})
	code := f.Issue(refcode.PracticePool)
	practice, err := f.Client(store.RoleIntake, servertest.PoolTwo[0]).Confirm(t.Context(), code, noWait)
	if err != nil || !practice {
		t.Errorf("practice %v, %v", practice, err)
	}
	for _, counted := range f.Counts().Pools {
		if counted != (store.PoolCounts{Number: counted.Number}) {
			t.Errorf("counted %+v", counted)
		}
	}
}

// The server must not learn to which centre somebody is sent: the pool is looked up on this side.
func TestPoolOfNamesNoCentreToTheServer(t *testing.T) {
	t.Parallel()
	f := servertest.Start(t, servertest.Options{})
	l := new(line)
	counsellor := onLine(t, f, l, store.RoleCounsellor, "")
	for number, centres := range map[uint32][]string{1: servertest.PoolOne, 2: servertest.PoolTwo} {
		for _, centre := range centres {
			if got, err := counsellor.PoolOf(t.Context(), servertest.Year, centre); err != nil || got != number {
				t.Errorf("%s: pool %d (%v), want %d", centre, got, err, number)
			}
		}
	}
	_, err := counsellor.PoolOf(t.Context(), servertest.Year, "cgg-nowhere")
	if !errors.Is(err, client.ErrCentre) || !strings.Contains(err.Error(), "cgg-nowhere") {
		t.Errorf("a centre in no pool: %v", err)
	}
	// The list is pinned, and may grow.
	if err := f.Keeper.AddCentre(t.Context(), servertest.Year, 2, f.AddCentre("caw-new")); err != nil {
		t.Fatal(err)
	}
	if pool, err := counsellor.PoolOf(t.Context(), servertest.Year, "caw-new"); err != nil || pool != 2 {
		t.Errorf("a centre that joined: pool %d (%v)", pool, err)
	}
	for _, request := range l.requests("GetCohort") {
		if asked := request.(*aankomstv1.GetCohortRequest); asked.GetYear() != servertest.Year || len(asked.ProtoReflect().GetUnknown()) > 0 {
			t.Errorf("asked %v", asked)
		}
	}
	if asked := len(l.requests("GetCohort")); asked != len(l.methods()) {
		t.Errorf("calls %v", l.methods())
	}
	if _, err := counsellor.PoolOf(context.Background(), servertest.Year-1, servertest.PoolOne[0]); client.Reason(err) == "" {
		t.Errorf("a year without a cohort: %v", err)
	}
}
