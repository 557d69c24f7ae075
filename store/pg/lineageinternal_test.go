package pg

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/bulkreg/bulkreg/migrations"
	"github.com/bulkreg/bulkreg/store/pgtest"
)

// A former primary may still answer. A process that has seen a newer one does not go back, and uses no connection that it had
// before.
func TestFormerPrimaryIsRefused(t *testing.T) {
	t.Parallel()
	s, err := connect(t.Context(), pgtest.New(t, func(ctx context.Context, url string) error {
		_, err := migrations.Up(ctx, url)
		return err
	}), Options{MaxConns: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Guard(t.Context(), nil, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	newer := *s.lineage.verified.Load()
	newer.timeline++
	s.lineage.verified.Store(&newer) // as though another connection had led there
	if err := s.Ping(t.Context()); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "this server is a former primary: it is on timeline 1, and timeline 2 is the newest") {
		t.Errorf("error is %v", err)
	}
}
