-- +goose Up

-- Jobs of a domain, over all orders. Names come in no order, and the index keeps four bytes of each, so that it costs an order half of
-- what one of whole names would.
CREATE INDEX jobs_domain ON jobs USING hash (domain);

-- What a producer sticks on an order, to find it by: names and texts.
ALTER TABLE orders ADD COLUMN labels jsonb CHECK (jsonb_typeof(labels) = 'object');
CREATE INDEX orders_labels ON orders USING gin (labels jsonb_path_ops) WHERE labels IS NOT NULL;
-- The orders of a source, page by page.
CREATE INDEX orders_of_source ON orders (source, id);

-- What an order's jobs do is kept, not counted: whatever statement of whatever release changes a job's state adds what it changed
-- here, as rows that nobody else writes, so that nobody waits. The bookkeeper folds them into order_counts. Both together are the
-- truth at any time. Jobs that are queued are not kept: they are all the others of the order's total.
CREATE TABLE order_changes (
    id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- a change that follows another one has a greater id
    order_id bigint      NOT NULL,
    state    text        NOT NULL, -- a job's, or 'calls': upstream requests made for the order
    outcome  text        NOT NULL DEFAULT '',
    n        integer     NOT NULL,
    at       timestamptz NOT NULL DEFAULT now()
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);
CREATE INDEX order_changes_order ON order_changes (order_id);

CREATE TABLE order_counts (
    order_id bigint      NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    state    text        NOT NULL,
    outcome  text        NOT NULL,
    n        integer     NOT NULL,
    last_at  timestamptz NOT NULL, -- of the newest change
    PRIMARY KEY (order_id, state, outcome)
) WITH (fillfactor = 50);

-- What the bookkeeper has told of an order, so that it tells each change once.
CREATE TABLE order_standings (
    order_id       bigint  PRIMARY KEY REFERENCES orders (id) ON DELETE CASCADE,
    completed_jobs integer,          -- how many jobs it had when all of them were final; NULL: some job is not
    attention      boolean NOT NULL  -- a person must decide on some job
);

-- What an outsider may want to know, in the order in which it was committed. It is never rewritten.
CREATE TABLE events (
    id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    type     text        NOT NULL CHECK (type IN (
        'order.accepted', 'order.completed', 'order.needs_attention', 'hold.placed', 'hold.lifted', 'job.finished')),
    at       timestamptz NOT NULL,
    source   text,       -- whose; NULL: of an account, and so of everybody who orders for it
    order_id bigint,
    job_id   uuid,
    account  text        NOT NULL,
    data     jsonb       NOT NULL DEFAULT '{}', -- no words of the upstream, and nothing of a person
    CONSTRAINT events_order CHECK ((order_id IS NULL) = (source IS NULL))
);
CREATE INDEX events_source ON events (source, id);
CREATE INDEX events_of_order ON events (order_id, id) WHERE order_id IS NOT NULL;

-- Where events are written, in the transaction of what they tell. The bookkeeper, of whom there is one at a time, moves them to
-- events and gives them their ids there. So a reader that goes on behind the greatest id it has seen misses none: one that is
-- committed later has a greater one.
CREATE TABLE new_events (
    id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    type     text        NOT NULL,
    at       timestamptz NOT NULL DEFAULT now(),
    source   text,
    order_id bigint,
    job_id   uuid,
    account  text        NOT NULL,
    data     jsonb       NOT NULL DEFAULT '{}'
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);

-- Sources that want an event for each job that ends.
CREATE TABLE job_event_sources (
    source text PRIMARY KEY CHECK (source <> '' AND length(source) <= 64)
);

-- From here on, until the end of this migration, nobody changes a job. Who does now is waited for, in one order.
LOCK TABLE orders, jobs, calls, holds, order_holds IN SHARE ROW EXCLUSIVE MODE;

-- +goose StatementBegin
CREATE FUNCTION note_job_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO order_changes (order_id, state, outcome, n, at)
    SELECT order_id, state, outcome, sum(n), coalesce(max(finished_at), now()) FROM (
        SELECT order_id, state, coalesce(outcome, '') AS outcome, 1 AS n, finished_at FROM now_jobs WHERE state <> 'queued'
        UNION ALL
        SELECT order_id, state, coalesce(outcome, ''), -1, finished_at FROM was_jobs WHERE state <> 'queued'
    ) AS changed GROUP BY order_id, state, outcome HAVING sum(n) <> 0;
    IF EXISTS (SELECT FROM job_event_sources) THEN
        INSERT INTO new_events (type, source, order_id, job_id, account, data)
        SELECT 'job.finished', o.source, j.order_id, j.id, j.account, jsonb_strip_nulls(jsonb_build_object('state', j.state, 'outcome', j.outcome))
        FROM now_jobs j JOIN was_jobs w ON w.id = j.id JOIN orders o ON o.id = j.order_id JOIN job_event_sources s ON s.source = o.source
        WHERE j.finished_at IS NOT NULL AND (w.finished_at IS NULL OR w.outcome IS DISTINCT FROM j.outcome);
    END IF;
    RETURN NULL;
END $$;

-- Jobs come in queued, but for those that end as they begin.
CREATE FUNCTION note_ended_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO order_changes (order_id, state, outcome, n) VALUES (NEW.order_id, NEW.state, coalesce(NEW.outcome, ''), 1);
    INSERT INTO new_events (type, source, order_id, job_id, account, data)
    SELECT 'job.finished', o.source, NEW.order_id, NEW.id, NEW.account, jsonb_build_object('state', NEW.state, 'outcome', NEW.outcome)
    FROM orders o JOIN job_event_sources s ON s.source = o.source WHERE o.id = NEW.order_id AND NEW.finished_at IS NOT NULL;
    RETURN NULL;
END $$;

CREATE FUNCTION note_removed_jobs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO order_changes (order_id, state, outcome, n)
    SELECT order_id, state, coalesce(outcome, ''), -count(*) FROM was_jobs WHERE state <> 'queued' GROUP BY 1, 2, 3;
    RETURN NULL;
END $$;

-- Calls are inserted and withdrawn one by one.
CREATE FUNCTION note_call() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO order_changes (order_id, state, n) SELECT unnest(order_ids), 'calls', 1 FROM claims WHERE id = NEW.claim_id;
    ELSE
        INSERT INTO order_changes (order_id, state, n) SELECT unnest(order_ids), 'calls', -1 FROM claims WHERE id = OLD.claim_id;
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION note_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO new_events (type, source, order_id, account, data)
    VALUES ('order.accepted', NEW.source, NEW.id, NEW.account, jsonb_build_object('kind', NEW.kind));
    RETURN NULL;
END $$;

CREATE FUNCTION note_hold() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    h holds%ROWTYPE;
BEGIN
    IF TG_OP = 'INSERT' THEN h := NEW; ELSE h := OLD; END IF;
    INSERT INTO new_events (type, account, data)
    VALUES (CASE TG_OP WHEN 'INSERT' THEN 'hold.placed' ELSE 'hold.lifted' END, h.account,
        jsonb_build_object('reason', h.reason, 'scope', h.scope));
    RETURN NULL;
END $$;

CREATE FUNCTION note_order_hold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO new_events (type, source, order_id, account, data)
    SELECT CASE TG_OP WHEN 'INSERT' THEN 'hold.placed' ELSE 'hold.lifted' END, o.source, o.id, o.account, '{"reason": "paused", "scope": "order"}'
    FROM orders o WHERE o.id = CASE TG_OP WHEN 'INSERT' THEN NEW.order_id ELSE OLD.order_id END;
    RETURN NULL;
END $$;
-- +goose StatementEnd

CREATE TRIGGER note_job_changes AFTER UPDATE ON jobs REFERENCING OLD TABLE AS was_jobs NEW TABLE AS now_jobs
    FOR EACH STATEMENT EXECUTE FUNCTION note_job_changes();
CREATE TRIGGER note_ended_job AFTER INSERT ON jobs FOR EACH ROW WHEN (NEW.state <> 'queued') EXECUTE FUNCTION note_ended_job();
CREATE TRIGGER note_removed_jobs AFTER DELETE ON jobs REFERENCING OLD TABLE AS was_jobs
    FOR EACH STATEMENT EXECUTE FUNCTION note_removed_jobs();
CREATE TRIGGER note_call AFTER INSERT OR DELETE ON calls FOR EACH ROW EXECUTE FUNCTION note_call();
CREATE TRIGGER note_order AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION note_order();
CREATE TRIGGER note_hold AFTER INSERT OR DELETE ON holds FOR EACH ROW EXECUTE FUNCTION note_hold();
CREATE TRIGGER note_order_hold AFTER INSERT OR DELETE ON order_holds FOR EACH ROW EXECUTE FUNCTION note_order_hold();

-- Counts orders anew: all of them, or some. Nothing else needs it, unless somebody has changed rows past the triggers.
-- +goose StatementBegin
CREATE FUNCTION recount_orders(only_ids bigint[] DEFAULT NULL) RETURNS void LANGUAGE plpgsql AS $$
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

-- What there is already is counted, and nothing is told of it.
SELECT recount_orders();
INSERT INTO order_standings (order_id, completed_jobs, attention)
SELECT o.id, CASE WHEN sum(c.n) FILTER (WHERE c.state IN ('succeeded', 'failed', 'canceled')) = o.total THEN o.total END,
    coalesce(bool_or(c.state = 'unconfirmed' AND c.n > 0), false)
FROM orders o JOIN order_counts c ON c.order_id = o.id GROUP BY o.id;

INSERT INTO schema_versions (version, works_since) VALUES (16, 10);

-- +goose Down
DELETE FROM schema_versions WHERE version = 16;
DROP TRIGGER note_order_hold ON order_holds;
DROP TRIGGER note_hold ON holds;
DROP TRIGGER note_order ON orders;
DROP TRIGGER note_call ON calls;
DROP TRIGGER note_removed_jobs ON jobs;
DROP TRIGGER note_ended_job ON jobs;
DROP TRIGGER note_job_changes ON jobs;
DROP FUNCTION recount_orders, note_order_hold, note_hold, note_order, note_call, note_removed_jobs, note_ended_job, note_job_changes;
DROP INDEX orders_of_source, orders_labels, jobs_domain;
ALTER TABLE orders DROP COLUMN labels;
DROP TABLE job_event_sources, new_events, events, order_standings, order_counts, order_changes;
