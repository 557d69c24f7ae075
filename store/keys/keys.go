// Package keys keeps the keys of order systems: whose they are, what they may do, and how much of their daily limits is left. It
// knows digests alone, and must never see a secret.
package keys

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"
)

// Keys keeps the keys of one database. Use is safe from several goroutines.
type Keys struct {
	db *pg.DB
}

// New returns the Keys of the database.
func New(db *pg.DB) *Keys { return &Keys{db: db} }

// Limits bound what is asked with a key; 0 is no bound.
type Limits struct {
	RequestsPerMinute   int
	JobsPerDay          int // in UTC
	RegistrationsPerDay int
	JobsPerOrder        int
}

// Key is one key, without its secret.
type Key struct {
	ID         string
	Source     string
	Role       string
	Digest     []byte // SHA-256 of the secret
	CreatedAt  time.Time
	CreatedBy  string
	ExpiresAt  time.Time // zero: never
	RevokedAt  time.Time // zero: it is not
	RevokedBy  string
	LastUsedAt time.Time // to about a minute; zero: never
	Limits     Limits
	Expired    bool // by the database's clock
}

// Good reports whether the key may be used.
func (k Key) Good() bool { return k.RevokedAt.IsZero() && !k.Expired }

// NewKey is a key to be made.
type NewKey struct {
	ID     string
	Source string
	Role   string
	Digest [32]byte
	By     string        // who makes it, on record
	Life   time.Duration // how long it is good
	Until  time.Time     // or until when; with neither it never expires
	Limits Limits
}

// ErrPast says that a key would have expired before it was made, by the database's clock.
var ErrPast = errors.New("its time would be over already")

// Create keeps a new key. Its errors are ErrPast and those of the database.
func (s *Keys) Create(ctx context.Context, k NewKey) error {
	_, err := s.db.Pool.Exec(ctx, `
		INSERT INTO api_keys (id, source, role, digest, created_by, expires_at, requests_per_minute, jobs_per_day, registrations_per_day, jobs_per_order)
		VALUES ($1, $2, $3, $4, $5, coalesce($6, now() + make_interval(secs => $7)), $8, $9, $10, $11)`,
		k.ID, k.Source, k.Role, k.Digest[:], k.By, record.OrNull(k.Until), record.OrNull(pg.Seconds(k.Life)), record.OrNull(k.Limits.RequestsPerMinute),
		record.OrNull(k.Limits.JobsPerDay), record.OrNull(k.Limits.RegistrationsPerDay), record.OrNull(k.Limits.JobsPerOrder))
	failed := pg.Failure("create key", err)
	if refused := (*pg.Error)(nil); errors.As(failed, &refused) && refused.Constraint == "api_keys_check" {
		return fmt.Errorf("create key: %w", ErrPast)
	}
	return failed
}

const columns = `id, source, role, digest, created_at, created_by, coalesce(expires_at, 'epoch'), coalesce(revoked_at, 'epoch'), coalesce(revoked_by, ''),
	coalesce(last_used_at, 'epoch'), coalesce(requests_per_minute, 0), coalesce(jobs_per_day, 0), coalesce(registrations_per_day, 0),
	coalesce(jobs_per_order, 0), coalesce(expires_at <= now(), false)`

func scan(row pgx.CollectableRow) (Key, error) {
	var k Key
	err := row.Scan(&k.ID, &k.Source, &k.Role, &k.Digest, &k.CreatedAt, &k.CreatedBy, &k.ExpiresAt, &k.RevokedAt, &k.RevokedBy, &k.LastUsedAt,
		&k.Limits.RequestsPerMinute, &k.Limits.JobsPerDay, &k.Limits.RegistrationsPerDay, &k.Limits.JobsPerOrder, &k.Expired)
	for _, at := range []*time.Time{&k.ExpiresAt, &k.RevokedAt, &k.LastUsedAt} {
		if at.Equal(time.Unix(0, 0)) {
			*at = time.Time{}
		}
	}
	return k, err
}

// List lists the keys of a source or ("") of all, the oldest first.
func (s *Keys) List(ctx context.Context, source string) ([]Key, error) {
	rows, err := s.db.Pool.Query(ctx, `SELECT `+columns+` FROM api_keys WHERE $1 = '' OR source = $1 ORDER BY source, created_at, id`, source)
	if err != nil {
		return nil, pg.Failure("list keys", err)
	}
	list, err := pgx.CollectRows(rows, scan)
	return list, pg.Failure("list keys", err)
}

// Find finds a key by its id, whether it is good or not, or fails with pg.ErrNotFound.
func (s *Keys) Find(ctx context.Context, id string) (Key, error) {
	rows, err := s.db.Pool.Query(ctx, `SELECT `+columns+` FROM api_keys WHERE id = $1`, id)
	if err != nil {
		return Key{}, pg.Failure("find key", err)
	}
	k, err := pgx.CollectExactlyOneRow(rows, scan)
	return k, pg.Failure("find key", err)
}

// GoodIDs are the ids of all keys that may be used.
func (s *Keys) GoodIDs(ctx context.Context) ([]string, error) {
	rows, err := s.db.Pool.Query(ctx, `SELECT id FROM api_keys WHERE revoked_at IS NULL AND coalesce(expires_at > now(), true)`)
	if err != nil {
		return nil, pg.Failure("list ids of keys", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return ids, pg.Failure("list ids of keys", err)
}

// NoteUse notes that a key was used now. It writes once a minute at most.
func (s *Keys) NoteUse(ctx context.Context, id string) error {
	_, err := s.db.Pool.Exec(ctx, `
		UPDATE api_keys SET last_used_at = now() WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')`, id)
	return pg.Failure("note use of key", err)
}

// Revoke ends keys for good: those with these ids that are not revoked yet. It returns the ids of those that it ended.
func (s *Keys) Revoke(ctx context.Context, ids []string, by string) ([]string, error) {
	rows, err := s.db.Pool.Query(ctx, `
		UPDATE api_keys SET revoked_at = now(), revoked_by = $2 WHERE id = ANY($1) AND revoked_at IS NULL RETURNING id`, ids, by)
	if err != nil {
		return nil, pg.Failure("revoke keys", err)
	}
	ended, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return ended, pg.Failure("revoke keys", err)
}
