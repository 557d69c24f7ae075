-- +goose Up

-- What all orders of a kind and account have come to, for whoever measures: nobody adds a million orders up for it. It is summed up with
-- the counts of orders, whichever release keeps these, and so by one worker at a time. What is removed with an order stays counted.
CREATE TABLE job_totals (
    kind    text   NOT NULL,
    account text   NOT NULL,
    state   text   NOT NULL, -- a job's; queued ones are not counted
    outcome text   NOT NULL, -- '' until it is final
    n       bigint NOT NULL,
    PRIMARY KEY (kind, account, state, outcome)
) WITH (fillfactor = 50);

LOCK TABLE order_counts IN SHARE ROW EXCLUSIVE MODE;

-- +goose StatementBegin
CREATE FUNCTION total_new_counts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO job_totals AS t (kind, account, state, outcome, n)
    SELECT o.kind, o.account, c.state, c.outcome, sum(c.n) FROM now_counts c JOIN orders o ON o.id = c.order_id
    WHERE c.state <> 'calls' GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
    ON CONFLICT (kind, account, state, outcome) DO UPDATE SET n = t.n + excluded.n;
    RETURN NULL;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION total_changed_counts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO job_totals AS t (kind, account, state, outcome, n)
    SELECT o.kind, o.account, c.state, c.outcome, sum(c.n) FROM (
        SELECT order_id, state, outcome, n FROM now_counts UNION ALL SELECT order_id, state, outcome, -n FROM was_counts
    ) AS c JOIN orders o ON o.id = c.order_id
    WHERE c.state <> 'calls' GROUP BY 1, 2, 3, 4 HAVING sum(c.n) <> 0 ORDER BY 1, 2, 3, 4
    ON CONFLICT (kind, account, state, outcome) DO UPDATE SET n = t.n + excluded.n;
    RETURN NULL;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION total_removed_counts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO job_totals AS t (kind, account, state, outcome, n)
    SELECT o.kind, o.account, c.state, c.outcome, -sum(c.n) FROM was_counts c JOIN orders o ON o.id = c.order_id
    WHERE c.state <> 'calls' GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
    ON CONFLICT (kind, account, state, outcome) DO UPDATE SET n = t.n + excluded.n;
    RETURN NULL;
END $$;
-- +goose StatementEnd

CREATE TRIGGER total_new_counts AFTER INSERT ON order_counts REFERENCING NEW TABLE AS now_counts
    FOR EACH STATEMENT EXECUTE FUNCTION total_new_counts();
CREATE TRIGGER total_changed_counts AFTER UPDATE ON order_counts REFERENCING OLD TABLE AS was_counts NEW TABLE AS now_counts
    FOR EACH STATEMENT EXECUTE FUNCTION total_changed_counts();
CREATE TRIGGER total_removed_counts AFTER DELETE ON order_counts REFERENCING OLD TABLE AS was_counts
    FOR EACH STATEMENT EXECUTE FUNCTION total_removed_counts();

INSERT INTO job_totals (kind, account, state, outcome, n)
SELECT o.kind, o.account, c.state, c.outcome, sum(c.n) FROM order_counts c JOIN orders o ON o.id = c.order_id
WHERE c.state <> 'calls' GROUP BY 1, 2, 3, 4;

INSERT INTO schema_versions (version, works_since) VALUES (21, 10);

-- +goose Down
DELETE FROM schema_versions WHERE version = 21;
DROP TRIGGER total_removed_counts ON order_counts;
DROP TRIGGER total_changed_counts ON order_counts;
DROP TRIGGER total_new_counts ON order_counts;
DROP FUNCTION total_removed_counts, total_changed_counts, total_new_counts;
DROP TABLE job_totals;
