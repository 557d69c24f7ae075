-- +goose Up

-- outage: the registrar does not answer. paused: an operator's. restored: Postgres may have forgotten what was sent. The
-- last two are lifted by a person only: no probe is ever due.
ALTER TABLE holds DROP CONSTRAINT holds_reason_check,
    ADD CONSTRAINT holds_reason_check CHECK (reason IN ('payment', 'auth', 'contract', 'outage', 'paused', 'restored')),
    ALTER COLUMN next_probe_at DROP NOT NULL,
    ALTER COLUMN probe_every DROP NOT NULL,
    ADD CONSTRAINT holds_probed CHECK ((reason IN ('paused', 'restored')) = (next_probe_at IS NULL)
        AND (next_probe_at IS NULL) = (probe_every IS NULL)),
    ADD COLUMN placed_by text CHECK (placed_by <> '' AND length(placed_by) <= 64), -- the operator; NULL: bulkreg itself
    -- The job that was probed last, as its place among the held: the next probe goes on behind it.
    ADD COLUMN probed_created_at timestamptz,
    ADD COLUMN probed_seq        integer;

-- An operator has paused one order. Its jobs wait like those of an account on hold, and nobody else's.
CREATE TABLE order_holds (
    order_id  bigint      PRIMARY KEY REFERENCES orders (id) ON DELETE CASCADE,
    since     timestamptz NOT NULL DEFAULT now(),
    placed_by text        NOT NULL CHECK (placed_by <> '' AND length(placed_by) <= 64),
    words     text        NOT NULL DEFAULT '' CHECK (length(words) <= 500)
);

-- Words in which the registrar refused jobs one by one until their account was held, and which another job has shown to be
-- about these jobs only. For a while they hold nobody any more: who is refused in them ends so.
CREATE TABLE lifted_refusals (
    account   text        NOT NULL,
    status    integer     NOT NULL,
    words     text        NOT NULL CHECK (length(words) <= 500),
    lifted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account, status, words)
);

-- +goose Down
DROP TABLE lifted_refusals;
DELETE FROM holds WHERE reason IN ('outage', 'paused', 'restored');
DROP TABLE order_holds;
ALTER TABLE holds DROP CONSTRAINT holds_probed,
    DROP COLUMN placed_by, DROP COLUMN probed_created_at, DROP COLUMN probed_seq,
    ALTER COLUMN next_probe_at SET NOT NULL,
    ALTER COLUMN probe_every SET NOT NULL,
    DROP CONSTRAINT holds_reason_check,
    ADD CONSTRAINT holds_reason_check CHECK (reason IN ('payment', 'auth', 'contract'));
