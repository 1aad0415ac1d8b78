-- Statements from elsewhere. A program of the version before does not know them, and cannot open the
-- cohort of a year that one covers: the schema refuses it.

-- +goose Up

-- What others say of arrivals in years before this system. It was not counted here, is no part of any
-- release, and is taken to be known to everyone.
CREATE TABLE statements (
    -- Chosen by the organisation, so that a later import changes the statement and adds no second one.
    id              text NOT NULL PRIMARY KEY CHECK (id <> ''),
    -- The first and the last calendar year that it covers as a whole. None of them has a cohort.
    from_year       integer NOT NULL CHECK (from_year >= 1),
    to_year         integer NOT NULL CHECK (to_year >= from_year),
    -- What was counted, in words: it is seldom what is counted here.
    definition      text NOT NULL,
    -- How many were referred; 0 when that is not stated.
    referrals       integer NOT NULL CHECK (referrals >= 0),
    -- How many of a hundred arrived; -1 when that is not stated.
    arrived_percent smallint NOT NULL CHECK (arrived_percent BETWEEN -1 AND 100),
    -- Of what that is taken, in words; empty without it.
    denominator     text NOT NULL,
    -- Who states it, and where it can be looked up.
    source          text NOT NULL
);

-- It looks when the row is written, and so when whoever has locked the table has ended.
-- +goose StatementBegin
CREATE FUNCTION years_are_apart() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM cohorts JOIN statements ON year BETWEEN from_year AND to_year) THEN
        RAISE EXCEPTION 'a year that has a cohort is in no statement' USING ERRCODE = 'exclusion_violation';
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd

CREATE TRIGGER statements_are_apart AFTER INSERT OR UPDATE ON statements FOR EACH STATEMENT EXECUTE FUNCTION years_are_apart();
CREATE TRIGGER cohorts_are_apart AFTER INSERT ON cohorts FOR EACH STATEMENT EXECUTE FUNCTION years_are_apart();
