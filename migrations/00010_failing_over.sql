-- +goose Up

-- Which programs work on which version of this schema: those whose own newest migration is works_since or newer. A migration
-- that leaves what an older program reads and writes as it was says so in a row of its own, so that the older one goes on while
-- a deployment replaces it. One that has no row here is for programs that know it.
CREATE TABLE schema_versions (
    version     bigint PRIMARY KEY,
    works_since bigint NOT NULL CHECK (works_since > 0 AND works_since <= version)
);
INSERT INTO schema_versions (version, works_since) VALUES (10, 10);

-- The Postgres that this database is known to be on. Another one than the server says is a standby that was promoted, or a
-- backup that was restored, and may have forgotten what was written last: intents to pay, too.
CREATE TABLE lineage (
    one       boolean     PRIMARY KEY DEFAULT true CHECK (one),
    system_id text,       -- of the cluster; NULL: the server does not tell
    timeline  bigint,     -- which each promotion and each recovery to a point in time makes anew; NULL: the server does not tell
    home      text        NOT NULL, -- of this table: the ids of its database and itself. A dump that is restored has others
    since     timestamptz NOT NULL DEFAULT now(),
    known_at  timestamptz NOT NULL DEFAULT now() -- the newest time at which a worker knew it to be this one
);

-- +goose Down
DROP TABLE lineage;
DROP TABLE schema_versions;
