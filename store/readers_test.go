package store_test

import (
	"errors"
	"testing"

	"github.com/jackc/pgerrcode"

	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"
)

// Whoever opened the database to look at it writes nothing, whatever is called by mistake; expired tokens are erased all the same.
func TestReadersCannotWrite(t *testing.T) {
	t.Parallel()
	b := setup(t)
	order := b.submit(newOrder(record.Register, "o"), "a.nl", "b.nl", "c.nl").Order
	reader, err := store.Open(t.Context(), b.url, store.Options{Reads: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(reader.Close)
	if sum, err := reader.Orders.Summarize(t.Context(), order); err != nil || sum.Total != 3 {
		t.Errorf("it sees %d jobs, %v", sum.Total, err)
	}
	var refused *pg.UnavailableError
	if _, err := reader.Holds.Resume(t.Context(), "default"); !errors.As(err, &refused) || refused.Code != pgerrcode.ReadOnlySQLTransaction {
		t.Errorf("resume: %v", err)
	}
	if _, err := reader.Pool.Exec(t.Context(), `UPDATE jobs SET wake_at = NULL`); err == nil {
		t.Error("it writes jobs")
	}
	if _, err := reader.Tokens.Erase(t.Context(), 10); err != nil {
		t.Errorf("erase: %v", err)
	}
}
