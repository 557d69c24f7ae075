package main

import (
	"strings"
	"testing"

	"github.com/bulkreg/bulkreg/store/record"
)

// On a terminal a plain yes is asked for.
func TestActsAsk(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		args     []string
		question string
		answer   string // "" for Ctrl-C
		status   int
		want     string // how d.nl, or c.nl, stands then
	}{
		"cancel, yes":       {[]string{"cancel", "one"}, "Cancel 1 job?", "y\n", exitDone, "succeeded registered, failed rejected, unconfirmed, canceled"},
		"cancel, no":        {[]string{"cancel", "one"}, "Cancel 1 job?", "n\n", exitUsage, ""},
		"cancel, interrupt": {[]string{"cancel", "one"}, "Cancel 1 job?", "", exitInterrupted, ""},
		"retry": {[]string{"retry", "one"}, "Try 1 job again? A registration costs money and cannot be undone.", "yes\n", exitDone,
			"succeeded registered, queued, unconfirmed, queued"},
		"confirm": {[]string{"confirm", "one", "--registered", "--reason", "x"}, "Confirm 1 job as registered?", "\n", exitUsage, ""},
		"disown": {[]string{"confirm", "one", "--not-registered", "--reason", "x"},
			"Confirm 1 job as not registered? What is available is sent again, which costs money.", "\x04", exitUsage, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := doubtfulDesk(t)
			if tc.want == "" {
				tc.want = d.standings("one")
			}
			p := startOnTerminal(t, d.environ, tc.args...)
			p.stderr.await(t, tc.question+" [y/N] ", p.ended)
			if tc.answer == "" {
				p.interrupt()
			} else {
				p.types(t, tc.answer)
			}
			<-p.ended
			if r := p.result(); r.status != tc.status || tc.status != exitDone && !strings.Contains(r.stderr, "nothing was changed") {
				t.Errorf("status %d, %s", r.status, r.stderr)
			}
			if got := d.standings("one"); got != tc.want {
				t.Errorf("stands at %s, want %s", got, tc.want)
			}
		})
	}
}

// WHOIS checks cost nothing, and the question does not say that they do.
func TestRetryOfChecksDoesNotSpeakOfMoney(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.must(exitDone, "enqueue", "whois", "a.nl", "--order", "one")
	d.work(record.Whois, fates{"a.nl": fails(record.Exhausted, "busy")})
	p := startOnTerminal(t, append(d.environ, "USER=ann"), "retry", "one")
	if shown := p.stderr.await(t, "[y/N]", p.ended); !strings.Contains(shown, "Try 1 job again? [y/N]") {
		t.Errorf("it asks %q", shown)
	}
	p.interrupt()
	<-p.ended
}

// On a terminal, whoever lifts more than the holds of one account, or somebody else's pause, is asked.
func TestResumeAsks(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		args     []string
		question string // "": none
		answer   string
		status   int
		left     int
	}{
		"everything, yes":      {[]string{"resume"}, "Lift 2 holds and resume 1 paused order, so that 3 jobs go on?", "y\n", exitDone, 0},
		"everything, no":       {[]string{"resume"}, "Lift 2 holds and resume 1 paused order", "n\n", exitUsage, 3},
		"everything, with yes": {[]string{"resume", "--yes"}, "", "", exitDone, 0},
		"another's, no":        {[]string{"resume", "brand-b"}, "Lift 1 hold, so that 0 jobs go on?", "\n", exitUsage, 3},
		"one's own":            {[]string{"resume", "default"}, "", "", exitDone, 2},
		"another's order, yes": {[]string{"resume", "checks"}, "Resume 1 paused order, so that", "y\n", exitDone, 2},
		"in another's name":    {[]string{"resume", "checks", "--by", "joe"}, "", "", exitDone, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := pausedDesk(t)
			d.must(exitDone, "pause", "default")
			d.must(exitDone, "pause", "brand-b", "--by", "joe")
			d.must(exitDone, "pause", "checks", "--by", "joe")
			p := startOnTerminal(t, d.environ, tc.args...)
			if tc.question != "" {
				p.stderr.await(t, tc.question, p.ended)
				p.types(t, tc.answer)
			}
			<-p.ended
			r := p.result()
			if r.status != tc.status || strings.Contains(r.stderr, "[y/N]") != (tc.question != "") {
				t.Errorf("status %d, %s", r.status, r.stderr)
			}
			d.holds(tc.left)
		})
	}
}

// Where nothing tells a name, a terminal is asked for it first, and for the yes then.
func TestWhoActsIsAsked(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answers []string // to the questions, one after the other
		status  int
		want    string
	}{
		"a name":  {[]string{"joe\n", "y\n"}, exitDone, "canceled by joe"},
		"no name": {[]string{"\n"}, exitUsage, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			d.must(exitDone, "enqueue", "whois", "a.nl", "--order", "one")
			p := startOnTerminal(t, d.environ, "cancel", "one")
			for i, question := range []string{"Your name: ", "Cancel 1 job? [y/N] "} {
				if i < len(tc.answers) {
					p.stderr.await(t, question, p.ended)
					p.types(t, tc.answers[i])
				}
			}
			<-p.ended
			if r := p.result(); r.status != tc.status {
				t.Errorf("status %d, %s", r.status, r.stderr)
			}
			if got := d.job("one", "a.nl").LastError; got != tc.want {
				t.Errorf("the job says %q", got)
			}
		})
	}
}
