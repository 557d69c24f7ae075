package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/operator"
	"github.com/bulkreg/bulkreg/store/record"
)

// Acts on very many jobs show from the start how far they are; on few they show nothing.
func TestActsOnManyJobsShowProgress(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var list strings.Builder
	for i := range manyJobs + 1 {
		fmt.Fprintf(&list, "many-%d.nl\n", i)
	}
	d.must(exitDone, "enqueue", "whois", d.file("list", list.String()), "--order", "many")
	for _, act := range [][]string{{"cancel", "canceling"}, {"retry", "queuing"}, {"cancel", "canceling"}} {
		r := d.must(exitDone, act[0], "many", "--yes", "--reason", "x", "--by", "ann")
		for _, want := range []string{"planning: 0/10,001 jobs\n", "planning: 10,001/10,001 jobs\n", act[1] + ": 0/10,001 jobs\n", act[1] + ": 10,001/10,001 jobs\n"} {
			if !strings.Contains(r.stderr, want) {
				t.Errorf("%s: %q is not in %s", act[0], want, r.stderr)
			}
		}
	}
	d.must(exitDone, "enqueue", "whois", "a.nl", "--order", "few")
	if r := d.must(exitDone, "cancel", "few", "--yes", "--by", "ann"); strings.Contains(r.stderr, "planning") {
		t.Errorf("of one job it shows %s", r.stderr)
	}
}

// A long order shows how far it is read, and stored; a bad line is told in the place of the first.
func TestLongOrdersShowProgress(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var list strings.Builder
	for i := range 15_001 {
		fmt.Fprintf(&list, "long-%d.nl\n", i)
	}
	list.WriteString("-.nl\n")
	r := d.must(exitDone, "enqueue", "whois", d.file("list", list.String()), "--order", "long", "--skip-invalid")
	for _, want := range []string{"reading: 15,000 lines\n", "storing: 0/15,001 jobs\n", "storing: 15,001/15,001 jobs\n", "1 invalid line left out"} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("%q is not in %s", want, r.stderr)
		}
	}
	if r := d.must(exitDone, "audit"); !strings.Contains(r.stderr, "checking: 0/8 invariants\n") {
		t.Errorf("audit says %s", r.stderr)
	}
	if r := d.must(exitDone, "enqueue", "whois", "short.nl", "--order", "short"); strings.Contains(r.stderr, "storing") || strings.Contains(r.stderr, "reading") {
		t.Errorf("of one job it shows %s", r.stderr)
	}
}

func TestCounting(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	count := func(style barStyle, columns int) string {
		var out bytes.Buffer
		a := &app{stderr: &out}
		c := a.startCounting("canceling", 10)
		c.total, c.style = 100_000, style
		c.clock, c.width = func() time.Time { return now }, func() int { return columns }
		for _, done := range []int{0, 25_000, 50_000, 100_000} {
			c.show(done)
			now = now.Add(lineEvery / 2)
		}
		c.end()
		return out.String()
	}
	if got, want := count(noBar, 0), "canceling: 0/100,000 jobs\ncanceling: 50,000/100,000 jobs\ncanceling: 100,000/100,000 jobs\n"; got != want {
		t.Errorf("without a terminal: %q, want %q", got, want)
	}
	got := count(plainBar, 80)
	for _, want := range []string{"\r░", "███████████████░░", "50%  canceling: 50,000/100,000 jobs\x1b[K", "\r\x1b[K"} {
		if !strings.Contains(got, want) {
			t.Errorf("on a terminal: %q is not in %q", want, got)
		}
	}
	if got := count(plainBar, 30); strings.ContainsAny(got, "█░") || !strings.Contains(got, "\rcanceling: 50,000/100,000 jo") {
		t.Errorf("on a narrow terminal: %q", got)
	}
}

// A cancel that is broken off says that what is left stands still, and what ends that.
func TestBrokenOffCancelSaysWhatStaysPaused(t *testing.T) {
	t.Parallel()
	report := operator.Report{Paused: []record.Order{{Source: "cli", Reference: "one"}}}
	const want = "0 jobs were changed before that, and perhaps some more; the same command again does the rest; " +
		"until then what is left stays paused, and `bulkreg resume cli/one` lets it go on instead"
	if err := broken(t.Context(), report, errors.New("no disk")); err.Error() != "no disk; "+want {
		t.Errorf("it says %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := broken(ctx, report, ctx.Err()); err.Error() != "interrupted: "+want {
		t.Errorf("it says %v", err)
	}
}
