-- The schema of the PostgreSQL store. docs/data-model.md says the same for people who read no SQL.
--
-- One table is not created here but by the migration tool, which keeps its own books in it:
--
--   goose_db_version.id          a running number of migrations, not of anything that was counted
--   goose_db_version.version_id  the number of a migration that was carried out
--   goose_db_version.is_applied  always true
--   goose_db_version.tstamp      when the schema was migrated, which says nothing about any person
--
-- PostgreSQL gives each row columns that no table names (xmin, xmax, cmin, cmax, ctid). They tell
-- which transaction wrote a row and where it lies; Rewrite of the store lays down anew what they
-- must not tell.

-- +goose Up

-- Treatment centres. Everything here is public.
CREATE TABLE centres (
    -- Chosen by the organisation, never changed or reused, so that a pool means the same centre for good.
    id          text NOT NULL PRIMARY KEY CHECK (id <> ''),
    -- What people call it.
    name        text NOT NULL,
    -- CAW, CGG, UFC or OTHER. Pools are made by type.
    type        text NOT NULL,
    -- Where it is, coarsely and for a visitor.
    region      text NOT NULL,
    town        text NOT NULL,
    -- How a caller reaches it: its public contact, never a person's.
    phone       text NOT NULL,
    email       text NOT NULL,
    website     text NOT NULL,
    -- BCP 47 tags, in the order given.
    languages   text[] NOT NULL,
    -- OPEN, WAITING_LIST or STOP: whether it is worth calling.
    intake      text NOT NULL,
    -- The waiting-time band it tells, as a number; 0 when it tells none.
    wait        smallint NOT NULL,
    -- The day on which it told them (YYYY-MM-DD), empty when never: old capacity must be seen to be old.
    capacity_on text NOT NULL,
    -- Whether it is shown no more and cannot confirm. It is never deleted: older pools name it.
    archived    boolean NOT NULL
);

-- All codes issued in one calendar year. A cohort is never deleted: its counters stay.
CREATE TABLE cohorts (
    -- The calendar year.
    year              integer NOT NULL PRIMARY KEY CHECK (year BETWEEN 1 AND 65535),
    -- How long its codes are.
    layout            smallint NOT NULL,
    -- The public half of its key. The private half is never in the database.
    public_key        bytea NOT NULL,
    -- How far it is on its way from open to closed. When it went where is not kept.
    stage             text NOT NULL,
    -- The day it was opened (YYYY-MM-DD): cut-offs before it are none of this cohort's.
    opened_on         text NOT NULL,
    -- To whom the one escrow copy of its key is encrypted: public keys.
    escrow_recipients text[] NOT NULL,
    -- SHA-256 of the escrow copy, so that the copy to destroy can be told. It does not yield the key.
    escrow_digest     bytea NOT NULL CHECK (octet_length(escrow_digest) = 32)
);

-- The pools of a cohort: the smallest unit that is counted.
CREATE TABLE pools (
    -- The cohort.
    year   integer NOT NULL REFERENCES cohorts (year),
    -- From 1. Number 0 is the practice pool, which is not stored.
    number bigint NOT NULL CHECK (number BETWEEN 1 AND 4294967295),
    -- What people call it. It is not part of what clients pin.
    name   text NOT NULL,
    PRIMARY KEY (year, number)
);

-- Which centre is in which pool: appended to, never changed, so that no centre can be moved after the fact.
CREATE TABLE pool_centres (
    -- The cohort.
    year   integer NOT NULL,
    -- The pool.
    pool   bigint NOT NULL,
    -- The centre, in one pool of a cohort at most.
    centre text NOT NULL REFERENCES centres (id),
    -- By centre first, as that is how each call asks.
    PRIMARY KEY (centre, year),
    FOREIGN KEY (year, pool) REFERENCES pools (year, number)
);

-- What is counted. All rows of a cohort are made at zero when it is created and only updated after
-- that: a row that appeared with its first count would tell that there was one, and in what order.
-- Half of each page is left free, so that an update finds room beside the row that it replaces.
CREATE TABLE counters (
    -- The cohort. No day, no month: nothing finer than the year is kept.
    year    integer NOT NULL,
    -- The pool, or 0 for what is counted for the cohort as a whole: there is no finer place.
    pool    bigint NOT NULL,
    -- What is counted, by name.
    measure text NOT NULL,
    -- One of a few rows among which the count is spread, so that several servers need not wait for each
    -- other. A transaction takes whichever is free: it names no server.
    shard   smallint NOT NULL,
    -- How many. A row can be negative, as an arrival may be taken back in another row than it was
    -- counted in; the sum over the rows never is.
    count   bigint NOT NULL,
    PRIMARY KEY (year, pool, measure, shard)
) WITH (fillfactor = 50);

-- Codes that are spent, so that none is counted twice. No pool, no centre, no time, no serial number.
-- One partition a cohort, dropped when the cohort is closed. The key begins with the nullifier, so that
-- a plan made while there were few rows still looks rows up by it when there are many.
CREATE TABLE spent (
    -- The cohort, whose spent codes are dropped together.
    year      integer NOT NULL,
    -- Stands for the code. Nobody without the cohort's key can compute it from the code.
    nullifier bytea NOT NULL CHECK (octet_length(nullifier) = 16),
    -- 1 arrived, 2 voided: one bit, so that an arrival can be undone and a void cannot.
    kind      smallint NOT NULL CHECK (kind IN (1, 2)),
    PRIMARY KEY (nullifier, year)
) PARTITION BY LIST (year);

-- Processes that hold a cohort's key. Closing waits until none is left.
CREATE TABLE holders (
    -- A random name, made when the process starts. It names no machine and no person.
    name    text NOT NULL,
    -- The cohort whose key it holds.
    year    integer NOT NULL,
    -- When it last said so, in seconds since 1970: it beats by the clock, whatever is being counted.
    seen_at bigint NOT NULL,
    PRIMARY KEY (name, year)
);

-- Wrong codes by centre, so that the limit on guessing outlives a restart and holds for all servers
-- together. A wrong code spends nothing, so this tells nothing about a code that was right.
CREATE TABLE wrong_codes (
    -- The centre, one row each.
    centre     text NOT NULL PRIMARY KEY,
    -- The latest day with a wrong code (YYYY-MM-DD). Earlier days are overwritten.
    day        text NOT NULL,
    -- How many that day, for the daily limit.
    in_day     bigint NOT NULL,
    -- When the latest quarter of an hour with one began, in seconds since 1970. Nothing finer is kept.
    quarter    bigint NOT NULL CHECK (quarter % 900 = 0),
    -- How many in that quarter, for the short limit.
    in_quarter bigint NOT NULL
);

-- Bearer tokens, hashed. When and how often a token is used is not kept.
CREATE TABLE tokens (
    -- Names the token to people. It is no secret.
    id         text NOT NULL PRIMARY KEY CHECK (id <> ''),
    -- SHA-256 of the secret, which is random and long, so that the hash does not yield it.
    hash       bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    -- What the organisation calls it: a device or a post, not a person.
    label      text NOT NULL,
    -- What it may do.
    role       text NOT NULL,
    -- The centre it confirms for. NULL unless the role is INTAKE.
    centre     text REFERENCES centres (id),
    -- The first day (YYYY-MM-DD) on which it is refused.
    expires_on text NOT NULL,
    -- Whether it is revoked, for good.
    revoked    boolean NOT NULL
);

-- What was frozen at a cut-off: figures as they may be shown, never exact counts. Never changed, or
-- two versions of one cut-off could be subtracted.
CREATE TABLE drafts (
    -- The cohort.
    year    integer NOT NULL,
    -- The last day that is counted (YYYY-MM-DD), or final.
    cut_off text NOT NULL,
    -- The release document without number, chain and day of publication.
    body    bytea NOT NULL,
    PRIMARY KEY (year, cut_off)
);

-- Published releases, each chained to the one before. Everything here is public.
CREATE TABLE releases (
    -- From 1, without gaps.
    number   bigint NOT NULL PRIMARY KEY CHECK (number >= 1),
    -- The cohort it is about.
    year     integer NOT NULL,
    -- Its cut-off, as in drafts: each is published once.
    cut_off  text NOT NULL,
    -- The document as published, in canonical JSON.
    document bytea NOT NULL,
    -- SHA-256 of the document.
    digest   bytea NOT NULL CHECK (octet_length(digest) = 32),
    -- The digest of the release before, zero for the first: a changed release breaks the chain.
    previous bytea NOT NULL CHECK (octet_length(previous) = 32),
    UNIQUE (year, cut_off)
);

-- +goose StatementBegin
CREATE FUNCTION rows_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are added and never changed or deleted', TG_TABLE_NAME;
END
$$;
-- +goose StatementEnd

CREATE TRIGGER pool_centres_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON pool_centres FOR EACH STATEMENT EXECUTE FUNCTION rows_stay();
CREATE TRIGGER drafts_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON drafts FOR EACH STATEMENT EXECUTE FUNCTION rows_stay();
CREATE TRIGGER releases_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON releases FOR EACH STATEMENT EXECUTE FUNCTION rows_stay();

-- One row that a health check writes and reads. A bit and not a number, which would count the checks
-- and so tell the time.
CREATE TABLE probe (
    -- Always 1, so that there is one row.
    id   smallint NOT NULL PRIMARY KEY CHECK (id = 1),
    -- Turned over by each check.
    flip smallint NOT NULL CHECK (flip IN (0, 1))
);

INSERT INTO probe (id, flip) VALUES (1, 0);

-- Which programs may work on this schema, so that servers of the version before can go on while it
-- changes.
CREATE TABLE compatibility (
    -- Always 1, so that there is one row.
    id     smallint NOT NULL PRIMARY KEY CHECK (id = 1),
    -- The oldest schema version whose programs understand this one and write nothing that breaks it.
    oldest bigint NOT NULL
);

INSERT INTO compatibility (id, oldest) VALUES (1, 1);
