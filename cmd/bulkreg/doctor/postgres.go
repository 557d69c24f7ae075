package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/store/pg"
)

const (
	oldestServer = 130000 // Postgres 13
	// longTx is how long a transaction may be open before it is odd.
	longTx = 15 * time.Minute
	// manyDead is from how many dead versions of rows on it matters that there is one for every second row.
	manyDead = 100_000
	// slowCommit is from when on a commit is slow: each call waits for two.
	slowCommit = 250 * time.Millisecond
	// commitTime is how long one may take.
	commitTime = 5 * time.Second
)

// Database is what is asked of Postgres.
type Database interface {
	CheckSchema(context.Context) error
	Examine(context.Context) (pg.Examination, error)
	Durability(context.Context) (pg.Durability, error)
	Origin(context.Context) (pg.Origin, error)
	Writable(context.Context) error
	TryCommit(context.Context) (time.Duration, error)
}

// Database looks at the server, and reports whether the work in it can be looked at.
func (r *Report) Database(ctx context.Context, db Database) (usable bool) {
	asked := time.Now()
	e, err := db.Examine(ctx)
	if err != nil {
		r.NoDatabase(err)
		return false
	}
	r.server(e)
	r.Clock("Postgres", e.Now, asked, time.Now())
	schema := db.CheckSchema(ctx)
	if schema != nil {
		r.NoDatabase(schema)
	} else {
		r.Say(Postgres, OK, "", "it has the schema that this program needs")
	}
	r.commits(ctx, db, e)
	if d, err := db.Durability(ctx); err != nil {
		r.NoDatabase(err)
	} else {
		r.durability(d)
		r.replication(d, e)
	}
	if schema == nil && !e.Standby {
		r.origin(ctx, db)
	}
	r.vacuum(e)
	return schema == nil
}

// NoDatabase says that Postgres cannot be worked with.
func (r *Report) NoDatabase(err error) {
	var (
		schema *pg.SchemaError
		pgErr  *pg.Error
		do     string
	)
	switch {
	case errors.As(err, &schema) && schema.Have < schema.Want:
		do = "run `bulkreg migrate`"
	case errors.As(err, &schema):
		do = "use a newer bulkreg"
	case errors.Is(err, pg.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		do = "see that Postgres runs, and that DATABASE_URL leads to it"
	case errors.As(err, &pgErr):
		do = "correct the user, the password or the database in DATABASE_URL"
	}
	r.Say(Postgres, Fail, do, "%s", oneLine(err))
}

func (r *Report) server(e pg.Examination) {
	if e.Number < oldestServer {
		r.Say(Postgres, Fail, "take 13 or later", "version %s is too old", e.Version)
	} else {
		r.Say(Postgres, OK, "", "version %s answers", e.Version)
	}
	if e.Encoding != "UTF8" {
		r.Say(Postgres, Fail, "make a database with CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0", "the database has the encoding %s", e.Encoding)
	} else {
		r.Say(Postgres, OK, "", "the database has the encoding UTF8")
	}
}

// commits tries one: a full disk or a standby that is waited for shows in nothing else.
func (r *Report) commits(ctx context.Context, db Database, e pg.Examination) {
	if e.Standby {
		r.Say(Postgres, Fail, "let DATABASE_URL lead to the primary", "it is a standby, and takes no writes")
		return
	}
	trying, cancel := context.WithTimeout(ctx, commitTime)
	defer cancel()
	var took time.Duration
	err := db.Writable(trying)
	if err == nil {
		took, err = db.TryCommit(trying)
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		r.Say(Postgres, Fail, "see that the standbys in synchronous_standby_names are there", "a commit does not end")
	case err != nil:
		r.Say(Postgres, Fail, "see that its disk is not full, and that nothing sets default_transaction_read_only", "it takes no writes: %s", oneLine(err))
	case took > slowCommit:
		r.Say(Postgres, Warn, "see how busy its disk is, and how far its standbys are away", "a commit took %s", took.Round(time.Millisecond))
	default:
		r.Say(Postgres, OK, "", "it takes writes: a commit took %s", took.Round(100*time.Microsecond))
	}
}

func (r *Report) durability(d pg.Durability) {
	var off []string
	for _, setting := range []struct {
		name string
		on   bool
	}{{"fsync", d.Fsync}, {"full_page_writes", d.FullPageWrites}, {"synchronous_commit", d.SynchronousCommit}} {
		if !setting.on {
			off = append(off, setting.name)
		}
	}
	list := strings.Join(off, ", ")
	switch {
	case len(off) == 0:
		r.Say(Postgres, OK, "", "it keeps what it commits: fsync, full_page_writes and synchronous_commit are on")
	case d.UnsafeAllowed:
		r.Say(Postgres, Warn, "use it for trials alone", "a crash may undo what it commits: %s %s off, which bulkreg.unsafe allows", list, is(len(off)))
	case d.Refusal() != nil:
		r.Say(Postgres, Fail, "turn on what is off", "%s %s off: a crash may undo what it commits or ruin the database, so that domains are paid for twice",
			list, is(len(off)))
	default:
		r.Say(Postgres, Warn, "turn it on", "synchronous_commit is off: a crash may undo what was settled last. Orders and intents to pay are committed all the same")
	}
}

func is(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

func (r *Report) replication(d pg.Durability, e pg.Examination) {
	switch {
	case d.Asynchronous > 0:
		r.Say(Postgres, Warn, "name them in synchronous_standby_names",
			"commits do not wait for %d of its %s: after a failover to one of those, every account's registrations stand still until a person has looked",
			d.Asynchronous, term.Counted(d.Standbys, "standby", "standbys"))
	case d.Standbys > 0:
		r.Say(Postgres, OK, "", "commits wait for its %s", term.Counted(d.Standbys, "standby", "standbys"))
	case !e.Standby:
		r.Say(Postgres, OK, "", "no standby follows it: what it has committed is as safe as its disk")
	}
	if d.OriginHidden {
		r.Say(Postgres, Warn, "grant EXECUTE on pg_control_system, pg_walfile_name and pg_current_wal_lsn to the user of DATABASE_URL",
			"it does not tell which server it is: a failover that has forgotten commits goes unnoticed, and domains may be paid for twice")
	}
	if len(e.IdleSlots) > 0 {
		r.Say(Postgres, Warn, "let somebody read from them, or drop them with pg_drop_replication_slot",
			"nobody reads from these replication slots: %s; its disk fills up with what is kept for them", strings.Join(e.IdleSlots, ", "))
	}
}

// origin says whether this is the Postgres that workers have known.
func (r *Report) origin(ctx context.Context, db Database) {
	o, err := db.Origin(ctx)
	switch {
	case err != nil:
		r.Say(Postgres, Fail, "", "%s", oneLine(err))
	case o.Other != "":
		r.Say(Postgres, Warn, "see that the former primary is off; the next worker puts every account's registrations on hold, and `bulkreg resume ACCOUNT` says what to ask the registrar",
			"%s: what was written after %s may be forgotten", o.Other, o.KnownAt.UTC().Format(time.RFC3339))
	case o.KnownAt.IsZero():
		r.Say(Postgres, OK, "", "%s; no worker has noted it yet", timeline(o))
	default:
		r.Say(Postgres, OK, "", "%s, which is the one on record", timeline(o))
	}
}

func timeline(o pg.Origin) string {
	if o.Timeline == 0 {
		return "it does not tell its timeline"
	}
	return fmt.Sprintf("it is on timeline %d", o.Timeline)
}

func (r *Report) vacuum(e pg.Examination) {
	well := true
	warn := func(do, format string, args ...any) {
		well = false
		r.Say(Postgres, Warn, do, format, args...)
	}
	if !e.Autovacuum {
		warn("set autovacuum and track_counts to on", "autovacuum is off: tables grow without end")
	}
	if e.OldestTx > longTx {
		warn("see in pg_stat_activity or pg_prepared_xacts whose it is, and end it",
			"a transaction is open for %s (%s): as long as it is, vacuum removes nothing", term.Ago(e.OldestTx), e.OldestIs)
	}
	for _, t := range e.Tables {
		if t.Unvacuumed {
			warn("ALTER TABLE "+t.Name+" RESET (autovacuum_enabled)", "autovacuum is off for the table %s", t.Name)
		}
		if t.Dead > manyDead && t.Dead > t.Rows/2 {
			warn("see that autovacuum keeps up and that no transaction stays open, or run VACUUM "+t.Name,
				"the table %s has %s rows, and %s dead ones that vacuum has not removed", t.Name, term.Thousands(int(t.Rows)), term.Thousands(int(t.Dead)))
		}
	}
	if well {
		r.Say(Postgres, OK, "", "autovacuum is on, no table has many dead rows, and no transaction is open for long")
	}
}
