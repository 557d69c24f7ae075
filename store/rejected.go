package store

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// splitRejected parts jobs that end at once from those that go on.
func splitRejected(jobs []NewJob) (good, rejected []NewJob) {
	for _, j := range jobs {
		if j.Rejected == "" {
			good = append(good, j)
		} else {
			rejected = append(rejected, j)
		}
	}
	return good, rejected
}

// insertRejected inserts jobs that nobody will carry out, as final rows whose places follow after. Their domains claim
// nothing: several such rows may have the same.
func insertRejected(ctx context.Context, tx pgx.Tx, o Order, after int, jobs []NewJob) (int, error) {
	if len(jobs) == 0 {
		return 0, nil
	}
	type row struct {
		ID            uuid.UUID `json:"id"`
		Seq           int       `json:"seq"`
		Domain        string    `json:"domain"`
		DomainUnicode *string   `json:"domain_unicode"`
		HolderID      *string   `json:"holder_id"`
		PeriodMonths  *int      `json:"period_months"`
		Nameservers   []string  `json:"nameservers"`
		AllowStatus   []string  `json:"allow_status"`
		Words         string    `json:"words"`
	}
	rows := make([]row, len(jobs))
	for i, j := range jobs {
		rows[i] = row{j.ID, after + i + 1, j.Domain, orNull(j.DomainUnicode), orNull(j.HolderID), orNull(j.PeriodMonths), j.Nameservers, j.AllowStatus, clip(j.Rejected)}
	}
	tag, err := tx.Exec(ctx, `
		INSERT INTO jobs (id, order_id, seq, kind, lane, account, domain, domain_unicode, holder_id, period_months, nameservers,
			allow_status, state, outcome, finished_at, last_error)
		SELECT r.id, o.id, r.seq, o.kind, o.lane, o.account, r.domain, r.domain_unicode, r.holder_id, r.period_months, r.nameservers,
			r.allow_status, 'failed', 'rejected', now(), r.words
		FROM jsonb_to_recordset($1) AS r (id uuid, seq integer, domain text, domain_unicode text, holder_id text,
			period_months integer, nameservers text[], allow_status text[], words text)
		JOIN orders o ON o.id = $2`, rows, o.ID)
	return int(tag.RowsAffected()), err
}
