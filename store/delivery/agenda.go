package delivery

import (
	"context"

	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/pg"

	"github.com/jackc/pgx/v5"
)

// Agenda says what there is to deliver of one lot.
type Agenda struct {
	Due         bool // jobs whose own time has come
	Undelivered bool // chunks that were never delivered, of orders that are not paused
	// Stopped is what stands still of the lot's account.
	Stopped holds.Stopped
}

// Agenda returns what there is to deliver, by the place of its lot in lots. Lots without anything are left out. It is one
// statement and a few looks into an index for each lot, however many jobs wait: every dispatcher asks each second.
func (s *Deliveries) Agenda(ctx context.Context, lots []Lot) (map[int]Agenda, error) {
	kinds, lanes, accounts := make([]string, len(lots)), make([]string, len(lots)), make([]string, len(lots))
	for i, l := range lots {
		kinds[i], lanes[i], accounts[i] = string(l.Kind), string(l.Lane), l.Account
	}
	rows, err := s.db.Pool.Query(ctx, `
		SELECT l.n, has.due, has.undelivered, coalesce(h.register, false), coalesce(h.everything, false)
		FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS l (kind, lane, account, n)
		CROSS JOIN LATERAL (
			SELECT EXISTS (
				SELECT FROM jobs j WHERE j.kind = l.kind AND j.lane = l.lane AND j.account = l.account AND j.wake_at <= now() OFFSET 0
			) AS due, EXISTS (`+firstUndelivered+`) AS undelivered OFFSET 0
		) AS has
		LEFT JOIN LATERAL (
			SELECT bool_or(scope = 'register') AS register, bool_or(scope = 'all') AS everything FROM holds WHERE account = l.account
		) AS h ON true
		WHERE has.due OR has.undelivered`, kinds, lanes, accounts)
	if err != nil {
		return nil, pg.Failure("read agenda", err)
	}
	agenda := map[int]Agenda{}
	var (
		n int
		a Agenda
	)
	_, err = pgx.ForEachRow(rows, []any{&n, &a.Due, &a.Undelivered, &a.Stopped.Register, &a.Stopped.All}, func() error {
		agenda[n-1] = a
		return nil
	})
	return agenda, pg.Failure("read agenda", err)
}

// firstUndelivered finds the first order of lot l with a undelivered chunk that is not paused. It steps from one paused order to the next,
// and never reads the chunks between.
const firstUndelivered = `
	WITH RECURSIVE turn AS (
		(SELECT c.order_id FROM chunks c
		WHERE c.kind = l.kind AND c.lane = l.lane AND c.account = l.account AND c.wake_at IS NULL
		ORDER BY c.kind, c.lane, c.account, c.order_id LIMIT 1)
		UNION ALL
		SELECT next.order_id FROM turn CROSS JOIN LATERAL (
			SELECT c.order_id FROM chunks c
			WHERE c.kind = l.kind AND c.lane = l.lane AND c.account = l.account AND c.wake_at IS NULL AND c.order_id > turn.order_id
			ORDER BY c.kind, c.lane, c.account, c.order_id LIMIT 1
		) AS next
		WHERE EXISTS (SELECT FROM order_holds p WHERE p.order_id = turn.order_id)
	)
	SELECT FROM turn WHERE NOT EXISTS (SELECT FROM order_holds p WHERE p.order_id = turn.order_id OFFSET 0)`

// Overdue reports whether there are claims whose lease has passed, and deliveries whose time is up. It begins no transaction:
// every rescuer asks each second, and as a rule there are none.
func (s *Deliveries) Overdue(ctx context.Context) (claims, chunks bool, err error) {
	err = s.db.Pool.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM claims WHERE closed_at IS NULL AND lease_until <= now()),
			EXISTS (SELECT FROM chunks WHERE wake_at <= now())`).Scan(&claims, &chunks)
	return claims, chunks, pg.Failure("look for what is overdue", err)
}
