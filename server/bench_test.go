package server_test

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	client "aankomst/clients/go"
	aankomstv1 "aankomst/proto/aankomst/v1"
	"aankomst/refcode"
	"aankomst/server/servertest"
	"aankomst/server/store"
)

// desks is how many callers a benchmark has, each with a token of its own and one call at a time.
const desks = 64

// atDesks has callers make calls, all at once, and reports what a call takes of a processor, that of the
// clients included.
func atDesks(b *testing.B, call func(desk, call int) error) {
	b.Helper()
	b.ReportAllocs()
	var desk atomic.Int64
	b.SetParallelism(max(1, desks/runtime.GOMAXPROCS(0)))
	before := processorTime(b)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		mine := int(desk.Add(1)) % desks
		for i := 0; pb.Next(); i++ {
			if err := call(mine, i); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64((processorTime(b)-before).Microseconds())/float64(b.N), "cpu-us/op")
}

func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkConfirm is a whole confirmation or undo, in turn, over gRPC and on the embedded store.
func BenchmarkConfirm(b *testing.B) {
	f := servertest.Start(b, servertest.Options{})
	arrivals := aankomstv1.NewArrivalServiceClient(f.Connection)
	counsellor := f.Client(store.RoleCounsellor, "")
	var calls [desks]context.Context
	var codes [desks]string
	for i := range desks {
		calls[i] = as(b.Context(), f.Token(store.RoleIntake, f.AddCentre(fmt.Sprint("desk-", i))))
		code, err := counsellor.Issue(b.Context(), servertest.Year, 1, client.IssueOptions{})
		must(b, err)
		codes[i] = code.Text()
	}
	atDesks(b, func(desk, call int) error {
		if call%2 == 0 {
			_, err := arrivals.ConfirmArrival(calls[desk], &aankomstv1.ConfirmArrivalRequest{Code: codes[desk]})
			return err
		}
		_, err := arrivals.UndoArrival(calls[desk], &aankomstv1.UndoArrivalRequest{Code: codes[desk]})
		return err
	})
}

// BenchmarkIssue is a whole issue, but for the client's cryptography, over gRPC and on the embedded store.
func BenchmarkIssue(b *testing.B) {
	f := servertest.Start(b, servertest.Options{})
	referrals := aankomstv1.NewReferralServiceClient(f.Connection)
	cohort, err := f.Store.GetCohort(b.Context(), servertest.Year)
	must(b, err)
	directory := refcode.Directory{
		Year: servertest.Year, Layout: refcode.Layout(cohort.Layout), PublicKey: cohort.PublicKey, Pools: []uint32{1, 2},
	}
	var calls [desks]context.Context
	for i := range desks {
		calls[i] = as(b.Context(), f.Token(store.RoleCounsellor, ""))
	}
	elements := make([][]byte, b.N)
	for i := range elements {
		blinding, err := refcode.Blind(directory, 1)
		must(b, err)
		elements[i] = blinding.Element
	}
	var next atomic.Int64
	atDesks(b, func(desk, _ int) error {
		_, err := referrals.IssueReferral(calls[desk], &aankomstv1.IssueReferralRequest{
			Cohort: servertest.Year, Pool: 1, BlindedElement: elements[next.Add(1)-1],
		})
		return err
	})
}
