package main

import (
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/record"
)

// Every command that takes an order takes its reference, whoever gave it, and source/reference.
func TestEveryCommandFindsAnOrder(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.environ = append(d.environ, "USER=ann")
	d.must(exitDone, "enqueue", "whois", "a.nl", "--order", "2026-1", "--source", "shop")
	d.work(record.Whois, fates{"a.nl": succeeds(record.Available)})
	for _, name := range []string{"2026-1", "shop/2026-1"} {
		for _, args := range [][]string{
			{"order"}, {"jobs"}, {"watch"}, {"export"}, {"retry", "--yes"}, {"retry", "--now", "--yes"}, {"cancel", "--yes"},
			{"confirm", "--registered", "--reason", "x", "--yes"}, {"pause"}, {"resume"},
		} {
			args = append([]string{args[0], name}, args[1:]...)
			d.must(exitDone, args...)
			d.must(exitDone, append(args, "--source", "shop")...)
			if r := d.must(exitError, append(args, "--source", "cli")...); strings.Count(r.stderr, "\n") != 1 ||
				!strings.Contains(r.stderr, `of source "cli", but there is shop/2026-1`) {
				t.Errorf("%q of another source: %s", args, r.stderr)
			}
		}
	}
	if r := d.must(exitError, "order", "2026-2", "--source", "shop"); !strings.Contains(r.stderr, `there is no order "2026-2" of source "shop", nor of another`) {
		t.Errorf("of nobody: %s", r.stderr)
	}
}

// A reference that several sources have is refused with the list, and nothing prints it as if it were enough.
func TestSharedReferences(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.environ = append(d.environ, "USER=ann")
	d.register("one", "a.nl")
	d.work(record.Register, fates{"a.nl": isUnconfirmed()})
	d.must(exitDone, "enqueue", "whois", "b.nl", "--order", "one", "--source", "shop")
	d.must(exitDone, "enqueue", "whois", "c.nl", "--order", "two", "--source", "shop")
	for _, args := range [][]string{
		{"order", "one"}, {"jobs", "one"}, {"watch", "one"}, {"export", "one"}, {"retry", "one", "--yes"}, {"cancel", "one", "--yes"},
		{"confirm", "one", "--registered", "--reason", "x", "--yes"}, {"pause", "one"}, {"resume", "one"},
	} {
		d.says(exitUsage, args, `"one" names several orders: shop/one, cli/one; give one of them`)
	}
	orders := d.must(exitDone, "orders").stdout
	for _, want := range []string{"\nshop/one ", "\ncli/one ", "\ntwo "} {
		if !strings.Contains(orders, want) {
			t.Errorf("the list lacks %q:\n%s", want, orders)
		}
	}
	if r := d.must(exitDone, "order", "cli/one"); !strings.Contains(r.stdout, "bulkreg confirm one --source cli --registered --reason TEXT") {
		t.Errorf("it says what nothing accepts: %s", r.stdout)
	}
	_, err := d.st.Holds.Hold(t.Context(), holds.NewHold{
		Account: "default", Reason: holds.Auth, Scope: holds.ScopeAll, Words: "no", Status: 401, ProbeEvery: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	if r := d.must(exitDone, "holds"); !strings.Contains(r.stdout, " shop/one two ") {
		t.Errorf("holds: %s", r.stdout)
	}
	r := d.must(exitUsage, "enqueue", "register", d.file("a", "a.nl\n"), "--holder", "H1", "--order", "three")
	if !strings.Contains(r.stderr, "a.nl is in progress in order cli/one\n") {
		t.Errorf("the plan: %s", r.stderr)
	}
	d.exec(`UPDATE orders SET total = 4`)
	if r := d.must(exitError, "audit"); !strings.Contains(r.stdout, " cli/one ") {
		t.Errorf("the audit: %s", r.stdout)
	}
}

// A source and a reference that read like another order's reference are told apart with --source.
func TestReferencesWithSlashes(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.must(exitDone, "enqueue", "whois", "a.nl", "--order", "shop/1")
	d.must(exitDone, "enqueue", "whois", "b.nl", "--order", "1", "--source", "shop")
	d.says(exitUsage, []string{"order", "shop/1"}, `"shop/1" names several orders: shop/1, cli/shop/1;`)
	for want, args := range map[string][]string{
		"a.nl": {"cli/shop/1"}, "b.nl": {"1"},
	} {
		if r := d.must(exitDone, append([]string{"jobs"}, args...)...); !strings.Contains(r.stdout, want) {
			t.Errorf("%q: %s", args, r.stdout)
		}
	}
	if r := d.must(exitDone, "jobs", "shop/1", "--source", "cli"); !strings.Contains(r.stdout, "a.nl") {
		t.Errorf("by its source: %s", r.stdout)
	}
	if r := d.must(exitDone, "orders"); !strings.Contains(r.stdout, "\ncli/shop/1 ") {
		t.Errorf("the list: %s", r.stdout)
	}
}
