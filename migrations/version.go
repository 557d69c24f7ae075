package migrations

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Querier is a connection or a pool.
type Querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Version is the version of the schema that a database has, 0 if it has none. Errors are the driver's.
func Version(ctx context.Context, db Querier) (int64, error) {
	var version int64
	present, err := exists(ctx, db, VersionTable)
	switch {
	case err != nil:
		return 0, err
	case present:
		err = db.QueryRow(ctx, `SELECT coalesce(max(version_id), 0) FROM `+VersionTable+` WHERE is_applied`).Scan(&version)
		return version, err
	}
	version, _, err = earlier(ctx, db)
	return version, err
}

// WorksSince is the oldest program, by its newest migration, that works on a version of the schema as the database tells; 0 if
// it does not tell.
func WorksSince(ctx context.Context, db Querier, version int64) (int64, error) {
	present, err := exists(ctx, db, "schema_versions")
	if err != nil || !present {
		return 0, err
	}
	var since int64
	err = db.QueryRow(ctx, `SELECT works_since FROM schema_versions WHERE version = $1`, version).Scan(&since)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	return since, err
}

func exists(ctx context.Context, db Querier, table string) (bool, error) {
	var present bool
	err := db.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, table).Scan(&present)
	return present, err
}

// earlierTable is where earlier releases kept the versions: under goose's own name, which other programs use, too.
const earlierTable = "goose_db_version"

// carryOverLock is the advisory lock under which the versions are carried over.
const carryOverLock = 0x62756c6b_72656731

// traces are tables that only our migrations up to 9 have made, by version: the last ones that were recorded under the earlier
// name.
func traces() map[int64]string {
	return map[int64]string{
		1: "attempts", 2: "holds", 3: "operator_acts", 4: "order_holders", 5: "accounts", 6: "delivery_marks",
		7: "stray_registrations", 8: "order_holds", 9: "workers",
	}
}

// earlier is the version that is recorded under the earlier name, 0 where what is there is not ours: each version on record must
// have left its trace, and each trace its record. foreign says that somebody else's versions are among ours.
func earlier(ctx context.Context, db Querier) (version int64, foreign bool, err error) {
	if present, err := exists(ctx, db, earlierTable); err != nil || !present {
		return 0, false, err
	}
	var recorded []int64
	err = db.QueryRow(ctx, `SELECT coalesce(array_agg(version_id ORDER BY version_id), '{}') FROM `+earlierTable+` WHERE is_applied AND version_id > 0`).
		Scan(&recorded)
	if err != nil {
		return 0, false, err
	}
	applied := map[int64]bool{}
	for _, v := range recorded {
		applied[v] = true
	}
	for v := int64(1); v <= int64(len(traces())); v++ {
		present, err := exists(ctx, db, traces()[v])
		if err != nil {
			return 0, false, err
		}
		if present != applied[v] || present && version != v-1 {
			return 0, false, nil
		}
		if present {
			version = v
		}
	}
	return version, len(recorded) > int(version), nil
}

// carryOver gives the versions that an earlier release recorded the name that they have now. Where another program keeps its own
// among them, ours are copied and theirs stay.
func carryOver(ctx context.Context, conn *pgx.Conn) error {
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		// Who comes second waits here, and for as long as it takes.
		if _, err := tx.Exec(ctx, `SET LOCAL lock_timeout = 0`); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(carryOverLock)); err != nil {
			return err
		}
		if present, err := exists(ctx, tx, VersionTable); err != nil || present {
			return err
		}
		version, foreign, err := earlier(ctx, tx)
		switch {
		case err != nil || version == 0:
			return err
		case !foreign:
			_, err = tx.Exec(ctx, `ALTER TABLE `+earlierTable+` RENAME TO `+VersionTable)
			return err
		}
		if _, err := tx.Exec(ctx, `CREATE TABLE `+VersionTable+` (LIKE `+earlierTable+` INCLUDING ALL)`); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			INSERT INTO `+VersionTable+` (version_id, is_applied, tstamp)
			SELECT version_id, is_applied, tstamp FROM `+earlierTable+` WHERE version_id <= $1 ORDER BY id`, version)
		return err
	})
	if err != nil {
		return fmt.Errorf("carry over the versions of an earlier release: %w", err)
	}
	return nil
}
