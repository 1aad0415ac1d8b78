package postgres

import (
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// quarterHour is the finest time that is kept of anybody.
const quarterHour = 15 * time.Minute

// quarterOf is the quarter of an hour of a time, as it is kept.
func quarterOf(t time.Time) int64 { return t.Truncate(quarterHour).Unix() }

// seconds reads a column that is a time. Where there is none, it is zero.
type seconds struct{ of *time.Time }

// ScanInt64 implements pgtype.Int64Scanner.
func (s seconds) ScanInt64(unix pgtype.Int8) error {
	*s.of = time.Time{}
	if unix.Valid {
		*s.of = time.Unix(unix.Int64, 0).UTC()
	}
	return nil
}

// bytes32 reads a column of 32 bytes. Where there are none, they are zero.
type bytes32 [32]byte

// ScanBytes implements pgtype.BytesScanner.
func (b *bytes32) ScanBytes(value []byte) error {
	if value != nil && len(value) != len(b) {
		return errors.New("postgres: a value is not 32 bytes")
	}
	*b = bytes32{}
	copy(b[:], value)
	return nil
}

// list keeps an empty list from being stored as none.
func list[T any](values []T) []T {
	if values == nil {
		return []T{}
	}
	return values
}
