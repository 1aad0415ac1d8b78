package main

import (
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/refcode"
	"aankomst/server/access"
	"aankomst/server/calendar"
	"aankomst/server/store/postgres/pgtest"
)

// noon is a moment in the middle of the office's year, in the middle of a quarter of an hour.
func (o *office) noon() time.Time {
	return time.Date(o.year, time.June, 15, 12, 7, 0, 0, calendar.Brussels)
}

const day = 24 * time.Hour

// The clocks of two servers are set back by a day, first one and then the other, and right again, with a load on
// both.
func TestAClockThatIsSetBackLosesNothing(t *testing.T) {
	t.Parallel()
	l := newLoad(newOfficeAt(t, newDatabases.Database(t)))
	servers := [2]*local{}
	for i := range servers {
		servers[i] = l.serveAt(l.noon(), access.DefaultLimits)
		l.join(i, servers[i].child)
	}
	end := l.begin()
	for _, set := range []struct {
		server int
		to     time.Duration
	}{{0, -day}, {1, -day}, {0, 2 * time.Minute}, {1, 2 * time.Minute}} {
		l.answers(20)
		servers[set.server].clock.Set(l.noon().Add(set.to))
		// The jobs that run by the clock do so, too.
		eventually(t, "the server says that it holds the key", func() bool {
			return servers[set.server].pulse.Last().Equal(servers[set.server].clock.Now())
		})
		l.answers(20)
	}
	end()
	l.settle()
	for _, s := range servers {
		s.becomes(http.StatusOK)
		s.stop()
		if said := s.logs.String(); strings.Contains(said, `"level":"ERROR"`) {
			t.Errorf("the server says %s", said)
		}
	}
	l.settled()
}

// Closing a cohort waits for a server that does not hear of it, however far its clock is behind.
func TestClosingWaitsForAServerWhoseClockIsBehind(t *testing.T) {
	t.Parallel()
	o, _ := lastYear(t, newDatabases.Database(t))
	network := pgtest.NewProxy(t, o.postgres)
	far := *o
	far.postgres = network.DSN()
	behind := far.serveAt(time.Now().Add(-day), access.DefaultLimits)
	network.Refuse()
	closing := []string{"cohort", "close", strconv.Itoa(o.year), "--yes", "--early", "--accept-withheld", "--escrow-destroyed"}
	for range 2 {
		if out, err := o.try(closing...); exitCode(err) != exitRefused || !strings.Contains(string(out), "still holds the key") {
			t.Fatalf("closing does not wait: %v\n%s", err, out)
		}
	}
	if _, err := os.Stat(o.cohortKey()); err != nil {
		t.Errorf("the key is not there any more: %v", err)
	}
	network.Accept()
	eventually(t, "the cohort is closed", func() bool {
		_, err := o.try(closing...)
		return err == nil
	})
	behind.stop()
}

// An issue that is repeated after the clock was set back is known to be one.
func TestARepeatedIssueIsKnownAfterTheClockWasSetBack(t *testing.T) {
	t.Parallel()
	l := newLoad(newOfficeAt(t, newDatabases.Database(t)))
	s := l.serveAt(l.noon(), access.DefaultLimits)
	l.join(0, s.child)
	helpline := l.client(l.counsellor)
	directory, err := helpline.Cohort(t.Context(), l.year)
	noError(t, err)
	blinding, err := refcode.Blind(directory, 1)
	noError(t, err)
	for range 2 {
		_, err := helpline.Referrals.IssueReferral(helpline.Authorized(t.Context()), &aankomstv1.IssueReferralRequest{
			Cohort: uint32(l.year), Pool: 1, BlindedElement: blinding.Element,
		})
		noError(t, err)
		s.clock.Advance(-day)
	}
	if pool := l.counts().Pools[0]; pool.Issued != 1 {
		t.Errorf("it is counted %d times", pool.Issued)
	}
	s.stop()
}

// Whoever can set a clock back gets no more guesses by it, from any server, also one that is started after.
func TestAClockThatIsSetBackGivesNoGuesses(t *testing.T) {
	t.Parallel()
	for name, limits := range map[string]access.Limits{"minute": {PerMinute: 3, PerDay: 200}, "day": {PerMinute: 10, PerDay: 3}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOfficeAt(t, newDatabases.Database(t))
			first, second := o.serveAt(o.noon(), limits), o.serveAt(o.noon(), limits)
			if !first.guess(o.intake[0]) || !second.guess(o.intake[0]) || !first.guess(o.intake[0]) {
				t.Error("three wrong codes are not looked at")
			}
			none := func(when string, servers ...*local) {
				t.Helper()
				for _, s := range servers {
					if s.guess(o.intake[0]) {
						t.Errorf("%s a fourth wrong code is looked at", when)
					}
				}
			}
			none("at noon", first, second)
			first.clock.Advance(-day)
			none("with one clock set back", first, second)
			second.clock.Advance(-day)
			third := o.serveAt(o.noon().Add(-day), limits)
			none("with all clocks set back", first, second, third)
			for _, s := range []*local{first, second, third} {
				s.clock.Set(o.noon().Add(day))
			}
			if !second.guess(o.intake[0]) || !third.guess(o.intake[0]) || !first.guess(o.intake[0]) {
				t.Error("a day later three wrong codes are not looked at")
			}
			none("a day later", third, second, first)
			for _, s := range []*local{first, second, third} {
				s.stop()
			}
		})
	}
}
