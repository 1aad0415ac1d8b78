//go:build unix

package postgres

import (
	"testing"
	"time"

	"aankomst/server/store"
	"aankomst/server/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, openNew, func(t *testing.T, s store.Store, by time.Duration) {
		_, err := s.(*Store).pool.Exec(t.Context(), `UPDATE holders SET seen_at = seen_at - $1`, int(by.Seconds()))
		ok(t, err)
	})
}
