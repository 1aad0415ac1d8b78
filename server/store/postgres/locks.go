package postgres

import "github.com/jackc/pgx/v5"

// The classes of advisory locks. All are held until a transaction ends, and leave nothing behind.
const (
	// lockYear, with a year: in common by those who record or add to it; alone by those who change its
	// stage or lay its spent codes down anew.
	lockYear = 0x61616e6b + iota
	// lockShard, with a number: alone by whoever counts in that shard.
	lockShard
	// lockUndo: alone by whoever takes something back. What it reads of the counters can only grow
	// until it ends, so that none is taken below zero.
	lockUndo
	// lockReleases: alone by whoever appends to the chain.
	lockReleases
)

// shards is how many rows each counter has. More processes than that can record at once, but wait for
// each other.
const shards = 8

// takeYear waits for a year's lock, alone or in common.
func takeYear(tx tx, year int, alone bool) error {
	if alone {
		return tx.exec(`SELECT pg_advisory_xact_lock($1, $2)`, lockYear, year)
	}
	return tx.exec(`SELECT pg_advisory_xact_lock_shared($1, $2)`, lockYear, year)
}

// soon lets the transaction wait for no table longer than tableTime, from here on.
func soon(tx tx) error { return tx.exec(`SET LOCAL lock_timeout = '` + tableTime + `'`) }

// queueShard queues the search for a shard that nobody counts in; the last when all are taken, where
// the rows themselves make transactions wait.
func queueShard(batch *pgx.Batch, shard *int) {
	batch.Queue(`SELECT coalesce((SELECT n FROM generate_series(0, $1::int - 2) AS n WHERE pg_try_advisory_xact_lock($2, n) LIMIT 1), $1 - 1)`,
		shards, lockShard).QueryRow(func(row pgx.Row) error { return row.Scan(shard) })
}
