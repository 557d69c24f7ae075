-- +goose Up

-- daily_limit: as many registrations as a day may have were sent, or may have been. It goes by itself, at the next day (UTC).
ALTER TABLE holds DROP CONSTRAINT holds_reason_check,
    ADD CONSTRAINT holds_reason_check CHECK (reason IN ('payment', 'auth', 'contract', 'outage', 'paused', 'restored', 'daily_limit'));

-- Whose money an attempt may have spent: NULL for what was sent before there were limits. What may have been paid for on a day is counted
-- here, so that nothing has to be taken back when it turns out that it was not.
ALTER TABLE attempts ADD COLUMN account text CHECK (account <> '' AND length(account) <= 64);
CREATE INDEX attempts_of_day ON attempts (account, opened_at) WHERE account IS NOT NULL AND state IN ('open', 'unknown', 'registered');

-- How many of a day's registrations count no more, because an operator let the account go on.
CREATE TABLE daily_resumptions (
    account text    NOT NULL CHECK (account <> '' AND length(account) <= 64),
    day     date    NOT NULL, -- in UTC
    n       integer NOT NULL CHECK (n > 0),
    PRIMARY KEY (account, day)
);

INSERT INTO schema_versions (version, works_since) VALUES (19, 10);

-- +goose Down
DELETE FROM schema_versions WHERE version = 19;
DROP TABLE daily_resumptions;
ALTER TABLE attempts DROP COLUMN account;
DELETE FROM holds WHERE reason = 'daily_limit';
ALTER TABLE holds DROP CONSTRAINT holds_reason_check,
    ADD CONSTRAINT holds_reason_check CHECK (reason IN ('payment', 'auth', 'contract', 'outage', 'paused', 'restored'));
