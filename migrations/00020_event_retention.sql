-- +goose Up

-- Up to which event the log was emptied: a reader that has read less than that has missed some, and is told so. One row.
CREATE TABLE events_forgotten (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    id  bigint  NOT NULL DEFAULT 0 CHECK (id >= 0)
);
INSERT INTO events_forgotten DEFAULT VALUES;

INSERT INTO schema_versions (version, works_since) VALUES (20, 10);

-- +goose Down
DELETE FROM schema_versions WHERE version = 20;
DROP TABLE events_forgotten;
