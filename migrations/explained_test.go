package migrations

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// A migration waits for nobody's lock for long: whoever comes after it would wait as well. It can be repeated.
func TestExplainedLock(t *testing.T) {
	t.Parallel()
	locked := fmt.Errorf("migrate: %w", &pgconn.PgError{Code: "55P03", Message: "canceling statement due to lock timeout"})
	if err := explained(locked); !errors.Is(err, locked) || !strings.Contains(err.Error(), "run it again") {
		t.Errorf("a lock: %v", err)
	}
	other := fmt.Errorf("migrate: %w", &pgconn.PgError{Code: "42P07", Message: "relation exists"})
	if err := explained(other); err.Error() != other.Error() {
		t.Errorf("something else: %v", err)
	}
}
