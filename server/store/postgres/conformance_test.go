//go:build unix

package postgres

import (
	"testing"

	"aankomst/server/store/storetest"
)

func TestConformance(t *testing.T) { storetest.Run(t, openNew) }
