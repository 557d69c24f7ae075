package torture

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"

	"github.com/bulkreg/bulkreg/worker/sandbox/judge"
)

// thorough says whether everything is to be run.
func thorough() bool { return os.Getenv("TORTURE_MINUTES") != "" }

// tally adds up what all worlds came to. A nil one takes nothing in.
type tally struct {
	mu       sync.Mutex
	faults   map[string]int
	worlds   int
	jobs     int
	lost     int
	twice    int
	doubtful int // unconfirmed
	unpaid   int // of them
}

func (t *tally) add(w *world, v judge.Verdict) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, n := range w.proven {
		if n > 0 {
			t.faults[name] += n
		}
	}
	t.worlds++
	t.jobs += v.Jobs
	t.lost += v.Lost
	t.twice += v.PaidTwice
	t.doubtful += v.Unconfirmed
	t.unpaid += v.Unpaid
}

// String is a table for people.
func (t *tally) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	total := 0
	fmt.Fprintf(table, "\nFAULT\tTIMES\n")
	for _, name := range slices.Sorted(maps.Keys(t.faults)) {
		fmt.Fprintf(table, "%s\t%d\n", name, t.faults[name])
		total += t.faults[name]
	}
	fmt.Fprintf(table, "all\t%d\n\n", total)
	share := 0.0
	if t.jobs > 0 {
		share = 100 * float64(t.doubtful) / float64(t.jobs)
	}
	fmt.Fprintf(table, "worlds\t%d\nregistrations\t%d\nlost\t%d\npaid twice\t%d\nunconfirmed\t%d (%.1f %%)\nunconfirmed, never paid for\t%d\n",
		t.worlds, t.jobs, t.lost, t.twice, t.doubtful, share, t.unpaid)
	if err := table.Flush(); err != nil {
		return err.Error()
	}
	return b.String()
}
