-- The schema of the embedded store. docs/data-model.md says the same for people who read no SQL.
--
-- Two tables are not created here but by the migration tool, which keeps its own books in them:
--
--   goose_db_version.id          a running number of migrations, not of anything that was counted
--   goose_db_version.version_id  the number of a migration that was carried out
--   goose_db_version.is_applied  always 1
--   goose_db_version.tstamp      when the schema was migrated, which says nothing about any person
--   sqlite_sequence.name         the table whose running number is kept: goose_db_version alone
--   sqlite_sequence.seq          the last running number given in it

-- +goose Up

-- Treatment centres. Everything here is public.
CREATE TABLE centres (
    -- Chosen by the organisation, never changed or reused, so that a pool means the same centre for good.
    id          TEXT NOT NULL PRIMARY KEY CHECK (id <> ''),
    -- What people call it.
    name        TEXT NOT NULL,
    -- CAW, CGG, UFC or OTHER. Pools are made by type.
    type        TEXT NOT NULL,
    -- Where it is, coarsely and for a visitor.
    region      TEXT NOT NULL,
    town        TEXT NOT NULL,
    -- How a caller reaches it: its public contact, never a person's.
    phone       TEXT NOT NULL,
    email       TEXT NOT NULL,
    website     TEXT NOT NULL,
    -- BCP 47 tags as a JSON array, in the order given.
    languages   TEXT NOT NULL CHECK (json_valid(languages)),
    -- OPEN, WAITING_LIST or STOP: whether it is worth calling.
    intake      TEXT NOT NULL,
    -- The waiting-time band it tells, as a number; 0 when it tells none.
    wait        INTEGER NOT NULL,
    -- The day on which it told them (YYYY-MM-DD), empty when never: old capacity must be seen to be old.
    capacity_on TEXT NOT NULL,
    -- 1 when it is shown no more and cannot confirm. It is never deleted: older pools name it.
    archived    INTEGER NOT NULL CHECK (archived IN (0, 1))
) STRICT, WITHOUT ROWID;

-- All codes issued in one calendar year. A cohort is never deleted: its counters stay.
CREATE TABLE cohorts (
    -- The calendar year.
    year              INTEGER NOT NULL PRIMARY KEY CHECK (year BETWEEN 1 AND 65535),
    -- How long its codes are.
    layout            INTEGER NOT NULL,
    -- The public half of its key. The private half is never in the database.
    public_key        BLOB NOT NULL,
    -- How far it is on its way from open to closed. When it went where is not kept.
    stage             TEXT NOT NULL,
    -- The day it was opened (YYYY-MM-DD): cut-offs before it are none of this cohort's.
    opened_on         TEXT NOT NULL,
    -- To whom the one escrow copy of its key is encrypted, as a JSON array: public keys.
    escrow_recipients TEXT NOT NULL CHECK (json_valid(escrow_recipients)),
    -- SHA-256 of the escrow copy, so that the copy to destroy can be told. It does not yield the key.
    escrow_digest     BLOB NOT NULL CHECK (length(escrow_digest) = 32)
) STRICT;

-- The pools of a cohort: the smallest unit that is counted.
CREATE TABLE pools (
    -- The cohort.
    year   INTEGER NOT NULL REFERENCES cohorts (year),
    -- From 1. Number 0 is the practice pool, which is not stored.
    number INTEGER NOT NULL CHECK (number BETWEEN 1 AND 4294967295),
    -- What people call it. It is not part of what clients pin.
    name   TEXT NOT NULL,
    PRIMARY KEY (year, number)
) STRICT, WITHOUT ROWID;

-- Which centre is in which pool: appended to, never changed, so that no centre can be moved after the fact.
CREATE TABLE pool_centres (
    -- The cohort.
    year   INTEGER NOT NULL,
    -- The pool.
    pool   INTEGER NOT NULL,
    -- The centre, in one pool of a cohort at most.
    centre TEXT NOT NULL REFERENCES centres (id),
    PRIMARY KEY (year, centre),
    FOREIGN KEY (year, pool) REFERENCES pools (year, number)
) STRICT, WITHOUT ROWID;

-- +goose StatementBegin
CREATE TRIGGER pool_centres_stay BEFORE UPDATE ON pool_centres
BEGIN
    SELECT RAISE(ABORT, 'a centre stays in its pool');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER pool_centres_are_kept BEFORE DELETE ON pool_centres
BEGIN
    SELECT RAISE(ABORT, 'a centre stays in its pool');
END;
-- +goose StatementEnd

-- What is counted. All rows of a cohort are made at zero when it is created and only updated after
-- that: a row that appeared with its first count would tell that there was one, and in what order.
-- WITHOUT ROWID leaves no hidden serial number.
CREATE TABLE counters (
    -- The cohort. No day, no month: nothing finer than the year is kept.
    year    INTEGER NOT NULL,
    -- The pool, or 0 for what is counted for the cohort as a whole: there is no finer place.
    pool    INTEGER NOT NULL,
    -- What is counted, by name.
    measure TEXT NOT NULL,
    -- How many. Never negative.
    count   INTEGER NOT NULL CHECK (count >= 0),
    PRIMARY KEY (year, pool, measure)
) STRICT, WITHOUT ROWID;

-- Codes that are spent, so that none is counted twice. No pool, no centre, no time, no serial number:
-- WITHOUT ROWID orders the rows by nullifier, which is as good as random. Dropped when the cohort is
-- closed. There is no foreign key on the cohort, as each insert would look it up for nothing: the
-- cohort's stage is read in the same transaction, and cohorts are never deleted.
CREATE TABLE spent (
    -- The cohort, whose spent codes are dropped together.
    year      INTEGER NOT NULL,
    -- Stands for the code. Nobody without the cohort's key can compute it from the code.
    nullifier BLOB NOT NULL CHECK (length(nullifier) = 16),
    -- 1 arrived, 2 voided: one bit, so that an arrival can be undone and a void cannot.
    kind      INTEGER NOT NULL CHECK (kind IN (1, 2)),
    PRIMARY KEY (year, nullifier)
) STRICT, WITHOUT ROWID;

-- Processes that hold a cohort's key. Closing waits until none is left.
CREATE TABLE holders (
    -- A random name, made when the process starts. It names no machine and no person.
    name    TEXT NOT NULL,
    -- The cohort whose key it holds.
    year    INTEGER NOT NULL,
    -- When it last said so, in seconds since 1970: it beats by the clock, whatever is being counted.
    seen_at INTEGER NOT NULL,
    PRIMARY KEY (name, year)
) STRICT, WITHOUT ROWID;

-- Wrong codes by centre, so that the limit on guessing outlives a restart. A wrong code spends
-- nothing, so this tells nothing about a code that was right.
CREATE TABLE wrong_codes (
    -- The centre, one row each.
    centre     TEXT NOT NULL PRIMARY KEY,
    -- The latest day with a wrong code (YYYY-MM-DD). Earlier days are overwritten.
    day        TEXT NOT NULL,
    -- How many that day, for the daily limit.
    in_day     INTEGER NOT NULL,
    -- When the latest quarter of an hour with one began, in seconds since 1970. Nothing finer is kept.
    quarter    INTEGER NOT NULL CHECK (quarter % 900 = 0),
    -- How many in that quarter, for the short limit.
    in_quarter INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Bearer tokens, hashed. When and how often a token is used is not kept.
CREATE TABLE tokens (
    -- Names the token to people. It is no secret.
    id         TEXT NOT NULL PRIMARY KEY CHECK (id <> ''),
    -- SHA-256 of the secret, which is random and long, so that the hash does not yield it.
    hash       BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    -- What the organisation calls it: a device or a post, not a person.
    label      TEXT NOT NULL,
    -- What it may do.
    role       TEXT NOT NULL,
    -- The centre it confirms for. NULL unless the role is INTAKE.
    centre     TEXT REFERENCES centres (id),
    -- The first day (YYYY-MM-DD) on which it is refused.
    expires_on TEXT NOT NULL,
    -- 1 when it is revoked, for good.
    revoked    INTEGER NOT NULL CHECK (revoked IN (0, 1))
) STRICT, WITHOUT ROWID;

-- What was frozen at a cut-off: figures as they may be shown, never exact counts. Never changed, or
-- two versions of one cut-off could be subtracted.
CREATE TABLE drafts (
    -- The cohort.
    year    INTEGER NOT NULL,
    -- The last day that is counted (YYYY-MM-DD), or final.
    cut_off TEXT NOT NULL,
    -- The release document without number, chain and day of publication.
    body    BLOB NOT NULL,
    PRIMARY KEY (year, cut_off)
) STRICT, WITHOUT ROWID;

-- +goose StatementBegin
CREATE TRIGGER drafts_stay BEFORE UPDATE ON drafts
BEGIN
    SELECT RAISE(ABORT, 'a draft is never changed');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER drafts_are_kept BEFORE DELETE ON drafts
BEGIN
    SELECT RAISE(ABORT, 'a draft is never deleted');
END;
-- +goose StatementEnd

-- Published releases, each chained to the one before. Everything here is public.
CREATE TABLE releases (
    -- From 1, without gaps.
    number   INTEGER NOT NULL PRIMARY KEY CHECK (number >= 1),
    -- The cohort it is about.
    year     INTEGER NOT NULL,
    -- Its cut-off, as in drafts: each is published once.
    cut_off  TEXT NOT NULL,
    -- The document as published, in canonical JSON.
    document BLOB NOT NULL,
    -- SHA-256 of the document.
    digest   BLOB NOT NULL CHECK (length(digest) = 32),
    -- The digest of the release before, zero for the first: a changed release breaks the chain.
    previous BLOB NOT NULL CHECK (length(previous) = 32),
    UNIQUE (year, cut_off)
) STRICT;

-- +goose StatementBegin
CREATE TRIGGER releases_stay BEFORE UPDATE ON releases
BEGIN
    SELECT RAISE(ABORT, 'a release is never changed');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER releases_are_kept BEFORE DELETE ON releases
BEGIN
    SELECT RAISE(ABORT, 'a release is never deleted');
END;
-- +goose StatementEnd

-- One row that a health check writes and reads. A bit and not a number, which would count the checks
-- and so tell the time.
CREATE TABLE probe (
    -- Always 1, so that there is one row.
    id   INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    -- Turned over by each check.
    flip INTEGER NOT NULL CHECK (flip IN (0, 1))
) STRICT;

INSERT INTO probe (id, flip) VALUES (1, 0);
