-- +goose Up

-- A token is asked for a person, not for a domain. The job's domain is then the person's subject, a pseudonym that finds it: it is
-- no name of a domain, which has a dot. What is sent of the person is sealed, and is nowhere else. privacy_consent is what the
-- order said when it came, at created_at.
ALTER TABLE jobs ADD COLUMN person bytea CHECK (length(person) BETWEEN 38 AND 8192), -- sealed; NULL: purged, or never usable
    ADD COLUMN privacy_consent boolean,
    ADD CONSTRAINT jobs_person CHECK (kind = 'token' OR person IS NULL AND privacy_consent IS NULL),
    ADD CONSTRAINT jobs_consent CHECK (person IS NULL OR privacy_consent IS NOT NULL),
    -- By the length first: each change of a job checks this again, and an expression over each name took 3 % of all the time.
    ADD CONSTRAINT jobs_subject CHECK (CASE octet_length(domain) WHEN 23 THEN (kind = 'token') = (domain ~ '^person-[a-z2-7]{16}$')
        ELSE kind <> 'token' END),
    -- expired: it was issued, and its time is over.
    DROP CONSTRAINT jobs_outcome,
    ADD CONSTRAINT jobs_outcome CHECK (CASE state
        WHEN 'succeeded' THEN outcome IS NOT NULL AND CASE kind
            WHEN 'register' THEN outcome = 'registered'
            WHEN 'token' THEN outcome IN ('issued', 'expired')
            ELSE outcome IN ('available', 'taken') END
        WHEN 'failed' THEN outcome IS NOT NULL AND outcome IN ('taken', 'rejected', 'duplicate', 'exhausted')
            AND (kind <> 'token' OR outcome IN ('rejected', 'exhausted'))
        ELSE outcome IS NULL END);

-- A token and the URLs that came with it, sealed: each of them is a key to somebody's account. The row goes when its time is
-- over, and the job's outcome becomes expired.
CREATE TABLE tokens (
    job_id     uuid        PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    order_id   bigint      NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    sealed     bytea       NOT NULL CHECK (length(sealed) BETWEEN 38 AND 32768),
    sent_at    timestamptz NOT NULL, -- when the call that brought it was sent
    expires_at timestamptz NOT NULL CHECK (expires_at > sent_at AND expires_at <= sent_at + interval '10 minutes')
);
CREATE INDEX tokens_expiring ON tokens (expires_at);
CREATE INDEX tokens_order ON tokens (order_id);

INSERT INTO schema_versions (version, works_since) VALUES (15, 10);

-- +goose Down
DELETE FROM schema_versions WHERE version = 15;
DROP TABLE tokens;
DELETE FROM jobs WHERE kind = 'token';
ALTER TABLE jobs DROP COLUMN person, DROP COLUMN privacy_consent,
    DROP CONSTRAINT jobs_subject,
    DROP CONSTRAINT jobs_outcome,
    ADD CONSTRAINT jobs_outcome CHECK (CASE state
        WHEN 'succeeded' THEN outcome IS NOT NULL AND outcome = CASE kind
            WHEN 'register' THEN 'registered' WHEN 'token' THEN 'issued'
            ELSE CASE outcome WHEN 'available' THEN 'available' ELSE 'taken' END END
        WHEN 'failed' THEN outcome IS NOT NULL AND outcome IN ('taken', 'rejected', 'duplicate', 'exhausted')
        ELSE outcome IS NULL END);
