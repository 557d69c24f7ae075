package store

import "context"

// playedWords is the comment on the orders of a database that a played registrar works on.
const playedWords = "for a played registrar: nothing here was bought"

// MarkPlayed says of the database, for good, that a played registrar works on its orders. The role must own its tables.
func (s *Store) MarkPlayed(ctx context.Context) error {
	_, err := s.pool.Exec(ctx, `COMMENT ON TABLE orders IS '`+playedWords+`'`)
	return failure("mark database as played", err)
}

// Played says whether MarkPlayed was ever called on the database. Where it was not, a played registrar would call domains
// registered that nobody has bought.
func (s *Store) Played(ctx context.Context) (bool, error) {
	var played bool
	err := s.pool.QueryRow(ctx, `SELECT coalesce(obj_description('orders'::regclass, 'pg_class') = $1, false)`, playedWords).Scan(&played)
	return played, failure("look whether the database is played", err)
}
