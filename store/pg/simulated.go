package pg

import "context"

// simulatedWords is the comment on the orders of a database that a simulated registrar works on.
const simulatedWords = "for a played registrar: nothing here was bought"

// MarkSimulated says of the database, for good, that a simulated registrar works on its orders. The role must own its tables.
func (s *DB) MarkSimulated(ctx context.Context) error {
	_, err := s.Pool.Exec(ctx, `COMMENT ON TABLE orders IS '`+simulatedWords+`'`)
	return Failure("mark database as simulated", err)
}

// Simulated says whether MarkSimulated was ever called on the database. Where it was not, a simulated registrar would call domains
// registered that nobody has bought.
func (s *DB) Simulated(ctx context.Context) (bool, error) {
	var simulated bool
	err := s.Pool.QueryRow(ctx, `SELECT coalesce(obj_description('orders'::regclass, 'pg_class') = $1, false)`, simulatedWords).Scan(&simulated)
	return simulated, Failure("look whether the database is simulated", err)
}
