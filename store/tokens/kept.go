package tokens

import (
	"context"
	"time"

	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/pg"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// SealedPerson is whom a job's token is for, as it is kept.
type SealedPerson struct {
	Job            uuid.UUID
	Source         string // of the order, as Reference
	Reference      string
	Person         []byte // nil: purged
	PrivacyConsent bool
}

// People returns whom the tokens of the jobs that run under a claim are for.
func (s *Tokens) People(ctx context.Context, claim uuid.UUID) (map[uuid.UUID]SealedPerson, error) {
	rows, err := s.db.Pool.Query(ctx, `
		SELECT j.id, o.source, o.reference, j.person, coalesce(j.privacy_consent, false)
		`+ledger.RunningUnder+` JOIN orders o ON o.id = j.order_id
		WHERE c.id = $1`, claim)
	if err != nil {
		return nil, pg.Failure("read people", err)
	}
	people := map[uuid.UUID]SealedPerson{}
	var p SealedPerson
	_, err = pgx.ForEachRow(rows, []any{pg.BytesOf(&p.Job), &p.Source, &p.Reference, &p.Person, &p.PrivacyConsent}, func() error {
		people[p.Job] = p
		p.Person = nil
		return nil
	})
	return people, pg.Failure("read people", err)
}

// Kept is a token whose time is not over, as it is kept.
type Kept struct {
	Sealed    []byte
	ExpiresAt time.Time
	Left      time.Duration // until then, by the database's clock
}

// Live returns the tokens of an order's jobs whose time is not over. Nothing else gives them out.
func (s *Tokens) Live(ctx context.Context, order int64) (map[uuid.UUID]Kept, error) {
	rows, err := s.db.Pool.Query(ctx, `
		SELECT job_id, sealed, expires_at, extract(epoch FROM expires_at - now())::float8
		FROM tokens WHERE order_id = $1 AND expires_at > now()`, order)
	if err != nil {
		return nil, pg.Failure("read tokens", err)
	}
	var (
		id   uuid.UUID
		t    Kept
		left float64
	)
	tokens := map[uuid.UUID]Kept{}
	_, err = pgx.ForEachRow(rows, []any{pg.BytesOf(&id), &t.Sealed, &t.ExpiresAt, &left}, func() error {
		t.Left = time.Duration(left * float64(time.Second))
		tokens[id] = t
		t.Sealed = nil
		return nil
	})
	return tokens, pg.Failure("read tokens", err)
}

// Erase erases at most limit tokens whose time is over. Their jobs say so. It returns how many there were. Who only looks erases, too.
func (s *Tokens) Erase(ctx context.Context, limit int) (int, error) {
	var erased int64
	err := pgx.BeginTxFunc(ctx, s.db.Pool, pgx.TxOptions{AccessMode: pgx.ReadWrite}, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `
		WITH over AS (
			SELECT job_id FROM tokens WHERE expires_at <= now() ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED
		), gone AS (
			DELETE FROM tokens t USING over WHERE t.job_id = over.job_id RETURNING t.job_id
		)
		UPDATE jobs j SET outcome = 'expired' FROM gone WHERE j.id = gone.job_id AND j.outcome = 'issued'`, limit)
		erased = tag.RowsAffected()
		return err
	})
	return int(erased), pg.Failure("erase tokens", err)
}
