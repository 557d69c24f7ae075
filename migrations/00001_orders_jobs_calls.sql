-- +goose Up

-- An order is what a producer asked for at once. A producer may repeat it under the same
-- (source, reference) as often as it likes; the digest tells a repeat from a mistake.
CREATE TABLE orders (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source     text        NOT NULL CHECK (source <> '' AND length(source) <= 64),
    reference  text        NOT NULL CHECK (reference <> '' AND length(reference) <= 128),
    kind       text        NOT NULL CHECK (kind IN ('whois', 'register', 'token')),
    lane       text        NOT NULL CHECK (lane IN ('plain', 'bulk')),
    account    text        NOT NULL CHECK (account <> '' AND length(account) <= 64),
    -- NULL: the order grows chunk by chunk, from a producer that enqueues tasks itself.
    digest     bytea       CHECK (length(digest) = 32),
    total      integer     NOT NULL CHECK (total >= 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (source, reference)
);
CREATE INDEX orders_created ON orders (created_at DESC, id DESC);
CREATE INDEX orders_reference ON orders (reference);

-- A job is one domain of an order.
--
-- The way of most jobs is queued, running, succeeded. No indexed column changes on that way, so
-- both updates are heap-only: that is what fillfactor leaves room for, why live_domain is a column of its
-- own, and why a job that waits as part of a chunk has no wake_at (the chunk has it).
CREATE TABLE jobs (
    id             uuid        PRIMARY KEY,
    -- No foreign key: checking it took more than half of the time of taking an order in, and jobs come in the
    -- transaction of their order, which nothing deletes.
    order_id       bigint      NOT NULL,
    seq            integer     NOT NULL,
    kind           text        NOT NULL CHECK (kind IN ('whois', 'register', 'token')),
    lane           text        NOT NULL CHECK (lane IN ('plain', 'bulk')),
    account        text        NOT NULL,
    domain         text        NOT NULL,
    domain_unicode text,       -- NULL where it is the same as domain
    holder_id      text,
    period_months  integer     CHECK (period_months > 0),
    nameservers    text[],
    state          text        NOT NULL DEFAULT 'queued',
    outcome        text,
    epoch          integer     NOT NULL DEFAULT 0,
    attempts       integer     NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    claim_id       uuid,       -- the newest claim, also after it ended
    wake_at        timestamptz,
    last_error     text,
    created_at     timestamptz NOT NULL DEFAULT now(),
    finished_at    timestamptz,
    live_domain    text GENERATED ALWAYS AS (
        CASE WHEN kind = 'register' AND (finished_at IS NULL OR outcome = 'registered') THEN domain END) STORED,

    CONSTRAINT jobs_state CHECK (state IN
        ('queued', 'running', 'retrying', 'held', 'unconfirmed', 'succeeded', 'failed', 'canceled')),
    CONSTRAINT jobs_finished CHECK (
        (finished_at IS NOT NULL) = (state IN ('succeeded', 'failed', 'canceled'))),
    CONSTRAINT jobs_outcome CHECK (CASE state
        WHEN 'succeeded' THEN outcome IS NOT NULL AND outcome = CASE kind
            WHEN 'register' THEN 'registered' WHEN 'token' THEN 'issued'
            ELSE CASE outcome WHEN 'available' THEN 'available' ELSE 'taken' END END
        WHEN 'failed' THEN outcome IS NOT NULL AND outcome IN ('taken', 'rejected', 'duplicate', 'exhausted')
        ELSE outcome IS NULL END),
    CONSTRAINT jobs_wake CHECK (CASE state
        WHEN 'retrying' THEN wake_at IS NOT NULL
        WHEN 'queued' THEN true
        ELSE wake_at IS NULL END),
    CONSTRAINT jobs_running_claimed CHECK (state <> 'running' OR claim_id IS NOT NULL),
    CONSTRAINT jobs_unconfirmed_kind CHECK (state <> 'unconfirmed' OR kind = 'register')
) WITH (fillfactor = 30);
CREATE UNIQUE INDEX jobs_order_seq ON jobs (order_id, seq);
-- The dispatcher's: jobs that wake one by one (a retry, a rescue, a job given back).
CREATE INDEX jobs_due ON jobs (kind, lane, account, wake_at) WHERE wake_at IS NOT NULL;
-- One live or registered job per domain, over all orders and accounts.
CREATE UNIQUE INDEX jobs_live_domain ON jobs (live_domain) WHERE live_domain IS NOT NULL;

-- A chunk is a run of an order's jobs that one task carries. While its jobs are queued without a
-- wake_at of their own, the chunk's is theirs. When that passes, those of them that are still queued get
-- one each, and the chunk goes.
CREATE TABLE chunks (
    order_id  bigint  NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    first_seq integer NOT NULL,
    last_seq  integer NOT NULL CHECK (last_seq >= first_seq),
    kind      text    NOT NULL,
    lane      text    NOT NULL,
    account   text    NOT NULL,
    wake_at   timestamptz, -- NULL until delivered: fresh chunks are due at once
    PRIMARY KEY (order_id, first_seq)
);
CREATE INDEX chunks_fresh ON chunks (kind, lane, account, order_id, first_seq) WHERE wake_at IS NULL;
CREATE INDEX chunks_delivered ON chunks (wake_at) WHERE wake_at IS NOT NULL;

-- A claim is the only licence to call: these jobs, for this worker, until lease_until.
CREATE TABLE claims (
    id          uuid        PRIMARY KEY,
    kind        text        NOT NULL,
    account     text        NOT NULL,
    worker      text        NOT NULL,
    job_ids     uuid[]      NOT NULL,
    order_ids   bigint[]    NOT NULL,
    taken_at    timestamptz NOT NULL DEFAULT now(),
    lease_until timestamptz NOT NULL,
    closed_at   timestamptz
);
CREATE INDEX claims_lease ON claims (lease_until) WHERE closed_at IS NULL;
CREATE INDEX claims_orders ON claims USING gin (order_ids);

-- A call is one upstream request: recorded before it is sent, completed when it came back.
CREATE TABLE calls (
    id          uuid        PRIMARY KEY,
    claim_id    uuid        NOT NULL REFERENCES claims (id) ON DELETE CASCADE,
    op          text        NOT NULL CHECK (op IN ('whois', 'check', 'register', 'token')),
    size        integer     NOT NULL CHECK (size > 0),
    job_ids     uuid[],     -- NULL: all of the claim's, which is the rule
    started_at  timestamptz NOT NULL DEFAULT now(),
    deadline    timestamptz NOT NULL,
    finished_at timestamptz,
    status      integer,    -- HTTP status; NULL when none arrived
    duration_ms integer,
    error       text        -- in the upstream's words, where it had any
);
CREATE INDEX calls_claim ON calls (claim_id);

-- An attempt is one job in one paid call. Attempts are only ever added, and each row says how it was
-- resolved. An open or unknown attempt bars the domain for every job.
CREATE TABLE attempts (
    call_id     uuid        NOT NULL REFERENCES calls (id) ON DELETE CASCADE,
    job_id      uuid        NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    domain      text        NOT NULL,
    state       text        NOT NULL DEFAULT 'open' CHECK (state IN
        ('open', 'registered', 'failed', 'refused', 'not_sent', 'unknown', 'cleared')),
    status_code integer,
    message     text,
    opened_at   timestamptz NOT NULL DEFAULT now(),
    resolved_at timestamptz,
    resolved_by text,       -- reply, readings, or the operator's name
    PRIMARY KEY (call_id, job_id),
    CONSTRAINT attempts_resolved CHECK ((state IN ('open', 'unknown')) = (resolved_at IS NULL)),
    CONSTRAINT attempts_resolver CHECK ((resolved_at IS NULL) = (resolved_by IS NULL))
);
CREATE UNIQUE INDEX attempts_unresolved ON attempts (domain) WHERE state IN ('open', 'unknown');
CREATE INDEX attempts_domain ON attempts (domain);
CREATE INDEX attempts_job ON attempts (job_id);

-- A reading is what WHOIS said of a domain whose paid call had no definite answer: the evidence.
CREATE TABLE readings (
    job_id       uuid        NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    call_id      uuid        NOT NULL REFERENCES calls (id) ON DELETE CASCADE,
    availability text        NOT NULL CHECK (availability IN ('available', 'taken')),
    status       text,
    read_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (job_id, call_id)
);

-- +goose Down
DROP TABLE readings, attempts, calls, claims, chunks, jobs, orders;
