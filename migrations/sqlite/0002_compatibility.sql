-- Servers of the version before go on working while the schema changes, and can be started again on it.

-- +goose Up

-- Which programs may work on this schema.
CREATE TABLE compatibility (
    -- Always 1, so that there is one row.
    id     INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    -- The oldest schema version whose programs understand this one and write nothing that breaks it.
    oldest INTEGER NOT NULL
) STRICT;

INSERT INTO compatibility (id, oldest) VALUES (1, 1);
