package server_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	client "aankomst/clients/go"
	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/refcode"
	"aankomst/server/calendar"
	"aankomst/server/servertest"
	"aankomst/server/store"
)

// backing is a kind of store.
type backing struct {
	name  string
	start func(t *testing.T, options servertest.Options) (*servertest.Fixture, backdoor)
}

// backdoor is how a store is looked at, and changed, behind the server's back.
type backdoor struct {
	observer
	// exec carries out a statement, a format with its arguments.
	exec func(statement string, args ...any)
	// literal writes bytes as the store's SQL has them.
	literal func([]byte) string
}

// world is a server, everyone who works with it, and somebody who holds all that it stores.
type world struct {
	*party
	backdoor
	codes  int // how many are issued and confirmed
	random *rand.Rand
	// busy says that others work meanwhile, and that time passes.
	busy bool

	counsellors []*client.Client
	// desks are the clients of intake workers, by centre.
	desks map[string][]*client.Client
	// others are codes that belong to none of the steps.
	others []refcode.Code
	// sentTo is the centre to which the bearer of each code is sent, and goes.
	sentTo []string
	// numbers are those that leaks give to codes.
	numbers []int64

	around *surroundings
	last   observation
	// still says that nobody has done anything since last was taken.
	still bool
}

// history is what somebody saw who held everything before and after each step, and the answer to the question
// which issue each confirmation belongs to.
type history struct {
	issues, confirms []map[string]difference
	answer           []int
}

// newWorld starts a server with a few people at work. The seed says who does what when. The rest comes
// as it comes: testing/cryptotest could make what is drawn by cryptography the same each time, but not
// when the server's jobs run, which is by the wall clock, nor in which order maps are walked, nor what
// the database draws.
func newWorld(t *testing.T, on backing, seed uint64, codes int, busy bool) *world {
	t.Helper()
	f, backdoor := on.start(t, servertest.Options{Now: time.Date(servertest.Year, time.February, 2, 9, 0, 0, 0, calendar.Brussels)})
	w := &world{
		party: &party{t: t, f: f}, backdoor: backdoor, codes: codes, random: rand.New(rand.NewPCG(seed, 0)), busy: busy,
		desks: map[string][]*client.Client{}, sentTo: make([]string, codes), numbers: make([]int64, codes),
		around: newSurroundings(t, f),
	}
	for range 3 {
		w.counsellors = append(w.counsellors, f.Client(store.RoleCounsellor, ""))
	}
	for _, centre := range goals {
		for range 2 {
			w.desks[centre] = append(w.desks[centre], f.Client(store.RoleIntake, centre))
		}
	}
	return w
}

// goals are the centres at which codes are confirmed: those of the pool, and one of another.
var goals = slices.Concat(servertest.PoolOne, servertest.PoolTwo[:1])

// play issues all codes and confirms them in random order.
func (w *world) play(l leak) history {
	w.t.Helper()
	if l.plant != nil {
		l.plant(w)
	}
	h := history{answer: w.random.Perm(w.codes)}
	issued := make([]refcode.Code, w.codes)
	for n := range issued {
		h.issues = append(h.issues, w.step(func() {
			// One in ten goes to a centre of another pool than that of the code.
			w.sentTo[n] = goals[w.random.IntN(10)/3]
			issued[n] = w.issue(1, client.IssueOptions{})
			if l.issued != nil {
				l.issued(w, n, issued[n])
			}
		}))
	}
	for _, n := range h.answer {
		h.confirms = append(h.confirms, w.step(func() {
			// How long there is still to wait has nothing to do with when the code was issued.
			w.confirm(w.sentTo[n], issued[n], aankomstv1.WaitBand_Value(w.random.IntN(int(store.WaitBands))))
			if l.confirmed != nil {
				l.confirmed(w, n, issued[n])
			}
		}))
	}
	return h
}

// step returns what something changed.
func (w *world) step(do func()) map[string]difference {
	if w.busy {
		for range w.random.IntN(3) {
			w.meanwhile()
		}
		w.f.Clock.Advance(time.Duration(w.random.IntN(int(12 * time.Hour))))
		w.still = false
	}
	if !w.still {
		w.last = w.everything()
	}
	before := w.last
	do()
	w.last, w.still = w.everything(), true
	return differences(before, w.last)
}

// everything is what is held at this moment.
func (w *world) everything() observation {
	all := w.around.snapshot()
	maps.Copy(all, w.snapshot())
	return all
}

// one draws one of several.
func one[T any](w *world, of []T) T { return of[w.random.IntN(len(of))] }

func (w *world) issue(pool uint32, options client.IssueOptions) refcode.Code {
	w.t.Helper()
	code, err := one(w, w.counsellors).Issue(w.t.Context(), servertest.Year, pool, options)
	must(w.t, err)
	return code
}

func (w *world) confirm(centre string, code refcode.Code, wait aankomstv1.WaitBand_Value) {
	w.t.Helper()
	_, err := one(w, w.desks[centre]).Confirm(w.t.Context(), code, wait)
	must(w.t, err)
}

// meanwhile does something that has nothing to do with the steps.
func (w *world) meanwhile() {
	w.t.Helper()
	ctx, centre := w.t.Context(), one(w, servertest.PoolOne)
	counsellor, desk := one(w, w.counsellors), one(w, w.desks[centre])
	wrong := func(err error) {
		w.t.Helper()
		if client.Reason(err) != "CODE_NOT_ACCEPTED" {
			w.t.Fatalf("a wrong code gives %v", err)
		}
	}
	switch w.random.IntN(10) {
	case 0:
		w.counsellors = append(w.counsellors, w.f.Client(store.RoleCounsellor, ""))
	case 1:
		w.desks[centre] = append(w.desks[centre], w.f.Client(store.RoleIntake, centre))
	case 2:
		code := w.issue(refcode.PracticePool, client.IssueOptions{})
		w.confirm(centre, code, 0)
		must(w.t, desk.Undo(ctx, code, 0))
	case 3:
		_, err := desk.Confirm(ctx, unissued(w.t, refcode.Short), 0)
		wrong(err)
	case 4:
		wrong(counsellor.Void(ctx, unissued(w.t, refcode.Short), false))
	case 5:
		w.others = append(w.others, w.issue(1, client.IssueOptions{}), w.issue(2, client.IssueOptions{}))
	case 6:
		for _, code := range w.others {
			w.confirm(centre, code, 0)
			must(w.t, desk.Undo(ctx, code, 0))
		}
		w.others = nil
	case 7:
		must(w.t, counsellor.Void(ctx, w.issue(1, client.IssueOptions{Replacement: true}), true))
		must(w.t, counsellor.Void(ctx, w.issue(1, client.IssueOptions{}), false))
	case 8:
		must(w.t, counsellor.ReferWithoutCode(ctx, servertest.Year, 1))
		must(w.t, desk.ArriveWithoutCode(ctx, servertest.Year))
	default:
		stranger := client.New(w.f.Connection, "aankomst_x", new(client.MemoryPins))
		if _, err := stranger.Confirm(ctx, unissued(w.t, refcode.Short), 0); err == nil {
			w.t.Fatal("somebody without a token confirms")
		}
		_, err := counsellor.PoolOf(ctx, servertest.Year, centre)
		must(w.t, err)
	}
}

// log adds a line to the server's log.
func (w *world) log(format string, args ...any) {
	fmt.Fprintf(w.f.Logs, `{"level":"DEBUG",`+format+"}\n", args...)
}
