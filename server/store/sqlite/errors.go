package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/ncruces/go-sqlite3"

	"aankomst/server/store"
)

// ErrKey is wrapped when a file cannot be read with the key: the key is another file's, or the file
// is no database of ours. The two cannot be told apart.
var ErrKey = errors.New("the database cannot be read with this key")

// The words of errors say what to do. They quote no statement, no value and no address: SQLite's own
// words would, and the address of a copy holds the key.
const (
	wordsFull     = "the disk is full: make room"
	wordsReadOnly = "the database or its folder cannot be written: check owner, mode and mount"
	wordsOpen     = "the database or its folder cannot be opened: check owner and mode"
	wordsBusy     = "another process has kept the database locked: try again, or stop that process"
	wordsDisk     = "the disk failed, most likely because it is full: make room, or check it and the system's log"
	wordsDamaged  = "the database is damaged: restore a backup"
)

// unavailable is an error that wraps store.ErrUnavailable.
func unavailable(words string) error { return fmt.Errorf("%w: %s", store.ErrUnavailable, words) }

// failed is unavailable for what the operating system refused.
func failed(doing string, err error) error {
	if words := systemWords(err); words != "" {
		return unavailable(words)
	}
	return unavailable(fmt.Sprintf("cannot %s: %v", doing, err))
}

// settled is plain for something that ctx could interrupt: when it did, the error is that of ctx.
func settled(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, sqlite3.INTERRUPT) {
		return ctx.Err()
	}
	return plain(err)
}

// plain puts an error of SQLite in the contract's terms. Other errors stay as they are.
func plain(err error) error {
	var code sqlite3.ExtendedErrorCode
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return store.ErrNotFound
	case !errors.As(err, &code):
		return err
	case code.Code() == sqlite3.CONSTRAINT:
		return constraint(code)
	}
	if words := systemWords(err); words != "" { // says more than the result
		return unavailable(words)
	}
	if words := resultWords[code.Code()]; words != "" {
		return unavailable(words)
	}
	return fmt.Errorf("sqlite: unexpected result %d", int(code))
}

// resultWords says what each result of SQLite means to whoever runs the server.
var resultWords = map[sqlite3.ErrorCode]string{
	sqlite3.FULL:      wordsFull,
	sqlite3.READONLY:  wordsReadOnly,
	sqlite3.CANTOPEN:  wordsOpen,
	sqlite3.PERM:      wordsOpen,
	sqlite3.BUSY:      wordsBusy,
	sqlite3.LOCKED:    wordsBusy,
	sqlite3.PROTOCOL:  wordsBusy,
	sqlite3.IOERR:     wordsDisk, // the driver loses the cause of a failed write, a full disk included
	sqlite3.CORRUPT:   wordsDamaged,
	sqlite3.NOTADB:    wordsDamaged,
	sqlite3.INTERRUPT: "it was interrupted: try again",
}

// constraint says which rule of the contract a rule of the schema stands for.
func constraint(code sqlite3.ExtendedErrorCode) error {
	switch code {
	case sqlite3.CONSTRAINT_PRIMARYKEY, sqlite3.CONSTRAINT_UNIQUE, sqlite3.CONSTRAINT_ROWID:
		return store.ErrExists
	case sqlite3.CONSTRAINT_FOREIGNKEY:
		return store.ErrNotFound
	default:
		return fmt.Errorf("sqlite: a value is not one that the schema allows (result %d)", int(code))
	}
}

// systemWords names the causes in the operating system that people can do something about.
func systemWords(err error) string {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		return wordsFull
	case errors.Is(err, syscall.EROFS):
		return wordsReadOnly
	case errors.Is(err, fs.ErrPermission):
		return wordsOpen
	default:
		return ""
	}
}
