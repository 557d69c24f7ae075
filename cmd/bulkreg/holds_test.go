package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/holds"
)

func TestHoldsAndResume(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	if r := d.must(exitDone, "holds"); r.stdout != "" || !strings.Contains(r.stderr, "No account is on hold") {
		t.Errorf("without a hold: %q %q", r.stdout, r.stderr)
	}
	d.must(exitDone, "enqueue", "register", d.file("two.txt", "one.nl\ntwo.nl\n"), "--order", "waits", "--holder", "H-1", "--yes")
	laid, err := d.st.Holds.Hold(t.Context(), holds.NewHold{
		Account: "default", Reason: holds.Payment, Scope: holds.ScopeRegister,
		Words: "insufficient funds", Status: 402, ProbeEvery: time.Hour,
	})
	if err != nil || !laid {
		t.Fatal(laid, err)
	}
	table := d.must(exitDone, "holds").stdout
	for _, want := range []string{"default", "payment", "registrations", "402 insufficient funds", "waits", " 2 "} {
		if !strings.Contains(table, want) {
			t.Errorf("the table lacks %q:\n%s", want, table)
		}
	}
	var listed []holdJSON
	if err := json.Unmarshal([]byte(d.must(exitDone, "holds", "-o", "json").stdout), &listed); err != nil {
		t.Fatal(err)
	}
	if len(listed) != 1 || listed[0].Jobs != 2 || listed[0].Reason != holds.Payment || listed[0].Orders[0] != "waits" {
		t.Errorf("JSON: %+v", listed)
	}
	if err := d.st.Fleet.AnnounceAccount(t.Context(), "another"); err != nil {
		t.Fatal(err)
	}
	if r := d.must(exitDone, "resume", "another"); !strings.Contains(r.stderr, "no hold to lift") {
		t.Errorf("resuming another account: %q", r.stderr)
	}
	if r := d.must(exitUsage, "resume", "defualt"); !strings.Contains(r.stderr, `there is no account "defualt"`) ||
		!strings.Contains(r.stderr, "known: another\n") {
		t.Errorf("resuming an account that nobody knows: %q", r.stderr)
	}
	if r := d.must(exitDone, "resume", "default"); !strings.Contains(r.stderr, "Lifted the payment hold of account default") || !strings.Contains(r.stderr, ": 2 jobs go on.") {
		t.Errorf("resuming: %q", r.stdout)
	}
	if left, err := d.st.Holds.List(t.Context()); err != nil || len(left) != 0 {
		t.Errorf("%d holds left, %v", len(left), err)
	}
	d.must(exitUsage, "resume", "one", "two")
}
