package pg

import "context"

// playedWords is the comment on the orders of a database that a played registrar works on.
const playedWords = "for a played registrar: nothing here was bought"

// MarkSimulated says of the database, for good, that a played registrar works on its orders. The role must own its tables.
func (s *DB) MarkSimulated(ctx context.Context) error {
	_, err := s.Pool.Exec(ctx, `COMMENT ON TABLE orders IS '`+playedWords+`'`)
	return Failure("mark database as played", err)
}

// Simulated says whether MarkSimulated was ever called on the database. Where it was not, a played registrar would call domains
// registered that nobody has bought.
func (s *DB) Simulated(ctx context.Context) (bool, error) {
	var played bool
	err := s.Pool.QueryRow(ctx, `SELECT coalesce(obj_description('orders'::regclass, 'pg_class') = $1, false)`, playedWords).Scan(&played)
	return played, Failure("look whether the database is played", err)
}
