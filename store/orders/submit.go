package orders

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/store/delivery"
	"github.com/bulkreg/bulkreg/store/holders"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"
)

// NewOrder is an order on its way in.
type NewOrder struct {
	Source    string
	Reference string
	Kind      record.Kind
	Lane      record.Lane
	Account   string
	Digest    [32]byte // of its content; a repeat has the same
	ChunkSize int      // jobs per chunk
	Jobs      int      // how many jobs it has, where that is known; 0: it is not
	// Labels find the order again. They are no part of what it asks for: a repeat may have others, and changes none.
	Labels map[string]string
	Trace  string // the traceparent of where it came in; "" for none
	// Charge is what the order costs somebody; nil: nobody keeps count.
	Charge Charge
}

// Charge is booked last in the transaction that stores an order: what is not stored costs nothing, and a repeat costs nothing again.
type Charge interface {
	Book(ctx context.Context, tx pgx.Tx) error
}

// NewJob is a job on its way in. Its Seq is its place in the sequence.
type NewJob struct {
	ID            uuid.UUID
	Domain        string
	DomainUnicode string // "" where it is the same
	HolderID      string
	PeriodMonths  int
	Nameservers   []string
	AllowStatus   []string // words of a WHOIS status with which the domain may be registered all the same
	// Holder tells the holder of a registration by its details, where it has no HolderID. The first job of an order
	// with that holder brings the details; the others may leave them out.
	Holder        holders.Digest
	HolderDetails []byte // JSON; personal data
	// Person is whom a token is for, sealed by whoever has the key; nil for what is not to be carried out. Domain is the person's
	// subject then.
	Person         []byte
	PrivacyConsent *bool // what the order said of it; nil: nothing
	// Rejected says why nobody will carry the job out: its row ends as it begins. Only AdoptJobs takes such jobs. What is no
	// domain begins with a quote, and a registration that cannot be used has no holder: such a row is never tried again.
	Rejected string
}

// Submitted says what became of an order on its way in.
type Submitted struct {
	Order      record.Order
	Created    bool // false: the same order was there already, and nothing changed
	Duplicates int  // registrations that ended at once, because another live or registered job has the domain
}

// Submit takes an order in, whole or not at all: the order, its jobs by COPY, and its chunks,
// in one transaction. Then it wakes the dispatchers. The same order again changes nothing. The same reference with other
// content fails with a *ReferenceConflictError. An error that jobs yields rolls everything back and comes
// out as it is.
func (s *Orders) Submit(ctx context.Context, n NewOrder, jobs iter.Seq2[NewJob, error]) (Submitted, error) {
	if n.few() {
		return s.submitFew(ctx, n, jobs)
	}
	return s.submitMany(ctx, n, jobs)
}

// submitMany is Submit of any number of jobs.
func (s *Orders) submitMany(ctx context.Context, n NewOrder, jobs iter.Seq2[NewJob, error]) (Submitted, error) {
	var res Submitted
	err := s.db.InLongTx(ctx, "submit order", func(tx pgx.Tx) error {
		var err error
		res.Order, res.Created, err = insertOrder(ctx, tx, n)
		if err != nil || !res.Created {
			return err
		}
		switch n.Kind {
		case record.Register:
			res.Order.Total, res.Duplicates, err = takeRegistrations(ctx, tx, res.Order, jobs)
		case record.Token:
			res.Order.Total, err = copyJobs(ctx, tx, "jobs", personColumns(), res.Order, jobs)
		default:
			res.Order.Total, err = copyJobs(ctx, tx, "jobs", plainColumns(), res.Order, jobs)
		}
		if err != nil {
			return err
		}
		if err := finishOrder(ctx, tx, res.Order, n.ChunkSize); err != nil || n.Charge == nil {
			return err
		}
		return n.Charge.Book(ctx, tx)
	})
	if err == nil && res.Created {
		s.db.Wake(n.Kind)
	}
	return res, err
}

// insertOrder inserts the order, or finds the one that is there and compares. Of two producers that submit
// the same at once, the second waits for the first.
func insertOrder(ctx context.Context, tx pgx.Tx, n NewOrder) (o record.Order, created bool, err error) {
	o = record.Order{Source: n.Source, Reference: n.Reference, Kind: n.Kind, Lane: n.Lane, Account: n.Account}
	err = tx.QueryRow(ctx, `
		INSERT INTO orders (source, reference, kind, lane, account, digest, total, turn, labels, trace)
		VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8, $9)
		ON CONFLICT (source, reference) DO NOTHING
		RETURNING id, created_at`,
		n.Source, n.Reference, n.Kind, n.Lane, n.Account, n.Digest[:], delivery.TurnOf(n.Source), labelsOrNull(n.Labels), record.OrNull(n.Trace)).Scan(&o.ID, &o.CreatedAt)
	if err == nil {
		return o, true, nil
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return o, false, err
	}
	o, _, err = lookupOrder(ctx, tx, n)
	return o, false, err
}

func labelsOrNull(labels map[string]string) any {
	if len(labels) == 0 {
		return nil
	}
	return labels
}

// Lookup finds the order that n repeats, if there is one. It fails with a *ReferenceConflictError when the
// reference belongs to an order with other content.
func (s *Orders) Lookup(ctx context.Context, n NewOrder) (o record.Order, found bool, err error) {
	o, found, err = lookupOrder(ctx, s.db.Pool, n)
	return o, found, pg.Failure("look order up", err)
}

func lookupOrder(ctx context.Context, q pg.Querier, n NewOrder) (o record.Order, found bool, err error) {
	var (
		digest []byte
		purged *time.Time
	)
	err = q.QueryRow(ctx, `
		SELECT `+record.OrderColumns+`, o.digest,
			CASE WHEN o.kind = 'token' OR EXISTS (SELECT FROM order_holders oh WHERE oh.order_id = o.id) THEN o.purged_at END
		FROM orders o WHERE o.source = $1 AND o.reference = $2`,
		n.Source, n.Reference).Scan(append(o.Fields(), &digest, &purged)...)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return record.Order{}, false, nil
	case err != nil:
		return record.Order{}, false, err
	case o.Kind != n.Kind || o.Account != n.Account || !bytes.Equal(digest, n.Digest[:]):
		conflict := &record.ReferenceConflictError{Source: n.Source, Reference: n.Reference, Existing: o}
		if purged != nil && o.Kind == n.Kind && o.Account == n.Account {
			conflict.Purged = *purged
		}
		return o, true, conflict
	}
	return o, true, nil
}

var copyColumns = []string{"id", "order_id", "seq", "kind", "lane", "account",
	"domain", "domain_unicode", "holder_id", "period_months", "nameservers", "allow_status", "turn"}

// moreColumns are columns that jobs of a kind have after copyColumns, and their values.
type moreColumns struct {
	names []string
	of    func(NewJob) []any
}

func plainColumns() moreColumns { return moreColumns{of: func(NewJob) []any { return nil }} }

// copyJobs copies jobs into a table: copyColumns, and more after them.
func copyJobs(ctx context.Context, tx pgx.Tx, table string, more moreColumns, o record.Order, jobs iter.Seq2[NewJob, error]) (int, error) {
	next, stop := iter.Pull2(jobs)
	defer stop()
	seq, turn := 0, delivery.TurnOf(o.Source)
	columns := slices.Concat(copyColumns, more.names)
	row := make([]any, len(columns))
	var failed error
	n, err := tx.CopyFrom(ctx, pgx.Identifier{table}, columns, pgx.CopyFromFunc(func() ([]any, error) {
		j, err, ok := next()
		if !ok {
			return nil, nil
		}
		if err != nil {
			failed = pg.Untouched(err)
			return nil, failed
		}
		seq++
		copy(row, []any{pg.ToUUID(j.ID), o.ID, seq, string(o.Kind), string(o.Lane), o.Account,
			j.Domain, record.OrNull(j.DomainUnicode), record.OrNull(j.HolderID), record.OrNull(j.PeriodMonths), j.Nameservers, j.AllowStatus, turn})
		copy(row[len(copyColumns):], more.of(j))
		return row, nil
	}))
	if failed != nil {
		return 0, failed
	}
	return int(n), err
}

// takeRegistrations takes registrations in past the rule that a domain has one live or registered job: few in a statement, many
// through a temporary table, which takes milliseconds and leaves rows behind in the system's catalog.
func takeRegistrations(ctx context.Context, tx pgx.Tx, o record.Order, jobs iter.Seq2[NewJob, error]) (total, duplicates int, err error) {
	next, stop := iter.Pull2(jobs)
	defer stop()
	var few []NewJob
	for len(few) < fewJobs {
		j, err, ok := next()
		if !ok {
			inserted, duplicates, err := insertFew(ctx, tx, o, 0, few)
			return inserted + duplicates, duplicates, err
		}
		if err != nil {
			return 0, 0, pg.Untouched(err)
		}
		few = append(few, j)
		if j.Holder != (holders.Digest{}) {
			break // holders that come with their details are found through the table
		}
	}
	return copyRegistrations(ctx, tx, o, func(yield func(NewJob, error) bool) {
		for _, j := range few {
			if !yield(j, nil) {
				return
			}
		}
		for j, err, ok := next(); ok; j, err, ok = next() {
			if !yield(j, err) {
				return
			}
		}
	})
}

// fewJobs is how many jobs are inserted without a table to copy them to.
const fewJobs = 500

func copyRegistrations(ctx context.Context, tx pgx.Tx, o record.Order, jobs iter.Seq2[NewJob, error]) (total, duplicates int, err error) {
	_, err = tx.Exec(ctx, `
		CREATE TEMPORARY TABLE incoming (
			id uuid, order_id bigint, seq integer, kind text, lane text, account text, domain text, domain_unicode text,
			holder_id text, period_months integer, nameservers text[], allow_status text[], turn smallint, holder_digest bytea, holder_details jsonb
		) ON COMMIT DROP`)
	if err != nil {
		return 0, 0, err
	}
	var named bool // by its details, a holder
	total, err = copyJobs(ctx, tx, "incoming", holderColumns(), o, watchHolders(jobs, &named))
	if err != nil {
		return 0, 0, err
	}
	incoming := "SELECT *, " + nobody + ", NULL::bigint AS holder_key FROM incoming"
	if named {
		if err := insertHolders(ctx, tx, o); err != nil {
			return 0, 0, err
		}
		incoming = incomingWithHolders()
	}
	_, duplicates, err = insertIncoming(ctx, tx, total, incoming)
	return total, duplicates, err
}

// finishOrder writes what depends on the number of jobs.
func finishOrder(ctx context.Context, tx pgx.Tx, o record.Order, chunkSize int) error {
	_, err := tx.Exec(ctx, `
		WITH o AS (
			UPDATE orders SET total = $3 WHERE id = $1 RETURNING id, kind, lane, account, turn
		)
		INSERT INTO chunks (order_id, first_seq, last_seq, kind, lane, account, turn)
		SELECT o.id, first, least(first + $2 - 1, $3), o.kind, o.lane, o.account, o.turn
		FROM o, generate_series(1, $3::integer, $2::integer) AS first`,
		o.ID, chunkSize, o.Total)
	return err
}

// adoptable lets a producer's task through that only repeats jobs of an order submitted whole.
func adoptable(ctx context.Context, tx pgx.Tx, n NewOrder, o record.Order, jobs []NewJob) error {
	ids := pg.ToUUIDs(jobs, func(j NewJob) uuid.UUID { return j.ID })
	var known int
	err := tx.QueryRow(ctx, `SELECT count(*) FROM jobs WHERE id = ANY($1) AND order_id = $2 AND kind = $3 AND account = $4`,
		ids, o.ID, n.Kind, n.Account).Scan(&known)
	if err != nil {
		return err
	}
	if known != len(jobs) {
		return &record.ReferenceConflictError{Source: n.Source, Reference: n.Reference, Existing: o}
	}
	return nil
}
