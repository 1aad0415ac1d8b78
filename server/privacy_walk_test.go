package server_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/refcode"
	"aankomst/server/calendar"
	"aankomst/server/cohort"
	"aankomst/server/servertest"
	"aankomst/server/store"
)

// closedBefore is the year of the cohort that is closed and published in an origin; servertest.Year's is open.
const closedBefore = servertest.Year - 1

// origin is a store with everything that a reader could see: a cohort that is closed and published, an open one
// of which running totals are, and one that is frozen and not published. Worlds begin as copies of it, so that
// they have the same keys, tokens and codes, and differ in nothing but what happens in them.
type origin struct {
	folder  string
	now     time.Time
	tokens  map[string]madeToken
	callers []walking
	// element is blinded, and asked to be evaluated again and again.
	element   []byte
	recipient string
	// arrives, elsewhere, hangsUp and many are codes of the open cohort to which something happens in some world.
	arrives, elsewhere, hangsUp refcode.Code
	many                        []refcode.Code
	// arrived, returned and voided are others, to which the same happens in every world. old is of the closed cohort,
	// practice counts nothing, and strange was never issued.
	arrived, returned, voided, old, practice, strange refcode.Code
}

// walking is somebody who asks, with a token or without.
type walking struct{ name, token string }

func newOrigin(t *testing.T) *origin {
	t.Helper()
	a := startAPI(t, servertest.Options{NoCohort: true, Now: inYear(closedBefore, time.March)})
	o := &origin{folder: a.Folder, recipient: a.Identity.Recipient().String(), strange: unissued(t, refcode.Short)}
	a.OpenCohort(closedBefore, 0)
	o.old = a.issue(closedBefore, 1)
	a.Clock.Set(inYear(closedBefore, time.December))
	a.OpenCohort(servertest.Year, 0)
	// What is counted after the last running total leaves the final one exact.
	a.pass(t, calendar.CutOffs(closedBefore)[3])
	a.fillPool(t, closedBefore, 1, 60, 40)
	a.fillPool(t, closedBefore, 2, 40, 25)
	for i := range 3 {
		a.fill(t, 40, 15)
		a.pass(t, cutOff(i))
		if i == 1 {
			a.shut(closedBefore)
			final := a.ok(a.coordinator(), &aankomstv1.PublishReleaseRequest{Cohort: closedBefore}).response.(*aankomstv1.Release)
			if running := a.publish(t, cutOff(i).Day); !shows(final) || !shows(running) {
				t.Fatalf("a release shows nothing: %v, %v", final, running)
			}
		}
	}
	o.now = inYear(servertest.Year, time.December)
	a.Clock.Set(o.now)
	a.tokens = map[string]madeToken{}
	o.callers = []walking{{"nobody", ""}, {"an unknown token", "aankomst_unknown"}, {"INTAKE of another pool", a.intake(servertest.PoolTwo[0])}}
	for _, role := range slices.Sorted(maps.Keys(roles)) {
		o.callers = append(o.callers, walking{string(role), a.token(role, roles[role])})
	}
	o.practice, o.elsewhere = a.issue(servertest.Year, 0), a.issue(servertest.Year, 2)
	for _, code := range []*refcode.Code{&o.arrives, &o.hangsUp, &o.arrived, &o.returned, &o.voided} {
		*code = a.issue(servertest.Year, 1)
	}
	for range 40 {
		o.many = append(o.many, a.issue(servertest.Year, 1))
	}
	found, err := a.Store.GetCohort(t.Context(), servertest.Year)
	must(t, err)
	blinding, err := refcode.Blind(cohort.DirectoryOf(found), 1)
	must(t, err)
	o.element, o.tokens = blinding.Element, a.tokens
	o.invite(a)
	a.Stop()
	must(t, a.Store.Close())
	return o
}

// world starts a server on a copy of the origin, in which something happens.
func (o *origin) world(t *testing.T, happens func(*api), leak *telling) *walker {
	t.Helper()
	folder := t.TempDir()
	must(t, filepath.WalkDir(o.folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(folder, strings.TrimPrefix(path, o.folder))
		if entry.IsDir() {
			return os.MkdirAll(to, 0o700)
		}
		content, err := os.ReadFile(path)
		must(t, err)
		return os.WriteFile(to, content, 0o600)
	}))
	options := servertest.Options{NoCohort: true, Folder: folder, Now: o.now}
	if leak != nil {
		options.Store = func(s store.Store) store.Store {
			leak.Store = s
			return leak
		}
	}
	w := &walker{api: startAPI(t, options), from: o, answers: map[string]string{}, worked: map[protoreflect.FullName]bool{}}
	w.tokens = maps.Clone(o.tokens)
	if leak != nil {
		leak.logs.Store(w.Logs)
	}
	happens(w.api)
	return w
}

// events are what may happen in a world.
func (o *origin) events() map[string]func(*api) {
	confirm := func(code refcode.Code, band aankomstv1.WaitBand_Value) func(*api) {
		return func(a *api) {
			a.ok(a.intake(), &aankomstv1.ConfirmArrivalRequest{Code: code.Text(), WaitBand: band})
		}
	}
	return map[string]func(*api){
		nothing:                func(*api) {},
		"one arrival":          confirm(o.arrives, 0),
		"an arrival elsewhere": confirm(o.elsewhere, aankomstv1.WaitBand_FROM_3_TO_6_MONTHS),
		"one more issued":      func(a *api) { a.issue(servertest.Year, 2) },
		"one voided":           func(a *api) { a.ok(a.counsellor(), voiding(o.hangsUp)) },
		"without codes": func(a *api) {
			a.ok(a.intake(), &aankomstv1.RecordArrivalWithoutCodeRequest{Cohort: servertest.Year})
			a.ok(a.counsellor(), &aankomstv1.RecordReferralWithoutCodeRequest{Cohort: servertest.Year, Pool: 1})
		},
		"many arrivals": func(a *api) {
			for _, code := range o.many {
				confirm(code, aankomstv1.WaitBand_UP_TO_2_WEEKS)(a)
			}
		},
	}
}

const nothing = "nothing"

// Nobody can tell by any answer whether somebody arrived, was referred, or hung up: everything that can be asked
// is asked as everyone, in worlds in which that happened and in one in which nothing did. The answers are the
// same to the byte, and so is the log.
func TestPrivacyNoAnswerTellsALiveCount(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	worlds := map[string]*walker{}
	for name, happens := range o.events() {
		worlds[name] = o.world(t, happens, nil)
		worlds[name].walk()
	}
	for _, w := range worlds {
		w.end()
	}
	quiet := worlds[nothing]
	delete(worlds, nothing)
	quiet.askedEverything(t)
	for name, other := range worlds {
		for _, asked := range unlike(quiet.answers, other.answers) {
			t.Errorf("when there was %s, the answer to\n%s\nis\n%s\nand else\n%s", name, asked, other.answers[asked], quiet.answers[asked])
		}
	}
}

// unlike returns what was answered otherwise in one world than in another, or in one alone.
func unlike(one, other map[string]string) []string {
	all := maps.Clone(one)
	maps.Copy(all, other)
	var found []string
	for _, asked := range slices.Sorted(maps.Keys(all)) {
		was, had := one[asked]
		is, has := other[asked]
		if had != has || was != is {
			found = append(found, asked)
		}
	}
	return found
}

// telling is a store that gives counts away: the kind of fault that the walk is there to find.
type telling struct {
	store.Store
	logs atomic.Pointer[servertest.Buffer]
}

func (s *telling) arrived(ctx context.Context) (arrived int) {
	counts, err := s.Counts(ctx, servertest.Year)
	for _, pool := range counts.Pools {
		arrived += pool.Arrived
	}
	if err != nil {
		return -1
	}
	return arrived
}

// ListCentres tells it in an answer, and in a warning whether it is odd.
func (s *telling) ListCentres(ctx context.Context) ([]store.Centre, error) {
	centres, err := s.Store.ListCentres(ctx)
	arrived := s.arrived(ctx)
	for i := range centres {
		centres[i].Town = fmt.Sprint(arrived)
		centres[i].Archived = centres[i].Archived || i == 0 && arrived%2 == 1
	}
	return centres, err
}

// GetRelease tells by the error of a release that is not there whether the count is odd.
func (s *telling) GetRelease(ctx context.Context, number int) (store.Release, error) {
	found, err := s.Store.GetRelease(ctx, number)
	if errors.Is(err, store.ErrNotFound) && s.arrived(ctx)%2 == 1 {
		return store.Release{}, store.ErrConflict
	}
	return found, err
}

// Record tells it in the log.
func (s *telling) Record(ctx context.Context, entries []store.Entry) ([]store.Outcome, error) {
	fmt.Fprintf(s.logs.Load(), "{\"msg\":\"recorded %d\"}\n", len(entries))
	return s.Store.Record(ctx, entries)
}

// A walk that finds nothing proves nothing unless it would have found something.
func TestPrivacyAnAnswerThatTellsIsFound(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	events := o.events()
	quiet, other := o.world(t, events[nothing], new(telling)), o.world(t, events["one arrival"], new(telling))
	for _, w := range []*walker{quiet, other} {
		w.walk()
		w.end()
	}
	found := unlike(quiet.answers, other.answers)
	for _, leak := range []string{
		"ListCentresRequest{} as ADMINISTRATOR over grpc", "ListCentresRequest{} as INTAKE over rest",
		"GetReleaseRequest{number:99} as COORDINATOR over grpc", "GET /v1/releases/99:export?format=csv as COORDINATOR", theHealth, theLog,
	} {
		if !slices.ContainsFunc(found, func(asked string) bool { return strings.HasSuffix(asked, leak) }) {
			t.Errorf("%s tells it and is not found among\n%s", leak, strings.Join(found, "\n"))
		}
	}
}
