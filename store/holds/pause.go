package holds

import (
	"context"
	"errors"
	"fmt"

	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/jackc/pgx/v5"
)

// Pause is who wants something to stand still, and why.
type Pause struct {
	By    string // on record as long as it lasts
	Words string // may be ""
}

// Check says what is wrong with a pause. PauseAccount and PauseOrder refuse it for the same.
func (p Pause) Check() error { return record.CheckRecord(p.By, p.Words) }

// PauseAccount places an operator's hold on all of an account's work. One that is paused already stays as it is: placed is
// false then, and the hold says since when and by whom. What is under way at the upstream is seen through.
func (s *Holds) PauseAccount(ctx context.Context, account string, p Pause) (h View, placed bool, err error) {
	if err := p.Check(); err != nil {
		return h, false, fmt.Errorf("pause account: %w", err)
	}
	// The update changes nothing. It makes the row that is there come back.
	err = s.db.Pool.QueryRow(ctx, `
		INSERT INTO holds AS h (account, reason, scope, words, placed_by) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (account, reason) DO UPDATE SET words = h.words
		RETURNING `+HoldColumns+`, xmax = 0`,
		account, Paused, ScopeAll, record.Clip(p.Words), p.By).Scan(append(h.Fields(), &placed)...)
	return h, placed, pg.Failure("pause account", err)
}

// PauseOrder lets the jobs of one order wait, as PauseAccount does with an account's.
func (s *Holds) PauseOrder(ctx context.Context, o record.Order, p Pause) (h OrderHold, placed bool, err error) {
	if err := p.Check(); err != nil {
		return h, false, fmt.Errorf("pause order: %w", err)
	}
	h.Order = o
	err = s.db.Pool.QueryRow(ctx, `
		INSERT INTO order_holds AS h (order_id, placed_by, words) VALUES ($1, $2, $3)
		ON CONFLICT (order_id) DO UPDATE SET words = h.words
		RETURNING h.since, h.placed_by, h.words, xmax = 0`,
		o.ID, p.By, record.Clip(p.Words)).Scan(&h.Since, &h.PlacedBy, &h.Words, &placed)
	return h, placed, pg.Failure("pause order", err)
}

// OrderHold is the pause of one order, with the jobs that go on when it ends. It returns false when the order is not paused.
func (s *Holds) OrderHold(ctx context.Context, o record.Order) (h OrderHold, paused bool, err error) {
	err = s.db.InTx(ctx, "read pause of order", func(tx pgx.Tx) error {
		h, paused, err = orderHold(ctx, tx, o, "")
		if err == nil && paused {
			err = countGoingInOrder(ctx, tx, &h, nil)
		}
		return err
	})
	return h, paused && err == nil, err
}

// ResumeOrder ends the pause of one order, and says how many jobs go on. It returns false when the order was not paused.
func (s *Holds) ResumeOrder(ctx context.Context, o record.Order) (h OrderHold, resumed bool, err error) {
	err = s.db.InTx(ctx, "resume order", func(tx pgx.Tx) error {
		h, resumed, err = orderHold(ctx, tx, o, `FOR UPDATE OF oh`)
		if err != nil || !resumed {
			return err
		}
		if err := dropOrderHolds(ctx, tx, []OrderHold{h}); err != nil {
			return err
		}
		return countGoingInOrder(ctx, tx, &h, nil)
	})
	if err == nil && resumed {
		s.db.Wake("")
	}
	return h, resumed && err == nil, err
}

func orderHold(ctx context.Context, tx pgx.Tx, o record.Order, lock string) (OrderHold, bool, error) {
	rows, err := tx.Query(ctx, `
		SELECT `+OrderHoldColumns+` FROM order_holds oh JOIN orders o ON o.id = oh.order_id WHERE oh.order_id = $1 `+lock, o.ID)
	if err != nil {
		return OrderHold{}, false, err
	}
	h, err := pgx.CollectExactlyOneRow(rows, ScanOrderHold)
	if errors.Is(err, pgx.ErrNoRows) {
		return h, false, nil
	}
	return h, err == nil, err
}
