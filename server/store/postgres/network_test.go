package postgres

import (
	"errors"
	"strings"
	"testing"
)

func TestAnotherMachineIsReachedEncryptedAndChecked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		address string
		accept  []string
		refused bool
	}{
		{"postgres://a@127.0.0.1/a", nil, false},
		{"postgres://a@[::1]/a?sslmode=disable", nil, false},
		{"postgres://a@localhost/a", nil, false},
		{"host=/run/postgresql dbname=a", nil, false},
		{"postgres://a@db.example/a?sslmode=verify-full", nil, false},
		{"postgres://a@db1.example,db2.example/a?sslmode=verify-full", nil, false},
		{"postgres://a@db.example/a", nil, true},
		{"postgres://a@db.example/a?sslmode=disable", nil, true},
		{"postgres://a@db.example/a?sslmode=prefer", nil, true},
		{"postgres://a@db.example/a?sslmode=require", nil, true},
		{"postgres://a@db.example/a?sslmode=verify-ca", nil, true},
		{"postgres://a@10.0.0.7/a", nil, true},
		{"host=127.0.0.1,db.example user=secret-name dbname=a", nil, true},
		{"postgres://a@db.example/a", []string{AcceptUnchecked}, false},
		{"postgres://a@db.example/a", []string{"archive_mode"}, true},
	} {
		_, err := configure(c.address, Options{Accept: c.accept})
		if errors.Is(err, ErrAddress) != c.refused || !c.refused && err != nil {
			t.Errorf("%s, accepting %v: %v", c.address, c.accept, err)
		}
		if err != nil && (strings.Contains(err.Error(), "db.example") || strings.Contains(err.Error(), "secret-name")) {
			t.Errorf("the error quotes the address: %v", err)
		}
	}
}
