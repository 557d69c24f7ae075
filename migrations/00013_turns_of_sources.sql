-- +goose Up

-- Sources take turns at an account, and the orders of a source within its turn. turn is a number made of the source's name: it
-- costs a job no room, and tells sources apart but for one pair in thirty thousand, which then share a turn. 0 is what a release
-- before this one wrote, all of it together.
ALTER TABLE orders ADD COLUMN turn smallint NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN turn smallint NOT NULL DEFAULT 0;
ALTER TABLE chunks ADD COLUMN turn smallint NOT NULL DEFAULT 0;

-- Whoever looks for the next source steps from one to the next, and reads nothing of what they have waiting.
CREATE INDEX chunks_fresh_turns ON chunks (kind, lane, account, turn, order_id, first_seq) WHERE wake_at IS NULL;
CREATE INDEX jobs_due_turns ON jobs (kind, lane, account, turn, wake_at) WHERE wake_at IS NOT NULL;

INSERT INTO schema_versions (version, works_since) VALUES (13, 10);

-- +goose Down
DELETE FROM schema_versions WHERE version = 13;
DROP INDEX jobs_due_turns;
DROP INDEX chunks_fresh_turns;
ALTER TABLE chunks DROP COLUMN turn;
ALTER TABLE jobs DROP COLUMN turn;
ALTER TABLE orders DROP COLUMN turn;
