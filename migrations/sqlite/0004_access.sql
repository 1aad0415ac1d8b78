-- Seats, their passkeys and sessions, and the record of administration. A program of the version before
-- knows none of them: it goes on with tokens alone, and appends nothing to the record.
--
--   tokens.kind     machine, device, or invited for a device that is not enrolled yet: how its secret is sent
--   tokens.used_on  the last day on which it was used (YYYY-MM-DD), empty when never: one that nobody uses
--                   can be revoked. Nothing finer is kept, and not how often

-- +goose Up

ALTER TABLE tokens ADD COLUMN kind TEXT NOT NULL DEFAULT 'machine';
ALTER TABLE tokens ADD COLUMN used_on TEXT NOT NULL DEFAULT '';

-- Seats: accounts of the organisation. Never deleted, as the record names them.
CREATE TABLE members (
    -- Random, and what passkeys know it by. Chosen for the first administrator alone.
    id       TEXT NOT NULL PRIMARY KEY CHECK (id <> ''),
    -- What the organisation calls it: a post, not a person.
    label    TEXT NOT NULL,
    -- What it may do.
    role     TEXT NOT NULL,
    -- The centre it confirms for. NULL unless the role is INTAKE.
    centre   TEXT REFERENCES centres (id),
    -- SHA-256 of who it is to the provider of single sign-on. NULL for a seat of this system.
    subject  BLOB UNIQUE CHECK (length(subject) = 32),
    -- 1 when it is removed, for good: it cannot sign in.
    removed  INTEGER NOT NULL CHECK (removed IN (0, 1)),
    -- From 1, one more with each change, so that two people do not overwrite each other's.
    revision INTEGER NOT NULL CHECK (revision >= 1)
) STRICT, WITHOUT ROWID;

-- The tables from here to attempts are laid down anew each quarter of an hour, in the order of their keys:
-- no place of a row tells when it was written. Nothing refers to them, so that they can be.

-- Public-key credentials of members: nothing in them can sign.
CREATE TABLE passkeys (
    -- The credential's, chosen by the authenticator.
    id              BLOB NOT NULL PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 1023),
    -- Whose it is.
    member          TEXT NOT NULL REFERENCES members (id),
    -- What the member calls it.
    name            TEXT NOT NULL,
    -- The public key that its signatures are checked with.
    public_key      BLOB NOT NULL,
    -- The authenticator's counter of signatures, as last seen: one that goes backwards is that of a copy.
    count           INTEGER NOT NULL CHECK (count BETWEEN 0 AND 4294967295),
    -- 1 when it may exist on several devices, and when it does.
    backup_eligible INTEGER NOT NULL CHECK (backup_eligible IN (0, 1)),
    backed_up       INTEGER NOT NULL CHECK (backed_up IN (0, 1)),
    -- How the authenticator can be reached, as a JSON array: the browser is told, to ask for it.
    transports      TEXT NOT NULL CHECK (json_valid(transports)),
    -- The day it was added (YYYY-MM-DD), so that its member can tell it from others.
    added_on        TEXT NOT NULL,
    -- 1 when there is a copy of it somewhere, for good: it is accepted no more.
    suspected       INTEGER NOT NULL CHECK (suspected IN (0, 1))
) STRICT, WITHOUT ROWID;

-- Links that were handed out to enrol a passkey or a device, one for each member or device. A row goes when
-- it is used, replaced or has ended.
CREATE TABLE invitations (
    -- SHA-256 of the secret in the link.
    hash    BLOB NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    -- Whose it is: a member or a device, which is a token. The other is NULL.
    member  TEXT UNIQUE REFERENCES members (id),
    device  TEXT UNIQUE,
    -- When it is accepted no more, in seconds since 1970, on a quarter of an hour.
    ends_at INTEGER NOT NULL CHECK (ends_at % 900 = 0),
    CHECK ((member IS NULL) <> (device IS NULL))
) STRICT, WITHOUT ROWID;

-- Who is signed in. A row goes when the member signs out or it has ended. Times are in seconds since 1970, on
-- quarters of an hour: nothing finer is kept of when people work.
CREATE TABLE sessions (
    -- SHA-256 of the secret in the browser's cookie.
    hash       BLOB NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    -- Who is signed in.
    member     TEXT NOT NULL REFERENCES members (id),
    -- When it began, to tell a member's sessions apart.
    started_at INTEGER NOT NULL CHECK (started_at % 900 = 0),
    -- When it was last used: an idle one ends.
    used_at    INTEGER NOT NULL CHECK (used_at % 900 = 0),
    -- When its member last proved who they are: some calls ask for a recent proof.
    proved_at  INTEGER NOT NULL CHECK (proved_at % 900 = 0),
    -- When it ends, used or not.
    ends_at    INTEGER NOT NULL CHECK (ends_at % 900 = 0)
) STRICT, WITHOUT ROWID;

-- What was asked of somebody who is signing in at this moment. A row goes when they answer or it has ended.
CREATE TABLE ceremonies (
    -- SHA-256 of the secret in the browser's cookie.
    hash    BLOB NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    -- What it is for, so that an answer to one thing is not taken for one to another.
    kind    TEXT NOT NULL,
    -- To whom or what it is bound; empty when nobody is known yet.
    bound   TEXT NOT NULL,
    -- What was asked: a challenge.
    data    BLOB NOT NULL,
    -- When an answer is accepted no more, in seconds since 1970, on a quarter of an hour.
    ends_at INTEGER NOT NULL CHECK (ends_at % 900 = 0)
) STRICT, WITHOUT ROWID;

-- Attempts in the current quarter of an hour, so that the limits on them outlive a restart.
CREATE TABLE attempts (
    -- What was attempted.
    kind    TEXT NOT NULL,
    -- By which member; empty for everybody together.
    who     TEXT NOT NULL,
    -- When the quarter began, in seconds since 1970. Earlier ones are overwritten or dropped.
    quarter INTEGER NOT NULL CHECK (quarter % 900 = 0),
    -- How many in it.
    count   INTEGER NOT NULL CHECK (count >= 1),
    PRIMARY KEY (kind, who)
) STRICT, WITHOUT ROWID;

-- The record of administration, each act chained to the one before. No conversation and no arrival is in it.
CREATE TABLE acts (
    -- From 1, without gaps.
    number   INTEGER NOT NULL PRIMARY KEY CHECK (number >= 1),
    -- The quarter of an hour in which it was done, in seconds since 1970.
    at       INTEGER NOT NULL CHECK (at % 900 = 0),
    -- Which seat, token or machine did it.
    by_whom  TEXT NOT NULL,
    -- What was done, to what, and what else there is to say. Names that nobody can change, never a label.
    action   TEXT NOT NULL CHECK (action <> ''),
    target   TEXT NOT NULL,
    detail   TEXT NOT NULL,
    -- The digest of the act before, zero for the first: a changed act breaks the chain.
    previous BLOB NOT NULL CHECK (length(previous) = 32),
    -- SHA-256 of the act as it is exported.
    digest   BLOB NOT NULL CHECK (length(digest) = 32)
) STRICT;

-- +goose StatementBegin
CREATE TRIGGER acts_stay BEFORE UPDATE ON acts
BEGIN
    SELECT RAISE(ABORT, 'an act is never changed');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER acts_are_kept BEFORE DELETE ON acts
BEGIN
    SELECT RAISE(ABORT, 'an act is never deleted');
END;
-- +goose StatementEnd
