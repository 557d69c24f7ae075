package worker

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
)

// Whoever watches a worker is told when something begins to fail and when the last of its kind works again.
func TestTroublesAreToldOnChange(t *testing.T) {
	t.Parallel()
	var told []string
	all := newTroubles(func(what string, err error) {
		if err != nil {
			what += ": " + err.Error()
		}
		told = append(told, what)
	})
	var log bytes.Buffer
	of := func(what string) *outage { return &outage{log: zerolog.New(&log), what: what, troubles: all} }
	one, two, other := of("looking"), of("looking"), of("dispatching")
	ctx := t.Context()
	one.note(ctx, nil)
	one.note(ctx, errors.New("away"))
	one.note(ctx, errors.New("still away"))
	two.note(ctx, errors.New("away"))
	other.note(ctx, errors.New("full"))
	if want := "dispatching fails: full; looking fails: away"; all.words() != want {
		t.Errorf("it says %q, want %q", all.words(), want)
	}
	one.note(ctx, nil)
	two.note(ctx, nil)
	other.note(ctx, nil)
	if diff := cmp.Diff([]string{"looking: away", "dispatching: full", "looking", "dispatching"}, told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	if all.words() != "" {
		t.Errorf("it still says %q", all.words())
	}
	if n := strings.Count(log.String(), "looking fails"); n != 2 {
		t.Errorf("the log has it %d times:\n%s", n, log.String())
	}
	stopped, stop := context.WithCancel(ctx)
	stop()
	one.note(stopped, errors.New("stopped"))
	if all.words() != "" {
		t.Error("stopping is no trouble")
	}
}
