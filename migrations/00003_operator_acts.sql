-- +goose Up

-- An act is what a person did to a job, written together with the change itself. Nothing else changes a final state.
CREATE TABLE operator_acts (
    id             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id         uuid        NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    act            text        NOT NULL CHECK (act IN
        ('confirm registered', 'confirm not registered', 'retry', 'cancel')),
    -- attempts.resolved_by holds this name, or one of these two words.
    operator       text        NOT NULL CHECK (
        operator <> '' AND length(operator) <= 64 AND operator NOT IN ('reply', 'readings')),
    reason         text        CHECK (reason <> '' AND length(reason) <= 500),
    state_before   text        NOT NULL,
    outcome_before text,       -- NULL where the job was not final, or canceled
    error_before   text,
    -- Not the transaction's time: by then the job's row is locked, so that every attempt made before the act is older.
    at             timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT operator_acts_reason CHECK (reason IS NOT NULL OR act IN ('retry', 'cancel'))
);
CREATE INDEX operator_acts_job ON operator_acts (job_id, at);

-- A disowned attempt has left no doubt behind: an operator has found out that it had no effect.
ALTER TABLE attempts DROP CONSTRAINT attempts_state_check,
    ADD CONSTRAINT attempts_state_check CHECK (state IN
        ('open', 'registered', 'failed', 'refused', 'not_sent', 'unknown', 'cleared', 'disowned'));

-- +goose Down
UPDATE attempts SET state = 'cleared' WHERE state = 'disowned';
ALTER TABLE attempts DROP CONSTRAINT attempts_state_check,
    ADD CONSTRAINT attempts_state_check CHECK (state IN
        ('open', 'registered', 'failed', 'refused', 'not_sent', 'unknown', 'cleared'));
DROP TABLE operator_acts;
