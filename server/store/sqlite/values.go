package sqlite

import (
	"database/sql/driver"
	"encoding/json"
	"errors"
	"time"

	"aankomst/server/store"
)

// list keeps strings in one column, as a JSON array.
type list []string

// Value implements driver.Valuer.
func (l list) Value() (driver.Value, error) {
	if l == nil {
		return "[]", nil
	}
	text, err := json.Marshal([]string(l))
	return string(text), err
}

// Scan implements sql.Scanner.
func (l *list) Scan(value any) error {
	text, ok := value.(string)
	if !ok {
		return errors.New("sqlite: a list is not text")
	}
	return json.Unmarshal([]byte(text), (*[]string)(l))
}

// pools reads a column that is a JSON array of pools.
type pools []store.PoolOf

// Scan implements sql.Scanner.
func (p *pools) Scan(value any) error {
	text, ok := value.(string)
	if !ok {
		return errors.New("sqlite: pools are not text")
	}
	return json.Unmarshal([]byte(text), (*[]store.PoolOf)(p))
}

// bytes32 reads a column of 32 bytes. Where there are none, they are zero.
type bytes32 [32]byte

// Scan implements sql.Scanner.
func (b *bytes32) Scan(value any) error {
	if value == nil {
		*b = bytes32{}
		return nil
	}
	bytes, ok := value.([]byte)
	if !ok || len(bytes) != len(b) {
		return errors.New("sqlite: a value is not 32 bytes")
	}
	copy(b[:], bytes)
	return nil
}

// seconds keeps a time to the second, the finest that anything here needs. Where there is no row, there is
// no time.
type seconds struct{ *time.Time }

// Scan implements sql.Scanner.
func (s seconds) Scan(value any) error {
	if value == nil {
		*s.Time = time.Time{}
		return nil
	}
	unix, ok := value.(int64)
	if !ok {
		return errors.New("sqlite: a time is not a number")
	}
	*s.Time = time.Unix(unix, 0).UTC()
	return nil
}
