package delivery

import (
	"context"
	"errors"
	"hash/fnv"
	"math"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/jackc/pgx/v5"
)

// TurnOf makes the number under which a source takes its turns. Two sources may share one. 0 is nobody's: a release before there
// were turns wrote it.
func TurnOf(source string) int16 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(source))
	return int16(h.Sum32()%math.MaxInt16) + 1
}

// Turns is how far the sources of a lot have come: the source of which TakeUndelivered took chunks last, and the order of each. The zero
// value begins with the oldest of each.
type Turns struct {
	last  int16           // as in Delivery.Turn
	after map[int16]int64 // the orders, by turn
}

// knownTurns bounds how many sources are remembered.
const knownTurns = 1000

// Took notes of whom TakeUndelivered has taken chunks.
func (t *Turns) Took(undelivered []record.Delivery) {
	if t == nil || len(undelivered) == 0 {
		return
	}
	if t.after == nil || len(t.after) > knownTurns { // nobody loses a turn by that but to his own source's older orders
		t.after = map[int16]int64{}
	}
	for _, d := range undelivered {
		t.after[d.Turn] = d.OrderID
	}
	t.last = undelivered[len(undelivered)-1].Turn
}

// lastTurn is behind whose turn a lot goes on.
func (s *Deliveries) lastTurn(ctx context.Context, lot Lot) (turn int16, err error) {
	if lot.Turns != nil {
		return lot.Turns.last, nil
	}
	err = s.db.Pool.QueryRow(ctx, `SELECT turn FROM orders WHERE id = $1`, lot.After).Scan(&turn)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	return turn, err
}

// sources runs a query of sources' turns, for a lot.
func (s *Deliveries) sources(ctx context.Context, lot Lot, sql string, args ...any) ([]share, error) {
	rows, err := s.db.Pool.Query(ctx, sql, append([]any{lot.Kind, lot.Lane, lot.Account}, args...)...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (share, error) {
		var sh share
		err := row.Scan(&sh.turn)
		sh.after = lot.orderBehind(sh.turn)
		return sh, err
	})
}

// orderBehind is the order behind which a source goes on.
func (l Lot) orderBehind(turn int16) int64 {
	if l.Turns == nil {
		return l.After
	}
	return l.Turns.after[turn]
}

// turns finds the sources for which a condition on their turn t holds, among those that have rows somewhere: those behind $4 first,
// at most $5 in all.
func turns(from, condition string) string {
	r := ring{from: from, column: "turn"}
	return `
	WITH RECURSIVE ` + r.values("behind", "$4::smallint", "32767") + `, ` + r.values("before", "-1", "$4::smallint") + `
	SELECT turn FROM (SELECT turn FROM behind UNION ALL SELECT turn FROM before) AS t WHERE ` + condition + ` LIMIT $5`
}

// ring is a column that queries step through, value by value. Each step is one look into an index of kind, lane, account and
// this column, and no more steps are made than rows are read.
type ring struct {
	from   string // the rows, as c, and a condition on them
	column string
	// of is the one source whose rows are meant, "" for all of them: the index has the turn before the column then. It is compared
	// together with the column, so that no other index will do, whatever the planner believes of the size of the table.
	of string
}

// values is a recursive query of the values behind one, up to another.
func (r ring) values(name, behind, upTo string) string {
	return name + ` AS (
			` + r.next(behind, upTo) + `
			UNION ALL
			SELECT next.` + r.column + ` FROM ` + name + ` CROSS JOIN LATERAL ` + r.next(name+"."+r.column, upTo) + ` AS next
		)`
}

func (r ring) next(behind, upTo string) string {
	key, order := "c."+r.column, "c.kind, c.lane, c.account, c."+r.column
	if r.of != "" {
		key, order = "(c.turn, c."+r.column+")", "c.kind, c.lane, c.account, c.turn, c."+r.column
		behind, upTo = "("+r.of+", "+behind+")", "("+r.of+", "+upTo+")"
	}
	return `(SELECT c.` + r.column + ` FROM ` + r.from + ` AND ` + key + ` > ` + behind + ` AND ` + key + ` <= ` + upTo + `
			ORDER BY ` + order + ` LIMIT 1)`
}
