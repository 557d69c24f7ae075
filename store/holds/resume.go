package holds

import (
	"context"
	"slices"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/jackc/pgx/v5"
)

// Resumption is what goes on when holds are lifted: the holds, oldest first, and orders that were paused. Each job that goes on
// is counted once: with its order if that was paused, else with the oldest hold that stopped it. Jobs that wait for
// something else, and canceled ones, are not counted.
type Resumption struct {
	Holds  []View
	Orders []OrderHold
}

// Empty says whether there is nothing to lift.
func (r Resumption) Empty() bool { return len(r.Holds)+len(r.Orders) == 0 }

// ResumePlan says what would be lifted now: all holds of an account, or ("") those of all accounts and the pauses of all
// orders. It changes nothing.
func (s *Holds) ResumePlan(ctx context.Context, account string) (Resumption, error) {
	var r Resumption
	err := s.db.InTx(ctx, "plan resume", func(tx pgx.Tx) (err error) {
		r, err = readResumption(ctx, tx, account, "")
		if err != nil {
			return err
		}
		return r.count(ctx, tx, nil)
	})
	return r, err
}

// Resume ends every hold of an account, or ("") of all accounts, and wakes dispatchers. It returns those it ended.
func (s *Holds) Resume(ctx context.Context, account string) ([]View, error) {
	var ended Resumption
	err := s.db.InTx(ctx, "resume", func(tx pgx.Tx) (err error) {
		ended, err = readResumption(ctx, tx, account, `FOR UPDATE`)
		if err != nil {
			return err
		}
		ended.Orders = nil
		return ended.lift(ctx, tx, nil)
	})
	if err != nil {
		return nil, err // rolled back
	}
	s.db.Wake("")
	return ended.Holds, nil
}

// CarryOutResume lifts what a plan for an account, or ("") for all, has shown, and wakes dispatchers. What was placed after the
// plan was made stays, and what was lifted since is left out of what it returns.
func (s *Holds) CarryOutResume(ctx context.Context, account string, plan Resumption) (Resumption, error) {
	var ended Resumption
	err := s.db.InTx(ctx, "resume", func(tx pgx.Tx) error {
		found, err := readResumption(ctx, tx, account, `FOR UPDATE`)
		if err != nil {
			return err
		}
		var rest []View
		for _, h := range found.Holds {
			if slices.ContainsFunc(plan.Holds, func(p View) bool {
				return p.Account == h.Account && p.Reason == h.Reason && p.Since.Equal(h.Since)
			}) {
				ended.Holds = append(ended.Holds, h)
			} else {
				rest = append(rest, h)
			}
		}
		for _, h := range found.Orders {
			if slices.ContainsFunc(plan.Orders, func(p OrderHold) bool { return p.ID == h.ID && p.Since.Equal(h.Since) }) {
				ended.Orders = append(ended.Orders, h)
			}
		}
		return ended.lift(ctx, tx, rest)
	})
	if err != nil {
		return Resumption{}, err // rolled back
	}
	s.db.Wake("")
	return ended, nil
}

// readResumption reads what may be lifted. Rows are locked in the order in which probes lock them, too.
func readResumption(ctx context.Context, tx pgx.Tx, account, lock string) (Resumption, error) {
	var r Resumption
	rows, err := tx.Query(ctx, `
		SELECT `+HoldColumns+` FROM holds h WHERE $1 = '' OR h.account = $1 ORDER BY h.account, h.reason `+lock, account)
	if err != nil {
		return r, err
	}
	if r.Holds, err = pgx.CollectRows(rows, ScanHold); err != nil {
		return r, err
	}
	slices.SortStableFunc(r.Holds, func(a, b View) int { return a.Since.Compare(b.Since) })
	if account != "" {
		return r, nil
	}
	if lock != "" {
		lock += ` OF oh`
	}
	rows, err = tx.Query(ctx, `
		SELECT `+OrderHoldColumns+` FROM order_holds oh JOIN orders o ON o.id = oh.order_id ORDER BY oh.order_id `+lock)
	if err != nil {
		return r, err
	}
	r.Orders, err = pgx.CollectRows(rows, ScanOrderHold)
	return r, err
}

// lift ends what was read and locked, and counts what goes on. Holds in rest stay.
func (r *Resumption) lift(ctx context.Context, tx pgx.Tx, rest []View) error {
	if r.Empty() {
		return nil
	}
	for _, h := range r.Holds {
		var err error
		switch h.Reason {
		case Contract:
			err = tryAnew(ctx, tx, h)
		case DailyLimit:
			err = beginDayAnew(ctx, tx, h)
		}
		if err != nil {
			return err
		}
	}
	accounts, reasons := make([]string, len(r.Holds)), make([]string, len(r.Holds))
	for i, h := range r.Holds {
		accounts[i], reasons[i] = h.Account, string(h.Reason)
	}
	_, err := tx.Exec(ctx, `
		DELETE FROM holds h USING unnest($1::text[], $2::text[]) AS e (account, reason)
		WHERE h.account = e.account AND h.reason = e.reason`, accounts, reasons)
	if err != nil {
		return err
	}
	if err := dropOrderHolds(ctx, tx, r.Orders); err != nil {
		return err
	}
	return r.count(ctx, tx, rest)
}

// tryAnew forgets whatever was refused before: whoever lifts a contract hold says that it was no fault of the jobs'.
func tryAnew(ctx context.Context, tx pgx.Tx, h View) error {
	if _, err := tx.Exec(ctx, `DELETE FROM lifted_refusals WHERE account = $1`, h.Account); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, forgiveHeld, h.Account)
	return err
}

func dropOrderHolds(ctx context.Context, tx pgx.Tx, holds []OrderHold) error {
	if len(holds) == 0 {
		return nil
	}
	ids := make([]int64, len(holds))
	for i, h := range holds {
		ids[i] = h.ID
	}
	_, err := tx.Exec(ctx, `DELETE FROM order_holds WHERE order_id = ANY($1)`, ids)
	return err
}

// count fills in how many jobs go on with each hold, when those in rest stay.
func (r *Resumption) count(ctx context.Context, tx pgx.Tx, rest []View) error {
	orders := make([]int64, len(r.Orders))
	for i := range r.Orders {
		orders[i] = r.Orders[i].ID
		if err := countGoingInOrder(ctx, tx, &r.Orders[i], r.Holds); err != nil {
			return err
		}
	}
	for i := range r.Holds {
		h := &r.Holds[i]
		kinds := slices.DeleteFunc([]record.Kind{record.Whois, record.Register, record.Token}, func(k record.Kind) bool {
			return !h.Scope.stops(k) || StoppedBy(r.Holds[:i], h.Account, k) || StoppedBy(rest, h.Account, k)
		})
		err := tx.QueryRow(ctx, goingOn, h.Account, kinds, orders, maxOrders).Scan(&h.Jobs, &h.Orders)
		if err != nil {
			return err
		}
	}
	return nil
}

// StoppedBy reports whether one of these holds stops work of a kind for an account.
func StoppedBy(holds []View, account string, k record.Kind) bool {
	return slices.ContainsFunc(holds, func(h View) bool { return h.Account == account && h.Scope.stops(k) })
}

// goingOn counts an account's jobs of some kinds that go on when nothing holds the account any more, but for those of orders
// that are paused, or are counted by themselves.
const goingOn = `
	SELECT coalesce(sum(w.jobs), 0), coalesce((array_agg(w.reference ORDER BY w.id))[1:$4], '{}') FROM (
		SELECT o.id, ` + record.NameOfOrder + ` AS reference, sum(waiting.n) AS jobs FROM (
			SELECT order_id, count(*) FROM jobs
			WHERE held_account = $1 AND kind = ANY($2) AND NOT canceling GROUP BY order_id
			UNION ALL
			SELECT t.order_id, count(*)
			FROM unnest($2::text[]) AS k (kind) CROSS JOIN unnest(ARRAY['plain', 'bulk']) AS l (lane)
			JOIN chunks t ON t.kind = k.kind AND t.lane = l.lane AND t.account = $1 AND t.wake_at IS NULL
			CROSS JOIN LATERAL (` + record.JobsOfChunk + `) AS fresh GROUP BY t.order_id
		) AS waiting (order_id, n) JOIN orders o ON o.id = waiting.order_id
		WHERE o.id <> ALL($3) AND NOT EXISTS (SELECT FROM order_holds oh WHERE oh.order_id = o.id)
		GROUP BY o.id
	) AS w`

// countGoingInOrder counts the jobs of a paused order that go on when its pause and the holds in lifted end.
func countGoingInOrder(ctx context.Context, tx pgx.Tx, h *OrderHold, lifted []View) error {
	var reasons []string
	for _, l := range lifted {
		if l.Account == h.Account {
			reasons = append(reasons, string(l.Reason))
		}
	}
	return tx.QueryRow(ctx, `
		SELECT CASE WHEN EXISTS (
			SELECT FROM holds a WHERE a.account = o.account AND (a.scope = 'all' OR a.scope = o.kind) AND a.reason <> ALL($2)
		) THEN 0 ELSE (`+waitingInOrder+`) END
		FROM orders o WHERE o.id = $1`, h.ID, orNone(reasons)).Scan(&h.Jobs)
}

// orNone makes an empty array of a nil one, which would be NULL.
func orNone(words []string) []string {
	if words == nil {
		return []string{}
	}
	return words
}
