package main

import (
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/holds"
)

// pausedDesk has the account brand-b, an order of two registrations and one of a check.
func pausedDesk(t *testing.T) *desk {
	t.Helper()
	d := newDesk(t)
	d.environ = append(d.environ, "USER=ann")
	for _, account := range []string{"default", "brand-b"} {
		if err := d.st.Fleet.AnnounceAccount(t.Context(), account); err != nil {
			t.Fatal(err)
		}
	}
	d.register("one", "a.nl", "b.nl")
	d.must(exitDone, "enqueue", "whois", "c.nl", "--order", "checks", "--source", "shop")
	return d
}

// says runs a command and checks what it says on stderr.
func (d *desk) says(status int, args []string, want ...string) result {
	d.t.Helper()
	r := d.must(status, args...)
	for _, w := range want {
		if !strings.Contains(stable(r.stderr), w) {
			d.t.Errorf("bulkreg %q does not say %q:\n%s", args, w, r.stderr)
		}
	}
	return r
}

func (d *desk) holds(want int) []holdJSON {
	d.t.Helper()
	holds := parsed[[]holdJSON](d.t, d.must(exitDone, "holds", "-o", "json").stdout)
	if len(holds) != want {
		d.t.Fatalf("%d holds, want %d: %+v", len(holds), want, holds)
	}
	return holds
}

func TestPauseAndResumeAnAccount(t *testing.T) {
	t.Parallel()
	d := pausedDesk(t)
	d.says(exitDone, []string{"pause", "default", "--reason", "night shift"},
		"Paused account default: no new call begins until `bulkreg resume default`; calls under way are seen through.\n")
	d.says(exitDone, []string{"pause", "default", "--by", "joe", "--reason", "x"},
		"The account default is paused already, since <time> by ann: night shift: nothing was changed.\n")
	h := d.holds(1)[0]
	if h.Reason != holds.Paused || h.Scope != holds.ScopeAll || h.PlacedBy != "ann" || h.NextProbeAt != nil || h.Jobs != 3 {
		t.Errorf("hold %+v", h)
	}
	table := stable(d.must(exitDone, "holds").stdout)
	for _, want := range []string{"everything", "ann", "a person lifts it", "night shift", "one checks"} {
		if !strings.Contains(table, want) {
			t.Errorf("the table lacks %q:\n%s", want, table)
		}
	}
	r := d.says(exitDone, []string{"resume", "default", "-o", "json"}, "The plan:\n",
		"lift the paused hold of account default  since <time> by ann  3 jobs go on  night shift\n",
		"Lifted the paused hold of account default, since <time>: 3 jobs go on.\n")
	if lifted := parsed[[]holdJSON](t, r.stdout); len(lifted) != 1 || lifted[0].Jobs != 3 {
		t.Errorf("lifted %+v", lifted)
	}
	d.holds(0)
	out := parsed[holdJSON](t, d.must(exitDone, "pause", "default", "-o", "json").stdout)
	if out.Account != "default" || out.PlacedBy != "ann" || out.Words != "" {
		t.Errorf("paused: %+v", out)
	}
}

func TestPauseAndResumeAnOrder(t *testing.T) {
	t.Parallel()
	d := pausedDesk(t)
	d.says(exitDone, []string{"pause", "checks", "--reason", "customer asks"}, "Paused order shop/checks: ", "`bulkreg resume shop/checks`")
	d.says(exitDone, []string{"pause", "shop/checks"}, "The order shop/checks is paused already, since <time> by ann: customer asks: nothing was changed.\n")
	h := d.holds(1)[0]
	if h.Order != "checks" || h.Source != "shop" || h.Scope != scopeOrder || h.Jobs != 1 || h.PlacedBy != "ann" {
		t.Errorf("hold %+v", h)
	}
	table := stable(d.must(exitDone, "holds").stdout)
	for _, want := range []string{"one order", "shop/checks", "a person lifts it", "customer asks"} {
		if !strings.Contains(table, want) {
			t.Errorf("the table lacks %q:\n%s", want, table)
		}
	}
	d.says(exitDone, []string{"resume", "default"}, "There was no hold to lift.\n")
	d.must(exitDone, "pause", "default")
	d.says(exitDone, []string{"resume", "checks"}, "Resumed order shop/checks, paused since <time>: 0 jobs go on.\n",
		"Its account default is on hold all the same: `bulkreg holds` says why.\n")
	d.must(exitDone, "resume", "default")
	d.says(exitDone, []string{"resume", "checks"}, "The order shop/checks is not paused: there was nothing to lift.\n")
}

// An argument may name an account, an order of any source, or nothing; and what it may mean twice is refused.
func TestPauseFindsWhatIsMeant(t *testing.T) {
	t.Parallel()
	d := pausedDesk(t)
	d.must(exitDone, "enqueue", "whois", "d.nl", "--order", "brand-b")
	d.must(exitDone, "enqueue", "whois", "e.nl", "--order", "one", "--source", "shop")
	for _, command := range []string{"pause", "resume"} {
		d.says(exitUsage, []string{command, "brand-b"},
			`"brand-b" is an account, and the order cli/brand-b, too: say which is meant with --as account or --as order`)
		d.says(exitUsage, []string{command, "one"}, `"one" names several orders: shop/one, cli/one;`)
		d.says(exitUsage, []string{command, "two"}, `there is no order "two", and there is no account "two"`)
		d.says(exitError, []string{command, "one", "--source", "joe"}, `there is no order "one" of source "joe"`)
		d.says(exitUsage, []string{command, "checks", "--as", "account"}, `there is no account "checks"`)
		d.says(exitUsage, []string{command, "checks", "--as", "job"}, "account, order")
	}
	d.holds(0)
	d.says(exitDone, []string{"pause", "brand-b", "--as", "account"}, "Paused account brand-b")
	d.says(exitDone, []string{"pause", "brand-b", "--as", "order"}, "Paused order cli/brand-b")
	d.says(exitDone, []string{"pause", "one", "--source", "shop"}, "Paused order shop/one")
	d.says(exitDone, []string{"pause", "cli/one"}, "Paused order cli/one")
	d.says(exitDone, []string{"resume", "brand-b", "--source", "cli"}, "Resumed order cli/brand-b")
	d.holds(3)
}

func TestPauseRefusals(t *testing.T) {
	t.Parallel()
	d := pausedDesk(t)
	nobody := append(d.environ, "USER=")
	if r := runCommand(t, nobody, "pause", "default"); r.status != exitUsage || !strings.Contains(r.stderr, "--by NAME") {
		t.Errorf("nobody: %d %s", r.status, r.stderr)
	}
	d.says(exitUsage, []string{"pause", "default", "--by", "reply"}, "cannot be named")
	d.says(exitUsage, []string{"pause"}, "give an account by its name, or an order by its reference")
	d.says(exitUsage, []string{"pause", "one", "two"}, "one too many")
	d.holds(0)
}

// Without a terminal, lifting everything or a restored hold needs --yes; the runbook's `resume ACCOUNT` does not.
func TestResumeNeedsYes(t *testing.T) {
	t.Parallel()
	d := pausedDesk(t)
	_, err := d.st.Holds.Hold(t.Context(), holds.NewHold{
		Account: "default", Reason: holds.Payment, Scope: holds.ScopeRegister, Words: "insufficient funds", Status: 402, ProbeEvery: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	d.says(exitDone, []string{"pause", "brand-b", "--by", "joe"})
	d.says(exitDone, []string{"pause", "checks"})
	belief := "the newest known good time is 2026-11-25 01:00:00Z; " + strings.Repeat("3 calls may have been sent since, ", 5) + "end"
	d.exec(`INSERT INTO holds (account, reason, scope, words) VALUES ('brand-b', 'restored', 'register', '` + belief + `')`)

	d.says(exitUsage, []string{"resume"}, "lift the payment hold of account default", "402 insufficient funds", "resume order shop/checks",
		"What bulkreg believes of account brand-b, since <time>:\n  "+stable(belief)+"\n", "add --yes", "nothing was changed")
	d.says(exitUsage, []string{"resume", "brand-b"}, stable(belief)[:30], "add --yes")
	d.holds(4)
	d.says(exitDone, []string{"resume", "default"}, "Lifted the payment hold of account default, since <time>: 2 jobs go on.\n")
	d.says(exitDone, []string{"resume", "brand-b", "--yes"}, "Lifted the paused hold of account brand-b", "Lifted the restored hold of account brand-b")
	d.says(exitDone, []string{"resume", "--yes"}, "Resumed order shop/checks")
	d.holds(0)
	d.says(exitDone, []string{"resume"}, "There was no hold to lift.")
}
