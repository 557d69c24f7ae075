-- +goose Up

-- The workers, as they report themselves every few seconds. The dispatchers' window grows with the call slots of those that
-- are alive, and whoever asks why nothing moves is told which of them could move it.
CREATE TABLE workers (
    name       text        PRIMARY KEY CHECK (name <> '' AND length(name) <= 300),
    started_at timestamptz NOT NULL DEFAULT now(),
    seen_at    timestamptz NOT NULL DEFAULT now(),
    stopping   boolean     NOT NULL DEFAULT false,
    -- One object per kind and account: {"kind", "account", "slots", "busy", "waiting", "waiting_since", "paused"}. slots is
    -- its calls in flight at most, busy those now, waiting the jobs that wait in it for a slot, paused the queues that somebody
    -- paused from outside.
    lots       jsonb       NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(lots) = 'array'),
    trouble    text        CHECK (length(trouble) <= 500) -- what keeps it from working, NULL if nothing does
);
CREATE INDEX workers_seen ON workers (seen_at);

-- +goose Down
DROP TABLE workers;
