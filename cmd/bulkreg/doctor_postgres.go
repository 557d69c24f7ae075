package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/pg"
)

const (
	// longTx is how long a transaction may be open before it is odd.
	longTx = 15 * time.Minute
	// someDead is from how many dead versions of rows on it matters that there are as many as rows.
	someDead = 100_000
	// oldAge is how far a database's oldest transaction may lie back: autovacuum begins at 200 million to see to it.
	oldAge = 1_000_000_000
)

// postgres looks at the database, and at the work that stands in it.
func (d *doctor) postgres(ctx context.Context) {
	const about = "postgres"
	cfg, err := config.LoadFor(d.environ, config.UseStore|config.UseOrders)
	if err != nil {
		d.say(about, "reachable", unknown, "", "not looked at: its settings cannot be used")
		return
	}
	if _, err := cfg.Database(); err != nil {
		d.say(about, "reachable", ill, "set DATABASE_URL", "%v", err)
		return
	}
	st, err := openStore(ctx, cfg)
	var schema *pg.SchemaError
	switch {
	case errors.As(err, &schema):
		d.say(about, "reachable", healthy, "", "it answers")
		d.say(about, "schema", ill, remedyOfPostgres(err), "%s", oneLine(schema))
		return
	case err != nil:
		d.say(about, "reachable", ill, remedyOfPostgres(err), "%s", oneLine(err))
		return
	}
	defer st.Close()
	d.connection(ctx, cfg, st)
	d.server(ctx, st)
	d.durability(ctx, st)
	d.timeline(ctx, st)
	d.work(ctx, st)
}

// remedyOfPostgres is what to do where the database cannot be worked on.
func remedyOfPostgres(err error) string {
	var schema *pg.SchemaError
	switch {
	case errors.As(err, &schema) && schema.Have < schema.Want:
		return "run `bulkreg migrate`"
	case errors.As(err, &schema):
		return "use a newer bulkreg"
	case errors.Is(err, pg.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return "see that Postgres runs, and that DATABASE_URL leads to it"
	}
	return ""
}

// connection says whether writes get to the database, and who may read them on the way.
func (d *doctor) connection(ctx context.Context, cfg config.Config, st *store.Store) {
	const about = "postgres"
	if err := st.Writable(ctx); err != nil {
		d.say(about, "reachable", ill, "let DATABASE_URL lead to the primary, and see that its disk is not full", "it takes no writes: %s", oneLine(err))
	} else {
		d.say(about, "reachable", healthy, "", "it answers, and takes writes")
	}
	warn := func(warning string) { d.say(about, "encryption", odd, "", "%s", warning) }
	if err := warnUnencrypted(ctx, st, warn); err != nil {
		d.say(about, "encryption", ill, "", "%s", oneLine(err))
	}
	if warning := cfg.DatabaseUnverified(); warning != "" {
		warn(warning)
	}
}

func (d *doctor) server(ctx context.Context, st *store.Store) {
	const about = "postgres"
	asked := time.Now()
	e, err := st.Examine(ctx)
	if err != nil {
		d.say(about, "schema", ill, "", "%s", oneLine(err))
		return
	}
	d.say(about, "schema", healthy, "", "version %s, with the schema that this program needs", e.Version)
	if e.Encoding == "UTF8" {
		d.say(about, "encoding", healthy, "", "the database is in UTF8")
	} else {
		d.say(about, "encoding", ill, "make a database with ENCODING 'UTF8', and move there", "the database is in %s: names and words of people cannot all be kept", e.Encoding)
	}
	d.vacuum(e)
	if e.IdleSlots > 0 {
		d.say(about, "slots", odd, "see in pg_replication_slots whose they are, and drop those that nobody needs",
			"%s read by nobody: the log of writes is kept for them until the disk is full", term.Counted(e.IdleSlots, "replication slot is", "replication slots are"))
	}
	d.clock(about, e.Now, asked)
}

// vacuum says whether what is no longer needed is removed.
func (d *doctor) vacuum(e pg.Examination) {
	const about, check = "postgres", "vacuum"
	well := true
	complain := func(h health, do, format string, args ...any) {
		well = false
		d.say(about, check, h, do, format, args...)
	}
	if !e.Autovacuum {
		complain(odd, "set autovacuum and track_counts to on", "autovacuum is off: tables grow, and every statement gets slower")
	}
	if e.OldestTx > longTx {
		complain(odd, "see in pg_stat_activity whose it is, and end it", "a transaction is open for %s: it keeps vacuum from its work", ago(e.OldestTx))
	}
	if e.Prepared > 0 {
		complain(odd, "see in pg_prepared_xacts whose they are, and commit them or roll them back",
			"%s left prepared: that keeps vacuum from its work", term.Counted(e.Prepared, "transaction is", "transactions are"))
	}
	if e.Dead > someDead && e.Dead > e.Rows {
		complain(odd, "see whether autovacuum is on, and what keeps it from its work", "the table %s has %s rows and %s dead versions", e.Table,
			term.Thousands(int(e.Rows)), term.Thousands(int(e.Dead)))
	}
	if e.Age > oldAge {
		complain(ill, "find what keeps vacuum from its work, and run VACUUM", "its oldest transaction lies %s back: Postgres stops at 2,100,000,000", term.Thousands(int(e.Age)))
	}
	if well {
		d.say(about, check, healthy, "", "autovacuum is on, and nothing keeps it from its work")
	}
}

// durability says whether the database keeps what it has committed, also over a failover.
func (d *doctor) durability(ctx context.Context, st *store.Store) {
	const about, check, replication = "postgres", "durability", "replication"
	kept, err := st.Durability(ctx)
	if err != nil {
		d.say(about, check, ill, "", "%s", oneLine(err))
		return
	}
	refusal := kept.Refusal()
	switch {
	case refusal != nil:
		d.say(about, check, ill, "", "%s", oneLine(refusal))
	case kept.UnsafeAllowed && (!kept.Fsync || !kept.FullPageWrites || !kept.SynchronousCommit):
		d.say(about, check, odd, "use it for nothing but trials", "bulkreg.unsafe=allow lets it forget what it has committed: orders can be lost, and domains paid for twice")
	case kept.Loose() != "":
		d.say(about, check, odd, "set synchronous_commit to on", "%s", kept.Loose())
	default:
		d.say(about, check, healthy, "", "it keeps what it has committed: fsync, full_page_writes and synchronous_commit are on")
	}
	switch {
	case kept.Lagging() != "":
		d.say(about, replication, odd, "name the standbys in synchronous_standby_names", "%s", kept.Lagging())
	case kept.Standbys == 0:
		d.say(about, replication, healthy, "", "no standby follows it")
	default:
		d.say(about, replication, healthy, "", "commits wait for %s", term.Counted(kept.Standbys, "standby", "standbys"))
	}
	if hidden := kept.Hidden(); hidden != "" {
		d.say(about, "timeline", odd, "grant EXECUTE on pg_control_system, pg_walfile_name and pg_current_wal_lsn", "%s", hidden)
	}
}

// timeline says whether this is the Postgres that workers know, and that life of it.
func (d *doctor) timeline(ctx context.Context, st *store.Store) {
	const about, check = "postgres", "timeline"
	id, err := st.Identify(ctx)
	switch {
	case err != nil:
		d.say(about, check, ill, "", "%s", oneLine(err))
	case id.Differs != "":
		d.say(about, check, odd, "see that the former primary is off; start a worker, and look at `bulkreg holds`",
			"%s: a standby was promoted or a backup restored, and the next worker puts all registrations on hold", id.Differs)
	case !id.Recorded:
		d.say(about, check, healthy, "", "no worker has worked with it yet")
	case id.Timeline > 0:
		d.say(about, check, healthy, "", "timeline %d, which workers know", id.Timeline)
	}
}

// clockDifference is by how much clocks may differ before it is odd: leases outlast calls by 15 s.
const clockDifference = 5 * time.Second

// clock compares a server's clock with this machine's.
func (d *doctor) clock(about string, theirs, asked time.Time) {
	const check = "clock"
	difference := theirs.Sub(asked)
	if took := time.Since(asked); difference > 0 {
		difference = max(0, difference-took) // it may have looked at the end of that time
	}
	if difference.Abs() > clockDifference {
		d.say(about, check, odd, "let the machines keep their clocks by NTP", "its clock and this machine's differ by %s", difference.Abs().Round(time.Second))
		return
	}
	d.say(about, check, healthy, "", "its clock and this machine's agree within %s", strings.TrimSuffix(clockDifference.String(), ".0"))
}
