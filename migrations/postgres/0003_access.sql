-- Seats, their passkeys and sessions, and the record of administration. A program of the version before
-- knows none of them: it goes on with tokens alone, and appends nothing to the record.
--
--   tokens.kind     machine, device, or invited for a device that is not enrolled yet: how its secret is sent
--   tokens.used_on  the last day on which it was used (YYYY-MM-DD), empty when never: one that nobody uses
--                   can be revoked. Nothing finer is kept, and not how often

-- +goose Up

ALTER TABLE tokens ADD COLUMN kind text NOT NULL DEFAULT 'machine', ADD COLUMN used_on text NOT NULL DEFAULT '';

-- Seats: accounts of the organisation. Never deleted, as the record names them.
CREATE TABLE members (
    -- Random, and what passkeys know it by. Chosen for the first administrator alone.
    id       text NOT NULL PRIMARY KEY CHECK (id <> ''),
    -- What the organisation calls it: a post, not a person.
    label    text NOT NULL,
    -- What it may do.
    role     text NOT NULL,
    -- The centre it confirms for. NULL unless the role is INTAKE.
    centre   text REFERENCES centres (id),
    -- SHA-256 of who it is to the provider of single sign-on. NULL for a seat of this system.
    subject  bytea UNIQUE CHECK (octet_length(subject) = 32),
    -- Whether it is removed, for good: it cannot sign in.
    removed  boolean NOT NULL,
    -- From 1, one more with each change, so that two people do not overwrite each other's.
    revision bigint NOT NULL CHECK (revision >= 1)
);

-- The tables from here to attempts, and tokens, are laid down anew each quarter of an hour, in the order of
-- their keys: neither a row's place nor the transaction that wrote it tells when that was. They have no foreign
-- keys to members: each would write into the member's row which transaction signed in last (xmax).

-- Public-key credentials of members: nothing in them can sign.
CREATE TABLE passkeys (
    -- The credential's, chosen by the authenticator.
    id              bytea NOT NULL PRIMARY KEY CHECK (octet_length(id) BETWEEN 1 AND 1023),
    -- Whose it is.
    member          text NOT NULL,
    -- What the member calls it.
    name            text NOT NULL,
    -- The public key that its signatures are checked with.
    public_key      bytea NOT NULL,
    -- The authenticator's counter of signatures, as last seen: one that goes backwards is that of a copy.
    count           bigint NOT NULL CHECK (count BETWEEN 0 AND 4294967295),
    -- Whether it may exist on several devices, and whether it does.
    backup_eligible boolean NOT NULL,
    backed_up       boolean NOT NULL,
    -- How the authenticator can be reached: the browser is told, to ask for it.
    transports      text[] NOT NULL,
    -- The day it was added (YYYY-MM-DD), so that its member can tell it from others.
    added_on        text NOT NULL,
    -- Whether there is a copy of it somewhere, for good: it is accepted no more.
    suspected       boolean NOT NULL
);

-- Links that were handed out to enrol a passkey or a device, one for each member or device. A row goes when
-- it is used, replaced or has ended.
CREATE TABLE invitations (
    -- SHA-256 of the secret in the link.
    hash    bytea NOT NULL PRIMARY KEY CHECK (octet_length(hash) = 32),
    -- Whose it is: a member or a device, which is a token. The other is NULL.
    member  text UNIQUE,
    device  text UNIQUE,
    -- When it is accepted no more, in seconds since 1970, on a quarter of an hour.
    ends_at bigint NOT NULL CHECK (ends_at % 900 = 0),
    CHECK ((member IS NULL) <> (device IS NULL))
);

-- Who is signed in. A row goes when the member signs out or it has ended. Times are in seconds since 1970, on
-- quarters of an hour: nothing finer is kept of when people work.
CREATE TABLE sessions (
    -- SHA-256 of the secret in the browser's cookie.
    hash       bytea NOT NULL PRIMARY KEY CHECK (octet_length(hash) = 32),
    -- Who is signed in.
    member     text NOT NULL,
    -- When it began, to tell a member's sessions apart.
    started_at bigint NOT NULL CHECK (started_at % 900 = 0),
    -- When it was last used: an idle one ends.
    used_at    bigint NOT NULL CHECK (used_at % 900 = 0),
    -- When its member last proved who they are: some calls ask for a recent proof.
    proved_at  bigint NOT NULL CHECK (proved_at % 900 = 0),
    -- When it ends, used or not.
    ends_at    bigint NOT NULL CHECK (ends_at % 900 = 0)
);

-- What was asked of somebody who is signing in at this moment. A row goes when they answer or it has ended.
CREATE TABLE ceremonies (
    -- SHA-256 of the secret in the browser's cookie.
    hash    bytea NOT NULL PRIMARY KEY CHECK (octet_length(hash) = 32),
    -- What it is for, so that an answer to one thing is not taken for one to another.
    kind    text NOT NULL,
    -- To whom or what it is bound; empty when nobody is known yet.
    bound   text NOT NULL,
    -- What was asked: a challenge.
    data    bytea NOT NULL,
    -- When an answer is accepted no more, in seconds since 1970, on a quarter of an hour.
    ends_at bigint NOT NULL CHECK (ends_at % 900 = 0)
);

-- Attempts in the current quarter of an hour, so that the limits on them outlive a restart and hold for all
-- servers together.
CREATE TABLE attempts (
    -- What was attempted.
    kind    text NOT NULL,
    -- By which member; empty for everybody together.
    who     text NOT NULL,
    -- When the quarter began, in seconds since 1970. Earlier ones are overwritten or dropped.
    quarter bigint NOT NULL CHECK (quarter % 900 = 0),
    -- How many in it.
    count   bigint NOT NULL CHECK (count >= 1),
    PRIMARY KEY (kind, who)
);

-- The record of administration, each act chained to the one before. No conversation and no arrival is in it.
CREATE TABLE acts (
    -- From 1, without gaps.
    number   bigint NOT NULL PRIMARY KEY CHECK (number >= 1),
    -- The quarter of an hour in which it was done, in seconds since 1970.
    at       bigint NOT NULL CHECK (at % 900 = 0),
    -- Which seat, token or machine did it.
    by_whom  text NOT NULL,
    -- What was done, to what, and what else there is to say. Names that nobody can change, never a label.
    action   text NOT NULL CHECK (action <> ''),
    target   text NOT NULL,
    detail   text NOT NULL,
    -- The digest of the act before, zero for the first: a changed act breaks the chain.
    previous bytea NOT NULL CHECK (octet_length(previous) = 32),
    -- SHA-256 of the act as it is exported.
    digest   bytea NOT NULL CHECK (octet_length(digest) = 32)
);

CREATE TRIGGER acts_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON acts FOR EACH STATEMENT EXECUTE FUNCTION rows_stay();
