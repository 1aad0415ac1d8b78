package server_test

import (
	"context"
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/server/release"
	"aankomst/server/servertest"
	"aankomst/server/store"
)

func TestAPIPublishAtOnce(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	a.pass(t, cutOff(1))
	token := a.coordinator()
	published := 0
	for _, got := range atOnce(8, func(i int) answer {
		if i%2 == 0 {
			return a.grpc(token, publishing(""))
		}
		return a.rest(token, publishing("2026-06-30"))
	}) {
		if got.code == codes.OK {
			published++
			continue
		}
		got.refused(t, codes.AlreadyExists, "RELEASE_EXISTS")
		same(t, "number", got.metadata["number"], "1")
	}
	if published != 1 || len(a.releases(t)) != 1 {
		t.Errorf("%d publications made %d releases", published, len(a.releases(t)))
	}
	// Two that are different both come about, one after the other.
	a.pass(t, cutOff(2))
	a.pass(t, cutOff(3))
	for _, got := range atOnce(2, func(i int) answer { return a.grpc(token, publishing(cutOff(i+2).Day)) }) {
		got.worked(t)
	}
	var documents [][]byte
	for i, all := 0, a.releases(t); i < len(all); i++ {
		documents = append([][]byte{all[i].GetDocument()}, documents...)
	}
	same(t, "releases", len(documents), 3)
	must(t, release.VerifyChain(documents))
}

// A page holds 50 when no size is named, and never more than 200.
func TestAPIReleasePagesAreBounded(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	a.pass(t, cutOff(1))
	drafts, err := a.Store.ListDrafts(t.Context(), servertest.Year)
	must(t, err)
	for i := range 201 {
		a.appended(t, drafts, fmt.Sprint("other ", i))
	}
	for size, want := range map[int32]int{0: 50, 51: 51, 200: 200, 201: 200, 1<<31 - 1: 200} {
		page := a.ok(a.intake(), &aankomstv1.ListReleasesRequest{PageSize: size}).response.(*aankomstv1.ListReleasesResponse)
		same(t, fmt.Sprintf("a page of %d", size), fmt.Sprintf("%d, then %s", len(page.GetReleases()), page.GetNextPageToken()), fmt.Sprintf("%d, then %d", want, 201-want))
	}
}

// hastyStore lets something happen before each release is appended, while its publisher believes that it
// is the next.
type hastyStore struct {
	store.Store
	before func(attempt int)
	made   int
}

func (s *hastyStore) AppendRelease(ctx context.Context, next store.Release) error {
	s.made++
	s.before(s.made)
	return s.Store.AppendRelease(ctx, next)
}

// What another process publishes in between makes a publication go again, and never twice.
func TestAPIPublishingIsOvertaken(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		// rivals are the cut-offs that others publish, one before each attempt.
		rivals   []string
		code     codes.Code
		reason   string
		attempts int
		releases int
	}{
		"by nobody":               {nil, codes.OK, "", 1, 1},
		"by another cut-off":      {[]string{"2026-06-30"}, codes.OK, "", 2, 2},
		"by two":                  {[]string{"2026-06-30", "2026-09-30"}, codes.OK, "", 3, 3},
		"by the same":             {[]string{"2026-12-31"}, codes.AlreadyExists, "RELEASE_EXISTS", 1, 1},
		"by another and the same": {[]string{"2026-06-30", "2026-12-31"}, codes.AlreadyExists, "RELEASE_EXISTS", 2, 2},
		"again and again": {
			[]string{"2026-06-30", "2026-09-30", "other 1", "other 2", "other 3"}, codes.Aborted, "CHANGED_MEANWHILE", 5, 5,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hasty := new(hastyStore)
			a := startAPI(t, servertest.Options{Store: func(s store.Store) store.Store {
				hasty.Store = s
				return hasty
			}})
			for i := 1; i < 4; i++ {
				a.pass(t, cutOff(i))
			}
			drafts, err := a.Store.ListDrafts(t.Context(), servertest.Year)
			must(t, err)
			hasty.before = func(attempt int) {
				if attempt <= len(test.rivals) {
					a.appended(t, drafts, test.rivals[attempt-1])
				}
			}
			a.grpc(a.coordinator(), publishing("2026-12-31")).refused(t, test.code, test.reason)
			all, err := a.Store.ListReleases(t.Context())
			must(t, err)
			same(t, "attempts and releases", fmt.Sprint(hasty.made, len(all)), fmt.Sprint(test.attempts, test.releases))
		})
	}
}

// appended publishes a cut-off as another process would; one that nobody froze gets the document of
// another.
func (a *api) appended(t *testing.T, drafts []store.Draft, asked string) {
	all, err := a.Store.ListReleases(context.Background())
	if err != nil {
		t.Error(err)
		return
	}
	draft := drafts[0]
	for _, other := range drafts {
		if other.CutOff == asked {
			draft = other
		}
	}
	var last *store.Release
	if len(all) > 0 {
		last = &all[len(all)-1]
	}
	next, err := release.Publish(draft, last, "2027-01-01")
	if err == nil {
		next.CutOff = asked
		err = a.Store.AppendRelease(context.Background(), next)
	}
	if err != nil {
		t.Error(err)
	}
}
