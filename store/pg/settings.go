package pg

import (
	"context"
	"fmt"
	"strings"
)

// Durability is what the database does for commits to survive a crash, see
// https://www.postgresql.org/docs/current/runtime-config-wal.html.
type Durability struct {
	Fsync             bool
	FullPageWrites    bool
	SynchronousCommit bool // what our connections have unless they ask for another; false: off
	// UnsafeAllowed says that somebody has set bulkreg.unsafe to allow: for the server, the database, the role or, as a
	// parameter of DATABASE_URL, for our connections. A throwaway server says so of itself.
	UnsafeAllowed bool
	// Standbys follow this server, Asynchronous of them without its commits waiting for them: after a failover to one of those,
	// what was committed last is forgotten.
	Standbys, Asynchronous int
	// OriginHidden says that the server does not tell our user which server it is, and on which timeline: nobody notices a
	// failover then.
	OriginHidden bool
}

// Durability reads the settings.
func (s *DB) Durability(ctx context.Context) (Durability, error) {
	var d Durability
	err := s.Pool.QueryRow(ctx, `
		SELECT current_setting('fsync') <> 'off', current_setting('full_page_writes') <> 'off',
			current_setting('synchronous_commit') <> 'off',
			coalesce(current_setting('bulkreg.unsafe', true), '') = 'allow', standbys.n, standbys.asynchronous,
			NOT (`+tellsSystem+` AND `+tellsTimeline+`)
		FROM (`+standbys+`) AS standbys`).
		Scan(&d.Fsync, &d.FullPageWrites, &d.SynchronousCommit, &d.UnsafeAllowed, &d.Standbys, &d.Asynchronous, &d.OriginHidden)
	return d, Failure("read settings of the database", err)
}

// standbys counts those that follow this server. A user without privileges sees that there are some, and not how they follow: then
// synchronous_standby_names says whether any can be synchronous. Backups and subscribers are no standbys.
const standbys = `
	SELECT count(*)::integer AS n, count(*) FILTER (WHERE current_setting('synchronous_standby_names') = '' OR r.sync_state = 'async'
		OR current_setting('synchronous_commit') IN ('off', 'local'))::integer AS asynchronous
	FROM pg_stat_replication r
	WHERE r.state IS DISTINCT FROM 'backup' AND NOT EXISTS (
		SELECT FROM pg_replication_slots s WHERE s.active_pid = r.pid AND s.slot_type = 'logical')`

// UnsafeError says that the database may forget what it has committed, so that no order may be entrusted to it.
type UnsafeError struct{ Settings []string }

func (e *UnsafeError) Error() string {
	return "Postgres runs with " + strings.Join(e.Settings, " and ") + ": a crash of its machine may undo commits or ruin the database, " +
		"so that accepted orders are lost, and domains whose intent to pay is lost are paid for twice; turn on what is off " +
		"(for a throwaway database, or storage that needs neither, add the parameter bulkreg.unsafe=allow to DATABASE_URL)"
}

// Refusal is an *UnsafeError, or nil if the database keeps what it has committed, or need not.
func (d Durability) Refusal() error {
	var off []string
	if !d.Fsync {
		off = append(off, "fsync=off")
	}
	if !d.FullPageWrites {
		off = append(off, "full_page_writes=off")
	}
	if len(off) == 0 || d.UnsafeAllowed {
		return nil
	}
	return &UnsafeError{Settings: off}
}

// Warning says in one line what is allowed and seldom meant, "" if nothing is.
func (d Durability) Warning() string {
	if d.UnsafeAllowed {
		return ""
	}
	var warnings []string
	if !d.SynchronousCommit {
		warnings = append(warnings, "Postgres runs with synchronous_commit=off: a crash of it may undo the last commits. Orders and intents to pay are "+
			"committed synchronously all the same, so that none is lost and nothing is paid for twice, but the outcome of the last calls, "+
			"the last holds and what operators just did may be; set it to on")
	}
	if d.Asynchronous > 0 {
		warnings = append(warnings, fmt.Sprintf("Postgres does not wait for %d of its %d standbys: after a failover to one of them it has forgotten its "+
			"last commits, so that every account's registrations stand still until a person lets them go on; name them in synchronous_standby_names",
			d.Asynchronous, d.Standbys))
	}
	if d.OriginHidden {
		warnings = append(warnings, "Postgres does not tell our user which server it is: a failover or a restored backup that has forgotten the last "+
			"commits goes unnoticed, and domains may be paid for twice; grant EXECUTE on pg_control_system, pg_walfile_name and pg_current_wal_lsn")
	}
	return strings.Join(warnings, "; besides, ")
}
