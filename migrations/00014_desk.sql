-- +goose Up

-- Which orders have jobs that a person must decide on, for whoever asks what needs a person: nobody reads all jobs for it. The
-- column changes only for these jobs, so that the usual updates stay heap-only.
ALTER TABLE jobs ADD COLUMN unconfirmed_order bigint GENERATED ALWAYS AS (CASE WHEN state = 'unconfirmed' THEN order_id END) STORED;
CREATE INDEX jobs_unconfirmed ON jobs (unconfirmed_order) WHERE unconfirmed_order IS NOT NULL;

-- retry now: a job that waits for its next attempt need not wait any longer.
ALTER TABLE operator_acts DROP CONSTRAINT operator_acts_act_check,
    ADD CONSTRAINT operator_acts_act_check CHECK (act IN
        ('confirm registered', 'confirm not registered', 'retry', 'retry now', 'cancel')),
    DROP CONSTRAINT operator_acts_reason,
    ADD CONSTRAINT operator_acts_reason CHECK (reason IS NOT NULL OR act IN ('retry', 'retry now', 'cancel'));

INSERT INTO schema_versions (version, works_since) VALUES (14, 10);

-- +goose Down
DELETE FROM schema_versions WHERE version = 14;
DELETE FROM operator_acts WHERE act = 'retry now';
ALTER TABLE operator_acts DROP CONSTRAINT operator_acts_reason,
    ADD CONSTRAINT operator_acts_reason CHECK (reason IS NOT NULL OR act IN ('retry', 'cancel')),
    DROP CONSTRAINT operator_acts_act_check,
    ADD CONSTRAINT operator_acts_act_check CHECK (act IN ('confirm registered', 'confirm not registered', 'retry', 'cancel'));
DROP INDEX jobs_unconfirmed;
ALTER TABLE jobs DROP COLUMN unconfirmed_order;
