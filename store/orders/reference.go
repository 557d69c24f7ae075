package orders

import (
	"context"
	"strings"

	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/jackc/pgx/v5"
)

// maxNamed bounds how many orders Named returns: enough to say that a name is not enough.
const maxNamed = 20

// Named finds the orders that a person may mean by a text: those of that reference, of whatever source, and the one that
// it names as source/reference. Sources and references may hold slashes themselves. The newest come first, at
// most maxNamed.
func (s *Orders) Named(ctx context.Context, text string) ([]record.Order, error) {
	var sources, references []string
	for at, r := range text {
		if r == '/' {
			sources, references = append(sources, text[:at]), append(references, text[at+1:])
		}
	}
	if strings.ContainsRune(text, 0) { // which no text in the database holds
		return nil, nil
	}
	rows, err := s.db.Pool.Query(ctx, `
		SELECT `+record.OrderColumns+` FROM orders o WHERE o.reference = $1
		UNION
		SELECT `+record.OrderColumns+` FROM unnest($2::text[], $3::text[]) AS n (source, reference)
		JOIN orders o ON o.source = n.source AND o.reference = n.reference
		ORDER BY created_at DESC, id DESC LIMIT $4`, text, sources, references, maxNamed)
	return collectOrders(rows, err)
}

// collectOrders reads the orders that a query found.
func collectOrders(rows pgx.Rows, err error) ([]record.Order, error) {
	var orders []record.Order
	if err == nil {
		orders, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (record.Order, error) {
			var o record.Order
			return o, row.Scan(o.Fields()...)
		})
	}
	return orders, pg.Failure("find orders", err)
}

// recentOrders is how far Beginning looks back.
const recentOrders = 10_000

// Beginning finds, among the newest orders, those whose reference or source/reference begins with a text, the newest first and
// at most limit.
func (s *Orders) Beginning(ctx context.Context, text string, limit int) ([]record.Order, error) {
	if strings.ContainsRune(text, 0) {
		return nil, nil
	}
	rows, err := s.db.Pool.Query(ctx, `
		SELECT `+record.OrderColumns+` FROM (SELECT * FROM orders ORDER BY created_at DESC, id DESC LIMIT $3) AS o
		WHERE starts_with(o.reference, $1) OR starts_with(o.source || '/' || o.reference, $1)
		ORDER BY o.created_at DESC, o.id DESC LIMIT $2`, text, limit, recentOrders)
	return collectOrders(rows, err)
}
