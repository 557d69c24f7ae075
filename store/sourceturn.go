package store

import (
	"hash/fnv"
	"math"
	"strings"
)

// turnOf makes the number under which a source takes its turns. Two sources may share one. 0 is nobody's: a release before there
// were turns wrote it.
func turnOf(source string) int16 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(source))
	return int16(h.Sum32()%math.MaxInt16) + 1
}

// Turns is behind which order each source of a lot goes on: the last one of which TakeFresh took chunks. The zero value knows of
// none: they begin with their oldest.
type Turns struct {
	after map[int16]int64 // by Delivery.Turn
}

// knownTurns bounds how many sources are remembered.
const knownTurns = 1000

// Took notes of whom TakeFresh has taken chunks.
func (t *Turns) Took(fresh []Delivery) {
	if t == nil {
		return
	}
	if t.after == nil || len(t.after) > knownTurns { // they begin anew, and nobody loses a turn but to his own source's older orders
		t.after = map[int16]int64{}
	}
	for _, d := range fresh {
		t.after[d.Turn] = d.OrderID
	}
}

func (t *Turns) columns() (turns []int16, after []int64) {
	if t == nil {
		return []int16{}, []int64{}
	}
	turns, after = make([]int16, 0, len(t.after)), make([]int64, 0, len(t.after))
	for turn, order := range t.after {
		turns, after = append(turns, turn), append(after, order)
	}
	return turns, after
}

// ring writes two recursive queries, behind and before, that step from one value of a column to the next: the values greater
// than after, and then those up to it. Each step is one look into the index that from and order name, and no more steps are
// made than rows are read. Values are not negative.
func ring(column, from, order, after string) string {
	return strings.NewReplacer("{column}", column, "{from}", from, "{order}", order, "{after}", after).Replace(`
	behind AS (
		(SELECT c.{column} FROM {from} AND c.{column} > {after} ORDER BY {order}, c.{column} LIMIT 1)
		UNION ALL
		SELECT next.{column} FROM behind CROSS JOIN LATERAL (
			SELECT c.{column} FROM {from} AND c.{column} > behind.{column} ORDER BY {order}, c.{column} LIMIT 1
		) AS next
	), before AS (
		(SELECT c.{column} FROM {from} AND c.{column} <= {after} ORDER BY {order}, c.{column} LIMIT 1)
		UNION ALL
		SELECT next.{column} FROM before CROSS JOIN LATERAL (
			SELECT c.{column} FROM {from} AND c.{column} > before.{column} AND c.{column} <= {after} ORDER BY {order}, c.{column} LIMIT 1
		) AS next
	)`)
}

// both are the values that a ring steps through, in turn.
func both(column string) string {
	return `(SELECT ` + column + ` FROM behind UNION ALL SELECT ` + column + ` FROM before)`
}
