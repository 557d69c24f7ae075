-- +goose Up

-- A holder is a registrant whose details came with an order. It is known by the digest of these details, so that the same
-- person is found or created upstream once, however many domains, orders and workers there are. Details are personal
-- data: they are here and nowhere else, until they are purged. Digest and upstream_id stay.
CREATE TABLE holders (
    id             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account        text        NOT NULL,
    digest         bytea       NOT NULL CHECK (length(digest) = 32),
    details        jsonb,      -- NULL: purged
    state          text        NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'ready', 'rejected', 'exhausted')),
    upstream_id    text        CHECK (upstream_id <> ''),
    words          text,       -- of the newest failure, the upstream's
    failures       integer     NOT NULL DEFAULT 0 CHECK (failures >= 0),
    -- Who looks for it, or creates it, at this time; the lease also spaces out tries that failed.
    claim_id       uuid,
    lease_until    timestamptz,
    -- Deadline of a creation that was sent and has no answer. Until then it may still take effect, and a search that
    -- does not find it proves nothing.
    creating_until timestamptz,
    created_at     timestamptz NOT NULL DEFAULT now(),
    settled_at     timestamptz, -- when it became ready, rejected or exhausted
    purged_at      timestamptz,
    retired_at     timestamptz, -- changed or deleted upstream since: no new order gets it
    CONSTRAINT holders_ready CHECK ((state = 'ready') = (upstream_id IS NOT NULL)),
    CONSTRAINT holders_settled CHECK ((state = 'new') = (settled_at IS NULL)),
    CONSTRAINT holders_purged CHECK ((details IS NULL) = (purged_at IS NOT NULL))
);
CREATE UNIQUE INDEX holders_digest ON holders (account, digest) WHERE retired_at IS NULL;

-- Which orders need which holders: when details may go is asked of orders.
CREATE TABLE order_holders (
    order_id   bigint NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    holder_key bigint NOT NULL REFERENCES holders (id),
    PRIMARY KEY (order_id, holder_key)
);
CREATE INDEX order_holders_holder ON order_holders (holder_key);

-- It never changes after the insert. A job has an id that its order gave, or this.
ALTER TABLE jobs ADD COLUMN holder_key bigint REFERENCES holders (id),
    ADD CONSTRAINT jobs_holder CHECK (holder_id IS NULL OR holder_key IS NULL);

-- To find and to create holders are calls, too.
ALTER TABLE calls ADD COLUMN holder_key bigint REFERENCES holders (id),
    DROP CONSTRAINT calls_op_check,
    ADD CONSTRAINT calls_op_check CHECK (op IN ('whois', 'check', 'register', 'token', 'holder')),
    ADD CONSTRAINT calls_holder CHECK ((op = 'holder') = (holder_key IS NOT NULL));

-- +goose Down
DELETE FROM calls WHERE op = 'holder';
ALTER TABLE calls DROP COLUMN holder_key,
    DROP CONSTRAINT calls_op_check,
    ADD CONSTRAINT calls_op_check CHECK (op IN ('whois', 'check', 'register', 'token'));
ALTER TABLE jobs DROP COLUMN holder_key;
DROP TABLE order_holders, holders;
