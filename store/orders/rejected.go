package orders

import (
	"context"

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

// insertRejected inserts jobs that nobody will carry out, as final rows. Their domains claim nothing: several such rows may have
// the same.
func insertRejected(ctx context.Context, tx pgx.Tx, records []jobRecord) error {
	if len(records) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO jobs (id, order_id, seq, kind, lane, account, domain, domain_unicode, holder_id, period_months, nameservers,
			allow_status, turn, privacy_consent, state, outcome, finished_at, last_error)
		SELECT r.id, o.id, r.seq, o.kind, o.lane, o.account, r.domain, r.domain_unicode, r.holder_id, r.period_months, r.nameservers,
			r.allow_status, o.turn, r.privacy_consent, 'failed', 'rejected', now(), r.words
		FROM `+jobRecords+` JOIN orders o ON o.id = r.order_id`, records)
	return err
}
