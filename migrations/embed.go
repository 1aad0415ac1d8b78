// Package migrations holds the schema of every store as SQL, embedded in the binary.
package migrations

import (
	"embed"
	"io/fs"
)

//go:embed sqlite/*.sql postgres/*.sql
var files embed.FS

// SQLite holds the migrations of the embedded store, in the order of their names.
var SQLite = sub("sqlite")

// Postgres holds the migrations of the PostgreSQL store, in the order of their names.
var Postgres = sub("postgres")

// sub returns one store's folder. The folder is embedded above, so it cannot be missing.
func sub(folder string) fs.FS {
	migrations, err := fs.Sub(files, folder)
	if err != nil {
		panic(err)
	}
	return migrations
}
