-- +goose Up

-- Keys of order systems, which the HTTP API asks for. The secret itself is nowhere: it is random and long, so that its digest
-- tells nothing of it.
CREATE TABLE api_keys (
    id                    text        PRIMARY KEY CHECK (id ~ '^[a-z2-7]{10}$'),
    source                text        NOT NULL CHECK (source <> '' AND length(source) <= 64),
    role                  text        NOT NULL CHECK (role IN ('read', 'submit', 'operate')),
    digest                bytea       NOT NULL CHECK (length(digest) = 32),
    created_at            timestamptz NOT NULL DEFAULT now(),
    created_by            text        NOT NULL CHECK (created_by <> '' AND length(created_by) <= 64),
    expires_at            timestamptz CHECK (expires_at > created_at),
    revoked_at            timestamptz,
    revoked_by            text        CHECK (revoked_by <> '' AND length(revoked_by) <= 64),
    last_used_at          timestamptz, -- to about a minute
    -- NULL: no limit of its own
    requests_per_minute   integer     CHECK (requests_per_minute > 0),
    jobs_per_day          integer     CHECK (jobs_per_day > 0),
    registrations_per_day integer     CHECK (registrations_per_day > 0),
    jobs_per_order        integer     CHECK (jobs_per_order > 0),
    CONSTRAINT api_keys_revoked CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
);
CREATE INDEX api_keys_source ON api_keys (source, created_at);

-- What keys with a daily limit have ordered on a day, in UTC.
CREATE TABLE api_key_days (
    key_id        text    NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
    day           date    NOT NULL,
    jobs          integer NOT NULL CHECK (jobs >= 0),
    registrations integer NOT NULL CHECK (registrations >= 0),
    PRIMARY KEY (key_id, day)
);

INSERT INTO schema_versions (version, works_since) VALUES (17, 10);

-- +goose Down
DELETE FROM schema_versions WHERE version = 17;
DROP TABLE api_key_days, api_keys;
