-- +goose Up

-- An operator has canceled a registration that may have been sent. It is not called for any more, and ends as soon as
-- WHOIS has shown whether an earlier call had an effect. No other update changes the column, so that they stay heap-only.
ALTER TABLE jobs ADD COLUMN canceling boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT jobs_canceling CHECK (NOT canceling OR kind = 'register' AND finished_at IS NULL);
CREATE INDEX jobs_canceling ON jobs (account) WHERE canceling;

-- The accounts that workers have credentials for. Whoever takes orders in may have none, and must still refuse one
-- that nobody could carry out.
CREATE TABLE accounts (
    name     text        PRIMARY KEY CHECK (name <> '' AND length(name) <= 64),
    known_at timestamptz NOT NULL DEFAULT now() -- when a worker started with it last
);

-- For calls that are withdrawn before they are made: their row goes, and what hangs on it is looked for.
CREATE INDEX readings_call ON readings (call_id);

-- +goose Down
DROP INDEX readings_call;
DROP TABLE accounts;
DROP INDEX jobs_canceling;
ALTER TABLE jobs DROP COLUMN canceling;
