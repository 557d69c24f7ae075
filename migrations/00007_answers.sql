-- +goose Up

-- What WHOIS said of a domain beside available or taken: premium, reserved, quarantine, a price. Shown to people as it is.
-- A registration whose domain it is said of is not sent, unless its order allows these words.
ALTER TABLE jobs ADD COLUMN whois_status text CHECK (whois_status <> '' AND length(whois_status) <= 500),
    ADD COLUMN allow_status text[];

-- The registrar accepted the domain in this call and will carry it out later, or says so in a word that nobody knows. It
-- bars its domain like any attempt without an answer, but no WHOIS reading ever clears it.
ALTER TABLE attempts ADD COLUMN accepted boolean NOT NULL DEFAULT false;

-- Domains that a reply called registered although its call did not ask for them: somebody has to find out who pays.
CREATE TABLE stray_registrations (
    call_id     uuid        NOT NULL REFERENCES calls (id) ON DELETE CASCADE,
    domain      text        NOT NULL CHECK (domain <> '' AND length(domain) <= 500),
    message     text        CHECK (length(message) <= 500),
    heard_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (call_id, domain)
);

-- +goose Down
DROP TABLE stray_registrations;
ALTER TABLE attempts DROP COLUMN accepted;
ALTER TABLE jobs DROP COLUMN whois_status, DROP COLUMN allow_status;
