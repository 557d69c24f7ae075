package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
)

func summaryOf(total, calls int, counts map[record.State]int, outcomes map[record.Outcome]int) record.Summary {
	return record.Summary{Order: record.Order{Total: total}, Calls: calls, Counts: counts, Outcomes: outcomes}
}

// Without a terminal there is a line at first, then one every two seconds if something has changed, and one at the end.
func TestProgressLines(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	now := time.Unix(0, 0)
	p := &progress{out: &out, reference: "one", clock: func() time.Time { return now }, style: noBar}
	available := func(n int) record.Summary {
		return summaryOf(4000, n/100, map[record.State]int{record.Succeeded: n, record.Queued: 4000 - n}, map[record.Outcome]int{record.Available: n})
	}
	for _, step := range []struct {
		at time.Duration
		n  int
	}{{0, 0}, {time.Second, 500}, {2 * time.Second, 1000}, {3 * time.Second, 1000}, {5 * time.Second, 1000}, {6 * time.Second, 1500}, {6*time.Second + 1, 4000}} {
		now = time.Unix(0, 0).Add(step.at)
		p.show(available(step.n))
	}
	p.end()
	want := `one: 0/4,000, 0 calls, queued 4,000
one: 1,000/4,000, 500/s, 6s left, 10 calls, available 1,000, queued 3,000
one: 1,500/4,000, 250/s, 10s left, 15 calls, available 1,500, queued 2,500
one: 4,000/4,000, 40 calls, available 4,000
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestProgressText(t *testing.T) {
	t.Parallel()
	p := &progress{}
	s := summaryOf(10, 1, map[record.State]int{record.Held: 3, record.Unconfirmed: 1, record.Canceled: 1, record.Succeeded: 2, record.Failed: 3},
		map[record.Outcome]int{record.Registered: 2, record.Exhausted: 1, record.Duplicate: 2})
	want := "7/10, 1 call, on hold (`bulkreg holds` tells why), registered 2, duplicate 2, exhausted 1, canceled 1, unconfirmed 1, held 3"
	if got := p.text(s); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// On a terminal there is a bar; its colors can be turned off, and a bar of nothing draws nothing.
func TestProgressBar(t *testing.T) {
	t.Parallel()
	for style, colors := range map[barStyle]bool{plainBar: false, colorfulBar: true} {
		var out bytes.Buffer
		p := &progress{out: &out, reference: "one", clock: time.Now, style: style}
		p.show(summaryOf(0, 0, nil, nil))
		if out.Len() > 0 {
			t.Errorf("%s: of nothing it shows %q", style, out.String())
		}
		p.show(summaryOf(2, 0, map[record.State]int{record.Queued: 2}, nil))
		p.show(summaryOf(4, 1, map[record.State]int{record.Queued: 3, record.Succeeded: 1}, map[record.Outcome]int{record.Taken: 1}))
		p.show(summaryOf(4, 2, map[record.State]int{record.Unconfirmed: 1, record.Succeeded: 3}, map[record.Outcome]int{record.Taken: 3}))
		p.end()
		shown := out.String()
		if got := strings.Contains(shown, "\x1b[32m"); got != colors {
			t.Errorf("%s: colors %v in %q", style, got, shown)
		}
		for _, want := range []string{"0%", "25%", "1/4, ", "100%", "4/4, 2 calls, taken 3, unconfirmed 1"} {
			if !strings.Contains(shown, want) {
				t.Errorf("%s: %q is not in %q", style, want, shown)
			}
		}
		if !strings.HasSuffix(shown, "\n") || strings.Count(shown, "\n") != 1 {
			t.Errorf("%s: more than one line in %q", style, shown)
		}
	}
}

func TestSpeed(t *testing.T) {
	t.Parallel()
	var s speed
	if s.rate() != 0 {
		t.Error("a rate of nothing")
	}
	at := time.Unix(0, 0)
	s.add(at, 900_000) // what was done before it was watched does not count
	s.add(at, 900_000)
	if s.rate() != 0 {
		t.Errorf("a rate of %f in no time", s.rate())
	}
	s.add(at.Add(2*time.Second), 900_100)
	if s.rate() != 50 {
		t.Errorf("a rate of %f, want 50", s.rate())
	}
	for i := range 1000 {
		s.add(at.Add(time.Minute+time.Duration(i)*firstLook), 900_100+10*i)
	}
	if got := s.rate(); got < 199 || got > 201 || len(s.samples) > 300 {
		t.Errorf("a rate of %f from %d samples, want 200 from the last 10 s", got, len(s.samples))
	}
}

func TestLeftText(t *testing.T) {
	t.Parallel()
	for want, seconds := range map[string]float64{
		"0s left": 0.2, "59s left": 59.2, "1m00s left": 60, "59m59s left": 3599.9, "2h05m left": 7500, "more than 100 days left": 1e18,
	} {
		if got := leftText(seconds); got != want {
			t.Errorf("%f: got %q, want %q", seconds, got, want)
		}
	}
}

func TestFit(t *testing.T) {
	t.Parallel()
	for want, columns := range map[string]int{"éééé": 0, "éé…": 3, "…": 1} {
		if got := fit("éééé", columns); got != want {
			t.Errorf("in %d columns: %q, want %q", columns, got, want)
		}
	}
	if got := fit("éééé", 4); got != "éééé" {
		t.Errorf("got %q", got)
	}
}

// Whatever the width, a line never wraps, shows the counts whole, and is drawn once for each change.
func TestProgressFitsEveryWidth(t *testing.T) {
	t.Parallel()
	const million = 1_000_000
	summaries := []record.Summary{
		summaryOf(million, 0, map[record.State]int{record.Queued: million}, nil),
		summaryOf(million, 1234, map[record.State]int{record.Queued: million / 2, record.Running: 500, record.Succeeded: million/2 - 500}, map[record.Outcome]int{record.Registered: million/2 - 500}),
		summaryOf(million, 5678, map[record.State]int{record.Held: 1000, record.Unconfirmed: 7, record.Failed: 100, record.Succeeded: million - 1107},
			map[record.Outcome]int{record.Registered: million - 1107, record.Taken: 40, record.Rejected: 60}),
		summaryOf(million, 5678, map[record.State]int{record.Succeeded: million}, map[record.Outcome]int{record.Registered: million}),
	}
	for columns, bars := range map[int]bool{1: false, 40: false, 60: true, 80: true, 100: true, 160: true, 0: true} {
		var out bytes.Buffer
		now := time.Unix(0, 0)
		p := &progress{out: &out, reference: "one", clock: func() time.Time { return now }, style: colorfulBar, width: func() int { return columns }}
		for _, s := range summaries {
			p.show(s)
			p.show(s)
			now = now.Add(time.Second)
		}
		p.end()
		seen := strings.NewReplacer("\x1b[K", "", "\x1b[32m", "", "\x1b[0m", "")
		drawn := strings.Split(strings.TrimPrefix(strings.TrimSuffix(out.String(), "\n"), "\r"), "\r")
		if strings.ContainsAny(out.String(), "█░") != bars {
			t.Errorf("in %d columns: bars %v in %q", columns, !bars, out.String())
		}
		most := columns
		if most == 0 {
			most = usualColumns
		}
		for _, line := range drawn {
			text := seen.Replace(line)
			if got := term.Width(text); got >= most && most > 1 {
				t.Errorf("in %d columns a line takes %d: %s", columns, got, text)
			}
			if most >= 40 && !strings.Contains(text, "/1,000,000") {
				t.Errorf("in %d columns it does not count: %s", columns, text)
			}
		}
		if len(drawn) != len(summaries) && columns != 1 {
			t.Errorf("in %d columns it draws %d times: %q", columns, len(drawn), drawn)
		}
	}
}

// A note goes above the bar, and what is there is not drawn over.
func TestProgressNote(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := &progress{out: &out, reference: "one", clock: time.Now, style: plainBar, width: func() int { return 30 }}
	p.show(summaryOf(2, 0, map[record.State]int{record.Queued: 2}, nil))
	p.note("one waits: \x1b[31mred\u202e\n")
	p.show(summaryOf(2, 0, map[record.State]int{record.Queued: 2}, nil))
	p.end()
	line := "\r0/2, 0 calls, queued 2\x1b[K"
	if want := line + "\r\x1b[Kone waits:  [31mred  \n" + line + "\n"; out.String() != want {
		t.Errorf("it draws %q, want %q", out.String(), want)
	}
}
