package main

import (
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/fleet"
	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/record"
)

// placeHold puts a hold on the registrations of the desk's account.
func (d *desk) placeHold(reason holds.Reason) {
	d.t.Helper()
	laid, err := d.st.Holds.Hold(d.t.Context(), holds.NewHold{
		Account: "default", Reason: reason, Scope: holds.ScopeRegister, Words: "no funds", Status: 402, ProbeEvery: time.Hour,
	})
	if err != nil || !laid {
		d.t.Fatal(laid, err)
	}
}

func TestWaitingEndsInTime(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	list := d.file("list", "b.nl\nc.nl\n")
	for name, tc := range map[string]struct {
		args []string
		says []string
	}{
		"enqueue whois":    {[]string{"enqueue", "whois", "a.nl", "--order", "one", "--wait"}, []string{"order one has not ended within 60ms: 0 of 1 job has ended, queued 1", "`bulkreg watch one` looks again"}},
		"enqueue register": {[]string{"enqueue", "register", list, "--order", "two", "--holder", "H", "--yes", "--wait"}, []string{"order two has not ended within 60ms: 0 of 2 jobs have ended, queued 2"}},
	} {
		r := d.must(exitNotFinished, append(tc.args, "--timeout", "60ms")...)
		for _, want := range tc.says {
			if !strings.Contains(r.stderr, want) {
				t.Errorf("%s: %q is not in %s", name, want, r.stderr)
			}
		}
		if !strings.Contains(r.stdout, "\nFinished  not yet\n") {
			t.Errorf("%s: it prints %s", name, r.stdout)
		}
	}
	r := d.must(exitNotFinished, "watch", "one", "--timeout", "1ns", "-o", "json")
	if out := parsed[orderJSON](t, r.stdout); out.Done || out.Counts[record.Queued] != 1 {
		t.Errorf("%+v", out)
	}
	lines := strings.Split(strings.TrimSpace(r.stderr), "\n")
	if got := errorsOf(t, lines[len(lines)-1]+"\n"); len(got) != 1 || got[0].Kind != "not_finished" || !strings.Contains(got[0].Message, "has not ended within 1ns") {
		t.Errorf("%+v", got)
	}
	d.exec(`UPDATE orders SET created_at = created_at - interval '1 minute'`)
	if r := d.must(exitNotFinished, "watch", "one", "--timeout", "1ms"); !strings.Contains(r.stderr, "; it waits: no live worker works on it") {
		t.Errorf("it does not say why: %s", r.stderr)
	}
	d.work(record.Whois, fates{"a.nl": succeeds(record.Available)})
	d.must(exitDone, "watch", "one", "--timeout", "1ns") // it has ended already
	d.must(exitDone, "watch", "one", "--timeout", "1h", "--fail-on-hold")
}

func TestWaitingEndsAtAHold(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	list := d.file("list", "a.nl\n")
	d.must(exitDone, "enqueue", "register", list, "--order", "one", "--holder", "H", "--yes")
	w := startCommand(t, d.environ, "watch", "one", "--fail-on-hold", "-o", "json")
	w.stderr.await(t, "0/1", w.ended)
	d.placeHold(holds.Payment)
	<-w.ended
	r := w.result()
	if out := parsed[orderJSON](t, r.stdout); r.status != exitNotFinished || len(out.WaitsFor) != 1 || out.WaitsFor[0].Reason != fleet.StillHeld {
		t.Errorf("status %d, %+v", r.status, out)
	}
	r = d.must(exitNotFinished, "enqueue", "register", list, "--order", "one", "--holder", "H", "--yes", "--wait", "--fail-on-hold")
	if !strings.Contains(r.stderr, "order one cannot go on by itself: 0 of 1 job has ended, queued 1; it waits: account default has a payment hold") {
		t.Errorf("a hold that was there before: %s", r.stderr)
	}
	if r := d.must(exitNotFinished, "watch", "one", "--timeout", "1ms"); !strings.Contains(r.stderr, "it waits: account default has a payment hold") {
		t.Errorf("the time passes on a hold: %s", r.stderr)
	}
	d.must(exitDone, "resume", "default", "--yes")
	d.must(exitDone, "pause", "cli/one", "--by", "ann", "--reason", "later")
	if r := d.must(exitNotFinished, "watch", "one", "--fail-on-hold"); !strings.Contains(r.stderr, "it waits: the order is paused, since ") {
		t.Errorf("a pause: %s", r.stderr)
	}
	d.must(exitDone, "resume", "cli/one", "--yes")
	d.placeHold(holds.Outage) // goes by itself
	if r := d.must(exitNotFinished, "watch", "one", "--fail-on-hold", "--timeout", "300ms"); !strings.Contains(r.stderr, "has not ended within 300ms") {
		t.Errorf("an outage: %s", r.stderr)
	}
}

func TestWaitLimitsRefuse(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for want, args := range map[string][]string{
		"--timeout is for --wait":                       {"enqueue", "whois", "a.nl", "--order", "one", "--timeout", "1m"},
		"--fail-on-hold is for --wait":                  {"enqueue", "whois", "a.nl", "--order", "one", "--fail-on-hold"},
		"--timeout 0s: give a time":                     {"watch", "one", "--timeout", "0"},
		"--timeout -1m0s: give a time":                  {"enqueue", "whois", "a.nl", "--order", "one", "--wait", "--timeout", "-1m"},
		`--timeout "soon": give a number with its unit`: {"watch", "one", "--timeout", "soon"},
	} {
		if r := d.must(exitUsage, args...); !strings.Contains(r.stderr, want) {
			t.Errorf("%q says %s, want %q", args, r.stderr, want)
		}
	}
	d.empty()
}
