-- +goose Up

-- When the words of the registrar were removed from an order, and the digest of its details with them; NULL: they were not.
ALTER TABLE orders ADD COLUMN purged_at timestamptz;

-- A digest is a means to guess the details that it was made of. Where these were purged, what stays is as good as random: who
-- orders with the same details again is looked up at the registrar.
UPDATE holders SET words = NULL, digest = sha256(convert_to(gen_random_uuid()::text, 'UTF8')) WHERE details IS NULL;

INSERT INTO schema_versions (version, works_since) VALUES (12, 10);

-- +goose Down
DELETE FROM schema_versions WHERE version = 12;
ALTER TABLE orders DROP COLUMN purged_at;
