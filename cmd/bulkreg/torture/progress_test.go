package torture

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// line is what one account has to do of one kind.
type workLine struct{ account, kind string }

// progress is how a line stands at a moment.
type progress struct {
	workLine
	due  int // jobs that could go on
	held bool
	done int // calls that came to an end, and jobs that did
}

// stillness watches that whatever can go on does (I13): no line with due work and no hold may stand still for longer than its
// bound. It does not ask for a free slot: a bound is longer than any call of its scenario.
type stillness struct {
	bound  time.Duration
	since  map[workLine]time.Time // when a line was last seen to go on, or had nothing to do
	done   map[workLine]int
	worst  time.Duration
	broken []string
}

func newStillness(bound time.Duration) *stillness {
	return &stillness{bound: bound, since: map[workLine]time.Time{}, done: map[workLine]int{}}
}

// note takes in how all lines stand.
func (s *stillness) note(at time.Time, lines []progress) {
	for _, p := range lines {
		before, seen := s.done[p.workLine]
		s.done[p.workLine] = p.done
		if !seen || p.done != before || p.due == 0 || p.held {
			s.since[p.workLine] = at
			continue
		}
		still := at.Sub(s.since[p.workLine])
		s.worst = max(s.worst, still)
		if still > s.bound {
			s.broken = append(s.broken, fmt.Sprintf("%s of account %s stood still for %v with %d jobs due",
				p.kind, p.account, still.Round(time.Millisecond), p.due))
			s.since[p.workLine] = at
		}
	}
}

// forget begins anew: nobody could look, or nobody could work.
func (s *stillness) forget() { clear(s.since); clear(s.done) }

const readProgress = `
	SELECT j.account, j.kind,
		count(*) FILTER (WHERE j.state IN ('queued', 'running') OR j.state = 'retrying' AND j.wake_at <= now()),
		EXISTS (SELECT FROM holds h WHERE h.account = j.account AND h.scope IN ('all', j.kind)),
		count(*) FILTER (WHERE j.finished_at IS NOT NULL OR j.state = 'unconfirmed') + (
			SELECT count(*) FROM calls k JOIN claims c ON c.id = k.claim_id
			WHERE k.finished_at IS NOT NULL AND c.account = j.account AND c.kind = j.kind)
	FROM jobs j GROUP BY j.account, j.kind`

// looksEvery is how often progress is looked at.
const looksEvery = 200 * time.Millisecond

// watchProgress looks at the progress of all lines until done is called, which judges it.
func (w *world) watchProgress(bound time.Duration) (done func()) {
	s := newStillness(bound)
	watching, end := context.WithCancel(w.t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		looks := time.NewTicker(looksEvery)
		defer looks.Stop()
		for {
			select {
			case <-watching.Done():
				return
			case <-looks.C:
			}
			if lines, err := w.lines(watching); err == nil {
				s.note(time.Now(), lines)
			} else {
				s.forget()
			}
		}
	})
	return sync.OnceFunc(func() {
		w.t.Helper()
		end()
		group.Wait()
		for _, b := range s.broken {
			w.t.Errorf("I13: %s, at most %v is allowed", b, bound)
		}
		w.t.Logf("longest time without progress: %v", s.worst.Round(time.Millisecond))
	})
}

func (w *world) lines(ctx context.Context) ([]progress, error) {
	asking, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := pgx.Connect(asking, w.database)
	if err != nil {
		return nil, err
	}
	defer w.disconnect(conn)
	rows, err := conn.Query(asking, readProgress)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (p progress, err error) {
		return p, row.Scan(&p.account, &p.kind, &p.due, &p.held, &p.done)
	})
}

func TestStillness(t *testing.T) {
	t.Parallel()
	a, b := workLine{"a", "whois"}, workLine{"b", "whois"}
	begun := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, tc := range map[string]struct {
		looks [][]progress // one a second
		want  int
	}{
		"goes on":                 {[][]progress{{{a, 5, false, 1}}, {{a, 4, false, 2}}, {{a, 3, false, 3}}, {{a, 2, false, 4}}, {{a, 1, false, 5}}}, 0},
		"stands still":            {[][]progress{{{a, 5, false, 1}}, {{a, 5, false, 1}}, {{a, 5, false, 1}}, {{a, 5, false, 1}}}, 1},
		"has nothing to do":       {[][]progress{{{a, 0, false, 1}}, {{a, 0, false, 1}}, {{a, 0, false, 1}}, {{a, 5, false, 1}}, {{a, 5, false, 1}}}, 0},
		"is on hold":              {[][]progress{{{a, 5, true, 1}}, {{a, 5, true, 1}}, {{a, 5, true, 1}}, {{a, 5, true, 1}}}, 0},
		"another line goes on":    {[][]progress{{{a, 5, false, 1}, {b, 5, false, 1}}, {{a, 5, false, 1}, {b, 5, false, 2}}, {{a, 5, false, 1}, {b, 5, false, 3}}, {{a, 5, false, 1}, {b, 5, false, 4}}}, 1},
		"stands still, and again": {slices.Repeat([][]progress{{{a, 5, false, 1}}}, 7), 2},
	} {
		s := newStillness(2500 * time.Millisecond)
		for i, look := range tc.looks {
			s.note(begun.Add(time.Duration(i)*time.Second), look)
		}
		if len(s.broken) != tc.want {
			t.Errorf("%s: %q, want %d breaches", name, s.broken, tc.want)
		}
	}
}
