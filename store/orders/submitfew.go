package orders

import (
	"context"
	"errors"
	"iter"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/store/delivery"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"
)

// maxFew is up to how many jobs an order is inserted in one exchange with the database.
const maxFew = 100

// few reports whether the order is inserted in one exchange. Registrations claim their domains, so that each has to be looked at,
// people come with more than a name, and a charge may be refused.
func (n NewOrder) few() bool {
	return n.Kind == record.Whois && n.Jobs > 0 && n.Jobs <= maxFew && n.Charge == nil
}

// submitFew is Submit of a few checks. It is one statement, whose commit waits for the disk like that of any order.
func (s *Orders) submitFew(ctx context.Context, n NewOrder, all iter.Seq2[NewJob, error]) (Submitted, error) {
	jobs := make([]NewJob, 0, n.Jobs)
	for j, err := range all {
		if err != nil {
			return Submitted{}, err
		}
		jobs = append(jobs, j)
	}
	ids, domains, spellings := pg.ToUUIDs(jobs, func(j NewJob) uuid.UUID { return j.ID }), make([]string, len(jobs)), make([]string, len(jobs))
	for i, j := range jobs {
		domains[i], spellings[i] = j.Domain, j.DomainUnicode
	}
	res := Submitted{Created: true, Order: record.Order{
		Source: n.Source, Reference: n.Reference, Kind: n.Kind, Lane: n.Lane, Account: n.Account, Total: len(jobs),
	}}
	var batch pgx.Batch
	batch.Queue(toTheDisk)
	batch.Queue(insertFewJobs, pgx.NamedArgs{
		"source": n.Source, "reference": n.Reference, "kind": n.Kind, "lane": n.Lane, "account": n.Account, "digest": n.Digest[:],
		"turn": delivery.TurnOf(n.Source), "labels": labelsOrNull(n.Labels), "trace": record.OrNull(n.Trace), "total": len(jobs), "size": n.ChunkSize,
		"ids": ids, "domains": domains, "spellings": spellings,
	}).QueryRow(func(row pgx.Row) error { return row.Scan(&res.Order.ID, &res.Order.CreatedAt) })
	err := s.db.Pool.SendBatch(ctx, &batch).Close()
	if errors.Is(err, pgx.ErrNoRows) { // the reference is there
		o, found, err := s.Lookup(ctx, n)
		if err == nil && !found {
			err = changedError{}
		}
		return Submitted{Order: o}, err
	}
	if err != nil {
		return Submitted{}, pg.Failure("submit order", err)
	}
	s.db.Wake(n.Kind)
	return res, nil
}

// toTheDisk has the commit of the transaction wait for the disk, as pg.Begin has.
const toTheDisk = `SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'`

const insertFewJobs = `
	WITH o AS (
		INSERT INTO orders (source, reference, kind, lane, account, digest, total, turn, labels, trace)
		VALUES (@source, @reference, @kind, @lane, @account, @digest, @total::integer, @turn::smallint, @labels::jsonb, @trace)
		ON CONFLICT (source, reference) DO NOTHING
		RETURNING id, created_at, kind, lane, account, turn
	), j AS (
		INSERT INTO jobs (id, order_id, seq, kind, lane, account, domain, domain_unicode, turn)
		SELECT r.id, o.id, r.seq, o.kind, o.lane, o.account, r.domain, nullif(r.spelling, ''), o.turn
		FROM o, unnest(@ids::uuid[], @domains::text[], @spellings::text[]) WITH ORDINALITY AS r (id, domain, spelling, seq)
	), c AS (
		INSERT INTO chunks (order_id, first_seq, last_seq, kind, lane, account, turn)
		SELECT o.id, first, least(first + @size::integer - 1, @total::integer), o.kind, o.lane, o.account, o.turn
		FROM o, generate_series(1, @total::integer, @size::integer) AS first
	)
	SELECT id, created_at FROM o`
