package fleet

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"
)

// Figures are what the database says of everybody's work, for whoever measures it. Reading them costs the same however many jobs there
// are: what is counted is kept as a count, found by an index, or counted up to FiguresMost.
type Figures struct {
	Accounts []string // that workers have announced
	Totals   []Total  // of jobs in any state but queued
	Queued   []Line   // chunks that were never delivered, and those that lie in Redis or wait in a worker
	Due      []Line   // what could go now, and does not
	Holds    []HoldFigure
	Paused   int          // orders that stand still by themselves
	Doubtful []AgeFigure  // accounts with unconfirmed jobs, and how long ago the first of these was sent
	Workers  []Line       // live ones that work on a kind and account
	Today    []CountToday // accounts with a daily limit

	EventsLag, CountsLag time.Duration // of the oldest event that is not in the log yet, and of the oldest change that is not summed up
	Webhooks             WebhookFigures
	// OldestTransaction is how long the oldest transaction is open, of those that this user may see, prepared ones included: until it ends
	// vacuum removes nothing that was deleted since.
	OldestTransaction time.Duration
}

// Total is how many jobs of a kind and account are in a state.
type Total struct {
	Kind    record.Kind
	Account string
	State   record.State
	Outcome record.Outcome // "" until final
	N       int64
}

// Line is something of a kind and account.
type Line struct {
	Kind    record.Kind
	Account string
	Lane    record.Lane   // "" where both are meant
	N       int64         // how many there are
	Age     time.Duration // of the oldest
}

// HoldFigure is how long a hold has stood.
type HoldFigure struct {
	Account string
	Reason  holds.Reason
	Age     time.Duration
}

// AgeFigure is how old something of an account is.
type AgeFigure struct {
	Account string
	Age     time.Duration
}

// CountToday is how many registrations count against an account's daily limit today, in UTC.
type CountToday struct {
	Account string
	N       int64
}

// WebhookFigures are how webhooks fare.
type WebhookFigures struct {
	Waiting  int64         // deliveries that wait or are under way, up to FiguresMost
	Overdue  time.Duration // of the one that should have been tried longest ago
	Disabled int64         // endpoints to which nothing is sent any more
}

// FiguresMost is up to where Figures count what is not kept as a count: rows, each of which may be a chunk of many jobs.
const FiguresMost = 20_000

// Eldest reports whether a worker is the one of all that are alive which reports for longest. At most times one is.
func (s *Fleet) Eldest(ctx context.Context, name string) (eldest bool, err error) {
	err = s.db.Pool.QueryRow(ctx, `
		SELECT coalesce((SELECT w.name FROM workers w WHERE NOT w.stopping AND w.seen_at > now() - make_interval(secs => $2)
			ORDER BY w.started_at, w.name LIMIT 1) = $1, false)`, name, pg.Seconds(workerAlive)).Scan(&eldest)
	return eldest, pg.Failure("look for the eldest worker", err)
}

// Figures reads them, in one exchange with the database.
func (s *Fleet) Figures(ctx context.Context) (Figures, error) {
	var (
		f     Figures
		batch pgx.Batch
	)
	batch.Queue(`SELECT name FROM accounts ORDER BY name`)
	batch.Queue(`SELECT kind, account, state, outcome, n FROM job_totals`)
	batch.Queue(queuedFigures, FiguresMost)
	batch.Queue(dueFigures)
	batch.Queue(`SELECT account, reason, now() - since FROM holds`)
	batch.Queue(`SELECT count(*) FROM order_holds`)
	batch.Queue(doubtfulFigures, FiguresMost)
	batch.Queue(workerFigures, pg.Seconds(workerAlive))
	batch.Queue(`SELECT account, reserved - resumed FROM registration_days WHERE day = ` + pg.Today)
	batch.Queue(lagFigures)
	batch.Queue(webhookFigures, FiguresMost)
	batch.Queue(oldestTransaction)
	err := s.db.ReadBatch(ctx, &batch, f.read)
	return f, pg.Failure("read figures", err)
}

func (f *Figures) read(results pgx.BatchResults) (err error) {
	if f.Accounts, err = collected(results, pgx.RowTo[string]); err != nil {
		return err
	}
	if f.Totals, err = collected(results, pgx.RowToStructByPos[Total]); err != nil {
		return err
	}
	if f.Queued, err = collected(results, pgx.RowToStructByPos[Line]); err != nil {
		return err
	}
	if f.Due, err = collected(results, pgx.RowToStructByPos[Line]); err != nil {
		return err
	}
	if f.Holds, err = collected(results, pgx.RowToStructByPos[HoldFigure]); err != nil {
		return err
	}
	if err = results.QueryRow().Scan(&f.Paused); err != nil {
		return err
	}
	if f.Doubtful, err = collected(results, pgx.RowToStructByPos[AgeFigure]); err != nil {
		return err
	}
	if f.Workers, err = collected(results, pgx.RowToStructByPos[Line]); err != nil {
		return err
	}
	if f.Today, err = collected(results, pgx.RowToStructByPos[CountToday]); err != nil {
		return err
	}
	if err = results.QueryRow().Scan(&f.EventsLag, &f.CountsLag); err != nil {
		return err
	}
	if err = results.QueryRow().Scan(&f.Webhooks.Waiting, &f.Webhooks.Overdue, &f.Webhooks.Disabled); err != nil {
		return err
	}
	return results.QueryRow().Scan(&f.OldestTransaction)
}
