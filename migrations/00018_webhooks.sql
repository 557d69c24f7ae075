-- +goose Up

-- Where a source is told of events.
CREATE TABLE webhook_endpoints (
    id            text        PRIMARY KEY CHECK (id ~ '^[a-z2-7]{10}$'),
    source        text        NOT NULL CHECK (source <> '' AND length(source) <= 64),
    url           text        NOT NULL CHECK (url ~ '^https?://' AND length(url) <= 2048),
    types         text[]      NOT NULL DEFAULT '{}', -- of events; none: every one but job.finished
    created_at    timestamptz NOT NULL DEFAULT now(),
    created_by    text        NOT NULL CHECK (created_by <> '' AND length(created_by) <= 64),
    seen          bigint      NOT NULL,           -- the log was looked through for it up to this event
    failing_since timestamptz,                    -- its first failure after its last success
    failures      integer     NOT NULL DEFAULT 0 CHECK (failures >= 0), -- in a row, of those that tell against it as a whole
    rests_until   timestamptz,                    -- nothing is sent to it before
    disabled_at   timestamptz,
    disabled_for  text        CHECK (disabled_for IN ('gone', 'failing')),
    CONSTRAINT webhook_endpoints_url UNIQUE (source, url),
    CONSTRAINT webhook_endpoints_disabled CHECK ((disabled_at IS NULL) = (disabled_for IS NULL))
);
CREATE INDEX webhook_endpoints_source ON webhook_endpoints (source, created_at);

-- With what its deliveries are signed: two while one replaces the other.
CREATE TABLE webhook_secrets (
    endpoint_id text        NOT NULL REFERENCES webhook_endpoints (id) ON DELETE CASCADE,
    n           integer     NOT NULL CHECK (n > 0),
    sealed      bytea       NOT NULL,
    public_key  bytea       NOT NULL CHECK (length(public_key) = 32),
    created_at  timestamptz NOT NULL DEFAULT now(),
    ends_at     timestamptz, -- it signs until then; NULL: it is the newest
    PRIMARY KEY (endpoint_id, n)
);
CREATE UNIQUE INDEX webhook_secrets_newest ON webhook_secrets (endpoint_id) WHERE ends_at IS NULL;

-- An event on its way to an endpoint. Those of one line, which are those of one order, are sent one after the other.
CREATE TABLE webhook_deliveries (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    endpoint_id text        NOT NULL REFERENCES webhook_endpoints (id) ON DELETE CASCADE,
    event_id    bigint,      -- NULL: it is a test
    order_id    bigint,
    line        text        NOT NULL, -- the order's id, or the account
    state       text        NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'failed')),
    due_at      timestamptz, -- of its next attempt, or of giving up on the one under way; NULL: an earlier one of its line comes first
    sender      uuid,        -- who is at it
    attempts    integer     NOT NULL DEFAULT 0 CHECK (attempts >= 0), -- since it was last asked for
    tried_at    timestamptz, -- its first attempt since then
    skipped_at  timestamptz, -- since then later ones of its line do not wait for it
    created_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    CONSTRAINT webhook_deliveries_event UNIQUE (endpoint_id, event_id),
    CONSTRAINT webhook_deliveries_final CHECK ((state = 'waiting') = (finished_at IS NULL) AND (state = 'waiting' OR due_at IS NULL AND sender IS NULL))
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (endpoint_id, due_at) WHERE state = 'waiting' AND due_at IS NOT NULL;
CREATE INDEX webhook_deliveries_sender ON webhook_deliveries (endpoint_id) WHERE sender IS NOT NULL;
CREATE INDEX webhook_deliveries_line ON webhook_deliveries (endpoint_id, line, id) WHERE state = 'waiting';
CREATE INDEX webhook_deliveries_failed ON webhook_deliveries (endpoint_id) WHERE state = 'failed';
CREATE INDEX webhook_deliveries_tried ON webhook_deliveries (tried_at) WHERE state = 'waiting' AND skipped_at IS NULL;
CREATE INDEX webhook_deliveries_endpoint ON webhook_deliveries (endpoint_id, id);
CREATE INDEX webhook_deliveries_order ON webhook_deliveries (order_id) WHERE order_id IS NOT NULL;
CREATE INDEX webhook_deliveries_finished ON webhook_deliveries (finished_at) WHERE finished_at IS NOT NULL;

-- What came of each attempt.
CREATE TABLE webhook_attempts (
    delivery_id bigint      NOT NULL REFERENCES webhook_deliveries (id) ON DELETE CASCADE,
    n           integer     NOT NULL CHECK (n > 0),
    at          timestamptz NOT NULL DEFAULT now(),
    duration_ms integer     NOT NULL CHECK (duration_ms >= 0),
    status      integer     CHECK (status BETWEEN 100 AND 999), -- NULL: no answer came
    error       text,       -- in our words
    answer      text        CHECK (length(answer) <= 512), -- how it begins, in the receiver's words
    PRIMARY KEY (delivery_id, n)
);

-- The owner of an endpoint is told when it is disabled. That is about a source, and no order.
ALTER TABLE events DROP CONSTRAINT events_type_check;
ALTER TABLE events ADD CONSTRAINT events_type_check CHECK (type IN (
    'order.accepted', 'order.completed', 'order.needs_attention', 'hold.placed', 'hold.lifted', 'job.finished', 'webhook.disabled')) NOT VALID;
ALTER TABLE events DROP CONSTRAINT events_order;
ALTER TABLE events ADD CONSTRAINT events_order CHECK (order_id IS NULL OR source IS NOT NULL) NOT VALID;

INSERT INTO schema_versions (version, works_since) VALUES (18, 10);

-- +goose Down
DELETE FROM schema_versions WHERE version = 18;
DELETE FROM events WHERE type = 'webhook.disabled';
DELETE FROM new_events WHERE type = 'webhook.disabled';
ALTER TABLE events DROP CONSTRAINT events_order;
ALTER TABLE events ADD CONSTRAINT events_order CHECK ((order_id IS NULL) = (source IS NULL));
ALTER TABLE events DROP CONSTRAINT events_type_check;
ALTER TABLE events ADD CONSTRAINT events_type_check CHECK (type IN (
    'order.accepted', 'order.completed', 'order.needs_attention', 'hold.placed', 'hold.lifted', 'job.finished'));
DROP TABLE webhook_attempts, webhook_deliveries, webhook_secrets, webhook_endpoints;
