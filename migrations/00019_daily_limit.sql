-- +goose Up

-- How many registrations of an account may have been paid for on a day, in UTC: those with an intent of that day, but for those of
-- which is known that nothing came of them. Only where a worker has a daily limit is there a row.
CREATE TABLE registration_days (
    account  text    NOT NULL CHECK (account <> '' AND length(account) <= 64),
    day      date    NOT NULL,
    reserved integer NOT NULL CHECK (reserved >= 0),
    resumed  integer NOT NULL DEFAULT 0 CHECK (resumed >= 0), -- of these, when an operator last let the day begin anew
    PRIMARY KEY (account, day)
) WITH (fillfactor = 50);

-- Whether the attempt is counted there, on the day on which it was opened.
ALTER TABLE attempts ADD COLUMN reserved boolean NOT NULL DEFAULT false;

-- daily_limit: the registrations of a day are used up. No probe lifts it, and no person need: it ends by itself.
ALTER TABLE holds ADD COLUMN ends_at timestamptz,
    DROP CONSTRAINT holds_reason_check,
    ADD CONSTRAINT holds_reason_check CHECK (reason IN ('payment', 'auth', 'contract', 'outage', 'paused', 'restored', 'daily_limit')),
    DROP CONSTRAINT holds_probed,
    ADD CONSTRAINT holds_probed CHECK ((reason IN ('paused', 'restored', 'daily_limit')) = (next_probe_at IS NULL)
        AND (next_probe_at IS NULL) = (probe_every IS NULL)),
    ADD CONSTRAINT holds_ends CHECK ((reason = 'daily_limit') = (ends_at IS NOT NULL));

INSERT INTO schema_versions (version, works_since) VALUES (19, 10);

-- +goose Down
DELETE FROM schema_versions WHERE version = 19;
DELETE FROM holds WHERE reason = 'daily_limit';
ALTER TABLE holds DROP CONSTRAINT holds_ends,
    DROP CONSTRAINT holds_probed,
    ADD CONSTRAINT holds_probed CHECK ((reason IN ('paused', 'restored')) = (next_probe_at IS NULL)
        AND (next_probe_at IS NULL) = (probe_every IS NULL)),
    DROP CONSTRAINT holds_reason_check,
    ADD CONSTRAINT holds_reason_check CHECK (reason IN ('payment', 'auth', 'contract', 'outage', 'paused', 'restored')),
    DROP COLUMN ends_at;
ALTER TABLE attempts DROP COLUMN reserved;
DROP TABLE registration_days;
