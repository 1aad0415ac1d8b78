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
	// lockMembers: alone by whoever writes more than one table of those that say who may come in. What
	// they read there stays as it is until they end, and none of them waits for a table that another has
	// while it has one that the other waits for.
	lockMembers
	// lockActs: alone by whoever appends to the record of administration. It is taken after all others.
	lockActs
)

// shards is how many rows each counter has. More processes than that can record at once, but wait for
// each other.
const shards = 8

// alone waits for a lock that nobody else has.
func alone(tx tx, class, number int) error {
	return tx.exec(`SELECT pg_advisory_xact_lock($1, $2)`, class, number)
}

// inCommon waits until nobody has a lock alone.
func inCommon(tx tx, class, number int) error {
	return tx.exec(`SELECT pg_advisory_xact_lock_shared($1, $2)`, class, number)
}

// inTurn has a transaction take the lock of members before it does anything.
func inTurn(do func(tx) error) func(tx) error {
	return func(tx tx) error {
		if err := alone(tx, lockMembers, 0); err != nil {
			return err
		}
		return do(tx)
	}
}

// soon lets the transaction wait for no table longer than tableTime, from here on.
func soon(tx tx) error { return tx.exec(`SET LOCAL lock_timeout = '` + tableTime + `'`) }

// queueShard queues the search for a shard that nobody counts in; the last when all are taken, where
// the rows themselves make transactions wait.
func queueShard(batch *pgx.Batch, shard *int) {
	batch.Queue(`SELECT coalesce((SELECT n FROM generate_series(0, $1::int - 2) AS n WHERE pg_try_advisory_xact_lock($2, n) LIMIT 1), $1 - 1)`,
		shards, lockShard).QueryRow(func(row pgx.Row) error { return row.Scan(shard) })
}
