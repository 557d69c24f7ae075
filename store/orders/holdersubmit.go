package orders

import (
	"context"
	"iter"

	"github.com/bulkreg/bulkreg/store/holders"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/jackc/pgx/v5"
)

// holderColumns are those that incoming registrations have after copyColumns.
func holderColumns() moreColumns {
	return moreColumns{[]string{"holder_digest", "holder_details"}, func(j NewJob) []any { return []any{j.Holder.OrNull(), j.HolderDetails} }}
}

// holderOf is a column of the holder that an order of an account means by a digest. It is a subquery and no join on purpose:
// one look into an index for each row, whatever the planner believes of tables that were empty a moment ago.
func holderOf(column, account, digest string) string {
	return `(SELECT h.` + column + ` FROM holders h WHERE h.account = ` + account + ` AND h.digest = ` + digest + ` AND h.retired_at IS NULL)`
}

// incomingWithHolders puts the holder's key into incoming registrations.
func incomingWithHolders() string {
	return `
		SELECT i.*, CASE WHEN i.holder_digest IS NOT NULL THEN ` + holderOf("id", "i.account", "i.holder_digest") + ` END AS holder_key, ` + nobody + `
		FROM incoming i`
}

// watchHolders lets jobs through and notes whether one of them names its holder by details.
func watchHolders(jobs iter.Seq2[NewJob, error], named *bool) iter.Seq2[NewJob, error] {
	return func(yield func(NewJob, error) bool) {
		for j, err := range jobs {
			*named = *named || j.Holder != (holders.Digest{})
			if !yield(j, err) {
				return
			}
		}
	}
}

// PurgeLock keeps a purge from taking details away that an order on its way in relies on.
const PurgeLock = 0x62756c6b // "bulk"

// insertHolders remembers the holders of incoming registrations. Those that are known already stay as they are, but for
// details that a release before purged and kept the digest of. Rows go in by digest, so that two orders with the same holders cannot lock each other out.
func insertHolders(ctx context.Context, tx pgx.Tx, o record.Order) error {
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock_shared($1)`, PurgeLock); err != nil {
		return err
	}
	// Only those who are new, or were purged: ON CONFLICT DO UPDATE locks the others too, and workers would wait.
	_, err := tx.Exec(ctx, `
		INSERT INTO holders AS known (account, digest, details)
		SELECT DISTINCT ON (holder_digest) $1, holder_digest, holder_details FROM incoming
		WHERE holder_details IS NOT NULL AND `+holderOf("details", "$1", "incoming.holder_digest")+` IS NULL
		ORDER BY holder_digest
		ON CONFLICT (account, digest) WHERE retired_at IS NULL DO UPDATE SET details = excluded.details, purged_at = NULL
			WHERE known.details IS NULL`, o.Account)
	if err != nil {
		return err
	}
	// Zero is nobody's key: the foreign key refuses an order that names a holder whose details nobody gave.
	_, err = tx.Exec(ctx, `
		INSERT INTO order_holders (order_id, holder_key)
		SELECT $2, coalesce(`+holderOf("id", "$1", "named.holder_digest")+`, 0)
		FROM (SELECT DISTINCT holder_digest FROM incoming WHERE holder_digest IS NOT NULL) AS named`, o.Account, o.ID)
	return err
}
