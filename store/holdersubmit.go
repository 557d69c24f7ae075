package store

import (
	"context"
	"iter"

	"github.com/jackc/pgx/v5"
)

// holderColumns are those that incoming registrations have after copyColumns.
var holderColumns = []string{"holder_digest", "holder_details"}

// incomingWithHolders puts the holder's key into incoming registrations. Zero is nobody's key: the foreign key refuses a
// job that names a holder whose details nobody gave.
const incomingWithHolders = `
	SELECT i.*, CASE WHEN i.holder_digest IS NOT NULL THEN coalesce(h.id, 0) END AS holder_key
	FROM incoming i
	LEFT JOIN holders h ON h.account = i.account AND h.digest = i.holder_digest AND h.retired_at IS NULL`

// watchHolders lets jobs through and notes whether one of them names its holder by details.
func watchHolders(jobs iter.Seq2[NewJob, error], named *bool) iter.Seq2[NewJob, error] {
	return func(yield func(NewJob, error) bool) {
		for j, err := range jobs {
			*named = *named || j.Holder != (HolderDigest{})
			if !yield(j, err) {
				return
			}
		}
	}
}

// purgeLock keeps a purge from taking details away that an order on its way in relies on.
const purgeLock = 0x62756c6b // "bulk"

// insertHolders remembers the holders of incoming registrations. Those that are known already stay as they are, but for
// details that were purged. Rows go in by digest, so that two orders with the same holders cannot lock each other out.
func insertHolders(ctx context.Context, tx pgx.Tx, o Order) error {
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock_shared($1)`, purgeLock); err != nil {
		return err
	}
	const given = `
		SELECT DISTINCT ON (holder_digest) holder_digest AS digest, holder_details AS details
		FROM incoming WHERE holder_details IS NOT NULL ORDER BY holder_digest`
	_, err := tx.Exec(ctx, `
		INSERT INTO holders (account, digest, details) SELECT $1, digest, details FROM (`+given+`) AS given
		ON CONFLICT (account, digest) WHERE retired_at IS NULL DO NOTHING`, o.Account)
	if err != nil {
		return err
	}
	// Not with the insertion: ON CONFLICT DO UPDATE would lock every holder until the order is in, also for workers.
	_, err = tx.Exec(ctx, `
		UPDATE holders h SET details = given.details, purged_at = NULL
		FROM (`+given+`) AS given
		WHERE h.account = $1 AND h.digest = given.digest AND h.retired_at IS NULL AND h.details IS NULL`, o.Account)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO order_holders (order_id, holder_key)
		SELECT $2, h.id FROM (SELECT DISTINCT holder_digest AS digest FROM incoming WHERE holder_digest IS NOT NULL) AS named
		JOIN holders h ON h.account = $1 AND h.digest = named.digest AND h.retired_at IS NULL`, o.Account, o.ID)
	return err
}
