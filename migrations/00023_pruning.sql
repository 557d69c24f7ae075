-- +goose Up

-- When the jobs of an order began to be removed, because it ended long ago and cost nothing. The order stays, and what it came to.
ALTER TABLE orders ADD COLUMN pruned_at timestamptz;
ALTER TABLE orders ADD CONSTRAINT orders_pruned CHECK (pruned_at IS NULL OR kind <> 'register') NOT VALID;
-- Those that may be, the oldest first. The newest come last, so that it costs little to add one.
CREATE INDEX orders_unpruned ON orders (kind, created_at) WHERE kind <> 'register' AND pruned_at IS NULL;

-- Orders of which something is still to be removed.
CREATE TABLE prunings (
    order_id bigint      PRIMARY KEY REFERENCES orders (id) ON DELETE CASCADE,
    seq      integer     NOT NULL DEFAULT 0,    -- jobs up to this place are gone
    next_at  timestamptz NOT NULL DEFAULT now() -- later than now where somebody has a job done once more
);
CREATE INDEX prunings_next ON prunings (next_at, order_id);

-- What a pruned order came to is kept as it is.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION note_removed_jobs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO order_changes (order_id, state, outcome, n)
    SELECT j.order_id, j.state, coalesce(j.outcome, ''), -count(*) FROM was_jobs j
    WHERE j.state <> 'queued' AND NOT EXISTS (SELECT FROM orders o WHERE o.id = j.order_id AND o.pruned_at IS NOT NULL) GROUP BY 1, 2, 3;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION recount_orders(only_ids bigint[] DEFAULT NULL) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    counted bigint[];
BEGIN
    LOCK TABLE jobs, calls IN SHARE MODE;
    counted := ARRAY(SELECT id FROM orders WHERE pruned_at IS NULL AND (only_ids IS NULL OR id = ANY(only_ids)));
    DELETE FROM order_changes WHERE order_id = ANY(counted) OR only_ids IS NULL AND NOT EXISTS (SELECT FROM orders o WHERE o.id = order_id);
    DELETE FROM order_counts WHERE order_id = ANY(counted);
    INSERT INTO order_counts (order_id, state, outcome, n, last_at)
    SELECT j.order_id, j.state, coalesce(j.outcome, ''), count(*), coalesce(max(j.finished_at), now())
    FROM jobs j WHERE j.state <> 'queued' AND j.order_id = ANY(counted)
    GROUP BY j.order_id, j.state, coalesce(j.outcome, '');
    INSERT INTO order_counts (order_id, state, outcome, n, last_at)
    SELECT named.id, 'calls', '', count(*), max(k.started_at)
    FROM calls k JOIN claims c ON c.id = k.claim_id CROSS JOIN unnest(c.order_ids) AS named (id)
    WHERE named.id = ANY(counted) GROUP BY named.id;
END $$;
-- +goose StatementEnd

INSERT INTO schema_versions (version, works_since) VALUES (23, 10);

-- +goose Down
DELETE FROM schema_versions WHERE version = 23;
DROP TABLE prunings;
ALTER TABLE orders DROP COLUMN pruned_at;
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION note_removed_jobs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO order_changes (order_id, state, outcome, n)
    SELECT order_id, state, coalesce(outcome, ''), -count(*) FROM was_jobs WHERE state <> 'queued' GROUP BY 1, 2, 3;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION recount_orders(only_ids bigint[] DEFAULT NULL) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    LOCK TABLE jobs, calls IN SHARE MODE;
    DELETE FROM order_changes WHERE only_ids IS NULL OR order_id = ANY(only_ids);
    DELETE FROM order_counts WHERE only_ids IS NULL OR order_id = ANY(only_ids);
    INSERT INTO order_counts (order_id, state, outcome, n, last_at)
    SELECT o.id, j.state, coalesce(j.outcome, ''), count(*), coalesce(max(j.finished_at), now())
    FROM jobs j JOIN orders o ON o.id = j.order_id
    WHERE j.state <> 'queued' AND (only_ids IS NULL OR j.order_id = ANY(only_ids))
    GROUP BY o.id, j.state, coalesce(j.outcome, '');
    INSERT INTO order_counts (order_id, state, outcome, n, last_at)
    SELECT o.id, 'calls', '', count(*), max(k.started_at)
    FROM calls k JOIN claims c ON c.id = k.claim_id CROSS JOIN unnest(c.order_ids) AS named (id) JOIN orders o ON o.id = named.id
    WHERE only_ids IS NULL OR o.id = ANY(only_ids) GROUP BY o.id;
END $$;
-- +goose StatementEnd
