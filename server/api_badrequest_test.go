package server_test

import (
	"bytes"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/refcode"
)

// element returns a blinded element as a client sends it.
func element(t testing.TB, directory refcode.Directory, pool uint32) []byte {
	t.Helper()
	blinding, err := refcode.Blind(directory, pool)
	must(t, err)
	return blinding.Element
}

// directory returns what is public of a cohort.
func (a *api) directory(year int) refcode.Directory {
	a.t.Helper()
	got := a.ok("", &aankomstv1.GetCohortRequest{Year: uint32(year)}).response.(*aankomstv1.Cohort)
	directory := refcode.Directory{Year: uint16(year), Layout: refcode.Layout(got.GetLayout()), PublicKey: got.GetPublicKey()}
	for _, pool := range got.GetPools() {
		directory.Pools = append(directory.Pools, pool.GetNumber())
	}
	return directory
}

// badRequest is a request that must be refused, by whom it is made, and how.
type badRequest struct {
	name    string
	who     func() string
	request proto.Message
	code    codes.Code
	reason  string
	field   string
}

// refuses makes every request both ways; each must get its answer and count nothing.
func (a *api) refuses(t *testing.T, requests []badRequest) {
	t.Helper()
	before := a.allCounts()
	bothWays(t, func(t *testing.T, call func(*api, string, proto.Message) answer) {
		for _, bad := range requests {
			got := call(a, bad.who(), bad.request)
			if got.code != bad.code || got.reason != bad.reason || got.field != bad.field {
				t.Errorf("%s: %v of %q; want %s %s of %q", bad.name, got, got.field, bad.code, bad.reason, bad.field)
			}
		}
	})
	same(t, "counts", a.allCounts(), before)
}

func TestAPIBadIssues(t *testing.T) {
	t.Parallel()
	l := startLandscape(t)
	good := element(t, l.directory(openYear), 1)
	issue := func(name string, year, pool uint32, blinded []byte, code codes.Code, reason, field string) badRequest {
		return badRequest{name, l.counsellor, &aankomstv1.IssueReferralRequest{Cohort: year, Pool: pool, BlindedElement: blinded}, code, reason, field}
	}
	var requests []badRequest
	for name, year := range map[string]uint32{"no cohort named": 0, "a cohort of long ago": 1999, "a cohort to come": 2031, "no year": 1<<32 - 1, "a year that is the open one in 16 bits": openYear + 1<<16} {
		requests = append(requests, issue(name, year, 1, good, codes.NotFound, "COHORT_NOT_FOUND", "cohort"))
	}
	for name, pool := range map[string]uint32{"an unknown pool": 3, "a pool past all numbers": 1<<32 - 1} {
		requests = append(requests, issue(name, openYear, pool, good, codes.NotFound, "POOL_NOT_FOUND", "pool"))
	}
	for name, bad := range badElements(good) {
		requests = append(requests, issue(name, openYear, 1, bad, codes.InvalidArgument, "ELEMENT_INVALID", "blinded_element"))
		requests = append(requests, issue(name+", for practice", openYear, 0, bad, codes.InvalidArgument, "ELEMENT_INVALID", "blinded_element"))
	}
	for _, state := range []struct {
		year   uint32
		reason string
	}{{aheadYear, "COHORT_AHEAD"}, {maturingYear, "COHORT_MATURING"}, {closingYear, "COHORT_CLOSED"}, {closedYear, "COHORT_CLOSED"}} {
		requests = append(requests, issue("issue: "+state.reason, state.year, 1, good, codes.FailedPrecondition, state.reason, "cohort"))
		record := &aankomstv1.RecordReferralWithoutCodeRequest{Cohort: state.year, Pool: 1}
		arrive := &aankomstv1.RecordArrivalWithoutCodeRequest{Cohort: state.year}
		if state.year != maturingYear {
			requests = append(requests,
				badRequest{"referral: " + state.reason, l.counsellor, record, codes.FailedPrecondition, state.reason, "cohort"},
				badRequest{"arrival: " + state.reason, func() string { return l.intake() }, arrive, codes.FailedPrecondition, state.reason, "cohort"})
		}
	}
	requests = append(requests,
		badRequest{"a referral to practise", l.counsellor, &aankomstv1.RecordReferralWithoutCodeRequest{Cohort: openYear}, codes.InvalidArgument, "FIELD_INVALID", "pool"},
		badRequest{"a referral to an unknown pool", l.counsellor, &aankomstv1.RecordReferralWithoutCodeRequest{Cohort: openYear, Pool: 9}, codes.NotFound, "POOL_NOT_FOUND", "pool"},
		badRequest{"a referral in no cohort", l.counsellor, &aankomstv1.RecordReferralWithoutCodeRequest{Pool: 1}, codes.NotFound, "COHORT_NOT_FOUND", "cohort"},
		badRequest{"an arrival in no cohort", func() string { return l.intake() }, new(aankomstv1.RecordArrivalWithoutCodeRequest), codes.NotFound, "COHORT_NOT_FOUND", "cohort"})
	l.refuses(t, requests)

	// That another process has begun to close a cohort is known, for practice codes, when the keys are next
	// brought in line with the store.
	must(t, l.Keeper.Sync(t.Context(), false))
	l.refuses(t, []badRequest{
		issue("practice of a closing cohort", closingYear, 0, good, codes.FailedPrecondition, "COHORT_CLOSED", "cohort"),
		issue("practice of a closed cohort", closedYear, 0, good, codes.FailedPrecondition, "COHORT_CLOSED", "cohort"),
	})

	// Practice codes are issued whenever people learn: before the year, during it and after it.
	for _, year := range []uint32{aheadYear, openYear, maturingYear} {
		l.grpc(l.counsellor(), &aankomstv1.IssueReferralRequest{Cohort: year, BlindedElement: good}).worked(t)
	}
	// What could not be recorded during a call is recorded later, after the turn of the year as well.
	l.ok(l.counsellor(), &aankomstv1.RecordReferralWithoutCodeRequest{Cohort: maturingYear, Pool: 2})
	l.ok(l.intake(), &aankomstv1.RecordArrivalWithoutCodeRequest{Cohort: maturingYear})
	if got := l.allCounts()[maturingYear]; got.Pools[1].ReferredWithoutCode != 1 || got.ArrivedWithoutCode != 1 {
		t.Errorf("%+v", got)
	}
}

// badElements are bytes that are no element a server may evaluate, made of one that is.
func badElements(good []byte) map[string][]byte {
	with := func(i int, b byte) []byte {
		spoiled := bytes.Clone(good)
		spoiled[i] ^= b
		return spoiled
	}
	// p is 2^255 - 19, little-endian: it stands for zero, and no number from it on is canonical.
	p := bytes.Repeat([]byte{0xff}, refcode.ElementBytes)
	p[0], p[31] = 0xed, 0x7f
	return map[string][]byte{
		"no element": nil, "a byte": good[:1], "31 bytes": good[:31], "33 bytes": append(bytes.Clone(good), 0),
		"two elements": append(bytes.Clone(good), good...), "the identity": make([]byte, refcode.ElementBytes),
		"the identity, not canonical": p, "all ones": bytes.Repeat([]byte{0xff}, refcode.ElementBytes),
		"the high bit set": with(31, 0x80), "a negative one": with(0, 1),
	}
}

func TestAPIUnknownEnums(t *testing.T) {
	t.Parallel()
	l := startLandscape(t)
	code := l.issue(openYear, 1)
	var requests []badRequest
	intake := func() string { return l.intake() }
	for _, band := range []aankomstv1.WaitBand_Value{6, 99, 256, 257, 1<<31 - 1, -1, -1 << 31} {
		requests = append(requests,
			badRequest{"confirm", intake, &aankomstv1.ConfirmArrivalRequest{Code: code.Text(), WaitBand: band}, codes.InvalidArgument, "FIELD_INVALID", "wait_band"},
			badRequest{"undo", intake, &aankomstv1.UndoArrivalRequest{Code: code.Text(), WaitBand: band}, codes.InvalidArgument, "FIELD_INVALID", "wait_band"},
			badRequest{"capacity", intake, &aankomstv1.SetCapacityRequest{Id: "cgg-a", Capacity: &aankomstv1.Capacity{
				Intake: aankomstv1.Capacity_OPEN, WaitBand: band,
			}}, codes.InvalidArgument, "FIELD_INVALID", "capacity.wait_band"})
	}
	for _, number := range []int32{4, 99, 256, 257, -1} {
		requests = append(requests, badRequest{"intake", intake, &aankomstv1.SetCapacityRequest{Id: "cgg-a", Capacity: &aankomstv1.Capacity{
			Intake: aankomstv1.Capacity_Intake(number),
		}}, codes.InvalidArgument, "FIELD_INVALID", "capacity.intake"})
	}
	for _, number := range []int32{5, 99, 257, -1} {
		requests = append(requests, badRequest{"type", l.administrator, &aankomstv1.CreateCentreRequest{Centre: &aankomstv1.Centre{
			Id: "new", DisplayName: "New", Type: aankomstv1.Centre_Type(number),
		}}, codes.InvalidArgument, "FIELD_INVALID", "centre.type"})
	}
	// 257 is 1 in eight bits, and 1 is a layout.
	for _, number := range []int32{3, 99, 256, 257, 258, -1} {
		requests = append(requests, badRequest{"layout", l.administrator, &aankomstv1.OpenCohortRequest{
			Year: 2031, Layout: aankomstv1.Cohort_Layout(number),
		}, codes.InvalidArgument, "FIELD_INVALID", "layout"})
	}
	requests = append(requests, badRequest{"no intake", intake, &aankomstv1.SetCapacityRequest{Id: "cgg-a"}, codes.InvalidArgument, "FIELD_INVALID", "capacity.intake"})
	l.refuses(t, requests)
	// The code came with every one of them, and was not spent.
	before := l.allCounts()[openYear].Pools[0].Arrived
	l.ok(l.intake(), confirming(code))
	if got := l.allCounts()[openYear].Pools[0].Arrived; got != before+1 {
		t.Errorf("%d arrived after %d", got, before)
	}
}
