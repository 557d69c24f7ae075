-- +goose Up

-- Where an order came in, for whoever follows it: the value of the header traceparent, which has ids and nothing else.
ALTER TABLE orders ADD COLUMN trace text;
ALTER TABLE orders ADD CONSTRAINT orders_trace CHECK (trace ~ '^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$') NOT VALID;

INSERT INTO schema_versions (version, works_since) VALUES (22, 10);

-- +goose Down
DELETE FROM schema_versions WHERE version = 22;
ALTER TABLE orders DROP COLUMN trace;
