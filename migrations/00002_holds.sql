-- +goose Up

-- A hold is a reason for which an account's work stands still. The row is the truth: whatever happens to Redis or to a
-- worker, nothing is called for the account while it is there, but for the probe that it allows.
CREATE TABLE holds (
    account       text        NOT NULL,
    reason        text        NOT NULL CHECK (reason IN ('payment', 'auth', 'contract')),
    scope         text        NOT NULL CHECK (scope IN ('register', 'all')), -- registrations only, or every call
    since         timestamptz NOT NULL DEFAULT now(),
    words         text        NOT NULL, -- the upstream's, the newest
    status        integer,              -- HTTP status that came with them
    probes        integer     NOT NULL DEFAULT 0,
    probe_every   interval    NOT NULL CHECK (probe_every > interval '0'), -- grows with each probe
    next_probe_at timestamptz NOT NULL,
    probe_id      uuid,                 -- the newest probe: only this one may call
    PRIMARY KEY (account, reason)
);

-- Which jobs a lifted hold sets free. The column changes only for jobs that are held, so that the usual updates stay
-- heap-only.
ALTER TABLE jobs ADD COLUMN held_account text GENERATED ALWAYS AS (CASE WHEN state = 'held' THEN account END) STORED;
CREATE INDEX jobs_held ON jobs (held_account, kind, created_at, seq) WHERE held_account IS NOT NULL;

-- +goose Down
DROP INDEX jobs_held;
ALTER TABLE jobs DROP COLUMN held_account;
DROP TABLE holds;
