-- +goose Up

-- Which orders have held jobs: whoever looks for one that may go on steps from a paused order to the next, and reads none of
-- the jobs between.
CREATE INDEX jobs_held_orders ON jobs (held_account, kind, order_id, seq) WHERE held_account IS NOT NULL;

INSERT INTO schema_versions (version, works_since) VALUES (11, 10);

-- +goose Down
DELETE FROM schema_versions WHERE version = 11;
DROP INDEX jobs_held_orders;
