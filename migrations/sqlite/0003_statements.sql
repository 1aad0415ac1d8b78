-- Statements from elsewhere. A program of the version before does not know them, and cannot open the
-- cohort of a year that one covers: the schema refuses it.

-- +goose Up

-- What others say of arrivals in years before this system. It was not counted here, is no part of any
-- release, and is taken to be known to everyone.
CREATE TABLE statements (
    -- Chosen by the organisation, so that a later import changes the statement and adds no second one.
    id              TEXT NOT NULL PRIMARY KEY CHECK (id <> ''),
    -- The first and the last calendar year that it covers as a whole. None of them has a cohort.
    from_year       INTEGER NOT NULL CHECK (from_year >= 1),
    to_year         INTEGER NOT NULL CHECK (to_year >= from_year),
    -- What was counted, in words: it is seldom what is counted here.
    definition      TEXT NOT NULL,
    -- How many were referred; 0 when that is not stated.
    referrals       INTEGER NOT NULL CHECK (referrals >= 0),
    -- How many of a hundred arrived; -1 when that is not stated.
    arrived_percent INTEGER NOT NULL CHECK (arrived_percent BETWEEN -1 AND 100),
    -- Of what that is taken, in words; empty without it.
    denominator     TEXT NOT NULL,
    -- Who states it, and where it can be looked up.
    source          TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- +goose StatementBegin
CREATE TRIGGER statements_keep_apart BEFORE INSERT ON statements
WHEN EXISTS (SELECT * FROM cohorts WHERE year BETWEEN NEW.from_year AND NEW.to_year)
BEGIN
    SELECT RAISE(ABORT, 'a year that has a cohort is in no statement');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER statements_stay_apart BEFORE UPDATE ON statements
WHEN EXISTS (SELECT * FROM cohorts WHERE year BETWEEN NEW.from_year AND NEW.to_year)
BEGIN
    SELECT RAISE(ABORT, 'a year that has a cohort is in no statement');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER cohorts_keep_apart BEFORE INSERT ON cohorts
WHEN EXISTS (SELECT * FROM statements WHERE NEW.year BETWEEN from_year AND to_year)
BEGIN
    SELECT RAISE(ABORT, 'a year that is in a statement has no cohort');
END;
-- +goose StatementEnd
