package record

import (
	"fmt"
)

// Origin is what somebody says that a job is of: its order, and the kind and account of that. Ids come from outside with it, and
// alone they reach nothing.
type Origin struct {
	Source    string
	Reference string
	Kind      Kind
	Account   string
}

// Origins are columns of the distinct origins of some jobs, and for each job the place of its own among them; 0: it has none.
type Origins struct {
	places     []int32
	sources    []string
	references []string
	kinds      []string
	accounts   []string
}

// OriginsOf are the origins of some items, each different one once.
func OriginsOf[T any](items []T, of func(T) Origin) Origins {
	o := Origins{places: make([]int32, len(items))}
	known := map[Origin]int32{{}: 0}
	for i, item := range items {
		origin := of(item)
		place, seen := known[origin]
		if !seen {
			o.sources, o.references = append(o.sources, origin.Source), append(o.references, origin.Reference)
			o.kinds, o.accounts = append(o.kinds, string(origin.Kind)), append(o.accounts, origin.Account)
			place = int32(len(o.sources)) // a batch is no longer than that
			known[origin] = place
		}
		o.places[i] = place
	}
	return o
}

// Args are the parameters that bindsTo asks for.
func (o Origins) Args() []any { return []any{o.places, o.sources, o.references, o.kinds, o.accounts} }

// BindsTo is SQL that says of job j that it is of the origin at a place, if there is one. The orders of all origins are looked up
// once; their columns, without the places, are the parameters from first on. Where there is no such order, no job is of it.
func BindsTo(place string, first int) string {
	return fmt.Sprintf(`(%[1]s = 0 OR j.order_id = (
		SELECT array_agg(coalesce(o.id, -1) ORDER BY given.place)
		FROM unnest($%[2]d::text[], $%[3]d::text[], $%[4]d::text[], $%[5]d::text[]) WITH ORDINALITY AS given (source, reference, kind, account, place)
		LEFT JOIN orders o ON o.source = given.source AND o.reference = given.reference AND o.kind = given.kind AND o.account = given.account
	)[%[1]s])`, place, first, first+1, first+2, first+3)
}

// Origin is the order, kind and account that the delivery says the job is of.
func (j DeliveredJob) Origin() Origin { return j.Of }
