package server_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/server/calendar"
	"aankomst/server/servertest"
)

// wholeCentre is a centre with every field that can be given.
func wholeCentre(id string) *aankomstv1.Centre {
	return &aankomstv1.Centre{
		Id: id, DisplayName: "CGG Voorbeeld & Zoon", Type: aankomstv1.Centre_CGG, Region: "Oost-Vlaanderen", Town: "Gent",
		Phone: "+32 9 123 45 67", Email: "info@voorbeeld.example", Website: "https://voorbeeld.example/aanmelden",
		Languages: []string{"nl", "fr", "ar", "zh-Hant"},
	}
}

func (a *api) centre(t *testing.T, id string) *aankomstv1.Centre {
	t.Helper()
	return a.ok(a.administrator(), &aankomstv1.GetCentreRequest{Id: id}).response.(*aankomstv1.Centre)
}

func equal(t *testing.T, what string, got, want proto.Message) {
	t.Helper()
	if !proto.Equal(got, want) {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

func TestAPICreateAndListCentres(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	made := 0
	bothWays(t, func(t *testing.T, call func(*api, string, proto.Message) answer) {
		made++
		id := fmt.Sprintf("made-%d", made)
		want := wholeCentre(id)
		given := proto.Clone(want).(*aankomstv1.Centre)
		// What the server alone says of a centre is ignored.
		given.Archived = true
		given.Capacity = &aankomstv1.Capacity{Intake: aankomstv1.Capacity_OPEN, AsOf: "2020-01-01"}
		created := call(a, a.administrator(), &aankomstv1.CreateCentreRequest{Centre: given})
		created.worked(t)
		equal(t, "created", created.response, want)
		equal(t, "got", call(a, a.counsellor(), &aankomstv1.GetCentreRequest{Id: id}).response, want)
		call(a, a.administrator(), &aankomstv1.CreateCentreRequest{Centre: given}).refused(t, codes.AlreadyExists, "ALREADY_EXISTS")

		listed := call(a, a.intake(), new(aankomstv1.ListCentresRequest)).response.(*aankomstv1.ListCentresResponse).GetCentres()
		ids := make([]string, len(listed))
		for i, centre := range listed {
			ids[i] = centre.GetId()
		}
		if !slices.IsSorted(ids) || !slices.Contains(ids, id) || len(ids) < 7 {
			t.Errorf("listed: %v", ids)
		}
		call(a, a.counsellor(), &aankomstv1.GetCentreRequest{Id: "nowhere"}).refused(t, codes.NotFound, "NOT_FOUND")
	})
}

func TestAPICentreValidation(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	long := strings.Repeat("é", 121)
	type change = func(*aankomstv1.Centre)
	var requests []badRequest
	for field, changes := range map[string][]change{
		"centre.id": {
			func(c *aankomstv1.Centre) { c.Id = "" }, func(c *aankomstv1.Centre) { c.Id = "A" }, func(c *aankomstv1.Centre) { c.Id = "-a" },
			func(c *aankomstv1.Centre) { c.Id = "a-" }, func(c *aankomstv1.Centre) { c.Id = "a b" }, func(c *aankomstv1.Centre) { c.Id = "a_b" },
			func(c *aankomstv1.Centre) { c.Id = "é" }, func(c *aankomstv1.Centre) { c.Id = strings.Repeat("a", 41) }, func(c *aankomstv1.Centre) { c.Id = "a/b" },
			func(c *aankomstv1.Centre) { c.Id = "a:archive" }, func(c *aankomstv1.Centre) { c.Id = "a\n" },
		},
		"centre.display_name": {
			func(c *aankomstv1.Centre) { c.DisplayName = "" }, func(c *aankomstv1.Centre) { c.DisplayName = " \t" }, func(c *aankomstv1.Centre) { c.DisplayName = long },
			func(c *aankomstv1.Centre) { c.DisplayName = "a\nb" }, func(c *aankomstv1.Centre) { c.DisplayName = "a\x00b" },
			func(c *aankomstv1.Centre) { c.DisplayName = "a\u202eb" }, func(c *aankomstv1.Centre) { c.DisplayName = "a\u200bb" },
		},
		"centre.type":   {func(c *aankomstv1.Centre) { c.Type = 0 }, func(c *aankomstv1.Centre) { c.Type = 5 }},
		"centre.region": {func(c *aankomstv1.Centre) { c.Region = long }, func(c *aankomstv1.Centre) { c.Region = "a\tb" }},
		"centre.town":   {func(c *aankomstv1.Centre) { c.Town = long }, func(c *aankomstv1.Centre) { c.Town = "a\rb" }},
		"centre.phone": {
			func(c *aankomstv1.Centre) { c.Phone = "call us" }, func(c *aankomstv1.Centre) { c.Phone = "1" }, func(c *aankomstv1.Centre) { c.Phone = "++32 9 1" },
			func(c *aankomstv1.Centre) { c.Phone = strings.Repeat("1", 40) }, func(c *aankomstv1.Centre) { c.Phone = "09 123\n" }, func(c *aankomstv1.Centre) { c.Phone = "٠٩١٢٣" },
		},
		"centre.email": {
			func(c *aankomstv1.Centre) { c.Email = "info" }, func(c *aankomstv1.Centre) { c.Email = "Info <info@x.example>" },
			func(c *aankomstv1.Centre) { c.Email = "a@b.example, c@d.example" }, func(c *aankomstv1.Centre) { c.Email = "a@b.example\r\nBcc: x" },
		},
		"centre.website": {
			func(c *aankomstv1.Centre) { c.Website = "http://x.example" }, func(c *aankomstv1.Centre) { c.Website = "https://" }, func(c *aankomstv1.Centre) { c.Website = "x.example" },
			func(c *aankomstv1.Centre) { c.Website = "javascript:alert(1)" }, func(c *aankomstv1.Centre) { c.Website = "https://x.example/" + strings.Repeat("a", 120) },
		},
		"centre.languages": {
			func(c *aankomstv1.Centre) { c.Languages = []string{"NL"} }, func(c *aankomstv1.Centre) { c.Languages = []string{"nl", ""} },
			func(c *aankomstv1.Centre) { c.Languages = []string{"dutch!"} }, func(c *aankomstv1.Centre) { c.Languages = slices.Repeat([]string{"nl"}, 31) },
		},
	} {
		for _, change := range changes {
			centre := wholeCentre("new")
			change(centre)
			requests = append(requests, badRequest{"create: " + field, a.administrator, &aankomstv1.CreateCentreRequest{Centre: centre}, codes.InvalidArgument, "FIELD_INVALID", field})
			if path, _ := strings.CutPrefix(field, "centre."); path != "id" {
				centre := proto.Clone(centre).(*aankomstv1.Centre)
				centre.Id = servertest.PoolOne[0]
				requests = append(requests, badRequest{"update: " + field, a.administrator, &aankomstv1.UpdateCentreRequest{
					Centre: centre, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{path}},
				}, codes.InvalidArgument, "FIELD_INVALID", field})
			}
		}
	}
	requests = append(requests, badRequest{"no centre", a.administrator, new(aankomstv1.CreateCentreRequest), codes.InvalidArgument, "FIELD_INVALID", "centre.id"})
	before := a.ok(a.administrator(), &aankomstv1.ListCentresRequest{ShowArchived: true}).response
	a.refuses(t, requests)
	equal(t, "centres", a.ok(a.administrator(), &aankomstv1.ListCentresRequest{ShowArchived: true}).response, before)

	// What is just within the bounds is taken.
	for i, centre := range []*aankomstv1.Centre{
		{Id: "a", DisplayName: strings.Repeat("é", 120), Type: aankomstv1.Centre_OTHER},
		{Id: strings.Repeat("a", 40), DisplayName: "A", Type: aankomstv1.Centre_UFC, Phone: "0800/12.345", Languages: slices.Repeat([]string{"nl"}, 30)},
		{Id: "0-0", DisplayName: "0", Type: aankomstv1.Centre_CAW, Phone: "09 (123) 45-67"},
	} {
		if got := a.grpc(a.administrator(), &aankomstv1.CreateCentreRequest{Centre: centre}); got.code != codes.OK {
			t.Errorf("%d: %v", i, got)
		}
	}
}

func TestAPIUpdateCentre(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	want := wholeCentre("new")
	a.ok(a.administrator(), &aankomstv1.CreateCentreRequest{Centre: want})
	a.ok(a.administrator(), &aankomstv1.SetCapacityRequest{Id: "new", Capacity: &aankomstv1.Capacity{Intake: aankomstv1.Capacity_WAITING_LIST}})
	want = a.centre(t, "new")

	// Fields that the mask does not name stay, whatever the message says.
	bothWays(t, func(t *testing.T, call func(*api, string, proto.Message) answer) {
		want.Town, want.Languages = want.GetTown()+"x", append(want.GetLanguages(), "en")
		got := call(a, a.administrator(), &aankomstv1.UpdateCentreRequest{
			Centre:     &aankomstv1.Centre{Id: "new", Town: want.GetTown(), Languages: want.GetLanguages(), Phone: "ignored"},
			UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"town", "languages"}},
		})
		got.worked(t)
		equal(t, "updated", got.response, want)
		equal(t, "stored", a.centre(t, "new"), want)

		for _, paths := range [][]string{{"capacity"}, {"archived"}, {"town", "nothing"}, {"*"}, {"capacity.intake"}, {strings.Repeat("a", 5000)}} {
			got := call(a, a.administrator(), &aankomstv1.UpdateCentreRequest{
				Centre: &aankomstv1.Centre{Id: "new", Town: "Elsewhere"}, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths},
			})
			got.refused(t, codes.InvalidArgument, "FIELD_INVALID")
			if got.field != "update_mask" || len(got.message) > 200 {
				t.Errorf("%.20v: %v of %q", paths, got, got.field)
			}
		}
		call(a, a.administrator(), &aankomstv1.UpdateCentreRequest{
			Centre: &aankomstv1.Centre{Id: "nowhere", Town: "x"}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"town"}},
		}).refused(t, codes.NotFound, "NOT_FOUND")
	})
	// Over gRPC nothing stands for a mask that is left out, nor for one that names the id alone.
	for _, mask := range []*fieldmaskpb.FieldMask{nil, {}, {Paths: []string{"id"}}} {
		a.grpc(a.administrator(), &aankomstv1.UpdateCentreRequest{Centre: &aankomstv1.Centre{Id: "new", Town: "x"}, UpdateMask: mask}).
			refused(t, codes.InvalidArgument, "FIELD_INVALID")
	}
	equal(t, "stored", a.centre(t, "new"), want)
}

// Over REST, a PATCH changes the fields that its body has.
func TestAPIPatchCentre(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	want := wholeCentre("new")
	a.ok(a.administrator(), &aankomstv1.CreateCentreRequest{Centre: want})
	for _, step := range []struct {
		path, body string
		change     func()
	}{
		{"", `{"region":"Limburg"}`, func() { want.Region = "Limburg" }},
		{"", `{"displayName":"Anders","type":"CAW"}`, func() { want.DisplayName, want.Type = "Anders", aankomstv1.Centre_CAW }},
		{"", `{"display_name":"Zo ook"}`, func() { want.DisplayName = "Zo ook" }},
		{"", `{"phone":"","languages":[]}`, func() { want.Phone, want.Languages = "", nil }},
		{"", `{"languages":["nl"]}`, func() { want.Languages = []string{"nl"} }},
		// The path says which centre, whatever the body says.
		{"", `{"id":"cgg-a","town":"Hasselt"}`, func() { want.Town = "Hasselt" }},
		{"?updateMask=region", `{"region":"Antwerpen","town":"Mol"}`, func() { want.Region = "Antwerpen" }},
	} {
		step.change()
		got := a.raw(a.administrator(), "PATCH", "/v1/centres/new"+step.path, step.body)
		got.worked(t)
		equal(t, step.body, a.centre(t, "new"), want)
	}
	for _, body := range []string{
		`{}`, ``, `{"id":"new"}`, `{"archived":true}`, `{"capacity":{"intake":"OPEN"}}`, `{"region":"x","capacity":{"waitBand":1}}`,
		`{"type":"TYPE_UNSPECIFIED"}`, `{"type":99}`, `{"displayName":""}`,
	} {
		if got := a.raw(a.administrator(), "PATCH", "/v1/centres/new", body); got.reason != "FIELD_INVALID" {
			t.Errorf("%s: %v", body, got)
		}
	}
	for _, body := range []string{`{"nothing":1}`, `{"region":1}`, `[]`, `{"region":"x"} {}`, `{"region":"x"}]`, `{`, `null`, `{"type":"SOMETHING"}`} {
		if got := a.raw(a.administrator(), "PATCH", "/v1/centres/new", body); got.reason != "MALFORMED_REQUEST" {
			t.Errorf("%s: %v", body, got)
		}
	}
	a.raw(a.administrator(), "PATCH", "/v1/centres/new?updateMask=nothing", `{"region":"x"}`).refused(t, codes.InvalidArgument, "FIELD_INVALID")
	equal(t, "stored", a.centre(t, "new"), want)
	if got := a.centre(t, "cgg-a").GetTown(); got != "" {
		t.Errorf("another centre was changed: %q", got)
	}
}

func TestAPIArchiveCentre(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	ids := func(request *aankomstv1.ListCentresRequest) (ids []string) {
		for _, centre := range a.ok(a.counsellor(), request).response.(*aankomstv1.ListCentresResponse).GetCentres() {
			ids = append(ids, centre.GetId())
		}
		return ids
	}
	all := ids(new(aankomstv1.ListCentresRequest))
	bothWays(t, func(t *testing.T, call func(*api, string, proto.Message) answer) {
		first := call(a, a.administrator(), &aankomstv1.ArchiveCentreRequest{Id: "ufc-a"})
		if !first.response.(*aankomstv1.Centre).GetArchived() {
			t.Error("it is not archived")
		}
		call(a, a.administrator(), &aankomstv1.ArchiveCentreRequest{Id: "nowhere"}).refused(t, codes.NotFound, "NOT_FOUND")
		if !a.centre(t, "ufc-a").GetArchived() {
			t.Error("it cannot be got any more")
		}
		same(t, "shown", ids(new(aankomstv1.ListCentresRequest)), slices.DeleteFunc(slices.Clone(all), func(id string) bool { return id == "ufc-a" }))
		same(t, "with the archived", ids(&aankomstv1.ListCentresRequest{ShowArchived: true}), all)
		response := call(a, a.counsellor(), &aankomstv1.ListCentresRequest{ShowArchived: true}).response
		if got := len(response.(*aankomstv1.ListCentresResponse).GetCentres()); got != len(all) {
			t.Errorf("%d listed", got)
		}
	})
}

func TestAPISetCapacity(t *testing.T) {
	t.Parallel()
	a := startAPI(t, servertest.Options{})
	centre := servertest.PoolOne[0]
	if got := a.centre(t, centre).GetCapacity(); got != nil {
		t.Errorf("never told, and yet: %v", got)
	}
	midnight := time.Date(servertest.Year, time.July, 2, 0, 0, 0, 0, calendar.Brussels)
	bothWays(t, func(t *testing.T, call func(*api, string, proto.Message) answer) {
		for _, step := range []struct {
			at   time.Time
			asOf string
		}{{midnight.Add(-time.Nanosecond), "2026-07-01"}, {midnight, "2026-07-02"}} {
			a.Clock.Set(step.at)
			for intake := aankomstv1.Capacity_OPEN; intake <= aankomstv1.Capacity_STOP; intake++ {
				for band := aankomstv1.WaitBand_VALUE_UNSPECIFIED; band <= aankomstv1.WaitBand_OVER_6_MONTHS; band++ {
					// The day is the server's to say.
					got := call(a, a.intake(), &aankomstv1.SetCapacityRequest{Id: centre, Capacity: &aankomstv1.Capacity{Intake: intake, WaitBand: band, AsOf: "2001-01-01"}})
					got.worked(t)
					want := &aankomstv1.Capacity{Intake: intake, WaitBand: band, AsOf: step.asOf}
					equal(t, "capacity", got.response.(*aankomstv1.Centre).GetCapacity(), want)
					equal(t, "stored", a.centre(t, centre).GetCapacity(), want)
				}
			}
		}
		call(a, a.administrator(), &aankomstv1.SetCapacityRequest{Id: "nowhere", Capacity: &aankomstv1.Capacity{Intake: aankomstv1.Capacity_OPEN}}).
			refused(t, codes.NotFound, "NOT_FOUND")
	})
}
