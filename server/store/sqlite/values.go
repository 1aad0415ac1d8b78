package sqlite

import (
	"database/sql/driver"
	"encoding/json"
	"errors"
	"time"
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

// bytes32 reads a column of 32 bytes.
type bytes32 [32]byte

// Scan implements sql.Scanner.
func (b *bytes32) Scan(value any) error {
	bytes, ok := value.([]byte)
	if !ok || len(bytes) != len(b) {
		return errors.New("sqlite: a value is not 32 bytes")
	}
	copy(b[:], bytes)
	return nil
}

// seconds keeps a time to the second, the finest that anything here needs.
type seconds struct{ *time.Time }

// Scan implements sql.Scanner.
func (s seconds) Scan(value any) error {
	unix, ok := value.(int64)
	if !ok {
		return errors.New("sqlite: a time is not a number")
	}
	*s.Time = time.Unix(unix, 0).UTC()
	return nil
}
