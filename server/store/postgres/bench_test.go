//go:build unix

package postgres

import (
	"fmt"
	"testing"

	"aankomst/server/store"
)

// BenchmarkRecord records batches of arrivals, with fsync: what gathering concurrent calls into one
// transaction gains.
func BenchmarkRecord(b *testing.B) {
	for _, size := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s := openAt(b, migrated.Database(b))
			createCohort2026(b, s)
			for b.Loop() {
				batch := make([]store.Entry, size)
				for i := range batch {
					batch[i] = entryOf(store.Arrive, nullifier())
				}
				if _, err := s.Record(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(size*b.N)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}
